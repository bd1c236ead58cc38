"""Loading the landing folder: list it, read what is new, commit it, judge account events."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path

from callbill.base.settings import BillingVars
from callbill.ingest.announcements import keep_announcements
from callbill.ingest.committing import LoadReport, commit
from callbill.ingest.event_verdicts import judge_account_events
from callbill.ingest.incoming import Incoming, batches, list_incoming, retries_of
from callbill.ingest.landing import Skipped, list_landing
from callbill.ingest.shapes import call_log_shapes
from callbill.ingest.withdrawals import withdraw_known
from callbill.tasks.ingest import ReadTask, read_files
from callbill.warehouse.loads import FileKey, SourceLoad
from callbill.warehouse.warehouse import Warehouse


def load_landing(
    warehouse: Warehouse,
    landing: Path,
    billing_vars: BillingVars,
    run_id: str,
    through: date,
    first_open: date | None,
    known: Mapping[FileKey, SourceLoad],
    announce: Callable[[int], Callable[[int], None]],
    *,
    only_known: bool = False,
) -> LoadReport:
    """Load every file that arrived by `through` and whose content is new; with `only_known` none
    that no release names.

    `first_open` is the first settlement date that is not sealed. `known` gives what a release says
    of contents that it names. `announce` is told how many bytes there are to load and gives back
    what to call as they are done.
    """
    listing = list_landing(landing, frozenset(call_log_shapes()), billing_vars.zone)
    incoming, skipped = list_incoming(
        warehouse, listing.files, through, first_open, known, billing_vars.today()
    )
    report = LoadReport(skipped=[*listing.skipped, *skipped])
    keep_announcements(warehouse, listing.announcements, through)
    if only_known:
        incoming = [file for file in incoming if file.key in known]
    advance = announce(sum(one.file.size for one in incoming))
    retries = retries_of(incoming, known)
    for number, batch in enumerate([*batches(incoming), *([one] for one in retries)]):
        load_batch(warehouse, billing_vars, batch, run_id, f"{run_id}-{number:05d}", report)
        advance(sum(one.file.size for one in batch))
    withdraw_known(warehouse, known.values(), run_id)
    warehouse.create_raw_views()
    verdicts = judge_account_events(warehouse, run_id)
    report.accepted -= verdicts
    report.rejected += verdicts
    return report


def load_batch(
    warehouse: Warehouse,
    billing_vars: BillingVars,
    batch: Sequence[Incoming],
    run_id: str,
    name: str,
    report: LoadReport,
) -> None:
    """Read a batch and commit it; files that changed meanwhile are left for the next run."""
    tries = list(batch)
    attempt = 0
    while tries:
        task = ReadTask(
            name=f"{name}-{attempt}",
            feed=tries[0].file.feed,
            shape=tries[0].file.shape,
            kind=tries[0].file.kind,
            billing_timezone=billing_vars.billing_timezone,
            reading_rules=tries[0].reading_rules,
            files=tuple(one.to_read for one in tries),
            folder=warehouse.layout.loading,
            scratch=warehouse.layout.scratch,
        )
        try:
            outcome = None
            try:
                outcome = read_files(warehouse.con, task)
            except FileNotFoundError:
                if all(one.file.is_unchanged() for one in tries):
                    raise
            unchanged = [one for one in tries if one.file.is_unchanged()]
            if outcome is not None and len(unchanged) == len(tries):
                commit(warehouse, tries, outcome, run_id)
                report.count(tries, outcome)
                return
        finally:
            # What was committed does not lie there any more.
            shutil.rmtree(task.folder, ignore_errors=True)
        for one in tries:
            if one not in unchanged:
                report.skipped.append(Skipped(one.file.name, "changed while it was read"))
        tries = unchanged
        attempt += 1
