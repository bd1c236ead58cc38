"""Records of before and after identifiers were cleaned: one call and one account, however written.

0.6.0 took identifiers as they came. The dirty place of tests/fixtures has calls that it sealed
under ids and accounts with blanks, tabs, apostrophes and `="…"` about them.
"""

from __future__ import annotations

import re
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
from callbill.base import rules

from tests.support.commands import callbill, settle, succeed
from tests.support.landing_files import json_lines, record, write
from tests.support.places import copy_of, lose_warehouse, manifest, places, query
from tests.support.releases_of_0_6_0 import place_of_0_6_0, settled_by_todays_rules
from tests.support.shared import make_once

BLANKS = " \t\n\r\u00a0\u200b\ufeff"


# Until identifiers are read clean there is nothing to match.
pytestmark = pytest.mark.skipif(rules.READING_RULES < 2, reason="identifiers are not read clean")


def cleaned(text: str) -> str:
    text = text.strip(BLANKS)
    quoted = re.fullmatch('="(.*)"', text)
    return (quoted[1] if quoted else text).strip(BLANKS).removeprefix("'").strip(BLANKS)


def query_calls(place: Path, query: str) -> list[tuple[Any, ...]]:
    """What a query of `calls` answers. A view of a release that was moved has another folder."""
    files = place / "published/current/parquet/calls/*/*.parquet"
    return duckdb.sql(f"with calls as (from '{files}') {query}").fetchall()


def charged_dirty(place: Path) -> list[tuple[str, str, datetime]]:
    """Sealed calls that are in the bill under an id or an account that is not clean."""
    calls = query_calls(
        place,
        """
        select request_id, owner_uin, called_at from calls
        group by all having sum(calls_billed) = 1 and max(settled_on) >= date '2026-08-29'
        order by all
        """,
    )
    dirty = [call for call in calls if (cleaned(call[0]), cleaned(call[1])) != call[:2]]
    # What is no identifier at all is not delivered again.
    return [call for call in dirty if re.fullmatch(r"\d{12}", cleaned(call[1]))]


def deliver(place: Path, calls: list[tuple[str, str, datetime]], day: date, spelling: str) -> None:
    spelled = {"clean": cleaned, "dirty": str}[spelling]
    lines = [
        record(spelled(request_id), owner_uin=spelled(owner), called_at=called_at.isoformat())
        for request_id, owner, called_at in calls
    ]
    write(place / f"landing/call_logs/arrived_on={day}/again-{spelling}.jsonl", json_lines(*lines))


@pytest.fixture(scope="module")
def old() -> Path:
    return place_of_0_6_0("dirty")


NIGHTS = (date(2026, 9, 4), date(2026, 9, 5), date(2026, 9, 6))
LAST = date(2026, 9, 7)


@pytest.fixture(scope="module")
def before() -> Path:
    """The same after a first night by today's rules, in which one of its calls turned out to have
    failed."""
    return settled_by_todays_rules()


@pytest.fixture(scope="module")
def after(before: Path) -> Path:
    """Some days later: the calls again in clean and in their own spelling, and at last one that
    failed."""
    return make_once("dirty-spelled-again", lambda folder: spell_again(before, folder)) / "copy"


def spell_again(before: Path, folder: Path) -> None:
    place = copy_of(before, folder)
    calls = charged_dirty(place)
    assert len(calls) >= 5
    deliver(place, calls, NIGHTS[1], "clean")
    deliver(place, calls, NIGHTS[2], "dirty")
    request_id, owner, called_at = of_another_account(calls)
    failed = record(
        cleaned(request_id),
        owner_uin=cleaned(owner),
        called_at=called_at.isoformat(),
        error_code="InternalError",
    )
    write(place / f"landing/call_logs/arrived_on={LAST}/failed.jsonl", json_lines(failed))
    settle(place, LAST)


def of_another_account(calls: list[tuple[str, str, datetime]]) -> tuple[str, str, datetime]:
    """The first whose account was not clean."""
    return next(call for call in calls if cleaned(call[1]) != call[1])


def test_no_call_is_charged_again_or_reversed(before: Path, after: Path) -> None:
    calls = {cleaned(request_id) for request_id, _, _ in charged_dirty(before)}
    rows = query_calls(
        after,
        f"""
        select settled_on, request_id, disposition, calls_billed from calls
        where settled_on between date '{NIGHTS[1]}' and date '{NIGHTS[2]}' order by all
        """,
    )
    again = [row for row in rows if cleaned(row[1]) in calls]
    assert {row[2:] for row in again} == {("duplicate", 0)}
    assert [row[0] for row in again] == sorted(NIGHTS[1:] * len(calls))
    new_lines = (
        "select count(*) from billing.bill_lines where settled_on between date '{}' and '{}'"
    )
    assert query(after, new_lines.format(*NIGHTS[1:])) == [(0,)]


def test_what_is_sealed_stays(old: Path, after: Path) -> None:
    before, now = manifest(old), manifest(after)
    assert before["settlement_hashes"].items() < now["settlement_hashes"].items()


def test_a_failure_reverses_the_call_under_the_account_that_was_charged(
    before: Path, after: Path
) -> None:
    _request_id, owner, _called_at = of_another_account(charged_dirty(before))
    lines = f"""
        select owner_uin, line_type, calls from billing.bill_lines
        where settled_on = date '{LAST}'
    """
    assert query(after, lines) == [(owner, "correction", -1)]


def test_it_holds_without_the_warehouse(after: Path, tmp_path: Path) -> None:
    place = copy_of(after, tmp_path)
    ended = callbill("verify", *places(place))
    assert (ended.returncode, ended.stderr.count("difference")) == (0, 0), ended.stderr
    lose_warehouse(place)
    succeed(callbill("rebuild", *places(place)))
    first, *_ = sorted(path.name for path in (place / "published" / "releases").iterdir())
    ended = callbill("diff", first, "current", *places(place))
    assert ended.returncode == 0, ended.stderr
    assert "Every date that was sealed says what it said." in ended.stdout
