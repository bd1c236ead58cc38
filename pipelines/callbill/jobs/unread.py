"""What a run leaves in the landing folder: named, and said why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

from callbill.base.errors import UsageError
from callbill.base.places import shown
from callbill.base.progress import Reporter
from callbill.base.settings import BillingVars, Settings
from callbill.ingest.committing import LoadReport
from callbill.ingest.incoming import missed_files, waiting_files
from callbill.ingest.landing import Skipped, list_landing
from callbill.ingest.shape_files import load_shapes, shape_names
from callbill.jobs.summary import RunSummary
from callbill.release.checkpoint import newest_checkpoint
from callbill.warehouse.loads import FileKey, SourceLoad
from callbill.warehouse.warehouse import Warehouse


def list_unread(
    warehouse: Warehouse,
    settings: Settings,
    billing_vars: BillingVars,
    through: date,
    first_open: date | None,
    released: Mapping[FileKey, SourceLoad],
    *,
    archived: bool = False,
) -> LoadReport:
    """What a run leaves in the landing folder if it reads nothing, because nothing is due.

    Raises UsageError as `load_landing` does.
    """
    landing = settings.landing
    names = shape_names(load_shapes(settings.shapes))
    listing = list_landing(landing, names, billing_vars.zone)
    checkpoint = newest_checkpoint(settings.published)
    away = checkpoint.archived_by_key.keys() if checkpoint else frozenset()
    if not archived:
        check_is_landing(landing, listing.skipped, missed_files(warehouse, listing.files, away))
    waiting = waiting_files(warehouse, listing.files, through, first_open, released)
    return LoadReport(skipped=listing.skipped, waiting=[*waiting, *listing.waiting])


def check_is_landing(landing: Path, skipped: Sequence[Skipped], missed: Sequence[str]) -> None:
    """Raises UsageError if earlier files are missed, and not one of them is there unread."""
    if missed and not {one.name for one in skipped} & set(missed):
        raise UsageError(
            f"landing folder {shown(landing)} has none of the {len(missed)} file(s) that were "
            f"loaded from it before, such as {missed[0]}: name the right folder with --landing, "
            "or say --archived if they were moved away on purpose"
        )


def log_unread(reporter: Reporter, summary: RunSummary) -> None:
    """Name the files that the run does not read, and why."""
    for skipped in summary.loaded.skipped:
        reporter.log("not read", file=skipped.name, why=skipped.why)
    for waiting in summary.loaded.waiting:
        reporter.log("waits", file=waiting.name, until=waiting.until or "its final name")
    for warning in summary.loaded.warnings:
        reporter.log("warning", message=warning)
