-- 月度计费精度差异: by how much the deductions of a month differ from what was rated.
with settlements as (
    select * from {{ ref('settlements') }}
),

precision_adjustments as (
    select
        bill_month,
        owner_uin,
        cast(sum(rated_amount) as decimal(38, 8)) as rated_amount,
        cast(sum(deducted_amount) as decimal(18, 2)) as deducted_amount,
        cast(sum(deducted_amount) - sum(rated_amount) as decimal(38, 8)) as adjustment_amount,
        -- A month is closed by the settlement of the 1st of the next.
        {{ settle_through() }} >= bill_month + interval 1 month as is_final
    from settlements
    group by bill_month, owner_uin
)

select * from precision_adjustments
