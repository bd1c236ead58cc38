"""The product against the independent model, on many more generated worlds."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bill.reference import worlds
from tests.support.worlds import check

pytestmark = pytest.mark.long


@pytest.mark.parametrize("seed", range(100, 160))
def test_many_more_worlds_equal_the_model(tmp_path: Path, seed: int) -> None:
    check(tmp_path, worlds.sample(count=400, seed=seed))
