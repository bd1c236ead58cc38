"""What a run makes of the files in a landing folder, to be asked for case by case."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from tests.support.commands import run_job
from tests.support.landing_files import (
    OWNER,
    RECORD,
    Fields,
    record,
    write,
)

USED, ARRIVED = "2026-03-02", "2026-03-03"
THROUGH, LATER_THROUGH = "2026-03-06", "2026-03-09"
SEARCH_TEXT = "赤いティーポット-teapot"


class Landing:
    """The landing folder while it is being filled."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(
        self,
        case: str,
        name: str,
        content: bytes,
        *,
        arrived_on: str | None = ARRIVED,
        feed: str = "call_logs",
        shape: str | None = None,
    ) -> str:
        """Write a file of a case; its path in the landing folder."""
        folders = [feed, case]
        folders += [f"format={shape}"] if shape else []
        folders += [f"arrived_on={arrived_on}"] if arrived_on else []
        path = "/".join([*folders, name])
        write(self.root / path, content)
        return path


@dataclass(frozen=True)
class Release:
    """What one run left behind."""

    place: Path
    database: duckdb.DuckDBPyConnection
    warehouse: duckdb.DuckDBPyConnection
    status: dict[str, Any]
    ended: subprocess.CompletedProcess[str]

    def records(self, case: str) -> list[Fields]:
        """Records of the files whose paths begin so, by request id."""
        rows = self.warehouse.execute(
            f"""
            select {", ".join(f"c.{name}" for name in RECORD)}, f.path
            from raw.call_logs as c
            inner join ops.source_files as f
                on c.source_file_id = f.source_file_id and f.feed = 'call_logs'
            where starts_with(f.path, ?)
            order by c.request_id, c.settled_on, f.path
            """,
            [f"call_logs/{case}"],
        ).fetchall()
        return [dict(zip((*RECORD, "path"), row, strict=True)) for row in rows]

    def request_ids(self, case: str) -> list[str]:
        return [one["request_id"] for one in self.records(case)]

    def rejects(self, case: str, feed: str = "call_logs") -> list[tuple[int | None, str]]:
        return self.database.execute(
            """
            select line_number, reason from ops.rejected_records
            where starts_with(path, ?) and feed = ? order by path, line_number nulls first
            """,
            [f"{feed}/{case}", feed],
        ).fetchall()

    def files(self, case: str, feed: str = "call_logs") -> list[Fields]:
        rows = self.database.execute(
            """
            select path, format, arrived_on::varchar, settlement_floor::varchar, lines_read,
                records_accepted, records_rejected
            from ops.source_files where starts_with(path, ?) order by path, source_file_id
            """,
            [f"{feed}/{case}"],
        ).fetchall()
        names = ("path", "format", "arrived_on", "floor", "lines", "accepted", "rejected")
        return [dict(zip(names, row, strict=True)) for row in rows]

    def counts(self, case: str, feed: str = "call_logs") -> list[tuple[int, int, int]]:
        return [(one["lines"], one["accepted"], one["rejected"]) for one in self.files(case, feed)]

    def not_read(self) -> dict[str, str]:
        return {one["name"]: one["why"] for one in self.status["files_not_read"]}


def run(place: Path, through: str) -> None:
    ended = run_job(place, "--through", through)
    assert ended.returncode == 0, ended.stderr
    # A later run publishes and writes the warehouse again: what this one left is kept.
    kept = place / through
    kept.mkdir()
    shutil.copyfile(place / "published/current/callbill.duckdb", kept / "release.duckdb")
    shutil.copyfile(place / "published/status/last_run.json", kept / "last_run.json")
    shutil.copyfile(place / "warehouse.duckdb", kept / "warehouse.duckdb")
    (kept / "ended.json").write_text(json.dumps([ended.args, ended.stdout, ended.stderr]))


def left_by_run(place: Path, through: str) -> Release:
    """What was kept of a run."""
    kept = place / through
    command, out, err = json.loads((kept / "ended.json").read_text())
    return Release(
        place,
        duckdb.connect(str(kept / "release.duckdb"), read_only=True),
        duckdb.connect(str(kept / "warehouse.duckdb"), read_only=True),
        json.loads((kept / "last_run.json").read_text()),
        subprocess.CompletedProcess(command, 0, out, err),
    )


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


# id, time as text and as epoch seconds, owner, sub-account, error code
SHAPED_CALLS = (
    ("1", "2026-03-02T10:00:00+08:00", 1772416800, OWNER, "100000000082", None),
    ("2", "2026-03-02T10:00:01+08:00", 1772416801, OWNER, None, "FailedOperation"),
    ("3", "2026-03-01T23:59:59+08:00", 1772380799, "100000000083", None, None),
)


def envelope(call: tuple, request_id: str) -> Fields:
    _, called_at, _, owner, operate, code = call
    error = {"Error": {"Code": code, "Message": "no"}} if code else {}
    return {
        "called_at": called_at,
        "owner_uin": owner,
        "operate_uin": operate,
        "action": "SearchByText",
        "Response": {"RequestId": request_id, "Images": [], **error},
    }


GOOD = record("good")

CSV_HEADER = "request_id,called_at,owner_uin,action,http_status,error_code,Query\n"


def numbered(reasons: Sequence[str | None]) -> list[tuple[int, str]]:
    return [(n, reason) for n, reason in enumerate(reasons, 1) if reason not in (None, "blank")]
