"""Successful calls that are not in the bill. The model int_unbilled_calls finds those of a run."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

import duckdb

from callbill.base.findings import UnbilledCalls
from callbill.warehouse.warehouse import Warehouse

# Of each reason so many actions are named. A sender can write any text as an action.
_MOST_ACTIONS = 20
# An action and, where its claims ask for attributes, their values.
_WITH_ATTRIBUTES = "concat(action, ' (' || attributes || ')')"
_BY_ACTION = f"""
    with of_run as (
        select * replace ({{action}} as action) from ops.unbilled_calls where run_id = ?
    ),

    ranked as (
        select reason, action, row_number() over by_calls <= {_MOST_ACTIONS} as is_named
        from of_run group by reason, action
        window by_calls as (partition by reason order by sum(calls) desc, action)
    )

    select
        of_run.reason,
        case when ranked.is_named then ranked.action end as named_action,
        sum(of_run.calls)::bigint as calls,
        count(distinct of_run.owner_uin) as accounts,
        sum(of_run.unbilled_cost) as cost,
        coalesce(sum(of_run.calls) filter (of_run.component_code is null), 0)::bigint as unclaimed
    from of_run inner join ranked using (reason, action)
    group by of_run.reason, named_action
    order by
        list_position(['unrated', 'conflict', 'too_old', 'waiting'], of_run.reason),
        named_action is null, calls desc, named_action
"""

_LEFT = """
    with ids as (
        select distinct request_id from raw.call_logs
        where
            action = $action and settled_on < $counts_from
            and list_has_all(string_split(coalesce(attributes, ''), ';'), $attributes::varchar[])
    ),

    last_rows as (
        select calls.request_id, max_by(calls.disposition, calls.settled_on) as disposition
        from billing.calls as calls
        semi join ids using (request_id)
        group by calls.request_id
    )

    select count(*) from last_rows where disposition in ('unrated', 'too_old', 'conflict')
"""


def keep_unbilled_calls(warehouse: Warehouse, run_id: str) -> None:
    """Add the calls that the dates at hand left out of the bill to `ops.unbilled_calls`.

    If a run settles several ranges of dates, calls that wait are those of the last range.
    """
    with warehouse.transaction():
        warehouse.execute(
            "delete from ops.unbilled_calls where run_id = ? and reason = 'waiting'", [run_id]
        )
        warehouse.execute(
            "insert into ops.unbilled_calls by name"
            " select ? as run_id, * from intermediate.int_unbilled_calls",
            [run_id],
        )


def unbilled_calls_of(con: duckdb.DuckDBPyConnection, run_id: str) -> list[UnbilledCalls]:
    """The calls that a run left out of the bill, by reason and action, from a warehouse or a
    release. A release that is older than the table has none, and one that is older than its column
    of attributes does not name these."""
    # Not from the catalog's list of columns, which would bind every view there is.
    try:
        columns = {name for name, *_ in con.execute("describe ops.unbilled_calls").fetchall()}
    except duckdb.CatalogException:
        return []
    query = _BY_ACTION.format(action=_WITH_ATTRIBUTES if "attributes" in columns else "action")
    return [UnbilledCalls(*row) for row in con.execute(query, [run_id]).fetchall()]


def unbilled_to_date(con: duckdb.DuckDBPyConnection) -> int:
    """The number of successful calls of all settled dates that are not in the bill, from a
    warehouse or a release."""
    [(calls,)] = con.execute(
        "select coalesce(sum(calls_unbilled), 0)::bigint from billing.daily_usage"
    ).fetchall()
    return int(calls)


def left_by_claims(
    warehouse: Warehouse, claims: Iterable[tuple[str, tuple[str, ...], date]], through: date
) -> list[str]:
    """A warning for each action that a component claims since this settlement, if earlier calls of
    it are still not in the bill. Each claim is the action, the attributes that it asks for, and the
    date from which it counts."""
    warnings = []
    for action, attributes, counts_from in claims:
        if counts_from > through:
            continue
        calls = warehouse.value(
            _LEFT,
            {"action": action, "attributes": list(attributes), "counts_from": counts_from},
        )
        if calls:
            warnings.append(
                f"{calls} earlier call(s) of the action {action} stay out of the bill, although a "
                "component claims it now: they are too old or before its price or its "
                "effective_from, or their records disagree (callbill explain --request-id)"
            )
    return warnings
