-- An id whose hash occurs once needs no closer look.
with suspects as (
    select hash(request_id) as request_hash
    from billing.calls
    where settled_on between date '{{ settle_from }}' and date '{{ settle_through }}'
    group by hash(request_id){% if settle_from != settle_through %}, settled_on{% endif %}
    having count(*) > 1
)

select
    request_id,
    settled_on,
    count(*) as row_count
from billing.calls
where
    settled_on between date '{{ settle_from }}' and date '{{ settle_through }}'
    and hash(request_id) in (select suspects.request_hash from suspects)
group by request_id, settled_on
having count(*) > 1
