"""Bill lines shared out by who made the calls: exactly, by whatever road."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from tests.support.commands import settle
from tests.support.landing_files import csv_file, json_lines, record, write
from tests.support.places import manifest, query

UNIT = Decimal("0.00000001")


def largest_remainder(amount: Decimal, calls: dict[tuple[str, str], int]) -> list[Decimal]:
    """Shares of an amount in the order of the callers, computed with rational numbers."""
    units, total = int(abs(amount) / UNIT), sum(calls.values())
    shares = {caller: units * number // total for caller, number in calls.items()}
    by_loss = sorted(calls, key=lambda caller: (-(units * calls[caller] % total), caller))
    for caller in by_loss[: units - sum(shares.values())]:
        shares[caller] += 1
    sign = -1 if amount < 0 else 1
    return [sign * share * UNIT for share in shares.values()]


def check(place: Path) -> int:
    """Hold `billing.cost_allocation` against the calls themselves. Returns how many callers share a
    line that does not divide."""
    net: defaultdict[tuple[object, ...], Counter[tuple[str, str]]] = defaultdict(Counter)
    files = place / "published/current/parquet/calls/*/*.parquet"
    for settled_on, *key, operate_uin, region, charged, taken in query(
        place,
        f"""
        select settled_on, owner_uin, component_code, usage_date, operate_uin,
            coalesce(region, ''), count(*) filter (where calls_billed > 0),
            count(*) filter (where calls_billed < 0)
        from '{files}' where calls_billed <> 0 group by all
        """,
    ):
        caller = (operate_uin, region)
        net["charge", settled_on, *key][caller] += charged
        net["reversal", settled_on, *key][caller] += taken
    shared = defaultdict(list)
    for line_id, *share in query(
        place,
        "select line_id, operate_uin, coalesce(region, ''), calls, list_cost, real_cost"
        " from billing.cost_allocation order by all",
    ):
        shared[line_id].append(tuple(share))
    uneven = 0
    lines = query(
        place,
        "select line_id, settled_on, owner_uin, component_code, usage_date, line_type, calls,"
        " list_cost, real_cost from billing.bill_lines",
    )
    for line_id, settled_on, *key, line_type, calls, list_cost, real_cost in lines:
        if line_type == "rerating":
            callers: Counter[tuple[str, str]] = Counter()
            for (kind, day, *other), counts in net.items():
                if other == key and day < settled_on:
                    for caller, number in counts.items():
                        callers[caller] += number if kind == "charge" else -number
        else:
            kind = "reversal" if line_type == "correction" else "charge"
            callers = net[kind, settled_on, *key]
        by_caller = {caller: number for caller, number in sorted(callers.items()) if number}
        sign = -1 if calls < 0 else 1
        expected = [
            (*caller, sign * number, list_share, real_share)
            for (caller, number), list_share, real_share in zip(
                by_caller.items(),
                largest_remainder(list_cost, by_caller),
                largest_remainder(real_cost, by_caller),
                strict=True,
            )
        ]
        assert shared.pop(line_id) == expected
        assert sum(share[3] for share in expected) == list_cost
        assert sum(share[4] for share in expected) == real_cost
        exact = [real_cost * number / calls for number in by_caller.values()]
        uneven += any(share != round(share, 8) for share in exact)
    assert not shared
    return uneven


def test_the_sample_is_shared_out_to_the_last_digit(sample_place: Path) -> None:
    assert check(sample_place) > 20


OWNER = "100000000900"
DAYS = ("2026-03-02", "2026-03-03", "2026-03-05", "2026-03-06")


def land(place: Path) -> None:
    """Three callers in two regions and none, late calls, failures that take calls back, and a price
    that becomes known after them."""
    used = "2026-03-01T10:00:00+08:00"

    def call(n: int, **fields: object) -> dict[str, object]:
        caller = [OWNER, "200000000901", "200000000902"][n % 3]
        region = [None, "ap-beijing", "ap-shanghai", "ap-beijing"][n % 4]
        return record(
            f"call-{n}",
            owner_uin=OWNER,
            operate_uin=caller,
            region=region,
            called_at=used,
            **fields,
        )

    first, late = [call(n) for n in range(13)], [call(n) for n in range(13, 20)]
    failed = [call(n, error_code="InternalError") for n in (1, 2, 5, 14)]
    for day, records in zip(DAYS, (first, late, failed, [call(n) for n in (20,)]), strict=True):
        write(place / f"landing/call_logs/arrived_on={day}/calls.jsonl", json_lines(*records))
    contract = {
        "owner_uin": OWNER,
        "component_code": "wimgs_search_by_text",
        "effective_from": "2026-03-01",
        "effective_to": "",
    }
    for day, price in (("2026-03-01", "33.33333333"), ("2026-03-06", "11.11111117")):
        row = contract | {"contract_price": price}
        write(place / f"landing/contracts/arrived_on={day}/contracts.csv", csv_file([row]))


@pytest.fixture(scope="module")
def one_bucket(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("one-bucket")
    land(place)
    for day in (DAYS[1], DAYS[3]):
        settle(place, day)
    return place


def test_calls_that_come_late_are_taken_back_or_are_priced_anew(one_bucket: Path) -> None:
    assert check(one_bucket) > 3
    types = query(
        one_bucket,
        "select line_type, count(*) from billing.cost_allocation group by all order by 1",
    )
    assert [name for name, _count in types] == ["correction", "late_usage", "rerating", "usage"]


def test_in_buckets_and_in_one_pass_the_shares_are_the_same(
    one_bucket: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CALLBILL_BUCKETS", "3")
    land(tmp_path)
    settle(tmp_path, DAYS[-1])
    assert check(tmp_path) > 3
    assert manifest(tmp_path)["table_hashes"] == manifest(one_bucket)["table_hashes"]


def test_accounts_are_those_of_the_sample(sample_place: Path) -> None:
    rows = query(
        sample_place,
        "select owner_uin, account_name, last_usage_date, status, amount_due::varchar"
        " from billing.accounts order by 1 limit 2",
    )
    assert rows == [
        ("100000000001", "页面示例 Page example", date(2026, 8, 5), "suspended", "0.04"),
        ("100000000002", "折扣客户 Discount customer", date(2026, 9, 30), None, None),
    ]
