"""For each control a fault that it must catch, and the night in which it is planted.

Ten days are sealed, and the files of the 1st of April have arrived. Without a fault that night
passes all controls. A night is expensive, so some faults are planted together:
each control then has to find the rows of its own fault, and no others.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

import duckdb
from callbill.base.errors import CallbillError
from callbill.jobs import settling

from tests.support.commands import run_job
from tests.support.landing_files import csv_file, json_lines, record, write
from tests.support.places import copy_of, last_run
from tests.support.project_copy import ProjectCopy
from tests.support.shared import make_once

SEALED, NIGHT = date(2026, 3, 31), date(2026, 4, 1)
AGREED, PREPAID, THIRD = "100000000501", "100000000502", "100000000503"
HOSTILE = "<script>alert(1)</script>&$name"
TONIGHT = f"call_logs/arrived_on={NIGHT}/calls.jsonl"


def call(name: str, owner: str, used_on: date, **fields: object) -> dict:
    usual = {"called_at": f"{used_on}T10:00:00+08:00", "owner_uin": owner, "http_status": 200}
    return record(f"{name}-{used_on}", **(usual | fields))


def calls_of(used_on: date) -> list[dict]:
    return [
        call("a", AGREED, used_on),
        call("b", PREPAID, used_on, operate_uin="100000000599"),
        call("c", PREPAID, used_on),
        call("d", THIRD, used_on),
    ]


def tonights_calls() -> list[dict]:
    used_on = NIGHT - timedelta(days=1)
    return [
        *calls_of(used_on),
        call("e", PREPAID, used_on, error_code="InternalError"),
        # Delivered again: one that was charged yesterday, one of tonight.
        call("d", THIRD, used_on - timedelta(days=1)),
        call("d", THIRD, used_on),
        # Failed according to yesterday's record, succeeded according to tonight's.
        call("x", THIRD, used_on - timedelta(days=1)),
        # Charged once, and now known to have failed.
        call("c", PREPAID, used_on - timedelta(days=9), error_code="InternalError"),
    ]


def night_before() -> Path:
    """The place as it is before the night, which nobody changes."""
    return make_once("night-before", _make_night_before)


def _make_night_before(place: Path) -> None:
    landing = place / "landing"
    for day in range(10):
        used_on = SEALED - timedelta(days=10 - day)
        folder = landing / f"call_logs/arrived_on={used_on + timedelta(days=1)}"
        failed = call("x", THIRD, used_on, error_code="InternalError")
        write(folder / "calls.jsonl", json_lines(*calls_of(used_on), failed))
    write(
        landing / "contracts/arrived_on=2026-03-20/contracts.csv",
        csv_file([contract(AGREED, contract_price="46.66666667")]),
    )
    write(
        landing / "account_events/arrived_on=2026-03-20/events.jsonl",
        json_lines(
            event("act", "activate", None),
            event("credit", "credit_grant", "0.50"),
            event("in", "opening_balance", "1.00"),
        ),
    )
    ended = run_job(place, "--through", SEALED)
    assert ended.returncode == 0, ended.stderr
    write(landing / TONIGHT, json_lines(*tonights_calls()))


def contract(owner: str, **terms: str) -> dict[str, object]:
    parties = {"owner_uin": owner, "component_code": "wimgs_search_by_text"}
    dates = {"effective_from": "2026-03-01", "effective_to": ""}
    return {**parties, **dates, "discount": "", "contract_price": "", **terms}


def package(owner: str) -> dict[str, object]:
    parties = {"owner_uin": owner, "component_code": "wimgs_search_by_text"}
    dates = {"valid_from": "2026-03-01", "valid_to": "2026-05-01"}
    return {"package_id": "P1", **parties, "calls": "1", **dates}


def waiver(owner: str, calls: str) -> dict[str, object]:
    """Of calls of the last day but one, which are settled."""
    parties = {"owner_uin": owner, "component_code": "wimgs_search_by_text"}
    used_on = SEALED - timedelta(days=1)
    return {"waiver_id": "W1", **parties, "usage_date": used_on, "calls": calls, "reason": "test"}


def event(event_id: str, kind: str, amount: str | None, owner: str = PREPAID) -> dict[str, object]:
    at = "2026-03-20T00:00:00+08:00"
    return {"event_id": event_id, "owner_uin": owner, "occurred_at": at, "event_type": kind,
            "amount": amount}  # fmt: skip


# --- faults ---


@dataclass(frozen=True)
class Fault:
    """Something wrong, planted by `plant`. The control finds `rows`. `beside` are controls that
    fail as well, with the rows that they find."""

    what: str
    plant: Callable[[Path, ProjectCopy], None]
    beside: Mapping[str, int] = field(default_factory=dict)
    vars: dict[str, int] = field(default_factory=dict)
    rows: int = 1

    def expected(self, control_id: str) -> Counter[str]:
        return Counter({control_id: self.rows, **self.beside})


def model(
    path: str, old: str, new: str, compiled: tuple[str, str] | None = None
) -> Callable[[Path, ProjectCopy], None]:
    """A mistake in a model or macro. `compiled` says what it is in compiled models, if it is not
    the same there."""
    return lambda _place, project: project.edit(path, old, new, is_sql=True, compiled=compiled)


def in_warehouse(*statements: str) -> Callable[[Path, ProjectCopy], None]:
    """A change of the warehouse by hand."""

    def plant(place: Path, _project: ProjectCopy) -> None:
        with duckdb.connect(str(place / "warehouse.duckdb")) as con:
            for statement in statements:
                assert con.execute(statement).fetchall() != [(0,)], statement

    return plant


def landed(path: str, content: bytes) -> Callable[[Path, ProjectCopy], None]:
    """A file that arrives, or is replaced."""

    def plant(place: Path, _project: ProjectCopy) -> None:
        write(place / "landing" / path, content)

    return plant


def both(
    plants: Iterable[Callable[[Path, ProjectCopy], None]],
) -> Callable[[Path, ProjectCopy], None]:
    """Several faults, one after the other."""
    all_plants = list(plants)

    def plant(place: Path, project: ProjectCopy) -> None:
        for plant_next in all_plants:
            plant_next(place, project)

    return plant


def loaded_and_then(statement: str) -> Callable[[Path, ProjectCopy], None]:
    """A change by hand, after a run that loaded tonight's files and failed."""

    def plant(place: Path, project: ProjectCopy) -> None:
        assert run_job(place, "--through", NIGHT, before=_build_nothing).returncode == 4
        in_warehouse(statement)(place, project)

    return plant


def _build_nothing() -> None:
    def fail(*_arguments: object) -> None:
        raise CallbillError("the models cannot be built")

    settling.build_models = fail  # type: ignore[assignment]


FAULTS = {
    "no_failed_call_billed": Fault(
        "the error code of a record is not looked at",
        model("models/staging/stg_call_logs.sql", "call_logs.error_code is not null\n", "false\n"),
        {"no_account_charged_beyond_its_records": 1},
        rows=3,
    ),
    "no_call_billed_twice": Fault(
        "earlier nights are not looked at",
        model(
            "models/intermediate/calls/int_repeated_requests.sql",
            "        {{ is_within_horizon() }}\n        and request_hash in (select due",
            "        false and request_hash in (select due",
        ),
        {"no_failed_call_billed": 1},
    ),
    "one_row_per_call_and_date": Fault(
        "a call that came once is also among those that came again",
        model(
            "models/intermediate/calls/int_calls.sql",
            "    from calls_again\n)",
            "    from calls_again\n    union all\n"
            "    select * from calls_once where error_code is not null\n)",
        ),
        {"records_due_are_in_calls": 1},
    ),
    "lines_read_are_accounted_for": Fault(
        "a file is noted with a line more than was loaded of it",
        loaded_and_then(
            "update ops.loaded_files set lines_read = lines_read + 1,"
            f" records_accepted = records_accepted + 1 where path = '{TONIGHT}'"
        ),
    ),
    "records_due_are_in_calls": Fault(
        "failed records are left out",
        model(
            "models/intermediate/calls/int_calls_once.sql",
            "where {{ is_due() }} and",
            "where not is_failure and {{ is_due() }} and",
        ),
    ),
    "dispositions_match_calls_billed": Fault(
        "a duplicate is called billed",
        model(
            "models/intermediate/calls/int_calls.sql",
            "disposition,\n        calls_billed,\n        source_file_id\n    from calls_again\n",
            "case disposition when 'duplicate' then 'billed' else disposition end,\n"
            "        calls_billed,\n        source_file_id\n    from calls_again\n",
        ),
    ),
    "lines_are_the_calls_behind_them": Fault(
        "a single call makes no line",
        model("models/marts/bill_lines.sql", "where charged <> 0", "where charged > 1"),
        {"daily_usage_adds_up": 2},
        rows=2,
    ),
    "one_line_per_key": Fault(
        "each sub-account has a line of its own",
        model(
            "models/intermediate/calls/int_charges.sql",
            "group by settled_on, owner_uin, component_code, usage_date",
            "group by settled_on, owner_uin, component_code, usage_date, operate_uin",
        ),
        {"shares_are_their_lines": 2},
    ),
    "no_account_charged_beyond_its_records": Fault(
        "the sub-account is taken for the account",
        model(
            "models/intermediate/calls/int_calls_once.sql",
            "        owner_uin,\n",
            "        operate_uin as owner_uin,\n",
        ),
    ),
    "usage_is_billed_at_the_price_in_force": Fault(
        "contracts are joined without their account",
        model(
            "macros/contract_in_force.sql",
            "used.owner_uin = contracts.owner_uin\n                and ",
            "",
        ),
        rows=3,
    ),
    "lines_are_dated_right": Fault(
        "a month closes a day early",
        model(
            "macros/bill_month.sql",
            "}} <= date_trunc",
            "}} < date_trunc",
            (
                "<= date_trunc('month', usage_date) + interval 1 month",
                "< date_trunc('month', usage_date) + interval 1 month",
            ),
        ),
        rows=4,
    ),
    "line_arithmetic": Fault(
        "fees are rounded to 7 decimals",
        model("macros/money.sql", "}}, 8) as decimal(38, 8))", "}}, 7) as decimal(38, 8))"),
    ),
    "calls_are_on_their_steps": Fault(
        "all calls are on the first step, of two ladders in a month",
        both(
            [
                model(
                    "seeds/list_prices.csv",
                    "60.00000000,,\n",
                    "60.00000000,,\n"
                    f"wimgs_search_by_text,2026-03-01,{NIGHT},60,0,month\n"
                    f"wimgs_search_by_text,2026-03-01,{NIGHT},50,1,month\n"
                    f"wimgs_search_by_text,{SEALED},{NIGHT},40,0,month\n"
                    f"wimgs_search_by_text,{SEALED},{NIGHT},30,2,month\n",
                ),
                model(
                    "models/intermediate/pricing/int_quantity_lines.sql",
                    "        moves.tier_from,\n",
                    "        0 * moves.tier_from as tier_from,\n",
                ),
                model(
                    "models/intermediate/pricing/int_quantity_lines.sql",
                    "and moves.tier_from is not distinct",
                    "and 0 * moves.tier_from is not distinct",
                ),
            ]
        ),
        rows=4,
    ),
    "packages_hold_their_draws": Fault(
        "a package has more than was bought",
        both(
            [
                landed(f"packages/arrived_on={NIGHT}/packages.csv", csv_file([package(PREPAID)])),
                model(
                    "models/intermediate/pricing/int_packages_known.sql",
                    "        calls,\n        valid_from,",
                    "        calls + 1000 as calls,\n        valid_from,",
                ),
            ]
        ),
    ),
    "waivers_take_back_what_stands": Fault(
        "what is waived is taken back twice",
        both(
            [
                landed(f"waivers/arrived_on={NIGHT}/waivers.csv", csv_file([waiver(THIRD, "1")])),
                model(
                    "models/intermediate/pricing/int_quantity_lines.sql",
                    "        moves.calls,\n",
                    "        case when moves.waiver_id is null then 1 else 2 end * moves.calls"
                    " as calls,\n",
                ),
            ]
        ),
    ),
    "shares_are_their_lines": Fault(
        "what a line takes back is shared out as a charge",
        model(
            "models/marts/cost_allocation.sql",
            "'direction * real_share'",
            "'real_share'",
            ("direction * real_share", "real_share"),
        ),
    ),
    "settlements_are_their_lines": Fault(
        "fen are cut, as another var would have it",
        model(
            "models/marts/settlements.sql",
            "{{ deducted_amount('rated_amount') }}",
            "cast(trunc(rated_amount, 2) as decimal(18, 2))",
            (
                "cast(round(rated_amount, 2) as decimal(18, 2))",
                "cast(trunc(rated_amount, 2) as decimal(18, 2))",
            ),
        ),
    ),
    "adjustments_balance": Fault(
        "the adjustment is the wrong way round",
        model(
            "macros/known_on.sql",
            "cast(deducted_amount - rated_amount as",
            "cast(rated_amount - deducted_amount as",
            (
                "cast(deducted_amount - rated_amount as decimal(38, 8)) as adjustment_amount",
                "cast(rated_amount - deducted_amount as decimal(38, 8)) as adjustment_amount",
            ),
        ),
    ),
    "monthly_bills_balance": Fault(
        "the discount is what is left to pay",
        model(
            "macros/known_on.sql",
            "cast(used.list_cost - used.rated_amount as",
            "cast(used.rated_amount as",
        ),
        rows=3,
    ),
    "daily_usage_adds_up": Fault(
        "a duplicate counts as billed once more",
        model(
            "models/intermediate/calls/int_daily_usage_changes.sql",
            "        -count(*) as calls\n",
            "        -count(*) filter (where previous_outcome <> 'billed') as calls\n",
        ),
        rows=2,
    ),
    "sealed_dates_unchanged": Fault(
        "a row of a sealed date was changed",
        in_warehouse(
            "update billing.bill_lines set line_id = 'another' || line_id"
            " where settled_on = date '2026-03-25'"
        ),
    ),
    "contracts_are_for_known_components": Fault(
        "a component is mistyped",
        landed(
            f"contracts/arrived_on={NIGHT}/contracts-1.csv",
            csv_file([contract(THIRD, component_code="wimg_search_by_text", discount="0.9")]),
        ),
        {"terms_fit_an_account": 1},
    ),
    "terms_fit_an_account": Fault(
        "a digit is missing in an account number",
        landed(
            f"contracts/arrived_on={NIGHT}/contracts-2.csv",
            csv_file([contract(THIRD[:-1], discount="0.9")]),
        ),
    ),
    "waivers_find_their_calls": Fault(
        "a waiver names more calls than there were",
        landed(f"waivers/arrived_on={NIGHT}/waivers.csv", csv_file([waiver(THIRD, "100")])),
    ),
    "identifiers_are_usual": Fault(
        "an id with something left on it",
        landed(
            f"call_logs/arrived_on={NIGHT}/more-8.jsonl",
            json_lines(call('"left', AGREED, SEALED)),
        ),
    ),
    "contracts_do_not_compete": Fault(
        "two files of one day",
        both(
            landed(
                f"contracts/arrived_on={NIGHT}/{discount}.csv",
                csv_file([contract(THIRD, discount=discount)]),
            )
            for discount in ("0.9", "0.8")
        ),
    ),
    "versions_do_not_compete": Fault(
        "two files of one day give an account's package other numbers of calls",
        both(
            landed(
                f"packages/arrived_on={NIGHT}/{calls}.csv",
                csv_file([package(THIRD) | {"calls": calls}]),
            )
            for calls in ("5", "6")
        ),
    ),
    "ledger_adds_up": Fault(
        "balances are sums of two entries",
        model(
            "macros/account_ledger.sql",
            "rows unbounded preceding)",
            "rows between 1 preceding and current row)",
        ),
        rows=11,
    ),
    "ledger_deducts_what_was_settled": Fault(
        "what was rated is deducted",
        model(
            "models/marts/account_ledger.sql",
            "-settlements.deducted_amount as amount",
            "-settlements.rated_amount - 0.01 as amount",
        ),
        rows=11,
    ),
    "service_status_is_whole": Fault(
        "intervals end with the day",
        model(
            "models/marts/service_status.sql",
            "lead(valid_from) over (partition by owner_uin order by valid_from) as valid_to",
            "valid_from + interval 1 day as valid_to",
        ),
        rows=2,
    ),
    "no_service_without_standing": Fault(
        "calls of an account that never was activated",
        landed(
            f"account_events/arrived_on={NIGHT}/events.jsonl",
            json_lines(event("third", "recharge", "10.00", THIRD)),
        ),
        rows=10,
    ),
    "request_ids_are_of_one_account": Fault(
        "another account's log tells of a call as its own",
        landed(
            f"call_logs/arrived_on={NIGHT}/more-1.jsonl",
            json_lines(call("d", HOSTILE, SEALED)),
        ),
    ),
    "request_ids_are_of_one_component": Fault(
        "a log is sent again with another action",
        landed(
            f"call_logs/arrived_on={NIGHT}/more-9.jsonl",
            json_lines(call("c", PREPAID, SEALED, action="SearchByImage")),
        ),
    ),
    "successful_calls_are_rated": Fault(
        "an action is misspelt",
        landed(
            f"call_logs/arrived_on={NIGHT}/more-2.jsonl",
            json_lines(call("f", PREPAID, SEALED, action="searchbytext")),
        ),
    ),
    "successful_calls_are_in_time": Fault(
        "a call of three months ago",
        landed(
            f"call_logs/arrived_on={NIGHT}/more-3.jsonl",
            json_lines(call("old", PREPAID, SEALED - timedelta(days=90))),
        ),
    ),
    "error_codes_are_known": Fault(
        "a code for no error",
        landed(
            f"call_logs/arrived_on={NIGHT}/more-4.jsonl",
            json_lines(call("odd", PREPAID, SEALED, error_code="Success")),
        ),
    ),
    "files_are_as_announced": Fault(
        "a file was cut",
        landed(
            f"{TONIGHT}.manifest.json",
            json.dumps({"records": len(tonights_calls()) + 1, "sha256": "0" * 64}).encode(),
        ),
    ),
    "loaded_files_are_unchanged": Fault(
        "a file that was loaded has lost lines",
        landed(
            "call_logs/arrived_on=2026-03-25/calls.jsonl",
            json_lines(*calls_of(date(2026, 3, 24))[:2]),
        ),
    ),
    "rejects_are_few": Fault(
        "a file of which one line in two is no record",
        landed(
            f"call_logs/arrived_on={NIGHT}/more-5.jsonl",
            json_lines(call("g", AGREED, SEALED), call("y", AGREED, SEALED, action=None)),
        ),
    ),
    "every_hour_has_records": Fault(
        "logs of one hour only, where that is too few",
        lambda _place, _project: None,
        vars={"hourly_check_min_records": 3},
    ),
    "volume_is_usual": Fault(
        "ten times as many calls as usual",
        landed(
            f"call_logs/arrived_on={NIGHT}/more-6.jsonl",
            json_lines(*(call(f"more-{number}", AGREED, SEALED) for number in range(40))),
        ),
    ),
    "shares_are_usual": Fault(
        "nearly all calls of an account fail that never did",
        landed(
            f"call_logs/arrived_on={NIGHT}/more-7.jsonl",
            json_lines(
                *(
                    call(f"failed-{number}", PREPAID, SEALED, error_code="InternalError")
                    for number in range(8)
                )
            ),
        ),
        vars={"usual_share_min_records": 5},
    ),
    "budgets_hold": Fault(
        "a budget that tonight's calls use up",
        model("seeds/budgets.csv", "amount\n", "amount\nall,,0.01\n"),
    ),
}

# Neither the night has calls of the day, nor a sealed date a row of it.
LOST_USAGE = Fault(
    "usage of a day that was settled before gets lost",
    in_warehouse(
        "delete from intermediate.int_daily_usage_changes"
        f" where usage_date = date '2026-03-25' and owner_uin = '{AGREED}'"
    ),
)

# Errors that are planted together. None of a night changes what the controls of the others find.
NIGHTS: tuple[tuple[str, ...], ...] = (
    (
        "lines_read_are_accounted_for",
        "shares_are_their_lines",
        "adjustments_balance",
        "monthly_bills_balance",
        "daily_usage_adds_up",
        "sealed_dates_unchanged",
        "ledger_adds_up",
    ),
    (
        "records_due_are_in_calls",
        "lines_are_dated_right",
        "line_arithmetic",
        "settlements_are_their_lines",
        "service_status_is_whole",
    ),
    (
        "packages_hold_their_draws",
        "waivers_take_back_what_stands",
        "dispositions_match_calls_billed",
        "ledger_deducts_what_was_settled",
    ),
    ("calls_are_on_their_steps", "no_account_charged_beyond_its_records"),
    (
        "no_failed_call_billed",
        "one_row_per_call_and_date",
        "lines_are_the_calls_behind_them",
    ),
    (
        "no_call_billed_twice",
        "one_line_per_key",
        "usage_is_billed_at_the_price_in_force",
    ),
)


def hash_of(folder: Path) -> str:
    """Names and contents of all files of a folder."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        digest.update(str(path.relative_to(folder)).encode())
        if path.is_file():
            digest.update(path.read_bytes())
    return digest.hexdigest()


def check_stopped(folder: Path, *control_ids: str, others: Mapping[str, Fault] = {}) -> None:
    """The faults of some errors, planted in one night, and other faults of other controls: each
    control finds its rows, no other finds any, and nothing is published."""
    place = copy_of(night_before(), folder)
    project = ProjectCopy.in_folder(folder / "project")
    expected: Counter[str] = Counter()
    assert not others.keys() & set(control_ids)
    for control_id, fault in {**{one: FAULTS[one] for one in control_ids}, **others}.items():
        fault.plant(place, project)
        expected += fault.expected(control_id)
    current = (place / "published" / "current").readlink()
    released = hash_of(place / "published" / "releases" / current.name)

    ended = project.run_job(place, "--through", NIGHT)

    assert ended.returncode == 1, ended.stderr
    found = re.findall(r"(\w+) \((\d+) rows\)", ended.stderr.rpartition("controls failed: ")[2])
    assert {control_id: int(rows) for control_id, rows in found} == expected, ended.stderr
    assert set(last_run(place)["controls_failed"]) == expected.keys()
    assert (place / "published" / "current").readlink() == current
    assert hash_of(place / "published" / "releases" / current.name) == released
