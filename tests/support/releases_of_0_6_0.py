"""What callbill 0.6.0 left behind, and what it settled; tests/fixtures/README.md describes it."""

from __future__ import annotations

import json
import shutil
import tarfile
from functools import partial
from pathlib import Path
from typing import Any

import zstandard
from callbill.base import rules

from tests.support.commands import run_job, succeed
from tests.support.project import FIXTURES
from tests.support.project_copy import ProjectCopy

HASHES = ("settlement_hashes", "table_hashes")


def unpack(name: str, folder: Path) -> Path:
    """A fixture's archive, unpacked in a folder."""
    with (
        (FIXTURES / name).open("rb") as packed,
        zstandard.ZstdDecompressor().stream_reader(packed) as stream,
        tarfile.open(fileobj=stream, mode="r|") as archive,
    ):
        archive.extractall(folder)  # noqa: S202  our own
    return folder


def read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text())
    return content


def differences(published: Path, expected: dict[str, Any]) -> list[str]:
    """The settlement dates and tables whose hash is not the expected one. Tables that 0.6.0 did not
    have are not compared."""
    release = read(published / "current" / "manifest.json")
    return [
        f"{kind}: {name}"
        for kind in HASHES
        for name in sorted(expected[kind].keys() | _compared(release[kind], kind))
        if expected[kind].get(name) != release[kind].get(name)
    ]


def _compared(hashes: dict[str, str], kind: str) -> set[str]:
    return set(hashes) if kind == "settlement_hashes" else set()


def bill_as_0_6_0() -> None:
    rules.BILLING_RULES = 1


def check_worlds(kept: Path, folder: Path, nights: int | None) -> None:
    """Settle a set's nights, one after the other, by the billing rules of 0.6.0, and hold each
    against what 0.6.0 settled."""
    place, run = folder / "place", partial(run_job, before=bill_as_0_6_0)
    expected = read(kept / "expected.json")
    if (kept / "seeds").exists():
        project = ProjectCopy.in_folder(folder / "project")
        shutil.copytree(kept / "seeds", project.folder / "seeds", dirs_exist_ok=True)
        run = partial(project.run_after, bill_as_0_6_0)
    for number, night in enumerate(expected["nights"][:nights]):
        landed = kept / f"night-{number}"
        if landed.exists():
            shutil.copytree(landed, place / "landing", dirs_exist_ok=True)
        through, overrides = night["through"], json.dumps(expected["vars"])
        succeed(run(place, "--through", through, "--vars", overrides))
        assert differences(place / "published", night) == [], f"night {number}, through {through}"
