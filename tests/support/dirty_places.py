"""Dirty files, settled by the product: what became of each is right, rejected, or warned of."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from callbill.base.rules import DateRules, RuleRange
from callbill.base.settings import load_settings, load_thresholds, load_vars
from callbill.ingest.feed import raw_tables
from callbill.quality import due_controls
from callbill.warehouse.warehouse import Warehouse

from tests.support import dirt
from tests.support.commands import settle
from tests.support.dirt import Case, caller_of
from tests.support.places import last_run, query

# The controls whose rows name what a dirty line made of itself.
NAMING = (
    "contracts_are_for_known_components",
    "error_codes_are_known",
    "identifiers_are_usual",
    "request_ids_are_of_one_account",
    "request_ids_are_of_one_component",
    "successful_calls_are_in_time",
    "successful_calls_are_rated",
    "terms_fit_an_account",
)


@dataclass
class Outcome:
    """What became of an account: its bill, its money, who called."""

    billed: tuple[object, ...] = ()
    received: int = 0
    money: list[tuple[object, ...]] = field(default_factory=list)
    callers: set[str] = field(default_factory=set)
    on_the_vendors_bill: list[tuple[object, ...]] = field(default_factory=list)


def in_silence(place: Path, some: Sequence[Case]) -> list[str]:
    """The cases whose bill is another than that of the clean file, and nobody is told."""
    dirt.write_landing(place / "landing", [*some])
    settle(place, dirt.THROUGH)
    outcomes = _outcomes(place)
    clean = {
        case.line.kind: _relative(case, outcomes[case.owner]) for case in some if not case.dirt
    }
    told = _told(place)
    return [
        f"{case.name}: {_relative(case, outcomes[case.owner])}, not {clean[case.line.kind]}"
        for case in some
        if _relative(case, outcomes[case.owner]) != clean[case.line.kind] and not told.tells(case)
    ]


@dataclass(frozen=True)
class Told:
    """What a run told about files that it could not take as they are."""

    files: frozenset[str]
    rows: str

    def tells(self, case: Case) -> bool:
        name, _content = case.file()
        names = {case.owner, caller_of(case.number), f"/{name}"}
        value = case.fields.get(case.field)
        if isinstance(value, str) and value:
            names.add(json.dumps(value, ensure_ascii=False))
        return name in self.files or any(text in self.rows for text in names)


def _told(place: Path) -> Told:
    rejected = query(place, "select distinct path from ops.rejected_records")
    not_read = [(skipped["name"],) for skipped in last_run(place)["files_not_read"]]
    files = frozenset(path.rpartition("/")[2] for (path,) in (*rejected, *not_read))
    # What of the vendor's bill differs from ours is named, account by account.
    differences = query(
        place, "select owner_uin, category from billing.reconciliation where category <> 'none'"
    )
    unbilled = query(place, "select owner_uin, reason, action from ops.unbilled_calls")
    return Told(files, "\n".join([*_control_rows(place), *map(str, (*differences, *unbilled))]))


def _control_rows(place: Path) -> Iterable[str]:
    """All rows of the controls that name dirt. A run keeps some of each."""
    settings = load_settings(
        landing=str(place / "landing"),
        warehouse=str(place / "warehouse.duckdb"),
        published=str(place / "published"),
    )
    dates = RuleRange(
        date.fromisoformat(dirt.ARRIVED), date.fromisoformat(dirt.THROUGH), DateRules()
    )
    with (
        closing(Warehouse.open(settings, raw_tables())) as warehouse,
        due_controls(
            warehouse.con, dates, load_vars(settings), load_thresholds(settings)
        ) as controls,
    ):
        for control in controls:
            if control.id in NAMING:
                for row in warehouse.con.execute(control.sql).fetchall():
                    yield json.dumps(row, ensure_ascii=False, default=str)


def _outcomes(place: Path) -> dict[str, Outcome]:
    outcomes: defaultdict[str, Outcome] = defaultdict(Outcome)
    for owner, *billed in query(
        place,
        "select owner_uin, sum(calls), sum(real_cost) from billing.bill_lines group by all",
    ):
        outcomes[owner].billed = tuple(billed)
    for owner, caller, received in query(
        place, "select owner_uin, operate_uin, calls_received from billing.daily_usage"
    ):
        outcomes[owner].received += received
        outcomes[owner].callers.add(caller)
    for owner, *entry in query(
        place,
        """
        select owner_uin, entry_type, sum(amount), sum(frozen)
        from billing.account_ledger group by all order by all
        """,
    ):
        outcomes[owner].money.append(tuple(entry))
    for owner, *line in query(
        place,
        """
        select owner_uin, usage_date, category, cost_difference
        from billing.reconciliation order by all
        """,
    ):
        outcomes[owner].on_the_vendors_bill.append(tuple(line))
    return outcomes


def _relative(case: Case, outcome: Outcome) -> dict[str, Any]:
    """An outcome without what tells its account apart. Whoever is not named called as the owner."""
    strangers = outcome.callers - {case.owner, caller_of(case.number)}
    return vars(outcome) | {"callers": sorted(strangers)}
