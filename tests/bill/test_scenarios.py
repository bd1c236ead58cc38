"""The scenarios that a billing clerk can read: what landed, and what the bill says to the digit."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.support.commands import callbill, succeed
from tests.support.places import places
from tests.support.project_copy import ProjectCopy
from tests.support.scenarios import LAST_RUN, SCENARIOS, account, publish


@pytest.fixture(scope="module")
def releases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The release that holds each scenario's account."""
    project = ProjectCopy.in_folder(tmp_path_factory.mktemp("project") / "callbill")
    return {
        name: place / "published" / "current" / "callbill.duckdb"
        for name, place in publish(
            tmp_path_factory.mktemp("scenarios"), project.run_job, project.folder / "seeds"
        ).items()
    }


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


def test_the_second_computation_comes_to_every_scenario(releases: dict[str, Path]) -> None:
    for place in {database.parents[2] for database in releases.values()}:
        succeed(callbill("verify", *places(place)))


def test_there_are_scenarios_enough() -> None:
    assert len(SCENARIOS) >= 25
