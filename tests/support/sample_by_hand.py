"""The sample's bills, worked out by hand.

The counts and prices below are written down, not read: from the landing folder they take nothing,
and from callbill nothing either. `sample/README.md` tells what each account is there for.
"""

from collections import defaultdict
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import NamedTuple

PAGE = "100000000001"
DISCOUNT = "100000000002"
AGREED = "100000000003"
LATE_CONTRACT = "100000000004"
CSV_SHOP = "100000000005"
PARQUET_SHOP = "100000000006"
AUDIT = "100000000007"
ENVELOPE = "100000000008"
WORKED_OUT_BY_LINE = (PAGE, DISCOUNT, AGREED, LATE_CONTRACT)

AUGUST, SEPTEMBER, OCTOBER = date(2026, 8, 1), date(2026, 9, 1), date(2026, 10, 1)
LIST_PRICE = Decimal("60.00000000")

# Successful calls per usage date. A row is a week, Monday to Sunday; 1 August is a Saturday and
# 30 September a Wednesday.
CALLS = {
    DISCOUNT: """
                       5  3
        20 12 22 24 50 5  3
        20 12 22 24 50 5  3
        20 12 22 24 50 5  3
        20 12 22 24 50 5  3
        20 10 28 30 42 6  5
        17 10 28 30 42 6  5
        17 10 28 30 42 6  5
        17 10 28 30 42 6  5
        17 10 28
    """,
    AGREED: """
                       4  6
        20 12 9  14 28 4  6
        20 12 9  14 28 4  6
        20 12 9  14 28 4  6
        20 12 9  14 28 4  6
        20 12 9  14 28 4  6
        20 12 9  14 28 4  6
        20 12 9  14 28 4  6
        20 12 9  14 28 4  6
        20 12 9
    """,
    LATE_CONTRACT: """
                       5  3
        9  7  8  10 11 5  3
        9  7  8  10 11 5  3
        9  7  8  10 11 5  3
        9  7  8  10 11 5  3
        9  7  8  10 11 5  3
        9  7  8  10 11 5  3
        9  7  8  10 11 5  3
        9  7  8  10 11 5  3
        9  7  8
    """,
}

# month, owner, calls, list cost, discount amount, rated, adjustment, deducted
BILLS = """
    2026-08 100000000001   4  0.24000000  0.00000000  0.24000000  0.00000000  0.24
    2026-08 100000000002 572 34.32000000  4.97640000 29.34360000  0.05640000 29.40
    2026-08 100000000003 402 24.12000000  3.55927192 20.56072808 -0.02072808 20.54
    2026-08 100000000004 229 13.74000000  0.00000000 13.74000000  0.00000000 13.74
    2026-08 100000000005 458 27.48000000  0.00000000 27.48000000  0.00000000 27.48
    2026-08 100000000006 604 36.24000000  0.00000000 36.24000000  0.00000000 36.24
    2026-08 100000000007 500 30.00000000  0.00000000 30.00000000  0.00000000 30.00
    2026-08 100000000008 396 23.76000000  0.00000000 23.76000000  0.00000000 23.76
    2026-09 100000000002 595 35.70000000 11.34668730 24.35331270 -0.09331270 24.26
    2026-09 100000000003 397 23.82000000  6.66524034 17.15475966 -0.02475966 17.13
    2026-09 100000000004 231 13.86000000  1.35975000 12.50025000 -0.05025000 12.45
    2026-09 100000000005 459 27.54000000  0.00000000 27.54000000  0.00000000 27.54
    2026-09 100000000006 607 36.42000000  0.00000000 36.42000000  0.00000000 36.42
    2026-09 100000000007 503 30.18000000  0.00000000 30.18000000  0.00000000 30.18
    2026-09 100000000008 400 24.00000000  0.00000000 24.00000000  0.00000000 24.00
    2026-10 100000000005   7  0.42000000  0.00000000  0.42000000  0.00000000  0.42
"""

# The accounts at list price: weekdays and weekends, each times its calls, and what is out of line.
# August has 21 weekdays, September 22.
CALLS_AT_LIST_PRICE = {
    (AUGUST, PAGE): 4,
    (AUGUST, LATE_CONTRACT): 5 * 9 + 4 * (7 + 8 + 10 + 11) + 5 * (5 + 3),
    (AUGUST, CSV_SHOP): 21 * 18 + 10 * 8,
    (AUGUST, PARQUET_SHOP): 21 * 24 + 10 * 10,
    (AUGUST, AUDIT): 21 * 20 + 10 * 8,
    (AUGUST, ENVELOPE): 21 * 16 + 10 * 6,
    (SEPTEMBER, CSV_SHOP): 22 * 18 + 8 * 8 - 1,  # a call of 25 August turned out to have failed
    (SEPTEMBER, PARQUET_SHOP): 22 * 24 + 8 * 10 - 1,  # a call was claimed by a second owner
    (SEPTEMBER, AUDIT): 22 * 20 + 8 * 8 - 1,  # a call of 5 September turned out to have failed
    (SEPTEMBER, ENVELOPE): 22 * 16 + 8 * 6,
    (OCTOBER, CSV_SHOP): 3 + 4,  # late usage of 1 August and of 28 September
}

# Rows of `calls`: one per call and settlement date on which it had records.
DISPOSITIONS = {
    PAGE: {"billed": 4, "failed": 3},
    # One call fails a day; Wednesday 12 August came twice.
    DISCOUNT: {"billed": 572 + 590 + 6, "failed": 61 + 1, "duplicate": 22, "reversed": 1},
    # Two more failures: a call logged both ways, and one whose line carries the search text.
    AGREED: {"billed": 402 + 393 + 4, "failed": 61 + 1 + 2, "duplicate": 9, "conflict": 1},
    LATE_CONTRACT: {
        "billed": 229 + 227 + 5,
        "failed": 61 + 1,
        "duplicate": 8,
        "reversed": 1,
        "too_old": 1,
    },
    # The large accounts: 2 failures on 43 weekdays, 1 on 18 days of the weekend, 2 of them again.
    CSV_SHOP: {"billed": 918 + 7, "failed": 104 + 2, "duplicate": 18, "reversed": 1, "too_old": 2},
    PARQUET_SHOP: {"billed": 604 + 608, "failed": 104, "reversed": 1},
    # A search text, and the success of a reversed call once more.
    AUDIT: {"billed": 500 + 504, "failed": 104 + 2 + 2, "duplicate": 20, "reversed": 1},
    # A call whose failure came first, on both its dates; the unclaimed action, on nine Mondays.
    ENVELOPE: {"billed": 396 + 400, "failed": 104 + 2 + 2, "duplicate": 16, "unrated": 9},
}

# received, billed, failed, unbilled: each call once, as it ended
CALLS_IN_THE_END = {
    PAGE: (7, 4, 3, 0),
    DISCOUNT: (1229, 1167, 62, 0),
    AGREED: (863, 799, 63, 1),  # the call that two owners claim
    LATE_CONTRACT: (523, 460, 62, 1),  # the one that is too old
}

REJECTED_LINES = """
    api-2026-08-06.jsonl           3 invalid_json
    api-2026-08-06.jsonl           6 invalid_json
    api-2026-08-06.jsonl          12 not_an_object
    api-2026-08-06.jsonl          15 not_an_object
    api-2026-08-06.jsonl          18 not_an_object
    api-2026-08-06.jsonl          21 missing_request_id
    api-2026-08-06.jsonl          24 missing_request_id
    api-2026-08-06.jsonl          30 called_at_without_offset
    api-2026-08-06.jsonl          33 called_at_without_offset
    api-2026-08-06.jsonl          36 invalid_http_status
    api-2026-08-06.jsonl          39 invalid_http_status
    api-2026-08-06.jsonl          42 unknown_outcome
    api-2026-08-06.jsonl          45 unknown_outcome
    api-2026-08-06.jsonl          48 future_timestamp
    audit-2026-09-02.jsonl.gz      3 missing_request_id
    audit-2026-09-02.jsonl.gz      6 future_timestamp
    csv-shop-2026-08-20.csv        5 missing_request_id
    csv-shop-2026-08-20.csv       11 called_at_without_offset
    csv-shop-2026-08-20.csv       14 invalid_http_status
    csv-shop-2026-08-20.csv       17 unknown_outcome
    envelope-2026-09-02.jsonl      3 missing_request_id
    2026-07-31/events.jsonl        1 activation_by_sub_account
    2026-09-10/events.jsonl        2 refund_of_post_paid_charges
    2026-09-10/events.jsonl        3 event_id_of_another_event
    2026-09-22/blocks.csv          4 unblocks_more_than_is_frozen
    parquet-shop-2026-09-03.parquet 3 missing_request_id
    parquet-shop-2026-09-03.parquet 6 unknown_outcome
    parquet-shop-2026-09-03.parquet 9 future_timestamp
"""

REJECTED_BY_REASON = {
    "activation_by_sub_account": 1,
    "called_at_without_offset": 3,
    "event_id_of_another_event": 1,
    "future_timestamp": 3,
    "invalid_http_status": 3,
    "invalid_json": 2,
    "missing_request_id": 6,
    "not_an_object": 3,
    "refund_of_post_paid_charges": 1,
    "unblocks_more_than_is_frozen": 1,
    "unknown_outcome": 4,
    "unreadable_file": 1,
}


# --- the arithmetic ----------------------------------------------------------------------------


class Line(NamedTuple):
    settled_on: date
    bill_month: date
    usage_date: date
    owner: str
    line_type: str
    calls: int
    discount: Decimal | None
    price: Decimal

    @property
    def list_cost(self) -> Decimal:
        return cost(self.calls, LIST_PRICE)

    @property
    def real_cost(self) -> Decimal:
        return cost(self.calls, self.price)


def cost(calls: int, price: Decimal) -> Decimal:
    return (calls * price / 1000).quantize(Decimal("0.00000001"), ROUND_HALF_UP)


def fen(amount: Decimal) -> Decimal:
    return amount.quantize(Decimal("0.01"), ROUND_HALF_UP)


def price_on(owner: str, usage_date: date) -> tuple[Decimal | None, Decimal]:
    """Discount and price of a call that is settled the day after it was made."""
    if owner == DISCOUNT and usage_date < date(2026, 9, 1):
        return Decimal("0.855"), Decimal("51.30000000")
    if owner == DISCOUNT:
        return Decimal("0.680405"), Decimal("40.82430000")
    if owner == AGREED and usage_date >= date(2026, 8, 16):
        return None, Decimal("43.21098125")
    # Known on 4 September, when usage of the 3rd is settled.
    if owner == LATE_CONTRACT and usage_date >= date(2026, 9, 3):
        return Decimal("0.9125"), Decimal("54.75000000")
    return Decimal(1), LIST_PRICE


def calls_per_day(owner: str) -> dict[date, int]:
    if owner == PAGE:
        return {date(2026, 8, 5): 4}
    counts = [int(count) for count in CALLS[owner].split()]
    return {AUGUST + timedelta(days=n): count for n, count in enumerate(counts)}


def usage_lines() -> Iterator[Line]:
    for owner in WORKED_OUT_BY_LINE:
        for day, calls in calls_per_day(owner).items():
            # What the last day of a month settles on the 1st is still that month's.
            yield Line(
                day + timedelta(days=1),
                day.replace(day=1),
                day,
                owner,
                "usage",
                calls,
                *price_on(owner, day),
            )


def other_lines() -> Iterator[Line]:
    """August was closed when these became known, so all of them are September's."""
    on_the_4th, usage = date(2026, 9, 4), date(2026, 8, 30)
    d855, d680405 = price_on(DISCOUNT, usage), price_on(DISCOUNT, date(2026, 9, 10))
    agreed = price_on(AGREED, usage)
    at_list, at_contract = (Decimal(1), LIST_PRICE), (Decimal("0.9125"), Decimal("54.75000000"))

    yield Line(on_the_4th, SEPTEMBER, usage, DISCOUNT, "late_usage", 6, *d855)
    yield Line(on_the_4th, SEPTEMBER, usage, AGREED, "late_usage", 4, *agreed)
    yield Line(on_the_4th, SEPTEMBER, usage, LATE_CONTRACT, "late_usage", 5, *at_contract)

    settled_on, usage = date(2026, 9, 15), date(2026, 9, 10)
    yield Line(settled_on, SEPTEMBER, usage, DISCOUNT, "correction", -1, *d680405)
    # Re-rating comes before the correction, which is therefore at the new price.
    usage = date(2026, 8, 29)
    yield Line(on_the_4th, SEPTEMBER, usage, LATE_CONTRACT, "correction", -1, *at_contract)

    settled_at_list_price = {
        date(2026, 8, 28): 11,
        date(2026, 8, 29): 5,
        date(2026, 8, 30): 3,
        date(2026, 8, 31): 9,
        date(2026, 9, 1): 7,
        date(2026, 9, 2): 8,
    }
    for usage, calls in settled_at_list_price.items():
        yield Line(on_the_4th, SEPTEMBER, usage, LATE_CONTRACT, "rerating", -calls, *at_list)
        yield Line(on_the_4th, SEPTEMBER, usage, LATE_CONTRACT, "rerating", calls, *at_contract)


LINES = [*usage_lines(), *other_lines()]


def settlements_by_hand() -> dict[tuple[date, str, date], Decimal]:
    rated: dict[tuple[date, str, date], Decimal] = defaultdict(Decimal)
    for line in LINES:
        rated[line.settled_on, line.owner, line.bill_month] += line.real_cost
    return rated


class Bill(NamedTuple):
    calls: int
    list_cost: Decimal
    discount_amount: Decimal
    rated: Decimal
    adjustment: Decimal
    deducted: Decimal


def bills_written_down() -> dict[tuple[date, str], Bill]:
    bills = {}
    for row in BILLS.strip().splitlines():
        month, owner, calls, *amounts = row.split()
        key = date.fromisoformat(f"{month}-01"), owner
        bills[key] = Bill(int(calls), *map(Decimal, amounts))
    return bills


def bill_by_hand(month: date, owner: str) -> Bill:
    lines = [line for line in LINES if (line.bill_month, line.owner) == (month, owner)]
    daily = [
        rated for key, rated in settlements_by_hand().items() if (key[2], key[1]) == (month, owner)
    ]
    list_cost, rated = sum(line.list_cost for line in lines), sum(daily, Decimal())
    deducted = sum(map(fen, daily), Decimal())
    return Bill(
        calls=sum(line.calls for line in lines),
        list_cost=list_cost + Decimal(),
        discount_amount=list_cost - rated,
        rated=rated,
        adjustment=deducted - rated,
        deducted=deducted,
    )


# Owner, time in Beijing and kind of what the sample's account events say and are accepted for.
MONEY_IN = {
    PAGE: [("2026-07-31 11:30", "0.20")],
    ENVELOPE: [
        *(("2026-07-31 10:30", "25.00"), ("2026-08-01 09:00", "3.00")),
        ("2026-09-09 18:00", "30.00"),
    ],
}
# 4 calls are 0.24, on the 6th of August. Account 8 has used 27.96 by the deduction of 6 September
# (23.76 in August, then 4 × 0.96 and 0.36 of it), so that 0.04 of 28.00 are left; that of the 7th,
# a Sunday's 0.36, is the first it cannot pay.
SERVICE = {
    PAGE: [
        ("2026-07-31 11:00", "not_activated"),
        ("2026-07-31 11:05", "active"),
        ("2026-08-06 08:00", "arrears"),
        ("2026-08-07 08:00", "suspended"),
    ],
    ENVELOPE: [
        ("2026-07-31 10:00", "not_activated"),
        ("2026-07-31 10:05", "active"),
        ("2026-09-07 08:00", "arrears"),
        ("2026-09-08 08:00", "suspended"),
        ("2026-09-09 18:00", "active"),
    ],
}

# 16 calls on weekdays and 6 on weekends, at 0.06 each, settled the day after.
DEDUCTIONS = {
    PAGE: [(date(2026, 8, 6), Decimal("0.24"))],
    ENVELOPE: [
        (day + timedelta(days=1), Decimal("0.36") if day.weekday() >= 5 else Decimal("0.96"))
        for day in (date(2026, 8, 1) + timedelta(days=n) for n in range(61))
    ],
}
