"""The pages of a site: frames for what `data/` holds, and tables that are not of one account."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import jinja2

from callbill import __version__
from callbill.base.yaml_files import read_yaml
from callbill.release.site.data import COLUMNS, LAST_ENTRIES, Data

_FOLDER = Path(__file__).parent
# The pages, with the scripts of each and the tables that it shows.
_PAGES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "index": (
        ("chart", "charts", "index"),
        ("totals", "used", "days", "changes", "callers", "arrears", "unbilled",
         "unbilled_to_date", "controls", "budgets", "reconciled"),
    ),
    "bills": (("bills",), ()),
    "bill": (("chart", "charts", "standing", "bill"), ()),
    "reconciliation": (("reconciliation",), ("reconciled",)),
    "accounts": (("accounts",), ()),
    "account": (("chart", "charts", "standing", "account"), ("totals",)),
    "runs": (
        ("runs",),
        ("controls", "unbilled_by_account", "runs", "failed_controls", "rejected"),
    ),
    "dictionary": (("dictionary",), ()),
    "checks": (("dictionary",), ()),
}  # fmt: skip
# The pages of a site for one customer.
_CUSTOMER_PAGES = ("bill", "account", "reconciliation")
# How many of the last runs are shown.
_LAST_RUNS = 30
# How many rows a table has that may grow with the number of accounts.
_MOST_ROWS = 20
# How many days the overview shows.
_LAST_DAYS = 62
# How many callers the overview names. All others are one row.
_TOP_CALLERS = 10
_REASONS = "['unrated', 'conflict', 'too_old', 'waiting']"
_QUERIES = {
    "totals": """
        select
            strftime(bill_month, '%Y-%m') as bill_month, count(distinct owner_uin) as accounts,
            sum(calls)::bigint as calls, sum(list_cost) as list_cost,
            sum(discount_amount) as discount_amount, sum(rated_amount) as rated_amount,
            sum(adjustment_amount) as adjustment_amount, sum(deducted_amount) as deducted_amount,
            bill_month + interval 1 month <= $through as is_final
        from billing.monthly_bills group by billing.monthly_bills.bill_month
        order by bill_month desc
    """,
    "used": """
        select
            strftime(usage_date, '%Y-%m') as usage_month,
            sum(calls_received)::bigint as calls_received,
            sum(calls_billed)::bigint as calls_billed, sum(calls_failed)::bigint as calls_failed,
            sum(calls_unbilled)::bigint as calls_unbilled
        from billing.daily_usage group by usage_month order by usage_month desc
    """,
    "days": f"""
        with days as (
            select
                usage_date, sum(calls_billed)::bigint as calls_billed,
                sum(calls_failed)::bigint as calls_failed,
                sum(calls_unbilled)::bigint as calls_unbilled
            from billing.daily_usage where usage_date >= $through::date - {_LAST_DAYS}
            group by usage_date
        ),
        costs as (
            select usage_date, sum(real_cost) as real_cost
            from billing.bill_lines where usage_date >= $through::date - {_LAST_DAYS}
            group by usage_date
        )
        select days.*, coalesce(costs.real_cost, 0)::decimal(38, 8) as real_cost
        from days left join costs on days.usage_date = costs.usage_date order by days.usage_date
    """,
    # The last month that has ended, beside the month before it.
    "changes": f"""
        with month as (
            select max(bill_month) as this_month from billing.monthly_bills
            where bill_month + interval 1 month <= $through
        ),
        sums as (
            select
                owner_uin,
                coalesce(sum(deducted_amount) filter (where bill_month = this_month), 0)
                    as deducted_amount,
                coalesce(sum(deducted_amount) filter (where bill_month < this_month), 0)
                    as before_amount,
                (coalesce(sum(calls) filter (where bill_month = this_month), 0)
                - coalesce(sum(calls) filter (where bill_month < this_month), 0))::bigint
                    as calls_change
            from billing.monthly_bills, month
            where bill_month between this_month - interval 1 month and this_month
            group by owner_uin
        ),
        largest as (
            select *, deducted_amount - before_amount as change_amount
            from sums where change_amount <> 0
            order by abs(change_amount) desc, owner_uin limit {_MOST_ROWS}
        ),
        used as (
            select
                owner_uin,
                sum(case when usage_date >= this_month then calls_billed else -calls_billed end)
                    as usage_change
            from billing.daily_usage, month
            where
                usage_date between this_month - interval 1 month and last_day(this_month)
                and owner_uin in (select owner_uin from largest)
            group by owner_uin
        )
        select
            (select strftime(this_month, '%Y-%m') from month) as bill_month,
            largest.owner_uin, account_name, before_amount, deducted_amount, change_amount,
            calls_change, coalesce(usage_change, 0)::bigint as usage_change
        from largest
        left join used on largest.owner_uin = used.owner_uin
        left join billing.accounts as accounts on largest.owner_uin = accounts.owner_uin
        order by abs(change_amount) desc, largest.owner_uin
    """,
    # Who spent most in that month, or in the first month as long as none has ended. The last row is
    # all the others, so that the rows make the sum.
    "callers": f"""
        with month as (
            select
                coalesce(
                    max(bill_month) filter (where bill_month + interval 1 month <= $through),
                    min(bill_month)
                ) as this_month
            from billing.monthly_bills
        ),
        sums as (
            select
                owner_uin, operate_uin, sum(calls) as calls, sum(real_cost) as real_cost,
                row_number() over (order by sum(real_cost) desc, owner_uin, operate_uin) as place
            from billing.cost_allocation
            where bill_month = (select this_month from month)
            group by owner_uin, operate_uin
        ),
        ranked as (
            select
                place, owner_uin, operate_uin, 1 as callers, calls, real_cost
            from sums where place <= {_TOP_CALLERS}
            union all
            select
                null as place, null as owner_uin, null as operate_uin, count(*) as callers,
                sum(calls) as calls, sum(real_cost) as real_cost
            from sums where place > {_TOP_CALLERS} having count(*) > 0
        )
        select
            (select strftime(this_month, '%Y-%m') from month) as bill_month, place, owner_uin,
            accounts.account_name as owner_name, operate_uin, names.account_name, callers,
            calls::bigint as calls, real_cost::decimal(38, 8) as real_cost
        from ranked
        left join seeds.account_names as accounts on owner_uin = accounts.account_uin
        left join seeds.account_names as names on operate_uin = names.account_uin
        order by place nulls last
    """,
    "arrears": """
        select
            notices.owner_uin, account_name, state, notices.amount_due, local_time(since) as since,
            local_time(stops_at) as stops_at
        from billing.arrears_notices as notices
        left join billing.accounts as accounts on notices.owner_uin = accounts.owner_uin
        order by notices.stops_at, notices.owner_uin
    """,
    "runs": f"""
        select
            run_id, local_time(started_at) as started_at, through_date, settle_from, outcome,
            files_loaded, records_accepted, records_rejected
        from ops.runs order by run_id desc limit {_LAST_RUNS}
    """,
    "unbilled": f"""
        select
            reason as unbilled_reason, sum(calls)::bigint as calls_unbilled,
            count(distinct owner_uin) as accounts, count(distinct action) as actions,
            sum(unbilled_cost) as unbilled_cost
        from ops.unbilled_calls where run_id = $run_id group by reason
        order by list_position({_REASONS}, reason)
    """,
    "unbilled_to_date": """
        select coalesce(sum(calls_unbilled), 0)::bigint as calls from billing.daily_usage
    """,
    "unbilled_by_account": f"""
        select
            reason as unbilled_reason, action, owner_uin, sum(calls)::bigint as calls_unbilled,
            min(usage_date) as first_usage_date, max(usage_date) as last_usage_date,
            sum(unbilled_cost) as unbilled_cost
        from (
            select * replace (concat(action, ' (' || attributes || ')') as action)
            from ops.unbilled_calls where run_id = $run_id
        ) as named
        group by reason, action, owner_uin
        order by list_position({_REASONS}, reason), calls_unbilled desc, action, owner_uin
    """,
    "controls": """
        select control_id, sentence, severity, passed, unexpected_rows
        from ops.control_results where run_id = $run_id order by passed, severity, control_id
    """,
    "failed_controls": f"""
        select run_id, control_id, severity, unexpected_rows
        from ops.control_results
        where
            not passed
            and run_id in (select run_id from ops.runs order by run_id desc limit {_LAST_RUNS})
        order by run_id desc, severity, control_id
    """,
    "budgets": """
        select bill_month, owner_uin, budget_amount, deducted_amount, used_percent
        from billing.budget_status where state <> 'within'
        order by bill_month desc, used_percent desc, owner_uin
    """,
    # The vendor's bills beside ours, by month.
    "reconciled": """
        select
            strftime(bill_month, '%Y-%m') as bill_month, count(distinct owner_uin) as accounts,
            count(distinct owner_uin) filter (where category <> 'none') as differing_accounts,
            count(distinct owner_uin) filter (where unexplained_difference <> 0)
                as unexplained_accounts,
            sum(real_cost) as real_cost, sum(vendor_cost) as vendor_cost,
            sum(cost_difference) as cost_difference
        from billing.reconciliation group by billing.reconciliation.bill_month
        order by bill_month desc
    """,
    "rejected": """
        select
            feed, reason, count(*) as lines, count(distinct source_file_id) as files
        from ops.rejected_records group by feed, reason order by lines desc, feed, reason
    """,
}
# Tables that may have a row per account: how many rows there are is told beside them.
_CUT = ("arrears", "unbilled_by_account", "budgets")
_COMPONENTS = """
    select
        c.component_code, c.component_name, c.product_code, p.product_name, c.used_amount_unit,
        c.price_unit,
        coalesce(nullif($issuer, ''), f.invoice_issuer_name, 'callbill') as issuer
    from seeds.components as c
    inner join seeds.products as p on c.product_code = p.product_code
    left join seeds.focus_services as f on c.product_code = f.product_code
    order by c.component_code
"""


@dataclass(frozen=True)
class Facts:
    """What every page says of its release."""

    run_id: str
    through: date
    zone: str
    rounding: str
    # The account of a site for one customer.
    customer: str | None = None
    # Who bills, by the settings. Empty: whoever issues the product.
    issuer: str = ""


def write_pages(con: duckdb.DuckDBPyConnection, facts: Facts, site: Path, data: Data) -> None:
    """Write the pages, their scripts and their styles. `write_data` comes first."""
    names = _CUSTOMER_PAGES if facts.customer else tuple(_PAGES)
    copy_assets(site, {script for name in names for script in _PAGES[name][0]})
    billed = [row[0] for row in con.execute(
        "select distinct strftime(bill_month, '%Y-%m') from billing.monthly_bills order by 1 desc"
    ).fetchall()]  # fmt: skip
    # What the scripts of the pages need to know.
    shared = {
        "release": facts.run_id,
        "through": str(facts.through),
        "zone": facts.zone,
        "version": __version__,
        "rounding": facts.rounding,
        "customer": facts.customer,
        "data": data.folder,
        "shares": data.shares,
        "written": data.written,
        "lists": data.lists,
        "months": [f"{month:%Y-%m}" for month in data.months],
        "reconciled": [f"{month:%Y-%m}" for month in data.reconciled],
        "found": data.found,
        "billed": billed,
        "lastEntries": LAST_ENTRIES,
        "columns": COLUMNS,
        "components": {
            row["component_code"]: row
            for row in rows_of(con, _COMPONENTS, {"issuer": facts.issuer})
        },
        "terms": terms(),
        "texts": texts(),
        "sentences": _yaml("sentences.yml"),
    }
    values = {"through": facts.through, "run_id": facts.run_id}
    asked: dict[str, list[dict[str, Any]]] = {}
    for name in names:
        page_scripts, tables = _PAGES[name]
        page_facts: dict[str, Any] = shared | {"page": name, "tables": {}, "rows": {}}
        if name != "runs":
            del page_facts["sentences"]
        for table in tables:
            # Of many accounts a table takes a second: pages that show the same one share it.
            if table not in asked:
                query = _QUERIES[table]
                used = {key: value for key, value in values.items() if f"${key}" in query}
                asked[table] = rows_of(con, query, used)
            rows = asked[table]
            page_facts["rows"][table] = len(rows)
            page_facts["tables"][table] = rows[:_MOST_ROWS] if table in _CUT else rows
        file = "index" if facts.customer and name == "account" else name
        page = rendered(page_facts, page_scripts)
        (site / f"{file}.html").write_text(page, encoding="utf-8")


_COMMON = ("htm-preact", "fflate", "site", "download")


def copy_assets(site: Path, scripts: Collection[str]) -> None:
    """Copy styles and the common scripts, and of the others those that pages of the site have."""
    (site / "assets").mkdir()
    for folder in ("assets", "vendor"):
        for asset in (_FOLDER / folder).iterdir():
            # The content alone: where callbill is installed read-only, files and folders are too.
            if asset.suffix != ".js" or asset.stem in (*_COMMON, *scripts):
                shutil.copyfile(asset, site / "assets" / asset.name)


def rendered(facts: Mapping[str, Any], scripts: Sequence[str]) -> str:
    """A page: a frame with what its scripts need to know, which site.js reads as `facts`."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template("page.html.j2")
    return page.render(facts=facts, scripts=(*_COMMON, *scripts)) + "\n"


def terms() -> dict[str, list[str]]:
    """What figures and states are called, in English and Chinese, and what they are."""
    return dict(_yaml("terms.yml"))


def texts() -> dict[str, list[str]]:
    """The sentences of the pages, in English and Chinese."""
    return dict(_yaml("texts.yml"))


def _yaml(name: str) -> Any:
    return read_yaml(_FOLDER / name)


def rows_of(
    con: duckdb.DuckDBPyConnection, query: str, values: dict[str, object] | None = None
) -> list[dict[str, Any]]:
    """Rows with their values as texts, so that no digit is lost on the way; truth as truth."""
    result = con.execute(query, values) if values else con.execute(query)
    names = [column[0] for column in result.description]
    return [dict(zip(names, map(_shown, row), strict=True)) for row in result.fetchall()]


def _shown(value: object) -> object:
    if value is None or isinstance(value, bool):
        return value
    return f"{value:f}" if hasattr(value, "as_tuple") else str(value)
