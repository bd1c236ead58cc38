"""Successful calls that are not in the bill. The model int_unbilled_calls finds those of a run."""

from __future__ import annotations

import duckdb

from callbill.base.findings import UnbilledCalls
from callbill.warehouse.warehouse import Warehouse

# Of each reason so many actions are named. A sender can write any text as an action.
_MOST_ACTIONS = 20
_HAS_TABLE = """
    select 1 from duckdb_tables() where schema_name = 'ops' and table_name = 'unbilled_calls'
"""
_BY_ACTION = f"""
    with of_run as (from ops.unbilled_calls where run_id = ?),

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
        sum(of_run.unbilled_cost) as cost
    from of_run inner join ranked using (reason, action)
    group by of_run.reason, named_action
    order by
        list_position(['unrated', 'conflict', 'too_old', 'waiting'], of_run.reason),
        named_action is null, calls desc, named_action
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
    release. A release that is older than the table has none."""
    if not con.execute(_HAS_TABLE).fetchall():
        return []
    return [UnbilledCalls(*row) for row in con.execute(_BY_ACTION, [run_id]).fetchall()]


def unbilled_to_date(con: duckdb.DuckDBPyConnection) -> int:
    """The number of successful calls of all settled dates that are not in the bill, from a
    warehouse or a release."""
    [(calls,)] = con.execute(
        "select coalesce(sum(calls_unbilled), 0)::bigint from billing.daily_usage"
    ).fetchall()
    return int(calls)
