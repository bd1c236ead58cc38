"""Content hashes of figures. They do not depend on the order of rows.

- The text of a row is the texts of its columns in order, joined by the unit separator (0x1F), and
  then the byte lengths of its text columns. So no two different rows have the same text.
- Some columns, such as the step of a ladder, are part of the text only if one of them has a value.
- The text of a date is YYYY-MM-DD, of an instant the microseconds since 1970 in UTC, of a decimal
  all digits of its declared scale, of a boolean true or false, of null \\N.
- The hash of a row is the lower 64 bits of the MD5 of its text.
- The fingerprint of a set of rows is their number and the sum of their hashes.
- A content hash is the SHA-256 of fingerprints.

Calls are many, and most of their columns are the same in many of them. So calls that are equal
except for request id and instant form a group. The group's hash is that of a row with the common
columns, the number of calls, and the sum of the hashes of "request id, separator, instant". The
hash of a settlement date made in this way begins with `2:`. A date sealed before callbill 0.3 has
no such beginning, and its calls are hashed row by row for ever.

Names from seeds are left out, because renaming a product changes no figure.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path

import duckdb

from callbill.base import rules
from callbill.base.sql import identifier, literal
from callbill.release.marts import dated_marts, dated_tables, hashed_marts
from callbill.warehouse.layout import CALLS, Layout
from callbill.warehouse.warehouse import Warehouse

NAMES_FROM_SEEDS = frozenset(
    {"product_name", "component_name", "used_amount_unit", "price_unit", "account_name", "tags"}
)

# Columns that hashes cover only from a later recipe on (callbill.base.rules): by table and column,
# the first recipe that covers it.
LATER_COLUMNS: dict[str, dict[str, int]] = {
    "vendor_bill_lines": dict.fromkeys(
        ("cash_cost", "credit_cost", "voucher_cost", "transfer_cost"), 2
    ),
}

# Columns that enter a row's text only if one of them has a value: a line whose price does not
# depend on how much is hashed as it was before there were others.
_ONLY_WITH_A_VALUE = frozenset({"tier_from", "package_id", "waiver_id", "waiver_reason"})

_SEPARATOR = "\x1f"
# How the hash of a date begins whose calls are hashed in groups.
_GROUPED = "2:"
# A statement takes longer to plan than a day's few calls to read. Of many calls only so many days
# are held in memory together.
_DAYS_AT_ONCE = 31


def row_hash_sql(columns: Sequence[tuple[str, str]]) -> str:
    """SQL for the 64-bit hash of a row, from the names and types of its columns."""
    figures = [column for column in columns if column[0] not in NAMES_FROM_SEEDS]
    always = _texts_of_row([column for column in figures if column[0] not in _ONLY_WITH_A_VALUE])
    others = [column for column in figures if column[0] in _ONLY_WITH_A_VALUE]
    if others:
        has_value = " or ".join(f"{identifier(name)} is not null" for name, _type in others)
        joined = f"concat_ws({literal(_SEPARATOR)}, {', '.join(_texts_of_row(others))})"
        always.append(f"case when {has_value} then {joined} end")
    return _hash_sql(f"concat_ws({literal(_SEPARATOR)}, {', '.join(always)})")


def _texts_of_row(columns: Sequence[tuple[str, str]]) -> list[str]:
    """SQL for the texts of columns, and behind them the lengths of those that are texts."""
    texts, lengths = [], []
    for name, type_ in columns:
        column = identifier(name)
        if type_ == "TIMESTAMP WITH TIME ZONE":
            texts.append(f"coalesce(cast(epoch_us({column}) as varchar), '\\N')")
        elif type_ == "VARCHAR":
            texts.append(f"coalesce({column}, '\\N')")
            lengths.append(f"coalesce(cast(strlen({column}) as varchar), '-')")
        else:
            texts.append(f"coalesce(cast({column} as varchar), '\\N')")
    return texts + lengths


def _hash_sql(text: str) -> str:
    """The value of md5_number_lower(), at a third of its cost."""
    return f"(md5_number({text}) >> 64::uhugeint)::ubigint"


def call_fingerprint_sql(
    columns: Sequence[tuple[str, str]], source: str, *, is_grouped: bool
) -> str:
    """SQL for the fingerprint of a source's calls on each settlement date: `settled_on`, `rows`,
    their number, and `total`, the sum of their hashes."""
    if not is_grouped:
        total = f"sum({row_hash_sql(columns)}::hugeint)"
        return f"select settled_on, count(*) as rows, {total} as total from {source} group by all"
    return fingerprint_of_groups_sql(columns, f"({call_groups_sql(columns, source)})")


def call_groups_sql(columns: Sequence[tuple[str, str]], source: str) -> str:
    """SQL for the groups of a source's calls: the common columns, `rows`, and `total`, the sum of
    the hashes of ids and instants. Groups of several sources may be added up."""
    own_hash = _hash_sql(f"request_id || {literal(_SEPARATOR)} || epoch_us(called_at)")
    shared = ", ".join(identifier(name) for name, _type in _shared(columns))
    # Parquet knows no integers of this length, but decimals.
    return f"""
        select {shared}, count(*) as rows, sum({own_hash}::hugeint)::decimal(38, 0) as total
        from {source}
        group by {shared}
    """


def fingerprint_of_groups_sql(columns: Sequence[tuple[str, str]], groups: str) -> str:
    """SQL for the fingerprint of calls, from their groups; those that are equal are added up."""
    group_hash = row_hash_sql([*_shared(columns), ("rows", "BIGINT"), ("total", "HUGEINT")])
    shared = ", ".join(identifier(name) for name, _type in _shared(columns))
    return f"""
        select
            settled_on,
            sum(rows)::bigint as rows,
            sum({group_hash}::hugeint) as total
        from (
            select {shared}, sum(rows)::bigint as rows, sum(total)::hugeint as total
            from {groups}
            group by {shared}
        )
        group by settled_on
    """


def _shared(columns: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    return [column for column in columns if column[0] not in ("request_id", "called_at")]


def columns_of_calls(con: duckdb.DuckDBPyConnection) -> list[tuple[str, str]]:
    """Names and types of the columns of calls that today's recipe covers."""
    return _columns(con, "calls", rules.HASH_RECIPE)


def figure_columns(con: duckdb.DuckDBPyConnection, table: str) -> list[str]:
    """The columns of a mart except names from seeds."""
    columns = _columns(con, table, rules.HASH_RECIPE)
    return [name for name, _type in columns if name not in NAMES_FROM_SEEDS]


def refresh_hashes(warehouse: Warehouse, groups: Sequence[str] = ()) -> None:
    """Write `ops.fingerprints`, and from them `ops.settlement_hashes`: the content hash of every
    settlement date through the last one settled.

    A day of a table is hashed again only if its rows have changed since. `groups` are Parquet files
    with the groups of calls (`call_groups_sql`) of the dates just built, if tasks have made them.
    """
    con = warehouse.con
    con.execute(
        """
        create table if not exists ops.fingerprints (
            table_name varchar, day date, seen varchar not null, rows bigint not null,
            total hugeint not null, primary key (table_name, day)
        );
        -- A table of callbill 0.2.
        drop table if exists ops.call_fingerprints
        """
    )
    recipes: dict[date, int] = dict(
        con.execute("select settled_on, hash_recipe from ops.sealed_settlements").fetchall()
    )
    _refresh_calls(con, warehouse.layout, recipes, groups)
    for mart in dated_tables():
        # A checkpoint of an earlier version does not have a mart of a later one.
        if mart.hashed_by and warehouse.has("billing", mart.name):
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
            case when starts_with(coalesce(s.content_hash, '{_GROUPED}'), '{_GROUPED}')
                then '{_GROUPED}' else '' end || sha256(by_day.text) as content_hash,
            coalesce(s.billing_rules, {rules.BILLING_RULES}) as billing_rules,
            coalesce(s.hash_recipe, {rules.HASH_RECIPE}) as hash_recipe
        from by_day left join ops.sealed_settlements as s on by_day.settled_on = s.settled_on
        """
    )


def table_hashes(con: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """The content hash of each published table, as of the last `refresh_hashes`."""
    hashes = {}
    by_date = {
        table: (rows, total)
        for table, rows, total in con.execute(
            "select table_name, sum(rows), sum(total) from ops.fingerprints group by table_name"
        ).fetchall()
    }
    for mart in hashed_marts():
        table = mart.name
        if mart.hashed_by:
            rows, total = by_date.get(table, (0, 0))
        else:
            number = row_hash_sql(_columns(con, table, rules.HASH_RECIPE))
            query = f"select count(*), coalesce(sum({number}::hugeint), 0) from billing.{table}"
            [(rows, total)] = con.execute(query).fetchall()
        hashes[table] = hashlib.sha256(f"{table}:{rows}:{total}".encode()).hexdigest()
    return hashes


def _refresh_calls(
    con: duckdb.DuckDBPyConnection,
    layout: Layout,
    recipes: Mapping[date, int],
    groups: Sequence[str],
) -> None:
    """Refresh the fingerprints of calls. A day is unchanged if the entries of its folder are."""
    hashed_by_row = {
        row[0]
        for row in con.execute(
            "select settled_on from ops.sealed_settlements where not starts_with(content_hash, ?)",
            [_GROUPED],
        ).fetchall()
    }
    current = {}
    for settled_on, folder in layout.dates(CALLS).items():
        prefix = "" if settled_on in hashed_by_row else _GROUPED
        current[settled_on] = prefix + _folder_state(folder)
        if recipes.get(settled_on, rules.HASH_RECIPE) > 1:
            current[settled_on] += f" recipe {recipes.get(settled_on, rules.HASH_RECIPE)}"
    days = list(current)
    changed = _delete_changed_days(
        con,
        "calls",
        "select unnest(?::date[]) as day, unnest(?::varchar[]) as seen",
        [days, [current[day] for day in days]],
    )
    in_groups: set[date] = set()
    if groups:
        made = f"read_parquet([{', '.join(map(literal, groups))}], hive_partitioning = false)"
        days_of_groups = con.execute(f"select distinct settled_on from {made}").fetchall()
        in_groups = {
            day
            for (day,) in days_of_groups
            if day in changed
            and day not in hashed_by_row
            and recipes.get(day, rules.HASH_RECIPE) == rules.HASH_RECIPE
        }
        columns = _columns(con, "calls", rules.HASH_RECIPE)
        _write_fingerprints(con, sorted(in_groups), fingerprint_of_groups_sql(columns, made))
    hashed_alike: defaultdict[tuple[int, bool], list[date]] = defaultdict(list)
    for day in sorted(set(changed) - in_groups):
        recipe = recipes.get(day, rules.HASH_RECIPE)
        hashed_alike[recipe, day not in hashed_by_row].append(day)
    for (recipe, is_grouped), alike in hashed_alike.items():
        columns = _columns(con, "calls", recipe)
        for start in range(0, len(alike), _DAYS_AT_ONCE):
            _hash_calls(con, layout, columns, alike[start : start + _DAYS_AT_ONCE], is_grouped)


def _hash_calls(
    con: duckdb.DuckDBPyConnection,
    layout: Layout,
    columns: Sequence[tuple[str, str]],
    days: list[date],
    is_grouped: bool,
) -> None:
    """Write the fingerprints of calls for some days, from their files."""
    files = ", ".join(literal(str(layout.of_date(CALLS, day) / "*.parquet")) for day in days)
    source = f"read_parquet([{files}], hive_types = {{'settled_on': date}})"
    _write_fingerprints(con, days, call_fingerprint_sql(columns, source, is_grouped=is_grouped))


def _write_fingerprints(con: duckdb.DuckDBPyConnection, days: list[date], counted: str) -> None:
    """Write the fingerprints of calls for some days of `seen_days`, which may have no calls."""
    con.execute(
        f"""
        insert into ops.fingerprints
        select 'calls', s.day, s.seen, coalesce(c.rows, 0), coalesce(c.total, 0)
        from seen_days as s
        left join ({counted}) as c on s.day = c.settled_on
        where list_contains(?, s.day)
        """,
        [days],
    )


def _refresh_rows(
    con: duckdb.DuckDBPyConnection, table: str, day: str, recipes: Mapping[date, int]
) -> None:
    """Refresh the fingerprints of a table, whose column `day` has the day of a row."""
    columns = [(row[0], row[1]) for row in con.execute(f"describe billing.{table}").fetchall()]
    seen = seen_sql(f"billing.{table}", [name for name, _type in columns], day)
    by_recipe: defaultdict[int, list[date]] = defaultdict(list)
    for changed_day in _delete_changed_days(con, table, seen, []):
        by_recipe[recipes.get(changed_day, rules.HASH_RECIPE)].append(changed_day)
    for recipe, days in by_recipe.items():
        con.execute(
            f"""
            insert into ops.fingerprints
            select
                {literal(table)}, seen_days.day, any_value(seen_days.seen), count(*),
                sum({row_hash_sql(_covered(columns, table, recipe))}::hugeint)
            from billing.{table} as t inner join seen_days on t.{day} = seen_days.day
            where list_contains(?, seen_days.day)
            group by seen_days.day
            """,
            [days],
        )


def seen_sql(table: str, columns: Iterable[str], day: str) -> str:
    """SQL for the days of a table, whose column `day` has the day of a row, with a text `seen` that
    changes when the day's rows do, names from seeds included.

    It has the sum of DuckDB's own hashes of the rows. Those cost a tenth of ours.
    """
    hashed = ", ".join(map(identifier, columns))
    return f"""
        select {day} as day, version() || ':' || count(*) || ':' || sum(hash({hashed})) as seen
        from {table} group by {day}
    """


def _delete_changed_days(
    con: duckdb.DuckDBPyConnection, table: str, seen: str, parameters: list[object]
) -> list[date]:
    """Delete the fingerprints of changed days, and return the days that need a new one.

    `seen` is a query of `day` and `seen`, a text that changes when the day's rows do. The temporary
    table `seen_days` has its rows, with `is_new`.
    """
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


def _folder_state(folder: Path) -> str:
    """The directory entries of a folder as a text, which changes when a file does."""
    return " ".join(
        f"{path.name}:{entry.st_size}:{entry.st_mtime_ns}:{entry.st_ino}"
        for path in sorted(folder.iterdir())
        for entry in [path.stat()]
    )


def _columns(con: duckdb.DuckDBPyConnection, table: str, recipe: int) -> list[tuple[str, str]]:
    """Names and types of the columns of a mart that a recipe covers."""
    # Not from the catalog's list of columns, which would bind every view there is.
    columns = con.execute(f"describe billing.{table}").fetchall()
    return _covered([(name, type_) for name, type_, *_ in columns], table, recipe)


def _covered(columns: Sequence[tuple[str, str]], table: str, recipe: int) -> list[tuple[str, str]]:
    later = LATER_COLUMNS.get(table, {})
    return [column for column in columns if later.get(column[0], 1) <= recipe]
