"""The sample's bills, worked out by hand, against what a run through 2026-10-02 publishes."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path, PurePosixPath

import duckdb
import pytest

from tests.support.sample_by_hand import (
    AGREED,
    AUGUST,
    CALLS_AT_LIST_PRICE,
    CALLS_IN_THE_END,
    DEDUCTIONS,
    DISCOUNT,
    DISPOSITIONS,
    ENVELOPE,
    LATE_CONTRACT,
    LINES,
    LIST_PRICE,
    MONEY_IN,
    OCTOBER,
    PAGE,
    REJECTED_BY_REASON,
    REJECTED_LINES,
    SEPTEMBER,
    SERVICE,
    WORKED_OUT_BY_LINE,
    Bill,
    bill_by_hand,
    bills_written_down,
    cost,
    fen,
    settlements_by_hand,
)


def test_the_days_add_up_to_the_figures_written_down() -> None:
    by_line = {k: bill for k, bill in bills_written_down().items() if k[1] in WORKED_OUT_BY_LINE}
    assert len(by_line) == 7  # the page example has nothing in September
    assert {key: bill_by_hand(*key) for key in by_line} == by_line


def test_a_call_at_list_price_costs_six_fen() -> None:
    bills = bills_written_down()
    for key, calls in CALLS_AT_LIST_PRICE.items():
        amount = calls * Decimal("0.06")
        assert bills[key] == Bill(calls, amount, Decimal(0), amount, Decimal(0), amount)
    assert bills.keys() - CALLS_AT_LIST_PRICE.keys() == {
        (AUGUST, DISCOUNT),
        (AUGUST, AGREED),
        (SEPTEMBER, DISCOUNT),
        (SEPTEMBER, AGREED),
        (SEPTEMBER, LATE_CONTRACT),
    }


def test_some_amounts_lie_exactly_on_the_half() -> None:
    assert (cost(50, Decimal("51.3")), fen(Decimal("2.565"))) == (Decimal("2.565"), Decimal("2.57"))
    # 0.172843925 and 0.864219625: rounding to the even digit would end in 2 both times.
    assert cost(4, Decimal("43.21098125")) == Decimal("0.17284393")
    assert cost(20, Decimal("43.21098125")) == Decimal("0.86421963")


@pytest.fixture(scope="module")
def release(sample_release: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    warehouse = sample_release / "current" / "callbill.duckdb"
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        yield connection


def calls_parquet(sample_release: Path) -> str:
    return str(sample_release / "current/parquet/calls/*/*.parquet")


def test_monthly_bills(release: duckdb.DuckDBPyConnection) -> None:
    rows = release.execute(
        """
        select
            bill_month, owner_uin, product_code, calls, list_cost, discount_amount,
            rated_amount, adjustment_amount, deducted_amount
        from billing.monthly_bills
        """
    ).fetchall()
    assert {product for _, _, product, *_ in rows} == {"wimgs"}
    published = {(month, owner): Bill(*figures) for month, owner, _, *figures in rows}
    assert published == bills_written_down()
    assert len(published) == len(rows)


def test_precision_adjustments(release: duckdb.DuckDBPyConnection) -> None:
    rows = release.execute(
        """
        select
            bill_month, owner_uin, rated_amount, deducted_amount, adjustment_amount, is_final
        from billing.precision_adjustments
        """
    ).fetchall()
    expected = [
        (month, owner, bill.rated, bill.deducted, bill.adjustment, month != OCTOBER)
        for (month, owner), bill in bills_written_down().items()
    ]
    assert sorted(rows) == sorted(expected)


def test_the_page_example(release: duckdb.DuckDBPyConnection) -> None:
    rows = release.execute(
        """
        select
            settled_on, usage_date, line_type, calls, used_amount, list_price, discount,
            contract_price, list_cost::varchar, real_cost::varchar
        from billing.bill_lines
        where owner_uin = ?
        """,
        [PAGE],
    ).fetchall()
    quantity, price = Decimal("0.004"), LIST_PRICE
    day, next_day = date(2026, 8, 5), date(2026, 8, 6)
    cost = "0.24000000"
    assert rows == [(next_day, day, "usage", 4, quantity, price, Decimal(1), price, cost, cost)]


def test_bill_lines(release: duckdb.DuckDBPyConnection) -> None:
    rows = release.execute(
        """
        select
            settled_on, bill_month, usage_date, owner_uin, line_type, calls, discount,
            contract_price, used_amount, list_price, list_cost, real_cost
        from billing.bill_lines
        where list_contains(?, owner_uin)
        """,
        [list(WORKED_OUT_BY_LINE)],
    ).fetchall()
    expected = [
        (*line, Decimal(line.calls) / 1000, LIST_PRICE, line.list_cost, line.real_cost)
        for line in LINES
    ]
    assert Counter(rows) == Counter(expected)


def test_settlements(release: duckdb.DuckDBPyConnection) -> None:
    rows = release.execute(
        """
        select
            settled_on, owner_uin, bill_month, rated_amount, deducted_amount, residual_amount
        from billing.settlements
        where list_contains(?, owner_uin)
        """,
        [list(WORKED_OUT_BY_LINE)],
    ).fetchall()
    expected = [
        (*key, rated, fen(rated), fen(rated) - rated)
        for key, rated in settlements_by_hand().items()
    ]
    assert Counter(rows) == Counter(expected)


@pytest.mark.parametrize(
    ("settled_on", "owner", "rated", "deducted"),
    [
        ("2026-08-08", DISCOUNT, "2.56500000", "2.57"),  # the half goes away from zero
        ("2026-09-01", DISCOUNT, "1.02600000", "1.03"),  # 31 August ends at 16:00 UTC
        ("2026-09-02", DISCOUNT, "0.40824300", "0.41"),  # and 1 September has its own price
        ("2026-09-04", DISCOUNT, "1.53252900", "1.53"),  # 30 calls of the day, 6 late ones
        ("2026-09-15", DISCOUNT, "0.65318880", "0.65"),  # 17 calls of the day less 1
        ("2026-08-16", AGREED, "0.24000000", "0.24"),  # the last day at list price
        ("2026-08-17", AGREED, "0.25926589", "0.26"),  # the first at the agreed one
        ("2026-09-04", AGREED, "0.77779767", "0.78"),  # 14 calls of the day, 4 late ones
        ("2026-09-03", LATE_CONTRACT, "0.48000000", "0.48"),  # the contract isn't known yet
        # 10 calls of the day and 5 late ones less 1, and 43 calls 0.00525 cheaper than settled
        ("2026-09-04", LATE_CONTRACT, "0.54075000", "0.54"),
        ("2026-09-05", LATE_CONTRACT, "0.60225000", "0.60"),
    ],
)
def test_a_settlement(
    release: duckdb.DuckDBPyConnection, settled_on: str, owner: str, rated: str, deducted: str
) -> None:
    rows = release.execute(
        """
        select rated_amount::varchar, deducted_amount::varchar
        from billing.settlements
        where settled_on = ?::date and owner_uin = ?
        """,
        [settled_on, owner],
    ).fetchall()
    assert rows == [(rated, deducted)]


def test_dispositions(sample_release: Path) -> None:
    rows = duckdb.execute(
        """
        select owner_uin, disposition, count(*), sum(calls_billed)::bigint
        from read_parquet(?)
        group by all
        """,
        [calls_parquet(sample_release)],
    ).fetchall()
    published: dict[str, dict[str, int]] = defaultdict(dict)
    for owner, disposition, count, billed in rows:
        published[owner][disposition] = count
        assert billed == {"billed": count, "reversed": -count}.get(disposition, 0)
    assert published == DISPOSITIONS


def test_the_calls_billed_are_the_calls_charged_for(
    release: duckdb.DuckDBPyConnection, sample_release: Path
) -> None:
    calls = duckdb.execute(
        """
        select settled_on, usage_date, owner_uin, sum(calls_billed)::bigint
        from read_parquet(?)
        group by all
        having sum(calls_billed) != 0
        """,
        [calls_parquet(sample_release)],
    ).fetchall()
    lines = release.execute(
        """
        select settled_on, usage_date, owner_uin, sum(calls)::bigint
        from billing.bill_lines
        group by all
        having sum(calls) != 0
        """
    ).fetchall()
    assert sorted(calls) == sorted(lines)


def test_daily_usage(release: duckdb.DuckDBPyConnection) -> None:
    rows = release.execute(
        """
        select
            owner_uin,
            sum(calls_received)::bigint,
            sum(calls_billed)::bigint,
            sum(calls_failed)::bigint,
            sum(calls_unbilled)::bigint
        from billing.daily_usage
        where list_contains(?, owner_uin)
        group by all
        """,
        [list(WORKED_OUT_BY_LINE)],
    ).fetchall()
    assert {owner: tuple(counts) for owner, *counts in rows} == CALLS_IN_THE_END


def test_rejected_lines(release: duckdb.DuckDBPyConnection) -> None:
    rows = release.execute(
        "select feed, path, line_number, reason from ops.rejected_records"
    ).fetchall()
    assert {feed for feed, *_ in rows} == {"account_events", "call_logs"}
    assert Counter(reason for *_, reason in rows) == REJECTED_BY_REASON

    def named(path: str) -> str:
        # Files of account events are known by their dates too: their names say little.
        *_, day, name = PurePosixPath(path).parts
        is_event = path.startswith("account_events")
        return f"{day.removeprefix('arrived_on=')}/{name}" if is_event else name

    lines = [(named(path), str(line), reason) for _, path, line, reason in rows]
    expected = [tuple(row.split()) for row in REJECTED_LINES.strip().splitlines()]
    assert sorted(line for line in lines if line[2] != "unreadable_file") == sorted(expected)
    unreadable = [name for name, _, reason in lines if reason == "unreadable_file"]
    assert unreadable == ["audit-2026-09-15.jsonl.gz"]


@pytest.mark.parametrize("owner", [PAGE, ENVELOPE])
def test_accounts(release: duckdb.DuckDBPyConnection, owner: str) -> None:
    release.execute("set TimeZone = 'Asia/Shanghai'")
    movements = [(at, Decimal(amount)) for at, amount in MONEY_IN[owner]]
    movements += [(f"{settled_on} 08:00", -amount) for settled_on, amount in DEDUCTIONS[owner]]
    expected, balance = [], Decimal(0)
    for at, amount in sorted(movements):
        balance += amount
        expected.append((at, amount, balance))
    ledger = release.execute(
        """
        select strftime(posted_at, '%Y-%m-%d %H:%M'), amount, balance from billing.account_ledger
        where owner_uin = ? and entry_type not in ('block', 'unblock') order by entry_no
        """,
        [owner],
    ).fetchall()
    assert ledger == expected
    service = release.execute(
        """
        select strftime(valid_from, '%Y-%m-%d %H:%M'), status from billing.service_status
        where owner_uin = ? order by valid_from
        """,
        [owner],
    ).fetchall()
    assert service == SERVICE[owner]


def test_who_owes_in_the_end(release: duckdb.DuckDBPyConnection) -> None:
    notices = release.execute(
        "select owner_uin, amount_due::varchar, state from billing.arrears_notices"
    ).fetchall()
    assert notices == [(PAGE, "0.04", "suspended")]


def test_the_search_text_is_stored_nowhere(
    release: duckdb.DuckDBPyConnection, sample_release: Path
) -> None:
    columns = release.execute(
        """
        select table_schema, table_name, column_name
        from information_schema.columns
        where table_schema in ('billing', 'ops')
            and (table_schema, table_name) != ('billing', 'calls')
        """
    ).fetchall()
    assert columns
    for schema, table, column in columns:
        found = release.execute(
            f"""select count(*) from {schema}.{table} where "{column}"::varchar like '%teapot%'"""
        ).fetchone()
        assert found == (0,), f"{schema}.{table}.{column}"
    found = duckdb.execute(
        "select count(*) from read_parquet(?) as call where call::varchar like '%teapot%'",
        [calls_parquet(sample_release)],
    ).fetchone()
    assert found == (0,)
    for path in sample_release.rglob("*"):
        assert not path.is_file() or b"teapot" not in path.read_bytes(), path
