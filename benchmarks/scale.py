"""`make bench-scale`: nights of 1, 10 and 30 million calls, by one process, by bucket, by several
processes and on Spark."""

from __future__ import annotations

import json
import os
import resource
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from benchmarks.data import make_day
from benchmarks.measure import PROJECT, Timing, timed
from benchmarks.place import FIRST, bill_of

# It has Spark beside callbill.
CLUSTER = PROJECT / ".venv-cluster" / "bin"
OWNERS = 1000
DAY = FIRST + timedelta(days=1)


@dataclass(frozen=True)
class Road:
    """A way to do the same night."""

    name: str
    buckets: int
    workers: str = ""
    environment: dict[str, str] = field(default_factory=dict)


ROADS = (
    Road("one process", 1),
    Road("one process, 32 buckets, 400 MB", 32, environment={"CALLBILL_MEMORY_LIMIT": "400MB"}),
    Road("2 processes", 8, "2"),
    Road("2 Spark workers", 8, "spark"),
)


def scale(folder: Path, sizes: tuple[int, ...]) -> list[dict[str, Any]]:
    """Each size by each road. Raises RuntimeError if two bills differ."""
    results = []
    for calls in sizes:
        place = made(folder, calls)
        bills = set()
        for road in ROADS:
            if road.workers == "spark" and not CLUSTER.exists():
                continue
            night, processor, steps, bill = _night(place, road)
            bills.add(bill)
            files = place / "night" / "warehouse.duckdb.files"
            results.append(
                {
                    "calls": calls,
                    "road": road.name,
                    "seconds": round(night.seconds, 2),
                    # Of the command itself and the processes that it started; not of a cluster.
                    "processor_seconds": round(processor, 2),
                    "memory_mb": round(night.memory_mb),
                    "log_bytes": _bytes(place / "landing"),
                    "record_bytes": _bytes(files / "raw"),
                    "call_bytes": _bytes(files / "int_calls") + _bytes(files / "int_calls_again"),
                    "steps": steps,
                }
            )
        if len(bills) > 1:
            raise RuntimeError(f"the bills of {calls} calls differ")
    return results


def made(folder: Path, calls: int) -> Path:
    """A place with logs of two days: a small one before, in which dbt compiles the models, and the
    one that is measured."""
    place = folder / f"scale-{calls}"
    make_day(place / "landing", FIRST, 1000, OWNERS)
    make_day(place / "landing", DAY, calls, OWNERS, first=10**9)
    return place


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _night(place: Path, road: Road) -> tuple[Timing, float, dict[str, float], str]:
    work = place / "night"
    shutil.rmtree(work, ignore_errors=True)
    bin_ = CLUSTER if CLUSTER.exists() else PROJECT / ".venv" / "bin"
    with _workers(road) as workers:
        environment = {"CALLBILL_BUCKETS": str(road.buckets), **road.environment, **workers}
        before = dict(os.environ)
        os.environ.update(environment)
        try:
            for used_on in (FIRST, DAY):
                usage = resource.getrusage(resource.RUSAGE_CHILDREN)
                timing = timed(
                    [
                        *(bin_ / "callbill", "run", "--json-logs"),
                        *("--landing", place / "landing"),
                        *("--warehouse", work / "warehouse.duckdb"),
                        *("--published", work / "published"),
                        *("--through", used_on + timedelta(days=1)),
                    ]
                )
                after = resource.getrusage(resource.RUSAGE_CHILDREN)
                processor = after.ru_utime + after.ru_stime - usage.ru_utime - usage.ru_stime
        finally:
            os.environ.clear()
            os.environ.update(before)
    status = json.loads((work / "published" / "status" / "last_run.json").read_text())
    return timing, processor, status["step_seconds"], bill_of(work, DAY)


@contextmanager
def _workers(road: Road) -> Iterator[dict[str, str]]:
    """What the environment says of the road's workers."""
    if road.workers != "spark":
        yield {"CALLBILL_WORKERS": road.workers}
        return
    # What starts clusters for the tests.
    from tests.support.servers import spark_master

    with tempfile.TemporaryDirectory() as folder, spark_master(Path(folder)) as address:
        yield {
            "CALLBILL_WORKERS": address,
            "SPARK_LOCAL_IP": "127.0.0.1",
            "PYSPARK_PYTHON": str(CLUSTER / "python"),
            "CALLBILL_MEMORY_LIMIT": "700MB",
        }
