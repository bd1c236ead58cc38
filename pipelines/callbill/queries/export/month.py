"""A month's bills of the current release, written to files.

A file appears under its name when it is whole.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from functools import partial
from hashlib import sha256
from pathlib import Path

import duckdb

from callbill.base.errors import UsageError
from callbill.base.settings import Settings
from callbill.base.sql import literal
from callbill.queries.bill import no_bill
from callbill.queries.export.csv_file import write_csv
from callbill.queries.export.statement import statements
from callbill.queries.export.workbook import write_workbook
from callbill.queries.project_sql import expand_macros
from callbill.release.release import Release
from callbill.release.store import release_to_read

# The tables of each layout. A table's query is in the SQL file of its name.
LAYOUTS = {"vendor": ("detail", "deductions"), "focus": ("cost_and_usage",)}
# Tables that are written only if they have rows: the vendor's detail has no columns for these.
_BESIDE = {"vendor": ("quantities", "packages"), "focus": ()}

_HERE = Path(__file__).parent

# What is asked for. The queries join this table.
_REQUESTED = """
    create temp table requested as
    select
        $month::date as bill_month,
        $owner::varchar as owner_uin,
        timezone($billing_timezone, $month::date::timestamp) as period_start
"""
# When a settlement is deducted, by the clocks of the billing timezone.
_DEDUCTED_AT = "create temp macro deducted_at(settled_on) as settled_on + {{ deduction_time() }}"


@dataclass(frozen=True)
class ExportedFile:
    """A file that was written, with the number of its rows."""

    path: Path
    rows: int
    # Who bills, where the file says it.
    issuer: str | None = None


def export_month(
    settings: Settings,
    month: date,
    format_: str,
    *,
    owner: str | None = None,
    layout: str = "vendor",
    folder: Path,
) -> list[ExportedFile]:
    """Write the bills of a month, of one account or of all, into `folder`.

    Raises UsageError if there is no bill to write, no such folder can be, or FOCUS wants to know
    what the catalogue does not say.
    """
    release = release_to_read(settings)
    with closing(release.open()) as con:
        if not con.execute("select 1 from duckdb_tables() where schema_name = 'seeds'").fetchall():
            raise UsageError(f"release {release.run_id} was published by a callbill before 0.6")
        zone = release.manifest.vars["billing_timezone"]
        con.execute(_REQUESTED, {"month": month, "owner": owner, "billing_timezone": zone})
        con.execute(expand_macros(_DEDUCTED_AT, "deducted_at"))
        tables = LAYOUTS[layout]
        queries = {name: (_HERE / f"{name}.sql").read_text(encoding="utf-8") for name in tables}
        rows = {name: _count(con, query) for name, query in queries.items()}
        if not any(rows.values()):
            raise no_bill(month, owner)
        if _has_table(con, "package_balances"):
            for name in _BESIDE[layout]:
                query = (_HERE / f"{name}.sql").read_text(encoding="utf-8")
                if count := _count(con, query):
                    queries[name], rows[name] = query, count
        if layout == "focus":
            _check_focus_services(con)
        stem = f"callbill-{month:%Y-%m}" + (f"-{safe_name(owner)}" if owner else "")
        if format_ == "pdf":
            if not _has_table(con, "accounts"):
                raise UsageError(f"release {release.run_id} was published by a callbill before 0.7")
            return _write_statements(con, release, month, owner, folder, settings.issuer)
        if format_ == "xlsx":
            name = stem if layout == "vendor" else f"{stem}-{tables[0]}"
            path = folder / f"{name}.xlsx"
            sheets = queries | (
                # Last: other programs read the first sheet of a bill.
                {"summary": (_HERE / "summary.sql").read_text(encoding="utf-8")}
                if layout == "vendor" and _has_table(con, "accounts")
                else {}
            )
            write_whole(path, partial(write_workbook, con, sheets))
            return [ExportedFile(path, sum(rows.values()))]
        written = []
        for name, query in queries.items():
            path = folder / f"{stem}-{name}.{format_}"
            write = (
                partial(write_csv, is_marked=layout == "vendor")
                if format_ == "csv"
                else write_parquet
            )
            write_whole(path, partial(write, con, query))
            written.append(ExportedFile(path, rows[name]))
        return written


def _check_focus_services(con: duckdb.DuckDBPyConnection) -> None:
    """Raises UsageError if FOCUS wants to know something of a product that nobody has said."""
    missing = con.execute(
        """
        select min(product_code)
        from billing.bill_lines
        inner join requested using (bill_month)
        where product_code not in (select s.product_code from seeds.focus_services as s)
        """
    ).fetchall()
    if missing != [(None,)]:
        raise UsageError(
            f"catalogue/focus_services.csv has no row for product {missing[0][0]}: add what FOCUS "
            "wants to know of it; the next release has it"
        )


def _write_statements(
    con: duckdb.DuckDBPyConnection,
    release: Release,
    month: date,
    owner: str | None,
    folder: Path,
    issuer: str,
) -> list[ExportedFile]:
    """Write a statement for each account."""
    from callbill.queries.export.statement_pdf import write_statement

    written = []
    through = release.manifest.through
    for statement in statements(con, month, owner, through, release.run_id, issuer):
        path = folder / f"callbill-{month:%Y-%m}-{safe_name(statement.owner)}.pdf"
        write_whole(path, partial(write_statement, statement))
        written.append(ExportedFile(path, len(statement.lines), statement.bill["issuer"]))
    return written


def _count(con: duckdb.DuckDBPyConnection, query: str) -> int:
    [(rows,)] = con.execute(f"select count(*) from ({query})").fetchall()
    return int(rows)


def _has_table(con: duckdb.DuckDBPyConnection, name: str) -> bool:
    """Whether the release has a mart. Those of callbill before 0.7 have no names of accounts, and
    no packages."""
    return bool(
        con.execute(
            "select 1 from duckdb_tables() where schema_name = 'billing' and table_name = ?", [name]
        ).fetchall()
    )


def write_parquet(con: duckdb.DuckDBPyConnection, query: str, path: Path) -> None:
    """Write a query's rows, with DECIMAL types."""
    con.execute(f"copy ({query}) to {literal(str(path))} (format parquet, compression zstd)")


def write_whole(path: Path, write: Callable[[Path], None]) -> None:
    """Write a file that appears as a whole, or not at all. Another export may write it at the same
    time."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
        part.touch()
    except OSError as error:
        raise UsageError(f"{path.parent} cannot be written to: {error.strerror}") from error
    try:
        write(part)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def safe_name(owner: str) -> str:
    """An account's number as part of a file's name. It may hold any characters."""
    name = re.sub(r"[^0-9A-Za-z_-]", "_", owner)[:64]
    # Two numbers that look alike now still get two names.
    return name if name == owner else f"{name}-{sha256(owner.encode()).hexdigest()[:8]}"
