"""Ledger, arrears and service against their model, on many more generated histories of accounts."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.histories import check, history

pytestmark = pytest.mark.long


@pytest.mark.parametrize("seed", range(100, 140))
def test_many_more_histories_equal_the_model(tmp_path: Path, seed: int) -> None:
    check(tmp_path, history(seed, owners=300))
