"""The product against the independent model, on many more generated worlds."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bill.reference import worlds
from tests.support.worlds import check, check_growing

pytestmark = pytest.mark.long


@pytest.mark.parametrize("seed", range(100, 160))
def test_many_more_worlds_equal_the_model(tmp_path: Path, seed: int) -> None:
    check(tmp_path, worlds.sample(count=400, seed=seed))


@pytest.mark.parametrize("seed", range(200, 230))
def test_many_more_catalogues_that_grow(tmp_path: Path, seed: int) -> None:
    check_growing(tmp_path, count=200, seed=seed)
