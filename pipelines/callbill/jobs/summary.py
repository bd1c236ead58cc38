"""The summary of a run, and its row in `ops.runs`."""

from __future__ import annotations

import getpass
import json
import os
import socket
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from callbill import __version__
from callbill.base.errors import CallbillError, ControlFailedError
from callbill.base.findings import ControlResult, UnbilledCalls
from callbill.base.machine import machine_fault
from callbill.base.stopping import stop_requested
from callbill.ingest.committing import LoadReport
from callbill.jobs.closing import RecordsDue
from callbill.release.checkpoint import Checkpoint
from callbill.release.release import Release
from callbill.warehouse.warehouse import Warehouse

STOPPED = "stopped"


@dataclass(frozen=True)
class FirstBills:
    """The bills of one month that a first settlement makes, in sum."""

    bill_month: date
    accounts: int
    calls: int
    rated_amount: Decimal
    deducted_amount: Decimal


@dataclass(frozen=True)
class Trial:
    """What a dry run would have published: lines by bill month and type, and what it rejected."""

    # (bill month, line type, accounts, calls, rated amount)
    lines: list[tuple[date, str, int, int, Decimal]]
    # (file, line, reason, detail); of many the first.
    rejects: list[tuple[str, int | None, str, str | None]]


@dataclass
class RunSummary:
    """What a run did and how it ended. It is filled in while the run works."""

    run_id: str
    through: date
    outcome: str = "running"
    settle_from: date | None = None
    sealed_through: date | None = None
    # The last date that was sealed before the run.
    sealed_before: date | None = None
    release: Release | None = None
    message: str = ""
    loaded: LoadReport = field(default_factory=LoadReport)
    results: list[ControlResult] = field(default_factory=list)
    # Successful calls that are not in the bill: of this run, or if nothing is due of the one that
    # settled last, and of all dates (None if nothing was settled).
    unbilled: list[UnbilledCalls] = field(default_factory=list)
    unbilled_to_date: int | None = None
    # What became of the records that were due, None if nothing was settled.
    records_due: RecordsDue | None = None
    data_docs: str = ""
    # Actions that a component claims since this run, and the dates from which that counts.
    new_claims: list[tuple[str, tuple[str, ...], date]] = field(default_factory=list)
    # Whether the warehouse did not have all that is sealed, and these dates were settled again; and
    # whether that was to be expected, because a candidate was sealed.
    is_remade: bool = False
    is_after_seal: bool = False
    # What the warehouse was made of, if landing files were archived and are away.
    checkpoint: Checkpoint | None = None
    trial: Trial | None = None
    # If nothing was sealed before, and the run settles several dates: what it bills.
    first_bills: list[FirstBills] = field(default_factory=list)

    @property
    def errors(self) -> list[ControlResult]:
        """The controls that stop publication."""
        return [r for r in self.results if not r.passed and r.severity == "error"]

    @property
    def first_settled(self) -> date | None:
        """The first date that was settled for the first time."""
        if self.settled_again is None:
            return self.settle_from
        return self.settled_again[1] + timedelta(days=1)

    @property
    def settled_again(self) -> tuple[date, date] | None:
        """The first and the last of the sealed dates that were settled again."""
        if not self.is_remade or self.settle_from is None or self.sealed_before is None:
            return None
        return self.settle_from, self.sealed_before

    def fail(self, error: BaseException) -> None:
        """Set outcome and message from the error that ended the run."""
        is_control = isinstance(error, ControlFailedError)
        self.outcome = "control_failed" if is_control else "failed"
        self.message = _message(error)

    def log_fields(self) -> dict[str, object]:
        """The fields that a line of log shows."""
        return {
            "outcome": self.outcome,
            "message": self.message,
            "settle_from": self.first_settled,
            "sealed_through": self.sealed_through,
            "files_loaded": self.loaded.files,
            "records_accepted": self.loaded.accepted,
            "records_rejected": self.loaded.rejected,
            "from_checkpoint": self.checkpoint.through if self.checkpoint else None,
        }


def _message(error: BaseException) -> str:
    if stop_requested() or isinstance(error, KeyboardInterrupt):
        return STOPPED
    if isinstance(error, CallbillError):
        return str(error)
    return machine_fault(error) or f"{type(error).__name__}: {error}"


def user_and_machine() -> str:
    """The user and host of this process, as user@host, for the audit trail."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # in a container the user can have no name
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


def record_start(warehouse: Warehouse, summary: RunSummary) -> None:
    """Insert the run's row in `ops.runs`, and mark the rows of crashed runs."""
    warehouse.execute(
        """
        update ops.runs set outcome = 'crashed', message = 'ended without saying how'
        where outcome = 'running'
        """
    )
    warehouse.execute(
        "insert into ops.runs"
        " (run_id, callbill_version, started_by, started_at, through_date, outcome)"
        " values (?, ?, ?, ?, ?, 'running')",
        [summary.run_id, __version__, user_and_machine(), datetime.now(UTC), summary.through],
    )


def record_end(warehouse: Warehouse, summary: RunSummary, step_seconds: dict[str, float]) -> None:
    """Complete the row that `record_start` inserted. `step_seconds` has durations in seconds."""
    warehouse.execute(
        """
        update ops.runs set
            finished_at = ?, settle_from = ?, outcome = ?, files_loaded = ?, lines_read = ?,
            records_accepted = ?, records_rejected = ?, message = ?, step_seconds = ?
        where run_id = ?
        """,
        [
            datetime.now(UTC),
            summary.first_settled,
            summary.outcome,
            summary.loaded.files,
            summary.loaded.lines_read,
            summary.loaded.accepted,
            summary.loaded.rejected,
            summary.message or None,
            json.dumps(step_seconds),
            summary.run_id,
        ],
    )


def trial_of(warehouse: Warehouse, summary: RunSummary, most_rejects: int) -> Trial:
    """What a dry run made in its copy of the warehouse."""
    return Trial(
        warehouse.rows(
            """
            select bill_month, line_type, count(distinct owner_uin), cast(sum(calls) as bigint),
                sum(real_cost)
            from billing.bill_lines where settled_on between ? and ?
            group by bill_month, line_type order by bill_month, line_type
            """,
            [summary.first_settled, summary.through],
        ),
        warehouse.rows(
            """
            select
                path, line_number, reason,
                -- A field that cannot be read shows its value.
                coalesce(detail, if(reason like 'invalid_%', fields ->> substr(reason, 9), null))
            from ops.rejected_lines where run_id = ?
            order by path, line_number nulls first limit ?
            """,
            [summary.run_id, most_rejects],
        ),
    )


def first_bills(warehouse: Warehouse) -> list[FirstBills]:
    """The bills that the warehouse has, in sum by month."""
    return [
        FirstBills(*row)
        for row in warehouse.rows(
            """
            select bill_month, count(distinct owner_uin), cast(sum(calls) as bigint),
                sum(rated_amount), sum(deducted_amount)
            from billing.monthly_bills group by bill_month order by bill_month
            """
        )
    ]


def record_correction(warehouse: Warehouse, run_id: str, outcome: str, message: str) -> None:
    """Insert a row in `ops.runs` for an operator's correction of a file."""
    now = datetime.now(UTC)
    warehouse.execute(
        "insert into ops.runs (run_id, callbill_version, started_by, started_at, finished_at,"
        " outcome, message) values (?, ?, ?, ?, ?, ?, ?)",
        [run_id, __version__, user_and_machine(), now, now, outcome, message],
    )
