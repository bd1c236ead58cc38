"""The pages of a site: what is the same for all accounts, and the frames for what `data/` holds."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import jinja2

from callbill import __version__
from callbill.base.settings import BillingVars
from callbill.base.yaml_files import read_yaml
from callbill.release.site.data import COLUMNS, FORMAT, LAST_ENTRIES, SHARES, shares_written

_FOLDER = Path(__file__).parent
_PAGES = ("index", "bills", "bill", "accounts", "account", "runs")
# How many of the last runs are shown.
_LAST_RUNS = 30
# How many accounts and actions with successful calls that are not billed are shown.
_MOST_UNBILLED = 20
_REASONS = "['unrated', 'conflict', 'too_old', 'waiting']"
_QUERIES = {
    "totals": """
        select
            bill_month, count(distinct owner_uin) as accounts, sum(calls) as calls,
            sum(list_cost) as list_cost, sum(discount_amount) as discount_amount,
            sum(rated_amount) as rated_amount, sum(adjustment_amount) as adjustment_amount,
            sum(deducted_amount) as deducted_amount,
            bill_month + interval 1 month <= ? as is_final
        from billing.monthly_bills group by bill_month order by bill_month desc
    """,
    "arrears": """
        select
            owner_uin, state, amount_due, local_time(since) as since,
            local_time(stops_at) as stops_at
        from billing.arrears_notices order by stops_at, owner_uin
    """,
    "runs": f"""
        select
            run_id, local_time(started_at) as started_at, through_date, settle_from, outcome,
            files_loaded, records_accepted, records_rejected
        from ops.runs order by run_id desc limit {_LAST_RUNS}
    """,
    "unbilled": f"""
        select
            reason as unbilled_reason, sum(calls) as calls_unbilled,
            count(distinct owner_uin) as accounts, count(distinct action) as actions,
            sum(unbilled_cost) as unbilled_cost
        from ops.unbilled_calls where run_id = ? group by reason
        order by list_position({_REASONS}, reason)
    """,
    "unbilled_to_date": "select coalesce(sum(calls_unbilled), 0) as calls from billing.daily_usage",
    "unbilled_by_account": f"""
        select
            reason as unbilled_reason, action, owner_uin, sum(calls) as calls_unbilled,
            min(usage_date) as first_usage_date, max(usage_date) as last_usage_date,
            sum(unbilled_cost) as unbilled_cost
        from ops.unbilled_calls where run_id = ? group by reason, action, owner_uin
        order by list_position({_REASONS}, reason), calls_unbilled desc, action, owner_uin
    """,
    "controls": """
        select control_id, sentence, severity, passed, unexpected_rows
        from ops.control_results where run_id = ? order by passed, severity, control_id
    """,
    "failed_controls": f"""
        select run_id, control_id, severity, unexpected_rows
        from ops.control_results
        where
            not passed
            and run_id in (select run_id from ops.runs order by run_id desc limit {_LAST_RUNS})
        order by run_id desc, severity, control_id
    """,
    "products": "select product_code, product_name from seeds.products order by product_code",
    "rejected": """
        select feed, reason, count(*) as lines, count(distinct source_file_id) as files
        from ops.rejected_records group by feed, reason order by lines desc, feed, reason
    """,
}


def write_pages(
    con: duckdb.DuckDBPyConnection,
    billing_vars: BillingVars,
    site: Path,
    run_id: str,
    through: date,
    months: Sequence[date],
) -> None:
    """Write the pages, their scripts and their styles. `write_data` comes first."""
    (site / "assets").mkdir()
    for folder in ("assets", "vendor"):
        for asset in (_FOLDER / folder).iterdir():
            # The content alone: where callbill is installed read-only, files and folders are too.
            shutil.copyfile(asset, site / "assets" / asset.name)
    terms = read_yaml(_FOLDER / "terms.yml")
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        # Python would write 0.00000000 as 0E-8.
        finalize=lambda value: f"{value:f}" if isinstance(value, Decimal) else value,
    )
    tables = {
        "totals": _rows(con, _QUERIES["totals"], [through]),
        "arrears": _rows(con, _QUERIES["arrears"]),
        "runs": _rows(con, _QUERIES["runs"]),
        "unbilled": _rows(con, _QUERIES["unbilled"], [run_id]),
        "unbilled_to_date": _rows(con, _QUERIES["unbilled_to_date"]),
        "unbilled_by_account": _rows(con, _QUERIES["unbilled_by_account"], [run_id]),
        "controls": _rows(con, _QUERIES["controls"], [run_id]),
        "failed_controls": _rows(con, _QUERIES["failed_controls"]),
        "rejected": _rows(con, _QUERIES["rejected"]),
        "products": _rows(con, _QUERIES["products"]),
    }
    # What the scripts of the pages need to know: site.js reads it as `facts`.
    facts = {
        "format": FORMAT,
        "release": run_id,
        "products": {row["product_code"]: row["product_name"] for row in tables["products"]},
        "shares": SHARES,
        "written": shares_written(site),
        "lastEntries": LAST_ENTRIES,
        "columns": COLUMNS,
        "terms": terms,
        "months": [f"{month:%Y-%m}" for month in months],
        "billed": [f"{row['bill_month']:%Y-%m}" for row in tables["totals"]],
        "rounding": billing_vars.deduction_rounding,
    }
    for name in _PAGES:
        page = environment.get_template(f"{name}.html.j2").render(
            tables,
            page=name,
            run_id=run_id,
            through=through,
            zone=billing_vars.billing_timezone,
            version=__version__,
            terms=terms,
            facts=facts,
            most_unbilled=_MOST_UNBILLED,
        )
        (site / f"{name}.html").write_text(page + "\n", encoding="utf-8")


def _rows(
    con: duckdb.DuckDBPyConnection, query: str, values: Sequence[object] = ()
) -> list[dict[str, Any]]:
    result = con.execute(query, values) if values else con.execute(query)
    names = [column[0] for column in result.description]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]
