"""A drill of a restore: a warehouse is made from a backup, in a scratch folder, and thrown away.

A backup is a copy of a place: landing, published and catalogue. Nothing is written into it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from callbill.base.errors import UsageError
from callbill.base.progress import Reporter
from callbill.base.settings import Settings
from callbill.jobs.rebuild import rebuild_job
from callbill.jobs.summary import RunSummary
from callbill.release.release import Published


@contextmanager
def restored(settings: Settings, reporter: Reporter) -> Iterator[tuple[Settings, RunSummary]]:
    """A warehouse made of what the settings name, and how that went, until this block ends.

    Raises as `rebuild_job`, and UsageError if releases are published to a store.
    """
    if settings.published_store is not None:
        raise UsageError("a drill needs a backup of the published folder on this machine")
    release = Published(settings.published).require_current("a backup without it restores nothing")
    with tempfile.TemporaryDirectory(prefix="callbill-drill-") as folder:
        # With a lock of its own: a backup may be read-only.
        published = Path(folder, "published")
        published.mkdir()
        (published / "releases").symlink_to(release.folder.parent)
        (published / "current").symlink_to(f"releases/{release.run_id}")
        (published / "checkpoints").symlink_to(Published(settings.published).checkpoints.absolute())
        scratch = settings.model_copy(
            update={"warehouse": Path(folder, "warehouse.duckdb"), "published": published}
        )
        summary, _replaced = rebuild_job(scratch, reporter)
        yield scratch, summary
