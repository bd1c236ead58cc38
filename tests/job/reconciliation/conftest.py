"""Accounts whose bills the vendor's are held against."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from tests.support.commands import settle
from tests.support.landing_files import write
from tests.support.places import copy_of
from tests.support.vendor_bills import (
    CASES,
    LAST_RUN,
    bill,
    land,
)


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The accounts' bills, before any of the vendor's came."""
    place = tmp_path_factory.mktemp("nights")
    land(place)
    settle(place, LAST_RUN)
    return place


@pytest.fixture(scope="module")
def reconciled(nights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With all cases in one bill."""
    place = copy_of(nights, tmp_path_factory.mktemp("reconciled"))
    rows = [row for case in CASES.values() for row in case.rows]
    write(place / "landing/vendor_bills/arrived_on=2026-09-11/bill.csv", bill(rows))
    settle(place, date(2026, 9, 11))
    return place
