"""Ten thousand files in generated containers, forms and shapes: each is read as its calls, and
`verify` agrees."""

from __future__ import annotations

import pytest

from tests.support.read_alike import check


@pytest.mark.long
@pytest.mark.parametrize("part", range(100))
def test_a_hundred_generated_files(tmp_path_factory: pytest.TempPathFactory, part: int) -> None:
    for seed in range(1000 + part * 100, 1100 + part * 100):
        check(seed, tmp_path_factory.mktemp(f"seed-{seed}"))
