"""Places: a folder with a landing folder, a warehouse and what was published; what they hold."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
from callbill.base.settings import Settings, load_settings


def places(place: Path) -> tuple[str, ...]:
    """The options that tell a command of a place."""
    return (
        f"--landing={place / 'landing'}",
        f"--warehouse={place / 'warehouse.duckdb'}",
        f"--published={place / 'published'}",
    )


def settings_of(place: Path) -> Settings:
    """The same for functions of the product."""
    return load_settings(
        landing=str(place / "landing"),
        warehouse=str(place / "warehouse.duckdb"),
        published=str(place / "published"),
        threads=1,
    )


def query(place: Path, sql: str) -> list[tuple[Any, ...]]:
    """What the current release's database answers."""
    release = place / "published" / "current" / "callbill.duckdb"
    with duckdb.connect(str(release), read_only=True) as con:
        return con.execute(sql).fetchall()


def query_warehouse(place: Path, sql: str) -> list[tuple[Any, ...]]:
    """What the warehouse answers."""
    with duckdb.connect(str(place / "warehouse.duckdb"), read_only=True) as con:
        return con.execute(sql).fetchall()


def manifest(place: Path) -> dict[str, Any]:
    """The current release's manifest."""
    content: dict[str, Any] = json.loads(
        (place / "published" / "current" / "manifest.json").read_text()
    )
    return content


def last_run(place: Path) -> dict[str, Any]:
    """The status that the last run left for monitoring."""
    content: dict[str, Any] = json.loads(
        (place / "published" / "status" / "last_run.json").read_text()
    )
    return content


def figures(place: Path) -> dict[str, Any]:
    """What must be the same whatever the road."""
    release = place / "published" / "current"
    pages = {
        path.relative_to(release).as_posix(): path.read_text("utf-8")
        for path in (release / "site" / "data").glob("*/*/*.js")
    }
    keys = ("through", "table_hashes", "settlement_hashes")
    content = manifest(place)
    return {key: content[key] for key in keys} | {"site": pages}


def copy_of(place: Path, target: Path) -> Path:
    """A run's whole place, to do something to it that the other tests must not see."""
    copy = target / "copy"
    shutil.copytree(place, copy, symlinks=True)
    return copy


def lose_warehouse(place: Path) -> None:
    (place / "warehouse.duckdb").unlink()
    shutil.rmtree(place / "warehouse.duckdb.files")


@contextmanager
def unpublishable(place: Path) -> Iterator[None]:
    """What was published is not what the warehouse holds, for a while."""
    change = "update billing.settlements set deducted_amount = deducted_amount {} 0.01"
    with duckdb.connect(str(place / "warehouse.duckdb")) as con:
        con.execute(change.format("+"))
    yield
    with duckdb.connect(str(place / "warehouse.duckdb")) as con:
        con.execute(change.format("-"))
