"""What `make bench` measures. Each campaign returns the results to keep."""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.measure import OTHERS, Timing, median_seconds, timed
from benchmarks.place import FIRST, Night, Place

# Each engine with the interpreter that has its packages.
_OWN, _OTHER = Path(sys.executable), OTHERS / "bin" / "python"
ENGINES = {"floor": _OWN, "polars_streaming": _OWN, "clickhouse": _OTHER, "spark": _OTHER}
OWNERS = 1000


@dataclass(frozen=True)
class Sizes:
    """How much a campaign does: calls of a small and of a large day, and rounds."""

    few: int = 1_000_000
    many: int = 10_000_000
    rounds: int = 3


def day(folder: Path, sizes: Sizes) -> list[dict[str, Any]]:
    """A day of calls: callbill, the floor and other engines, in turns."""
    results = [
        _day(folder / f"day-{calls}", calls, OWNERS, sizes.rounds)
        for calls in (sizes.few, sizes.many)
    ]
    millions = (sizes.many - sizes.few) / 1e6
    for name, many in results[-1]["engines"].items():
        few = results[0]["engines"][name]
        many["further_million"] = round((many["seconds"] - few["seconds"]) / millions, 3)
    return results


def parts(folder: Path, sizes: Sizes) -> list[dict[str, Any]]:
    """What the engine alone takes for the parts of a large day, beside the floor."""
    place = Place(folder / f"day-{sizes.many}", FIRST + timedelta(days=1))
    files = place.calls(sizes.many, OWNERS)
    rounds: list[dict[str, float]] = []
    floors = []
    for _ in range(sizes.rounds):
        alone = timed([sys.executable, "-m", "benchmarks.engines.parts", files, folder])
        rounds.append(json.loads(alone.output))
        floors.append(timed([sys.executable, "-m", "benchmarks.engines.floor", files]))
    floor = median_seconds(floors)
    seconds = {part: median(some[part] for some in rounds) for part in rounds[0]}
    return [
        {
            "calls": sizes.many,
            "floor_seconds": round(floor, 2),
            "parts": {
                part: {"seconds": round(some, 2), "of_floor": round(some / floor, 2)}
                for part, some in seconds.items()
            },
        }
    ]


def owners(folder: Path, sizes: Sizes) -> list[dict[str, Any]]:
    """The same number of calls of few accounts and of many."""
    return [
        _day(folder / f"owners-{number}", sizes.few, number, sizes.rounds, others=False)
        for number in (OWNERS, 100 * OWNERS)
    ]


def packed(folder: Path, sizes: Sizes) -> list[dict[str, Any]]:
    """The same calls plain and packed, beside what unpacking them alone costs."""
    results = []
    for packing in ("", "gzip", "zstd"):
        place = folder / f"packed-{packing or 'not'}"
        result = _day(place, sizes.few, OWNERS, sizes.rounds, packing=packing, others=False)
        result["packing"] = packing
        files = sorted((place / "landing" / "call_logs").glob("*/*.jsonl.*"))
        if packing:
            unpack = [sys.executable, "-m", "benchmarks.unpack", *files]
            alone = [json.loads(timed(unpack).output) for _ in range(sizes.rounds)]
            result["unpacking_alone_seconds"] = round(median(alone), 3)
        results.append(result)
    return results


def small(folder: Path, sizes: Sizes) -> list[dict[str, Any]]:
    """Nights with little to do, and with nothing."""
    place = Place(folder / "small", FIRST + timedelta(days=2))
    place.history(1_000, OWNERS)
    place.calls(1_000, OWNERS)
    little, nothing = [], []
    for _ in range(sizes.rounds):
        little.append(place.night())
        nothing.append(place.again())
    return [
        {"night": "a thousand calls", **_steps_result(little)},
        {"night": "nothing due", **_steps_result(nothing)},
    ]


def year(folder: Path, sizes: Sizes) -> list[dict[str, Any]]:
    """A night after a year of history beside the third night."""
    return _growth(folder, sizes, calls=2 * OWNERS, days=365)


def window(folder: Path, sizes: Sizes) -> list[dict[str, Any]]:
    """A night after as many days as de-duplication looks back on, a million calls each."""
    return _growth(folder, sizes, calls=sizes.few, days=62)


CAMPAIGNS: dict[str, Callable[[Path, Sizes], list[dict[str, Any]]]] = {
    function.__name__: function for function in (day, parts, small, owners, packed, year, window)
}


def _day(
    folder: Path, calls: int, owners: int, rounds: int, *, packing: str = "", others: bool = True
) -> dict[str, Any]:
    """A day's calls, settled in a warehouse that has settled another day."""
    place = Place(folder, FIRST + timedelta(days=1))
    place.history(min(calls, 100_000), owners)
    files = place.calls(calls, owners, packed=packing)
    engines = [name for name, python in ENGINES.items()
               if python.exists() and (others or name == "floor")]  # fmt: skip
    nights: list[Night] = []
    timings: dict[str, list[Timing]] = {name: [] for name in engines}
    bills: defaultdict[str, set[str]] = defaultdict(set)
    for _ in range(rounds):
        nights.append(place.night())
        bills["callbill"].add(nights[-1].bill)
        for name in engines:
            if name == "spark" and timings[name]:
                continue  # one is enough to see how far it is
            timings[name].append(timed([ENGINES[name], "-m", f"benchmarks.engines.{name}", files]))
            bills[name].add(timings[name][-1].output.strip())
    if len(set().union(*bills.values())) > 1:
        raise SystemExit(f"the bills differ: {dict(bills)}")
    floor = median_seconds(timings["floor"])
    timings = {"callbill": [night.timing for night in nights], **timings}
    return {
        "calls": calls,
        "owners": owners,
        "bytes": sum(path.stat().st_size for path in files.iterdir()),
        "bill": json.loads(nights[-1].bill),
        "engines": {
            name: {**_timing_result(some), "of_floor": round(median_seconds(some) / floor, 2)}
            for name, some in timings.items()
        },
        "steps": _steps_result(nights)["steps"],
        "bytes_kept_per_call": round(place.kept() / calls, 1),
    }


def _growth(folder: Path, sizes: Sizes, *, calls: int, days: int) -> list[dict[str, Any]]:
    results = []
    # The third night has two days before it.
    for before in (2, days):
        place = Place(folder / f"growth-{calls}", FIRST + timedelta(days=before))
        place.history(calls, OWNERS)
        place.calls(calls, OWNERS)
        results.append({"days_before": before, "calls": calls,
                        **_steps_result([place.night() for _ in range(sizes.rounds)])})  # fmt: skip
    return results


def _steps_result(nights: list[Night]) -> dict[str, Any]:
    timing = _timing_result([night.timing for night in nights])
    steps = {
        step: round(median(night.steps.get(step, 0) for night in nights), 2)
        for step in nights[0].steps
    }
    steps["start and end"] = round(timing["seconds"] - sum(steps.values()), 2)
    return {**timing, "steps": steps}


def _timing_result(timings: list[Timing]) -> dict[str, Any]:
    return {
        "seconds": round(median_seconds(timings), 2),
        "all_seconds": [round(timing.seconds, 2) for timing in timings],
        "memory_mb": round(max(timing.memory_mb for timing in timings)),
    }
