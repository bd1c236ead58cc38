"""Scenarios that a billing clerk can read: they land in places, and are settled.

Each file of the folder `scenarios` is an account of its own; those with the same vars share runs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from tests.support.commands import Run
from tests.support.project import PROJECT

FOLDER = PROJECT / "tests" / "bill" / "scenarios"
# Whoever collects tests reads them: by the reader in C, which is faster.
SCENARIOS = {
    path.stem: yaml.load(path.read_text("utf-8"), yaml.CSafeLoader) for path in FOLDER.glob("*.yml")
}
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


def publish(folder: Path, run: Run, seeds: Path) -> dict[str, Path]:
    """Run them all in places of the folder, with the catalogue in `seeds`. The result has the place
    of each."""
    by_vars: dict[str, list[str]] = {}
    for name, scenario in SCENARIOS.items():
        by_vars.setdefault(json.dumps(scenario.get("vars", {})), []).append(name)
    found = {}
    for number, (chosen, names) in enumerate(by_vars.items()):
        place = folder / f"{number}"
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
