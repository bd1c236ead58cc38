-- Bill lines of the books beside those of the simulation. Lines with one id, which names their
-- prices, are one line. Of the others, lines of one key stand beside each other in order of price:
-- what a line would have been.
with requested as (
    select * from simulation.requested
),

-- A release of an earlier version has no columns of steps, packages and waivers.
books as (
    select * from sealed.billing.bill_lines
    union all by name
    select * from billing.bill_lines
    where false
),

simulated as (
    select * from billing.bill_lines
),

books_in_order as (
    select
        *,
        row_number() over of_key as place
    from books
    where line_id not in (select simulated.line_id from simulated)
    window
        of_key as (
            partition by
                settled_on, bill_month, usage_date, owner_uin, component_code, line_type, calls < 0
            order by list_price, contract_price, discount, line_id
        )
),

simulated_in_order as (
    select
        *,
        row_number() over of_key as place
    from simulated
    where line_id not in (select books.line_id from books)
    window
        of_key as (
            partition by
                settled_on, bill_month, usage_date, owner_uin, component_code, line_type, calls < 0
            order by list_price, contract_price, discount, line_id
        )
),

pairs as (
    select
        line_id as books_id,
        line_id as simulated_id
    from books
    where line_id in (select simulated.line_id from simulated)
    union all
    select
        books_in_order.line_id as books_id,
        simulated_in_order.line_id as simulated_id
    from books_in_order
    full outer join simulated_in_order
        on
            books_in_order.settled_on = simulated_in_order.settled_on
            and books_in_order.bill_month = simulated_in_order.bill_month
            and books_in_order.usage_date = simulated_in_order.usage_date
            and books_in_order.owner_uin = simulated_in_order.owner_uin
            and books_in_order.component_code = simulated_in_order.component_code
            and books_in_order.line_type = simulated_in_order.line_type
            and (books_in_order.calls < 0) = (simulated_in_order.calls < 0)
            and books_in_order.place = simulated_in_order.place
),

lines as (
    select
        coalesce(books.settled_on, simulated.settled_on) as settled_on,
        coalesce(books.bill_month, simulated.bill_month) as bill_month,
        coalesce(books.usage_date, simulated.usage_date) as usage_date,
        coalesce(books.owner_uin, simulated.owner_uin) as owner_uin,
        coalesce(books.product_code, simulated.product_code) as product_code,
        coalesce(books.component_code, simulated.component_code) as component_code,
        coalesce(books.line_type, simulated.line_type) as line_type,
        case
            when simulated.line_id is null then 'only_in_books'
            when books.line_id is null then 'only_in_simulation'
            when
                books.line_id = simulated.line_id
                and books.calls = simulated.calls
                and books.list_cost = simulated.list_cost
                and books.real_cost = simulated.real_cost
                then 'same'
            else 'other'
        end as comparison,
        books.calls,
        simulated.calls as simulated_calls,
        books.tier_from,
        simulated.tier_from as simulated_tier_from,
        books.package_id,
        simulated.package_id as simulated_package_id,
        books.waiver_id,
        simulated.waiver_id as simulated_waiver_id,
        books.list_price,
        simulated.list_price as simulated_list_price,
        books.discount,
        simulated.discount as simulated_discount,
        books.contract_price,
        simulated.contract_price as simulated_contract_price,
        books.list_cost,
        simulated.list_cost as simulated_list_cost,
        books.real_cost,
        simulated.real_cost as simulated_real_cost,
        cast(
            coalesce(simulated.real_cost, 0) - coalesce(books.real_cost, 0) as decimal(38, 8)
        ) as difference,
        books.line_id,
        simulated.line_id as simulated_line_id
    from pairs
    left join books on pairs.books_id = books.line_id
    left join simulated on pairs.simulated_id = simulated.line_id
),

requested_lines as (
    select lines.*
    from lines
    cross join requested
    where
        lines.bill_month >= coalesce(requested.from_month, lines.bill_month)
        and lines.bill_month <= coalesce(requested.to_month, lines.bill_month)
        and lines.owner_uin = coalesce(requested.owner_uin, lines.owner_uin)
)

select * from requested_lines
order by
    bill_month, owner_uin, settled_on, usage_date, component_code, line_type, line_id,
    simulated_line_id
