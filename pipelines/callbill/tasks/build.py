"""Builds the models of some settlement dates, from what dbt compiled."""

from __future__ import annotations

from datetime import date, timedelta

from callbill.base.rules import RuleRange
from callbill.base.settings import BillingVars, Thresholds
from callbill.tasks.identifiers import clean_identifiers
from callbill.warehouse.layout import CALL_STATES
from callbill.warehouse.plan import Window, load_plan
from callbill.warehouse.relations import write_relations
from callbill.warehouse.warehouse import Warehouse

# By these billing rules and later ones, a call without a price waits for one.
_CALLS_WAIT_SINCE = 2

_NEWS = """
    select exists (
        from ops.catalogue_rows
        where seed in ('component_actions', 'list_prices') and counts_from between $first and $last
    ) or exists (
        from ops.sealed_settlements where settled_on = $day_before and billing_rules < $rules
    )
"""
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


def build_models(
    warehouse: Warehouse, billing_vars: BillingVars, thresholds: Thresholds, dates: RuleRange
) -> None:
    """Build all models for a range of settlement dates with one version of the rules.

    The rows of these dates and of later ones, which an unpublished run may have left, are replaced.
    Raises CallbillError if a model could not be compiled or built.
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
        count_records_from=_count_records_from(warehouse, thresholds, dates.first),
    )
    with warehouse.transaction():
        warehouse.execute("delete from ops.settlement_window")
        warehouse.insert("ops.settlement_window", [tuple(vars(window).values())])
    plan = load_plan(warehouse.layout, billing_vars, window)
    warehouse.by_date.prepare(dates.first, dates.last)
    write_relations(warehouse, plan, window)
    days = (dates.last - dates.first).days
    warehouse.by_date.complete(dates.first + timedelta(days=n) for n in range(days + 1))


def _count_records_from(warehouse: Warehouse, thresholds: Thresholds, first: date) -> date:
    """A warehouse that does not have the counts of records yet makes them for the days that this
    night's are held against too."""
    if warehouse.has("intermediate", "int_records_by_action"):
        return first
    return first - timedelta(days=thresholds.usual_volume_days + 1)


def _has_catalogue_news(warehouse: Warehouse, dates: RuleRange) -> bool:
    """Whether calls may be charged now that had no price before: a claim or a price begins to count
    on one of the dates, or the rules by which calls wait begin."""
    [(has_news,)] = warehouse.rows(
        _NEWS,
        {
            "first": dates.first,
            "last": dates.last,
            "day_before": dates.first - timedelta(days=1),
            "rules": _CALLS_WAIT_SINCE,
        },
    )
    return bool(has_news)


def _add_actions(warehouse: Warehouse, horizon: date, last: date) -> None:
    """Give the states that older versions left the action of the record that they show. After one
    horizon there are none."""
    for (day,) in warehouse.rows(
        f"select distinct settled_on {_STATES_WITHOUT_ACTION} order by 1",
        {"horizon": horizon, "last": last},
    ):
        warehouse.by_date.rewrite(CALL_STATES, day, _WITH_ACTIONS.format(day=f"date '{day}'"))
