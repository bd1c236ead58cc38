"""The product against the independent model, on many more generated worlds."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bill.reference import worlds
from tests.support.worlds import (
    check,
    check_counted,
    check_counted_by_any_road,
    check_growing,
    check_with_own_seeds,
)

pytestmark = pytest.mark.long


@pytest.fixture(autouse=True)
def several_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """In which rows may come in any order."""
    monkeypatch.setenv("CALLBILL_THREADS", "2")


@pytest.mark.parametrize("seed", range(100, 160))
def test_many_more_worlds_equal_the_model(tmp_path: Path, seed: int) -> None:
    check(tmp_path, worlds.sample(count=400, seed=seed))


@pytest.mark.parametrize("seed", range(400, 410))
def test_many_worlds_of_several_products_equal_the_model(tmp_path: Path, seed: int) -> None:
    """By the vars that ship. A test run has those worlds under other vars."""
    check_with_own_seeds(tmp_path, worlds.sample(count=400, seed=seed, seeds=worlds.ROUGH_SEEDS))


@pytest.mark.parametrize("seed", range(200, 230))
def test_many_more_catalogues_that_grow(tmp_path: Path, seed: int) -> None:
    check_growing(tmp_path, count=200, seed=seed)


@pytest.mark.parametrize("seed", range(300, 330))
def test_many_more_ladders_packages_and_waivers(tmp_path: Path, seed: int) -> None:
    check_counted(tmp_path, count=200, seed=seed)


@pytest.mark.parametrize("seed", range(300, 330))
def test_many_more_ladders_packages_and_waivers_by_any_road(tmp_path: Path, seed: int) -> None:
    check_counted_by_any_road(tmp_path, count=200, seed=seed, nights=12)
