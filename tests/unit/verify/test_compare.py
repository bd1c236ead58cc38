"""Differences between a release's rows and those computed."""

from __future__ import annotations

from callbill.verify.compare import Comparison, Row, differences

LINES = Comparison("billing.lines", ("owner", "day"), ("calls", "cost"))


def rows_that_differ(published: list[Row], computed: list[Row]) -> list[tuple[object, ...]]:
    return [tuple(row) for row in differences("t", LINES, published, computed).rows]


def test_the_order_of_rows_does_not_matter() -> None:
    rows: list[Row] = [("1", "a", "2", "0.1"), ("2", "a", "2", "0.1"), ("1", "a", "3", "0.1")]
    assert rows_that_differ(rows, rows[::-1]) == []


def test_only_the_values_that_differ_are_shown() -> None:
    assert rows_that_differ([("1", "a", "2", "0.1")], [("1", "a", "2", "0.2")]) == [
        ("1", "a", "cost=0.1", "cost=0.2"),
    ]


def test_a_row_of_one_side_alone_is_shown_whole() -> None:
    assert rows_that_differ([], [("1", "a", "2", "0.1")]) == [
        ("1", "a", "(none)", "calls=2 cost=0.1"),
    ]
    twice: list[Row] = [("1", "a", "2", "0.1")] * 2
    assert rows_that_differ(twice, twice[:1]) == [
        ("1", "a", "calls=2 cost=0.1; calls=2 cost=0.1", "calls=2 cost=0.1"),
    ]


def test_a_figure_of_other_decimals_is_another_figure() -> None:
    assert rows_that_differ([("1", "a", "2", "0.10")], [("1", "a", "2", "0.1")]) != []
