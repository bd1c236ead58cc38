"""What was not accepted, by file and line; and a rejected line, read again from its file."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

from callbill.base.settings import Settings
from callbill.ingest.readers import json_lines
from callbill.ingest.readers.unpacking import open_unpacked
from callbill.queries.reading import open_warehouse_or_release
from callbill.storage.folder import at_hand, digest_of

_REJECTS = """
    select
        path, source_file_id, line_number, reason, detail, fields, line_length,
        count(*) over () as total
    from ops.rejected_records
    where ($path is null or contains(path, $path)) and ($reason is null or reason = $reason)
    order by path, line_number nulls first
    limit $limit
"""


@dataclass(frozen=True)
class Reject:
    """A rejected line, or a whole file, which has no line number. `fields` is JSON."""

    path: str
    source_file_id: str
    line_number: int | None
    reason: str
    detail: str | None
    fields: str | None
    line_length: int | None


@dataclass(frozen=True)
class Rejects:
    """The first of the rejects that were asked for, and how many there are."""

    rejects: list[Reject]
    total: int
    is_selection: bool
    """Whether only those of some files or reasons were asked for."""


def load_rejects(
    settings: Settings, *, path: str | None, reason: str | None, limit: int
) -> Rejects:
    """At most so many rejects, of files whose path contains `path` and with this reason."""
    selection = {"path": path, "reason": reason, "limit": limit}
    with closing(open_warehouse_or_release(settings)) as con:
        rows = con.execute(_REJECTS, selection).fetchall()
    return Rejects(
        rejects=[Reject(*row[:-1]) for row in rows],
        total=rows[0][-1] if rows else 0,
        is_selection=bool(path or reason),
    )


def read_rejected_line(landing: Path, reject: Reject, line_number: int) -> str:
    """A rejected line from its file in the landing folder, or why it cannot be read again."""
    with TemporaryDirectory() as scratch:
        try:
            path = at_hand(landing / reject.path, Path(scratch))
            if digest_of(path) != reject.source_file_id:
                return "(the file was changed since)"
        except OSError as error:
            return f"(the file cannot be read: {error.strerror or error})"
        return _line_of(path, reject, line_number)


def _line_of(path: Path, reject: Reject, line_number: int) -> str:
    compression = path.suffix if path.suffix in (".gz", ".zst") else ""
    if Path(reject.path.removesuffix(compression)).suffix == ".parquet":
        return _parquet_row(path, line_number)
    with path.open("rb") as source:
        return json_lines.line_at(open_unpacked(source, compression), line_number)


def _parquet_row(path: Path, number: int) -> str:
    with duckdb.connect() as con:
        rows = con.execute(
            "select cast(to_json(p) as varchar) from"
            " (from read_parquet(?, hive_partitioning = false)) as p limit 1 offset ?",
            [str(path), number - 1],
        ).fetchall()
    return rows[0][0] if rows else "(the file has no such row any more)"
