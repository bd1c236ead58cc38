"""A story for tests of the job: calls with a history, and what a run leaves behind."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

from prometheus_client.openmetrics.parser import text_string_to_metric_families

from tests.support.commands import callbill, settle, succeed
from tests.support.shared import make_once

OWNER = "100000000071"


def record(request_id: str, called_at: str, **fields: object) -> str:
    said = {
        "request_id": request_id,
        "called_at": called_at,
        "owner_uin": OWNER,
        "action": "SearchByText",
        "http_status": 200,
        **fields,
    }
    return json.dumps(said)


def land(place: Path, arrived_on: str, *lines: str, name: str = "calls.jsonl") -> Path:
    folder = place / "landing" / "call_logs" / f"arrived_on={arrived_on}"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text("".join(line + "\n" for line in lines))
    return path


def status(place: Path) -> dict:
    return json.loads((place / "published" / "status" / "last_run.json").read_text())


# Calls with a history: charged, delivered again, reversed, late, under a contract known late.
STORY = {
    "2026-03-02": [
        record("s-1", "2026-03-01T10:00:00+08:00"),
        record("s-2", "2026-03-01T11:00:00+08:00"),
        record("s-2", "2026-03-01T11:00:00+08:00"),
    ],
    "2026-03-03": [
        record("s-1", "2026-03-01T10:00:00+08:00"),
        record("s-3", "2026-03-02T23:59:59+08:00"),
        record("s-4", "2026-03-03T00:10:00+08:00"),
    ],
    "2026-03-05": [
        record("s-2", "2026-03-01T11:00:01+08:00", error_code="InternalError"),
        record("s-5", "2026-03-01T09:00:00+08:00"),
    ],
}
CONTRACT = "owner_uin,component_code,effective_from,effective_to,discount,contract_price\n" + (
    f"{OWNER},wimgs_search_by_text,2026-03-01,,0.855,\n"
)


def land_story(place: Path) -> None:
    for arrived_on, lines in STORY.items():
        land(place, arrived_on, *lines)
    folder = place / "landing" / "contracts" / "arrived_on=2026-03-04"
    folder.mkdir(parents=True)
    (folder / "contracts.csv").write_text(CONTRACT)


READER = """
import sys, duckdb
con = duckdb.connect(sys.argv[1], read_only=True)
print(con.execute("select sum(records) from billing.calls").fetchone()[0], flush=True)
sys.stdin.readline()
print(con.execute("select sum(records) from billing.calls").fetchone()[0], flush=True)
"""


def metrics(place: Path) -> dict[tuple[str, str], float]:
    text = (place / "published" / "status" / "callbill.prom").read_text()
    return {
        (sample.name, ",".join(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def entries(place: Path) -> dict[str, tuple[int, int]]:
    """All files by size and time, locks left out."""
    return {
        str(path.relative_to(place)): (path.stat().st_size, path.stat().st_mtime_ns)
        for path in place.rglob("*")
        if path.is_file() and ".lock" not in path.name
    }


# --- places in which the story was settled; nobody changes them ---


def settled_at_once() -> Path:
    """In one run."""

    def make(place: Path) -> None:
        land_story(place)
        settle(place, "2026-03-06")

    return make_once("story-at-once", make)


def settled_by_night() -> Path:
    """Day by day through 6 March, with a reader that held the first release open."""
    return _nights() / "place"


def settled_before_the_last_night() -> Path:
    """Day by day through 5 March."""
    return _nights() / "before"


def _nights() -> Path:
    def make(folder: Path) -> None:
        place = folder / "place"
        land_story(place)
        settle(place, "2026-03-02")
        database = place / "published" / "current" / "callbill.duckdb"
        reader = subprocess.Popen(
            [sys.executable, "-c", READER, str(database)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert reader.stdout is not None
        assert reader.stdout.readline() == "3\n"
        for day in (3, 4, 5):
            settle(place, f"2026-03-0{day}")
        shutil.copytree(place, folder / "before", symlinks=True)
        settle(place, "2026-03-06")
        out, _ = reader.communicate("again\n", timeout=60)
        assert out == "3\n"

    return make_once("story-by-night", make)


def settled_in_a_place() -> Path:
    """In a place that `callbill init` made, in one run from a folder below it."""

    def make(folder: Path) -> None:
        place = folder / "acme"
        succeed(callbill("init", "acme", cwd=folder))
        land_story(place)
        succeed(callbill("run", "--through", "2026-03-06", cwd=place / "shapes"))

    return make_once("story-in-a-place", make) / "acme"
