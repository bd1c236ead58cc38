"""Reading one batch of files: a plain function of an item, which can run anywhere.

In the default run it uses the warehouse's own connection. `run` uses one of its own, and takes and
gives what JSON can hold: what a scheduler would send to a worker and get back.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from callbill.ingest.read_task import FileToRead, ReadOutcome, ReadTask
from callbill.ingest.reading import read_files
from callbill.warehouse.loads import LineSelection

__all__ = ["ReadOutcome", "ReadTask", "as_item", "read_files", "run"]


def run(item: dict[str, Any]) -> dict[str, Any]:
    """Read the files of an item that `as_item` made. Gives the fields of a ReadOutcome."""
    with closing(duckdb.connect()) as con:
        con.execute("set TimeZone = 'UTC'")
        con.execute("set preserve_insertion_order = false")
        return asdict(read_files(con, _task(item)))


def as_item(task: ReadTask) -> dict[str, Any]:
    """A task as what JSON can hold."""
    return {
        **{key: value for key, value in vars(task).items() if isinstance(value, str | int)},
        "folder": str(task.folder),
        "scratch": str(task.scratch),
        "files": [
            {
                **{key: str(value) for key, value in vars(file).items()},
                "lines": _selection_as_item(file.lines),
                "rejected": _selection_as_item(file.rejected),
            }
            for file in task.files
        ],
    }


def _task(item: dict[str, Any]) -> ReadTask:
    files = tuple(
        FileToRead(
            **file
            | {
                "path": Path(file["path"]),
                "arrived_on": date.fromisoformat(file["arrived_on"]),
                "settlement_floor": date.fromisoformat(file["settlement_floor"]),
                "lines": _selection(file["lines"]),
                "rejected": _selection(file["rejected"]),
            }
        )
        for file in item["files"]
    )
    return ReadTask(
        **item | {"files": files, "folder": Path(item["folder"]), "scratch": Path(item["scratch"])}
    )


def _selection_as_item(lines: LineSelection | None) -> dict[str, Any] | None:
    return {"numbers": sorted(lines.numbers), "only": lines.only} if lines else None


def _selection(item: dict[str, Any] | None) -> LineSelection | None:
    return LineSelection(frozenset(item["numbers"]), only=item["only"]) if item else None
