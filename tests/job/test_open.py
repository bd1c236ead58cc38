"""`callbill open`: where the parts of a release lie."""

from __future__ import annotations

from pathlib import Path

from tests.support.commands import callbill, succeed
from tests.support.places import places


def test_the_parts_of_a_release_are_where_it_says(sample_place: Path) -> None:
    ended = callbill("open", *places(sample_place))
    succeed(ended)
    first, *lines = ended.stdout.splitlines()
    assert first.endswith(", sealed through 2026-10-02")
    shown = {line.split()[0]: Path(line.split()[1]) for line in lines[:-1]}
    assert set(shown) == {"site", "database", "parquet", "manifest"}
    assert all(path.exists() for path in shown.values())


def test_a_release_that_is_not_there_is_one_sentence(sample_place: Path) -> None:
    ended = callbill("open", "1999", *places(sample_place))
    assert ended.returncode == 2
    assert "no release begins with '1999'" in ended.stderr
