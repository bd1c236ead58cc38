"""How the warehouse keeps models: writes the seeds and models of a plan, one after the other.

`dbt build` keeps them in the same way, by the macros materializations.sql and
settlement_partitions.sql, for whoever works on models.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import duckdb

from callbill.base.catalogue import catalogue_file
from callbill.base.errors import CallbillError
from callbill.base.machine import machine_fault_in_text
from callbill.base.sql import identifier, literal
from callbill.warehouse.dbt import one_line
from callbill.warehouse.plan import Model, Plan, Seed, Window
from callbill.warehouse.warehouse import Warehouse

_SEED_FORMAT = (
    "format csv, header true, auto_detect false, delimiter ',', quote '\"', escape '\"',"
    " null_padding true"
)


def write_relations(
    warehouse: Warehouse,
    plan: Plan,
    window: Window,
    before: Mapping[str, Callable[[Warehouse, Window], None]] | None = None,
) -> None:
    """Write all models of a plan for these dates, which read its seeds. `before` has what is to be
    done before a model is written, by the model's name.

    What the last night wrote by the same plan, and would be the same now, stays: views, and empty
    tables of a feed of which no file was loaded. Of the others the rows alone are written again:
    columns and comments are those of the plan.

    Raises CallbillError if a model cannot be built, or has not the columns of its contract.
    """
    for schema in sorted({model.schema for model in plan.models}):
        warehouse.execute(f"create schema if not exists {schema}")
    existing = set(
        warehouse.rows(
            "select schema_name, table_name from duckdb_tables()"
            " where database_name = current_database()"
            " union all"
            " select schema_name, view_name from duckdb_views()"
            " where database_name = current_database()"
        )
    )
    here = [model for model in plan.models if (model.schema, model.name) in existing]
    is_as_before = _begin(warehouse, plan)
    staying = _staying(warehouse, here) if is_as_before else set()
    for model in plan.models:
        if model.name in staying:
            continue
        if before and model.name in before:
            before[model.name](warehouse, window)
        try:
            exists = (model.schema, model.name) in existing
            _write_model(warehouse, model, window, exists=exists, as_before=exists and is_as_before)
        except duckdb.Error as error:
            sentence = f"model {model.name} was not built: {one_line(error)}"
            raise CallbillError(machine_fault_in_text(sentence) or sentence) from error
    if plan.name:
        warehouse.execute("insert into ops.models_written values (?)", [plan.name])


def _begin(warehouse: Warehouse, plan: Plan) -> bool:
    """Note that models are being written: until all of them are, they count as written by no plan.
    The result says whether all were last written by this one."""
    if not plan.name and not warehouse.has("ops", "models_written"):
        return False
    warehouse.execute("create table if not exists ops.models_written (plan varchar not null)")
    written = warehouse.rows("select plan from ops.models_written")
    warehouse.execute("delete from ops.models_written")
    return bool(plan.name) and written == [(plan.name,)]


def _staying(warehouse: Warehouse, models: Sequence[Model]) -> set[str]:
    """Of models that their plan wrote, those that it would write again as they are."""
    feeds = warehouse.feeds_loaded()
    return {
        model.name
        for model in models
        if (model.kept == "view" and not model.is_of_night)
        or (
            model.only_of
            and model.only_of not in feeds
            and not warehouse.rows(f"select 1 from {model.relation} limit 1")
        )
    }


def write_seeds(warehouse: Warehouse, plan: Plan, catalogue: Path) -> None:
    """Write all seeds of a plan, from a catalogue. Raises CallbillError if one cannot be read."""
    for schema in sorted({seed.schema for seed in plan.seeds}):
        warehouse.execute(f"create schema if not exists {schema}")
    for seed in plan.seeds:
        try:
            _write_seed(warehouse, seed, catalogue_file(catalogue, seed.name))
        except duckdb.Error as error:
            sentence = f"seed {seed.name} was not loaded: {one_line(error)}"
            raise CallbillError(machine_fault_in_text(sentence) or sentence) from error


def _write_seed(warehouse: Warehouse, seed: Seed, file: Path) -> None:
    columns = ", ".join(f"{identifier(name)} {type_}" for name, type_ in seed.types.items())
    with file.open(encoding="utf-8-sig", newline="") as stream:
        header = [identifier(name.strip()) for name in next(csv.reader(stream))]
    with warehouse.transaction():
        warehouse.execute(f"create or replace table {seed.relation} ({columns})")
        warehouse.execute(
            f"copy {seed.relation} ({', '.join(header)}) from {literal(str(file))} ({_SEED_FORMAT})"
        )


def _write_model(
    warehouse: Warehouse, model: Model, window: Window, *, exists: bool, as_before: bool
) -> None:
    if model.kept == "settlement_partitions":
        warehouse.by_date.write(model.name, model.sql, window.settle_from, window.settle_through)
        return
    with warehouse.transaction():
        if model.kept == "statements":
            warehouse.execute(model.sql)
        elif model.kept == "incremental" and exists:
            if not as_before:
                _check_columns(warehouse, model, f"(\n{model.sql}\n)")
            _replace_dates(warehouse, model, window)
        elif model.kept == "table" and as_before:
            warehouse.execute(f"truncate {model.relation}")
            warehouse.execute(f"insert into {model.relation}\n{model.sql}")
        else:
            kind = "view" if model.kept == "view" else "table"
            warehouse.execute(f"create or replace {kind} {model.relation} as\n{model.sql}")
            _check_columns(warehouse, model, model.relation)
            _comment(warehouse, model, kind)


def _replace_dates(warehouse: Warehouse, model: Model, window: Window) -> None:
    """Replace the rows of these dates and of later ones, which an unpublished run may have left.
    Rows of sealed dates are never touched. Other columns than the table's are an error."""
    columns = ", ".join(
        identifier(name) for name, *_ in warehouse.rows(f"describe {model.relation}")
    )
    warehouse.execute(
        f"delete from {model.relation} where settled_on >= date '{window.settle_from}'"
    )
    warehouse.execute(
        f"insert into {model.relation} by name"
        f" select {columns}, * exclude ({columns}) from (\n{model.sql}\n)"
    )


def _check_columns(warehouse: Warehouse, model: Model, source: str) -> None:
    """Raises CallbillError if the source has not the columns of the model's contract."""
    if not model.columns:
        return
    columns = {name: type_ for name, type_, *_ in warehouse.rows(f"describe from {source}")}
    stated = {column.name: column.type for column in model.columns}
    for name in sorted(columns.keys() | stated.keys()):
        is_, should_be = columns.get(name), stated.get(name)
        if is_ != should_be:
            raise CallbillError(
                f"model {model.name} was not built: column {name} is {is_ or 'missing'}, its "
                f"contract says {should_be or 'nothing of it'}"
            )


def _comment(warehouse: Warehouse, model: Model, kind: str) -> None:
    if not model.columns:
        return
    texts = [(f"{kind} {model.relation}", model.description)]
    texts += [
        (f"column {model.relation}.{identifier(column.name)}", column.description)
        for column in model.columns
    ]
    warehouse.execute(";\n".join(f"comment on {what} is {literal(text)}" for what, text in texts))
