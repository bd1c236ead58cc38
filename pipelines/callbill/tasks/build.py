"""Builds the models of some settlement dates, from what dbt compiled."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any
from uuid import uuid4

from callbill.base.errors import CallbillError
from callbill.base.rules import RuleRange
from callbill.base.settings import BillingVars, Settings, Thresholds, load_thresholds
from callbill.base.sql import literal
from callbill.quality.due import controls_of_calls, shared_tables, variables
from callbill.tasks import bucket
from callbill.tasks.connection import share_of_machine
from callbill.tasks.exchange import Exchange
from callbill.tasks.identifiers import clean_identifiers
from callbill.tasks.quantity_moves import count_quantities
from callbill.tasks.workers import Workers
from callbill.warehouse.layout import CALL_STATES, CALLS
from callbill.warehouse.plan import Plan, Window, as_json, load_plan
from callbill.warehouse.relations import write_relations, write_seeds
from callbill.warehouse.warehouse import Warehouse

# By these billing rules and later ones, a call without a price waits for one.
_CALLS_WAIT_SINCE = 2

_NEWS = """
    select exists (
        from ops.catalogue_rows
        where seed in ('component_actions', 'list_prices') and counts_from between $first and $last
    ) or exists (
        from raw.account_attributes
        where settlement_floor between $first and $last and $has_attribute_claims
    ) or exists (
        from ops.sealed_settlements where settled_on = $day_before and billing_rules < $rules
    )
"""
# A row of a list price that is a step of a ladder has the step and its period behind the others.
_LADDERS = """
    select exists (
        from ops.catalogue_rows
        where seed = 'list_prices' and len(row) > 4 and counts_from <= $last
    )
"""
_KNOWN = "select exists (from raw.{feed} where settlement_floor <= $last)"
# Up to 0.6 a call with several records was passed on without the action of its record.
_STATES_WITHOUT_ACTION = """
    from intermediate.int_calls_again
    where
        action is null and source_file_id is not null
        and settled_on between $horizon and $last
"""
_WITH_ACTIONS = """
    select states.* replace (coalesce(states.action, records.action) as action)
    from intermediate.int_calls_again as states
    left join (
        select
            request_id, source_file_id, called_at, owner_uin, operate_uin, region, error_code,
            min(action) as action
        from raw.call_logs
        where request_id in (
            select request_id from intermediate.int_calls_again
            where settled_on = {day} and action is null
        )
        group by all
    ) as records
        on
            states.request_id = records.request_id
            and states.source_file_id = records.source_file_id
            and states.called_at = records.called_at
            and states.owner_uin = records.owner_uin
            and states.operate_uin = records.operate_uin
            and states.region is not distinct from records.region
            and states.error_code is not distinct from records.error_code
    where states.settled_on = {day}
"""


# Kept models that warehouses of earlier versions lack: the rows of their earlier dates are built
# once, before the night's. A model comes after those that it reads.
MODELS_WITH_A_PAST = (("intermediate", "int_charges_by_caller"), ("billing", "cost_allocation"))

# Tables of the job that the models of a bucket read.
_GIVEN = (
    "ops.catalogue_rows",
    "ops.cleaned_identifiers",
    "ops.sealed_settlements",
    "raw.account_attributes",
)


@dataclass
class Built:
    """What the tasks of several buckets gave beside the models: Parquet files in the folder
    `layout.building`, which the caller removes."""

    # The groups of calls that content hashes are made of.
    call_groups: list[str] = field(default_factory=list)
    # The rows that controls of calls found, by control.
    findings: dict[str, list[str]] = field(default_factory=dict)


def build_models(
    warehouse: Warehouse,
    settings: Settings,
    billing_vars: BillingVars,
    dates: RuleRange,
    workers: Workers,
    targets: Collection[str] | None = None,
) -> Built:
    """Build all models for a range of settlement dates with one version of the rules, or only some
    and what they read (`targets`, of which one is `calls`).

    The rows of these dates and of later ones, which an unpublished run may have left, are replaced.
    If the warehouse has several buckets, the calls of each are built by a task of its own.

    Raises CallbillError if a model could not be compiled or built, or if a task did not see all
    records.
    """
    rules = dates.rules.billing_rules
    calls_wait = rules >= _CALLS_WAIT_SINCE
    horizon = dates.first - timedelta(days=billing_vars.horizon_days)
    if calls_wait:
        _add_actions(warehouse, horizon, dates.first - timedelta(days=1))
    has_news = calls_wait and _has_catalogue_news(warehouse, dates)
    has_cleaned = calls_wait and clean_identifiers(warehouse, horizon)
    window = Window(
        dates.first,
        dates.last,
        rules,
        has_catalogue_news=has_news,
        has_cleaned_identifiers=has_cleaned,
        count_records_from=_count_records_from(warehouse, load_thresholds(settings), dates.first),
        has_attribute_claims=_has_attribute_claims(warehouse),
        has_quantity_prices=has_quantity_prices(warehouse, dates.last),
    )
    with warehouse.transaction():
        warehouse.execute("delete from ops.settlement_window")
        warehouse.insert("ops.settlement_window", [tuple(vars(window).values())])
    plan = load_plan(warehouse.layout, billing_vars, window)
    if targets is not None:
        plan = plan.leading_to(targets)
    write_seeds(warehouse, plan, settings.catalogue)
    warehouse.by_date.prepare(dates.first, dates.last)
    if targets is None:
        _build_past(warehouse, billing_vars, window)
    built = Built()
    if warehouse.buckets > 1:
        values = variables(
            dates, billing_vars, load_thresholds(settings), has_catalogue_news=has_news
        )
        plan, built = _build_buckets(warehouse, settings, plan, window, values, workers)
    write_models(warehouse, plan, window)
    days = (dates.last - dates.first).days
    warehouse.by_date.complete(dates.first + timedelta(days=n) for n in range(days + 1))
    return built


def _build_past(warehouse: Warehouse, billing_vars: BillingVars, window: Window) -> None:
    """Build models for the settlement dates before the window, if the warehouse has those dates and
    not these models. Such models read what is kept of the dates."""
    missing = [name for schema, name in MODELS_WITH_A_PAST if not warehouse.has(schema, name)]
    if not missing or not warehouse.has("billing", "bill_lines"):
        return
    [(first,)] = warehouse.rows("select min(settled_on) from billing.bill_lines")
    if first is None or first >= window.settle_from:
        return
    past = replace(window, settle_from=first, settle_through=window.settle_from - timedelta(days=1))
    models = {model.name: model for model in load_plan(warehouse.layout, billing_vars, past).models}
    # The warehouse may have moved since the view was made.
    warehouse.by_date.create_view(CALLS)
    write_relations(warehouse, Plan((), tuple(models[name] for name in missing)), past)


def _build_buckets(
    warehouse: Warehouse,
    settings: Settings,
    plan: Plan,
    window: Window,
    values: Mapping[str, object],
    workers: Workers,
) -> tuple[Plan, Built]:
    """Build the calls, a task for each bucket. The result is the plan for what is built once, from
    what they gave, and what they gave besides. `values` are the variables of controls."""
    building = warehouse.layout.building
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    exchange = Exchange(settings)
    items = _items(warehouse, settings, plan, window, values, workers, exchange)
    tables: dict[str, list[str]] = {}
    if workers.is_this_process:
        # Two DuckDBs share the memory, and the warehouse's has nothing to do meanwhile.
        warehouse.execute(f"set memory_limit = '{settings.memory_of_each(4)}'")
    answers = workers.run("bucket", items)
    for item, answer in zip(items, answers, strict=True):
        expected = sum(records for _path, records, _size in item["records"])
        if (answer["bucket"], answer["records"]) != (item["bucket"], expected):
            raise CallbillError(
                f"a worker saw {answer['records']} records of bucket {answer['bucket']}, its "
                f"readers wrote {expected} of bucket {item['bucket']}; nothing was published"
            )
        exchange.take(answer["handed"])
        for name, file in answer["tables"].items():
            tables.setdefault(name, []).append(str(warehouse.layout.files / file))
    warehouse.execute(f"set memory_limit = '{settings.memory_limit}'")
    for model in (CALLS, CALL_STATES):
        warehouse.by_date.create_view(model)
    once = plan.beside_buckets(
        {
            model.name: bucket.merged(warehouse.con, model, tables[model.name])
            for model in plan.models
            if model.by_bucket and model.sums
        }
    )
    findings = {name: tables[name] for name in controls_of_calls(values)}
    return once, Built(tables[bucket.CALL_GROUPS], findings)


def _items(
    warehouse: Warehouse,
    settings: Settings,
    plan: Plan,
    window: Window,
    values: Mapping[str, object],
    workers: Workers,
    exchange: Exchange,
) -> list[dict[str, Any]]:
    """The items of `bucket.run`, one for each bucket. The files that they name are given to the
    tasks."""
    layout = warehouse.layout
    horizon = window.settle_from - timedelta(days=int(str(values["horizon_days"])))
    of_bucket = as_json(plan.of_bucket())
    [calls] = [model.sql for model in plan.models if model.name == "calls"]
    # A new name each time: a store may have the file of an earlier run.
    folder = layout.building / uuid4().hex[:12]
    folder.mkdir()
    tables = {}
    for name in (*_GIVEN, *(seed.relation for seed in plan.seeds)):
        path = folder / f"{name}.parquet"
        warehouse.execute(f"copy (from {name}) to {literal(str(path))} (format parquet)")
        tables[name] = exchange.name_of(path)
    withdrawn = [
        row[0]
        for row in warehouse.rows(
            "select source_file_id from ops.source_files"
            " where feed = 'call_logs' and quarantine_reason is not null order by all"
        )
    ]
    raw = layout.raw("call_logs")
    empty_records = exchange.name_of(warehouse.raw_records.empty)
    empty_states = exchange.name_of(layout.empty(CALL_STATES))
    # A record is settled up to two days after its floor.
    first_floor = min(horizon, window.count_records_from) - timedelta(days=2)
    items: list[dict[str, Any]] = [
        {
            "bucket": number,
            "root": str(exchange.root),
            "folder": exchange.name_of(layout.building),
            "plan": of_bucket,
            "window": {
                key: str(value) if isinstance(value, date) else value
                for key, value in vars(window).items()
            },
            "records": [
                (empty_records, 0, None),
                *(
                    (exchange.name_of(raw / name), records, size)
                    for name, records, size in warehouse.raw_records.files_of(number, first_floor)
                ),
            ],
            "states": [
                empty_states,
                *(
                    exchange.name_of(path)
                    for paths in warehouse.by_date.files_by_date(
                        CALL_STATES, number, horizon, window.settle_from
                    ).values()
                    for path in paths
                ),
            ],
            "withdrawn": withdrawn,
            "tables": tables,
            "calls": calls,
            "earlier_calls": {
                str(day): [exchange.name_of(path) for path in paths]
                for day, paths in warehouse.by_date.files_by_date(
                    CALLS, number, horizon, window.settle_from
                ).items()
            },
            "shared_tables": shared_tables(values),
            "controls": controls_of_calls(values),
            "share": share_of_machine(settings, workers),
        }
        for number in range(warehouse.buckets)
    ]
    sizes_of_tables = exchange.give(tables.values())
    for item in items:
        exchange.give(name for name, *_ in item["records"])
        earlier_calls = [name for names in item["earlier_calls"].values() for name in names]
        item["sizes"] = sizes_of_tables | exchange.give([*item["states"], *earlier_calls])
    return items


def _count_records_from(warehouse: Warehouse, thresholds: Thresholds, first: date) -> date:
    """A warehouse that does not have the counts of records yet makes them for the days that this
    night's are held against too."""
    if warehouse.has("intermediate", "int_records_by_action"):
        return first
    return first - timedelta(days=thresholds.usual_volume_days + 1)


def _has_catalogue_news(warehouse: Warehouse, dates: RuleRange) -> bool:
    """Whether calls may be charged now that had no price before: a claim, a price or an attribute
    of an account begins to count on one of the dates, or the rules by which calls wait begin."""
    [(has_news,)] = warehouse.rows(
        _NEWS,
        {
            "first": dates.first,
            "last": dates.last,
            "day_before": dates.first - timedelta(days=1),
            "rules": _CALLS_WAIT_SINCE,
            "has_attribute_claims": _has_attribute_claims(warehouse),
        },
    )
    return bool(has_news)


def has_quantity_prices(warehouse: Warehouse, last: date) -> bool:
    """Whether a price may depend on how much by a settlement date: a ladder, a package or a waiver
    is known by then."""
    # Most warehouses have neither feed, and their views take milliseconds to look through.
    feeds = warehouse.feeds_loaded() & {"packages", "waivers"}
    known = [_LADDERS, *(_KNOWN.format(feed=feed) for feed in sorted(feeds))]
    return any(warehouse.value(query, {"last": last}) for query in known)


def write_models(warehouse: Warehouse, plan: Plan, window: Window) -> None:
    """Write the models of a plan, and count what prices of some of them depend on. Raises
    CallbillError if a model cannot be built."""
    write_relations(warehouse, plan, window, {"int_quantity_lines": count_quantities})


def _has_attribute_claims(warehouse: Warehouse) -> bool:
    """Whether a claim of the catalogue, even a future one, asks for attributes."""
    [(has_claims,)] = warehouse.rows(
        "select exists (from ops.catalogue_rows where seed = 'component_actions' and len(row) = 5)"
    )
    return bool(has_claims)


def _add_actions(warehouse: Warehouse, horizon: date, last: date) -> None:
    """Give the states that older versions left the action of the record that they show. After one
    horizon there are none."""
    for (day,) in warehouse.rows(
        f"select distinct settled_on {_STATES_WITHOUT_ACTION} order by 1",
        {"horizon": horizon, "last": last},
    ):
        warehouse.by_date.rewrite(CALL_STATES, day, _WITH_ACTIONS.format(day=f"date '{day}'"))
