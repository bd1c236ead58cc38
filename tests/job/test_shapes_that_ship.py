"""Each shape that callbill ships reads its example file, made from the documentation that the shape
names. All examples hold the same two calls, one of which failed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from callbill.ingest.shapes import call_log_shapes

from tests.support.commands import callbill, run_job
from tests.support.places import places, query, query_warehouse
from tests.support.shared import make_once

EXAMPLES = Path(__file__).parent.parent / "fixtures" / "shapes"
FILES = sorted(path.relative_to(EXAMPLES).as_posix() for path in EXAMPLES.glob("*/*"))
DAY = "2026-09-02"
CALLS = ["8f14e45f-ceea-467f-a8e7-000000000001", "8f14e45f-ceea-467f-a8e7-000000000002"]


@pytest.fixture(scope="module")
def place() -> Path:
    return make_once("shapes-that-ship", _make)


def _make(folder: Path) -> None:
    for name in FILES:
        shape, _, file = name.partition("/")
        target = folder / "landing/call_logs" / f"format={shape}" / f"arrived_on={DAY}" / file
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(EXAMPLES / name, target)
    ended = run_job(folder, "--through", DAY)
    (folder / "stdout").write_text(ended.stdout + ended.stderr)
    assert ended.returncode == 0, ended.stderr


def test_each_shape_has_an_example() -> None:
    assert {name.partition("/")[0] for name in FILES} == set(call_log_shapes())


def test_each_shape_says_what_it_is_for() -> None:
    for name, shape in call_log_shapes().items():
        assert shape.describes, name
        assert shape.source.startswith("https://") or name in ("canonical", "envelope"), name


@pytest.mark.parametrize("name", FILES)
def test_an_example_is_read_as_its_two_calls(place: Path, name: str) -> None:
    shape, _, file = name.partition("/")
    records = query_warehouse(
        place,
        f"""
        select c.request_id, c.called_at::date::varchar, c.owner_uin, c.action,
            c.usage_date::varchar,
            c.error_code is not null or c.http_status not between 200 and 299
        from raw.call_logs as c
        inner join ops.source_files as f using (source_file_id)
        where f.path like '%format={shape}/%/{file}' order by c.request_id
        """,
    )
    expected = [
        (call, "2026-09-01", "100000000901", "SearchByText", "2026-09-01", call == CALLS[1])
        for call in CALLS
    ]
    assert records == expected


def test_copies_of_a_call_are_one_call(place: Path) -> None:
    assert query(place, "select request_id, disposition from billing.calls order by 1") == [
        (CALLS[0], "billed"), (CALLS[1], "failed"),
    ]  # fmt: skip


def test_an_attempt_that_reached_no_server_is_of_its_own_kind(place: Path) -> None:
    rejected = query(place, "select reason, line_number from ops.rejected_records")
    assert rejected == [("never_reached", 3)]


def test_verify_agrees(place: Path) -> None:
    ended = callbill("verify", *places(place))
    assert ended.returncode == 0, ended.stdout + ended.stderr
