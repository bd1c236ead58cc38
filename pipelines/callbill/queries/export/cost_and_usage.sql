-- A month of billing.focus_cost_and_usage, whose columns are those of FOCUS.
-- noqa: disable=AM04
select f.*
from billing.focus_cost_and_usage as f
inner join asked
    on
        f.billingperiodstart = asked.period_start
        and f.billingaccountid = coalesce(asked.owner_uin, f.billingaccountid)
-- What is not usage comes last.
order by f.billingaccountid, f.x_settledon, f.chargeperiodstart, f.x_lineid
