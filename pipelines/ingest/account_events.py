"""Which account events count beside those that were known before them.

A line can be in order by itself and still not count: its id was used for something else, or it
unblocks more than is frozen. That is judged once, when the event becomes known, from the events
known by then: so it depends neither on the order of files nor on what is learned later.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

import duckdb

# The reasons that are given here, not by a line itself.
ID_REUSED = "event_id_of_another_event"
UNBLOCKS_TOO_MUCH = "unblocks_more_than_is_frozen"

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

_BLOCKS = """
    select event_id, any_value(owner_uin), min(settlement_floor), any_value(occurred_at),
        any_value(event_type), any_value(amount)
    from raw.account_events
    where rejected_as is null and owner_uin in (
        select owner_uin from raw.account_events where event_type = 'unblock'
    ) and event_type in ('block', 'unblock')
    group by event_id
"""


@dataclass(frozen=True)
class _Freezing:
    """An event that moves money into or out of an account's frozen part."""

    event_id: str
    owner_uin: str
    known_from: date
    occurred_at: datetime
    event_type: str
    amount: Decimal

    @property
    def frozen(self) -> Decimal:
        return self.amount if self.event_type == "block" else -self.amount

    @property
    def place(self) -> tuple[datetime, bool, str]:
        """Its place in the ledger: by time, what increases the available money first."""
        return self.occurred_at, self.event_type == "block", self.event_id


def judge_account_events(con: duckdb.DuckDBPyConnection, run_id: str) -> int:
    """Judge all events that were loaded, and bring rejects and counts of their files into line.

    Gives the number of lines rejected of the files that this run loaded.
    """
    if not con.execute("select 1 from raw.account_events limit 1").fetchall():
        return 0
    con.begin()
    con.execute("update raw.account_events set rejected_as = null where rejected_as is not null")
    con.execute(
        f"update raw.account_events set rejected_as = ? where rowid in ({_SAME_ID})", [ID_REUSED]
    )
    freezings = [_Freezing(*row) for row in con.execute(_BLOCKS).fetchall()]
    too_much = _unblocking_too_much(freezings)
    con.execute(
        "update raw.account_events set rejected_as = ?"
        " where rejected_as is null and list_contains(?, event_id)",
        [UNBLOCKS_TOO_MUCH, too_much],
    )
    con.execute(
        "delete from ops.rejected_records where feed = 'account_events' and reason in (?, ?)",
        [ID_REUSED, UNBLOCKS_TOO_MUCH],
    )
    con.execute(
        """
        insert into ops.rejected_records by name
        select
            e.source_file_id, 'account_events' as feed, f.path, e.line_number,
            e.rejected_as as reason, f.run_id,
            cast(json_object(
                'event_id', e.event_id, 'owner_uin', e.owner_uin, 'operate_uin', e.operate_uin,
                'occurred_at', cast(e.occurred_at as varchar), 'event_type', e.event_type,
                'amount', cast(e.amount as varchar), 'memo', e.memo
            ) as varchar) as fields
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
        " where feed = 'account_events' and reason in (?, ?) and run_id = ?",
        [ID_REUSED, UNBLOCKS_TOO_MUCH, run_id],
    ).fetchall()[0][0]
    return rejected


def _unblocking_too_much(freezings: Iterable[_Freezing]) -> list[str]:
    accounts: defaultdict[str, list[_Freezing]] = defaultdict(list)
    for freezing in freezings:
        accounts[freezing.owner_uin].append(freezing)
    rejected = []
    for account in accounts.values():
        standing: list[_Freezing] = []
        for one in sorted(account, key=lambda freezing: (freezing.known_from, freezing.place)):
            with_it = sorted([*standing, one], key=lambda freezing: freezing.place)
            if one.event_type == "unblock" and _goes_below_zero(with_it):
                rejected.append(one.event_id)
            else:
                standing = with_it
    return rejected


def _goes_below_zero(freezings: Sequence[_Freezing]) -> bool:
    frozen = Decimal(0)
    for freezing in freezings:
        frozen += freezing.frozen
        if frozen < 0:
            return True
    return False
