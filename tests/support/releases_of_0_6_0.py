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

from tests.support.commands import run_after, settle, succeed
from tests.support.places import copy_of
from tests.support.project import FIXTURES
from tests.support.project_copy import ProjectCopy
from tests.support.shared import make_once

HASHES = ("settlement_hashes", "table_hashes")


def by_the_rules_of_0_6_0() -> None:
    """Have this process settle as 0.6.0 did."""
    rules.READING_RULES = rules.BILLING_RULES = 1


def unpack(name: str, folder: Path) -> Path:
    """A fixture's archive, unpacked in a folder."""
    with (
        (FIXTURES / name).open("rb") as packed,
        zstandard.ZstdDecompressor().stream_reader(packed) as stream,
        tarfile.open(fileobj=stream, mode="r|") as archive,
    ):
        archive.extractall(folder)  # noqa: S202  our own
    return folder


def place_of_0_6_0(name: str) -> Path:
    """A place as 0.6.0 left it, which nobody changes."""
    return make_once(name, lambda folder: unpack(f"callbill-0.6.0-{name}.tar.zst", folder))


def land_next_night(place: Path) -> None:
    """Re-deliveries, a late failure, late usage."""
    shutil.copytree(place / "next-night" / "landing", place / "landing", dirs_exist_ok=True)


def place_of_0_1_0() -> Path:
    """A place as 0.1.0 left it, which nobody changes."""
    return make_once("callbill-0.1.0", partial(unpack, "callbill-0.1.0.tar.zst"))


def settled_by_todays_rules(name: str = "dirty") -> Path:
    """A place one night later, by today's rules; nobody changes it."""

    def make(folder: Path) -> None:
        place = copy_of(place_of_0_6_0(name), folder)
        land_next_night(place)
        settle(place, "2026-09-04")

    return make_once(f"{name}-by-todays-rules", make) / "copy"


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


def check_worlds(kept: Path, folder: Path, nights: int | None) -> None:
    """Settle a set's nights by the rules of 0.6.0, one after the other, and hold each against what
    0.6.0 settled."""
    place, run = folder / "place", partial(run_after, by_the_rules_of_0_6_0)
    expected = read(kept / "expected.json")
    if (kept / "seeds").exists():
        project = ProjectCopy.in_folder(folder / "project")
        shutil.copytree(kept / "seeds", project.folder / "seeds", dirs_exist_ok=True)
        run = partial(project.run_after, by_the_rules_of_0_6_0)
    for number, night in enumerate(expected["nights"][:nights]):
        landed = kept / f"night-{number}"
        if landed.exists():
            shutil.copytree(landed, place / "landing", dirs_exist_ok=True)
        through, overrides = night["through"], json.dumps(expected["vars"])
        succeed(run(place, "--through", through, "--vars", overrides))
        assert differences(place / "published", night) == [], f"night {number}, through {through}"
