"""What was not accepted, by file and line; and a rejected line, read again from its file."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

from callbill.base import rules
from callbill.base.settings import Settings
from callbill.ingest.landing import kind_of
from callbill.ingest.readers import flattening, json_lines
from callbill.ingest.readers.lines import UnreadableFileError
from callbill.ingest.readers.opening import open_plain
from callbill.ingest.readers.unpacking import unpack
from callbill.ingest.shapes import shape_of
from callbill.queries.reading import open_warehouse_or_release
from callbill.release.checkpoint import archived_file
from callbill.storage.archives import DamagedArchiveError, list_members
from callbill.storage.folder import at_hand, digest_of

_REJECTS = """
    select
        path, source_file_id, line_number, reason, detail, fields, line_length,
        (
            select any_value(f.format) from ops.source_files as f
            where f.feed = r.feed and f.source_file_id = r.source_file_id
        ) as format,
        count(*) over () as total
    from ops.rejected_records as r
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
    format: str


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


def read_rejected_line(
    settings: Settings, reject: Reject, line_number: int, shapes: Mapping[str, str]
) -> str:
    """A rejected line from its file in the landing folder or the archive, or why it cannot be read
    again. `shapes` has the texts of a place's own log shapes, by name."""
    landing = settings.landing
    archived = archived_file(settings.published, reject.source_file_id)
    if archived and archived.moved_to and not (landing / reject.path).exists():
        landing = Path(archived.moved_to)
    with TemporaryDirectory() as folder:
        scratch = Path(folder)
        try:
            path, member = _find(landing, reject.path, scratch)
            if digest_of(path, member) != reject.source_file_id:
                return "(the file was changed since)"
            return _line_of(path, member, reject, line_number, shapes, scratch)
        except OSError as error:
            where = f" in {archived.moved_to}" if archived and archived.moved_to else ""
            is_archived = f"; it is archived{where}" if archived else ""
            return f"(the file cannot be read: {error.strerror or error}{is_archived})"
        except (DamagedArchiveError, UnreadableFileError) as error:
            return f"(the file {error})"


def _find(landing: Path, name: str, scratch: Path) -> tuple[Path, int | None]:
    """A path to read a file from, and its place if that is an archive. Raises OSError."""
    parts = name.split("/")
    for n, part in enumerate(parts[:-1], 1):
        if part.lower().endswith(".zip"):
            path = at_hand(landing / "/".join(parts[:n]), scratch)
            wanted = "/".join(parts[n:])
            for member in list_members(path):
                if member.name == wanted:
                    return path, member.index
            raise FileNotFoundError(f"{'/'.join(parts[:n])} has no {wanted} any more")
    return at_hand(landing / name, scratch), None


def _line_of(
    path: Path,
    member: int | None,
    reject: Reject,
    line_number: int,
    shapes: Mapping[str, str],
    scratch: Path,
) -> str:
    kind, compression = kind_of(reject.path)
    feed = reject.path.split("/")[0]
    shape = shape_of(feed, reject.format, rules.READING_RULES, shapes.get(reject.format, ""))
    if shape.is_flattened and kind in ("json", "document", "text"):
        content = unpack(path, member, compression, scratch / "content")
        value = flattening.value_at(content, kind, shape, line_number)
        return "(it is not there any more)" if value is None else value.decode("utf-8", "replace")
    plain = open_plain(path, member, kind, compression, shape, scratch / "content")
    if plain.kind == "parquet":
        return _parquet_row(plain.path, line_number)
    with plain.path.open("rb") as source:
        return json_lines.line_at(source, line_number)


def _parquet_row(path: Path, number: int) -> str:
    with duckdb.connect() as con:
        rows = con.execute(
            "select cast(to_json(p) as varchar) from"
            " (from read_parquet(?, hive_partitioning = false)) as p limit 1 offset ?",
            [str(path), number - 1],
        ).fetchall()
    return rows[0][0] if rows else "(the file has no such row any more)"
