"""The scenarios that a billing clerk can read: what landed, and what the bill says to the digit.

Each file of the folder `scenarios` is an account of its own; those with the same vars share runs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from tests.support.commands import Run
from tests.support.project import PROJECT
from tests.support.project_copy import ProjectCopy

FOLDER = Path(__file__).with_name("scenarios")
SCENARIOS = {path.stem: yaml.safe_load(path.read_text("utf-8")) for path in FOLDER.glob("*.yml")}
# Files that were not there in time turn up after the first run.
FIRST_RUN, LAST_RUN = date(2026, 3, 10), date(2026, 6, 1)


def account(name: str, whose: str = "own") -> str:
    number = 2 * sorted(SCENARIOS).index(name) + (whose != "own")
    return str(100000000600 + number)


def request_ids(name: str, ids: str) -> list[str]:
    """`a1..a4` are four."""
    several = re.fullmatch(r"([a-z]+)(\d+)\.\.\1(\d+)", ids)
    if several is None:
        return [f"{name}/{ids}"]
    letters, first, last = several.groups()
    return [f"{name}/{letters}{number}" for number in range(int(first), int(last) + 1)]


def call_lines(name: str, call: dict[str, Any]) -> Iterator[str]:
    at = str(call["at"])
    if re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d", at):
        at = f"{at.replace(' ', 'T')}:00+08:00"
    status = call.get("status", 200)
    for request_id in request_ids(name, call["ids"]):
        said = {
            "request_id": request_id,
            "called_at": at,
            "owner_uin": account(name, call.get("account", "own")),
            "action": call.get("action", "SearchByText"),
            "http_status": None if status == "none" else status,
            "error_code": call.get("failed"),
            "edition": call.get("edition"),
        }
        yield json.dumps(said)


def contract_line(name: str, contract: dict[str, Any]) -> str:
    said = {
        "owner_uin": account(name),
        "component_code": contract.get("component", "wimgs_search_by_text"),
        "effective_from": str(contract["from"]),
        "effective_to": str(contract["to"]) if "to" in contract else None,
        "discount": contract.get("discount"),
        "contract_price": contract.get("price"),
    }
    return json.dumps(said)


def package_line(name: str, package: dict[str, Any]) -> str:
    said = {
        "package_id": package["id"],
        "owner_uin": account(name),
        "component_code": package.get("component", "wimgs_search_by_text"),
        "calls": package["calls"],
        "valid_from": str(package["from"]),
        "valid_to": str(package["to"]),
    }
    return json.dumps(said)


def waiver_line(name: str, waiver: dict[str, Any]) -> str:
    request_id = f"{name}/{waiver['request']}" if "request" in waiver else None
    said = {
        "waiver_id": waiver["id"],
        "owner_uin": account(name),
        "usage_date": str(waiver["of"]),
        "component_code": waiver.get("component", "wimgs_search_by_text"),
        "calls": waiver.get("calls"),
        "request_id": request_id,
        "reason": waiver["reason"],
    }
    return json.dumps(said)


def attribute_line(name: str, said: dict[str, Any]) -> str:
    line = {
        "owner_uin": account(name),
        "attribute": "edition",
        "value": said["edition"],
        "effective_from": str(said["from"]),
    }
    return json.dumps(line)


def event_line(name: str, event: dict[str, Any]) -> str:
    said = {
        "event_id": f"{name}/{event['id']}",
        "owner_uin": account(name),
        "operate_uin": event.get("by"),
        "occurred_at": f"{event['at'].replace(' ', 'T')}:00+08:00",
        "event_type": event["type"],
        "amount": event.get("amount"),
    }
    return json.dumps(said)


def write_catalogue(seeds: Path, *, late: bool) -> None:
    """The shipped catalogue with the rows of all scenarios: each has actions of its own."""
    rows: dict[str, list[str]] = {"components": [], "component_actions": [], "list_prices": []}
    components = set()
    for name, scenario in SCENARIOS.items():
        for row in scenario.get("catalogue", []):
            if "not there until after the run of" in row and not late:
                continue
            component = str(row.get("component", "wimgs_search_by_text"))
            if component not in components and component != "wimgs_search_by_text":
                components.add(component)
                rows["components"].append(f"{component},{name},wimgs,1000,千次,元/千次")
            dates = [row.get("from", "0001-01-01"), row.get("known from", "0001-01-01")]
            if "claims" in row:
                claim = [row["claims"], component, *dates, row.get("attributes", "")]
                rows["component_actions"].append(",".join(map(str, claim)))
            else:
                step = [row.get("after", ""), row.get("per", "")]
                price = [component, *dates, row["price"], *step]
                rows["list_prices"].append(",".join(map(str, price)))
    for seed, added in rows.items():
        shipped = (PROJECT / "seeds" / f"{seed}.csv").read_text("utf-8")
        (seeds / f"{seed}.csv").write_text(shipped + "".join(f"{row}\n" for row in added), "utf-8")


def land(place: Path, name: str, *, late: bool) -> None:
    for number, landed in enumerate(SCENARIOS[name]["landed"]):
        if ("not there until after the run of" in landed) != late:
            continue
        lines = {
            "call_logs": [line for c in landed.get("calls", []) for line in call_lines(name, c)],
            "contracts": [contract_line(name, c) for c in landed.get("contracts", [])],
            "packages": [package_line(name, p) for p in landed.get("packages", [])],
            "waivers": [waiver_line(name, w) for w in landed.get("waivers", [])],
            "account_attributes": [attribute_line(name, a) for a in landed.get("attributes", [])],
            "account_events": [event_line(name, e) for e in landed.get("events", [])],
        }
        assert any(lines.values())
        for feed, said in lines.items():
            if said:
                folder = place / "landing" / feed / f"arrived_on={landed['arrived']}"
                folder.mkdir(parents=True, exist_ok=True)
                (folder / f"{name}-{number}.jsonl").write_text("\n".join(said) + "\n")


@pytest.fixture(scope="module")
def releases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The release that holds each scenario's account."""
    project = ProjectCopy.in_folder(tmp_path_factory.mktemp("project") / "callbill")
    return {
        name: place / "published" / "current" / "callbill.duckdb"
        for name, place in publish(
            tmp_path_factory, project.run_job, project.folder / "seeds"
        ).items()
    }


def publish(tmp_path_factory: pytest.TempPathFactory, run: Run, seeds: Path) -> dict[str, Path]:
    """Run them all; gives the place of each."""
    by_vars: dict[str, list[str]] = {}
    for name, scenario in SCENARIOS.items():
        by_vars.setdefault(json.dumps(scenario.get("vars", {})), []).append(name)
    found = {}
    for chosen, names in by_vars.items():
        place = tmp_path_factory.mktemp("scenarios")
        late = [name for name in names if "not there until" in str(SCENARIOS[name])]
        for name in names:
            land(place, name, late=False)
        write_catalogue(seeds, late=not late)
        for through in (FIRST_RUN, LAST_RUN) if late else (LAST_RUN,):
            ended = run(place, "--through", through, "--vars", chosen)
            assert ended.returncode == 0, ended.stderr
            for name in late:
                land(place, name, late=True)
            write_catalogue(seeds, late=True)
        found |= dict.fromkeys(names, place)
    return found


def bill(con: duckdb.DuckDBPyConnection, owner: str, month: str, known_on: date) -> dict[str, Any]:
    """A bill in the words of the scenarios."""
    # `2026-03` is read as text by YAML.
    wanted = f"owner_uin = '{owner}' and bill_month = date '{month}-01'"
    known = f"_known_on(date '{known_on}')"
    lines = con.execute(
        f"""
        select settled_on || ' ' || line_type || ' of ' || usage_date || ': ' || calls
            || ' calls at ' || contract_price || ' = ' || real_cost
            || coalesce(' (step ' || tier_from || ')', ' (package ' || package_id || ')', '')
            || coalesce(' (waiver ' || waiver_id || ': ' || waiver_reason || ')', '')
        from billing.bill_lines{known} where {wanted}
        order by settled_on, line_type, usage_date, calls
        """
    ).fetchall()
    settlements = con.execute(
        f"""
        select settled_on || ': rated ' || rated_amount || ', deducted ' || deducted_amount
        from billing.settlements{known} where {wanted} order by settled_on
        """
    ).fetchall()
    adjustment = con.execute(
        f"""
        select adjustment_amount || ', ' || if(is_final, 'final', 'open')
        from billing.precision_adjustments{known} where {wanted}
        """
    ).fetchall()
    return {
        "lines": [text for (text,) in lines],
        "settlements": [text for (text,) in settlements],
        "adjustment": adjustment[0][0] if adjustment else "none",
    }


def account_as_it_stands(con: duckdb.DuckDBPyConnection, owner: str) -> dict[str, list[str]]:
    """Ledger and service of an account, in the words of the scenarios."""
    con.execute("set TimeZone = 'Asia/Shanghai'")
    queries = {
        "ledger": """
            select strftime(posted_at, '%Y-%m-%d %H:%M') || ' ' || entry_type || ' ' || amount
                || ': balance ' || balance || ', available ' || available
            from billing.account_ledger where owner_uin = ? order by entry_no
        """,
        "credit": """
            select strftime(posted_at, '%Y-%m-%d %H:%M') || ': ' || credit_amount || ' credit, '
                || cash_amount || ' cash'
            from billing.account_ledger
            where owner_uin = ? and entry_type in ('credit_grant', 'deduction') order by entry_no
        """,
        "packages": """
            select package_id || ': ' || calls || ' bought, ' || calls_drawn || ' drawn, '
                || calls_given_back || ' given back, ' || calls_lost || ' lost, '
                || calls_left || ' left' || if(is_expired, ', expired', '')
            from billing.package_balances where owner_uin = ? order by package_id
        """,
        "service": """
            select strftime(valid_from, '%Y-%m-%d %H:%M') || ' ' || status
            from billing.service_status where owner_uin = ? order by valid_from
        """,
    }
    return {
        what: [text for (text,) in con.execute(query, [owner]).fetchall()]
        for what, query in queries.items()
    }


@pytest.mark.parametrize("name", sorted(SCENARIOS))
def test_scenario(releases: dict[str, Path], name: str) -> None:
    scenario = SCENARIOS[name]
    assert scenario["title"] and scenario["why"] and scenario["bills"]
    with duckdb.connect(str(releases[name]), read_only=True) as con:
        for expected in scenario["bills"]:
            found = bill(con, account(name), expected["month"], expected.get("known on", LAST_RUN))
            said = {key: expected[key] for key in ("lines", "settlements", "adjustment")}
            said["lines"] = sorted(said["lines"])
            assert found | {"lines": sorted(found["lines"])} == said
        months = con.execute(
            "select distinct strftime(bill_month, '%Y-%m') from billing.settlements"
            " where owner_uin = ?",
            [account(name)],
        ).fetchall()
        # No bill that the scenario does not tell of.
        assert {month for (month,) in months} <= {one["month"] for one in scenario["bills"]}
        stands = account_as_it_stands(con, account(name))
        said = {what: scenario[what] for what in stands if what in scenario}
        assert {what: stands[what] for what in said} == said
        assert ("packages" in scenario) == bool(stands["packages"])
        assert ("ledger" in scenario and "service" in scenario) == bool(stands["service"])
        if "calls" in scenario:
            calls = con.execute(
                """
                select settled_on || ' ' || split_part(request_id, '/', 2) || ': ' || disposition
                from billing.calls where starts_with(request_id, ?) order by 1
                """,
                [f"{name}/"],
            ).fetchall()
            assert [text for (text,) in calls] == sorted(scenario["calls"])


def test_there_are_scenarios_enough() -> None:
    assert len(SCENARIOS) >= 25
