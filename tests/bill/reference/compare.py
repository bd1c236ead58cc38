"""A published release against the model: what differs, table by table, in words."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from .model import (
    BillLine,
    CallRow,
    DailyUsage,
    MonthlyBill,
    PrecisionAdjustment,
    Settlement,
    Tables,
)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Row = dict[str, Any]
Key = tuple[Any, ...]

ROW_TYPES: dict[str, type[Any]] = {
    "calls": CallRow,
    "daily_usage": DailyUsage,
    "bill_lines": BillLine,
    "settlements": Settlement,
    "precision_adjustments": PrecisionAdjustment,
    "monthly_bills": MonthlyBill,
}
KEYS: dict[str, tuple[str, ...]] = {
    "calls": ("request_id", "settled_on"),
    "daily_usage": ("usage_date", "owner_uin", "operate_uin", "component_code"),
    "bill_lines": (
        "settled_on",
        "owner_uin",
        "component_code",
        "usage_date",
        "line_type",
        "list_price",
        "discount",
        "contract_price",
        "tier_from",
        "package_id",
        "waiver_id",
    ),
    "settlements": ("settled_on", "owner_uin", "product_code", "bill_month"),
    "precision_adjustments": ("bill_month", "owner_uin"),
    "monthly_bills": ("bill_month", "owner_uin", "product_code"),
}

MONEY = ("DECIMAL(38,8)",)
DEDUCTED = ("DECIMAL(18,2)", "DECIMAL(38,8)")
PRICE = ("DECIMAL(18,8)",)
COUNT = ("BIGINT",)
TYPES: dict[str, tuple[str, ...]] = {
    "called_at": ("TIMESTAMP WITH TIME ZONE",),
    "records": COUNT,
    "calls": COUNT,
    "calls_billed": COUNT,
    "calls_received": COUNT,
    "calls_failed": COUNT,
    "calls_unbilled": COUNT,
    "used_amount": PRICE,
    "list_price": PRICE,
    "contract_price": PRICE,
    "list_cost": MONEY,
    "real_cost": MONEY,
    "rated_amount": MONEY,
    "discount_amount": MONEY,
    "residual_amount": MONEY,
    "adjustment_amount": MONEY,
    "deducted_amount": DEDUCTED,
    "is_final": ("BOOLEAN",),
    "settled_on": ("DATE",),
    "usage_date": ("DATE",),
    "bill_month": ("DATE",),
}


@dataclass(frozen=True)
class OpsColumns:
    """The names of the columns that say what was read of each file."""

    files: str = "ops.source_files"
    file_id: str = "source_file_id"
    lines_read: str = "lines_read"
    accepted: str = "records_accepted"
    rejected: str = "records_rejected"
    floor: str = "settlement_floor"
    rejects: str = "ops.rejected_records"
    line_number: str = "line_number"
    reason: str = "reason"


# The reasons whose names are fixed. A line with these alone must be rejected for one of them.
NAMED_REASONS = {"unknown_outcome", "future_timestamp", "unreadable_file"}


def differences(
    published: Path, tables: Tables, limit: int = 10, ops: OpsColumns | None = None
) -> list[str]:
    """Sentences about whatever differs, at most `limit` a table; empty if nothing does.

    With `ops`, also what was accepted and rejected of each file.
    """
    current = published / "current"
    if tables.sealed_through is None:
        return ["a release exists, though nothing is sealed"] if current.exists() else []
    if not current.exists():
        return [f"no release, though all is sealed through {tables.sealed_through}"]
    found: list[str] = []
    with duckdb.connect(str(current / "callbill.duckdb"), read_only=True) as connection:
        # A fixed zone, so that dates and the text of timestamps don't depend on the machine.
        connection.execute("set timezone = 'UTC'")
        for table in KEYS:
            source = source_of(table, current)
            expected = [as_row(row) for row in getattr(tables, table)]
            if source is None:
                if expected:
                    found.append(f"{table}: not published; {len(expected)} rows expected")
                continue
            found += table_differences(connection, table, source, expected, limit)
            found += type_differences(connection, table, source)
        found += line_id_differences(connection)
        if ops is not None:
            found += ops_differences(connection, tables, ops)[: 2 * limit]
    return found


def source_of(table: str, current: Path) -> str | None:
    if table != "calls":
        return f"billing.{table}"
    parts = current / "parquet" / "calls"
    if not any(parts.glob("settled_on=*/*.parquet")):
        return None
    return f"read_parquet('{parts}/settled_on=*/*.parquet', hive_partitioning = true)"


def as_row(row: Any) -> Row:
    fields = {field.name: getattr(row, field.name) for field in dataclasses.fields(row)}
    if isinstance(row, CallRow):
        fields["source_file_id"] = fields.pop("source_file_ids")
    return fields


def column_types(connection: duckdb.DuckDBPyConnection, source: str) -> dict[str, str]:
    described = connection.execute(f"describe select * from {source}").fetchall()
    return {name: kind for name, kind, *_ in described}


def table_differences(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    source: str,
    expected: Sequence[Row],
    limit: int,
) -> list[str]:
    columns = model_columns(table)
    present = column_types(connection, source)
    missing = [name for name in columns if name not in present]
    if missing:
        return [f"{table}: lacks the columns {', '.join(missing)}"]
    # A point in time crosses over as microseconds: Python's own conversion needs another package.
    selected = [f"epoch_us({c}) as {c}" if c == "called_at" else c for c in columns]
    cursor = connection.execute(f"select {', '.join(selected)} from {source}")
    actual = [dict(zip(columns, values, strict=True)) for values in cursor.fetchall()]
    for row in actual:
        if "called_at" in row:
            row["called_at"] = EPOCH + timedelta(microseconds=row["called_at"])
    sentences = list(row_differences(table, by_key(table, expected), by_key(table, actual)))
    if len(sentences) > limit:
        sentences[limit:] = [f"{table}: and {len(sentences) - limit} more"]
    return sentences


def model_columns(table: str) -> list[str]:
    fields = dataclasses.fields(ROW_TYPES[table])
    return ["source_file_id" if f.name == "source_file_ids" else f.name for f in fields]


def by_key(table: str, rows: Iterable[Row]) -> dict[Key, list[Row]]:
    grouped: dict[Key, list[Row]] = {}
    for row in rows:
        grouped.setdefault(tuple(row[name] for name in KEYS[table]), []).append(row)
    return grouped


def row_differences(
    table: str, expected: Mapping[Key, list[Row]], actual: Mapping[Key, list[Row]]
) -> Iterable[str]:
    for key in sorted({*expected, *actual}, key=repr):
        label = f"{table} [{', '.join(map(str, key))}]"
        wanted, got = expected.get(key, []), actual.get(key, [])
        if len(got) > 1:
            yield f"{label}: {len(got)} rows of one key"
        elif not got:
            yield f"{label}: missing; expected {shown(table, wanted[0])}"
        elif not wanted:
            yield f"{label}: not expected: {shown(table, got[0])}"
        else:
            for name, value in wanted[0].items():
                if not agrees(value, got[0][name]):
                    yield f"{label}: {name} is {got[0][name]}, expected {display(value)}"


def agrees(expected: Any, actual: Any) -> bool:
    if isinstance(expected, frozenset):
        return actual in expected
    return bool(expected == actual)


def shown(table: str, row: Row) -> str:
    rest = {name: value for name, value in row.items() if name not in KEYS[table]}
    return ", ".join(f"{name}={display(value)}" for name, value in rest.items())


def display(value: Any) -> str:
    return " or ".join(sorted(value)) if isinstance(value, frozenset) else str(value)


def type_differences(
    connection: duckdb.DuckDBPyConnection, table: str, source: str
) -> Iterable[str]:
    for name, kind in column_types(connection, source).items():
        if kind in ("DOUBLE", "FLOAT"):
            yield f"{table}: {name} is a {kind}"
        elif name in TYPES and kind not in TYPES[name]:
            yield f"{table}: {name} is {kind}, expected {' or '.join(TYPES[name])}"


def line_id_differences(connection: duckdb.DuckDBPyConnection) -> Iterable[str]:
    if "line_id" not in column_types(connection, "billing.bill_lines"):
        return ["bill_lines: lacks the columns line_id"]
    rows = connection.execute(
        "select line_id, count(*) from billing.bill_lines group by all having count(*) > 1"
        " or line_id is null"
    ).fetchall()
    return [f"bill_lines: line_id {line_id} stands on {count} lines" for line_id, count in rows]


def ops_differences(
    connection: duckdb.DuckDBPyConnection, tables: Tables, ops: OpsColumns
) -> list[str]:
    found = []
    counted = connection.execute(
        f"select {ops.file_id}, {ops.floor}, {ops.lines_read}, {ops.accepted}, {ops.rejected}"
        f" from {ops.files}"
    ).fetchall()
    # How many lines an unreadable file counts for is nowhere said.
    compared = {file.file_id: 4 if file.is_readable else 1 for file in tables.files}
    # Content can be delivered several times.
    actual = Counter((file_id, *values[: compared.get(file_id)]) for file_id, *values in counted)
    expected = Counter(
        (
            file.file_id,
            *(file.floor, file.lines_read, file.accepted, file.rejected)[: compared[file.file_id]],
        )
        for file in tables.files
    )
    for only, which in ((actual - expected, "not expected"), (expected - actual, "missing")):
        found += [f"{ops.files} {file}: {which}" for file in sorted(only, key=repr)]

    rejected = connection.execute(
        f"select {ops.file_id}, {ops.line_number}, {ops.reason} from {ops.rejects}"
    ).fetchall()
    whole_files = {reject.file_id for reject in tables.rejects if reject.line_number is None}
    reasons = {(f, None if f in whole_files else line): reason for f, line, reason in rejected}
    allowed = {(reject.file_id, reject.line_number): reject.reasons for reject in tables.rejects}
    for key in sorted({*reasons, *allowed}, key=repr):
        label = f"{ops.rejects} {key[0]} line {key[1]}"
        if key not in reasons:
            found.append(f"{label}: not rejected, expected {allowed[key]}")
        elif key not in allowed:
            found.append(f"{label}: rejected as {reasons[key]}, expected to be accepted")
        elif set(allowed[key]) <= NAMED_REASONS and reasons[key] not in allowed[key]:
            found.append(f"{label}: rejected as {reasons[key]}, expected {allowed[key]}")
    return found
