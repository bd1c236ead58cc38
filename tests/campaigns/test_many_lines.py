"""Many more generated lines and CSV files, read by both ways of reading."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given

from tests.support.generated_lines import (
    check_csv,
    check_lines,
    csv_texts,
    envelope_texts,
    json_texts,
    many,
)
from tests.support.odd_lines import CANONICAL, IN_ENVELOPES

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("lines")


@pytest.fixture
def tried(
    request: pytest.FixtureRequest, record_property: Callable[[str, object], None]
) -> Iterator[list[int]]:
    """How much was tried of what, for the page on reliability."""
    numbers: list[int] = []
    yield numbers
    record_property("tried", request.function.__doc__)
    record_property("times", sum(numbers))


@many
@given(lines=json_texts)
def test_many_lines(place: Path, tried: list[int], lines: list[bytes]) -> None:
    """lines of JSON, by both ways of reading"""
    tried.append(len(lines))
    check_lines(place, CANONICAL, lines)


@many
@given(lines=envelope_texts)
def test_many_envelopes(place: Path, tried: list[int], lines: list[bytes]) -> None:
    """an SDK's envelopes, by both ways of reading"""
    tried.append(len(lines))
    check_lines(place, IN_ENVELOPES, lines)


@many
@given(contents=csv_texts)
def test_much_csv(place: Path, tried: list[int], contents: list[bytes]) -> None:
    """CSV files, by both ways of reading"""
    tried.append(len(contents))
    check_csv(place, contents)
