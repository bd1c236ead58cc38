"""A place's own log shapes through the command: what was loaded keeps the shape it was read by."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support.commands import callbill, succeed
from tests.support.landing_files import json_lines, record, write
from tests.support.places import (
    copy_of,
    lose_warehouse,
    manifest,
    places,
    query,
    query_warehouse,
)
from tests.support.shared import make_once

DAY, NEXT_DAY = "2026-09-02", "2026-09-03"
SHAPE = """
fields:
  request_id: id
  called_at: at
  owner_uin: account
  action: api
  http_status: status
"""


def line(number: int, day: str = "2026-09-01", **fields: object) -> bytes:
    text = f'{{"id": "shape-{number:06d}", "at": "{day}T10:00:00+08:00", "api": "SearchByText",'
    more = "".join(f' "{name}": "{value}",' for name, value in fields.items())
    return (text + more + ' "status": 200}\n').encode()


def run(place: Path, through: str, *more: str) -> None:
    succeed(callbill("run", *places(place), "--through", through, *more))


def make_place(place: Path) -> None:
    write(place / "shapes/ours.yml", SHAPE.encode())
    write(
        place / f"landing/call_logs/format=ours/arrived_on={DAY}/calls.jsonl",
        line(1, account="100000000921") + line(2, payer="100000000922"),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CALLBILL_SHAPES", str(place / "shapes"))
        run(place, DAY)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place after its first night."""
    place = copy_of(make_once("shape-of-a-place", make_place), tmp_path)
    monkeypatch.setenv("CALLBILL_SHAPES", str(place / "shapes"))
    return place


def test_a_changed_shape_counts_from_then_on(place: Path) -> None:
    assert query(place, "select request_id from billing.calls") == [("shape-000001",)]
    before = manifest(place)
    changed = SHAPE.replace("owner_uin: account", "owner_uin: payer")
    write(place / "shapes/ours.yml", changed.encode())
    write(
        place / f"landing/call_logs/format=ours/arrived_on={NEXT_DAY}/calls.jsonl",
        line(3, "2026-09-02", payer="100000000923"),
    )
    # The line without an account was right: the shape was wrong.
    file = f"call_logs/format=ours/arrived_on={DAY}/calls.jsonl"
    succeed(callbill("retry", *places(place), file))
    run(place, NEXT_DAY)
    found = query(place, "select request_id, owner_uin from billing.calls order by 1")
    assert found == [
        ("shape-000001", "100000000921"),
        ("shape-000002", "100000000922"),
        ("shape-000003", "100000000923"),
    ]
    assert sorted(manifest(place)["shapes"].values()) == sorted([SHAPE, changed])
    assert before["settlement_hashes"].items() < manifest(place)["settlement_hashes"].items()
    succeed(callbill("verify", *places(place)))
    # Also without the shapes: the release has the texts of those that it was made by.
    shutil.rmtree(place / "shapes")
    succeed(callbill("verify", *places(place)))
    succeed(callbill("rebuild", *places(place)))
    assert query(place, "select request_id, owner_uin from billing.calls order by 1") == found


def test_a_file_that_was_withdrawn_before_it_was_read_needs_no_shape(place: Path) -> None:
    """No shape is kept of it: nothing was read by one."""
    file = f"call_logs/format=ours/arrived_on={NEXT_DAY}/calls.jsonl"
    write(place / "landing" / file, line(3, "2026-09-02", account="100000000923"))
    write(
        place / f"landing/call_logs/arrived_on={NEXT_DAY}/calls.jsonl",
        json_lines(record("other", called_at="2026-09-02T10:00:00+08:00")),
    )
    succeed(callbill("quarantine", *places(place), file, "--reason=twice"))
    run(place, NEXT_DAY)
    withdrawn = "select path, lines_read, quarantine_reason from ops.source_files"
    before = query_warehouse(place, f"{withdrawn} order by all")
    assert (file, 0, "twice") in before
    succeed(callbill("rebuild", *places(place)))
    assert query_warehouse(place, f"{withdrawn} order by all") == before
    # Nor does a night whose warehouse was lost.
    lose_warehouse(place)
    run(place, "2026-09-04")
    assert query(place, f"{withdrawn} order by all") == before


def test_a_mistake_in_a_shape_ends_the_run(place: Path) -> None:
    write(place / "shapes/other.yml", SHAPE.replace("request_id", "request_ids").encode())
    ended = callbill("run", *places(place), "--through", NEXT_DAY)
    assert ended.returncode == 2
    assert "other.yml: key fields.request_ids is no field: is request_id meant?" in ended.stderr
