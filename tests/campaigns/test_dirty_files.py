"""Every kind of dirt in every field, feed and format: 10,000 dirty files."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.dirt import cases
from tests.support.dirty_places import in_silence


@pytest.mark.long
def test_all_dirty_files(tmp_path: Path) -> None:
    every = list(cases())
    assert len(every) > 10_000
    assert in_silence(tmp_path, every) == []
