"""`callbill explain`: what it shows is enough to compute a line again, and to follow a call."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import redirect_stdout
from decimal import ROUND_HALF_UP, Decimal
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from callbill.cli.show.explanation import Facts, show_as_json, show_explained_request
from callbill.queries.explain import explain_line, explain_request

from tests.support.commands import callbill, run_job
from tests.support.landing_files import json_lines, record, write
from tests.support.places import copy_of, places, query, settings_of, unpublishable

FEN_MILLIONTH = Decimal("0.00000001")


def explained(place: Path, *what: str) -> dict[str, Any]:
    ended = callbill("explain", *what, "--json", *places(place))
    assert ended.returncode == 0, ended.stderr
    facts: dict[str, Any] = json.loads(ended.stdout)
    return facts


def shown(show: Callable[[Facts], None], found: Facts) -> str:
    """What the command prints of what it finds."""
    with redirect_stdout(StringIO()) as printed:
        show(found)
    return printed.getvalue()


def rounded(amount: Decimal) -> Decimal:
    return amount.quantize(FEN_MILLIONTH, ROUND_HALF_UP)


# One of each kind, with each kind of price, and the largest.
LINES = """
    select line_id from billing.bill_lines
    qualify row_number() over (
        partition by line_type, calls > 0, discount is null, discount = 1 order by line_id
    ) = 1 or calls = max(calls) over ()
"""


def test_a_line_can_be_computed_again_from_what_is_shown(sample_place: Path) -> None:
    lines = query(sample_place, LINES)
    settings, kinds = settings_of(sample_place), set()
    for (line_id,) in lines:
        facts = json.loads(shown(show_as_json, explain_line(settings, line_id, limit=None)))
        line, price, calls = facts["line"], facts["price"], facts["calls"]
        kinds.add((line["line_type"], line["calls"] > 0))
        list_price = Decimal(price["list_price"]["list_price"])
        contract = price["contract"]
        if contract is None:
            contract_price = list_price
        elif contract["contract_price"] is not None:
            contract_price = Decimal(contract["contract_price"])
        else:
            contract_price = rounded(list_price * Decimal(contract["discount"]))
        sign = -1 if line["calls"] < 0 else 1
        assert line["calls"] == sign * len(calls) == sign * facts["calls_in_all"]
        for name, each in (("real_cost", contract_price), ("list_cost", list_price)):
            cost = rounded(len(calls) * each / price["calls_per_price_unit"])
            assert Decimal(line[name]) == sign * cost
        assert Decimal(line["contract_price"]) == contract_price
        for call in calls:
            check_call(line, call)
        if contract is not None:
            landed = (sample_place / "landing" / contract["path"]).read_text().splitlines()
            assert line["owner_uin"] in landed[contract["line_number"] - 1]
    assert kinds == {
        *(("usage", True), ("late_usage", True), ("correction", False)),
        *(("rerating", True), ("rerating", False)),
    }


def test_a_line_is_named_by_the_first_digits_of_its_id(sample_place: Path) -> None:
    [(line_id,)] = query(sample_place, "select min(line_id) from billing.bill_lines")
    assert explained(sample_place, line_id[:16])["line"]["line_id"] == line_id
    # Such that several lines begin with them.
    [(digits, lines)] = query(
        sample_place,
        "select left(line_id, 1), count(*) from billing.bill_lines group by all"
        " having count(*) > 1 limit 1",
    )
    ended = callbill("explain", digits, *places(sample_place))
    assert ended.returncode == 2
    assert f"{lines} bill lines begin with {digits}: give more digits" in ended.stderr
    for none in ("no-such-line", ""):
        ended = callbill("explain", none, *places(sample_place))
        assert ended.returncode == 2
        assert "has no bill line" in ended.stderr


def check_call(line: dict[str, Any], call: dict[str, Any]) -> None:
    """That the records shown say what the line makes of the call."""
    failures = [r for r in call["records"] if r["error_code"] or r["http_status"] // 100 != 2]
    successes = [r for r in call["records"] if r not in failures]
    assert {r["owner_uin"] for r in successes} >= {line["owner_uin"]}
    if line["line_type"] == "correction":
        others = {r["owner_uin"] for r in call["records"]} - {line["owner_uin"]}
        assert {r["settled_on"] for r in failures} == {line["settled_on"]} or others
    else:
        assert not failures
    first = min(r["settled_on"] for r in successes)
    assert (first == line["settled_on"]) == (line["line_type"] in ("usage", "late_usage"))
    assert all((len(r["source_file_id"]), bool(r["path"])) == (64, True) for r in call["records"])


def test_a_line_is_shown_to_people(sample_place: Path) -> None:
    [(line_id,)] = query(
        sample_place,
        "select line_id from billing.bill_lines where discount is null and calls = 20"
        " order by settled_on limit 1",
    )
    ended = callbill("explain", line_id, "--limit", "3", *places(sample_place))
    assert ended.returncode == 0, ended.stderr
    assert "20 calls × 43.21098125 ÷ 1000 = 0.86421963 CNY, rounded to 8 decimals" in ended.stdout
    assert "agreed price 43.21098125" in ended.stdout
    assert "contracts/arrived_on=2026-08-10/agreed-price.jsonl line 1" in ended.stdout
    assert "17 more calls" in ended.stdout


@pytest.mark.parametrize(
    ("disposition", "lines"),
    [
        ("billed", [("usage", 1)]),
        ("reversed", [("correction", -1)]),
        ("duplicate", []),
        ("failed", []),
        ("conflict", []),
        ("unrated", []),
        ("too_old", []),
    ],
)
def test_a_call_is_followed_to_its_lines_or_to_why_not(
    disposition: str, lines: list[tuple[str, int]], sample_place: Path
) -> None:
    [(request_id, settled_on)] = query(
        sample_place,
        f"select request_id, settled_on::varchar from billing.calls as c"
        f" where disposition = '{disposition}' and owner_uin <> '100000000004'"
        " order by all limit 1",
    )
    found = explain_request(settings_of(sample_place), request_id)
    facts = json.loads(shown(show_as_json, found))
    [call] = [call for call in facts["calls"] if call["settled_on"] == settled_on]
    assert [
        (line["line_type"], min(max(line["calls"], -1), 1)) for line in call.get("lines", [])
    ] == lines
    assert (call["why_not_billed"] is None) == (disposition == "billed")
    assert call["records"]
    assert f"on {settled_on}: {disposition}" in shown(show_explained_request, found)


def test_a_call_that_was_rerated_is_in_those_lines_too(sample_place: Path) -> None:
    [(request_id,)] = query(
        sample_place,
        """
        select request_id from billing.calls
        where owner_uin = '100000000004' and usage_date = '2026-08-30' and disposition = 'billed'
            and settled_on = '2026-08-31'
        order by all limit 1
        """,
    )
    [call] = explained(sample_place, "--request-id", request_id)["calls"]
    assert [(line["line_type"], line["calls"]) for line in call["lines"]] == [
        *(("usage", 3), ("rerating", -3), ("rerating", 3)),
    ]


def test_a_call_that_was_rejected_and_one_that_never_came(sample_place: Path) -> None:
    [(request_id, reason)] = query(
        sample_place,
        """
        select json_extract_string(fields, '$.request_id') as id, reason
        from ops.rejected_records where feed = 'call_logs' and id is not null order by all limit 1
        """,
    )
    ended = callbill("explain", "--request-id", request_id, *places(sample_place))
    assert ended.returncode == 0, ended.stderr
    assert f" {reason}" in ended.stdout
    ended = callbill("explain", "--request-id", "never", *places(sample_place))
    assert (ended.returncode, ended.stdout) == (0, "No record of request never was ever loaded.\n")


def test_a_call_that_waits(tmp_path: Path) -> None:
    folder = tmp_path / "landing" / "call_logs" / "arrived_on=2026-03-02"
    on_the_day = record("w", owner_uin="100000000091", called_at="2026-03-02T01:00:00+08:00")
    the_day_before = on_the_day | {"request_id": "v", "called_at": "2026-03-01T01:00:00+08:00"}
    write(folder / "calls.jsonl", json_lines(on_the_day, the_day_before))
    assert run_job(tmp_path, "--through", "2026-03-02").returncode == 0
    facts = explained(tmp_path, "--request-id", "w")
    assert facts["calls"] == []
    assert [waiting["settled_on"] for waiting in facts["waiting"]] == ["2026-03-03"]
    ended = callbill("explain", "--request-id", "w", *places(tmp_path))
    assert "Records that wait, for 2026-03-02 is settled only" in ended.stdout
    # Also one that no release knows yet.
    write(folder / "later.jsonl", json_lines(on_the_day | {"request_id": "x"}))
    with unpublishable(tmp_path):
        assert run_job(tmp_path, "--through", "2026-03-03").returncode == 1
    ended = callbill("explain", "--request-id", "x", *places(tmp_path))
    assert "Records that wait, for 2026-03-02 is settled only" in ended.stdout


def test_bad_usage_is_one_sentence(sample_place: Path, tmp_path: Path) -> None:
    for what, said in (
        ((), "give either a LINE_ID or --request-id"),
        (("x", "--request-id", "y"), "give either a LINE_ID or --request-id"),
        (("nothing",), "has no bill line nothing"),
    ):
        ended = callbill("explain", *what, *places(sample_place))
        assert (ended.returncode, ended.stdout) == (2, "")
        assert said in ended.stderr
    place = copy_of(sample_place, tmp_path)
    (place / "warehouse.duckdb").unlink()
    ended = callbill("explain", "x", *places(place))
    assert ended.returncode == 2
    assert "callbill rebuild" in ended.stderr
