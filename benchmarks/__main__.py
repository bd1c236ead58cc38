"""`make bench`: callbill on a day of calls, against a floor and other engines, in turns."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from datetime import UTC, date, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click
import duckdb
from rich.console import Console
from rich.table import Table

from benchmarks.data import make_day
from benchmarks.engines.bill import tell
from benchmarks.measure import PROJECT, Timing, machine, middle, timed

RESULTS = PROJECT / "benchmarks" / "results"
FIRST, DAY = date(2026, 3, 1), date(2026, 3, 2)
ENGINES = {
    "floor": "duckdb",
    "polars_streaming": "polars",
    "clickhouse": "chdb",
    "spark": "pyspark",
}


class Place:
    """Landing files with a warehouse that has settled a day already."""

    def __init__(self, folder: Path, calls: int, owners: int, packed: str = "") -> None:
        self.folder = folder
        self.landing = folder / "landing"
        make_day(self.landing, FIRST, min(calls, 100_000), owners, first=10**12)
        self.files = make_day(self.landing, DAY, calls, owners, packed=packed)
        self.before = folder / "before"
        shutil.rmtree(self.before, ignore_errors=True)
        self.run(self.before, FIRST)

    def run(self, place: Path, used_on: date, *arguments: object) -> Timing:
        """The job, through the day after the usage date given."""
        return timed(
            [
                Path(sys.executable).with_name("callbill"), "run", "--json-logs",
                *("--landing", self.landing), *("--warehouse", place / "warehouse.duckdb"),
                *("--published", place / "published"),
                *("--through", date.fromordinal(used_on.toordinal() + 1)), *arguments,
            ]
        )  # fmt: skip

    def night(self) -> tuple[Timing, dict[str, float], str]:
        """A night's run on a fresh copy: its time, its steps, and its bill."""
        place = self.folder / "night"
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(self.before, place, symlinks=True)
        timing = self.run(place, DAY)
        status = json.loads((place / "published" / "status" / "last_run.json").read_text())
        return timing, status["step_seconds"], bill(place, DAY)


def bill(place: Path, used_on: date) -> str:
    """The published bill of a usage date, told as the engines tell theirs."""
    database = place / "published" / "current" / "callbill.duckdb"
    with duckdb.connect(str(database), read_only=True) as con:
        rows = con.execute(
            "select owner_uin, usage_date, calls, real_cost from billing.bill_lines"
            " where usage_date = ?",
            [used_on],
        ).fetchall()
    return tell(rows)


def compare(folder: Path, calls: int, owners: int, rounds: int, packed: str) -> dict[str, Any]:
    """All engines that are installed, in turns."""
    place = Place(folder, calls, owners, packed)
    installed = {
        name: package
        for name, package in ENGINES.items()
        if find_spec(package) and (not packed or name == "floor")
    }
    timings: dict[str, list[Timing]] = {name: [] for name in ("callbill", *installed)}
    steps: list[dict[str, float]] = []
    bills: dict[str, str] = {}
    for _ in range(rounds):
        timing, seconds, bills["callbill"] = place.night()
        timings["callbill"].append(timing)
        steps.append(seconds)
        for name in installed:
            if name == "spark" and timings[name]:
                continue  # one is enough to see how far it is
            timing = timed([sys.executable, "-m", f"benchmarks.engines.{name}", place.files])
            timings[name].append(timing)
            bills[name] = timing.said.strip()
    if len(set(bills.values())) > 1:
        raise SystemExit(f"the bills differ: {bills}")
    floor = middle(timings["floor"])
    return {
        "calls": calls,
        "owners": owners,
        "packed": packed,
        "bytes": sum(path.stat().st_size for path in place.files.iterdir()),
        "rounds": rounds,
        "bill": json.loads(bills["callbill"]),
        "engines": {
            name: {
                "seconds": round(middle(some), 2),
                "all_seconds": [round(one.seconds, 2) for one in some],
                "of_floor": round(middle(some) / floor, 2),
                "memory_mb": round(max(one.memory_mb for one in some)),
            }
            for name, some in timings.items()
        },
        "callbill_steps": {
            step: sorted(one.get(step, 0) for one in steps)[len(steps) // 2] for step in steps[0]
        },
    }


def show(result: dict[str, Any]) -> None:
    console = Console()
    packed = f", {result['packed']}" if result["packed"] else ""
    table = Table(
        title=f"{result['calls']:,} calls{packed}, {result['bytes'] / 1e9:.2f} GB, medians of "
        f"{result['rounds']}; all bills agree"
    )
    for column in ("", "seconds", "of the floor", "memory, MB"):
        table.add_column(column, justify="left" if not column else "right")
    for name, said in result["engines"].items():
        table.add_row(name, f"{said['seconds']:.2f}", f"{said['of_floor']:.2f}",
                      f"{said['memory_mb']:,}")  # fmt: skip
    console.print(table)
    total = result["engines"]["callbill"]["seconds"]
    steps = dict(result["callbill_steps"])
    steps["start and end"] = total - sum(steps.values())
    table = Table(title="where callbill's time goes")
    for column in ("step", "seconds", "share"):
        table.add_column(column, justify="left" if column == "step" else "right")
    for step, seconds in steps.items():
        table.add_row(step, f"{seconds:.2f}", f"{seconds / total:.0%}")
    console.print(table)


@click.command()
@click.option("--folder", type=click.Path(path_type=Path), default=PROJECT / "data" / "bench")
@click.option("--calls", type=int, multiple=True, default=(1_000_000, 10_000_000))
@click.option("--owners", type=int, default=1000)
@click.option("--rounds", type=int, default=3)
@click.option("--packed", type=click.Choice(["", "gzip", "zstd"]), default="")
@click.option("--keep/--no-keep", default=True, help="Write the results to benchmarks/results.")
def main(
    folder: Path, calls: tuple[int, ...], owners: int, rounds: int, packed: str, keep: bool
) -> None:
    """Time callbill on a day of calls against one statement that keeps nothing, and others."""
    results = []
    for number in calls:
        name = f"{number}-{owners}" + (f"-{packed}" if packed else "")
        results.append(compare(folder / name, number, owners, rounds, packed))
        show(results[-1])
    if len(results) > 1:
        for name in results[-1]["engines"]:
            more = [result["engines"][name]["seconds"] for result in (results[0], results[-1])]
            each = (more[1] - more[0]) / (results[-1]["calls"] - results[0]["calls"]) * 1e6
            results[-1]["engines"][name]["seconds_per_further_million"] = round(each, 3)
        print("each further million calls:", {
            name: said["seconds_per_further_million"]
            for name, said in results[-1]["engines"].items()
        })  # fmt: skip
    if keep:
        RESULTS.mkdir(exist_ok=True)
        now = datetime.now(UTC)
        commit = subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"], cwd=PROJECT, capture_output=True, text=True,
            check=False,
        ).stdout.strip()  # fmt: skip
        said = {"at": now.isoformat(timespec="seconds"), "commit": commit, **machine()}
        target = (
            RESULTS / f"{now:%Y-%m-%d}-{'-'.join(map(str, calls))}{packed and '-' + packed}.json"
        )
        target.write_text(json.dumps({**said, "results": results}, indent=1) + "\n")
        print(f"kept in {target.relative_to(PROJECT)}")


if __name__ == "__main__":
    main()
