"""Writes a release's database, `callbill.duckdb`.

It begins as a copy of the previous release's, in which the rows of the days that are not as they
were are replaced. To write all tables anew takes ten times as long where there is a year of them.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import date

import duckdb

from callbill.base.sql import identifier, literal
from callbill.release.hashes import seen_sql
from callbill.release.marts import Mart, columns_of, dated_tables, hashed_marts
from callbill.release.release import Release
from callbill.warehouse.opening import STORAGE_VERSION
from callbill.warehouse.warehouse import Warehouse

_OPS_TABLES = (
    *("runs", "source_files", "retries", "rejected_records", "cleaned_values"),
    *("control_results", "unbilled_calls"),
)
# What the database `previous` has that no release is written with.
_ADDED = """
    select schema_name from duckdb_schemas()
    where database_name = 'previous' and not internal
        and schema_name not in ('billing', 'ops', 'seeds')
    union all
    select table_name from duckdb_tables()
    where database_name = 'previous' and schema_name = 'main'
    union all
    select view_name from duckdb_views()
    where database_name = 'previous' and schema_name = 'main' and not internal
    union all
    select function_name from duckdb_functions()
    where database_name = 'previous' and not internal
        and (schema_name = 'main' or function_type <> 'table_macro')
    union all
    select type_name from duckdb_types() where database_name = 'previous' and not internal
    union all
    select sequence_name from duckdb_sequences() where database_name = 'previous'
    union all
    select index_name from duckdb_indexes() where database_name = 'previous'
    union all
    select constraint_text from duckdb_constraints() where database_name = 'previous'
"""


def write_database(
    warehouse: Warehouse,
    release: Release,
    previous: Release | None,
    changed: Mapping[str, Sequence[date]],
    views: Mapping[str, str],
    seeds: Sequence[str],
) -> None:
    """`changed` are the days of `changed_days`, `views` the statements of the views among the
    marts, `seeds` the catalogue's tables."""
    con = warehouse.con
    if previous is not None and changed:
        shutil.copyfile(previous.database, release.database)
    options = "read_write" if changed else STORAGE_VERSION
    con.execute(f"attach {literal(str(release.database))} as release ({options})")
    try:
        # In one transaction: each statement by itself would wait for the disk.
        with warehouse.transaction():
            if changed:
                _drop_what_is_gone(con)
            for schema in ("billing", "ops", "seeds"):
                con.execute(f"create schema if not exists release.{schema}")
            for mart in hashed_marts():
                if mart.name in changed:
                    _replace_days(con, mart, changed[mart.name])
                elif mart.name != "calls":
                    con.execute(
                        f"create or replace table release.billing.{mart.name}"
                        f" as from billing.{mart.name}"
                    )
            _write_tables(con, release, seeds)
            _copy_views(con, views)
            _copy_comments(con)
            _copy_macros(con)
    finally:
        con.execute("detach release")


def changed_days(con: duckdb.DuckDBPyConnection, previous: Release | None) -> dict[str, list[date]]:
    """The marts of which the previous release's database has most days as they are, with the days
    whose rows are others there. None if there is no such database, or something else is in it."""
    changed = {}
    if previous is not None and previous.database.exists():
        with suppress(duckdb.Error):  # if it is damaged, it is not copied
            previous.attach(con, "previous")
            try:
                if not con.execute(_ADDED).fetchall():
                    changed = _changed_days(con)
            finally:
                con.execute("detach previous")
    return changed


def _changed_days(con: duckdb.DuckDBPyConnection) -> dict[str, list[date]]:
    """The marts of which the database `previous` has most days as they are, with the other days.

    Days are compared by what they contain, so a row that was edited there does not go on.
    """
    tables = con.execute(
        "select table_name from duckdb_tables()"
        " where database_name = 'previous' and schema_name = 'billing'"
    ).fetchall()
    marts = {mart.name: mart for mart in dated_tables() if (mart.name,) in tables}
    if not marts:
        return {}
    here, there = (columns_of(con, marts, database) for database in ("", "previous."))
    alike = [
        mart for name, mart in marts.items() if [*here[name].items()] == [*there[name].items()]
    ]
    compared = " union all ".join(
        f"""
        select {literal(mart.name)}, coalesce(f.day, p.day), f.seen is distinct from p.seen
        from (from ops.fingerprints where table_name = {literal(mart.name)}) as f
        full join ({
            seen_sql(f"previous.billing.{mart.name}", here[mart.name], str(mart.hashed_by))
        }) as p on f.day = p.day
        """
        for mart in alike
    )
    days: dict[str, list[tuple[date, bool]]] = {mart.name: [] for mart in alike}
    for name, day, differs in con.execute(compared).fetchall() if alike else []:
        days[name].append((day, differs))
    changed = {name: [day for day, differs in of if differs] for name, of in days.items()}
    return {
        name: sorted(differing)
        for name, differing in changed.items()
        if 2 * len(differing) < len(days[name]) and None not in differing
    }


def _drop_what_is_gone(con: duckdb.DuckDBPyConnection) -> None:
    """Drop what the database `release` has and the next statements do not replace."""
    con.execute(
        "drop schema if exists release.ops cascade; drop schema if exists release.seeds cascade"
    )
    entries = con.execute(
        """
        with entries as (
            select database_name, 'view' as kind, view_name as name
            from duckdb_views() where schema_name = 'billing'
            union all
            select database_name, 'table', table_name
            from duckdb_tables() where schema_name = 'billing'
            union all
            select database_name, 'macro table', function_name
            from duckdb_functions() where schema_name = 'billing'
        )
        select kind, name from entries where database_name = 'release'
        except
        select kind, name from entries where database_name = current_database()
        """
    ).fetchall()
    for kind, name in entries:
        con.execute(f"drop {kind} release.billing.{identifier(name)}")


def _replace_days(con: duckdb.DuckDBPyConnection, mart: Mart, days: Sequence[date]) -> None:
    target = f"release.billing.{mart.name}"
    is_of_days = f"{mart.hashed_by} in (select unnest(?::date[]))"
    con.execute(f"delete from {target} where {is_of_days}", [days])
    con.execute(f"insert into {target} from billing.{mart.name} where {is_of_days}", [days])


def _write_tables(con: duckdb.DuckDBPyConnection, release: Release, seeds: Sequence[str]) -> None:
    columns = ", ".join(row[0] for row in con.execute("describe billing.calls").fetchall())
    con.execute(
        f"create or replace view release.billing.calls as select {columns} from {release.calls}"
    )
    for table in seeds:
        con.execute(f"create table release.seeds.{table} as from seeds.{table}")
    for table in _OPS_TABLES:
        con.execute(f"create table release.ops.{table} as from ops.{table}")
    con.execute(
        """
        create table release.ops.sealed_settlements as
        select h.settled_on, h.content_hash, coalesce(s.run_id, ?) as run_id
        from ops.settlement_hashes as h
        left join ops.sealed_settlements as s using (settled_on)
        order by h.settled_on
        """,
        [release.run_id],
    )


def _copy_comments(con: duckdb.DuckDBPyConnection) -> None:
    """Copy the comments on marts and their columns into the release's database."""
    comments = con.execute(
        """
        select 'table', table_name, '', comment from duckdb_tables()
        where database_name = current_database() and schema_name = 'billing'
        union all
        select 'view', view_name, '', comment from duckdb_views()
        where database_name = current_database() and schema_name = 'billing'
        union all
        select 'column', c.table_name, c.column_name, c.comment
        from duckdb_columns() as c
        where c.database_name = current_database() and c.schema_name = 'billing'
        """
    ).fetchall()
    statements = [
        f"comment on {kind} release.billing.{table}{'.' + column if column else ''}"
        f" is {literal(' '.join(comment.split()))}"
        for kind, table, column, comment in comments
        if comment
    ]
    con.execute(";\n".join(statements))


def _copy_views(con: duckdb.DuckDBPyConnection, views: Mapping[str, str]) -> None:
    """Copy the views among the marts. Their statements name tables without a database, so they work
    in the release's database too."""
    [(warehouse_name,)] = con.execute("select current_database()").fetchall()
    con.execute("use release")
    try:
        for statement in views.values():
            con.execute(re.sub("^create view", "create or replace view", statement, flags=re.I))
    finally:
        con.execute(f"use {identifier(warehouse_name)}")


def _copy_macros(con: duckdb.DuckDBPyConnection) -> None:
    """Copy the SQL macros of schema `billing` (macros/known_on.sql)."""
    macros = con.execute(
        """
        select function_name, array_to_string(parameters, ', '), macro_definition, comment
        from duckdb_functions()
        where database_name = current_database() and schema_name = 'billing'
        order by 1
        """
    ).fetchall()
    for name, parameters, definition, comment in macros:
        con.execute(
            f"create or replace macro release.billing.{name}({parameters}) as table {definition}"
        )
        if comment:
            con.execute(f"comment on macro table release.billing.{name} is {literal(comment)}")
