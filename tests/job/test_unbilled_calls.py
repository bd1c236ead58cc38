"""Successful calls that are not in the bill: every place that speaks of a run says which and why.

Two nights. In the first one 800 of 1,000 calls have an action that no component claims, others come
too late, contradict each other, or wait for the second night.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from tests.support.commands import run_job
from tests.support.landing_files import csv_file, json_lines, record, write
from tests.support.places import last_run, query
from tests.support.site import site_of

A, B, C = "100000000601", "100000000602", "100000000603"
NOBODY, MISTYPED, GHOST = "100000000604", "100000000605", "100000000606"
FIRST, SECOND = "2026-03-02", "2026-03-03"
USED, USED_TODAY, LONG_AGO = "2026-03-01", "2026-03-02", "2025-12-01"


def calls(name: str, number: int, owner: str, used_on: str = USED, **fields: object) -> list[dict]:
    at = f"{used_on}T10:00:00+08:00"
    name = name.replace(" ", "-")
    return [record(f"{name}-{n}", owner_uin=owner, called_at=at, **fields) for n in range(number)]


def contract(owner: str, component: str = "wimgs_search_by_text") -> dict[str, object]:
    return {
        "owner_uin": owner,
        "component_code": component,
        "effective_from": "2025-01-01",
        "discount": "0.5",
    }


FIRST_NIGHT = [
    *calls("billed", 200, A),
    *calls("misspelt", 300, A, action="searchbytext"),
    *calls("misspelt too", 100, B, action="searchbytext"),
    *calls("unclaimed", 400, B, action="SearchByImage"),
    *calls("unclaimed", 400, B, action="SearchByImage"),  # delivered twice, and still 400 calls
    *calls("too early", 2, B, "2019-12-31"),  # there was no list price yet
    *calls("too old", 3, A, LONG_AGO),
    *calls("contradictory", 1, C),
    *calls("contradictory", 1, B),
    *calls("failed", 1, A, action="searchbytext"),
    *calls("failed", 1, A, action="searchbytext", error_code="InternalError"),
    *calls("waiting", 2, A, USED_TODAY),
    *calls("waiting failure", 1, A, USED_TODAY, error_code="InternalError"),
    *calls("ok", 5, A, error_code="OK"),
    *calls("success", 4, B, error_code="Success"),
    *calls("known", 3, B, error_code="FailedOperation.Anything.AtAll"),
    *calls("lower case", 1, B, error_code="internalerror"),
]
SECOND_NIGHT = [
    *calls("misspelt", 300, A, action="searchbytext"),  # delivered again: no news
    *calls("billed", 1, B),  # another account claims a call that was charged
]


@dataclass(frozen=True)
class Night:
    """What a run left behind."""

    output: str
    status: dict[str, Any]
    metrics: dict[tuple[str, ...], float]
    controls: dict[str, list[dict[str, str]]]
    """The sample rows of the controls that did not pass."""
    pages: dict[str, str]


def night(place: Path, through: str) -> Night:
    # All calls of a day are in one hour here.
    ended = run_job(place, "--through", through, "--vars={hourly_check_min_records: 10000}")
    assert ended.returncode == 0, ended.stderr
    text = (place / "published" / "status" / "callbill.prom").read_text()
    samples = query(
        place,
        "select control_id, sample from ops.control_results"
        " where not passed and run_id = (select max(run_id) from ops.control_results)",
    )
    return Night(
        ended.stdout,
        last_run(place),
        {
            (
                sample.name,
                *(sample.labels[name] for name in ("reason", "action") if name in sample.labels),
            ): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        },
        {control_id: json.loads(sample) for control_id, sample in samples},
        {name: (site_of(place) / f"{name}.html").read_text() for name in ("index", "runs")},
    )


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("unbilled")
    landing = place / "landing"
    for day, lines in ((FIRST, FIRST_NIGHT), (SECOND, SECOND_NIGHT)):
        write(landing / f"call_logs/arrived_on={day}/calls.jsonl", json_lines(*lines))
    write(
        landing / f"contracts/arrived_on={FIRST}/contracts.csv",
        csv_file([contract(A), contract(NOBODY), contract(B, "wimgs_search_by_txt")]),
    )
    event = {"event_id": "1", "owner_uin": MISTYPED, "occurred_at": f"{USED}T10:00:00+08:00",
             "event_type": "recharge", "amount": "1.00"}  # fmt: skip
    write(landing / f"account_events/arrived_on={FIRST}/events.jsonl", json_lines(event))
    bill = {"支付者UIN": GHOST, "产品名称": "联网图像搜索", "组件名称": "文搜图",
            "组件用量": "0.001", "组件用量单位": "千次", "优惠后总价(元)": "0.06",
            "开始使用时间": f"{USED} 00:00:00", "结束使用时间": f"{USED} 23:59:59"}  # fmt: skip
    write(landing / f"vendor_bills/arrived_on={FIRST}/bill.csv", csv_file([bill]))
    return place


@pytest.fixture(scope="module")
def nights(place: Path) -> tuple[Night, Night]:
    return night(place, FIRST), night(place, SECOND)


EXPECTED = [
    ("unrated", "SearchByImage", 400, 1, None),
    ("unrated", "searchbytext", 400, 2, None),
    ("unrated", "SearchByText", 2, 1, None),
    ("conflict", "SearchByText", 1, 1, "0.06000000"),
    ("too_old", "SearchByText", 3, 1, "0.09000000"),
    ("waiting", "SearchByText", 2, 1, "0.06000000"),
]


def test_the_status_names_reasons_and_actions(nights: tuple[Night, Night]) -> None:
    first, second = (one.status["unbilled_calls"] for one in nights)
    columns = ("reason", "action", "calls", "accounts", "cost")
    assert [tuple(row[name] for name in columns) for row in first] == EXPECTED
    assert [tuple(row[name] for name in columns) for row in second] == [
        ("conflict", "SearchByText", 1, 1, "0.03000000")
    ]
    assert [one.status["unbilled_calls_to_date"] for one in nights] == [806, 807]


def test_a_run_with_nothing_due_says_again_what_the_last_one_left_out(
    place: Path, nights: tuple[Night, Night]
) -> None:
    again = night(place, SECOND)
    assert again.status["outcome"] == "nothing_due"
    for name in ("unbilled_calls", "unbilled_calls_to_date"):
        assert again.status[name] == nights[1].status[name]
    assert again.metrics["callbill_unbilled_calls", "conflict", "SearchByText"] == 1
    assert again.metrics["callbill_unbilled_calls_to_date",] == 807
    assert "Successful calls that the last settlement left out" in again.output
    assert "Of all dates, 807 successful calls are not in the bill." in again.output


def test_metrics_say_the_same(nights: tuple[Night, Night]) -> None:
    metrics = nights[0].metrics
    for reason, action, number, accounts, cost in EXPECTED:
        assert metrics["callbill_unbilled_calls", reason, action] == number
        assert metrics["callbill_unbilled_accounts", reason, action] == accounts
        told = metrics.get(("callbill_unbilled_cost_cny", reason, action))
        assert told == (None if cost is None else float(cost))
    assert metrics["callbill_unbilled_calls_to_date",] == 806


def test_the_end_of_the_run_says_it(nights: tuple[Night, Night]) -> None:
    lines = [re.sub(r" +", " ", line).strip() for line in nights[0].output.splitlines()]
    for reason, action, number, accounts, cost in EXPECTED:
        [line] = [line for line in lines if line.startswith(f"{reason} {action} {number} ")]
        assert line.startswith(f"{reason} {action} {number} {accounts} {cost or 'not known'} ")
    assert "Of all dates, 806 successful calls are not in the bill." in lines
    assert not any(line.startswith(" waiting ") for line in nights[1].output.splitlines())


def shown(page: str, table: str, *columns: str) -> list[list[str | None]]:
    """Some columns of a page's table."""
    found = re.search(r'id="facts">(.*?)</script>', page, re.DOTALL)
    assert found
    rows = json.loads(found[1])["tables"][table]
    return [[row[column] for column in columns] for row in rows]


def test_the_pages_show_it(nights: tuple[Night, Night]) -> None:
    pages = nights[0].pages
    counted = ("calls_unbilled", "accounts", "actions", "unbilled_cost")
    assert shown(pages["index"], "unbilled", "unbilled_reason", *counted) == [
        ["unrated", "802", "2", "3", None],
        ["conflict", "1", "1", "1", "0.06000000"],
        ["too_old", "3", "1", "1", "0.09000000"],
        ["waiting", "2", "1", "1", "0.06000000"],
    ]
    assert shown(pages["index"], "unbilled_to_date", "calls") == [["806"]]
    columns = (
        *("unbilled_reason", "action", "owner_uin", "calls_unbilled", "first_usage_date"),
        *("last_usage_date", "unbilled_cost"),
    )
    assert shown(pages["runs"], "unbilled_by_account", *columns)[:4] == [
        ["unrated", "SearchByImage", B, "400", USED, USED, None],
        ["unrated", "searchbytext", A, "300", USED, USED, None],
        ["unrated", "searchbytext", B, "100", USED, USED, None],
        ["unrated", "SearchByText", B, "2", "2019-12-31", "2019-12-31", None],
    ]


def test_the_controls_warn(nights: tuple[Night, Night]) -> None:
    found = nights[0].controls
    assert [
        (row["action"], row["owner_uin"], row["calls"])
        for row in found["successful_calls_are_rated"]
    ] == [
        ("SearchByImage", B, "400"),
        ("SearchByText", B, "2"),
        ("searchbytext", A, "300"),
        ("searchbytext", B, "100"),
    ]
    [late] = found["successful_calls_are_in_time"]
    assert (late["usage_date"], late["calls"], late["unbilled_cost"]) == (
        *(LONG_AGO, "3", "0.09000000"),
    )
    assert [(row["error_code"], row["calls"]) for row in found["error_codes_are_known"]] == [
        ("OK", "5"),
        ("Success", "4"),
        ("internalerror", "1"),
    ]
    assert [
        (row["feed"], row["owner_uin"], row["component_code"])
        for row in found["terms_fit_an_account"]
    ] == [
        ("account_events", MISTYPED, None),
        ("contracts", NOBODY, None),
        ("contracts", None, "wimgs_search_by_txt"),
        ("vendor_bills", GHOST, None),
    ]
    assert nights[1].controls.keys() == {
        # Told again every night until it is mended.
        "contracts_are_for_known_components",
        "request_ids_are_of_one_account",
    }


def test_daily_usage_counts_the_same_calls(nights: tuple[Night, Night], place: Path) -> None:
    assert len(nights) == 2
    counts = query(
        place,
        """
        select
            (select sum(calls) from ops.unbilled_calls where reason <> 'waiting'),
            (select sum(calls_unbilled) from billing.daily_usage)
        """,
    )
    assert counts == [(807, 807)]
    # What waited for the second night is in the bill now.
    assert query(
        place,
        f"select calls, real_cost from billing.bill_lines where usage_date = date '{USED_TODAY}'",
    ) == [(2, Decimal("0.06000000"))]
