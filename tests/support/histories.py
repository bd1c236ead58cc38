"""Generated histories of accounts, settled by the product and held against a model of their own."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path

import duckdb

from tests.bill.reference.accounts import BEIJING, Accounts, Event, Landed, Settled, accounts
from tests.support.commands import run_job
from tests.support.landing_files import csv_file, json_lines, parquet_file, record, write

FIRST_DAY, FIRST_RUN, LAST_RUN = date(2026, 3, 1), date(2026, 3, 8), date(2026, 3, 14)
# Around the hour of deductions, and of the end of a day.
CLOCKS = [
    *(time(8), time(8), time(8), time(7, 59, 59), time(8, 0, 1), time(7, 55), time(0), time(12)),
    *(time(23, 59, 59), time(23, 55), time(17, 30)),
]
TYPES = [
    *("recharge",) * 6,
    *("credit_grant",) * 3,
    *("adjust_deduct", "adjust_compensate", "opening_balance"),
    *("block", "block", "unblock", "unblock"),
    *("refund", "transfer"),
]
AMOUNTS = ["0.01", "0.06", "0.1", "0.12", "0.18", "0.24", "0.30", "0.5", "1", "20.00"]
BAD_AMOUNTS = [None, "0", "-1", "0.001", "ten"]
# One is as much as an account may move, two are more.
HUGE = Decimal("600000000000000.00")


@dataclass(frozen=True)
class EventFile:
    path: str
    arrived_on: date
    is_late: bool
    events: tuple[Event, ...]

    @property
    def floor(self) -> date:
        first_open = FIRST_RUN + timedelta(days=1)
        return max(self.arrived_on, first_open) if self.is_second_run else self.arrived_on

    @property
    def is_second_run(self) -> bool:
        return self.is_late or self.arrived_on > FIRST_RUN

    @property
    def landed(self) -> Iterator[Landed]:
        is_csv = self.path.endswith("csv")
        number = 2 if is_csv else 1
        for event in self.events:
            yield Landed(self.path, number, self.floor, event)
            # A record of CSV has the number of its first line.
            number += 1 + (event.memo or "").count("\n") * is_csv

    @property
    def content(self) -> bytes:
        rows = [
            {
                "event_id": event.event_id,
                "owner_uin": event.owner_uin,
                "operate_uin": event.operate_uin,
                "occurred_at": event.occurred_at.isoformat(),
                "event_type": event.event_type,
                "amount": None if event.amount is None else str(event.amount),
                "memo": event.memo,
            }
            for event in self.events
        ]
        if self.path.endswith("csv"):
            return csv_file(rows)
        return parquet_file(rows) if self.path.endswith("parquet") else json_lines(*rows)


def story(chance: random.Random, owner: str) -> list[tuple[date, Event]]:
    """What befell an account, with the dates on which its lines arrive."""
    events: list[tuple[date, Event]] = []
    is_rich = chance.random() < 0.06
    for number in range(chance.randint(1, 12)):
        day = FIRST_DAY + timedelta(days=chance.randint(-1, 12))
        event = Event(
            event_id=f"{owner}/{number}",
            owner_uin=owner,
            operate_uin=owner,
            occurred_at=datetime.combine(day, chance.choice(CLOCKS), BEIJING),
            event_type=chance.choice(TYPES),
            amount=Decimal(chance.choice(AMOUNTS)),
            memo=chance.choice([None, 'a "memo", of\ntwo lines', "备注"]),
        )
        if chance.random() < 0.06:
            bad = chance.choice(BAD_AMOUNTS)
            event = replace(event, amount=Decimal(bad) if bad and bad != "ten" else None)
        elif is_rich and chance.random() < 0.4:
            event = replace(event, amount=HUGE)
        arrived_on = max(FIRST_DAY, day + timedelta(days=chance.choice([0, 0, 1, 5])))
        events.append((arrived_on, event))
        if chance.random() < 0.2:
            again = event if chance.random() < 0.5 else replace(event, amount=Decimal("7"))
            events.append((arrived_on + timedelta(days=chance.choice([0, 1, 4])), again))
    for _ in range(chance.choice([0, 1, 1, 1, 2])):
        day = FIRST_DAY + timedelta(days=chance.choice([-1, 0, 0, 1, 4]))
        at = datetime.combine(day, chance.choice(CLOCKS), BEIJING)
        by = owner if chance.random() < 0.8 else "100000000799"
        number += 1
        activation = Event(f"{owner}/{number}", owner, by, at, "activate", None)
        events.append((max(FIRST_DAY, day), activation))
    return events


def calls(chance: random.Random, owner: str) -> Iterator[tuple[date, dict]]:
    for day in range(12):
        used_on = FIRST_DAY + timedelta(days=day)
        for call in range(chance.choice([0, 0, 1, 2, 3, 5])):
            said = record(
                f"{owner}/{day}/{call}",
                called_at=f"{used_on}T10:00:00+08:00",
                owner_uin=owner,
            )
            yield used_on + timedelta(days=1), said
            if chance.random() < 0.15:
                failed = {**said, "error_code": "InternalError"}
                yield used_on + timedelta(days=chance.choice([2, 3])), failed


@dataclass(frozen=True)
class History:
    files: list[EventFile]
    records: dict[date, list[dict]]


def history(seed: int, owners: int) -> History:
    chance = random.Random(seed)
    arrivals: defaultdict[tuple[date, int], list[Event]] = defaultdict(list)
    records: defaultdict[date, list[dict]] = defaultdict(list)
    for number in range(owners):
        owner = str(100000000700 + number)
        for arrived_on, event in story(chance, owner):
            arrivals[min(arrived_on, LAST_RUN), chance.randrange(3)].append(event)
        if chance.random() < 0.9:
            for arrived_on, said in calls(chance, owner):
                records[arrived_on].append(said)
    files = []
    for (arrived_on, part), events in sorted(arrivals.items()):
        ending = chance.choice(["jsonl", "csv", "parquet"])
        path = f"account_events/arrived_on={arrived_on}/{part}.{ending}"
        files.append(
            EventFile(path, arrived_on, part == 2 and chance.random() < 0.5, tuple(events))
        )
    return History(files, records)


def check(place: Path, told: History) -> list[Accounts]:
    for arrived_on, lines in told.records.items():
        folder = place / "landing" / "call_logs" / f"arrived_on={arrived_on}"
        write(folder / "calls.jsonl", json_lines(*lines))
    expected = []
    for through in (FIRST_RUN, LAST_RUN):
        is_last = through == LAST_RUN
        for file in told.files:
            if file.is_second_run == is_last:
                write(place / "landing" / file.path, file.content)
        ended = run_job(place, "--through", through)
        assert ended.returncode == 0, ended.stderr
        known = [file for file in told.files if is_last or not file.is_second_run]
        expected.append(compare(place, known, through))
    return expected


def compare(place: Path, files: list[EventFile], through: date) -> Accounts:
    release = place / "published" / "current" / "callbill.duckdb"
    with duckdb.connect(str(release), read_only=True) as con:
        con.execute("set TimeZone = 'Asia/Shanghai'")
        settlements = [
            Settled(*row)
            for row in con.execute(
                "select settled_on, owner_uin, product_code, bill_month, deducted_amount"
                " from billing.settlements"
            ).fetchall()
        ]
        expected = accounts([line for file in files for line in file.landed], settlements, through)
        for table, rows in (
            ("account_ledger", expected.ledger),
            ("service_status", expected.status),
            ("arrears_notices", expected.notices),
        ):
            found = con.execute(f"from billing.{table}").fetchall()
            assert sorted(found, key=repr_of_row) == sorted(rows, key=repr_of_row), table
        rejects = con.execute(
            "select path, line_number, reason from ops.rejected_records order by all"
        ).fetchall()
        assert rejects == expected.rejects
        wrong = con.execute(
            """
            select path from ops.source_files as f
            where lines_read <> records_accepted + records_rejected
                or records_rejected <> (
                    select count(*) from ops.rejected_records as r
                    where r.source_file_id = f.source_file_id and r.feed = f.feed
                )
            """
        ).fetchall()
        assert wrong == []
    return expected


def repr_of_row(row: tuple) -> list[str]:
    # An instant in one zone, so that equal ones sort alike.
    return [
        repr(value.astimezone(BEIJING).isoformat() if isinstance(value, datetime) else value)
        for value in row
    ]
