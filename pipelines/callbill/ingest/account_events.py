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

import duckdb

# The reasons that are given here, not by a line itself.
ID_REUSED = "event_id_of_another_event"
UNBLOCKS_TOO_MUCH = "unblocks_more_than_is_frozen"
MOVES_TOO_MUCH = "account_beyond_range"
REASONS_BESIDE_OTHERS = (ID_REUSED, UNBLOCKS_TOO_MUCH, MOVES_TOO_MUCH)

# All that an account's events move, in CNY, so that no balance can leave its 16 digits before the
# point: what remains is for deductions.
_MOST = Decimal(10) ** 15

# Of the lines of one event the first known stands, as long as what is known of it on one date is
# one and the same.
_SAME_ID = """
    with contents as (
        select
            rowid as line,
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

    select contents.line
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
        where rejected_as is null and event_type <> 'activate'
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


def judge_account_events(con: duckdb.DuckDBPyConnection, run_id: str) -> int:
    """Judge all events that were loaded, and bring rejects and counts of their files into line.

    Gives the number of lines rejected of the files that this run loaded.
    """
    # Verdicts on events that were withdrawn since are to go.
    if not con.execute(
        "select 1 from raw.account_events union all"
        " select 1 from ops.rejected_records where feed = 'account_events' limit 1"
    ).fetchall():
        return 0
    con.begin()
    con.execute("update raw.account_events set rejected_as = null where rejected_as is not null")
    con.execute(
        f"update raw.account_events set rejected_as = ? where rowid in ({_SAME_ID})", [ID_REUSED]
    )
    movements = [_Movement(*row) for row in con.execute(_MOVEMENTS).fetchall()]
    for event_id, reason in _too_much(movements):
        con.execute(
            "update raw.account_events set rejected_as = ?"
            " where rejected_as is null and event_id = ?",
            [reason, event_id],
        )
    con.execute(
        "delete from ops.rejected_records"
        " where feed = 'account_events' and list_contains(?, reason)",
        [REASONS_BESIDE_OTHERS],
    )
    con.execute(
        """
        insert into ops.rejected_records by name
        select
            e.source_file_id, 'account_events' as feed, f.path, e.line_number,
            e.rejected_as as reason, e.fields, f.run_id
        from raw.account_events as e
        inner join ops.source_files as f
            on e.source_file_id = f.source_file_id and f.feed = 'account_events'
        where e.rejected_as is not null
        """
    )
    con.execute(
        """
        update ops.source_files set
            records_rejected = counted.rejected,
            records_accepted = lines_read - counted.rejected
        from (
            select f.source_file_id, count(r.line_number) as rejected
            from ops.source_files as f
            left join ops.rejected_records as r
                on f.source_file_id = r.source_file_id and f.feed = r.feed
            where f.feed = 'account_events'
            group by f.source_file_id
        ) as counted
        where source_files.feed = 'account_events'
            and source_files.source_file_id = counted.source_file_id
        """
    )
    con.commit()
    rejected: int = con.execute(
        "select count(*) from ops.rejected_records"
        " where feed = 'account_events' and list_contains(?, reason) and run_id = ?",
        [REASONS_BESIDE_OTHERS, run_id],
    ).fetchall()[0][0]
    return rejected


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
