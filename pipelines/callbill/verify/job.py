"""The command: compute the bill of the current release anew, and compare."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

from callbill.base.catalogue import as_counted, claims_as_counted
from callbill.base.errors import UsageError, VerificationError
from callbill.base.findings import TableDifference
from callbill.base.progress import Reporter
from callbill.base.settings import BillingVars, Settings
from callbill.base.sql import literal
from callbill.ingest.landing import list_landing
from callbill.ingest.shapes import call_log_shapes
from callbill.release.checkpoint import Checkpoint, newest_checkpoint
from callbill.release.manifest import Manifest
from callbill.release.store import published_by
from callbill.tasks.look import look_at
from callbill.tasks.workers import Workers, workers_for
from callbill.verify import compare
from callbill.verify.accepted import FEEDS, Accepted, FileCounts, read_files
from callbill.verify.archived import read_archived
from callbill.verify.bill import (
    BillLine,
    Settlement,
    bill_lines,
    month_totals,
    next_month,
    settlements,
)
from callbill.verify.calls import Requests, Spill, buckets_for, charges_of
from callbill.verify.landing_files import find_landing_files
from callbill.verify.prices import PriceBook
from callbill.verify.quantity_feeds import WaiverTerms
from callbill.verify.tasks import verify_tasks
from callbill.warehouse.loads import FileKey, SourceLoad


@dataclass(frozen=True)
class Verification:
    """What was compared and is equal. Amounts are in 10^-8 CNY."""

    run_id: str
    through: date
    files: int
    records: int
    lines: int
    settlements: int
    accounts: int
    rated: int
    deducted: int
    # Archived files that are away: their records were taken as they were once read.
    archived_files: int = 0
    archived_records: int = 0
    checkpoint: date | None = None


@dataclass(frozen=True)
class _Bill:
    """A bill as it was computed here."""

    lines: list[BillLine]
    settlements: list[Settlement]
    accepted: Accepted
    # Of the files, those that were taken from the checkpoint.
    archived: Sequence[FileCounts] = ()
    checkpoint: Checkpoint | None = None

    def of_month(self, month: date | None) -> _Bill:
        """The part that is billed in a month; all of it without one."""
        if month is None:
            return self
        return replace(
            self,
            lines=[line for line in self.lines if line.bill_month == month],
            settlements=[
                settlement for settlement in self.settlements if settlement.bill_month == month
            ],
        )


def verify_job(settings: Settings, month: date | None = None) -> Verification:
    """Compute the bill of the current release anew from the landing folder, and compare.

    With `month` (its 1st) only the bill of that month. Raises VerificationError, with the rows, if
    anything differs; UsageError if there is no release, no bill of the month, or if a file that it
    was made from is not in the landing folder as it was loaded.
    """
    release = published_by(settings).require_current("there is nothing to verify")
    manifest = release.manifest
    # Nothing that is settled after the 1st of the next month is billed in the month.
    through = min(manifest.through, next_month(month)) if month else manifest.through
    loads = [
        load
        for load in manifest.loads
        if load.feed in FEEDS
        and load.settlement_floor <= through
        and load.quarantine_reason is None
    ]
    reporter = Reporter()
    with (
        closing(compare.PublishedTables(release)) as published,
        workers_for(settings) as workers,
        reporter.step("verify", release=release.run_id),
    ):
        if not workers.is_this_process:
            look_at(workers, settings, f"{manifest.run_id}-{uuid4().hex[:12]}")
        bill = _compute_bill(settings, manifest, loads, through, reporter, workers).of_month(month)
        differences = _compare(published, bill, manifest, through, month)
    if differences:
        raise VerificationError(
            f"release {manifest.run_id} does not say what its landing files come to: "
            + ", ".join(f"{len(d.rows)} difference(s) in {d.table}" for d in differences),
            differences,
        )
    if month and not bill.lines:
        raise UsageError(f"there is no bill of {month:%Y-%m}")
    return Verification(
        run_id=manifest.run_id,
        through=through,
        files=len(loads),
        records=bill.accepted.record_count,
        lines=len(bill.lines),
        settlements=len(bill.settlements),
        accounts=len({settlement.owner_uin for settlement in bill.settlements}),
        rated=sum(settlement.rated for settlement in bill.settlements),
        deducted=sum(settlement.deducted for settlement in bill.settlements),
        archived_files=len(bill.archived),
        archived_records=sum(file.accepted for file in bill.archived),
        checkpoint=bill.checkpoint.through if bill.checkpoint else None,
    )


def _compute_bill(
    settings: Settings,
    manifest: Manifest,
    loads: Sequence[SourceLoad],
    through: date,
    reporter: Reporter,
    workers: Workers,
) -> _Bill:
    """The bill through a settlement date, from the landing files of some loads."""
    billing_vars = BillingVars(**manifest.vars)
    # A file of any shape may be one that the release was made from.
    names = frozenset(call_log_shapes()) | {load.format for load in loads}
    landing = list_landing(settings.landing, names, billing_vars.zone)
    checkpoint = newest_checkpoint(settings.published)
    found = find_landing_files(
        landing.files,
        loads,
        reporter,
        workers,
        _archived(checkpoint, loads),
    )
    away = [load for load, file in zip(loads, found, strict=True) if file is None]
    loads = [load for load, file in zip(loads, found, strict=True) if file is not None]
    files = [file for file in found if file is not None]
    total_bytes = sum(file.size for file in files)
    if checkpoint and away:
        total_bytes += sum(checkpoint.archived_by_key[load.key].size_bytes for load in away)
    seeds = as_counted(manifest.seeds, manifest.counts_from)
    claims = claims_as_counted(manifest.seeds, manifest.counts_from)
    waiting_since = _calls_wait_from(manifest)
    advance = reporter.track_bytes(total_bytes)
    # Tasks read call logs. The other files are few, and are read here. So is everything if records
    # come from the checkpoint, which workers may not see.
    is_all_here = workers.is_this_process or bool(away)
    here = [n for n, load in enumerate(loads) if is_all_here or load.feed != "call_logs"]
    there = [n for n in range(len(loads)) if n not in set(here)]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="callbill-verify-")))
        spill = Spill(folder, buckets_for(total_bytes))
        accepted = read_files(
            ((loads[n], files[n]) for n in here), spill, billing_vars, folder, advance
        )
        archived = (
            read_archived(checkpoint, away, spill, billing_vars) if checkpoint and away else []
        )
        accepted.files += archived
        said = accepted.account_attributes
        book = PriceBook(seeds, accepted.contracts, claims, said)
        requests: Requests = {
            waiver.terms.request_id: {}
            for waiver in accepted.waivers
            if isinstance(waiver.terms, WaiverTerms) and waiver.terms.request_id
        }
        if there:
            tasks = stack.enter_context(
                verify_tasks(
                    settings,
                    workers,
                    billing_vars,
                    max(buckets_for(total_bytes), workers.count),
                )
            )
            accepted.files += tasks.read([loads[n] for n in there], [files[n] for n in there])
            charges = tasks.charge(seeds, claims, said, through, waiting_since, requests)
        else:
            charges = charges_of(
                spill.buckets(), book, billing_vars, through, waiting_since, requests
            )
    lines = bill_lines(charges, book, through, accepted.packages, accepted.waivers, requests)
    settled = settlements(lines, billing_vars.deduction_rounding)
    return _Bill(lines, settled, accepted, archived, checkpoint if away else None)


def _archived(checkpoint: Checkpoint | None, loads: Sequence[SourceLoad]) -> set[FileKey]:
    """The loads of which the checkpoint has everything: no line was read again since."""
    if checkpoint is None:
        return set()
    return {
        load.key
        for load in loads
        if load.key in checkpoint.archived_by_key
        and all(retry.settlement_floor <= checkpoint.through for retry in load.retries)
    }


def _calls_wait_from(manifest: Manifest) -> date:
    """The first settlement date by whose rules a call without a price waits for one."""
    older = [day for day, rules in manifest.date_rules.items() if rules.billing_rules < 2]
    return max(older) + timedelta(1) if older else date.min


def _compare(
    published: compare.PublishedTables,
    bill: _Bill,
    manifest: Manifest,
    through: date,
    month: date | None,
) -> list[TableDifference]:
    """The tables of a release that do not say what was computed."""
    of_month = f"bill_month = date '{month}'" if month else "true"
    of_loads = f"settlement_floor <= date '{through}'" + "".join(
        f" and (source_file_id, path) <> ({literal(load.sha256)}, {literal(load.path)})"
        for load in manifest.loads
        if load.quarantine_reason
    )
    totals = month_totals(bill.settlements)
    computed: list[tuple[compare.Comparison, list[compare.Row], str]] = [
        (compare.FILES, compare.file_rows(bill.accepted.files), of_loads),
        (compare.BILL_LINES, compare.bill_line_rows(bill.lines), of_month),
        (compare.SETTLEMENTS, compare.settlement_rows(bill.settlements), of_month),
        (compare.ADJUSTMENTS, compare.adjustment_rows(totals, manifest.through), of_month),
    ]
    differences = [
        compare.differences(table, comparison, published_rows, computed_rows)
        for comparison, computed_rows, condition in computed
        for table, published_rows in published.tables(comparison, condition).items()
    ]
    return [difference for difference in differences if difference.rows]
