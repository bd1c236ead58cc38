"""Ten thousand files in generated containers, forms and shapes, and a thousand of the vendor's
bills: each is read as its calls, or lines. `verify` agrees of the calls."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.read_alike import check, check_bills


@pytest.mark.long
@pytest.mark.parametrize("part", range(50))
def test_two_hundred_generated_files(
    tmp_path_factory: pytest.TempPathFactory,
    part: int,
    record_property: Callable[[str, object], None],
) -> None:
    record_property("tried", "files in generated containers, forms and shapes, read and verified")
    record_property("times", 200)
    first = 1000 + part * 200
    check(range(first, first + 200), tmp_path_factory.mktemp("files"))


@pytest.mark.long
@pytest.mark.parametrize("part", range(10))
def test_a_hundred_generated_bills(
    tmp_path_factory: pytest.TempPathFactory,
    part: int,
    record_property: Callable[[str, object], None],
) -> None:
    record_property("tried", "vendor bills in generated forms and spellings")
    record_property("times", 100)
    first = 1000 + part * 100
    check_bills(range(first, first + 100), tmp_path_factory.mktemp("bills"))
