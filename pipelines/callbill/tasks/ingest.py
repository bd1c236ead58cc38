"""Reads one batch of files: a plain function of plain data, which can run in any process.

The job calls `read_files` with the warehouse's own connection. `run` opens a connection of its own,
and its argument and result are JSON values, which a scheduler can send to a worker and back.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import asdict, replace
from datetime import date
from pathlib import Path
from typing import Any

from callbill.ingest.read_task import (
    FileOutcome,
    FileToRead,
    OtherContentError,
    ReadOutcome,
    ReadTask,
)
from callbill.ingest.reading import read_files
from callbill.tasks.connection import connect
from callbill.tasks.exchange import Exchange, workplace
from callbill.warehouse.loads import LineSelection

__all__ = ["ReadOutcome", "ReadTask", "as_item", "outcome_of", "read_files", "run"]


def run(item: dict[str, Any]) -> dict[str, Any]:
    """Read the files of a task in the form of `as_item`. The result has the fields of ReadOutcome
    and the files that were written (`Handed`), or says under `vanished` that a file was not there,
    under `other` that it had another content than was listed.

    Raises CallbillError as `read_files` does.
    """
    task = _task(item)
    with workplace(item["root"], item["folder"]) as place:
        task = replace(
            task,
            name=f"{task.name}-{place.token}",
            folder=place.folder / "read",
            scratch=place.folder / "scratch",
        )
        with closing(connect(item["share"], str(place.folder / "spill"))) as con:
            try:
                outcome = read_files(con, task)
            except FileNotFoundError as error:
                return {"vanished": str(error)}
            except OtherContentError as error:
                return {"other": str(error)}
        written = [*outcome.parts, *([outcome.rejects] if outcome.rejects else [])]
        names = {task.folder / name: f"{item['keep_in']}/{name}" for name in written}
        return {"outcome": asdict(outcome), "handed": place.hand_over(names)}


def outcome_of(answer: dict[str, Any]) -> ReadOutcome:
    """The outcome in a result of `run`."""
    outcome = answer["outcome"]
    files = {name: FileOutcome(**file) for name, file in outcome["files"].items()}
    return ReadOutcome(**outcome | {"files": files})


def as_item(
    task: ReadTask,
    exchange: Exchange,
    keep_in: str,
    share: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """A task as JSON values. `keep_in` is the folder for what it writes, relative to the exchange's
    root. `share` is what it may use of the machine (tasks/connection.py)."""
    return {
        "share": share,
        "root": str(exchange.root),
        "folder": exchange.name_of(task.folder),
        "keep_in": keep_in,
        "task": {key: value for key, value in vars(task).items() if isinstance(value, str | int)},
        "files": [
            {
                **{key: value and str(value) for key, value in vars(file).items()},
                "member": file.member,
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
                "settlement_floor": (
                    date.fromisoformat(file["settlement_floor"])
                    if file["settlement_floor"]
                    else None
                ),
                "lines": _selection(file["lines"]),
                "rejected": _selection(file["rejected"]),
            }
        )
        for file in item["files"]
    )
    nowhere = Path()
    return ReadTask(**item["task"], files=files, folder=nowhere, scratch=nowhere)


def _selection_as_item(lines: LineSelection | None) -> dict[str, Any] | None:
    return {"numbers": sorted(lines.numbers), "only": lines.only} if lines else None


def _selection(item: dict[str, Any] | None) -> LineSelection | None:
    return LineSelection(frozenset(item["numbers"]), only=item["only"]) if item else None
