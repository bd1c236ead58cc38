"""Writes a release's database, `callbill.duckdb`.

It begins as a copy of the previous release's, in which the rows of the days that are not as they
were are replaced. To write all tables anew takes ten times as long where there is a year of them.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
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
    select type_name from duckdb_types() where database_name = 'previous' and not internal
    union all
    select sequence_name from duckdb_sequences() where database_name = 'previous'
    union all
    select index_name from duckdb_indexes() where database_name = 'previous'
    union all
    select constraint_text from duckdb_constraints() where database_name = 'previous'
"""


@dataclass(frozen=True)
class Macro:
    """An SQL function that somebody defined in a database."""

    database: str
    schema: str
    name: str
    type: str
    parameters: str
    definition: str
    comment: str | None


@dataclass(frozen=True)
class Beginning:
    """What a release's database begins as: a copy of `copied`, or nothing. `alike` are the tables
    that have the same columns there, `changed` has those of which most days are as they are there,
    with the other days. `macros` are those of the warehouse, and of `copied` if there is one."""

    macros: Sequence[Macro]
    copied: Release | None = None
    alike: Collection[str] = ()
    changed: Mapping[str, Sequence[date]] = field(default_factory=dict)

    def macros_of(self, database: str) -> list[Macro]:
        return [macro for macro in self.macros if macro.database == database]


def write_database(
    warehouse: Warehouse,
    release: Release,
    beginning: Beginning,
    views: Mapping[str, str],
    seeds: Sequence[str],
) -> None:
    """`views` are the statements of the views among the marts, `seeds` the catalogue's tables."""
    con = warehouse.con
    changed = beginning.changed
    if beginning.copied is not None:
        shutil.copyfile(beginning.copied.database, release.database)
    options = "read_write" if beginning.copied is not None else STORAGE_VERSION
    con.execute(f"attach {literal(str(release.database))} as release ({options})")
    try:
        # In one transaction: each statement by itself would wait for the disk.
        with warehouse.transaction():
            if beginning.copied is not None:
                _drop_what_is_gone(con)
            for schema in ("billing", "ops", "seeds"):
                con.execute(f"create schema if not exists release.{schema}")
            for mart in hashed_marts():
                if mart.name in changed:
                    _replace_days(con, mart, changed[mart.name])
                elif mart.name in beginning.alike:
                    con.execute(f"truncate release.billing.{mart.name}")
                    con.execute(f"insert into release.billing.{mart.name} from billing.{mart.name}")
                elif mart.name != "calls":
                    con.execute(
                        f"create or replace table release.billing.{mart.name}"
                        f" as from billing.{mart.name}"
                    )
            _write_tables(con, release, seeds)
            _copy_views(con, views)
            _copy_comments(con)
            _copy_macros(con, beginning)
    finally:
        con.execute("detach release")


def beginning_of(con: duckdb.DuckDBPyConnection, previous: Release | None) -> Beginning:
    """What a release's database begins as. It is not a copy of the previous release's if that is
    damaged, has something else in it, or has few days as they are."""
    if previous is not None and previous.database.exists():
        with suppress(duckdb.Error):
            previous.attach(con, "previous")
            try:
                macros = _macros(con)
                is_added_to = con.execute(_ADDED).fetchall() or any(
                    macro.schema == "main" or macro.type != "table_macro"
                    for macro in macros
                    if macro.database == "previous"
                )
                if not is_added_to:
                    alike = _alike(con)
                    if changed := _changed_days(con, alike):
                        return Beginning(macros, previous, alike, changed)
            finally:
                con.execute("detach previous")
            return Beginning(macros)
    return Beginning(_macros(con))


def _macros(con: duckdb.DuckDBPyConnection) -> list[Macro]:
    """All macros of all databases. Asked for once: the engine goes through its own thousands."""
    return [
        Macro(*row)
        for row in con.execute(
            """
            select
                if(database_name = current_database(), '', database_name), schema_name,
                function_name, function_type, array_to_string(parameters, ', '), macro_definition,
                comment
            from duckdb_functions() where not internal
            order by all
            """
        ).fetchall()
    ]


def _alike(con: duckdb.DuckDBPyConnection) -> dict[str, dict[str, str]]:
    """The tables of marts that have the same columns in the database `previous`, with these."""
    tables = con.execute(
        "select table_name from duckdb_tables()"
        " where database_name = 'previous' and schema_name = 'billing'"
    ).fetchall()
    marts = [mart.name for mart in hashed_marts() if (mart.name,) in tables]
    if not marts:
        return {}
    here, there = (columns_of(con, marts, database) for database in ("", "previous."))
    return {name: here[name] for name in marts if [*here[name].items()] == [*there[name].items()]}


def _changed_days(
    con: duckdb.DuckDBPyConnection, columns: Mapping[str, Mapping[str, str]]
) -> dict[str, list[date]]:
    """The tables of which the database `previous` has most days as they are, with the other days.
    `columns` are those of the tables that are alike there.

    Days are compared by what they contain, so a row that was edited there does not go on.
    """
    alike = [mart for mart in dated_tables() if mart.name in columns]
    compared = " union all ".join(
        f"""
        select {literal(mart.name)}, coalesce(f.day, p.day), f.seen is distinct from p.seen
        from (from ops.fingerprints where table_name = {literal(mart.name)}) as f
        full join ({
            seen_sql(f"previous.billing.{mart.name}", columns[mart.name], str(mart.hashed_by))
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
    """Copy the comments on marts and their columns into the release's database, as far as they are
    not there. Each takes a third of a millisecond."""
    comments: dict[bool, dict[tuple[str, str], str]] = {True: {}, False: {}}
    for is_release, kind, name, comment in con.execute(
        """
        with entries as (
            select database_name, schema_name, 'table' as kind, table_name as name, comment
            from duckdb_tables()
            union all
            select database_name, schema_name, 'view', view_name, comment from duckdb_views()
            union all
            select
                database_name, schema_name, 'column', concat(table_name, '.', column_name), comment
            from duckdb_columns()
        )

        select database_name = 'release', kind, name, comment
        from entries
        where schema_name = 'billing' and database_name in ('release', current_database())
        """
    ).fetchall():
        if comment:
            comments[is_release][kind, name] = " ".join(comment.split())
    statements = [
        f"comment on {kind} release.billing.{name} is {literal(comment)}"
        for (kind, name), comment in comments[False].items()
        if comments[True].get((kind, name)) != comment
    ]
    if statements:
        con.execute(";\n".join(statements))


def _copy_views(con: duckdb.DuckDBPyConnection, views: Mapping[str, str]) -> None:
    """Copy the views among the marts, as far as they are not there. Their statements name tables
    without a database, so they work in the release's database too."""
    there = dict(
        con.execute(
            "select view_name, sql from duckdb_views()"
            " where database_name = 'release' and schema_name = 'billing'"
        ).fetchall()
    )
    [(warehouse_name,)] = con.execute("select current_database()").fetchall()
    con.execute("use release")
    try:
        for name, statement in views.items():
            if plain_text(there.get(name, "")) != plain_text(statement):
                con.execute(re.sub("^create view", "create or replace view", statement, flags=re.I))
    finally:
        con.execute(f"use {identifier(warehouse_name)}")


def plain_text(view: str) -> str:
    """A view's statement without the blanks and quotes that the engine leaves out once it has read
    it from disk."""
    return re.sub(r",\s+", ",", view.replace('"', ""))


def _copy_macros(con: duckdb.DuckDBPyConnection, beginning: Beginning) -> None:
    """Copy the SQL macros of schema `billing` (macros/known_on.sql), as far as they are not there,
    and drop what else is there."""
    here = {macro.name: macro for macro in beginning.macros_of("") if macro.schema == "billing"}
    there = {
        macro.name: macro
        for macro in (beginning.macros_of("previous") if beginning.copied is not None else ())
    }
    for name in there.keys() - here.keys():
        con.execute(f"drop macro table release.billing.{identifier(name)}")
    for name, macro in here.items():
        if name in there and macro == replace(there[name], database=""):
            continue
        con.execute(
            f"create or replace macro release.billing.{name}({macro.parameters}) as table"
            f" {macro.definition}"
        )
        if macro.comment:
            con.execute(
                f"comment on macro table release.billing.{name} is {literal(macro.comment)}"
            )
