-- List prices, known from the date on which their row of the catalogue begins to count. Restates
-- the rule of models/staging/stg_list_prices.sql on purpose: a control does not trust what it
-- checks.
create table checks.list_prices as
select
    prices.component_code,
    prices.effective_from,
    coalesce(counted.counts_from, prices.known_from) as known_from,
    max_by(prices.list_price, prices.known_from) as list_price
from seeds.list_prices as prices
left join ops.catalogue_rows as counted
    on
        counted.seed = 'list_prices'
        and counted.row[1] = prices.component_code
        and counted.row[2] = prices.effective_from::varchar
        and counted.row[3] = prices.known_from::varchar
group by
    prices.component_code,
    prices.effective_from,
    coalesce(counted.counts_from, prices.known_from)
