"""Which days, accounts and actions the control `shares_are_usual` names, from counts of records."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

import duckdb
import pytest
from callbill.base.rules import DateRules, RuleRange
from callbill.base.settings import Settings, load_thresholds, load_vars
from callbill.quality.catalogue import catalogue
from callbill.quality.due import fill_in, variables

DAY = date(2026, 3, 31)
SETTLED = RuleRange(DAY + timedelta(days=1), DAY + timedelta(days=1), DateRules())
SEARCH = "SearchByText"


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as con:
        con.execute("create schema intermediate")
        con.execute(
            """
            create table intermediate.int_records_by_action (
                settled_on date, usage_date date, owner_uin varchar, action varchar,
                records bigint, failed_records bigint, unrated_records bigint
            )
            """
        )
        yield con


def add(
    con: duckdb.DuckDBPyConnection,
    owner: str,
    counts: tuple[int, int, int],
    *,
    days: range = range(1, 29),
    action: str = SEARCH,
) -> None:
    """Records, failed ones and unrated ones, on days before the one that is judged (0)."""
    for number in days:
        used_on = DAY - timedelta(days=number)
        con.execute(
            "insert into intermediate.int_records_by_action values (?, ?, ?, ?, ?, ?, ?)",
            [used_on + timedelta(days=1), used_on, owner, action, *counts],
        )


def found(con: duckdb.DuckDBPyConnection) -> set[tuple[str | None, str | None, str, int, int]]:
    """Account, action, kind, records of that kind, all records."""
    settings = Settings()
    sql = fill_in(
        catalogue()["shares_are_usual"].sql,
        variables(SETTLED, load_vars(settings), load_thresholds(settings)),
    )
    rows = con.execute(
        f"select owner_uin, action, kind, bad_records, records, usage_date from ({sql})"
    ).fetchall()
    assert {row[-1] for row in rows} <= {DAY}
    return {row[:-1] for row in rows}


TODAY = range(1)


def test_an_account_whose_calls_fail(con: duckdb.DuckDBPyConnection) -> None:
    """2 % of 1,000 is usual, and so is up to 6 %. Another account has so many records that neither
    day nor action is conspicuous."""
    add(con, "big", (100_000, 2_000, 0), days=range(29))
    add(con, "a", (1_000, 20, 0))
    add(con, "a", (1_000, 61, 0), days=TODAY)
    add(con, "b", (1_000, 20, 0))
    add(con, "b", (1_000, 60, 0), days=TODAY)
    assert found(con) == {("a", None, "failed", 61, 1_000)}


def test_errors_that_are_gone(con: duckdb.DuckDBPyConnection) -> None:
    """What no longer is called an error is billed."""
    add(con, "a", (1_000, 100, 0))
    add(con, "a", (1_000, 33, 0), days=TODAY)
    assert found(con) == {
        ("a", None, "failed", 33, 1_000),
        (None, SEARCH, "failed", 33, 1_000),
        (None, None, "failed", 33, 1_000),
    }


def test_where_most_fail_the_share_of_the_others_is_judged(
    con: duckdb.DuckDBPyConnection,
) -> None:
    """90 % fail as usual. 96 % are no more than three times as many, but of the others a third and
    more is missing."""
    add(con, "a", (1_000, 900, 0), days=range(29), action="as ever")
    add(con, "a", (1_000, 900, 0), action="worse")
    add(con, "a", (1_000, 967, 0), days=TODAY, action="worse")
    assert found(con) == {(None, "worse", "failed", 967, 1_000)}


def test_an_action_that_nobody_claims_any_more(con: duckdb.DuckDBPyConnection) -> None:
    add(con, "a", (500, 0, 0), days=range(29), action="claimed")
    add(con, "a", (100, 0, 0), action="was claimed")
    add(con, "a", (100, 0, 100), days=TODAY, action="was claimed")
    assert found(con) == {
        ("a", None, "unrated", 100, 600),
        (None, "was claimed", "unrated", 100, 100),
        (None, None, "unrated", 100, 600),
    }


def test_few_records_are_chance(con: duckdb.DuckDBPyConnection) -> None:
    """19 of 19 fail where none did: one too few to speak of it."""
    add(con, "a", (19, 0, 0))
    add(con, "a", (19, 19, 0), days=TODAY)
    assert found(con) == set()
    add(con, "a", (1, 1, 0), days=TODAY, action="another")
    assert found(con) == {("a", None, "failed", 20, 20), (None, None, "failed", 20, 20)}


def test_one_bad_day_before_changes_nothing(con: duckdb.DuckDBPyConnection) -> None:
    add(con, "a", (1_000, 20, 0), days=range(2, 29))
    add(con, "a", (1_000, 1_000, 0), days=range(1, 2))
    add(con, "a", (1_000, 20, 0), days=TODAY)
    assert found(con) == set()


@pytest.mark.parametrize("days_before", [0, 1, 6])
def test_a_new_account_alone_never_warns(con: duckdb.DuckDBPyConnection, days_before: int) -> None:
    """All its calls fail, and it has more of them than all others together. Neither is the action
    named that it alone uses, nor the one that all use."""
    add(con, "a", (100, 1, 0), days=range(29))
    for action in (SEARCH, "its own"):
        add(con, "new", (1_000, 0, 0), days=range(1, days_before + 1), action=action)
        add(con, "new", (1_000, 1_000, 0), days=TODAY, action=action)
    assert found(con) == set()


def test_an_account_is_known_after_seven_days(con: duckdb.DuckDBPyConnection) -> None:
    """The day is judged by the same accounts on all days: what it did on the first is no news."""
    add(con, "a", (1_000, 0, 0), days=range(29))
    add(con, "new", (1_000, 1_000, 0), days=range(8))
    assert found(con) == set()
    add(con, "newer", (100, 0, 0), days=range(1, 8))
    add(con, "newer", (100, 100, 0), days=TODAY)
    assert found(con) == {("newer", None, "failed", 100, 100)}
