"""The results of a run's controls, and the table `ops.control_results` that keeps them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import duckdb

from callbill.base.errors import CallbillError
from callbill.base.findings import ControlResult
from callbill.quality.catalogue import Control
from callbill.warehouse.warehouse import Warehouse


@dataclass(frozen=True)
class ControlReport:
    """The results of a run's controls, and Great Expectations' page about them (HTML)."""

    results: list[ControlResult] = field(default_factory=list)
    data_docs: str = ""


class BrokenControlError(CallbillError):
    """Some controls could not be evaluated: they neither passed nor failed."""

    def __init__(self, reasons: dict[str, str]) -> None:
        self.reasons = reasons
        super().__init__(
            "could not be evaluated: "
            + "; ".join(f"control {name} ({why.splitlines()[0]})" for name, why in reasons.items())
        )


_MOST_ACCOUNTS = 10


def with_accounts(
    con: duckdb.DuckDBPyConnection, controls: Sequence[Control], results: Sequence[ControlResult]
) -> list[ControlResult]:
    """The results, with the accounts that have most of the rows where there are many."""
    return [
        replace(
            result,
            by_account=con.execute(
                f"select owner_uin, count(*) as found from ({control.sql}\n) group by owner_uin"
                f" order by found desc, owner_uin limit {_MOST_ACCOUNTS}"
            ).fetchall(),
        )
        if result.unexpected_rows > len(result.sample) > 0 and "owner_uin" in result.sample[0]
        else result
        for control, result in zip(controls, results, strict=True)
    ]


def merge_results(
    earlier: Sequence[ControlResult], later: Sequence[ControlResult], *, sample_rows: int = 20
) -> list[ControlResult]:
    """The results of the same controls for two ranges of dates, merged into results for both.

    The text of a control is that of `later`. At most `sample_rows` rows of both samples are kept.
    """
    if not earlier:
        return list(later)
    return [
        replace(
            second,
            passed=first.passed and second.passed,
            unexpected_rows=first.unexpected_rows + second.unexpected_rows,
            sample=[*first.sample, *second.sample][:sample_rows],
            by_account=_added(first.by_account, second.by_account),
        )
        for first, second in zip(earlier, later, strict=True)
    ]


def _added(
    first: Sequence[tuple[str | None, int]], second: Sequence[tuple[str | None, int]]
) -> Sequence[tuple[str | None, int]]:
    counts: Counter[str | None] = Counter()
    for owner, rows in (*first, *second):
        counts[owner] += rows
    return counts.most_common(_MOST_ACCOUNTS)


def keep_results(warehouse: Warehouse, run_id: str, results: Sequence[ControlResult]) -> None:
    """Insert the results of a run into `ops.control_results`."""
    warehouse.insert(
        "ops.control_results",
        [
            (
                run_id,
                result.control_id,
                result.severity,
                result.sentence,
                result.passed,
                result.expected,
                result.unexpected_rows,
                json.dumps(result.sample, ensure_ascii=False),
            )
            for result in results
        ],
    )
