"""Real servers, started once for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from tests.bill.reference import landing, worlds
from tests.bill.reference.inputs import World
from tests.support.commands import settle
from tests.support.places import query
from tests.support.servers import (
    connect_server,
    dask_cluster,
    s3_server,
    spark_master,
    store_environment,
)
from tests.support.shared import make_once

# A settlement date is files for each bucket, and a store is asked for each: some days are enough.
FIRST_DAY = date(2024, 2, 26)
RUNS = (date(2024, 3, 4), date(2024, 3, 8))
KINDS = {"master": spark_master, "connect": connect_server, "dask": dask_cluster}


@pytest.fixture(scope="session")
def world() -> World:
    """Worlds whose files have dates, around the end of a month. Their lines are of every type."""
    drawn = worlds.sample(count=40, seed=41, runs=RUNS)
    dated = (file for file in drawn.files if "arrived_on=" in file.path)
    files = tuple(file for file in dated if FIRST_DAY <= file.arrived_on <= RUNS[-1])
    return replace(drawn, files=files)


def land(world: World, folder: Path, after: date, through: date) -> None:
    """The files that arrived between two runs."""
    due = tuple(file for file in world.files if after < file.arrived_on <= through)
    landing.write(replace(world, files=due), folder)


def mirror(place: Path) -> Path:
    """A place whose published folder is the mirror of the store."""
    link = place / "published"
    if not link.is_symlink():
        link.symlink_to("warehouse.duckdb.published")
    return place


@pytest.fixture(scope="session")
def here(world: World) -> Path:
    """The nights on this machine, in this process."""

    def make(place: Path) -> None:
        for after, through in zip((date.min, *RUNS), RUNS, strict=False):
            land(world, place / "landing", after, through)
            settle(place, through)
        assert query(place, "select count(distinct line_type) from billing.bill_lines") == [(4,)]

    return make_once("here", make)


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of an S3 server, which the environment names."""
    folder = tmp_path_factory.mktemp("s3")
    with s3_server(folder) as port, pytest.MonkeyPatch.context() as patch:
        for name, value in store_environment(port).items():
            patch.setenv(name, value)
        yield port


@pytest.fixture(scope="session")
def clusters(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The address of a cluster of each kind, started when it is first asked for."""
    with ExitStack() as stack:

        class Started(dict[str, str]):
            def __missing__(self, kind: str) -> str:
                folder = tmp_path_factory.mktemp(kind)
                self[kind] = stack.enter_context(KINDS[kind](folder))
                return self[kind]

        yield Started()
