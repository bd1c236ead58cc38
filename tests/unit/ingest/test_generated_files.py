"""Files in generated containers, forms and shapes; ten thousand of them are in tests/campaigns."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.read_alike import check, check_bills


@pytest.mark.parametrize(("files", "together"), [(10, 1), (40, 40)])
def test_generated_files_are_read_as_their_calls(tmp_path: Path, files: int, together: int) -> None:
    for first in range(0, files, together):
        folder = tmp_path / str(first)
        folder.mkdir()
        check(range(first, first + together), folder)


def test_generated_bills_are_read_as_their_lines(tmp_path: Path) -> None:
    check_bills(range(12), tmp_path)
