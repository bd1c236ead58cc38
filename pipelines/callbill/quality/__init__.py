"""Data-quality controls: named SQL checks that Great Expectations runs inside DuckDB.

This package is cheap to import: Great Expectations, which is not, is loaded by the first run.
"""

from __future__ import annotations

import gc
import logging
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from callbill.base.errors import CallbillError

__all__ = ["BrokenControlError", "Control", "ControlReport", "ControlResult", "run_controls"]

Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class Control:
    """A named check over the finished figures."""

    control_id: str
    sentence: str
    expected: str
    severity: Severity
    sql: str
    """Selects the rows that should not exist. One statement, in DuckDB's dialect, as it stands:
    nothing is substituted in it."""


@dataclass(frozen=True)
class ControlResult:
    """What one control found."""

    control_id: str
    sentence: str
    expected: str
    severity: Severity
    passed: bool
    unexpected_rows: int
    sample: list[dict[str, str | None]]
    """The first of the unexpected rows in the order of their columns, each value as DuckDB prints
    it, so that the same data gives the same sample on every machine."""


@dataclass(frozen=True)
class ControlReport:
    """What all controls of a run found, and Great Expectations' page of it (HTML)."""

    results: list[ControlResult] = field(default_factory=list)
    data_docs: str = ""


class BrokenControlError(CallbillError):
    """Controls that could not be evaluated: they neither passed nor failed."""

    def __init__(self, reasons: dict[str, str]) -> None:
        self.reasons = reasons
        super().__init__(
            "could not be evaluated: "
            + "; ".join(f"control {name} ({why.splitlines()[0]})" for name, why in reasons.items())
        )


def run_controls(
    database: Path,
    controls: Sequence[Control],
    *,
    sample_rows: int = 20,
    timezone: str = "UTC",
    heading: str = "this run",
) -> ControlReport:
    """Run every control against the committed data of a DuckDB file, each SQL exactly once.

    This process may have the file open already, with DuckDB's default configuration; what it `set`
    since holds here too, except the session's time zone, which is `timezone`.

    Results come in the order of the controls; `heading` is what the page calls the run. If any
    control can't be evaluated, the others still run, and then BrokenControlError names all that
    could not.
    """
    if not database.exists():
        raise FileNotFoundError(f"no database at {database}")
    if len({control.control_id for control in controls}) < len(controls):
        raise ValueError("two controls have the same control_id")
    if sample_rows < 1:
        raise ValueError(f"sample_rows must be at least 1, not {sample_rows}")
    if not controls:
        return ControlReport()
    report: ControlReport = import_expectations().run_controls(
        database, controls, sample_rows=sample_rows, timezone=timezone, heading=heading
    )
    return report


def import_expectations() -> Any:
    """The module that runs controls, and with it Great Expectations, which takes seconds."""
    with _lean_import():
        from callbill.quality import expectations
    return expectations


@contextmanager
def _lean_import() -> Iterator[None]:
    """Import Great Expectations in little more than half its time, without telemetry.

    A third of the time goes to two packages that only some expectations ever use: they are loaded
    when one does; Spark, where it is installed, is not seen at all. A tenth goes to garbage
    collections that find nothing to collect.
    """
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    logger = logging.getLogger("great_expectations")
    if logger.level == logging.NOTSET:  # at INFO it tells hundreds of things about itself
        logger.setLevel(logging.WARNING)
    showwarning = warnings.showwarning
    collecting = gc.isenabled()
    gc.disable()
    sys.meta_path.insert(0, _Deferred)
    if "pandas" in sys.modules and not sys.modules["pandas"]:
        del sys.modules["pandas"]
    try:
        yield
    finally:
        sys.meta_path.remove(_Deferred)
        if collecting:
            gc.enable()
        if warnings.showwarning is not showwarning:  # it diverts the whole process's warnings
            logging.captureWarnings(False)


class _Deferred(MetaPathFinder):
    @classmethod
    def find_spec(
        cls, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name.partition(".")[0] == "pyspark":
            raise ModuleNotFoundError(f"{name} is of no use to controls", name=name)
        if name not in ("altair", "scipy.stats"):
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _DeferredLoader(spec.loader)
        return spec


class _DeferredLoader(Loader):
    """Loads a module once something that it defines is asked for. The standard library's LazyLoader
    loads one that is only looked at, and dbt looks at every module that is there."""

    def __init__(self, loader: Any) -> None:
        self.loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _DeferredModule(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        pass


class _DeferredModule(ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or self.__spec__ is None:
            raise AttributeError(name)
        loader: Any = self.__spec__.loader
        self.__class__ = ModuleType  # type: ignore[assignment]
        self.__spec__.loader = self.__loader__ = loader.loader
        loader.loader.exec_module(self)
        return getattr(self, name)
