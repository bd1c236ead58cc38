"""Accounts whose bills the vendor's are held against."""

from __future__ import annotations

import shutil
import subprocess
from datetime import date
from pathlib import Path

import pytest

from tests.support.commands import callbill, settle
from tests.support.landing_files import write
from tests.support.places import places
from tests.support.shared import make_once
from tests.support.vendor_bills import (
    CASES,
    LAST_RUN,
    bill,
    land,
)


@pytest.fixture(scope="package")
def nights() -> Path:
    """The accounts' bills, before any of the vendor's came."""

    def make(place: Path) -> None:
        land(place)
        settle(place, LAST_RUN)

    return make_once("vendor-bills", make)


@pytest.fixture(scope="package")
def reconciled(nights: Path) -> Path:
    """With all cases in one bill."""

    def make(place: Path) -> None:
        shutil.copytree(nights, place, symlinks=True, dirs_exist_ok=True)
        rows = [row for case in CASES.values() for row in case.rows]
        write(place / "landing/vendor_bills/arrived_on=2026-09-11/bill.csv", bill(rows))
        settle(place, date(2026, 9, 11))

    return make_once("vendor-bills-reconciled", make)


@pytest.fixture(scope="package")
def printed(reconciled: Path) -> subprocess.CompletedProcess[str]:
    """What the command says of all cases."""
    return callbill("reconcile", *places(reconciled))
