"""Imports Great Expectations without telemetry, and in little more than half the usual time."""

from __future__ import annotations

import gc
import logging
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

from callbill.base.hidden import hide, show

# A third of the import's time goes to these packages, which only few expectations use.
_DEFERRED = ("altair", "scipy.stats")
# Another fourth goes to the expectations that Great Expectations brings, and to the places that it
# reads from beside databases. Controls are expectations of their own, and read from DuckDB alone.
_LEFT_OUT = (
    "great_expectations.expectations.core",
    *(f"great_expectations.datasource.fluent.{kind}_" for kind in ("pandas", "spark", "fabric")),
)


def import_expectations() -> Any:
    """Import `callbill.quality.expectations`, and with it Great Expectations. It takes seconds."""
    with _lean_import():
        from callbill.quality import expectations
    return expectations


@contextmanager
def _lean_import() -> Iterator[None]:
    """Inside this block modules of `_DEFERRED` are loaded only when they are used, and those of
    `_LEFT_OUT` not at all.

    Garbage collection is disabled, because it would take a tenth of the time and find nothing.
    """
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    logger = logging.getLogger("great_expectations")
    if logger.level == logging.NOTSET:  # at INFO it logs hundreds of lines
        logger.setLevel(logging.WARNING)
    showwarning = warnings.showwarning
    collecting = gc.isenabled()
    gc.disable()
    sys.meta_path[:0] = [_DeferringFinder, _LeavingOut]
    hide("pyspark")  # Great Expectations imports it if it is installed
    show("pandas")  # the command line hides it, Great Expectations needs it
    try:
        yield
    finally:
        sys.meta_path.remove(_DeferringFinder)
        sys.meta_path.remove(_LeavingOut)
        if collecting:
            gc.enable()
        if warnings.showwarning is not showwarning:  # it redirects the process's warnings
            logging.captureWarnings(False)


class _DeferringFinder(MetaPathFinder):
    @classmethod
    def find_spec(
        cls, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name not in _DEFERRED:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _DeferredLoader(spec.loader)
        return spec


class _DeferredLoader(Loader):
    """Loads a module when one of its names is first used.

    The standard library's LazyLoader loads a module on any access to an attribute, and dbt accesses
    attributes of every imported module.
    """

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


class _LeavingOut(MetaPathFinder, Loader):
    """Gives empty modules in place of those of `_LEFT_OUT`. Whoever imports a name from one has an
    empty class of that name."""

    @classmethod
    def find_spec(
        cls, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return ModuleSpec(name, cls(), is_package=True) if name.startswith(_LEFT_OUT) else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _EmptyModule(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        pass


class _EmptyModule(ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        value = type(name, (), {})
        setattr(self, name, value)
        return value
