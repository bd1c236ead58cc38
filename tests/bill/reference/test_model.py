"""The model against figures worked out by hand, so that it can be trusted with the others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from .inputs import SHIPPED_SEEDS, File, ListPrice, Settings, World
from .landing import cut_short, make_file
from .model import BillLine, Tables, tables

COMPONENT = "wimgs_search_by_text"
OWNER = "100000000001"
END = date(2024, 6, 30)


def day(text: str) -> date:
    """A date of 2024 from its month and day."""
    return date.fromisoformat(f"2024-{text}")


def call(request_id: str, at: str, **fields: Any) -> dict[str, Any]:
    """A successful call at a Beijing time of 2024, such as 01-10T12:00:00."""
    return {
        "request_id": request_id,
        "called_at": f"2024-{at}+08:00",
        "owner_uin": OWNER,
        "action": "SearchByText",
        "http_status": 200,
        **fields,
    }


def calls(count: int, at: str, **fields: Any) -> list[dict[str, Any]]:
    return [call(f"{at}-{number}", at, **fields) for number in range(count)]


def logs(arrived: str, *rows: Mapping[str, Any] | str, **how: Any) -> File:
    name = f"logs-{arrived}-{how.pop('name', '')}"
    return make_file("call_logs", name, day(arrived), rows, **how)


def contract(effective_from: str, effective_to: str | None = None, **terms: str) -> dict[str, Any]:
    return {
        "owner_uin": OWNER,
        "component_code": COMPONENT,
        "effective_from": f"2024-{effective_from}",
        "effective_to": effective_to and f"2024-{effective_to}",
        **terms,
    }


def contracts(arrived: str, *rows: Mapping[str, Any] | str, **how: Any) -> File:
    name = f"contracts-{arrived}-{how.pop('name', '')}"
    return make_file("contracts", name, day(arrived), rows, **how)


def bill(
    *files: File,
    through: date | tuple[date, ...] = END,
    seeds: Any = SHIPPED_SEEDS,
    **settings: Any,
) -> Tables:
    runs = through if isinstance(through, tuple) else (through,)
    return tables(World(files, runs, Settings(**settings), seeds))


def line_figures(lines: tuple[BillLine, ...]) -> list[tuple[str, str, int, str, str]]:
    return [
        (
            f"{line.settled_on:%m-%d}",
            line.line_type,
            line.calls,
            f"{line.contract_price:.8f}",
            f"{line.real_cost:.8f}",
        )
        for line in lines
    ]


def dispositions(result: Tables) -> list[tuple[str, str]]:
    return [(f"{row.settled_on:%m-%d}", row.disposition) for row in result.calls]


def test_four_calls_at_list_price_cost_0_24() -> None:
    result = bill(logs("01-11", *calls(4, "01-10T12:00:00")))

    (line,) = result.bill_lines
    assert (line.settled_on, line.bill_month) == (day("01-11"), day("01-01"))
    assert (line.line_type, line.calls, line.used_amount) == ("usage", 4, Decimal("0.004"))
    assert (line.list_price, line.discount) == (Decimal(60), Decimal(1))
    assert str(line.real_cost) == str(line.list_cost) == "0.24000000"
    (settlement,) = result.settlements
    assert str(settlement.deducted_amount) == "0.24"
    assert settlement.residual_amount == 0
    (month,) = result.monthly_bills
    assert (month.calls, month.rated_amount) == (4, Decimal("0.24"))
    assert month.adjustment_amount == 0


def test_discounts_leave_a_precision_adjustment() -> None:
    # 60 x 0.680405 = 40.8243 a thousand, so a call costs 0.0408243.
    files = (
        contracts("01-01", contract("01-01", discount="0.680405")),
        logs("01-11", *calls(3, "01-10T12:00:00")),  # 0.12247290 -> 0.12
        logs("01-12", *calls(1, "01-11T12:00:00")),  # 0.04082430 -> 0.04
        logs("01-13", *calls(4, "01-12T12:00:00")),  # 0.16329720 -> 0.16
    )

    result = bill(*files)

    assert [str(s.deducted_amount) for s in result.settlements] == ["0.12", "0.04", "0.16"]
    assert [str(s.residual_amount) for s in result.settlements] == [
        "-0.00247290",
        "-0.00082430",
        "-0.00329720",
    ]
    (adjustment,) = result.precision_adjustments
    assert adjustment.rated_amount == Decimal("0.32659440")
    assert adjustment.deducted_amount == Decimal("0.32")
    assert adjustment.adjustment_amount == Decimal("-0.00659440")
    (month,) = result.monthly_bills
    assert (month.list_cost, month.discount_amount) == (Decimal("0.48"), Decimal("0.15340560"))
    assert month.rated_amount + month.adjustment_amount == month.deducted_amount


def test_an_adjustment_is_final_once_the_next_month_has_begun() -> None:
    file = logs("01-11", *calls(1, "01-10T12:00:00"))

    (before,) = bill(file, through=day("01-31")).precision_adjustments
    (after,) = bill(file, through=day("02-01")).precision_adjustments

    assert (before.is_final, after.is_final) == (False, True)


@pytest.mark.parametrize(
    ("rounding", "deducted"), [("half_up", ["0.01", "-0.01"]), ("down", ["0.00", "0.00"])]
)
def test_half_a_fen_is_rounded_as_set(rounding: str, deducted: list[str]) -> None:
    files = (
        contracts("01-01", contract("01-01", contract_price="5")),
        logs("01-11", call("a", "01-10T12:00:00")),
        logs("01-12", call("a", "01-10T12:00:00", error_code="InternalError")),
    )

    result = bill(*files, deduction_rounding=rounding)

    assert [s.rated_amount for s in result.settlements] == [Decimal("0.005"), Decimal("-0.005")]
    assert [str(s.deducted_amount) for s in result.settlements] == deducted


def test_a_line_is_rounded_to_eight_places_away_from_zero() -> None:
    files = (
        contracts("01-01", contract("01-01", contract_price="0.000005")),
        logs("01-11", call("a", "01-10T12:00:00")),
        logs("01-12", call("a", "01-10T12:00:00", error_code="InternalError")),
    )

    costs = [f"{line.real_cost:.8f}" for line in bill(*files).bill_lines]

    assert costs == ["0.00000001", "-0.00000001"]


def test_a_failure_after_the_charge_reverses_it_in_the_month_it_became_known() -> None:
    success = call("a", "01-30T12:00:00")
    failure = {**success, "error_code": "InternalError"}

    result = bill(logs("01-31", success), logs("02-03", failure), logs("02-05", failure, success))

    assert dispositions(result) == [("01-31", "billed"), ("02-03", "reversed"), ("02-05", "failed")]
    assert [row.calls_billed for row in result.calls] == [1, -1, 0]
    assert [row.records for row in result.calls] == [1, 1, 2]
    assert line_figures(result.bill_lines) == [
        ("01-31", "usage", 1, "60.00000000", "0.06000000"),
        ("02-03", "correction", -1, "60.00000000", "-0.06000000"),
    ]
    months = [(bill.bill_month, bill.calls, bill.deducted_amount) for bill in result.monthly_bills]
    assert months == [
        (day("01-01"), 1, Decimal("0.06")),
        (day("02-01"), -1, Decimal("-0.06")),
    ]
    (usage,) = result.daily_usage
    assert (usage.calls_received, usage.calls_billed, usage.calls_failed) == (1, 0, 1)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_call_that_failed_by_the_day_of_its_charge_is_never_billed(
    order: tuple[int, int],
) -> None:
    rows = [call("a", "01-10T12:00:00"), call("a", "01-10T12:00:01", http_status=500)]

    result = bill(logs("01-11", *(rows[index] for index in order)))

    assert dispositions(result) == [("01-11", "failed")]
    assert result.bill_lines == ()


def test_success_after_failure_stays_failed() -> None:
    files = (
        logs("01-11", call("a", "01-10T12:00:00", http_status=500)),
        logs("01-12", call("a", "01-10T12:00:00")),
    )

    assert dispositions(bill(*files)) == [("01-11", "failed"), ("01-12", "failed")]


def test_first_wins_even_if_a_redelivery_carries_an_earlier_time() -> None:
    result = bill(
        logs("01-11", call("a", "01-10T12:00:00", region="ap-beijing")),
        logs("01-12", call("a", "01-09T12:00:00", region="ap-shanghai")),
    )

    assert dispositions(result) == [("01-11", "billed"), ("01-12", "duplicate")]
    assert {row.region for row in result.calls} == {"ap-beijing"}
    assert {row.usage_date for row in result.calls} == {day("01-10")}


def test_two_owners_under_one_id_are_a_conflict() -> None:
    mine = call("a", "01-10T12:00:00", operate_uin="7")
    yours = {**mine, "owner_uin": "100000000000"}

    together = bill(logs("01-11", mine, yours))
    in_turn = bill(logs("01-11", mine), logs("01-14", yours), logs("01-15", mine, yours))

    assert dispositions(together) == [("01-11", "conflict")]
    assert together.calls[0].owner_uin == "100000000000"
    assert dispositions(in_turn) == [
        ("01-11", "billed"),
        ("01-14", "reversed"),
        ("01-15", "conflict"),
    ]
    assert {row.owner_uin for row in in_turn.calls} == {OWNER}
    (usage,) = in_turn.daily_usage
    assert (usage.calls_received, usage.calls_failed, usage.calls_unbilled) == (1, 0, 1)


def test_a_contract_known_later_rerates_before_a_reversal_of_the_same_day() -> None:
    first, second = calls(2, "01-10T12:00:00")
    files = (
        logs("01-11", first, second),
        contracts("01-15", contract("01-01", discount="0.9")),
        logs("01-15", {**first, "http_status": 500}, call("late", "01-10T13:00:00")),
    )

    result = bill(*files)

    # 0.12 back, 0.108 instead; then one of the two returned at 0.054, and one more at 0.054.
    assert line_figures(result.bill_lines) == [
        ("01-11", "usage", 2, "60.00000000", "0.12000000"),
        ("01-15", "rerating", -2, "60.00000000", "-0.12000000"),
        ("01-15", "rerating", 2, "54.00000000", "0.10800000"),
        ("01-15", "correction", -1, "54.00000000", "-0.05400000"),
        ("01-15", "late_usage", 1, "54.00000000", "0.05400000"),
    ]
    assert [str(s.rated_amount) for s in result.settlements] == ["0.12000000", "-0.01200000"]
    assert [str(s.deducted_amount) for s in result.settlements] == ["0.12", "-0.01"]


def test_terms_that_leave_the_price_as_it_is_rerate_nothing() -> None:
    result = bill(
        contracts("01-01", contract("01-01", discount="0.5")),
        logs("01-11", call("a", "01-10T12:00:00")),
        contracts("01-15", contract("01-01", contract_price="30")),
        contracts("01-20", contract("01-01", "01-01", contract_price="30")),
    )

    assert line_figures(result.bill_lines) == [
        ("01-11", "usage", 1, "30.00000000", "0.03000000"),
        ("01-20", "rerating", -1, "30.00000000", "-0.03000000"),
        ("01-20", "rerating", 1, "60.00000000", "0.06000000"),
    ]
    # The old price is shown as it was known the day before, not as it was first billed.
    assert [line.discount for line in result.bill_lines] == [Decimal("0.5"), None, 1]


def test_a_list_price_known_later_rerates_discounts_too() -> None:
    raised = ListPrice(COMPONENT, day("01-05"), day("01-20"), Decimal("80"))
    seeds = replace(SHIPPED_SEEDS, list_prices=(*SHIPPED_SEEDS.list_prices, raised))

    result = bill(
        contracts("01-01", contract("01-01", discount="0.5")),
        logs("01-05", *calls(1, "01-04T12:00:00")),
        logs("01-11", *calls(1, "01-10T12:00:00")),
        seeds=seeds,
    )

    assert line_figures(result.bill_lines) == [
        ("01-05", "usage", 1, "30.00000000", "0.03000000"),
        ("01-11", "usage", 1, "30.00000000", "0.03000000"),
        ("01-20", "rerating", -1, "30.00000000", "-0.03000000"),
        ("01-20", "rerating", 1, "40.00000000", "0.04000000"),
    ]


def test_which_contract_counts() -> None:
    usage = logs("01-21", call("a", "01-20T12:00:00"))

    def price(*files: File) -> str:
        return f"{bill(*files, usage).bill_lines[0].contract_price:.2f}"

    long = contract("01-01", discount="0.9")
    # Of two that cover the day, the one that began later; before and after it, the other.
    assert price(contracts("01-01", long, contract("01-15", "01-21", discount="0.8"))) == "48.00"
    assert price(contracts("01-01", long, contract("01-15", "01-20", discount="0.8"))) == "54.00"
    assert price(contracts("01-01", long, contract("01-15", "01-15", discount="0.8"))) == "54.00"
    assert price(contracts("01-01", contract("01-21", discount="0.9"))) == "60.00"
    # Within a file the last line, though it is dearer.
    assert price(contracts("01-01", contract("01-01", discount="0.5"), long)) == "54.00"
    # A later file beats an earlier one, though it is dearer.
    cheap = contract("01-01", contract_price="12")
    assert price(contracts("01-01", cheap), contracts("01-02", long)) == "54.00"
    # Between files of one floor the lowest price, whatever its kind, then the earliest end.
    assert price(contracts("01-02", cheap, name="1"), contracts("01-02", long, name="2")) == "12.00"
    short = contract("01-01", "01-10", contract_price="12")
    assert (
        price(contracts("01-02", cheap, name="1"), contracts("01-02", short, name="2")) == "60.00"
    )


@pytest.mark.parametrize(
    ("called", "arrived", "line_type", "month"),
    [
        ("01-31T23:59:59", "02-01", "usage", "01-01"),
        ("01-31T23:59:59", "02-02", "late_usage", "02-01"),
        ("01-30T12:00:00", "02-01", "late_usage", "01-01"),
        ("02-29T00:00:00", "03-01", "usage", "02-01"),
        ("02-28T12:00:00", "03-01", "late_usage", "02-01"),
        ("02-28T12:00:00", "04-15", "late_usage", "04-01"),
    ],
)
def test_bill_month(called: str, arrived: str, line_type: str, month: str) -> None:
    (line,) = bill(logs(arrived, call("a", called))).bill_lines

    assert (line.line_type, line.bill_month) == (line_type, day(month))


def test_usage_of_more_than_62_days_ago_is_too_old() -> None:
    # From 1 January to 3 March 2024 there are 62 days.
    (just,) = bill(logs("03-03", call("a", "01-01T12:00:00"))).calls
    (over,) = bill(logs("03-04", call("a", "01-01T12:00:00"))).calls

    assert (just.disposition, over.disposition) == ("billed", "too_old")


def test_a_record_too_old_to_charge_can_still_void() -> None:
    success = call("a", "01-01T12:00:00")

    result = bill(logs("01-02", success), logs("03-04", {**success, "http_status": 500}))

    assert dispositions(result) == [("01-02", "billed"), ("03-04", "reversed")]


def test_records_more_than_the_horizon_apart_are_two_calls() -> None:
    first = logs("01-02", call("a", "01-01T12:00:00"))

    within = bill(first, logs("03-04", call("a", "03-03T12:00:00")))
    beyond = bill(first, logs("03-05", call("a", "03-04T12:00:00")))

    assert dispositions(within) == [("01-02", "billed"), ("03-04", "duplicate")]
    assert dispositions(beyond) == [("01-02", "billed"), ("03-05", "billed")]


def test_what_nobody_claims_or_prices_waits() -> None:
    known_late = ListPrice(COMPONENT, day("01-01"), day("01-12"), Decimal("60"))
    seeds = replace(SHIPPED_SEEDS, list_prices=(known_late,))
    row = call("a", "01-10T12:00:00")

    unpriced = bill(logs("01-11", row), logs("01-13", row, name="2", container="csv"), seeds=seeds)
    (unclaimed,) = bill(logs("01-11", {**row, "action": "DescribeQuota"})).calls

    assert dispositions(unpriced) == [
        ("01-11", "unrated"),
        ("01-12", "billed"),
        ("01-13", "duplicate"),
    ]
    assert [(line.settled_on, line.line_type, line.calls) for line in unpriced.bill_lines] == [
        (day("01-12"), "late_usage", 1)
    ]
    assert (unclaimed.disposition, unclaimed.component_code) == ("unrated", None)


def test_a_file_that_appears_after_its_date_was_sealed_settles_on_the_next_one() -> None:
    runs = (day("01-12"), day("01-20"))
    row = call("a", "01-10T12:00:00")

    late = bill(
        logs("01-11", *calls(1, "01-10T09:00:00")),
        logs("01-11", row, name="late", placed_run=1),
        through=runs,
    )

    assert dispositions(late) == [("01-11", "billed"), ("01-13", "billed")]
    assert [line.line_type for line in late.bill_lines] == ["usage", "late_usage"]


def test_a_run_that_finds_nothing_ever_seals_nothing() -> None:
    late = logs("01-11", call("a", "01-10T12:00:00"), placed_run=1)

    result = bill(late, through=(day("01-12"), day("01-20")))

    assert dispositions(result) == [("01-11", "billed")]
    assert bill(late, through=day("01-12")).sealed_through is None


def test_records_wait_until_their_settlement_date() -> None:
    file = logs("01-10", call("a", "01-10T12:00:00"), call("b", "01-09T12:00:00"))

    assert [row.request_id for row in bill(file, through=day("01-10")).calls] == ["b"]
    assert [row.request_id for row in bill(file, through=day("01-11")).calls] == ["b", "a"]


def test_the_same_content_is_loaded_once_from_its_earlier_arrival() -> None:
    rows = calls(2, "01-10T12:00:00")

    result = bill(logs("01-13", *rows), logs("01-11", *rows))

    assert dispositions(result) == [("01-11", "billed")] * 2
    assert len(result.files) == 1


def test_the_billing_day_is_beijings() -> None:
    result = bill(
        logs(
            "01-12",
            call("before", "", called_at="2024-01-10T15:59:59.999999Z"),
            call("after", "", called_at="2024-01-10T16:00:00Z"),
            call("seconds", "", called_at=1704902400),
            call("milliseconds", "", called_at=1704902399999),
        )
    )

    days = {row.request_id: row.usage_date.day for row in result.calls}
    assert days == {"before": 10, "after": 11, "seconds": 11, "milliseconds": 10}


def test_every_line_is_accepted_or_rejected_with_a_reason() -> None:
    good = call("a", "01-10T12:00:00")
    file = logs(
        "01-11",
        good,
        "",
        "not json",
        {**good, "http_status": None},
        {**good, "http_status": "abc"},
        {**good, "called_at": "2024-01-10T12:00:00"},
        {**good, "called_at": "2024-01-13T00:00:00+08:00"},
        {**good, "called_at": "2024-01-12T23:59:59+08:00", "request_id": "tomorrow"},
        {**good, "owner_uin": 100000000001, "operate_uin": None, "error_code": ""},
        {},
    )

    result = bill(file)

    (count,) = result.files
    assert (count.lines_read, count.accepted, count.rejected) == (9, 3, 6)
    assert [(reject.line_number, reject.reasons[0]) for reject in result.rejects] == [
        (3, "unparseable_line"),
        (4, "unknown_outcome"),
        (5, "bad_http_status"),
        (6, "bad_called_at"),
        (7, "future_timestamp"),
        (10, "missing_request_id"),
    ]


def test_a_broken_file_is_rejected_whole_and_names_of_files_in_transit_are_passed_over() -> None:
    good = logs("01-11", call("a", "01-10T12:00:00"))
    broken = cut_short(logs("01-12", *calls(9, "01-10T12:00:00"), container="jsonl.gz"))
    unfinished = logs("01-13", call("c", "01-10T12:00:00"))
    unfinished = replace(unfinished, path=f"{unfinished.path}.part")

    result = bill(good, broken, unfinished)

    assert [row.request_id for row in result.calls] == ["a"]
    assert [reject.reasons for reject in result.rejects] == [("unreadable_file",)]
    assert len(result.files) == 2


def test_the_shipped_shapes() -> None:
    failed = {"RequestId": "e2", "Error": {"Code": "InternalError"}}
    enveloped = {"called_at": 1704859200, "owner_uin": 1, "action": "SearchByText"}
    audited = {
        "requestID": "c1",
        "eventTime": "2024-01-10 12:00:00",
        "userIdentity": {"accountId": "1", "principalId": "2"},
        "eventName": "SearchByText",
        "eventRegion": "ap-guangzhou",
        "apiErrorCode": "",
        "errorCode": "",
    }
    result = bill(
        logs(
            "01-11",
            {**enveloped, "Response": {"RequestId": "e1"}},
            {**enveloped, "Response": failed},
            shape="envelope",
        ),
        logs("01-11", audited, shape="cloudaudit"),
    )

    found = [(r.request_id, r.disposition, r.operate_uin, r.region) for r in result.calls]
    assert found == [
        ("c1", "billed", "2", "ap-guangzhou"),
        ("e1", "billed", "1", None),
        ("e2", "failed", "1", None),
    ]
    assert {row.called_at.isoformat() for row in result.calls} == {"2024-01-10T04:00:00+00:00"}


@pytest.mark.parametrize(
    "terms",
    [
        {"discount": "0"},
        {"discount": "1.000001"},
        {"discount": "0.1234567"},
        {"contract_price": "-0.01"},
        {"contract_price": "0.000000001"},
        {"discount": "0.5", "contract_price": "30"},
        {},
    ],
)
def test_terms_that_are_no_contract(terms: dict[str, str]) -> None:
    (count,) = bill(contracts("01-01", contract("01-01", **terms))).files

    assert (count.accepted, count.rejected) == (0, 1)


def test_a_contract_may_end_where_it_begins_but_not_before() -> None:
    file = contracts(
        "01-01",
        contract("01-05", "01-05", discount="0.5"),
        contract("01-05", "01-04", discount="0.5"),
    )

    (count,) = bill(file).files

    assert (count.accepted, count.rejected) == (1, 1)
