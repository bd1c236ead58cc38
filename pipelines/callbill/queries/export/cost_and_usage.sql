-- A month of billing.focus_cost_and_usage, whose columns are those of FOCUS.
-- noqa: disable=AM04
select f.*
from billing.focus_cost_and_usage as f
inner join requested
    on
        f.billingperiodstart = requested.period_start
        and f.billingaccountid = coalesce(requested.owner_uin, f.billingaccountid)
-- Rows that are not usage come last.
order by
    f.billingaccountid, f.x_settledon, f.chargeperiodstart, f.x_lineid,
    f.subaccountid, f.regionid
