"""Reading a file as a task: what it is asked and what it answers fits into JSON, and it needs no
warehouse."""

from __future__ import annotations

import gzip
import hashlib
import json
from dataclasses import asdict, replace
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest
from callbill.base.settings import Settings
from callbill.ingest.read_task import FileToRead, ReadTask
from callbill.tasks.exchange import Exchange
from callbill.tasks.ingest import as_item, read_files, run
from callbill.warehouse.loads import LineSelection

from tests.support.landing_files import json_lines, record


def task_of(folder: Path, feed: str, name: str, content: bytes, **changes: Any) -> ReadTask:
    """A task that reads one file into `folder`."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    file = FileToRead(
        path=path,
        name=name,
        compression=".gz" if name.endswith(".gz") else "",
        source_file_id=hashlib.sha256(content).hexdigest(),
        arrived_on=date(2026, 3, 3),
        settlement_floor=date(2026, 3, 3),
    )
    kind = "csv" if ".csv" in name else "json"
    return ReadTask(
        name="task",
        feed=feed,
        shape="canonical",
        kind=kind,
        billing_timezone="Asia/Shanghai",
        reading_rules=1,
        files=(replace(file, **changes),),
        folder=folder / "out",
        scratch=folder / "scratch",
    )


def answer_to(task: ReadTask) -> tuple[dict[str, Any], Path]:
    """The outcome of a task that was sent away, and the folder with what it wrote."""
    exchange = Exchange(Settings(warehouse=task.folder.parent / "warehouse.duckdb"))
    task = replace(task, folder=exchange.root / "loading" / "task")
    item = json.loads(json.dumps(as_item(task, exchange, "read")))
    answer = json.loads(json.dumps(run(item)))
    folder = exchange.root / "taken"
    handed = answer["handed"]
    exchange.take(handed, {name: folder / name.removeprefix("read/") for name in handed})
    return answer["outcome"], folder


def without_names(outcome: dict[str, Any]) -> dict[str, Any]:
    """An outcome without the names of its files, which are new each time."""
    return {
        "files": outcome["files"],
        "parts": len(outcome["parts"]),
        "sizes": sorted(map(list, outcome["sizes"].values())),
        "rejects": bool(outcome["rejects"]),
    }


def rows_of(folder: Path, parts: list[str]) -> list[tuple[Any, ...]]:
    names = [str(folder / part) for part in parts]
    query = "select * from read_parquet(?, hive_partitioning = false) order by all"
    return duckdb.execute(query, [names]).fetchall() if names else []


CALLS = json_lines(record("a"), "not JSON", record("b", owner_uin="1.0E+11"), record("c"))
CONTRACTS = (
    b"owner_uin,component_code,effective_from,effective_to,discount,contract_price\n"
    b"100000000001,wimgs_search_by_text,2026-03-01,,0.5,\n"
    b"100000000002,wimgs_search_by_text,2026-03-01,,7,\n"
)


@pytest.mark.parametrize(
    ("feed", "name", "content", "changes", "counts"),
    [
        ("call_logs", "calls.jsonl", CALLS, {}, (2, 2)),
        ("call_logs", "calls.jsonl.gz", gzip.compress(CALLS, mtime=0), {}, (2, 2)),
        ("call_logs", "clean.jsonl", json_lines(record("a"), record("b")), {}, (2, 0)),
        (
            "call_logs",
            "again.jsonl",
            CALLS,
            {"lines": LineSelection(frozenset({1, 3}), only=True)},
            (1, 1),
        ),
        (
            "call_logs",
            "known.jsonl",
            CALLS,
            {"rejected": LineSelection(frozenset({1}), only=True)},
            (1, 3),
        ),
        ("contracts", "contracts.csv", CONTRACTS, {}, (1, 1)),
    ],
)
def test_a_task_gives_the_same_by_way_of_json(
    tmp_path: Path,
    feed: str,
    name: str,
    content: bytes,
    changes: dict[str, Any],
    counts: tuple[int, int],
) -> None:
    here = task_of(tmp_path / "here", feed, name, content, **changes)
    with duckdb.connect() as con:
        con.execute("set TimeZone = 'UTC'")
        outcome = read_files(con, here)
    there = task_of(tmp_path / "there", feed, name, content, **changes)
    answer, folder = answer_to(there)
    assert without_names(answer) == without_names(asdict(outcome))
    [file] = outcome.files.values()
    assert (file.accepted, file.rejected) == counts
    rows = rows_of(here.folder, outcome.parts)
    assert len(rows) == counts[0]
    assert rows == rows_of(folder, answer["parts"])
    rejects = [outcome.rejects] if outcome.rejects else []
    assert len(rows_of(here.folder, rejects)) == counts[1]
    assert not here.scratch.exists()


def test_a_file_that_cannot_be_unpacked_is_one_reject(tmp_path: Path) -> None:
    cut = gzip.compress(CALLS)[:-9]
    task = task_of(tmp_path, "call_logs", "cut.jsonl.gz", cut)
    answer, folder = answer_to(task)
    [file] = answer["files"].values()
    assert (file["accepted"], file["rejected"]) == (0, 0)
    assert file["unreadable"].startswith("does not decompress to its end")
    assert answer["parts"] == []
    assert len(rows_of(folder, [answer["rejects"]])) == 1


def test_a_worker_that_sees_another_content_than_was_listed_says_so(tmp_path: Path) -> None:
    task = replace(task_of(tmp_path, "call_logs", "calls.jsonl", CALLS), check_content=True)
    assert answer_to(task)[0]["files"]
    (tmp_path / "calls.jsonl").write_bytes(CALLS.replace(b"JSON", b"XSON"))
    exchange = Exchange(Settings(warehouse=tmp_path / "warehouse.duckdb"))
    task = replace(task, folder=exchange.root / "loading" / "task")
    answer = run(as_item(task, exchange, "read"))
    assert "sees another content of calls.jsonl than was listed" in answer["other"]
