-- Restates the rule of macros/bill_month.sql on purpose: a control does not trust what it checks.
select
    line_id,
    settled_on,
    usage_date,
    bill_month,
    line_type,
    calls
from billing.bill_lines
where
    settled_on between date '{{ settle_from }}' and date '{{ settle_through }}'
    and (
        bill_month is distinct from case
            when settled_on <= date_trunc('month', usage_date) + interval 1 month
                then date_trunc('month', usage_date)
            else date_trunc('month', settled_on)
        end
        or usage_date >= settled_on
        or case line_type
            when 'usage' then settled_on <> usage_date + 1 or calls <= 0
            when 'late_usage' then settled_on <= usage_date + 1 or calls <= 0
            -- A waiver may give up calls that turned out to be void.
            when 'correction' then calls = 0 or (calls > 0 and waiver_id is null)
            when 'rerating' then calls = 0
            else true
        end
    )
