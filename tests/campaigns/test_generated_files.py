"""Ten thousand files in generated containers, forms and shapes: each is read as its calls, and
`verify` agrees."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.read_alike import check


@pytest.mark.long
@pytest.mark.parametrize("part", range(100))
def test_a_hundred_generated_files(
    tmp_path_factory: pytest.TempPathFactory,
    part: int,
    record_property: Callable[[str, object], None],
) -> None:
    record_property("tried", "files in generated containers, forms and shapes, read and verified")
    record_property("times", 100)
    for seed in range(1000 + part * 100, 1100 + part * 100):
        check(seed, tmp_path_factory.mktemp(f"seed-{seed}"))
