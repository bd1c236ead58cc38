"""When a call is charged, and when it is taken back."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest
from callbill.base.catalogue import Claim
from callbill.base.settings import BillingVars
from callbill.verify.calls import Spill, charges_of
from callbill.verify.prices import PriceBook

USED = date(2026, 3, 10)
ALL = date(9999, 1, 1)
HORIZON = 10

# The action that a record has if it is unusual. `Later` is claimed when usage is four days old, and
# `TooLate` when it is too old.
ACTIONS = {
    "other component": "D",
    "later": "Later",
    "later, other": "LaterOther",
    "latest": "Latest",
    "late": "TooLate",
}


def book() -> PriceBook:
    prices = [[code, "2026-01-01", "2026-01-01", "60.00000000"] for code in "cd"]
    return PriceBook(
        {
            "products": [["p"]],
            "components": [["c", "p", "1000"], ["d", "p", "1000"]],
            "component_actions": [],
            "list_prices": prices,
        },
        (),
        [
            Claim("C", "c", date.min, date.min),
            Claim("D", "d", date.min, date.min),
            Claim("Later", "c", date.min, USED + timedelta(4)),
            Claim("LaterOther", "d", date.min, USED + timedelta(4)),
            Claim("Latest", "c", date.min, USED + timedelta(5)),
            Claim("TooLate", "c", date.min, USED + timedelta(6)),
        ],
    )


# A record: days from its usage to its settlement, and what is unusual about it.
Record = tuple[int, str]


def charges(folder: Path, *records: Record, callers: str = "") -> dict[int, tuple[int, int]]:
    """Calls charged and taken back, by days after the usage, of records of one request. With
    `callers`, one for each, they are of the same instant."""
    spill = Spill(folder, buckets=1)
    spill.add(
        pl.DataFrame(
            [
                {
                    "request_id": "r",
                    "called_us": 0 if callers else position,
                    "operate_uin": callers[position] if callers else "1",
                    "usage_date": USED,
                    "settled_on": USED + timedelta(days),
                    "request_key": "r",
                    "owner_uin": "2" if about == "other owner" else "1",
                    "owner_key": "2" if about == "other owner" else "1",
                    "action": ACTIONS.get(about, "C"),
                    "attributes": "",
                    "is_failure": about == "failure",
                    "is_too_old": about == "too old",
                }
                for position, (days, about) in enumerate(records)
            ]
        )
    )
    billing_vars = BillingVars("Asia/Shanghai", 5, HORIZON, "half_up")
    by_usage = charges_of(spill.buckets(), book(), billing_vars, ALL)
    assert set(by_usage) <= {("1", "c", USED)}
    return {
        (day - USED).days: (charged, taken_back)
        for counts in by_usage.values()
        for day, (charged, taken_back) in counts.items()
    }


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        ([(1, "")], {1: (1, 0)}),
        ([(1, "failure")], {}),
        ([(6, "too old")], {}),
        # A re-delivery costs nothing.
        ([(1, ""), (3, "")], {1: (1, 0)}),
        # A failure voids the call, on its own date or later.
        ([(1, ""), (1, "failure")], {}),
        ([(1, ""), (3, "failure")], {1: (1, 0), 3: (0, 1)}),
        ([(1, "failure"), (3, "")], {}),
        # So does a record that names another account or component.
        ([(1, ""), (3, "other owner")], {1: (1, 0), 3: (0, 1)}),
        ([(1, ""), (3, "other component")], {1: (1, 0), 3: (0, 1)}),
        # A record that is too old to be charged can still void.
        ([(1, ""), (6, "too old")], {1: (1, 0)}),
        # Beyond the horizon the same id is another call.
        ([(1, ""), (1 + HORIZON, "")], {1: (1, 0)}),
        ([(1, ""), (2 + HORIZON, "")], {1: (1, 0), 2 + HORIZON: (1, 0)}),
        ([(1, ""), (2 + HORIZON, "failure")], {1: (1, 0)}),
        # The horizon is from record to record, not from the first.
        ([(1, ""), (HORIZON, ""), (2 * HORIZON, "failure")], {1: (1, 0), 2 * HORIZON: (0, 1)}),
        # A call whose action is claimed later waits until then, unless it is too old by then.
        ([(1, "later")], {4: (1, 0)}),
        ([(4, "later")], {4: (1, 0)}),
        ([(1, "late")], {}),
        ([(1, "later"), (3, "later"), (4, "later"), (9, "later")], {4: (1, 0)}),
        ([(1, "later"), (3, "failure")], {}),
        ([(1, "later"), (4, "failure")], {}),
        ([(1, "later"), (5, "failure")], {4: (1, 0), 5: (0, 1)}),
        # Records agree while nobody claims their actions. The claims tell them apart.
        ([(1, "later"), (2, "later, other")], {}),
        ([(1, "later"), (2, "")], {}),
        # What comes within the horizon of the charge belongs to the call.
        ([(1, "later"), (4 + HORIZON, "later")], {4: (1, 0)}),
        ([(1, "later"), (5 + HORIZON, "later")], {4: (1, 0), 5 + HORIZON: (1, 0)}),
    ],
)
def test_one_request(
    tmp_path: Path, records: list[Record], expected: dict[int, tuple[int, int]]
) -> None:
    assert charges(tmp_path, *records) == expected


def test_what_is_settled_later_does_not_count_yet(tmp_path: Path) -> None:
    spill = Spill(tmp_path, buckets=1)
    spill.add(
        pl.DataFrame(
            {
                "request_id": ["r"],
                "called_us": [0],
                "operate_uin": "1",
                "usage_date": [USED],
                "settled_on": [USED + timedelta(2)],
                "request_key": ["r"],
                "owner_uin": ["1"],
                "owner_key": ["1"],
                "action": ["C"],
                "attributes": [""],
                "is_failure": [False],
                "is_too_old": [False],
            }
        )
    )
    billing_vars = BillingVars("Asia/Shanghai", 5, HORIZON, "half_up")
    assert not charges_of(spill.buckets(), book(), billing_vars, USED + timedelta(1))


@pytest.mark.parametrize(("callers", "expected"), [("12", {5: (1, 0)}), ("21", {})])
def test_of_one_instant_the_first_caller_is_the_earliest(
    tmp_path: Path, callers: str, expected: dict[int, tuple[int, int]]
) -> None:
    """The call waits for the claim of its earliest success. On day 4 the actions of its records are
    not claimed alike, on day 5 they are."""
    assert charges(tmp_path, (1, "latest"), (1, "later"), callers=callers) == expected
