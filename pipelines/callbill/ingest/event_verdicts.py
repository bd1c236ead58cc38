"""Which account events count beside those that were known before them.

A line can be in order by itself and still not count: its id was used for something else, it
unblocks more than is frozen, or its account would have moved more money than can be kept. That is
judged once, when the event becomes known, from the events known by then: so it depends neither on
the order of files nor on what is learned later.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from callbill.warehouse.loads import ID_REUSED, MOVES_TOO_MUCH, UNBLOCKS_TOO_MUCH
from callbill.warehouse.warehouse import Row, Warehouse

# All that an account's events move, in CNY, so that no balance can leave its 16 digits before the
# point: what remains is for deductions.
_MOST = Decimal(10) ** 15

# Of the lines of one event the first known stands, as long as what is known of it on one date is
# one and the same.
_SAME_ID = """
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

# Only accounts that can break a rule.
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
        having bool_or(event_type = 'unblock') or sum(amount) > {_MOST}
    )
"""


@dataclass(frozen=True)
class _Movement:
    """An event that moves money of an account."""

    event_id: str
    owner_uin: str
    known_from: date
    occurred_at: datetime
    event_type: str
    amount: Decimal

    @property
    def frozen(self) -> Decimal:
        return {"block": self.amount, "unblock": -self.amount}.get(self.event_type, Decimal(0))

    @property
    def place(self) -> tuple[datetime, bool, str]:
        """Its place in the ledger: by time, what increases the available money first."""
        return (
            self.occurred_at,
            self.event_type in ("block", "adjust_deduct"),
            self.event_id,
        )


def judge_account_events(warehouse: Warehouse, run_id: str) -> int:
    """Judge all events that were loaded, and keep the verdicts in `ops.event_verdicts`.

    Gives the number of lines that do not count of the files that this run loaded.
    """
    # Without events there may be verdicts on those that were withdrawn since.
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
    """The lines that do not count, each with the reason."""
    warehouse.execute(f"create or replace temp table event_id_verdicts as {_SAME_ID}")
    verdicts = [(*line, ID_REUSED) for line in warehouse.rows("from event_id_verdicts")]
    movements = [_Movement(*row) for row in warehouse.rows(_MOVEMENTS)]
    reasons = dict(_too_much(movements))
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


def _too_much(movements: Iterable[_Movement]) -> list[tuple[str, str]]:
    """The events that cannot stand beside those that were known before them, with the reason."""
    accounts: defaultdict[str, list[_Movement]] = defaultdict(list)
    for movement in movements:
        accounts[movement.owner_uin].append(movement)
    rejected = []
    for account in accounts.values():
        moved = Decimal(0)
        freezing: list[_Movement] = []
        for one in sorted(account, key=lambda movement: (movement.known_from, movement.place)):
            with_it = freezing
            if one.frozen:
                with_it = sorted([*freezing, one], key=lambda movement: movement.place)
            if moved + one.amount > _MOST:
                rejected.append((one.event_id, MOVES_TOO_MUCH))
            elif one.event_type == "unblock" and _goes_below_zero(with_it):
                rejected.append((one.event_id, UNBLOCKS_TOO_MUCH))
            else:
                moved += one.amount
                freezing = with_it
    return rejected


def _goes_below_zero(freezing: Iterable[_Movement]) -> bool:
    frozen = Decimal(0)
    for movement in freezing:
        frozen += movement.frozen
        if frozen < 0:
            return True
    return False
