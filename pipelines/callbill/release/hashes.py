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
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

import duckdb

from callbill.base import rules
from callbill.base.sql import identifier, literal
from callbill.release.marts import dated_marts, hashed_marts
from callbill.warehouse.layout import Layout
from callbill.warehouse.warehouse import Warehouse

NAMES_FROM_SEEDS = frozenset({"product_name", "component_name", "used_amount_unit", "price_unit"})

# Columns that hashes are made of only from a later recipe on (callbill.base.rules): by table and
# column, the first recipe that has it.
LATER_COLUMNS: dict[str, dict[str, int]] = {}

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
    columns = _columns(con, table, rules.HASH_RECIPE)
    return [name for name, _type in columns if name not in NAMES_FROM_SEEDS]


def refresh_hashes(warehouse: Warehouse) -> None:
    """Compute `ops.fingerprints`, and of them `ops.settlement_hashes`, a row per settlement date up
    to the one settled last.

    Only days of a table that are not as they were when they were hashed last are hashed again.
    """
    con = warehouse.con
    con.execute(
        """
        create table if not exists ops.fingerprints (
            table_name varchar, day date, seen varchar not null, rows bigint not null,
            total hugeint not null, primary key (table_name, day)
        );
        -- Of callbill 0.2.
        drop table if exists ops.call_fingerprints
        """
    )
    recipes: dict[date, int] = dict(
        con.execute("select settled_on, hash_recipe from ops.sealed_settlements").fetchall()
    )
    _refresh_calls(con, warehouse.layout, recipes)
    for mart in hashed_marts():
        if mart.hashed_by and mart.name != "calls":
            by_date = recipes if mart.hashed_by == "settled_on" else {}
            _refresh_rows(con, mart.name, mart.hashed_by, by_date)
    con.execute(
        f"""
        create or replace table ops.settlement_hashes as
        with days as (
            select unnest(generate_series(
                (
                    select min(settlement_floor) from ops.source_files
                    where feed <> 'vendor_bills'
                ),
                (select settle_through from ops.settlement_window),
                interval 1 day
            ))::date as settled_on
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
            from days
            left join ops.fingerprints as f
                on days.settled_on = f.day and f.table_name in {tuple(dated_marts())}
            group by days.settled_on
        )

        select
            by_day.settled_on,
            case when starts_with(coalesce(s.content_hash, '{_SHARED}'), '{_SHARED}')
                then '{_SHARED}' else '' end || sha256(by_day.text) as content_hash,
            coalesce(s.billing_rules, {rules.BILLING_RULES}) as billing_rules,
            coalesce(s.hash_recipe, {rules.HASH_RECIPE}) as hash_recipe
        from by_day left join ops.sealed_settlements as s on by_day.settled_on = s.settled_on
        """
    )


def table_hashes(con: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """A hash per published table, as `refresh_hashes` last saw them."""
    hashes = {}
    for mart in hashed_marts():
        table = mart.name
        if mart.hashed_by:
            query = (
                "select coalesce(sum(rows), 0), coalesce(sum(total), 0) from ops.fingerprints"
                f" where table_name = {literal(table)}"
            )
        else:
            number = row_number_of_text(_columns(con, table, rules.HASH_RECIPE))
            query = f"select count(*), coalesce(sum({number}::hugeint), 0) from billing.{table}"
        rows, total = con.execute(query).fetchall()[0]
        hashes[table] = hashlib.sha256(f"{table}:{rows}:{total}".encode()).hexdigest()
    return hashes


def _refresh_calls(
    con: duckdb.DuckDBPyConnection, layout: Layout, recipes: Mapping[date, int]
) -> None:
    """A day of calls is as it was if its files are the same."""
    by_row = {
        row[0]
        for row in con.execute(
            "select settled_on from ops.sealed_settlements where not starts_with(content_hash, ?)",
            [_SHARED],
        ).fetchall()
    }
    current = {}
    for settled_on, folder in layout.call_dates().items():
        current[settled_on] = ("" if settled_on in by_row else _SHARED) + _entries(folder)
        if recipes.get(settled_on, rules.HASH_RECIPE) > 1:
            current[settled_on] += f" recipe {recipes.get(settled_on, rules.HASH_RECIPE)}"
    days = list(current)
    for day in _forget_changed(
        con,
        "calls",
        "select unnest(?::date[]) as day, unnest(?::varchar[]) as seen",
        [days, [current[day] for day in days]],
    ):
        files = literal(str(layout.calls_of(day) / "*.parquet"))
        source = f"read_parquet({files}, hive_types = {{'settled_on': date}})"
        columns = _columns(con, "calls", recipes.get(day, rules.HASH_RECIPE))
        counted = call_fingerprint(columns, source, is_shared=day not in by_row)
        con.execute(
            f"insert into ops.fingerprints select 'calls', ?, ?, rows, total from ({counted})",
            [day, current[day]],
        )


def _refresh_rows(
    con: duckdb.DuckDBPyConnection, table: str, day: str, recipes: Mapping[date, int]
) -> None:
    """A day of rows is as it was if the engine's own hashes of them, which cost a tenth, add up to
    the same."""
    hashed = ", ".join(map(identifier, figure_columns(con, table)))
    seen = f"""
        select {day} as day, version() || ':' || count(*) || ':' || sum(hash({hashed})) as seen
        from billing.{table} group by {day}
    """
    new = _forget_changed(con, table, seen, [])
    by_recipe: defaultdict[int, list[date]] = defaultdict(list)
    for new_day in new:
        by_recipe[recipes.get(new_day, rules.HASH_RECIPE)].append(new_day)
    for recipe, days in by_recipe.items():
        con.execute(
            f"""
            insert into ops.fingerprints
            select
                {literal(table)}, seen_days.day, any_value(seen_days.seen), count(*),
                sum({row_number_of_text(_columns(con, table, recipe))}::hugeint)
            from billing.{table} as t inner join seen_days on t.{day} = seen_days.day
            where list_contains(?, seen_days.day)
            group by seen_days.day
            """,
            [days],
        )


def _forget_changed(
    con: duckdb.DuckDBPyConnection, table: str, seen: str, parameters: list[object]
) -> list[date]:
    """Forget the fingerprints of days that are not as they were. Tells which days need a new one,
    as `seen_days` does; `seen` selects day and seen, a text that changes when its rows do."""
    con.execute(
        f"""
        create or replace temp table seen_days as
        select s.day, s.seen, f.day is null as is_new
        from ({seen}) as s
        left join ops.fingerprints as f
            on s.day = f.day and s.seen = f.seen and f.table_name = {literal(table)}
        """,
        parameters,
    )
    con.execute(
        """
        delete from ops.fingerprints
        where table_name = ? and day not in (select day from seen_days where not is_new)
        """,
        [table],
    )
    return [
        row[0]
        for row in con.execute("select day from seen_days where is_new order by day").fetchall()
    ]


def _entries(folder: Path) -> str:
    """The directory entries of a folder: they change whenever its content does."""
    return " ".join(
        f"{path.name}:{entry.st_size}:{entry.st_mtime_ns}:{entry.st_ino}"
        for path in sorted(folder.iterdir())
        for entry in [path.stat()]
    )


def _columns(con: duckdb.DuckDBPyConnection, table: str, recipe: int) -> list[tuple[str, str]]:
    """Names and types of a mart's columns, as far as a recipe has them."""
    later = LATER_COLUMNS.get(table, {})
    columns: list[tuple[str, str]] = con.execute(
        """
        select column_name, data_type from information_schema.columns
        where table_catalog = current_database() and table_schema = 'billing' and table_name = ?
        order by ordinal_position
        """,
        [table],
    ).fetchall()
    return [column for column in columns if later.get(column[0], 1) <= recipe]
