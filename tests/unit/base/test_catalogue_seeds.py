"""Seed rows that have no meaning are one sentence, before anything is built."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from callbill.base.catalogue import figure_seeds
from callbill.base.errors import UsageError

from tests.support.project import PROJECT

PRICE = "wimgs_search_by_text,2020-01-01,2020-01-01"


@pytest.fixture
def seeds(tmp_path: Path) -> Path:
    return Path(shutil.copytree(PROJECT / "seeds", tmp_path / "seeds"))


def add(seeds: Path, name: str, row: str) -> None:
    path = seeds / f"{name}.csv"
    path.write_text(path.read_text() + row + "\n")


def test_the_shipped_seeds_hold_the_list_price(seeds: Path) -> None:
    assert figure_seeds(seeds)["list_prices"] == [[*PRICE.split(","), "60.00000000"]]


def test_a_price_is_the_same_however_it_is_written(seeds: Path) -> None:
    before = figure_seeds(seeds)
    path = seeds / "list_prices.csv"
    path.write_text(path.read_text().replace("60.00000000", "60.0"))
    assert figure_seeds(seeds) == before


@pytest.mark.parametrize(
    ("name", "row", "says"),
    [
        ("list_prices", f"{PRICE},50", "two rows"),
        ("list_prices", "wimgs_search_by_text,2026-01-01,2026-01-01,60.123456785", "8 decimals"),
        ("list_prices", "wimgs_search_by_text,2026-01-01,2026-01-01,-1", "not a price"),
        ("list_prices", "wimgs_search_by_text,2026-01-01,2026-01-01,abc", "not a price"),
        ("list_prices", "wimgs_search_by_text,2026-02-30,2026-01-01,60", "day"),
        ("list_prices", "nobody,2026-01-01,2026-01-01,60", "not in seeds/components.csv"),
        ("component_actions", "SearchByText,wimgs_search_by_text", "two rows"),
        ("component_actions", "Other,nobody", "not in seeds/components.csv"),
        ("components", "other,其他,wimgs,300,千次,元/千次", "power of ten"),
        ("components", "other,其他,nobody,1000,千次,元/千次", "not in seeds/products.csv"),
        ("products", ",空", "empty"),
    ],
)
def test_a_row_without_meaning_is_refused(seeds: Path, name: str, row: str, says: str) -> None:
    add(seeds, name, row)
    with pytest.raises(UsageError, match=says) as refused:
        figure_seeds(seeds)
    assert f"seeds/{name}.csv" in str(refused.value)
