"""Places that tests of several folders share."""

from __future__ import annotations

from pathlib import Path
from threading import Thread

import pytest
from callbill.base.hidden import hide

from tests.support.commands import settle
from tests.support.memory import keep_files_in_memory
from tests.support.parsed import parsed_models
from tests.support.project import SAMPLE, SAMPLE_THROUGH
from tests.support.shared import make_once, shared_folder


def pytest_configure(config: pytest.Config) -> None:
    """The processes that run tests share the folder of the one that starts them."""
    if config.getoption("markexpr") != "long":  # campaigns have more data than memory
        keep_files_in_memory()
    hide("pandas")  # as commands do: DuckDB would import it
    shared_folder()
    of_all_tests = not config.getoption("file_or_dir") and config.getoption("numprocesses", None)
    if of_all_tests and not hasattr(config, "workerinput"):
        # While the processes collect their tests: afterwards they would wait for it.
        Thread(target=parsed_models).start()


@pytest.fixture(scope="session")
def sample_place() -> Path:
    """A folder in which the sample was run once, through its last day."""

    def make(place: Path) -> None:
        (place / "landing").symlink_to(SAMPLE / "landing")
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("CALLBILL_CATALOGUE", str(SAMPLE / "catalogue"))
            settle(place, SAMPLE_THROUGH)

    return make_once("sample", make)


@pytest.fixture(scope="session")
def sample_release(sample_place: Path) -> Path:
    """The published folder of the sample's run."""
    return sample_place / "published"
