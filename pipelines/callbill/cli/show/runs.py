"""The last runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from callbill.cli.show.console import open_console, table_of

_COLUMNS = (
    *("#run", "by", "through", "settled from", "outcome", "#files", "#accepted"),
    *("#rejected", "#seconds", "message"),
)


def show_runs(runs: Sequence[Sequence[Any]]) -> None:
    open_console().print(table_of("Runs", _COLUMNS, runs))
