"""The product against the independent model, on generated worlds.

A world is what landed when, made to collide: re-deliveries, late and void calls, month ends,
contracts known late. Many worlds share one run. Every published table must equal the model's:
tests/support/worlds.py holds them against it where it settles them, and sees to it that each kind
of trouble occurs in the few worlds of each test. tests/campaigns/test_many_worlds.py has thousands.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bill.reference.worlds import CALL_LOG_CONTAINERS
from tests.support.worlds import (
    SIZES,
    VARS_OF_TESTS,
    Size,
    check_growing,
    place_of_counted_worlds,
    place_under_other_vars,
    runs_of,
    worlds_place,
)

pytestmark = pytest.mark.parametrize("size", SIZES)


def test_generated_worlds_equal_the_model(size: Size) -> None:
    logs = (worlds_place(size) / "landing" / "call_logs").rglob("*.*")
    assert {path.name.partition(".")[2] for path in logs if path.is_file()} == set(
        CALL_LOG_CONTAINERS
    )


@pytest.mark.parametrize("name", VARS_OF_TESTS)
def test_worlds_of_several_products_under_other_vars_equal_the_model(name: str, size: Size) -> None:
    """Their list prices change, also after the fact."""
    place_under_other_vars(name, size)


def test_worlds_of_catalogues_that_grow_equal_the_model(size: Size, tmp_path: Path) -> None:
    check_growing(tmp_path, *size["growing"], runs_of(size))


def test_worlds_of_ladders_packages_and_waivers_equal_the_model(size: Size) -> None:
    place_of_counted_worlds(size)
