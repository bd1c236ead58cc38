"""An account's bill of a month as a statement: what a PDF shows, as texts to the last digit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import duckdb

_BILL = """
    select
        p.rated_amount, p.deducted_amount, p.adjustment_amount, p.is_final,
        n.account_name, sum(m.calls)::bigint as calls, sum(m.list_cost) as list_cost,
        sum(m.discount_amount) as discount_amount,
        (
            select coalesce(sum(u.calls_billed), 0)::bigint from billing.daily_usage as u
            where
                u.owner_uin = p.owner_uin
                and u.usage_date between p.bill_month and last_day(p.bill_month)
        ) as calls_of_month,
        coalesce(
            nullif($issuer, ''),
            array_to_string(
                list_sort(list_distinct(list(coalesce(f.invoice_issuer_name, 'callbill')))), ', '
            )
        ) as issuer
    from billing.precision_adjustments as p
    inner join billing.monthly_bills as m
        on p.bill_month = m.bill_month and p.owner_uin = m.owner_uin
    left join billing.accounts as n on p.owner_uin = n.owner_uin
    left join seeds.focus_services as f on m.product_code = f.product_code
    where p.bill_month = $month and p.owner_uin = $owner
    group by all
"""
_CALLERS = """
    select
        a.operate_uin, n.account_name, sum(a.calls)::bigint as calls,
        sum(a.list_cost) as list_cost, sum(a.real_cost) as real_cost
    from billing.cost_allocation as a
    left join seeds.account_names as n on a.operate_uin = n.account_uin
    where a.bill_month = $month and a.owner_uin = $owner
    group by a.operate_uin, n.account_name order by real_cost desc, a.operate_uin
"""
_LINES = """
    select
        line_type, usage_date, settled_on,
        -- With the step, package or waiver of the calls, if they have one.
        concat_ws(
            ' ', component_name, '> ' || tier_from, package_id, waiver_id || ': ' || waiver_reason
        ) as component_name,
        calls, list_price, discount, contract_price, price_unit, list_cost, real_cost, line_id,
        waiver_id
    from (
        from billing.bill_lines
        -- A release of before 0.7 does not have these columns.
        union all by name
        select
            null::bigint as tier_from, null::varchar as package_id, null::varchar as waiver_id,
            null::varchar as waiver_reason
        where false
    )
    where bill_month = $month and owner_uin = $owner
    order by
        list_position(['usage', 'late_usage', 'correction', 'rerating'], line_type),
        -- What a re-rating takes back stands before what it charges again.
        usage_date, settled_on, component_code, calls > 0, package_id nulls last, tier_from,
        contract_price, line_id
"""
# The prices of a bill, with the contract that covers the first of their calls.
_PRICES = """
    with prices as (
        select
            component_code, any_value(component_name) as component_name, list_price, discount,
            contract_price, min(usage_date) as first_usage_date, max(usage_date) as last_usage_date,
            sum(calls)::bigint as calls, sum(list_cost) as list_cost, sum(real_cost) as real_cost
        from billing.bill_lines
        where bill_month = $month and owner_uin = $owner
        group by component_code, list_price, discount, contract_price
    ),
    contracts as (
        from {contracts} where owner_uin = $owner
    )
    select
        prices.*,
        (
            select max(effective_from) from contracts
            where
                contracts.component_code = prices.component_code
                and contracts.effective_from <= prices.first_usage_date
                and contracts.discount is not distinct from prices.discount
                and coalesce(contracts.contract_price, prices.contract_price)
                = prices.contract_price
        ) as contract_from
    from prices
    order by component_code, first_usage_date, contract_price
"""
# A release of before 0.7 has no contracts.
_NO_CONTRACTS = """(
    select
        null::varchar as owner_uin, null::varchar as component_code, null::date as effective_from,
        null::decimal(18, 8) as discount, null::decimal(18, 8) as contract_price
    where false
)"""
_HAS_CONTRACTS = """
    select count(*) > 0 from information_schema.tables
    where table_schema = 'billing' and table_name = 'contracts'
"""
# The days of the month: calls as they are known now, and what this bill charged for them.
_DAYS = """
    with days as (
        select unnest(generate_series($month, last_day($month), interval 1 day))::date as usage_date
    ),
    used as (
        select
            usage_date, sum(calls_billed)::bigint as calls_billed,
            sum(calls_failed)::bigint as calls_failed, sum(calls_unbilled)::bigint as calls_unbilled
        from billing.daily_usage where owner_uin = $owner group by usage_date
    ),
    costs as (
        select usage_date, sum(real_cost) as real_cost
        from billing.bill_lines where bill_month = $month and owner_uin = $owner
        group by usage_date
    )
    select
        days.usage_date, coalesce(calls_billed, 0) as calls_billed,
        coalesce(calls_failed, 0) as calls_failed, coalesce(calls_unbilled, 0) as calls_unbilled,
        coalesce(real_cost, 0)::decimal(38, 8) as real_cost
    from days
    left join used on days.usage_date = used.usage_date
    left join costs on days.usage_date = costs.usage_date
    order by days.usage_date
"""
# How the account stands, if any of its events is known.
_STANDING = """
    select a.status, a.balance, a.available, a.amount_due
    from billing.accounts as a where a.owner_uin = $owner and a.status is not null
"""
_SETTLEMENTS = """
    select s.settled_on, p.product_name, s.rated_amount, s.deducted_amount, s.residual_amount
    from billing.settlements as s
    inner join seeds.products as p on s.product_code = p.product_code
    where s.bill_month = $month and s.owner_uin = $owner
    order by s.settled_on, s.product_code
"""


@dataclass(frozen=True)
class Statement:
    """A bill, and the release that it is of."""

    owner: str
    month: date
    through: date
    run_id: str
    bill: dict[str, Any]
    # The bill of the month before, if there is one.
    before: dict[str, Any] | None
    prices: list[dict[str, Any]]
    callers: list[dict[str, Any]]
    lines: list[dict[str, Any]]
    settlements: list[dict[str, Any]]
    days: list[dict[str, Any]]
    # How the account stands after the last date that is settled, if that is known.
    standing: dict[str, Any] | None

    @property
    def number(self) -> str:
        return f"{self.month:%Y-%m}/{self.owner}"


def statements(
    con: duckdb.DuckDBPyConnection,
    month: date,
    owner: str | None,
    through: date,
    run_id: str,
    issuer: str,
) -> Iterator[Statement]:
    """The statements of a month, of one account or of all, in the order of their numbers. `issuer`
    is who bills; if it is empty, those who issue the products on the bill."""
    owners = con.execute(
        "select owner_uin from billing.precision_adjustments"
        " where bill_month = $month and owner_uin = coalesce($owner, owner_uin) order by 1",
        {"month": month, "owner": owner},
    ).fetchall()
    [(has_contracts,)] = con.execute(_HAS_CONTRACTS).fetchall()
    prices = _PRICES.format(contracts="billing.contracts" if has_contracts else _NO_CONTRACTS)
    for (account,) in owners:
        [bill] = _rows(con, _BILL, month, account, {"issuer": issuer})
        month_before = (month - timedelta(days=1)).replace(day=1)
        before = _rows(con, _BILL, month_before, account, {"issuer": issuer})
        standing = _named(con.execute(_STANDING, {"owner": account}))
        yield Statement(
            account,
            month,
            through,
            run_id,
            bill,
            before[0] if before else None,
            _rows(con, prices, month, account),
            _rows(con, _CALLERS, month, account),
            _rows(con, _LINES, month, account),
            _rows(con, _SETTLEMENTS, month, account),
            _rows(con, _DAYS, month, account),
            standing[0] if standing else None,
        )


def amount(value: Decimal | int, *, signed: bool = False) -> str:
    """A number for people: all its decimals, thousands apart, a true minus. With a sign also if it
    is positive."""
    text = f"{value:,}" if isinstance(value, int) else f"{value:,f}"
    return ("+" if signed and value > 0 else "") + text.replace("-", "−")


def _rows(
    con: duckdb.DuckDBPyConnection,
    query: str,
    month: date,
    owner: str,
    more: Mapping[str, str] | None = None,
) -> list[dict[str, Any]]:
    return _named(con.execute(query, {"month": month, "owner": owner, **(more or {})}))


def _named(result: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    names = [column[0] for column in result.description or ()]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]
