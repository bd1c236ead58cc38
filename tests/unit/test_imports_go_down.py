"""The rooms of the package: imports go down only, and in no circle."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import callbill

PACKAGE = Path(callbill.__file__).parent

# From the top down. A room may import rooms of lower floors; rooms of one floor do not know each
# other.
FLOORS = (
    {"cli"},
    {"jobs", "queries", "verify"},
    {"tasks"},
    {"ingest", "quality", "release"},
    {"warehouse"},
    {"storage"},
    {"base"},
)
# The second computation of the bill shares with the first what finds files, takes lines out of them
# and declares shapes; the manifest, which says what a release was made of; and what sends tasks to
# workers.
VERIFY_MAY_IMPORT = (
    "callbill.base",
    "callbill.ingest.feed",
    "callbill.ingest.landing",
    "callbill.ingest.readers.csv_layout",
    "callbill.ingest.readers.delimited",
    "callbill.ingest.readers.json_lines",
    "callbill.ingest.readers.lines",
    "callbill.ingest.readers.recoding",
    "callbill.ingest.readers.unpacking",
    "callbill.ingest.readers.workbooks",
    "callbill.ingest.shapes",
    "callbill.release.checkpoint",
    "callbill.release.manifest",
    "callbill.release.release",
    "callbill.release.store",
    "callbill.storage.folder",
    "callbill.tasks.digest",
    "callbill.tasks.exchange",
    "callbill.tasks.look",
    "callbill.tasks.workers",
    "callbill.verify",
    "callbill.warehouse.loads",
)


def modules() -> dict[str, Path]:
    return {
        ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts): path
        for path in sorted(PACKAGE.rglob("*.py"))
    }


@cache
def imports_of(path: Path, *, at_import: bool = False) -> tuple[str, ...]:
    """The modules of the package that a module imports, anywhere or at its top level only."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return tuple(imported(tree.body if at_import else ast.walk(tree)))


def imported(nodes: Iterable[ast.AST]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("callbill"):
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                yield name if name in MODULES else str(node.module)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("callbill."))


MODULES = modules()


def floor_of(module: str) -> int | None:
    """0 is the top; None for the package itself."""
    room = module.split(".")[1] if "." in module else None
    return next((n for n, rooms in enumerate(FLOORS) if room in rooms), None)


def test_every_room_has_a_floor() -> None:
    rooms = {name.split(".")[1] for name in MODULES if name.count(".") > 1}
    assert rooms == set().union(*FLOORS)


def test_imports_go_down_only() -> None:
    upward = [
        f"{name} imports {other}"
        for name, path in MODULES.items()
        for other in imports_of(path)
        if name.split(".")[1:2] != other.split(".")[1:2]
        and floor_of(other) is not None
        and (floor_of(name) or 0) >= (floor_of(other) or 0)
    ]
    assert upward == []


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = {
        name: {i for i in imports_of(path, at_import=True) if i in MODULES and i != name}
        for name, path in MODULES.items()
        if path.name != "__init__.py"
    }
    tuple(TopologicalSorter(graph).static_order())  # raises CycleError


def test_verify_shares_little_with_what_it_checks() -> None:
    others = {
        other
        for name, path in MODULES.items()
        if name.startswith("callbill.verify")
        for other in imports_of(path)
        if not other.startswith(VERIFY_MAY_IMPORT)
    }
    assert others == set()
