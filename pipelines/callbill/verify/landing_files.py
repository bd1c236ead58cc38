"""The landing files that a release was made from, found again."""

from __future__ import annotations

from collections.abc import Sequence, Set

from callbill.base.errors import UsageError
from callbill.base.progress import Reporter
from callbill.ingest.landing import LandingFile
from callbill.tasks.digest import digest_all
from callbill.tasks.workers import Workers
from callbill.warehouse.loads import FileKey, SourceLoad


def find_landing_files(
    landing: Sequence[LandingFile],
    loads: Sequence[SourceLoad],
    reporter: Reporter,
    workers: Workers,
    archived: Set[FileKey] = frozenset(),
) -> list[LandingFile | None]:
    """The landing file of each load, known by its feed and its content. It may have been moved, and
    may be that of several loads. None for an archived one that is away.

    Raises UsageError if one is not there as it was loaded.
    """
    by_name = {file.name: file for file in landing}
    advance = reporter.track_bytes(sum(file.size for file in by_name.values()))
    digests = {} if workers.is_this_process else digest_all(workers, landing)
    by_content: dict[tuple[str, str], LandingFile] = {}
    wanted = {(load.feed, load.sha256) for load in loads}
    # Usually all files still have the names that they were loaded under: look at those first.
    loaded_names = {load.path for load in loads}
    for file in sorted(
        by_name.values(), key=lambda file: (file.name not in loaded_names, file.name)
    ):
        if wanted <= by_content.keys():
            break
        by_content.setdefault((file.feed, digests.get(file.name) or file.digest() or ""), file)
        advance(file.size)
    missing = [
        load
        for load in loads
        if (load.feed, load.sha256) not in by_content and load.key not in archived
    ]
    if missing:
        first = missing[0].path
        reason = "has changed since it was loaded" if first in by_name else "is not there"
        raise UsageError(
            f"{len(missing)} of the {len(loads)} file(s) that the release was made from are not in "
            f"the landing folder as they were loaded: {first} {reason}; without them the bill "
            "cannot be verified"
        )
    return [by_content.get((load.feed, load.sha256)) for load in loads]
