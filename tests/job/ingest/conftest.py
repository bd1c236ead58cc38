"""All cases lie in one landing folder, each in a folder of its own, and two runs read them.

The first goes through 6 March, the second, after more files came, through 9 March.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.job.ingest.test_contracts import (
    put_contracts,
)
from tests.job.ingest.test_files import (
    put_arrivals,
    put_copies,
    put_files_that_change,
    put_later,
    put_names,
    put_search_texts,
    put_unreadable_files,
)
from tests.job.ingest.test_records import (
    put_fields,
    put_formats,
    put_shapes,
    put_times,
)
from tests.job.ingest.test_rejects import (
    put_deceptive_tables,
    put_rejects,
)
from tests.support.ingested import (
    LATER_THROUGH,
    THROUGH,
    Landing,
    Release,
    left_by_run,
    run,
)
from tests.support.shared import make_once


@pytest.fixture(scope="module")
def runs() -> Iterator[tuple[Release, Release]]:
    place = make_once("a place, with 'marks' 与", _make) / "run=1"
    releases = left_by_run(place, THROUGH), left_by_run(place, LATER_THROUGH)
    yield releases
    for release in releases:
        release.database.close()
        release.warehouse.close()


def _make(folder: Path) -> None:
    place = folder / "run=1"
    landing = Landing(place / "landing")
    for put in (
        put_formats,
        put_shapes,
        put_fields,
        put_times,
        put_rejects,
        put_contracts,
        put_search_texts,
        put_unreadable_files,
        put_deceptive_tables,
        put_copies,
        put_names,
        put_arrivals,
        put_files_that_change,
    ):
        put(landing)
    run(place, THROUGH)
    put_later(landing)
    run(place, LATER_THROUGH)


@pytest.fixture(scope="module")
def released(runs: tuple[Release, Release]) -> Release:
    """The first run's."""
    return runs[0]


@pytest.fixture(scope="module")
def later(runs: tuple[Release, Release]) -> Release:
    """The second run's."""
    return runs[1]
