"""The models as dbt compiled them: what a night runs, without dbt.

Compiling takes dbt seconds and gives the same SQL every night, except for the settlement dates. So
a plan is compiled once for a project, its vars and its kind of night, with dates that stand for the
real ones, and is kept in the warehouse's dbt folder.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Collection
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import date
from graphlib import TopologicalSorter
from importlib.metadata import version
from typing import Any, Literal

import duckdb

from callbill.base.settings import BillingVars
from callbill.warehouse.dbt import files_hash, run_dbt
from callbill.warehouse.layout import Layout

# Part of a plan's key: a plan that an older version of this module wrote is not read.
_FORMAT = 4
_COMPILED = ("models/**/*", "macros/**/*", "seeds/*.yml", "dbt_project.yml", "profiles.yml")

Kept = Literal["table", "view", "incremental", "settlement_partitions", "statements"]


@dataclass(frozen=True)
class Window:
    """The settlement dates that are built together, and what kind of night it is. The macros in
    settlement_window.sql give its values to the models."""

    settle_from: date
    settle_through: date
    # The version of the billing rules.
    billing_rules: int
    # Whether a claim or a price begins to count on one of the dates.
    has_catalogue_news: bool
    # Whether identifiers have to be cleaned to match records of older reading rules.
    has_cleaned_identifiers: bool
    # The first date whose records are counted by action: those before it were counted already.
    count_records_from: date
    # Whether a claim of the catalogue asks for attributes of records.
    has_attribute_claims: bool
    # Whether a price may depend on how much: a ladder, a package or a waiver is known by then.
    has_quantity_prices: bool


# The dates that plans are compiled with.
_DATES = ("settle_from", "settle_through", "count_records_from")
_STAND_INS = {name: date(1, 2, n) for n, name in enumerate(_DATES, 2)}


@dataclass(frozen=True)
class Column:
    name: str
    # DuckDB's name of the type, empty if the model states none.
    type: str
    description: str


@dataclass(frozen=True)
class Model:
    """A model, and how the warehouse keeps it."""

    schema: str
    name: str
    kept: Kept
    sql: str
    description: str
    # Those of the contract, in order. Empty without one.
    columns: tuple[Column, ...]
    # The models that it reads.
    reads: tuple[str, ...]
    # Whether it is built for each bucket of request ids by itself.
    by_bucket: bool
    # The columns that are added up over the buckets. The others are the key of a row.
    sums: tuple[str, ...]
    # The feed without which it has no rows, empty if it may have some anyhow.
    only_of: str = ""
    # Whether its SQL is of one night: it names dates, or files.
    is_of_night: bool = False

    @property
    def relation(self) -> str:
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True)
class Seed:
    schema: str
    name: str
    # Types by column, for all columns of the file.
    types: dict[str, str]

    @property
    def relation(self) -> str:
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True)
class Plan:
    """Seeds and models, in an order in which they can be built."""

    seeds: tuple[Seed, ...]
    models: tuple[Model, ...]
    # What all models are written by, except for the dates: empty if these are not all models.
    name: str = ""

    def of_bucket(self) -> Plan:
        """What is built for each bucket by itself, and what that reads."""
        models = {model.name: model for model in self.models}
        needed = {name for name, model in models.items() if model.by_bucket}
        for name in reversed(list(models)):
            if name in needed:
                needed |= {read for read in models[name].reads if read in models}
        built = tuple(model for name, model in models.items() if name in needed)
        read = {name for model in built for name in model.reads}
        return Plan(tuple(seed for seed in self.seeds if seed.name in read), built)

    def leading_to(self, targets: Collection[str], *, given: Collection[str] = ()) -> Plan:
        """Some models, and what they read, but not those that are given: they are there already."""
        needed = set(targets)
        for model in reversed(self.models):
            if model.name in needed:
                needed |= set(model.reads) - set(given)
        models = tuple(m for m in self.models if m.name in needed - set(given))
        return Plan(self.seeds, models)

    def beside_buckets(self, merged: dict[str, str]) -> Plan:
        """What is built once. `merged` has SQL for the models that add up what the buckets gave."""
        models = (
            replace(model, sql=merged[model.name], is_of_night=True)
            if model.name in merged
            else model
            for model in self.models
            if not model.by_bucket or model.name in merged
        )
        return replace(self, seeds=(), models=tuple(models))

    def at(self, window: Window) -> Plan:
        """The plan for these settlement dates."""
        models = []
        for model in self.models:
            sql = model.sql
            for name, stand_in in _STAND_INS.items():
                sql = sql.replace(str(stand_in), str(getattr(window, name)))
            models.append(replace(model, sql=sql, is_of_night=sql != model.sql))
        return replace(self, models=tuple(models))


def load_plan(layout: Layout, billing_vars: BillingVars, window: Window) -> Plan:
    """The plan for these dates, compiled if the warehouse does not have it yet.

    Raises CallbillError if dbt cannot compile the models.
    """
    name = plan_name(billing_vars, window)
    kept = layout.plans / name
    with suppress(OSError, ValueError, KeyError, TypeError):  # not there, or damaged
        return replace(from_json(kept.read_text(encoding="utf-8")), name=name).at(window)
    plan = compile_plan(layout, billing_vars, window)
    layout.plans.mkdir(parents=True, exist_ok=True)
    for old in layout.plans.iterdir():
        if old.name.split("-")[0] != name.split("-")[0]:
            old.unlink()
    unfinished = kept.with_suffix(".part")
    unfinished.write_text(as_json(plan), encoding="utf-8")
    unfinished.replace(kept)
    return replace(plan, name=name).at(window)


def plan_name(billing_vars: BillingVars, window: Window) -> str:
    """The name of a plan's file: the hash of all that the compiled SQL depends on, and the kind of
    night."""
    kind = (
        window.billing_rules,
        window.has_catalogue_news,
        window.has_cleaned_identifiers,
        window.has_attribute_claims,
        window.has_quantity_prices,
    )
    return f"{project_hash(billing_vars)}-{'-'.join(str(int(value)) for value in kind)}.json"


def as_json(plan: Plan) -> str:
    return json.dumps(asdict(plan))


def from_json(text: str) -> Plan:
    content = json.loads(text)
    return Plan(
        tuple(Seed(**seed) for seed in content["seeds"]),
        tuple(
            Model(
                **model
                | {
                    "columns": tuple(Column(**column) for column in model["columns"]),
                    "reads": tuple(model["reads"]),
                    "sums": tuple(model["sums"]),
                }
            )
            for model in content["models"]
        ),
    )


def project_hash(billing_vars: BillingVars) -> str:
    """The hash of all that compiled SQL depends on, except the kind of night."""
    packages = ("dbt-core", "dbt-duckdb", "duckdb")
    return files_hash(
        _COMPILED, _FORMAT, vars(billing_vars), [version(package) for package in packages]
    )


def compile_plan(layout: Layout, billing_vars: BillingVars, window: Window) -> Plan:
    """Compile the models against a database of its own, which has the dates and nothing else.

    Raises CallbillError if dbt cannot compile them.
    """
    folder = layout.dbt / "compile"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        # Of the same name as the warehouse: for another one dbt would parse the project again.
        database = folder / layout.database.name
        with duckdb.connect(str(database)) as con:
            con.execute("create schema ops")
            values = vars(window) | _STAND_INS
            columns = ", ".join(f"${name} as {name}" for name in values)
            con.execute(f"create table ops.settlement_window as select {columns}", values)
        target = run_dbt(database, layout.dbt, billing_vars, "compile")
        manifest = json.loads((target / "manifest.json").read_text(encoding="utf-8"))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    nodes = dict(sorted(manifest["nodes"].items()))
    # dbt puts the database's name before each relation's. Here that name would say nothing.
    stem = re.escape(database.name.split(".")[0])
    with_database = re.compile(rf'"{stem}"\.("\w+"\."\w+")')
    references = {name: node["depends_on"].get("nodes", []) for name, node in nodes.items()}
    order = TopologicalSorter(references).static_order()
    in_order = [nodes[name] for name in order if name in nodes]
    with duckdb.connect() as con:
        return Plan(
            tuple(_seed(node) for node in in_order if node["resource_type"] == "seed"),
            tuple(
                _model(con, node, with_database)
                for node in in_order
                if node["resource_type"] == "model"
            ),
        )


def _seed(node: dict[str, Any]) -> Seed:
    return Seed(node["schema"], node["name"], node["config"]["column_types"])


def _model(
    con: duckdb.DuckDBPyConnection, node: dict[str, Any], with_database: re.Pattern[str]
) -> Model:
    columns: tuple[Column, ...] = ()
    if node["config"]["contract"]["enforced"]:
        stated = list(node["columns"].values())
        casts = ", ".join(f"cast(null as {column['data_type']})" for column in stated)
        described = con.execute(f"describe select {casts}").fetchall()
        columns = tuple(
            Column(column["name"], type_, column["description"])
            for column, (_name, type_, *_rest) in zip(stated, described, strict=True)
        )
    return Model(
        node["schema"],
        node["name"],
        node["config"]["materialized"],
        with_database.sub(r"\1", node["compiled_code"]).strip(),
        node["description"],
        columns,
        tuple(sorted(name.split(".")[-1] for name in node["depends_on"]["nodes"])),
        bool(node["config"]["meta"].get("by_bucket")),
        tuple(node["config"]["meta"].get("sums", ())),
        node["config"]["meta"].get("only_of", ""),
    )
