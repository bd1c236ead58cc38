"""Files in generated containers, forms and shapes; ten thousand of them are in tests/campaigns."""

from __future__ import annotations

from pathlib import Path

from tests.support.read_alike import check


def test_generated_files_are_read_as_their_calls(tmp_path: Path) -> None:
    for seed in range(60):
        folder = tmp_path / str(seed)
        folder.mkdir()
        check(seed, folder)
