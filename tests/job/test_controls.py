"""For each control a planted fault that it must catch; the catalogue; the pages made of it.

All faults are planted in the same night: ten days are sealed, and the files of the 1st of April
have arrived. Without a fault that night passes all controls.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import duckdb
import pytest
from callbill.base.rules import DateRules, RuleRange
from callbill.base.settings import Settings, load_thresholds, load_vars
from callbill.quality.catalogue import CONTROLS, CatalogueError, catalogue, load_controls
from callbill.quality.due import variables
from callbill.quality.page import page

from tests.support.commands import run_job
from tests.support.landing_files import csv_file, json_lines, record, write
from tests.support.places import copy_of, query, unpublishable
from tests.support.project import PROJECT
from tests.support.project_copy import ProjectCopy

SEALED, NIGHT = date(2026, 3, 31), date(2026, 4, 1)
AGREED, PREPAID, THIRD = "100000000501", "100000000502", "100000000503"
TONIGHT = f"call_logs/arrived_on={NIGHT}/calls.jsonl"


def call(name: str, owner: str, used_on: date, **fields: object) -> dict:
    usual = {"called_at": f"{used_on}T10:00:00+08:00", "owner_uin": owner, "http_status": 200}
    return record(f"{name} {used_on}", **(usual | fields))


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


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The place as it is before the night."""
    place = tmp_path_factory.mktemp("before")
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
    return place


def contract(owner: str, **terms: str) -> dict[str, object]:
    parties = {"owner_uin": owner, "component_code": "wimgs_search_by_text"}
    dates = {"effective_from": "2026-03-01", "effective_to": ""}
    return {**parties, **dates, "discount": "", "contract_price": "", **terms}


def event(event_id: str, kind: str, amount: str | None, owner: str = PREPAID) -> dict[str, object]:
    at = "2026-03-20T00:00:00+08:00"
    return {"event_id": event_id, "owner_uin": owner, "occurred_at": at, "event_type": kind,
            "amount": amount}  # fmt: skip


# --- faults ---


@dataclass(frozen=True)
class Fault:
    """Something wrong, planted by `plant`. `beside` are controls that fail as well."""

    what: str
    plant: Callable[[Path, ProjectCopy], None]
    beside: frozenset[str] = frozenset()
    options: tuple[str, ...] = ()


def model(path: str, old: str, new: str) -> Callable[[Path, ProjectCopy], None]:
    """A mistake in a model or macro."""
    return lambda _place, project: project.edit(path, old, new)


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
        with unpublishable(place):
            assert run_job(place, "--through", NIGHT).returncode == 1
        in_warehouse(statement)(place, project)

    return plant


FAULTS = {
    "no_failed_call_billed": Fault(
        "the error code of a record is not looked at",
        model("models/staging/stg_call_logs.sql", "call_logs.error_code is not null\n", "false\n"),
        frozenset({"no_account_charged_beyond_its_records"}),
    ),
    "no_call_billed_twice": Fault(
        "earlier nights are not looked at",
        model(
            "models/intermediate/calls/int_repeated_requests.sql",
            "{{ is_within_horizon() }}\n",
            "{{ is_within_horizon() }} and false\n",
        ),
        frozenset({"no_failed_call_billed"}),
    ),
    "one_row_per_call_and_date": Fault(
        "a call that came once is also among those that came again",
        model(
            "models/intermediate/calls/int_calls.sql",
            "    from calls_again\n)",
            "    from calls_again\n    union all\n"
            "    select * from calls_once where error_code is not null\n)",
        ),
        frozenset({"records_due_are_in_calls"}),
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
        frozenset({"daily_usage_adds_up"}),
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
    ),
    "lines_are_dated_right": Fault(
        "a month closes a day early",
        model("macros/bill_month.sql", "}} <= date_trunc", "}} < date_trunc"),
    ),
    "line_arithmetic": Fault(
        "fees are rounded to 7 decimals",
        model("macros/money.sql", "}}, 8) as decimal(38, 8))", "}}, 7) as decimal(38, 8))"),
    ),
    "settlements_are_their_lines": Fault(
        "fen are cut, as another var would have it",
        model(
            "models/marts/settlements.sql",
            "{{ deducted_amount('rated_amount') }}",
            "cast(trunc(rated_amount, 2) as decimal(18, 2))",
        ),
    ),
    "adjustments_balance": Fault(
        "the adjustment is the wrong way round",
        model(
            "macros/known_on.sql",
            "cast(deducted_amount - rated_amount as",
            "cast(rated_amount - deducted_amount as",
        ),
    ),
    "monthly_bills_balance": Fault(
        "the discount is what is left to pay",
        model(
            "macros/known_on.sql",
            "cast(used.list_cost - used.rated_amount as",
            "cast(used.rated_amount as",
        ),
    ),
    "daily_usage_adds_up": Fault(
        "a duplicate counts as billed once more",
        model(
            "models/intermediate/calls/int_daily_usage_changes.sql",
            "        -count(*) as calls\n",
            "        -count(*) filter (where previous_outcome <> 'billed') as calls\n",
        ),
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
            f"contracts/arrived_on={NIGHT}/contracts.csv",
            csv_file([contract(THIRD, component_code="wimg_search_by_text", discount="0.9")]),
        ),
        frozenset({"terms_fit_an_account"}),
    ),
    "terms_fit_an_account": Fault(
        "a digit is missing in an account number",
        landed(
            f"contracts/arrived_on={NIGHT}/contracts.csv",
            csv_file([contract(THIRD[:-1], discount="0.9")]),
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
    "ledger_adds_up": Fault(
        "balances are sums of two entries",
        model(
            "macros/account_ledger.sql",
            "rows unbounded preceding)",
            "rows between 1 preceding and current row)",
        ),
    ),
    "ledger_deducts_what_was_settled": Fault(
        "what was rated is deducted",
        model(
            "models/marts/account_ledger.sql",
            "-settlements.deducted_amount as amount",
            "-settlements.rated_amount - 0.01 as amount",
        ),
    ),
    "service_status_is_whole": Fault(
        "intervals end with the day",
        model(
            "models/marts/service_status.sql",
            "lead(valid_from) over (partition by owner_uin order by valid_from) as valid_to",
            "valid_from + interval 1 day as valid_to",
        ),
    ),
    "no_service_without_standing": Fault(
        "calls of an account that never was activated",
        landed(
            f"account_events/arrived_on={NIGHT}/events.jsonl",
            json_lines(event("third", "recharge", "10.00", THIRD)),
        ),
    ),
    "request_ids_are_of_one_account": Fault(
        "another account's log tells of a call as its own",
        landed(
            f"call_logs/arrived_on={NIGHT}/more.jsonl",
            json_lines(call("d", AGREED, SEALED)),
        ),
    ),
    "successful_calls_are_rated": Fault(
        "an action is misspelt",
        landed(
            f"call_logs/arrived_on={NIGHT}/more.jsonl",
            json_lines(call("f", PREPAID, SEALED, action="searchbytext")),
        ),
    ),
    "successful_calls_are_in_time": Fault(
        "a call of three months ago",
        landed(
            f"call_logs/arrived_on={NIGHT}/more.jsonl",
            json_lines(call("f", PREPAID, SEALED - timedelta(days=90))),
        ),
    ),
    "error_codes_are_known": Fault(
        "a code for no error",
        landed(
            f"call_logs/arrived_on={NIGHT}/more.jsonl",
            json_lines(call("f", PREPAID, SEALED, error_code="Success")),
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
            f"call_logs/arrived_on={NIGHT}/more.jsonl",
            json_lines(call("x", AGREED, SEALED), call("y", AGREED, SEALED, action=None)),
        ),
    ),
    "every_hour_has_records": Fault(
        "logs of one hour only, where that is too few",
        lambda _place, _project: None,
        options=("--vars={hourly_check_min_records: 3}",),
    ),
    "volume_is_usual": Fault(
        "ten times as many calls as usual",
        landed(
            f"call_logs/arrived_on={NIGHT}/more.jsonl",
            json_lines(*(call(f"more {number}", AGREED, SEALED) for number in range(40))),
        ),
    ),
    "shares_are_usual": Fault(
        "nearly all calls of an account fail that never did",
        landed(
            f"call_logs/arrived_on={NIGHT}/more.jsonl",
            json_lines(
                *(
                    call(f"more {number}", AGREED, SEALED, error_code="InternalError")
                    for number in range(8)
                )
            ),
        ),
        options=("--vars={usual_share_min_records: 5}",),
    ),
}


def failed_controls(place: Path) -> set[str]:
    status = json.loads((place / "published" / "status" / "last_run.json").read_text())
    return set(status["controls_failed"])


def test_each_control_has_a_fault() -> None:
    assert list(FAULTS) == list(catalogue())


def test_without_a_fault_all_controls_pass(before: Path, tmp_path: Path) -> None:
    place = copy_of(before, tmp_path)
    ended = run_job(place, "--through", NIGHT)
    assert (ended.returncode, failed_controls(place)) == (0, set()), ended.stderr


@pytest.mark.parametrize("control_id", FAULTS)
def test_a_fault_is_caught(control_id: str, before: Path, tmp_path: Path) -> None:
    fault = FAULTS[control_id]
    place = copy_of(before, tmp_path)
    project = ProjectCopy.in_folder(tmp_path / "project")
    fault.plant(place, project)
    current = (place / "published" / "current").readlink()
    released = hash_of(place / "published" / "releases" / current.name)

    ended = project.run_job(place, "--through", NIGHT, *fault.options)

    assert failed_controls(place) == {control_id, *fault.beside}, ended.stderr
    if catalogue()[control_id].severity == "error":
        assert ended.returncode == 1
        assert (place / "published" / "current").readlink() == current
        assert control_id in ended.stderr
    else:
        assert ended.returncode == 0
        assert (place / "published" / "current").readlink() != current
        assert control_id in ended.stdout
    assert hash_of(place / "published" / "releases" / current.name) == released


def test_files_that_are_gone_and_hours_of_a_day_that_came_late(
    before: Path, tmp_path: Path
) -> None:
    """Of a day that comes in parts, hours that were settled before are not missed."""
    place = copy_of(before, tmp_path)
    gone = "call_logs/arrived_on=2026-03-25/calls.jsonl"
    (place / "landing" / gone).unlink()
    used_on = SEALED - timedelta(days=5)
    late = [call(f"late {n}", AGREED, used_on, called_at=f"{used_on}T12:00:00+08:00")
            for n in range(10)]  # fmt: skip
    write(place / "landing" / f"call_logs/arrived_on={NIGHT}/late.jsonl", json_lines(*late))
    ended = run_job(place, "--through", NIGHT, "--vars={hourly_check_min_records: 10}")
    assert ended.returncode == 0, ended.stderr
    samples = {
        control: json.loads(sample)
        for control, sample in query(
            place, "select control_id, sample from ops.control_results where not passed"
        )
    }
    assert samples.keys() == {"loaded_files_are_unchanged", "every_hour_has_records"}
    [file] = samples["loaded_files_are_unchanged"]
    assert (file["path"], file["finding"]) == (gone, "gone")
    [day] = samples["every_hour_has_records"]
    hours = ", ".join(str(hour) for hour in range(24) if hour not in (10, 12))
    assert (day["usage_date"], day["hours_without_any"]) == (str(used_on), hours)
    # Once is enough.
    ended = run_job(place, "--through", NIGHT + timedelta(days=1))
    assert "loaded_files_are_unchanged" not in failed_controls(place)


def hash_of(folder: Path) -> str:
    """Names and contents of all files of a folder."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        digest.update(str(path.relative_to(folder)).encode())
        if path.is_file():
            digest.update(path.read_bytes())
    return digest.hexdigest()


# --- the catalogue ---


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda folder: (folder / "line_arithmetic.sql").unlink(), "line_arithmetic has no"),
        (lambda folder: (folder / "another.sql").write_text("select 1"), "another.sql: "),
        (
            lambda folder: edit_texts(folder, "  severity: warning\n", "  severity: grave\n"),
            "contracts_are_for_known_components: severity is neither error nor warning",
        ),
        (
            lambda folder: edit_texts(folder, "  about: >-\n", "  abuot: >-\n"),
            "no_failed_call_billed: abuot is none of",
        ),
        (
            lambda folder: edit_texts(folder, "  severity: error\n", ""),
            "no_failed_call_billed: severity is missing",
        ),
        (
            lambda folder: edit_texts(folder, "No call is billed twice.", "12"),
            "no_call_billed_twice: sentence is no text",
        ),
        (
            lambda folder: edit_texts(
                folder, "- id: no_call_billed_twice\n", "- id: no_failed_call_billed\n"
            ),
            "no_failed_call_billed is there twice",
        ),
        (lambda folder: edit_texts(folder, "- id: no_call_billed_twice\n", "-\n"), "without id"),
    ],
)
def test_a_catalogue_that_is_incomplete_is_refused(
    edit: Callable[[Path], object], message: str, tmp_path: Path
) -> None:
    folder = tmp_path / "controls"
    shutil.copytree(CONTROLS, folder)
    assert load_controls(folder) == catalogue()
    edit(folder)
    with pytest.raises(CatalogueError, match=re.escape(message)) as refused:
        load_controls(folder)
    assert str(folder) in str(refused.value)


def edit_texts(folder: Path, old: str, new: str) -> None:
    """Replace what occurs first in the texts of controls."""
    texts = folder / "_controls.yml"
    before = texts.read_text()
    assert old in before
    texts.write_text(before.replace(old, new, 1))


def test_the_guide_names_all_variables_of_a_control() -> None:
    guide = (CONTROLS / "README.md").read_text().partition("## Variables")[2]
    named = {
        name
        for row in re.findall(r"^\| (`.*?) \|", guide, re.MULTILINE)
        for name in re.findall(r"`(\w+)`", row)
    }
    settings = Settings()
    values = variables(
        RuleRange(SEALED, NIGHT, DateRules()), load_vars(settings), load_thresholds(settings)
    )
    assert named == set(values)


def test_files_that_controls_name_exist() -> None:
    """A control that restates a rule says where the rule is."""
    paths = {
        path
        for control in catalogue().values()
        for path in re.findall(r"\b(?:macros|models)/[\w/]+\.sql", control.sql)
    }
    assert paths
    assert {path for path in paths if not (PROJECT / path).exists()} == set()


# --- pages ---


def test_the_page_shows_the_catalogue_that_runs() -> None:
    assert (PROJECT / "docs" / "controls.md").read_text() == page()


def test_data_docs_show_what_was_found_and_load_nothing(before: Path, tmp_path: Path) -> None:
    place = copy_of(before, tmp_path)
    hostile = "<script>alert(1)</script>&$name"
    lines = json_lines(call("d", hostile, SEALED))
    write(place / "landing" / f"call_logs/arrived_on={NIGHT}/more.jsonl", lines)
    assert run_job(place, "--through", NIGHT).returncode == 0
    page = (place / "published" / "current" / "site" / "controls" / "index.html").read_text()
    assert page.count("<script") == 0
    assert not re.search(r"""(src|href)=["'](?!#|data:,")""", page)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;&amp;$name" in page
    assert "request_ids_are_of_one_account (warning)" in page
    for entry in catalogue().values():
        assert entry.id in page
