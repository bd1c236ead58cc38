"""Content hashes: what the figures say, whatever order their rows are in.

A row's text is its columns' texts in order, joined by the unit separator (0x1F), null as \\N, and
the byte lengths of its text columns after it, so that no two rows have one text. Texts are: dates
as YYYY-MM-DD, instants as microseconds since 1970 UTC, decimals at their declared scale, booleans
as true and false. A row counts by the lower 64 bits of its text's MD5; the sum over the rows and
their number make the fingerprint of a set of rows; a hash is the SHA-256 of fingerprints.

Calls are many, and share most of what they say. Of each counts its request id, a separator and its
instant; what they share counts once, as a row that has their number and their sum at its end. A
settlement date whose hash is made so has one that begins with `2:`. A date that was sealed by a
callbill before 0.3, whose hash has no such beginning, has its calls counted row by row for ever.

Names that come from seeds are left out: renaming a product changes no figure.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import duckdb

from pipelines.build import calls_folder
from pipelines.settings import Settings
from pipelines.sql import identifier, literal

TABLES = (
    "calls",
    "daily_usage",
    "bill_lines",
    "settlements",
    "precision_adjustments",
    "monthly_bills",
    "account_ledger",
    "account_arrears",
    "service_status",
    "arrears_notices",
)
# What a settlement date's own hash is made of.
DATED_TABLES = ("calls", "bill_lines", "settlements")
NAMES_FROM_SEEDS = frozenset({"product_name", "component_name", "used_amount_unit", "price_unit"})

_SEPARATOR = "\x1f"
# What the hashes begin with of dates whose calls are counted by what they share.
_SHARED = "2:"


def row_number_of_text(columns: Sequence[tuple[str, str]]) -> str:
    """SQL for the 64 bits that a row counts by, from its columns' names and types."""
    texts, lengths = [], []
    for name, type_ in columns:
        if name in NAMES_FROM_SEEDS:
            continue
        column = identifier(name)
        if type_ == "TIMESTAMP WITH TIME ZONE":
            texts.append(f"coalesce(cast(epoch_us({column}) as varchar), '\\N')")
        elif type_ == "VARCHAR":
            texts.append(f"coalesce({column}, '\\N')")
            lengths.append(f"coalesce(cast(strlen({column}) as varchar), '-')")
        else:
            texts.append(f"coalesce(cast({column} as varchar), '\\N')")
    return _number_of(f"concat_ws({literal(_SEPARATOR)}, {', '.join(texts + lengths)})")


def _number_of(text: str) -> str:
    """What md5_number_lower() gives, at a third of its cost."""
    return f"(md5_number({text}) >> 64::uhugeint)::ubigint"


def call_fingerprint(columns: Sequence[tuple[str, str]], source: str, *, is_shared: bool) -> str:
    """SQL for the number of a source's calls and the sum that they count by."""
    if not is_shared:
        total = f"coalesce(sum({row_number_of_text(columns)}::hugeint), 0)"
        return f"select count(*) as rows, {total} as total from {source}"
    own = _number_of(f"request_id || {literal(_SEPARATOR)} || epoch_us(called_at)")
    shared = [column for column in columns if column[0] not in ("request_id", "called_at")]
    text = row_number_of_text([*shared, ("rows", "BIGINT"), ("total", "HUGEINT")])
    return f"""
        select
            coalesce(sum(rows), 0)::bigint as rows,
            coalesce(sum({text}::hugeint), 0) as total
        from (
            select
                {", ".join(identifier(name) for name, _type in shared)},
                count(*) as rows,
                sum({own}::hugeint) as total
            from {source}
            group by {", ".join(identifier(name) for name, _type in shared)}
        )
    """


def figure_columns(con: duckdb.DuckDBPyConnection, table: str) -> list[str]:
    """The columns of a mart that say something of figures."""
    return [name for name, _type in _columns(con, table) if name not in NAMES_FROM_SEEDS]


def refresh_settlement_hashes(con: duckdb.DuckDBPyConnection, settings: Settings) -> None:
    """Compute `ops.settlement_hashes`, a row per settlement date up to the one settled last.

    Of the calls only those in files that are not the ones hashed before are read again.
    """
    con.execute(
        """
        create table if not exists ops.call_fingerprints (
            settled_on date primary key, files varchar not null, rows bigint not null,
            total hugeint not null
        )
        """
    )
    _refresh_call_fingerprints(con, settings)
    parts = "\nunion all\n".join(
        f"""
        select settled_on, {literal(table)} as table_name, count(*) as rows,
            sum({row_number_of_text(_columns(con, table))}::hugeint) as total
        from billing.{table} group by settled_on
        """
        for table in DATED_TABLES
        if table != "calls"
    )
    con.execute(
        f"""
        create or replace table ops.settlement_hashes as
        with days as (
            select unnest(generate_series(
                (
                    select min(settlement_floor) from ops.source_files
                ),
                (select settle_through from ops.settlement_window),
                interval 1 day
            ))::date as settled_on
        ),

        fingerprints as (
            select settled_on, 'calls' as table_name, rows, total from ops.call_fingerprints
            union all
            {parts}
        ),

        by_day as (
            select
                days.settled_on,
                coalesce(
                    string_agg(
                        table_name || ':' || rows || ':' || total, chr(10) order by table_name
                    ) filter (where rows > 0),
                    ''
                ) as text
            from days left join fingerprints using (settled_on)
            group by days.settled_on
        )

        select
            by_day.settled_on,
            case when starts_with(coalesce(s.content_hash, '{_SHARED}'), '{_SHARED}')
                then '{_SHARED}' else '' end || sha256(by_day.text) as content_hash
        from by_day left join ops.sealed_settlements as s on by_day.settled_on = s.settled_on
        """
    )


def table_hashes(con: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """A hash per published table."""
    hashes = {}
    for table in TABLES:
        if table == "calls":
            query = (
                "select coalesce(sum(rows), 0), coalesce(sum(total), 0) from ops.call_fingerprints"
            )
        else:
            number = row_number_of_text(_columns(con, table))
            query = f"select count(*), coalesce(sum({number}::hugeint), 0) from billing.{table}"
        rows, total = con.execute(query).fetchall()[0]
        hashes[table] = hashlib.sha256(f"{table}:{rows}:{total}".encode()).hexdigest()
    return hashes


def _refresh_call_fingerprints(con: duckdb.DuckDBPyConnection, settings: Settings) -> None:
    known = dict(con.execute("select settled_on, files from ops.call_fingerprints").fetchall())
    columns = _columns(con, "calls")
    by_row = {
        row[0]
        for row in con.execute(
            "select settled_on from ops.sealed_settlements where not starts_with(content_hash, ?)",
            [_SHARED],
        ).fetchall()
    }
    current = {}
    for folder in calls_folder(settings).glob("settled_on=*"):
        settled_on = date.fromisoformat(folder.name.removeprefix("settled_on="))
        if settled_on != date.min:
            current[settled_on] = ("" if settled_on in by_row else _SHARED) + _entries(folder)
    gone = [(day,) for day in known if day not in current]
    changed = [day for day, files in current.items() if known.get(day) != files]
    if gone or changed:
        con.executemany(
            "delete from ops.call_fingerprints where settled_on = ?",
            gone + [(day,) for day in changed],
        )
    for day in changed:
        files = literal(str(calls_folder(settings) / f"settled_on={day}" / "*.parquet"))
        source = f"read_parquet({files}, hive_partitioning = false)"
        counted = call_fingerprint(columns, source, is_shared=day not in by_row)
        con.execute(
            f"insert into ops.call_fingerprints select ?, ?, rows, total from ({counted})",
            [day, current[day]],
        )


def _entries(folder: Path) -> str:
    """The directory entries of a folder: they change whenever its content does."""
    return " ".join(
        f"{path.name}:{entry.st_size}:{entry.st_mtime_ns}:{entry.st_ino}"
        for path in sorted(folder.iterdir())
        for entry in [path.stat()]
    )


def _columns(con: duckdb.DuckDBPyConnection, table: str) -> list[tuple[str, str]]:
    return con.execute(
        """
        select column_name, data_type from information_schema.columns
        where table_catalog = current_database() and table_schema = 'billing' and table_name = ?
        order by ordinal_position
        """,
        [table],
    ).fetchall()
