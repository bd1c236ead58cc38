"""Whether generated files are read as their calls, by a run's reader and by `verify`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import polars as pl
from callbill.base.rules import READING_RULES
from callbill.base.settings import load_settings, load_vars
from callbill.ingest.landing import LandingFile, files_of
from callbill.ingest.read_task import FileToRead, ReadOutcome, ReadTask
from callbill.ingest.shape_files import shape_names
from callbill.storage.folder import StoredFile
from callbill.tasks.ingest import read_files
from callbill.verify.records import accepted_records
from callbill.verify.texts import texts_of
from callbill.warehouse.loads import SourceLoad

from tests.support.generated_bills import GeneratedBill, generate_bill
from tests.support.generated_files import GeneratedFile, generate
from tests.support.single_files import database

ZONE = "Asia/Shanghai"
ARRIVED_ON = date(2026, 12, 1)
_COMPARED = ("request_id", "owner_uin", "http_status", "error_code")


def check(seeds: Iterable[int], folder: Path) -> None:
    """Read the generated files of these numbers both ways: as a run does, files of one shape and
    kind in one task, and as `verify` does. Raises AssertionError."""
    tasks: defaultdict[tuple[str, str], dict[str, tuple[GeneratedFile, LandingFile]]]
    tasks = defaultdict(dict)
    for seed in seeds:
        file = generate(seed)
        landed = _land(folder / f"{seed}", f"call_logs/format={file.shape}", file)
        tasks[file.shape, landed.kind][f"{seed:064d}"] = file, landed
    variables = load_vars(load_settings())
    for (shape, kind), files in tasks.items():
        task = _task("call_logs", shape, kind, {n: f for n, (_, f) in files.items()}, folder)
        outcome = read_files(database(), task)
        rows = _rows(database(), task, outcome, ", ".join(_COMPARED))
        for name, (file, landed) in files.items():
            expected = [tuple(call[field] for field in _COMPARED) for call in file.calls]
            counts = outcome.files[name]
            assert counts.unreadable is None, (name, file.name, counts.unreadable)
            assert sorted(rows[name], key=str) == sorted(expected, key=str), (name, file.name)
            assert counts.rejected == file.bad, (name, file.name)
            load = SourceLoad(
                name, "call_logs", landed.name, shape, ARRIVED_ON, ARRIVED_ON,
                reading_rules=READING_RULES,
            )  # fmt: skip
            found = texts_of(landed.path, load, folder, landed.member)
            texts = pl.concat([part for part, _ in found])
            assert len(texts) == len(file.calls) + file.bad, (name, file.name)
            records = accepted_records(texts, load, variables)
            again = sorted(zip(records["request_id"], records["is_failure"], strict=True))
            assert again == sorted(
                (request_id, code is not None or not 200 <= status < 300)
                for request_id, _owner, status, code in expected
            ), (name, file.name)


def check_bills(seeds: Iterable[int], folder: Path) -> None:
    """Read the generated bills of the vendor's of these numbers. Raises AssertionError."""
    tasks: defaultdict[str, dict[str, tuple[GeneratedBill, LandingFile]]] = defaultdict(dict)
    for seed in seeds:
        bill = generate_bill(seed)
        landed = _land(folder / f"{seed}", "vendor_bills", bill)
        tasks[landed.kind][f"{seed:064d}"] = bill, landed
    for kind, bills in tasks.items():
        only_files = {name: landed for name, (_bill, landed) in bills.items()}
        task = _task("vendor_bills", "canonical", kind, only_files, folder)
        outcome = read_files(database(), task)
        rows = _rows(database(), task, outcome, "owner_uin, usage_date, used_amount, real_cost")
        for name, (bill, _landed) in bills.items():
            counts = outcome.files[name]
            assert counts.unreadable is None, (name, bill.name, counts.unreadable)
            assert counts.rejected == 0, (name, bill.name)
            assert sorted(rows[name]) == sorted(bill.lines), (name, bill.name)


def _land(folder: Path, below: str, file: GeneratedFile | GeneratedBill) -> LandingFile:
    folder.mkdir()
    path = folder / file.name
    path.write_bytes(file.content)
    stat = path.stat()
    stored = StoredFile(
        name=f"{below}/{file.name}", path=path, size=stat.st_size, mtime_ns=stat.st_mtime_ns,
        inode=stat.st_ino,
    )  # fmt: skip
    [landed] = files_of(stored, shape_names({}), ZoneInfo(ZONE))
    assert isinstance(landed, LandingFile), (file.name, landed)
    return landed


def _task(
    feed: str, shape: str, kind: str, files: dict[str, LandingFile], folder: Path
) -> ReadTask:
    to_read = tuple(
        FileToRead(
            file.path, file.name, file.compression, name, ARRIVED_ON, ARRIVED_ON,
            member=file.member,
        )
        for name, file in files.items()
    )  # fmt: skip
    below = folder / f"{shape}-{kind}"
    return ReadTask(
        name="task", feed=feed, shape=shape, kind=kind, billing_timezone=ZONE,
        reading_rules=READING_RULES, files=to_read, folder=below / "out",
        scratch=below / "scratch",
    )  # fmt: skip


def _rows(
    con: duckdb.DuckDBPyConnection, task: ReadTask, outcome: ReadOutcome, columns: str
) -> defaultdict[str, list[tuple[Any, ...]]]:
    """What was accepted of each file."""
    rows: defaultdict[str, list[tuple[Any, ...]]] = defaultdict(list)
    if outcome.parts:
        query = f"select source_file_id, {columns} from read_parquet(?)"
        parts = [str(task.folder / part) for part in outcome.parts]
        for name, *values in con.execute(query, [parts]).fetchall():
            rows[name].append(tuple(values))
    return rows
