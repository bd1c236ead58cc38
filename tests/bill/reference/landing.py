"""Files as they land: lines to bytes in every accepted form, and worlds to a landing folder."""

from __future__ import annotations

import csv
import dataclasses
import gzip
import io
import json
import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb

from .inputs import File, Line, Seeds, World

CALL_LOG_COLUMNS = (
    "request_id",
    "called_at",
    "owner_uin",
    "operate_uin",
    "action",
    "region",
    "http_status",
    "error_code",
    "latency_ms",
    "edition",
    "note",  # unknown to the warehouse, which ignores it
)
CONTRACT_COLUMNS = (
    "owner_uin",
    "component_code",
    "effective_from",
    "effective_to",
    "discount",
    "contract_price",
)
ATTRIBUTE_COLUMNS = ("owner_uin", "attribute", "value", "effective_from")
PACKAGE_COLUMNS = (
    "package_id",
    "owner_uin",
    "component_code",
    "calls",
    "valid_from",
    "valid_to",
)
WAIVER_COLUMNS = (
    "waiver_id",
    "owner_uin",
    "usage_date",
    "component_code",
    "calls",
    "request_id",
    "reason",
)
COLUMNS = {
    "call_logs": CALL_LOG_COLUMNS,
    "contracts": CONTRACT_COLUMNS,
    "packages": PACKAGE_COLUMNS,
    "waivers": WAIVER_COLUMNS,
    "account_attributes": ATTRIBUTE_COLUMNS,
}
INTEGER_COLUMNS = {"http_status", "latency_ms"}
ZSTD_BLOCK_BYTES = 128 * 1024


def make_file(
    feed: str,
    name: str,
    arrived_on: date,
    rows: Sequence[Mapping[str, Any] | str],
    container: str = "jsonl",
    shape: str = "canonical",
    placed_run: int = 0,
    dated_by_path: bool = True,
) -> File:
    """A file of these rows; `container` is the ending of its name, such as csv.gz or parquet.

    A row that is a string lands as it is, in JSON lines only. Without `dated_by_path` the file's
    modification date is to say when it arrived.
    """
    kind, _, compression = container.partition(".")
    columns = COLUMNS[feed]
    if kind == "parquet":
        lines = [Line(number, row) for number, row in enumerate(rows, start=1)]
        content = parquet_bytes(columns, mappings(rows))
    elif kind == "csv":
        content, lines = csv_bytes(columns, mappings(rows))
    else:
        texts = [row if isinstance(row, str) else json_text(row) for row in rows]
        lines = [Line(number, row) for number, row in enumerate(rows, start=1)]
        content = "".join(f"{text}\n" for text in texts).encode()
    folders = [feed]
    if dated_by_path:
        folders.append(f"arrived_on={arrived_on}")
    if shape != "canonical":
        folders.append(f"format={shape}")
    return File(
        feed=feed,
        path="/".join([*folders, f"{name}.{container}"]),
        arrived_on=arrived_on,
        content=compressed(content, compression),
        lines=tuple(lines),
        shape=shape,
        placed_run=placed_run,
    )


def cut_short(file: File) -> File:
    """The same file as if its delivery had broken off; only a compressed one can tell."""
    assert file.path.endswith(".gz")
    half = len(file.content) // 2
    return dataclasses.replace(file, content=file.content[:half], lines=None)


def mappings(rows: Iterable[Mapping[str, Any] | str]) -> list[Mapping[str, Any]]:
    return [row for row in rows if not isinstance(row, str)]


def json_text(row: Mapping[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False)


def csv_bytes(
    columns: Sequence[str], rows: Iterable[Mapping[str, Any]]
) -> tuple[bytes, list[Line]]:
    """A row is numbered by the physical line it begins on: a quoted field may hold line ends."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    lines = []
    for row in rows:
        values = ["" if row.get(column) is None else str(row[column]) for column in columns]
        number = buffer.getvalue().count("\n") + 1
        lines.append(Line(number, dict(zip(columns, values, strict=True))))
        writer.writerow(values)
    return buffer.getvalue().encode(), lines


def parquet_bytes(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> bytes:
    """Integers where the field is one, text otherwise."""
    types = {name: "bigint" if name in INTEGER_COLUMNS else "varchar" for name in columns}
    as_text = [
        {name: None if row.get(name) is None else str(row[name]) for name in columns}
        for row in rows
    ]
    with tempfile.TemporaryDirectory() as folder, duckdb.connect() as connection:
        source, target = Path(folder) / "rows.jsonl", Path(folder) / "rows.parquet"
        connection.execute("set threads = 1")
        source.write_text("".join(f"{json_text(row)}\n" for row in as_text))
        connection.execute(
            f"copy (from read_json('{source}', format = 'newline_delimited', columns = {types}))"
            f" to '{target}' (format parquet)"
        )
        return target.read_bytes()


def compressed(content: bytes, compression: str) -> bytes:
    if compression == "gz":
        return gzip.compress(content, mtime=0)
    if compression == "zst":
        return zstd_frame(content)
    assert compression == ""
    return content


def zstd_frame(content: bytes) -> bytes:
    """A valid Zstandard frame of raw blocks, which needs no library to write."""
    # Frame header: single segment, an eight-byte content size, no checksum, no dictionary.
    frame = bytearray(b"\x28\xb5\x2f\xfd\xe0") + len(content).to_bytes(8, "little")
    starts = range(0, len(content), ZSTD_BLOCK_BYTES) or range(1)
    for start in starts:
        block = content[start : start + ZSTD_BLOCK_BYTES]
        is_last = start == starts[-1]
        frame += (len(block) << 3 | is_last).to_bytes(3, "little") + block
    return bytes(frame)


def write(world: World, landing: Path, run: int | None = None) -> list[Path]:
    """Put the files into the landing folder that appear before this run; all without one."""
    written = []
    for file in world.files:
        if run is not None and file.placed_run != run:
            continue
        target = landing / file.path
        target.parent.mkdir(parents=True, exist_ok=True)
        # Two files of one path would silently be one, and the model would know of both.
        assert not target.exists(), target
        target.write_bytes(file.content)
        if "arrived_on=" not in file.path:
            zone = ZoneInfo(world.settings.billing_timezone)
            noon = datetime.combine(file.arrived_on, time(12), zone).timestamp()
            os.utime(target, (noon, noon))
        written.append(target)
    return written


def write_seeds(folder: Path, seeds: Seeds) -> None:
    products = sorted({one.product_code for one in seeds.components})
    contents: dict[str, list[tuple[object, ...]]] = {
        "products": [("product_code", "product_name"), *((code, code) for code in products)],
        "components": [
            ("component_code", "component_name", "product_code", "calls_per_price_unit",
             "used_amount_unit", "price_unit"),
            *((one.component_code, one.component_code, one.product_code, one.calls_per_price_unit,
               "unit", "CNY/unit") for one in seeds.components),
        ],
        "component_actions": [
            ("action", "component_code", "effective_from", "known_from", "attributes"),
            *((action, one.component_code, None, None, None)
              for one in seeds.components for action in one.actions),
            *((one.action, one.component_code, one.effective_from,
               None if one.known_from == date.min else one.known_from,
               ";".join(f"{name}={value}" for name, value in sorted(one.attributes)))
              for one in seeds.claims),
        ],
        "list_prices": [
            ("component_code", "effective_from", "known_from", "list_price", "tier_from",
             "tier_period"),
            *((one.component_code, one.effective_from, one.known_from, one.list_price,
               one.tier_from, one.tier_period) for one in seeds.list_prices),
        ],
    }  # fmt: skip
    for name, rows in contents.items():
        with (folder / f"{name}.csv").open("w", newline="") as stream:
            csv.writer(stream, lineterminator="\n").writerows(rows)
