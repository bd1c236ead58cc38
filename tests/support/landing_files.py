"""Landing files for tests: writing them in every format, and loading them without the whole job."""

from __future__ import annotations

import csv
import gzip
import io
import json
import shutil
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, BinaryIO
from unittest import mock

import duckdb
import polars
import zstandard
from callbill.base.settings import load_settings, load_vars
from callbill.ingest.feed import raw_tables
from callbill.ingest.readers import delimited
from callbill.ingest.readers import json_lines as json_reader
from callbill.ingest.readers.lines import BadLine, Line
from callbill.jobs.loading import load_landing
from callbill.tasks.workers.in_process import InProcess
from callbill.warehouse.warehouse import Warehouse

OWNER = "100000000081"
Fields = dict[str, Any]

# Every column of raw.call_logs but the file that a record came from.
RECORD = (
    "request_id",
    "called_at",
    "owner_uin",
    "operate_uin",
    "action",
    "region",
    "http_status",
    "error_code",
    "latency_ms",
    "attributes",
    "usage_date",
    "settled_on",
    "settlement_floor",
)


def record(request_id: str, **fields: object) -> Fields:
    """A line that is accepted, unless `fields` say otherwise."""
    return {
        "request_id": request_id,
        "called_at": "2026-03-02T10:00:00+08:00",
        "owner_uin": OWNER,
        "action": "SearchByText",
        "http_status": 200,
        **fields,
    }


def without(fields: Fields, *names: str) -> Fields:
    return {name: value for name, value in fields.items() if name not in names}


def json_lines(*said: Fields | str | bytes, end: bytes = b"\n") -> bytes:
    """Lines of JSON; a text is a line as it is."""
    return b"".join(_line(one) + end for one in said)


def _line(said: Fields | str | bytes) -> bytes:
    if isinstance(said, bytes):
        return said
    if isinstance(said, str):
        return said.encode("utf-8", "surrogatepass")
    return json.dumps(said, ensure_ascii=False).encode()


def csv_file(rows: Sequence[Mapping[str, object]], end: str = "\n") -> bytes:
    text = io.StringIO(newline="")
    names = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.DictWriter(text, names, lineterminator=end)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def parquet_file(
    rows: Sequence[Mapping[str, object]], *, like: Mapping[str, object] | None = None
) -> bytes:
    """Rows as Parquet; where there are none, `like` tells of the columns."""
    frame = polars.DataFrame(list(rows) or [like], infer_schema_length=None)
    sink = io.BytesIO()
    (frame if rows else frame.clear()).write_parquet(sink)
    return sink.getvalue()


def gz(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)


def zst(content: bytes) -> bytes:
    # As a stream: the frame's header does not tell its length, as with `zstd < file`.
    compressor = zstandard.ZstdCompressor(write_checksum=True).compressobj()
    return compressor.compress(content) + compressor.flush()


def write(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


@dataclass(frozen=True)
class Loaded:
    """What became of files, by their paths in the landing folder."""

    records: dict[str, list[tuple]]
    rejects: dict[str, list[tuple[int | None, str]]]
    counts: dict[str, tuple[int, int, int]]  # lines read, accepted, rejected
    read_line_by_line: frozenset[str]

    def records_in(self, paths: Iterable[str]) -> list[tuple]:
        return sorted((row for path in paths for row in self.records[path]), key=repr)

    def reasons_in(self, paths: Iterable[str]) -> list[str]:
        return sorted(reason for path in paths for _line, reason in self.rejects[path])


def load(
    place: Path,
    files: Mapping[str, bytes],
    *,
    through: date = date(2026, 3, 31),
    line_by_line: bool = True,
) -> Loaded:
    """Load files into a new warehouse. Without `line_by_line` nothing is read of those that would
    be read so, which is faster where it only matters that they would be."""
    shutil.rmtree(place, ignore_errors=True)
    for path, content in files.items():
        write(place / "landing" / path, content)
    settings = load_settings(
        landing=place / "landing",
        warehouse=place / "warehouse.duckdb",
        published=place / "published",
    )
    warehouse = Warehouse.open(settings, raw_tables())
    with closing(warehouse), _watched(line_by_line) as read_line_by_line:
        load_landing(
            warehouse, settings, load_vars(settings), "run", through, None, {},
            lambda _: lambda _: None, InProcess(),
        )  # fmt: skip
        return _loaded(warehouse.con, read_line_by_line)


def _loaded(con: duckdb.DuckDBPyConnection, read_line_by_line: set[str]) -> Loaded:
    manifest = con.execute(
        """
        select source_file_id, path, lines_read, records_accepted, records_rejected
        from ops.source_files
        """
    ).fetchall()
    path_of = {source_file_id: path for source_file_id, path, *_ in manifest}
    records: defaultdict[str, list[tuple]] = defaultdict(list)
    for source_file_id, *row in con.execute(
        f"select source_file_id, {', '.join(RECORD)} from raw.call_logs"
    ).fetchall():
        records[path_of[source_file_id]].append(tuple(row))
    rejects: defaultdict[str, list[tuple[int | None, str]]] = defaultdict(list)
    for path, number, reason in con.execute(
        "select path, line_number, reason from ops.rejected_records order by all"
    ).fetchall():
        rejects[path].append((number, reason))
    return Loaded(
        records,
        rejects,
        {path: tuple(counts) for _id, path, *counts in manifest},
        frozenset(path_of[source_file_id] for source_file_id in read_line_by_line),
    )


@contextmanager
def _watched(line_by_line: bool) -> Iterator[set[str]]:
    """The files, by their contents' hashes, that are read line by line meanwhile."""
    seen: set[str] = set()
    read_json_lines, read_csv_records = json_reader.json_lines, delimited.csv_records

    def read_json(stream: BinaryIO, reading_rules: int) -> Iterator[Line | BadLine]:
        seen.add(Path(stream.name).stem)
        return read_json_lines(stream, reading_rules) if line_by_line else iter([])

    def read_csv(stream: BinaryIO, header: Sequence[str]) -> Iterator[Line | BadLine]:
        seen.add(Path(stream.name).stem)
        return read_csv_records(stream, header) if line_by_line else iter([])

    with (
        mock.patch.object(json_reader, "json_lines", read_json),
        mock.patch.object(delimited, "csv_records", read_csv),
    ):
        yield seen
