"""Section by section once more: accounts, as plain loops over events and settlements.

Shares no code or SQL with the product. Settlements are taken as given: another model has those.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

BEIJING = ZoneInfo("Asia/Shanghai")
ZERO = Decimal("0.00")
MOST = Decimal("1e15")
TYPES = {
    "activate",
    "opening_balance",
    "recharge",
    "credit_grant",
    "block",
    "unblock",
    "adjust_deduct",
    "adjust_compensate",
}


@dataclass(frozen=True)
class Event:
    event_id: str
    owner_uin: str
    operate_uin: str  # the owner, where the line names none
    occurred_at: datetime
    event_type: str
    amount: Decimal | None
    memo: str | None = None

    @property
    def is_increase(self) -> bool:
        return self.event_type not in ("block", "adjust_deduct")

    @property
    def order(self) -> tuple:
        return self.occurred_at, not self.is_increase, self.event_id


@dataclass(frozen=True)
class Landed:
    """A line of a file: what it says, and the file's settlement floor."""

    path: str
    number: int
    floor: date
    event: Event


@dataclass(frozen=True)
class Settled:
    settled_on: date
    owner_uin: str
    product_code: str
    bill_month: date
    deducted_amount: Decimal


@dataclass(frozen=True)
class Accounts:
    """What is published of accounts, and the lines that were rejected."""

    ledger: list[tuple]
    status: list[tuple]
    notices: list[tuple]
    rejects: list[tuple[str, int, str]]


def fault_of(event: Event) -> str | None:
    """Why a line is rejected for itself alone."""
    if event.event_type == "refund":
        return "refund_of_post_paid_charges"
    if event.event_type not in TYPES:
        return "unknown_event_type"
    if event.event_type == "activate":
        return None if event.operate_uin == event.owner_uin else "activation_by_sub_account"
    if event.amount is None:
        return "missing_amount"
    if event.amount <= 0 or event.amount != round(event.amount, 2):
        return "invalid_amount"
    return None


def accounts(lines: Sequence[Landed], settlements: Iterable[Settled], through: date) -> Accounts:
    rejects: list[tuple[str, int, str]] = []
    good: list[Landed] = []
    for line in lines:
        reason = fault_of(line.event)
        if reason:
            rejects.append((line.path, line.number, reason))
        else:
            good.append(line)
    standing = known_events(good, rejects)
    end = datetime.combine(through + timedelta(days=1), time(0), BEIJING)
    by_owner: defaultdict[str, list[tuple[Event, date]]] = defaultdict(list)
    for event, floor in standing.values():
        if event.occurred_at < end:
            by_owner[event.owner_uin].append((event, floor))
    settled: defaultdict[str, list[Settled]] = defaultdict(list)
    for settlement in settlements:
        settled[settlement.owner_uin].append(settlement)
    found = Accounts([], [], [], sorted(rejects))
    for owner, events in by_owner.items():
        one_account(found, owner, events, settled[owner], end)
    return found


def known_events(
    lines: Iterable[Landed], rejects: list[tuple[str, int, str]]
) -> dict[str, tuple[Event, date]]:
    """The events that count, day by day as they become known."""
    days: defaultdict[date, list[Landed]] = defaultdict(list)
    for line in lines:
        days[line.floor].append(line)
    standing: dict[str, tuple[Event, date]] = {}
    refused: dict[str, tuple[Event, str]] = {}
    for day in sorted(days):
        said: defaultdict[str, set[Event]] = defaultdict(set)
        for line in days[day]:
            said[line.event.event_id].add(line.event)
        for event_id in sorted(said, key=lambda key: min(event.order for event in said[key])):
            if event_id in standing or event_id in refused or len(said[event_id]) > 1:
                continue
            [event] = said[event_id]
            if moved(event, standing) > MOST:
                refused[event_id] = (event, "account_beyond_range")
            elif event.event_type == "unblock" and not can_unblock(event, standing):
                refused[event_id] = (event, "unblocks_more_than_is_frozen")
            else:
                standing[event_id] = (event, day)
        for line in days[day]:
            event_id = line.event.event_id
            stands = [*standing.get(event_id, ())[:1], *refused.get(event_id, ())[:1]]
            if line.event not in stands:
                rejects.append((line.path, line.number, "event_id_of_another_event"))
            elif event_id in refused:
                rejects.append((line.path, line.number, refused[event_id][1]))
    return standing


def moved(event: Event, standing: dict[str, tuple[Event, date]]) -> Decimal:
    """What an account's events move, with one more."""
    others = (other for other, _ in standing.values() if other.owner_uin == event.owner_uin)
    return sum((one.amount or ZERO for one in [event, *others]), ZERO)


def can_unblock(event: Event, standing: dict[str, tuple[Event, date]]) -> bool:
    moves = [
        other
        for other, _ in standing.values()
        if other.owner_uin == event.owner_uin and other.event_type in ("block", "unblock")
    ]
    frozen = ZERO
    for move in sorted(
        [*moves, event], key=lambda m: (m.occurred_at, m.event_type == "block", m.event_id)
    ):
        assert move.amount is not None
        frozen += move.amount if move.event_type == "block" else -move.amount
        if frozen < 0:
            return False
    return True


def one_account(
    found: Accounts,
    owner: str,
    events: Sequence[tuple[Event, date]],
    settlements: Iterable[Settled],
    end: datetime,
) -> None:
    entries = []
    for event, floor in events:
        if event.event_type != "activate":
            assert event.amount is not None
            amount = event.amount if event.is_increase else -event.amount
            entries.append((event.occurred_at, amount, event.event_id, event.event_type, floor))
    for one in settlements:
        if one.deducted_amount != 0:
            at = datetime.combine(one.settled_on, time(8), BEIJING)
            reference = f"{one.settled_on}/{one.product_code}/{one.bill_month}"
            entries.append((at, -one.deducted_amount, reference, "deduction", one.settled_on))
    entries.sort(key=lambda entry: (entry[0], entry[1] <= 0, entry[2]))

    cash = credit = frozen = ZERO
    owes: tuple[datetime, str] | None = None
    times: list[tuple[datetime, str, datetime | None, str | None]] = []
    for number, (at, amount, reference, kind, known_from) in enumerate(entries, 1):
        from_credit = from_cash = ZERO
        if kind == "credit_grant":
            from_credit = amount
        elif kind == "deduction" and amount < 0:
            from_credit = -min(credit, -amount)
            from_cash = amount - from_credit
        elif kind in ("block", "unblock"):
            frozen -= amount
        else:
            from_cash = amount
        cash += from_cash
        credit += from_credit
        balance = cash + credit
        found.ledger.append(
            (owner, number, at, known_from, kind, amount, from_credit, from_cash, balance, credit,
             frozen, balance - frozen, reference)
        )  # fmt: skip
        if owes is None and balance < 0 and kind == "deduction" and amount < 0:
            owes = (at, reference)
        elif owes is not None and balance >= 0:
            times.append((*owes, at, reference))
            owes = None
    if owes is not None:
        times.append((*owes, None, None))
        since, _ = owes
        state = "suspended" if since + timedelta(hours=24) < end else "arrears"
        found.notices.append((owner, since, -(cash + credit), since + timedelta(hours=24), state))
    moments = [event.occurred_at for event, _ in events] + [entry[0] for entry in entries]
    activations = sorted(
        (event.occurred_at, event.event_id) for event, _ in events if event.event_type == "activate"
    )
    found.status.extend(statuses(owner, min(moments), activations, times, end))


def statuses(
    owner: str,
    first_seen: datetime,
    activations: Sequence[tuple[datetime, str]],
    times: Sequence[tuple[datetime, str, datetime | None, str | None]],
    end: datetime,
) -> list[tuple]:
    active_from = activations[0][0] + timedelta(minutes=5) if activations else None
    if active_from is None or active_from >= end:
        return [(owner, "not_activated", first_seen, None, "not activated by the main account")]

    def at(moment: datetime) -> tuple[str, str]:
        if moment < active_from:
            return "not_activated", "not activated by the main account"
        for since, reference, until, _ in times:
            if since <= moment and (until is None or moment < until):
                is_over = moment >= since + timedelta(hours=24)
                return ("suspended" if is_over else "arrears"), reference
        paid = [(until, by) for _, _, until, by in times if until is not None and until <= moment]
        if paid and max(paid)[0] > active_from:
            return "active", str(max(paid)[1])
        return "active", activations[0][1]

    moments = {first_seen, active_from}
    for since, _, until, _ in times:
        moments |= {since, since + timedelta(hours=24)} | ({until} if until else set())
    intervals: list[tuple] = []
    for moment in sorted(m for m in moments if first_seen <= m < end):
        status, reason = at(moment)
        if not intervals or intervals[-1][1:] != (status, reason):
            intervals.append((moment, status, reason))
    ends = [moment for moment, _, _ in intervals[1:]] + [None]
    return [
        (owner, status, moment, until, reason)
        for (moment, status, reason), until in zip(intervals, ends, strict=True)
    ]
