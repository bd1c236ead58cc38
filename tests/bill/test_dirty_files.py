"""What spreadsheets, exports and shippers make of a file never changes a bill in silence."""

from __future__ import annotations

from pathlib import Path

from tests.support.dirt import cases
from tests.support.dirty_places import in_silence


def test_some_dirty_files(tmp_path: Path) -> None:
    some = [case for case in cases() if not case.dirt or case.number % 46 == 0]
    assert len(some) > 200
    assert in_silence(tmp_path, some) == []
