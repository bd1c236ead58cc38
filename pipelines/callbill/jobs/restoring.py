"""Makes a lost warehouse from the checkpoint, where landing files were archived and are away.

If all archived files lie in the landing folder again, everything can be computed anew, and nothing
is taken from the checkpoint.
"""

from __future__ import annotations

from contextlib import closing

from callbill.base.errors import UsageError
from callbill.base.progress import Reporter
from callbill.base.settings import BillingVars, Settings
from callbill.ingest.feed import raw_tables
from callbill.ingest.landing import list_landing
from callbill.release.checkpoint import Checkpoint, newest_checkpoint
from callbill.release.hashes import refresh_hashes
from callbill.release.manifest import Manifest
from callbill.warehouse.layout import CALLS, Layout
from callbill.warehouse.warehouse import Warehouse


def restore_where_needed(
    settings: Settings, current: Manifest | None, reporter: Reporter
) -> Checkpoint | None:
    """If there is no warehouse and an archived file is away, make the warehouse of the checkpoint.

    Raises UsageError if the checkpoint is not whole, or does not belong to the current release.
    """
    if settings.warehouse.exists():
        return None
    checkpoint = newest_checkpoint(settings.published)
    if checkpoint is None or current is None or not _archived_away(settings, checkpoint, current):
        return None
    if checkpoint.through > current.through:
        raise UsageError(
            f"the checkpoint is sealed through {checkpoint.through}, and the current release only "
            f"through {current.through}: it belongs to a later release"
        )
    if settings.buckets not in (None, checkpoint.buckets):
        raise UsageError(
            f"the checkpoint divides its calls into {checkpoint.buckets} bucket(s), not "
            f"{settings.buckets}: put the archived files back for another number"
        )
    with reporter.step("checkpoint", through=checkpoint.through):
        checkpoint.copy_to(Layout(settings.warehouse))
        with closing(Warehouse.open(settings, raw_tables())) as warehouse:
            warehouse.by_date.create_view(CALLS)
            refresh_hashes(warehouse)
    return checkpoint


def _archived_away(settings: Settings, checkpoint: Checkpoint, current: Manifest) -> bool:
    """Whether an archived file is not in the landing folder under its name."""
    shapes = frozenset(load.format for load in current.loads)
    listing = list_landing(settings.landing, shapes, BillingVars(**current.vars).zone)
    names = {file.name for file in listing.files}
    return any(file.path not in names for file in checkpoint.archived)
