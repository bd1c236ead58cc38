"""Tasks on clusters: real processes that share the folders of this machine give the same bill, and
those that do not are found out."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from datetime import date
from pathlib import Path

import pytest

from tests.bill.reference.inputs import World
from tests.cluster.conftest import RUNS, Hidden, land, mirror
from tests.support.commands import CALLBILL, callbill, run_job, succeed
from tests.support.fate import Fates
from tests.support.places import figures, places
from tests.support.project import PROJECT
from tests.support.scenarios import publish
from tests.support.servers import BUCKET, put_folder

pytestmark = pytest.mark.cluster


def run(place: Path, through: date, *arguments: object) -> subprocess.CompletedProcess[str]:
    return run_job(place, "--through", through, *arguments)


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


ITEMS_BY_PARTITION = """
import sys
import pyarrow as pa
from callbill.tasks.workers.spark import Spark

def count(batches):
    yield pa.RecordBatch.from_arrays([pa.array([sum(map(len, batches))], pa.int64())], ["items"])

spark = Spark(sys.argv[1], 120)
for items in (1, 2, 7):
    rows = [(number, "x" * number) for number in range(items)]
    counted = spark.partitions(rows).mapInArrow(count, "items long").collect()
    print([row["items"] for row in counted])
spark.close()
"""


@pytest.mark.parametrize("kind", ["master", "connect"])
def test_each_item_is_a_task_of_its_own(kind: str, clusters: dict[str, str]) -> None:
    """Otherwise one worker has two of them to do, and another has none."""
    ended = subprocess.run(
        [sys.executable, "-c", ITEMS_BY_PARTITION, clusters[kind]],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.stdout.splitlines() == [str([1] * n) for n in (1, 2, 7)], ended.stderr


def test_scenarios_on_a_cluster_give_the_same_bills(
    clusters: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prices in steps, packages, waivers and claims by edition among them."""
    seeds = Path(shutil.copytree(PROJECT / "seeds", tmp_path / "catalogue"))
    monkeypatch.setenv("CALLBILL_CATALOGUE", str(seeds))

    def run_there(place: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
        return run_job(place, *arguments, "--workers", clusters["connect"])

    there = set(publish(tmp_path / "there", run_there, seeds).values())
    monkeypatch.setenv("CALLBILL_BUCKETS", "1")
    here = set(publish(tmp_path / "here", run_job, seeds).values())
    assert here
    assert {place.name: figures(place) for place in here} == {
        place.name: figures(place) for place in there
    }


def test_a_worker_that_does_not_see_the_folders_is_found_out(
    clusters: dict[str, str], hidden: Hidden, world: World
) -> None:
    """Of two workers one sees empty folders."""
    place = hidden.from_one / "place"
    land(world, place / "landing", date.min, RUNS[0])
    ended = run(place, RUNS[0], "--workers", clusters["master"])
    assert ended.returncode == 4, ended.stderr
    assert "workers need the folders of this machine" in ended.stderr
    assert not (place / "published" / "current").exists()


@pytest.mark.parametrize(
    ("task", "sentence"),
    [
        ("ingest", "a worker wrote"),
        ("bucket", "this worker does not see"),
    ],
)
def test_a_worker_that_writes_elsewhere_is_found_out(
    task: str,
    sentence: str,
    clusters: dict[str, str],
    fates: Fates,
    world: World,
    tmp_path: Path,
) -> None:
    """It answered the first, tiny task, and does not have the folder that it writes to. An older
    callbill published half a bill here."""
    land(world, tmp_path / "landing", date.min, RUNS[0])
    fates.add(task, "elsewhere")
    ended = run(tmp_path, RUNS[0], "--workers", clusters["dask"])
    assert fates.met == {(task, "elsewhere")}
    assert ended.returncode == 4, ended.stderr
    assert sentence in ended.stderr
    assert not (tmp_path / "published" / "current").exists()


@pytest.mark.parametrize("kind", ["master", "dask"])
def test_workers_that_share_no_folder(
    kind: str,
    clusters: dict[str, str],
    hidden: Hidden,
    fates: Fates,
    world: World,
    here: Path,
    s3: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Logs, what tasks hand over, and releases lie in a store. Workers see nothing else. One is
    killed after it has put its files there."""
    name = tmp_path.name
    store = f"s3://{BUCKET}/{name}"
    monkeypatch.setenv("CALLBILL_FILES", f"{store}/files")
    place = hidden.from_all / name
    place.mkdir()
    fates.add("ingest", "worker")
    fates.add("bucket", "worker")
    for after, through in zip((date.min, *RUNS), RUNS, strict=False):
        land(world, tmp_path / f"{through}", after, through)
        put_folder(tmp_path / f"{through}", f"{name}/landing", s3)
        stores = (f"--landing={store}/landing", f"--published={store}/published")
        ended = run(place, through, *stores, "--workers", clusters[kind])
        assert ended.returncode == 0, ended.stderr
    assert fates.met == {("ingest", "worker"), ("bucket", "worker")}
    warehouse = f"--warehouse={place / 'warehouse.duckdb'}"
    succeed(callbill("verify", warehouse, *stores, "--workers", clusters[kind]))
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


@pytest.mark.parametrize("kind", ["master", "connect", "dask"])
def test_a_task_that_never_returns_ends_the_run(
    kind: str,
    clusters: dict[str, str],
    fates: Fates,
    world: World,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Spark starts its processes in this time too.
    monkeypatch.setenv("CALLBILL_WORKER_TIMEOUT", "5" if kind == "dask" else "30")
    land(world, tmp_path / "landing", date.min, RUNS[0])
    fates.add("ingest", "hang")
    ended = run(tmp_path, RUNS[0], "--workers", clusters[kind])
    assert fates.met == {("ingest", "hang")}
    assert ended.returncode == 4, ended.stderr
    assert "seconds (CALLBILL_WORKER_TIMEOUT)" in ended.stderr
    assert not (tmp_path / "published" / "current").exists()


# Each kind of task: read a file, build a bucket; of a verification, read files and verify a bucket.
TASKS_OF_A_RUN = ("ingest", "bucket")
TASKS_OF_A_VERIFICATION = ("verify-read", "verify-charge")


@pytest.mark.parametrize(
    ("kind", "killed"),
    [
        ("master", ("executor", "worker")),
        ("connect", ("executor", "worker")),
        ("dask", ("worker",)),
    ],
)
def test_a_worker_that_is_killed_is_replaced(
    kind: str,
    killed: tuple[str, ...],
    clusters: dict[str, str],
    fates: Fates,
    world: World,
    here: Path,
    tmp_path: Path,
) -> None:
    """By kill -9, in the middle of each kind of task: an executor of Spark and one of its Python
    processes, a worker of Dask."""
    land(world, tmp_path / "landing", date.min, RUNS[-1])
    for task in (*TASKS_OF_A_RUN, *TASKS_OF_A_VERIFICATION):
        for process in killed:
            fates.add(task, process)
    ended = run(tmp_path, RUNS[-1], "--workers", clusters[kind])
    assert ended.returncode == 0, ended.stderr
    assert fates.met == {(task, process) for task in TASKS_OF_A_RUN for process in killed}
    assert figures(tmp_path)["settlement_hashes"] == figures(here)["settlement_hashes"]
    verified = callbill("verify", *places(tmp_path), "--workers", clusters[kind])
    succeed(verified)
    assert fates.met == {
        (task, process)
        for task in (*TASKS_OF_A_RUN, *TASKS_OF_A_VERIFICATION)
        for process in killed
    }
