"""The catalogue of controls: reads the folder `controls`, and raises if it is incomplete.

controls/README.md says how a control is written.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any, get_args

from callbill.base.errors import CallbillError
from callbill.base.findings import Severity
from callbill.base.yaml_files import read_yaml

CONTROLS = Path(__file__).parent / "controls"
# The query of a control that has nothing to look at. It is not run.
NOTHING_TO_FIND = "select null as nothing where false"


@dataclass(frozen=True)
class Control:
    """A named check over the finished figures.

    In the catalogue `expected` and `sql` are templates. The controls that a run gets are filled in.
    """

    id: str
    severity: Severity
    sentence: str
    expected: str
    about: str
    sql: str
    """Selects the rows that should not exist: one statement, in DuckDB's dialect."""
    action: str = (
        "A fault of callbill, or somebody changed the warehouse by hand: `callbill rebuild`, and "
        "report it if it comes again."
    )
    """What an operator does about a failure."""
    looks_at: str = "sums"
    """`calls`, if the query looks at each call by itself: it runs in each bucket. Otherwise it runs
    over all of them."""

    only_of: str = ""
    """Feeds and tables (`schema.table`), separated by commas: if no file of any of these feeds was
    loaded, and no row is in any of these tables, there is nothing to find, and the query is not
    evaluated."""

    @property
    def sources(self) -> list[str]:
        return self.only_of.split(", ") if self.only_of else []

    @property
    def is_of_calls(self) -> bool:
        return self.looks_at == "calls"


class CatalogueError(CallbillError):
    """The folder of a catalogue has a mistake: a part of a control is missing or not valid."""


@cache
def catalogue() -> dict[str, Control]:
    """All controls by id, in the order in which they are reported."""
    return load_controls(CONTROLS)


def load_controls(folder: Path) -> dict[str, Control]:
    """The controls of a folder by id, in the order of its `_controls.yml`.

    Raises CatalogueError if an entry is not valid, or an entry or a query has no counterpart.
    """
    texts = folder / "_controls.yml"
    controls: dict[str, Control] = {}
    for entry in read_yaml(texts):
        _check_entry(texts, entry)
        query = folder / f"{entry['id']}.sql"
        if entry["id"] in controls:
            raise CatalogueError(f"{texts}: control {entry['id']} is there twice")
        if not query.exists():
            raise CatalogueError(f"{texts}: control {entry['id']} has no {query.name} beside it")
        controls[entry["id"]] = Control(**entry, sql=query.read_text(encoding="utf-8"))
    for query in sorted(folder.glob("*.sql")):
        if query.stem not in controls:
            raise CatalogueError(f"{query}: {texts.name} has no control {query.stem}")
    return controls


def _check_entry(texts: Path, entry: dict[str, Any]) -> None:
    """Raises CatalogueError if a key of an entry is missing, unknown or not valid."""
    name = f"{texts}: control {entry.get('id', '(without id)')}"
    known = {field.name for field in fields(Control)} - {"sql"}
    for key in sorted(entry.keys() - known):
        raise CatalogueError(f"{name}: {key} is none of {', '.join(sorted(known))}")
    for key in sorted(known - {"action", "looks_at", "only_of"} - entry.keys()):
        raise CatalogueError(f"{name}: {key} is missing")
    for key, value in entry.items():
        if not isinstance(value, str) or not value:
            raise CatalogueError(f"{name}: {key} is no text")
    if entry["severity"] not in get_args(Severity):
        raise CatalogueError(f"{name}: severity is neither error nor warning")
    if entry.get("looks_at", "sums") not in ("calls", "sums"):
        raise CatalogueError(f"{name}: looks_at is neither calls nor sums")
