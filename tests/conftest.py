"""Runs of the product that several tests share."""

from __future__ import annotations

import atexit
import json
import multiprocessing
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from functools import cache
from multiprocessing.reduction import DupFd
from pathlib import Path
from tempfile import TemporaryFile, mkdtemp
from typing import Any

import duckdb
import jinja2
import pytest
from callbill.base import catalogue, settings
from callbill.cli.main import main
from callbill.ingest import shapes, templates
from callbill.release.site import dbt_docs
from callbill.warehouse import dbt

PROJECT = Path(__file__).resolve().parent.parent
# What judges lines, in a checkout.
INGEST = "pipelines/callbill/ingest"
CALLBILL = Path(sys.executable).with_name("callbill")

# The last day of the sample's story.
SAMPLE_THROUGH = "2026-10-02"

Run = Callable[..., subprocess.CompletedProcess[str]]

# The models as dbt parsed them; this process's own, since several may run tests at once.
_PARSED = Path(mkdtemp(prefix="callbill-tests-")) / "partial_parse.msgpack"
# What dbt wrote of the models as they are, for the site.
_DBT_DOCS = _PARSED.parent / "docs"
atexit.register(shutil.rmtree, _PARSED.parent, ignore_errors=True)

# The modules that take longest begin, so that the others fill what time is left at the end.
_LONG = ("test_controls", "test_roads", "test_worlds", "test_verify", "test_scenarios", "test_run")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: _LONG.index(item.path.stem) if item.path.stem in _LONG else 99)


@cache
def _warm() -> multiprocessing.context.ForkServerContext:
    """A process to fork runs from, see tests/warm.py."""
    parse = [sys.executable, "-m", "tests.parse", str(_PARSED)]
    subprocess.run(parse, cwd=PROJECT, check=True)
    os.environ["CALLBILL_TESTS_PARSED"] = str(_PARSED)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.warm"])
    return context


def callbill(
    *arguments: object,
    cwd: Path | None = None,
    project: Path = PROJECT,
    before: Callable[[], None] | None = None,
) -> subprocess.CompletedProcess[str]:
    """The product's own command, in a process of its own; with another project's models and seeds
    if one is given, and after what is to be done in that process beforehand."""
    command = [str(CALLBILL), *map(str, arguments)]
    with TemporaryFile("w+") as out, TemporaryFile("w+") as err:
        process = _warm().Process(
            target=_command,
            args=(
                command,
                dict(os.environ),
                cwd,
                project,
                before,
                *map(DupFd, (out.fileno(), err.fileno())),
            ),
        )
        process.start()
        process.join()
        out.seek(0)
        err.seek(0)
        assert process.exitcode is not None
        return subprocess.CompletedProcess(command, process.exitcode, out.read(), err.read())


def _command(
    command: list[str],
    environment: dict[str, str],
    cwd: Path | None,
    project: Path,
    before: Callable[[], None] | None,
    out: Any,
    err: Any,
) -> None:
    os.dup2(out.detach(), 1)
    os.dup2(err.detach(), 2)
    os.environ.clear()
    os.environ.update(environment)
    if cwd is not None:
        os.chdir(cwd)
    for module in (catalogue, dbt, dbt_docs, settings):
        module.PROJECT = project  # type: ignore[attr-defined]
    ingest = project / INGEST
    shapes.SHAPES = ingest / "feeds" / "call_logs" / "shapes"
    templates.TEMPLATES.loader = jinja2.FileSystemLoader(ingest / "feeds")
    sys.argv = command
    if before is not None:
        before()
    main()


def run_job(place: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """`callbill run` with a folder's own landing, warehouse and published places."""
    return _run(place, *arguments, project=PROJECT)


def succeed(ended: subprocess.CompletedProcess[str]) -> None:
    assert ended.returncode == 0, ended.stderr


def run_after(
    before: Callable[[], None], place: Path, *arguments: object
) -> subprocess.CompletedProcess[str]:
    """The same, after something was done in its process."""
    return _run(place, *arguments, project=PROJECT, before=before)


def _run(
    place: Path, *arguments: object, project: Path, before: Callable[[], None] | None = None
) -> subprocess.CompletedProcess[str]:
    """A run, to which the models as dbt parsed them are lent, and what dbt wrote of them: that
    takes seconds, and what has changed since is parsed and written anew."""
    _warm()
    state = place / "warehouse.duckdb.files" / "dbt"
    parsed = state / "target" / "partial_parse.msgpack"
    if not parsed.exists():
        parsed.parent.mkdir(parents=True)
        shutil.copyfile(_PARSED, parsed)
        if _DBT_DOCS.exists():
            shutil.copytree(_DBT_DOCS, state / "docs")
    ended = callbill("run", *places(place), *arguments, project=project, before=before)
    if project == PROJECT and (state / "docs").exists() and not _DBT_DOCS.exists():
        shutil.copytree(state / "docs", _DBT_DOCS)
    return ended


def places(place: Path) -> tuple[str, ...]:
    return (
        f"--landing={place / 'landing'}",
        f"--warehouse={place / 'warehouse.duckdb'}",
        f"--published={place / 'published'}",
    )


def settle(place: Path, through: date) -> None:
    """A run that has to publish."""
    ended = run_job(place, "--through", through)
    assert ended.returncode == 0, ended.stderr


def query(place: Path, sql: str) -> list[tuple[Any, ...]]:
    """What the current release's database answers."""
    release = place / "published" / "current" / "callbill.duckdb"
    with duckdb.connect(str(release), read_only=True) as con:
        return con.execute(sql).fetchall()


def manifest(place: Path) -> dict[str, Any]:
    """What the current release says of itself."""
    said: dict[str, Any] = json.loads(
        (place / "published" / "current" / "manifest.json").read_text()
    )
    return said


def figures(place: Path) -> dict[str, Any]:
    """What must be the same whatever the road."""
    said = manifest(place)
    shown = {
        path.relative_to(place / "published" / "current").as_posix(): path.read_text("utf-8")
        for path in (place / "published" / "current" / "site" / "data").glob("*/*/*.js")
    }
    keys = ("through", "table_hashes", "settlement_hashes")
    return {key: said[key] for key in keys} | {"site": shown}


def copy_of(place: Path, target: Path) -> Path:
    """A run's whole place, to do something to it that the other tests must not see."""
    copy = target / "copy"
    shutil.copytree(place, copy, symlinks=True)
    return copy


@contextmanager
def unpublishable(place: Path) -> Iterator[None]:
    """What was published is not what the warehouse says, for a while."""
    change = "update billing.settlements set deducted_amount = deducted_amount {} 0.01"
    with duckdb.connect(str(place / "warehouse.duckdb")) as con:
        con.execute(change.format("+"))
    yield
    with duckdb.connect(str(place / "warehouse.duckdb")) as con:
        con.execute(change.format("-"))


@dataclass(frozen=True)
class ProjectCopy:
    """A copy of the project, to be edited: seeds, models, what judges lines."""

    folder: Path

    @classmethod
    def in_folder(cls, folder: Path) -> ProjectCopy:
        for name in ("models", "macros", "seeds", INGEST):
            shutil.copytree(PROJECT / name, folder / name)
        for name in ("dbt_project.yml", "profiles.yml"):
            shutil.copy(PROJECT / name, folder / name)
        return cls(folder)

    def run_job(self, place: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
        return _run(place, *arguments, project=self.folder)

    def run_after(
        self, before: Callable[[], None], place: Path, *arguments: object
    ) -> subprocess.CompletedProcess[str]:
        return _run(place, *arguments, project=self.folder, before=before)

    def edit(self, path: str, old: str, new: str) -> None:
        """Replace what occurs once in a file."""
        file = self.folder / path
        text = file.read_text()
        assert text.count(old) == 1, f"{path}: {old!r} occurs {text.count(old)} times"
        file.write_text(text.replace(old, new))


@pytest.fixture(scope="session")
def sample_place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the sample was run once, through its last day."""
    place = tmp_path_factory.mktemp("sample")
    (place / "landing").symlink_to(PROJECT / "sample" / "landing")
    ended = run_job(place, "--through", SAMPLE_THROUGH)
    assert ended.returncode == 0, ended.stderr
    return place


@pytest.fixture(scope="session")
def sample_release(sample_place: Path) -> Path:
    """The published folder of the sample's run."""
    return sample_place / "published"
