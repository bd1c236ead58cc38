"""The story, settled in one run and night after night."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from callbill.release.release import RUN_ID

from tests.support.commands import run_job, succeed
from tests.support.places import copy_of
from tests.support.shared import make_once
from tests.support.story import settled_at_once, settled_by_night


@pytest.fixture(scope="module")
def once() -> Path:
    """The story settled in one run."""
    return settled_at_once()


@pytest.fixture(scope="module")
def nightly() -> Path:
    """The story settled day by day, with a reader that held the first release open."""
    return settled_by_night()


@pytest.fixture(scope="module")
def next_night(nightly: Path) -> Path:
    """One night later, of a run that has JSON logs, in `log`, and keeps two releases.
    Beside the releases was something else."""

    def make(folder: Path) -> None:
        place = copy_of(nightly, folder)
        releases = place / "published" / "releases"
        for name in ("notes", "2026", "zzz"):
            (releases / name).mkdir()
        last = (place / "published" / "current").resolve()
        # A run that was killed while it wrote its release.
        after = datetime.strptime(last.name, RUN_ID) + timedelta(microseconds=1)  # noqa: DTZ007
        (releases / after.strftime(RUN_ID)).mkdir()
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("CALLBILL_KEEP_RELEASES", "2")
            ended = run_job(place, "--through", "2026-03-07", "--json-logs")
        succeed(ended)
        assert ended.stdout == ""
        (folder / "log").write_text(ended.stderr)

    return make_once("story-next-night", make)
