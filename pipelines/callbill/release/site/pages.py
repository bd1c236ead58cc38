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
from callbill.release.site.rows import rows_of
from callbill.release.site.sums import MOST_ROWS, SUMS, sums_of_months

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
# How many days the overview shows.
_LAST_DAYS = 62
_REASONS = "['unrated', 'conflict', 'too_old', 'waiting']"
_QUERIES = {
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
    asked = {"totals": sums_of_months(con, data, facts.through, "totals")}
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
        "billed": [row["bill_month"] for row in asked["totals"]],
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
    for name in names:
        page_scripts, tables = _PAGES[name]
        page_facts: dict[str, Any] = shared | {"page": name, "tables": {}, "rows": {}}
        if name != "runs":
            del page_facts["sentences"]
        for table in tables:
            # Of many accounts a table takes a second: pages that show the same one share it.
            if table not in asked and table in SUMS:
                asked[table] = sums_of_months(con, data, facts.through, table)
            elif table not in asked:
                query = _QUERIES[table]
                used = {key: value for key, value in values.items() if f"${key}" in query}
                asked[table] = rows_of(con, query, used)
            rows = asked[table]
            page_facts["rows"][table] = len(rows)
            page_facts["tables"][table] = rows[:MOST_ROWS] if table in _CUT else rows
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
