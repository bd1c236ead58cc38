"""The dbt models: their unit tests, and what holds of their descriptions, contracts and types."""

from __future__ import annotations

import json
import shutil
import subprocess
from functools import cache, partial
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from tests.support.commands import callbill
from tests.support.model_unit_tests import run_model_unit_tests
from tests.support.parsed import parsed_models
from tests.support.project import PROJECT

MARTS = (
    "calls",
    "daily_usage",
    "bill_lines",
    "settlements",
    "precision_adjustments",
    "monthly_bills",
    "cost_allocation",
    "contracts",
    "package_balances",
    "accounts",
    "account_ledger",
    "account_arrears",
    "service_status",
    "arrears_notices",
    "vendor_bill_lines",
    "reconciliation",
)
# A view of budgets, which are edited at any time.
BUDGETS = "budget_status"
# Views of marts, also in a release; one after a specification that has its own names.
FOCUS = "focus_cost_and_usage"
VIEWS = (FOCUS, "calendar", "monthly_changes")
# SQL macros, which dbt's site lists as a model.
MACROS = "known_on_macros"

# Every model that decides on a call, a price or an amount.
MODELS_WITH_UNIT_TESTS = {
    "budget_status",
    "int_waiting_charges",
    "int_waiting_requests",
    "stg_account_attributes",
    "stg_component_claims",
    "stg_call_logs",
    "stg_list_prices",
    "stg_vendor_bills",
    "int_repeated_requests",
    "int_calls_once",
    "int_earlier_states",
    "int_call_records",
    "int_call_states",
    "int_calls_again",
    "int_calls",
    "int_charges",
    "int_charges_by_caller",
    "int_daily_usage_changes",
    "int_records_by_action",
    "int_record_outcomes",
    "int_list_prices_known",
    "int_first_list_prices",
    "int_contracts_known",
    "int_prices",
    "int_repriced_usage",
    "int_reratings",
    "int_packages_known",
    "int_waivers_known",
    "int_quantity_accounts",
    "int_quantity_news",
    "int_quantity_prices",
    "int_quantity_lines",
    "contracts",
    "package_balances",
    "int_unbilled_counts",
    "int_unbilled_calls",
    "int_vendor_bill_lines_recognised",
    "int_vendor_bill_lines_current",
    "int_vendor_bill_lines_priced",
    "bill_lines",
    "settlements",
    "precision_adjustments",
    "monthly_bills",
    "cost_allocation",
    "accounts",
    "daily_usage",
    "account_ledger",
    "account_arrears",
    "service_status",
    "arrears_notices",
    "vendor_bill_lines",
    "int_comparable_lines",
    "int_usage_compared",
    "int_usage_in_other_periods",
    "int_usage_differences",
    "int_adjustment_differences",
    "reconciliation",
}
# So that none is lost to a selector or a file name that dbt passes over.
UNIT_TESTS_AT_LEAST = 115

# Data only moves forward. First comes the bill: a mart feeds no intermediate model. Then comes its
# reconciliation with the vendor's: it starts from the finished bill, and nothing of that reads it.
ORDER = ("staging", "intermediate", "marts", "reconciliation's steps", "reconciliation")

# What a figure may be made of, by the end of its column's name.
TYPES_BY_NAME = {
    "_price": {"DECIMAL(18,8)"},
    "discount": {"DECIMAL(18,8)"},
    "used_amount": {"DECIMAL(18,8)"},
    "_cost": {"DECIMAL(38,8)"},
    "_difference": {"DECIMAL(38,8)"},
    "calls_difference": {"BIGINT"},
    "rated_amount": {"DECIMAL(38,8)"},
    "discount_amount": {"DECIMAL(38,8)"},
    "residual_amount": {"DECIMAL(38,8)"},
    "adjustment_amount": {"DECIMAL(38,8)"},
    "deducted_amount": {"DECIMAL(18,2)"},
    "calls": {"BIGINT"},
    "records": {"BIGINT"},
    "line_number": {"BIGINT"},
    "calls_billed": {"BIGINT"},
    "calls_received": {"BIGINT"},
    "calls_failed": {"BIGINT"},
    "calls_unbilled": {"BIGINT"},
    "calls_drawn": {"BIGINT"},
    "calls_given_back": {"BIGINT"},
    "calls_lost": {"BIGINT"},
    "calls_left": {"BIGINT"},
    "tier_from": {"BIGINT"},
    "last_used": {"DATE"},
    "bill_month": {"DATE"},
    "_date": {"DATE"},
    "_on": {"DATE"},
    "_at": {"TIMESTAMP WITH TIME ZONE"},
    "_since": {"TIMESTAMP WITH TIME ZONE"},
    "since": {"TIMESTAMP WITH TIME ZONE"},
    # Of the service of an account, and of a package.
    "valid_from": {"TIMESTAMP WITH TIME ZONE", "DATE"},
    "valid_to": {"TIMESTAMP WITH TIME ZONE", "DATE"},
    "known_from": {"DATE"},
    "known_to": {"DATE"},
    "effective_from": {"DATE"},
    "effective_to": {"DATE"},
    "entry_no": {"BIGINT"},
    "amount": {"DECIMAL(18,2)"},
    "amount_due": {"DECIMAL(18,2)"},
    "balance": {"DECIMAL(18,2)"},
    "credit": {"DECIMAL(18,2)"},
    "frozen": {"DECIMAL(18,2)"},
    "available": {"DECIMAL(18,2)"},
}


@pytest.fixture(scope="module")
def warehouse(sample_place: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the sample's warehouse: dbt opens it for writing."""
    copy = tmp_path_factory.mktemp("models") / "warehouse.duckdb"
    shutil.copyfile(sample_place / "warehouse.duckdb", copy)
    return copy


@pytest.fixture(scope="module")
def unit_test_run(warehouse: Path) -> subprocess.CompletedProcess[str]:
    """The artifacts of the unit tests' run lie in `target` beside the warehouse."""
    (warehouse.parent / "target").mkdir()
    shutil.copy(parsed_models(), warehouse.parent / "target")
    return callbill(before=partial(run_model_unit_tests, warehouse.parent))


def artifact(warehouse: Path, name: str) -> dict[str, Any]:
    said: dict[str, Any] = json.loads((warehouse.parent / "target" / name).read_text())
    return said


@pytest.fixture(scope="module")
def manifest(
    warehouse: Path, unit_test_run: subprocess.CompletedProcess[str]
) -> dict[str, dict[str, Any]]:
    """What dbt knows of the project once its files are read."""
    assert (warehouse.parent / "target" / "manifest.json").exists(), unit_test_run.stdout
    return artifact(warehouse, "manifest.json")


@pytest.fixture(scope="module")
def models(manifest: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    nodes = manifest["nodes"].values()
    return {node["name"]: node for node in nodes if node["resource_type"] == "model"}


def layer(model: dict[str, Any]) -> str:
    return str(model["fqn"][1])


def place_in_order(model: dict[str, Any]) -> int:
    """A model may read from its own place and from those before it."""
    if model["name"] == "reconciliation":
        return ORDER.index("reconciliation")
    if model["fqn"][1:3] == ["intermediate", "reconciliation"]:
        return ORDER.index("reconciliation's steps")
    return ORDER.index(layer(model))


def columns_of(con: duckdb.DuckDBPyConnection, relation: str) -> list[tuple[str, str]]:
    return [(row[0], row[1]) for row in con.execute(f"describe from {relation}").fetchall()]


@cache
def declared_models() -> dict[str, dict[str, Any]]:
    return {
        model["name"]: model
        for path in (PROJECT / "models").glob("*/_*__models.yml")
        for model in yaml.safe_load(path.read_text("utf-8"))["models"]
    }


def contracted_columns(mart: str) -> list[tuple[str, str]]:
    """Names and types as the contract states them, in its order, the types spelled by DuckDB."""
    nulls = ", ".join(
        f"cast(null as {column['data_type']}) as {column['name']}"
        for column in declared_models()[mart]["columns"]
    )
    with duckdb.connect() as con:
        return columns_of(con, f"(select {nulls})")


def test_unit_tests_of_the_models_pass(
    warehouse: Path, unit_test_run: subprocess.CompletedProcess[str]
) -> None:
    assert (warehouse.parent / "target" / "run_results.json").exists(), unit_test_run.stderr
    results = [
        result
        for result in artifact(warehouse, "run_results.json")["results"]
        if not result["unique_id"].startswith("operation.")
    ]
    failed = [result["message"] for result in results if result["status"] != "pass"]
    assert failed == []
    assert unit_test_run.returncode == 0, unit_test_run.stderr
    unique_ids = {result["unique_id"] for result in results}
    assert len(unique_ids) >= UNIT_TESTS_AT_LEAST
    assert {unique_id.split(".")[2] for unique_id in unique_ids} == MODELS_WITH_UNIT_TESTS


def test_unit_tests_say_what_matters(manifest: dict[str, dict[str, Any]]) -> None:
    tests = manifest["unit_tests"].values()
    assert [test["name"] for test in tests if not test["description"].strip()] == []


def test_models_and_mart_columns_are_described(models: dict[str, dict[str, Any]]) -> None:
    undescribed = [
        name
        for name, described in [
            *((name, model) for name, model in models.items()),
            *(
                (f"{name}.{column_name}", column)
                for name, model in models.items()
                for column_name, column in model["columns"].items()
            ),
        ]
        if not described["description"].strip()
    ]
    assert undescribed == []


def test_marts_are_the_published_tables(models: dict[str, dict[str, Any]]) -> None:
    marts = {name: model for name, model in models.items() if model["schema"] == "billing"}
    assert marts.pop(MACROS)["config"]["materialized"] == "statements"
    assert set(marts) == {*MARTS, *VIEWS, BUDGETS}
    in_marts = {name for name, model in models.items() if layer(model) == "marts"}
    assert in_marts == {*MARTS, *VIEWS, BUDGETS, MACROS}
    assert all(model["config"]["contract"]["enforced"] for model in marts.values())


def test_references_only_go_forward(models: dict[str, dict[str, Any]]) -> None:
    backward = [
        f"{name} reads {read}"
        for name, model in models.items()
        for read in (unique_id.split(".")[2] for unique_id in model["depends_on"]["nodes"])
        if read in models and place_in_order(models[read]) > place_in_order(model)
    ]
    assert backward == []


@pytest.mark.parametrize("mart", [*MARTS, *VIEWS, BUDGETS])
def test_published_columns_are_those_of_the_contract(mart: str, sample_release: Path) -> None:
    """Names, types and order, in the release's database and in its Parquet."""
    release = sample_release / "current"
    contracted = contracted_columns(mart)
    with duckdb.connect(str(release / "callbill.duckdb"), read_only=True) as con:
        assert columns_of(con, f"billing.{mart}") == contracted
    files = sorted((release / "parquet").glob(f"{mart}.parquet"))
    files += sorted((release / "parquet" / mart).glob("*/*.parquet"))
    assert files
    with duckdb.connect() as con:
        for file in files:
            # Without the folder's name: the file alone has to say it all.
            parquet = f"read_parquet('{file}', hive_partitioning = false)"
            assert columns_of(con, parquet) == contracted, file


@pytest.mark.parametrize("mart", MARTS)
def test_figures_have_their_types(mart: str) -> None:
    for name, type_ in contracted_columns(mart):
        endings = [ending for ending in TYPES_BY_NAME if name.endswith(ending)]
        if endings:
            assert type_ in TYPES_BY_NAME[max(endings, key=len)], name
        else:
            assert type_ in {"VARCHAR", "BOOLEAN"}, f"TYPES_BY_NAME does not know {name}"


def test_no_table_holds_binary_fractions(warehouse: Path, sample_release: Path) -> None:
    """From the landed records to the release: a DOUBLE anywhere could end up in a figure."""
    for database in (warehouse, sample_release / "current" / "callbill.duckdb"):
        with duckdb.connect(str(database), read_only=True) as con:
            found = con.execute(
                """
                select schema_name, table_name, column_name, data_type from duckdb_columns()
                where not internal and regexp_matches(data_type, 'DOUBLE|FLOAT|REAL')
                """
            ).fetchall()
        assert found == []
