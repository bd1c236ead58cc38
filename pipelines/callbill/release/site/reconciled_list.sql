-- The vendor's bills of a month beside ours, one row an account, in files of so many rows.
with causes as (
    select
        owner_uin,
        string_agg(distinct cause, '+' order by cause) as causes
    from (
        select
            owner_uin,
            unnest(string_split(category, '+')) as cause
        from billing.reconciliation
        where bill_month = date '{{ month }}' and category <> 'none'
    ) as each_cause
    group by owner_uin
),

compared_bills as (
    select
        owner_uin,
        count(*) as compared,
        count(*) filter (where category <> 'none') as differing,
        cast(sum(real_cost) as decimal(38, 8)) as real_cost,
        cast(sum(vendor_cost) as decimal(38, 8)) as vendor_cost,
        cast(sum(cost_difference) as decimal(38, 8)) as cost_difference,
        cast(sum(unexplained_difference) as decimal(38, 8)) as unexplained_difference
    from billing.reconciliation
    where bill_month = date '{{ month }}'
    group by owner_uin
),

bills as (
    select
        compared_bills.*,
        causes.causes,
        (row_number() over (order by compared_bills.owner_uin) - 1) // {{ rows_a_file }} as file_no
    from compared_bills
    left join causes on compared_bills.owner_uin = causes.owner_uin
)

select
    file_no,
    min(owner_uin) as first_owner,
    to_json(list({{ reconciled_bills }} order by owner_uin)) as script
from bills
group by file_no
order by file_no
