-- All accounts as they stand, in files of so many rows.
with accounts as (
    select
        *,
        (row_number() over (order by owner_uin) - 1) // {{ rows_a_file }} as file_no
    from billing.accounts
)

select
    file_no,
    min(owner_uin) as first_owner,
    to_json(list({{ accounts }} order by owner_uin)) as script
from accounts
group by file_no
order by file_no
