-- Restates on purpose how a line is shared out: a control does not trust what it checks. Sums and
-- limits are whole numbers of 10^-8 CNY (`_e8`). No share is a unit or more away from its part.
with lines as (
    select
        line_id,
        calls,
        (list_cost * 100000000::decimal(19, 0))::hugeint as list_e8,
        (real_cost * 100000000::decimal(19, 0))::hugeint as real_e8
    from billing.bill_lines
    where settled_on between date '{{ settle_from }}' and date '{{ settle_through }}'
),

shares as (
    select
        line_id,
        calls,
        (list_cost * 100000000::decimal(19, 0))::hugeint as list_e8,
        (real_cost * 100000000::decimal(19, 0))::hugeint as real_e8
    from billing.cost_allocation
    where settled_on between date '{{ settle_from }}' and date '{{ settle_through }}'
),

summed as (
    select
        line_id,
        sum(calls) as calls,
        sum(list_e8) as list_e8,
        sum(real_e8) as real_e8
    from shares
    group by line_id
),

-- In whole price units, so that no product is too long: real cost − calls × (cost ÷ calls).
off_by as (
    select
        shares.line_id,
        max(abs(
            shares.real_e8
            - (lines.real_e8 // lines.calls) * shares.calls
            - ((lines.real_e8 % lines.calls) * shares.calls) // lines.calls
        )) as most_units,
        min(shares.calls::hugeint * sign(lines.calls)) as fewest_calls
    from shares
    inner join lines on shares.line_id = lines.line_id
    group by shares.line_id
)

select
    coalesce(lines.line_id, summed.line_id) as line_id,
    lines.calls as calls_of_line,
    summed.calls as calls_of_shares,
    lines.list_e8 as list_e8_of_line,
    summed.list_e8 as list_e8_of_shares,
    lines.real_e8 as real_e8_of_line,
    summed.real_e8 as real_e8_of_shares,
    off_by.most_units,
    off_by.fewest_calls
from lines
full outer join summed on lines.line_id = summed.line_id
left join off_by on lines.line_id = off_by.line_id
where
    lines.calls is distinct from summed.calls
    or lines.list_e8 is distinct from summed.list_e8
    or lines.real_e8 is distinct from summed.real_e8
    or off_by.most_units > 1
    or off_by.fewest_calls < 1
