"""Content hashes of what a warehouse has."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from callbill.base.settings import load_settings
from callbill.ingest.feed import raw_tables
from callbill.release.hashes import refresh_hashes
from callbill.release.marts import hashed_marts
from callbill.warehouse.warehouse import Warehouse

from tests.support.places import copy_of


def test_a_mart_that_an_earlier_version_did_not_have_is_no_fault(
    sample_place: Path, tmp_path: Path
) -> None:
    """So it is with a warehouse that was made from a checkpoint of an earlier version."""
    place = copy_of(sample_place, tmp_path)
    new = next(mart.name for mart in hashed_marts() if mart.hashed_by == "usage_date")
    settings = load_settings(
        landing=str(place / "landing"),
        warehouse=str(place / "warehouse.duckdb"),
        published=str(place / "published"),
    )
    with closing(Warehouse.open(settings, raw_tables())) as warehouse:
        before = warehouse.rows("from ops.settlement_hashes order by all")
        warehouse.execute(f"drop table billing.{new}")
        refresh_hashes(warehouse)
        assert warehouse.rows("from ops.settlement_hashes order by all") == before
