-- Bills of the books beside those of the simulation; one that is on one side alone counts as zero
-- on the other.
with requested as (
    select * from simulation.requested
),

books as (
    select * from sealed.billing.monthly_bills
),

simulated as (
    select * from billing.monthly_bills
),

names as (
    select * from seeds.account_names
),

compared as (
    select
        coalesce(books.bill_month, simulated.bill_month) as bill_month,
        coalesce(books.owner_uin, simulated.owner_uin) as owner_uin,
        coalesce(books.product_code, simulated.product_code) as product_code,
        coalesce(books.calls, 0) as calls,
        coalesce(simulated.calls, 0) as simulated_calls,
        coalesce(books.list_cost, 0) as list_cost,
        coalesce(simulated.list_cost, 0) as simulated_list_cost,
        coalesce(books.rated_amount, 0) as rated_amount,
        coalesce(simulated.rated_amount, 0) as simulated_rated_amount,
        coalesce(books.adjustment_amount, 0) as adjustment_amount,
        coalesce(simulated.adjustment_amount, 0) as simulated_adjustment_amount,
        coalesce(books.deducted_amount, 0) as deducted_amount,
        coalesce(simulated.deducted_amount, 0) as simulated_deducted_amount
    from books
    full outer join simulated
        on
            books.bill_month = simulated.bill_month
            and books.owner_uin = simulated.owner_uin
            and books.product_code = simulated.product_code
),

bills as (
    select
        compared.bill_month,
        compared.owner_uin,
        names.account_name,
        compared.product_code,
        compared.calls,
        compared.simulated_calls,
        compared.list_cost,
        compared.simulated_list_cost,
        compared.rated_amount,
        compared.simulated_rated_amount,
        compared.adjustment_amount,
        compared.simulated_adjustment_amount,
        compared.deducted_amount,
        compared.simulated_deducted_amount,
        cast(
            compared.simulated_deducted_amount - compared.deducted_amount as decimal(18, 2)
        ) as difference
    from compared
    cross join requested
    left join names on compared.owner_uin = names.account_uin
    where
        compared.bill_month >= coalesce(requested.from_month, compared.bill_month)
        and compared.bill_month <= coalesce(requested.to_month, compared.bill_month)
        and compared.owner_uin = coalesce(requested.owner_uin, compared.owner_uin)
)

select * from bills
order by bill_month, owner_uin, product_code
