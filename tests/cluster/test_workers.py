"""Tasks on clusters: real processes that share the folders of this machine give the same bill, and
those that do not are found out."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.bill.reference.inputs import World
from tests.cluster.conftest import RUNS, land, mirror
from tests.support.commands import CALLBILL, callbill, succeed
from tests.support.places import figures, places
from tests.support.project import PROJECT
from tests.support.scenarios import publish
from tests.support.servers import BUCKET, dask_cluster, put_folder, spark_master, wait_until

if TYPE_CHECKING:
    import psutil

pytestmark = pytest.mark.cluster


def run(place: Path, through: date, *arguments: object) -> subprocess.CompletedProcess[str]:
    """The product's own command in a fresh process: clients of clusters start threads."""
    command = [CALLBILL, "run", *places(place), "--through", through, *arguments]
    return subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)


@pytest.fixture(autouse=True)
def _buckets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLBILL_BUCKETS", "3")
    # What a user of Spark sets: where the driver listens, and the Python of the workers.
    monkeypatch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)


@pytest.mark.parametrize("kind", ["master", "connect"])
def test_nights_on_a_cluster_give_the_same_bill(
    kind: str, clusters: dict[str, str], world: World, here: Path, tmp_path: Path
) -> None:
    for after, through in zip((date.min, *RUNS), RUNS, strict=False):
        land(world, tmp_path / "landing", after, through)
        ended = run(tmp_path, through, "--workers", clusters[kind])
        assert ended.returncode == 0, ended.stderr
    assert figures(tmp_path) == figures(here)


def test_scenarios_on_a_cluster_give_the_same_bills(
    clusters: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prices in steps, packages, waivers and claims by edition among them."""
    seeds = Path(shutil.copytree(PROJECT / "seeds", tmp_path / "catalogue"))
    monkeypatch.setenv("CALLBILL_CATALOGUE", str(seeds))
    by_workers = {}
    for workers in ("", clusters["master"]):
        folder = tmp_path / (workers[:5] or "here")

        def run_there(place: Path, *arguments: object, workers: str = workers) -> Any:
            _through, through, *others = arguments
            return run(place, through, *others, "--workers", workers)

        made = set(publish(folder, run_there, seeds).values())
        by_workers[workers] = {place.name: figures(place) for place in made}
    here, there = by_workers.values()
    assert here == there != {}


def test_a_worker_that_does_not_see_the_folders_is_found_out(world: World, tmp_path: Path) -> None:
    """Of two workers one sees empty folders. An older callbill published half a bill here."""
    place = tmp_path / "place"
    land(world, place / "landing", date.min, RUNS[0])
    files = place / "warehouse.duckdb.files"
    files.mkdir()
    with spark_master(tmp_path, hidden=[files]) as address:
        ended = run(place, RUNS[0], "--workers", address)
    assert ended.returncode == 4, ended.stderr
    assert "workers need the folders of this machine" in ended.stderr
    assert not (place / "published" / "current").exists()


@pytest.mark.parametrize("kind", [spark_master, dask_cluster])
def test_workers_that_share_no_folder(
    kind: Callable[..., AbstractContextManager[str]],
    world: World,
    here: Path,
    s3: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Logs, what tasks hand over, and releases lie in a store. Workers see nothing else."""
    name = tmp_path.name
    store = f"s3://{BUCKET}/{name}"
    monkeypatch.setenv("CALLBILL_FILES", f"{store}/files")
    place = tmp_path / "place"
    place.mkdir()
    apart = {"hidden_from": (1, 2)} if kind is spark_master else {}
    servers = tmp_path / "servers"
    servers.mkdir()
    with kind(servers, hidden=[place], **apart) as address:
        for after, through in zip((date.min, *RUNS), RUNS, strict=False):
            land(world, tmp_path / f"{through}", after, through)
            put_folder(tmp_path / f"{through}", f"{name}/landing", s3)
            stores = (f"--landing={store}/landing", f"--published={store}/published")
            ended = run(place, through, *stores, "--workers", address)
            assert ended.returncode == 0, ended.stderr
        warehouse = f"--warehouse={place / 'warehouse.duckdb'}"
        succeed(callbill("verify", warehouse, *stores, "--workers", address))
    assert figures(mirror(place)) == figures(here)


def test_something_else_than_a_connect_server_is_given_up(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes connections and ends them. Spark's client would try again for ten minutes."""
    monkeypatch.setenv("CALLBILL_WORKER_TIMEOUT", "5")
    land(world, tmp_path / "landing", date.min, RUNS[0])
    with socket.create_server(("127.0.0.1", 0)) as server:

        def hang_up() -> None:
            with suppress(OSError):
                while True:
                    server.accept()[0].close()

        threading.Thread(target=hang_up, daemon=True).start()
        ended = run(tmp_path, RUNS[0], "--workers", f"sc://127.0.0.1:{server.getsockname()[1]}")
    assert ended.returncode == 4, ended.stderr
    assert "no Spark at sc://127.0.0.1" in ended.stderr
    assert not (tmp_path / "published" / "current").exists()


def test_another_version_on_a_worker_is_refused(
    clusters: dict[str, str], world: World, tmp_path: Path
) -> None:
    land(world, tmp_path / "landing", date.min, RUNS[0])
    older = (
        "import sys; import callbill; callbill.__version__ = '0.6.9'; "
        "from callbill.cli.main import main; sys.argv[0] = 'callbill'; main()"
    )
    command = [
        *(CALLBILL.with_name("python"), "-c", older, "run", *places(tmp_path)),
        *("--through", RUNS[0], "--workers", clusters["dask"]),
    ]
    ended = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)
    assert ended.returncode == 2, ended.stderr
    assert "this run is of 0.6.9: install the same version everywhere" in ended.stderr


def test_no_cluster_is_one_sentence(world: World, tmp_path: Path) -> None:
    land(world, tmp_path / "landing", date.min, RUNS[0])
    for address, sentence in (
        ("dask://127.0.0.1:9", "nobody answers at dask://127.0.0.1:9"),
        ("ftp://127.0.0.1", "--workers takes a number of processes, or spark://host:port"),
    ):
        ended = run(tmp_path, RUNS[0], "--workers", address)
        assert ended.returncode in (2, 4), ended.stderr
        assert sentence in ended.stderr
        assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("kind", ["master", "connect"])
def test_workers_that_do_not_answer_in_time_end_the_run(
    kind: str,
    clusters: dict[str, str],
    world: World,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A Spark job takes longer than a second, whatever it does."""
    monkeypatch.setenv("CALLBILL_WORKER_TIMEOUT", "1")
    land(world, tmp_path / "landing", date.min, RUNS[0])
    ended = run(tmp_path, RUNS[0], "--workers", clusters[kind])
    assert ended.returncode == 4, ended.stderr
    assert "gave no answer for 1 seconds (CALLBILL_WORKER_TIMEOUT)" in ended.stderr
    assert not (tmp_path / "published" / "current").exists()


def executors_of_spark() -> list[psutil.Process]:
    import psutil

    return [
        found
        for found in psutil.process_iter(["cmdline"])
        if any("CoarseGrainedExecutorBackend" in part for part in found.info["cmdline"] or ())
    ]


def workers_of_dask() -> list[psutil.Process]:
    """The processes that do tasks. Each has a nanny, which starts another if it dies."""
    import psutil

    return [
        found
        for found in psutil.process_iter(["cmdline"])
        if any("multiprocessing.spawn" in part for part in found.info["cmdline"] or ())
        and (parent := found.parent()) is not None
        and {"worker", "--nworkers"} <= {*parent.cmdline()}
    ]


@pytest.mark.parametrize(
    ("kind", "workers", "step"),
    [
        ("master", executors_of_spark, "loading"),
        ("master", executors_of_spark, "building"),
        ("dask", workers_of_dask, "loading"),
        ("dask", workers_of_dask, "building"),
    ],
)
def test_a_worker_that_is_killed_is_replaced(
    kind: str,
    workers: Callable[[], list[psutil.Process]],
    step: str,
    clusters: dict[str, str],
    world: World,
    here: Path,
    tmp_path: Path,
) -> None:
    """As soon as the first task of a step writes, one of the workers is killed."""
    land(world, tmp_path / "landing", date.min, RUNS[-1])
    killed: list[int] = []
    folder = tmp_path / "warehouse.duckdb.files" / step

    def kill() -> None:
        wait_until(
            lambda: folder.is_dir() and any(path.is_dir() for path in folder.iterdir()),
            f"{step} begins",
        )
        worker = workers()[0]
        worker.kill()
        killed.append(worker.pid)

    thread = threading.Thread(target=kill)
    thread.start()
    ended = run(tmp_path, RUNS[-1], "--workers", clusters[kind])
    thread.join()
    assert killed
    assert ended.returncode == 0, ended.stderr
    assert figures(tmp_path)["settlement_hashes"] == figures(here)["settlement_hashes"]
