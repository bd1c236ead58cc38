"""What is shown of a control that found more rows than anybody reads."""

from __future__ import annotations

from io import StringIO

import duckdb
from callbill.base.findings import ControlResult
from callbill.cli.show.controls import show_unpassed
from callbill.quality.catalogue import Control
from callbill.quality.results import merge_results, with_accounts
from rich.console import Console

CONTROL = Control(
    id="few",
    severity="warning",
    sentence="There are few.",
    expected="none",
    about="",
    sql="select 'owner ' || (n % 3) as owner_uin, n from range(1000) as r (n) where n % 3 < 2",
)


def result(rows: int, **sample: str) -> ControlResult:
    return ControlResult("few", "There are few.", "none", "warning", False, rows, [sample] * 20)


def test_many_rows_are_counted_by_account() -> None:
    with duckdb.connect() as con:
        [many, few, without] = with_accounts(
            con,
            [CONTROL] * 3,
            [
                result(667, owner_uin="owner 0", n="0"),
                result(20, owner_uin="x"),
                result(667, n="0"),
            ],
        )
    assert many.by_account == [("owner 0", 334), ("owner 1", 333)]
    assert list(few.by_account) == list(without.by_account) == []
    [both] = merge_results([many], [many])
    assert both.by_account == [("owner 0", 668), ("owner 1", 666)]
    text = StringIO()
    show_unpassed(Console(file=text, width=200), [many])
    lines = [" ".join(line.split()) for line in text.getvalue().splitlines()]
    assert "and 657 more" in lines
    assert lines[lines.index("account rows") + 2 :][:2] == ["owner 0 334", "owner 1 333"]
