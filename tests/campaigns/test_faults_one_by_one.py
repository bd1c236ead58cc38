"""Each error's fault in a night of its own: its control fails, alone or with those named."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.faults import NIGHTS, check_stopped

pytestmark = pytest.mark.long


@pytest.mark.parametrize(
    "control_id", [control_id for night in NIGHTS for control_id in night if len(night) > 1]
)
def test_a_fault_alone_is_caught(control_id: str, tmp_path: Path) -> None:
    check_stopped(tmp_path, control_id)
