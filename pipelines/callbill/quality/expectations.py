"""Runs controls in Great Expectations: a dialect, a metric, an expectation, a validation.

No other module imports Great Expectations. That takes seconds, so this module is imported only
through `lean_import`.
"""
# mypy: disallow-subclassing-any=False, disallow-untyped-decorators=False

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import duckdb
import duckdb_engine
import great_expectations as gx
from great_expectations.compatibility.pydantic import PrivateAttr
from great_expectations.core import (
    ExpectationSuiteValidationResult,
    ExpectationValidationResult,
)
from great_expectations.data_context.types.base import (
    DataContextConfig,
    InMemoryStoreBackendDefaults,
    ProgressBarsConfig,
)
from great_expectations.execution_engine import ExecutionEngine, SqlAlchemyExecutionEngine
from great_expectations.expectations.expectation import BatchExpectation
from great_expectations.expectations.expectation_configuration import ExpectationConfiguration
from great_expectations.expectations.metadata_types import FailureSeverity
from great_expectations.expectations.metrics.metric_provider import metric_value
from great_expectations.expectations.metrics.query_metric_provider import QueryMetricProvider
from great_expectations.render import (
    LegacyDiagnosticRendererType,
    RenderedStringTemplateContent,
    RenderedTableContent,
)
from great_expectations.render.renderer import ValidationResultsPageRenderer
from great_expectations.render.renderer.renderer import renderer
from great_expectations.render.view import DefaultJinjaPageView
from sqlalchemy.dialects import registry

from callbill.base.findings import ControlResult
from callbill.quality.catalogue import NOTHING_TO_FIND, Control
from callbill.quality.results import BrokenControlError, ControlReport

_DATA_DOCS = Path(__file__).parent / "data_docs"

# Nearly all controls find nothing. To count rows only is quicker to plan, and needs fewer columns.
# One that finds something is evaluated a second time, for its sample.
# A control's SQL is first, for the line numbers in DuckDB's errors.
COUNT_SQL = """with control_row_ as not materialized ({sql}
)

select count(*) from control_row_
"""
# Of the rows that there are, the smallest few become text and leave DuckDB.
SAMPLE_SQL = """with control_row_ as not materialized ({sql}
),

found as (
    select min(control_row_, {sample_rows}) as smallest from control_row_
),

sample as (
    select columns(*)::varchar
    from (select unnest(smallest, max_depth := 2) from found)
)

select to_json(list(sample))::varchar from sample
"""


class Dialect(duckdb_engine.Dialect):
    """duckdb_engine's dialect, made fit for Great Expectations.

    Great Expectations fetches rows after it has returned their connection to the pool. The return
    rolls back, and the rollback discards the rows (its issues #10738 and #11579). Validations only
    read, so there is nothing to begin or to roll back. Connections have DuckDB's default
    configuration, because all connections of a process to one file must have the same.
    """

    supports_statement_cache = False

    def connect(self, *cargs: Any, **cparams: Any) -> Any:
        connection = duckdb.connect(cparams["database"])
        connection.execute("set session timezone = ?", [cparams["timezone"]])
        connection.execute("set enable_progress_bar = false")
        return duckdb_engine.ConnectionWrapper(connection)

    def do_begin(self, connection: Any) -> None:
        pass

    def do_rollback(self, connection: Any) -> None:
        pass

    def do_commit(self, connection: Any) -> None:
        pass


registry.register("callbill_duckdb", __name__, "Dialect")


class Outcome(NamedTuple):
    """The number of a control's unexpected rows, and the smallest of them."""

    unexpected_rows: int
    sample: list[dict[str, str | None]]


class ControlOutcome(QueryMetricProvider):
    """The metric that runs a control's query."""

    metric_name = "control.outcome"
    value_keys = ("sql", "sample_rows")

    @metric_value(engine=SqlAlchemyExecutionEngine)
    def _sqlalchemy(
        cls,  # noqa: N805  # passed by this name
        execution_engine: SqlAlchemyExecutionEngine,
        metric_value_kwargs: dict[str, Any],
        **_: Any,
    ) -> Outcome | Exception:
        if metric_value_kwargs["sql"] == NOTHING_TO_FIND:
            return Outcome(0, [])
        try:
            with execution_engine.get_connection() as connection:
                count = COUNT_SQL.format(**metric_value_kwargs)
                unexpected_rows = connection.exec_driver_sql(count).scalar_one()
                if not unexpected_rows:
                    return Outcome(0, [])
                sample_sql = SAMPLE_SQL.format(**metric_value_kwargs)
                sample = connection.exec_driver_sql(sample_sql).scalar_one()
        except Exception as error:
            # If a metric raises, Great Expectations computes it and all others three times.
            return getattr(error, "orig", None) or error  # DuckDB's own error, unwrapped
        return Outcome(unexpected_rows, json.loads(sample))


class ExpectControlToFindNothing(BatchExpectation):
    """A control as an expectation: no rows are unexpected."""

    control_id: str
    sql: str
    sample_rows: int

    metric_dependencies: ClassVar[tuple[str, ...]] = ("control.outcome",)
    success_keys: ClassVar[tuple[str, ...]] = ("control_id", "sql", "sample_rows")

    _configuration: ExpectationConfiguration | None = PrivateAttr(None)

    @property
    def configuration(self) -> ExpectationConfiguration:
        """Great Expectations asks for it dozens of times for each control, and would make it anew
        each time. The fields of a control do not change."""
        if self._configuration is None:
            self._configuration = super().configuration
        return self._configuration

    def _validate(
        self,
        metrics: dict[str, Any],
        runtime_configuration: dict[str, Any] | None = None,
        execution_engine: ExecutionEngine | None = None,
    ) -> dict[str, Any]:
        outcome: Outcome | Exception = metrics["control.outcome"]
        if isinstance(outcome, Exception):
            raise outcome
        return {
            "success": outcome.unexpected_rows == 0,
            "result": {
                "observed_value": outcome.unexpected_rows,
                "details": {"unexpected_rows": outcome.sample},
            },
        }

    @classmethod
    @renderer(renderer_type=LegacyDiagnosticRendererType.UNEXPECTED_TABLE)
    def _diagnostic_unexpected_table_renderer(
        cls,
        configuration: ExpectationConfiguration | None = None,
        result: ExpectationValidationResult | None = None,
        runtime_configuration: dict[str, Any] | None = None,
    ) -> list[RenderedTableContent] | None:
        """The table of sample rows in Data Docs."""
        sample = result.result.get("details", {}).get("unexpected_rows") if result else None
        if not sample:
            return None
        return [
            RenderedTableContent(
                content_block_type="table",
                header_row=[_text("$name", {"name": name}) for name in sample[0]],
                table=[
                    [_text("$value", {"value": "" if value is None else value})
                     for value in row.values()]
                    for row in sample
                ],
            )
        ]  # fmt: skip


def _text(template: str, params: dict[str, str]) -> RenderedStringTemplateContent:
    """A text for Data Docs, which escapes its parameters."""
    return RenderedStringTemplateContent(
        content_block_type="string_template",
        string_template={"template": template, "params": params},
    )


def data_docs(result: ExpectationSuiteValidationResult, heading: str) -> str:
    """Great Expectations' page of a validation (HTML), which loads no other file."""
    page = ValidationResultsPageRenderer().render(result)
    # Not its overview: it links to pages of a store that does not exist, and its percentage counts
    # warnings as failures.
    page.sections = page.sections[1:]
    view = DefaultJinjaPageView(custom_views_directory=str(_DATA_DOCS))
    html: str = view.render(
        page,
        template="controls.j2",
        heading=heading,
        passed=result.statistics["successful_expectations"],
        controls=result.statistics["evaluated_expectations"],
    )
    return html


def run_controls(
    database: Path, controls: Sequence[Control], *, sample_rows: int, timezone: str, heading: str
) -> ControlReport:
    """Validate all controls in one suite; see `callbill.quality.run`."""
    suite = gx.ExpectationSuite(
        name="controls",
        expectations=[
            ExpectControlToFindNothing(
                control_id=control.id,
                description=(
                    f"{control.id} ({control.severity}): {control.sentence}"
                    f" Expected: {control.expected}."
                ),
                severity=(
                    FailureSeverity.CRITICAL
                    if control.severity == "error"
                    else FailureSeverity.WARNING
                ),
                sql=control.sql.rstrip().rstrip(";"),
                sample_rows=sample_rows,
            )
            for control in controls
        ],
    )
    context = gx.get_context(
        mode="ephemeral",
        project_config=DataContextConfig(
            store_backend_defaults=InMemoryStoreBackendDefaults(),
            progress_bars=ProgressBarsConfig(globally=False),
            analytics_enabled=False,
        ),
    )
    # It would write its configuration as YAML with each step, although it keeps it in memory.
    context.variables.save = lambda: None
    source = context.data_sources.add_sql(
        "warehouse",
        connection_string="callbill_duckdb://",
        kwargs={"connect_args": {"database": str(database), "timezone": timezone}},
    )
    try:
        # Controls name their own tables. A validation needs a batch, so this one is a dummy.
        asset = source.add_query_asset("nothing", "select 1")
        batch = asset.add_batch_definition_whole_table("nothing").get_batch()
        validated = batch.validate(suite)
    finally:
        source.get_engine().dispose()
        source.get_execution_engine().close()

    by_control = {
        result.expectation_config.kwargs["control_id"]: result for result in validated.results
    }
    broken = {
        control_id: str(result.exception_info.get("exception_message") or result.exception_info)
        for control_id, result in by_control.items()
        if "observed_value" not in result.result
    }
    if broken:
        raise BrokenControlError(broken)
    results = [
        ControlResult(
            control_id=control.id,
            sentence=control.sentence,
            expected=control.expected,
            severity=control.severity,
            passed=bool(result.success),
            unexpected_rows=result.result["observed_value"],
            sample=result.result["details"]["unexpected_rows"],
        )
        for control in controls
        for result in [by_control[control.id]]
    ]
    return ControlReport(results, data_docs(validated, heading))
