"""A release made from the model does not differ from it; a changed one differs by the change."""

from __future__ import annotations

import dataclasses
import shutil
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest

from .compare import KEYS, ROW_TYPES, TYPES, OpsColumns, as_row, differences
from .model import Tables, tables
from .worlds import ROUGH_SEEDS, sample

OPS_COLUMNS = OpsColumns(
    files="ops.files",
    file_id="file_id",
    accepted="accepted",
    rejected="rejected",
    floor="floor",
    rejects="ops.rejects",
    line_number="line",
)
OPS_TYPES = {
    "floor": "date",
    "lines_read": "bigint",
    "accepted": "bigint",
    "rejected": "bigint",
}


@pytest.fixture(scope="module")
def result() -> Tables:
    return tables(sample(5, seed=3, seeds=ROUGH_SEEDS, runs=(date(2024, 3, 2), date(2024, 9, 1))))


@pytest.fixture(scope="module")
def published(result: Tables, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release of the model's own tables."""
    return publish(result, tmp_path_factory.mktemp("published"))


def publish(result: Tables, published: Path) -> Path:
    current = published / "current"
    (current / "parquet").mkdir(parents=True)
    with duckdb.connect(str(current / "callbill.duckdb")) as connection:
        connection.execute("set timezone = 'UTC'")
        connection.execute("create schema billing")
        connection.execute("create schema ops")
        for table, row_type in ROW_TYPES.items():
            rows = [as_row(row) for row in getattr(result, table)]
            names = [field.name for field in dataclasses.fields(row_type)]
            names = ["source_file_id" if n == "source_file_ids" else n for n in names]
            where = "main" if table == "calls" else "billing"
            write(connection, f"{where}.{table}", names, rows)
        connection.execute("alter table billing.bill_lines add column line_id varchar")
        connection.execute("update billing.bill_lines set line_id = rowid::varchar")
        connection.execute(
            f"copy main.calls to '{current}/parquet/calls'"
            " (format parquet, partition_by settled_on)"
        )
        files = [dataclasses.asdict(file) for file in result.files]
        counts = ["file_id", "floor", "lines_read", "accepted", "rejected"]
        write(connection, "ops.files", counts, files)
        rejects = [
            {"file_id": r.file_id, "line": r.line_number, "reason": r.reasons[0]}
            for r in result.rejects
        ]
        write(connection, "ops.rejects", ["file_id", "line", "reason"], rejects)
    return published


def write(
    connection: duckdb.DuckDBPyConnection, table: str, names: list[str], rows: list[dict[str, Any]]
) -> None:
    types = {"discount": "decimal(18,8)", "line": "bigint", **OPS_TYPES}
    declared = ", ".join(f'"{n}" {TYPES.get(n, (types.get(n, "varchar"),))[0]}' for n in names)
    connection.execute(f"create table {table} ({declared})")
    for row in rows:
        values = [min(v) if isinstance(v := row[n], frozenset) else v for n in names]
        connection.execute(f"insert into {table} values ({', '.join('?' * len(names))})", values)


def test_a_release_made_from_the_model_does_not_differ(result: Tables, published: Path) -> None:
    assert all(getattr(result, table) for table in KEYS)

    assert differences(published, result, ops=OPS_COLUMNS) == []


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("update billing.bill_lines set real_cost = real_cost + 0.00000001", "real_cost is"),
        ("delete from billing.settlements", "missing; expected rated_amount="),
        ("insert into billing.monthly_bills from billing.monthly_bills", "2 rows of one key"),
        ("update billing.daily_usage set owner_uin = 'x'", "not expected"),
        ("update billing.bill_lines set line_id = 'x'", "line_id x stands on"),
        (
            "alter table billing.settlements drop residual_amount",
            "lacks the columns residual_amount",
        ),
        ("alter table billing.settlements alter rated_amount type double", "is a DOUBLE"),
        ("update ops.files set accepted = accepted + 1", "ops.files"),
        ("delete from ops.rejects", "not rejected, expected"),
    ],
)
def test_what_is_changed_is_named(
    change: str, expected: str, result: Tables, published: Path, tmp_path: Path
) -> None:
    changed = shutil.copytree(published, tmp_path / "changed")
    with duckdb.connect(str(changed / "current" / "callbill.duckdb")) as connection:
        connection.execute(change)

    found = differences(changed, result, ops=OPS_COLUMNS)

    assert any(expected in sentence for sentence in found), found


def test_a_release_is_expected_once_something_is_sealed(result: Tables, tmp_path: Path) -> None:
    nothing = dataclasses.replace(result, sealed_through=None)

    assert differences(tmp_path, nothing) == []
    assert differences(tmp_path, result) == ["no release, though all is sealed through 2024-09-01"]
