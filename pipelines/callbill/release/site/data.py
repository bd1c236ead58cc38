"""What the pages of a site show, as scripts that they load: a page opened from disk may load
scripts, and nothing else."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import duckdb
import jinja2

from callbill.base.settings import BillingVars
from callbill.base.sql import literal
from callbill.storage.files import link_or_copy

# Of what the scripts hold. Those of another format are not taken over from the release before.
FORMAT = 1
# Accounts are spread over so many files, by the last six bytes of their numbers. The pages know.
SHARES = 127
_ALL = set(range(SHARES))
# Rows that are put together at once.
_ROWS_AT_ONCE = 200_000

# What is shown of each mart, in this order; all of it as text, so that no digit is lost.
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
# An account's last movements; the ledger has them all.
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
    """Write the scripts, and link those that the run left as they were. Gives all months, the last
    first."""
    _macros(con, billing_vars.billing_timezone)
    data = site / "data" / str(FORMAT)
    months = [row[0] for row in con.execute(_query("months")).fetchall()]
    changed = _changed(con, *settled)
    for month in months:
        folder = data / f"{month:%Y-%m}"
        folder.mkdir(parents=True)
        kept = before / folder.relative_to(site) if before else None
        shares = changed.get(month, set())
        if kept is None or not kept.is_dir():
            shares = _ALL
        else:
            for file in kept.iterdir():
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
    # Time alone changes how accounts stand.
    _write_shares(con, folder, "account", _ALL, last_entry_count=LAST_ENTRIES)
    return months


def _changed(
    con: duckdb.DuckDBPyConnection, settle_from: date, settle_through: date
) -> dict[date, set[int]]:
    """The shares of each month that these dates changed."""
    query = _query("changes", settle_from=settle_from, settle_through=settle_through)
    changed: dict[date, set[int]] = {}
    for month, share in con.execute(query).fetchall():
        changed.setdefault(month, set()).update(_ALL if share is None else {share})
    return changed


def shares_written(site: Path) -> dict[str, list[int]]:
    """Of each month, and of the accounts as they stand, the shares that have any account: a page
    should not ask for a script that is not there."""
    return {
        folder.name: sorted(int(path.stem) for path in folder.glob("[0-9]*.js"))
        for folder in sorted((site / "data" / str(FORMAT)).iterdir())
    }


def _write_shares(
    con: duckdb.DuckDBPyConnection, folder: Path, name: str, shares: set[int], **values: object
) -> None:
    """Write what is to say of the accounts of some shares, a part of them at a time."""
    [(rows,)] = con.execute(_query(f"{name}_rows", **values)).fetchall()
    turns = 1 + (rows or 0) // _ROWS_AT_ONCE
    for turn in range(min(turns, SHARES)):
        listed = ", ".join(str(share) for share in sorted(shares) if share % turns == turn)
        if listed:
            is_here = f"share_of(owner_uin) in ({listed})"
            query = _query(f"{name}_accounts", is_here=is_here, **values)
            for share, accounts in con.execute(query).fetchall():
                _write(folder, str(share), accounts)


def _write(folder: Path, name: str, value: str) -> None:
    said = json.dumps(f"{folder.name}/{name}")
    (folder / f"{name}.js").write_text(f"callbill.give({said}, {value});\n", encoding="utf-8")


def _macros(con: duckdb.DuckDBPyConnection, zone: str) -> None:
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
    """A query of this folder, in which `{{ mart }}` is a row's columns as a list of texts."""
    rows = {mart: f"[{', '.join(map(_as_text, columns))}]" for mart, columns in COLUMNS.items()}
    return _QUERIES.get_template(f"{name}.sql").render(rows, **values)


def _as_text(column: str) -> str:
    return f"local_time({column})" if column in _TIMES else f"cast({column} as varchar)"
