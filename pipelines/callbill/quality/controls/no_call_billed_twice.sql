-- Hashes of the ids that may have been charged twice. Only few ids are then compared as texts.
with suspects as (
    select request_hash
    from checks.earlier_records
    {%- if settle_from != settle_through %}
    union
    select hash(request_id) as request_hash
    from billing.calls
    where
        settled_on between date '{{ settle_from }}' and date '{{ settle_through }}'
        and calls_billed > 0
    group by hash(request_id)
    having count(*) > 1
    {%- endif %}
),

charges as (
    select
        request_id,
        settled_on
    from billing.calls
    where
        settled_on between date '{{ settle_from }}' and date '{{ settle_through }}'
        and calls_billed > 0
        and hash(request_id) in (select suspects.request_hash from suspects)
    union all
    select
        request_id,
        settled_on
    from billing.calls
    where
        settled_on in (select earlier_records.settled_on from checks.earlier_records)
        and settled_on < date '{{ settle_from }}'
        and calls_billed > 0
        and hash(request_id) in (select earlier_records.request_hash from checks.earlier_records)
)

select
    due.request_id,
    due.settled_on,
    min(charges.settled_on) as charged_before,
    count(*) as charges
from charges as due
inner join charges
    on
        due.request_id = charges.request_id
        and charges.settled_on between due.settled_on - {{ horizon_days }} and due.settled_on
where due.settled_on >= date '{{ settle_from }}'
group by due.request_id, due.settled_on
having count(*) > 1
