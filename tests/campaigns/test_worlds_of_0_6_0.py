"""All worlds that callbill 0.6.0 settled, every night of them, held against today's figures."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.releases_of_0_6_0 import check_worlds, unpack

pytestmark = pytest.mark.long

SETS = (
    "default",
    "default-by-many-nights",
    "rounding-down-in-new-york",
    "short-age",
    "short-horizon",
    "several-products",
)


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpack("worlds-0.6.0.tar.zst", tmp_path_factory.mktemp("worlds"))


@pytest.mark.parametrize("name", SETS)
def test_worlds_are_settled_as_they_were(worlds: Path, tmp_path: Path, name: str) -> None:
    check_worlds(worlds / name, tmp_path, nights=None)
