-- A rebuild settles sealed dates anew, those of one version of the rules after those of another.
-- What it has not come to is not there yet.
with sealed as (
    select
        settled_on,
        content_hash
    from ops.sealed_settlements
    where settled_on <= date '{{ settle_through }}'
),

hashed as (
    select
        settled_on,
        content_hash
    from ops.settlement_hashes
    where settled_on <= (select max(sealed.settled_on) from sealed)
)

select
    sealed.settled_on,
    sealed.content_hash as sealed_as,
    hashed.content_hash as found_as
from sealed
full outer join hashed on sealed.settled_on = hashed.settled_on
where sealed.content_hash is distinct from hashed.content_hash
