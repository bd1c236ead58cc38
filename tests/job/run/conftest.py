"""The story, settled in one run and night after night."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.story import settled_at_once, settled_by_night


@pytest.fixture(scope="module")
def once() -> Path:
    """The story settled in one run."""
    return settled_at_once()


@pytest.fixture(scope="module")
def nightly() -> Path:
    """The story settled day by day, with a reader that held the first release open."""
    return settled_by_night()
