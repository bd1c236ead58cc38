"""Verdicts on account events: which events cannot count together with the events known before.

The feed's judge.sql judges a line by itself. This module judges it against other events. An event
does not count if another event has its id, if it unblocks more than is frozen, or if the money that
its account has moved would go beyond the range of an amount.

Only events with the same or an earlier settlement floor matter. So a verdict depends neither on the
order of files nor on events that become known later.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from callbill.warehouse.loads import ID_REUSED, MOVES_TOO_MUCH, UNBLOCKS_TOO_MUCH
from callbill.warehouse.warehouse import Row, Warehouse

# The most that the events of an account may move together, in CNY. A balance has 16 digits before
# the point, and deductions need room in it too.
_MOST_MOVED = Decimal(10) ** 15

# Lines that use an event id for other content than the line that counts. Of the lines with one id,
# the content with the earliest settlement floor counts, unless it is not the only one on that
# floor.
_REUSED_IDS = """
    with contents as (
        select
            source_file_id,
            line_number,
            event_id,
            settlement_floor,
            (owner_uin, operate_uin, occurred_at, event_type, amount, memo)::varchar as content
        from raw.account_events
    ),

    known as (
        select event_id, settlement_floor, any_value(content) as content
        from contents
        group by event_id, settlement_floor
        having count(distinct content) = 1
    ),

    standing as (
        select event_id, arg_min(content, settlement_floor) as content,
            min(settlement_floor) as known_from
        from known
        group by event_id
    )

    select contents.source_file_id, contents.line_number
    from contents
    left join standing using (event_id)
    where
        contents.content is distinct from standing.content
        or contents.settlement_floor < standing.known_from
"""

# The movements of those accounts that can break a rule.
_MOVEMENTS = f"""
    with events as (
        select event_id, any_value(owner_uin) as owner_uin, min(settlement_floor) as known_from,
            any_value(occurred_at) as occurred_at, any_value(event_type) as event_type,
            any_value(amount) as amount
        from raw.account_events
        where event_type <> 'activate'
            and (source_file_id, line_number) not in (
                select (source_file_id, line_number) from event_id_verdicts
            )
        group by event_id
    )

    from events
    where owner_uin in (
        select owner_uin
        from events
        group by owner_uin
        having bool_or(event_type = 'unblock') or sum(amount) > {_MOST_MOVED}
    )
"""


@dataclass(frozen=True)
class _Movement:
    """An event that moves money of an account. `amount` is in CNY and not negative."""

    event_id: str
    owner_uin: str
    known_from: date
    occurred_at: datetime
    event_type: str
    amount: Decimal

    @property
    def frozen(self) -> Decimal:
        """How much more of the account's money the event freezes, in CNY."""
        return {"block": self.amount, "unblock": -self.amount}.get(self.event_type, Decimal(0))

    @property
    def ledger_order(self) -> tuple[datetime, bool, str]:
        """The sort key of the ledger: by time, and increases of the available money first."""
        return (
            self.occurred_at,
            self.event_type in ("block", "adjust_deduct"),
            self.event_id,
        )


def judge_account_events(warehouse: Warehouse, run_id: str) -> int:
    """Judge all loaded events, and write the verdicts to `ops.event_verdicts`.

    Returns how many lines of the files that this run loaded do not count.
    """
    # Without events there can still be verdicts, on events that were withdrawn since.
    if not warehouse.rows("select 1 from raw.account_events limit 1") and not warehouse.rows(
        "select 1 from ops.event_verdicts limit 1"
    ):
        return 0
    verdicts = sorted(_verdicts(warehouse))
    before = warehouse.rows("from ops.event_verdicts order by source_file_id, line_number")
    if verdicts != before:
        with warehouse.transaction():
            warehouse.execute("delete from ops.event_verdicts")
            warehouse.insert("ops.event_verdicts", verdicts)
    count: int = warehouse.value(
        """
        select count(*)
        from ops.event_verdicts as v
        inner join ops.loaded_files as f
            on v.source_file_id = f.source_file_id and f.feed = 'account_events'
        where f.run_id = ?
        """,
        [run_id],
    )
    return count


def _verdicts(warehouse: Warehouse) -> list[Row]:
    """The lines that do not count: file, line number, reason."""
    warehouse.execute(f"create or replace temp table event_id_verdicts as {_REUSED_IDS}")
    verdicts = [(*line, ID_REUSED) for line in warehouse.rows("from event_id_verdicts")]
    movements = [_Movement(*row) for row in warehouse.rows(_MOVEMENTS)]
    reasons = dict(_rejected_movements(movements))
    lines = warehouse.rows(
        """
        select source_file_id, line_number, event_id
        from raw.account_events
        where list_contains(?, event_id)
            and (source_file_id, line_number) not in (
                select (source_file_id, line_number) from event_id_verdicts
            )
        """,
        [list(reasons)],
    )
    return verdicts + [(file, line, reasons[event_id]) for file, line, event_id in lines]


def _rejected_movements(movements: Iterable[_Movement]) -> list[tuple[str, str]]:
    """The ids of events that move or unblock too much after the events known before, with the
    reason."""
    accounts: defaultdict[str, list[_Movement]] = defaultdict(list)
    for movement in movements:
        accounts[movement.owner_uin].append(movement)
    rejected = []
    for account in accounts.values():
        moved = Decimal(0)
        freezing: list[_Movement] = []
        for movement in sorted(account, key=lambda m: (m.known_from, m.ledger_order)):
            freezing_with_it = freezing
            if movement.frozen:
                freezing_with_it = sorted([*freezing, movement], key=lambda m: m.ledger_order)
            if moved + movement.amount > _MOST_MOVED:
                rejected.append((movement.event_id, MOVES_TOO_MUCH))
            elif movement.event_type == "unblock" and _unfreezes_too_much(freezing_with_it):
                rejected.append((movement.event_id, UNBLOCKS_TOO_MUCH))
            else:
                moved += movement.amount
                freezing = freezing_with_it
    return rejected


def _unfreezes_too_much(freezing: Iterable[_Movement]) -> bool:
    """Whether the frozen money ever goes below zero. `freezing` is in the order of the ledger."""
    frozen = Decimal(0)
    for movement in freezing:
        frozen += movement.frozen
        if frozen < 0:
            return True
    return False
