"""Real servers, started once for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from pathlib import Path

import pytest

from tests.bill.reference import landing, worlds
from tests.bill.reference.inputs import World
from tests.support.commands import settle
from tests.support.fate import Fates
from tests.support.java import java_environment
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
def all_fates(tmp_path_factory: pytest.TempPathFactory) -> Fates:
    fates = Fates(tmp_path_factory.mktemp("fates"))
    fates.clear()
    return fates


@pytest.fixture
def fates(all_fates: Fates) -> Iterator[Fates]:
    """What is to become of the workers of all clusters, within a test."""
    yield all_fates
    all_fates.clear()


@dataclass(frozen=True)
class Hidden:
    """Folders that workers of the clusters `master` and `dask` see empty."""

    # From all of them.
    from_all: Path
    # From one of the workers of Spark too.
    from_one: Path


@pytest.fixture(scope="session")
def hidden(tmp_path_factory: pytest.TempPathFactory) -> Hidden:
    folder = tmp_path_factory.mktemp("hidden")
    hidden = Hidden(folder / "from-all", folder / "from-one")
    for path in (hidden.from_all, hidden.from_one):
        path.mkdir()
    return hidden


@pytest.fixture(scope="session")
def java() -> Iterator[None]:
    """Has all processes of Java start quickly."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in java_environment().items():
            patch.setenv(name, value)
        yield


@pytest.fixture(scope="session")
def clusters(
    java: None, s3: int, all_fates: Fates, hidden: Hidden, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, str]]:
    """The address of a cluster of each kind, started when it is first asked for. All know the
    store."""
    environment = all_fates.environment
    by_worker = ([hidden.from_all], [hidden.from_all, hidden.from_one])
    kinds = {
        "master": partial(spark_master, environment=environment, hidden=by_worker),
        "connect": partial(connect_server, environment=environment),
        "dask": partial(dask_cluster, environment=environment, hidden=[hidden.from_all]),
    }
    with ExitStack() as stack:

        class Started(dict[str, str]):
            def __missing__(self, kind: str) -> str:
                folder = tmp_path_factory.mktemp(kind)
                self[kind] = stack.enter_context(kinds[kind](folder))
                return self[kind]

        yield Started()
