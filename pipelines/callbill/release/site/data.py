"""What the pages of a site show, as scripts that they load.

A page that is opened from disk may load scripts and nothing else. A script calls `callbill.give`
(assets/site.js) with its name and its value.

Scripts are an interface between releases: a release links those of the release before that did not
change, and its own pages load them. So their form is fixed by FORMAT: the name `callbill.give`, the
kinds and columns of COLUMNS in their order, the number of shares.
"""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import duckdb
import jinja2

from callbill.base.settings import BillingVars
from callbill.base.sql import literal
from callbill.storage.files import link_or_copy

# The form of the scripts. Those of another format are not linked; they are written anew.
FORMAT = 1
# Accounts are spread over so many files (shares), by the last six bytes of their numbers. site.js
# finds an account's share by the same rule.
SHARES = 127
_ALL_SHARES = set(range(SHARES))
# About how many rows one query puts together.
_ROWS_AT_ONCE = 200_000

# The columns that are shown of each kind of row, in this order. Values are texts, so that no digit
# is lost.
COLUMNS = {
    "bills": ("owner_uin", "product_code", "calls", "list_cost",
              "discount_amount", "rated_amount", "adjustment_amount", "deducted_amount"),
    "lines": ("line_id", "settled_on", "usage_date", "line_type", "product_code", "product_name",
              "component_code", "component_name", "list_price", "discount", "contract_price",
              "price_unit", "calls", "used_amount", "used_amount_unit", "list_cost", "real_cost"),
    "settlements": ("settled_on", "product_code", "rated_amount", "deducted_amount",
                    "residual_amount"),
    "adjustment": ("rated_amount", "deducted_amount", "adjustment_amount", "is_final"),
    "usage": ("usage_date", "operate_uin", "component_code", "calls_received", "calls_billed",
              "calls_failed", "calls_unbilled"),
    "accounts": ("owner_uin", "status", "balance", "available", "amount_due", "bill_month"),
    "months": ("bill_month", "product_code", "calls", "list_cost", "discount_amount",
               "rated_amount", "adjustment_amount", "deducted_amount"),
    "used": ("usage_month", "calls_received", "calls_billed", "calls_failed", "calls_unbilled"),
    "arrears": ("since", "stops_at", "ended_at", "reason", "ended_by"),
    "notice": ("since", "amount_due", "stops_at", "state"),
    "status": ("status", "valid_from", "valid_to", "reason"),
    "entries": ("entry_no", "posted_at", "entry_type", "amount", "credit_amount",
                "cash_amount", "balance", "credit", "frozen", "available", "reference"),
}  # fmt: skip
# How many of an account's last movements are shown. The ledger has them all.
LAST_ENTRIES = 31
_TIMES = ("since", "stops_at", "ended_at", "valid_from", "valid_to", "posted_at")
_QUERIES = jinja2.Environment(  # noqa: S701  not HTML
    loader=jinja2.FileSystemLoader(Path(__file__).parent), undefined=jinja2.StrictUndefined
)


def write_data(
    con: duckdb.DuckDBPyConnection,
    billing_vars: BillingVars,
    site: Path,
    before: Path | None,
    settled: tuple[date, date],
) -> list[date]:
    """Write the scripts, and link those that the run left as they were.

    `settled` is the first and the last date that the run settled. Returns all months, the last
    first.
    """
    _create_macros(con, billing_vars.billing_timezone)
    data = site / "data" / str(FORMAT)
    months = [row[0] for row in con.execute(_query("months")).fetchall()]
    changed_shares = _changed_shares(con, *settled)
    for month in months:
        folder = data / f"{month:%Y-%m}"
        folder.mkdir(parents=True)
        folder_before = before / folder.relative_to(site) if before else None
        shares = changed_shares.get(month, set())
        if folder_before is None or not folder_before.is_dir():
            shares = _ALL_SHARES
        else:
            for file in folder_before.iterdir():
                is_changed = bool(shares) if file.stem == "bills" else int(file.stem) in shares
                if not is_changed:
                    link_or_copy(file, folder / file.name)
        if shares:
            [(bills,)] = con.execute(_query("month_bills", month=month)).fetchall()
            _write(folder, "bills", bills)
            _write_shares(con, folder, "month", shares, month=month)
    folder = data / "accounts"
    folder.mkdir(parents=True)
    [(accounts,)] = con.execute(_query("accounts")).fetchall()
    _write(folder, "all", accounts)
    # How an account stands changes by time alone: no file of these is linked.
    _write_shares(con, folder, "account", _ALL_SHARES, last_entry_count=LAST_ENTRIES)
    return months


def _changed_shares(
    con: duckdb.DuckDBPyConnection, settle_from: date, settle_through: date
) -> dict[date, set[int]]:
    """By month, the shares whose scripts may differ now that these dates are settled."""
    query = _query("changes", settle_from=settle_from, settle_through=settle_through)
    shares: dict[date, set[int]] = {}
    for month, share in con.execute(query).fetchall():
        shares.setdefault(month, set()).update(_ALL_SHARES if share is None else {share})
    return shares


def shares_written(site: Path) -> dict[str, list[int]]:
    """By folder of the data (a month, or accounts), the shares that have any account. A page asks
    for no script that is not there."""
    return {
        folder.name: sorted(int(path.stem) for path in folder.glob("[0-9]*.js"))
        for folder in sorted((site / "data" / str(FORMAT)).iterdir())
    }


def _write_shares(
    con: duckdb.DuckDBPyConnection, folder: Path, name: str, shares: set[int], **values: object
) -> None:
    """Write the scripts of some shares, by the queries `<name>_rows` and `<name>_accounts`.

    Many rows are put together in several turns, each for some of the shares.
    """
    [(row_count,)] = con.execute(_query(f"{name}_rows", **values)).fetchall()
    turns = 1 + (row_count or 0) // _ROWS_AT_ONCE
    for turn in range(min(turns, SHARES)):
        numbers = ", ".join(str(share) for share in sorted(shares) if share % turns == turn)
        if numbers:
            in_shares = f"share_of(owner_uin) in ({numbers})"
            query = _query(f"{name}_accounts", in_shares=in_shares, **values)
            for share, accounts in con.execute(query).fetchall():
                _write(folder, str(share), accounts)


def _write(folder: Path, name: str, value: str) -> None:
    script_name = json.dumps(f"{folder.name}/{name}")
    script = f"callbill.give({script_name}, {value});\n"
    (folder / f"{name}.js").write_text(script, encoding="utf-8")


def _create_macros(con: duckdb.DuckDBPyConnection, zone: str) -> None:
    con.execute(
        f"""
        create or replace temporary macro share_of(owner) as
            cast(cast('0x' || right(hex(owner), 12) as ubigint) % {SHARES} as integer)
        """
    )
    con.execute(
        f"""
        create or replace temporary macro local_time(instant) as
            strftime(timezone({literal(zone)}, instant), '%Y-%m-%d %H:%M:%S')
        """
    )


def _query(name: str, **values: object) -> str:
    """A query of this folder. In it the name of a kind, such as `{{ lines }}`, is a row of that
    kind as a list of texts."""
    rows = {kind: f"[{', '.join(map(_as_text, columns))}]" for kind, columns in COLUMNS.items()}
    return _QUERIES.get_template(f"{name}.sql").render(rows, **values)


def _as_text(column: str) -> str:
    return f"local_time({column})" if column in _TIMES else f"cast({column} as varchar)"
