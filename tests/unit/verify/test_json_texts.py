"""JSON lines as objects whose numbers are texts."""

from __future__ import annotations

from typing import Any

import pytest
from callbill.verify.json_texts import parse_object


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('{"a": 1, "b": "x"}', {"a": "1", "b": "x"}),
        ('{"a": 0.10, "b": 1e2, "c": -0}', {"a": "0.1", "b": "100.0", "c": "0"}),
        ('{"a": 12345678901234567890}', {"a": "12345678901234567890"}),
        ('{"a": true, "b": null}', {"a": True, "b": None}),
        # What the first computation's parser lets pass.
        ('{"a": [1, 2,], }', {"a": ["1", "2"]}),
        ('{"a": -Infinity, "b": nan}', {"a": "-Infinity", "b": "nan"}),
        ('{"a": "1,}"}', {"a": "1,}"}),
    ],
)
def test_objects(line: str, expected: dict[str, Any]) -> None:
    assert parse_object(line) == expected


@pytest.mark.parametrize(
    "line", ["", "1", "[]", '{"a": 1', '{"a": 1} {', "{'a': 1}", '{"a": "\\ud83d"}', "{,}"]
)
def test_lines_that_hold_no_object(line: str) -> None:
    assert parse_object(line) is None


def test_what_is_nested_too_deep_for_any_field_is_left_out() -> None:
    deep = "[" * 100_000 + "]" * 100_000
    parsed = parse_object(f'{{"deep": {deep}, "a": 1}}')
    assert parsed is not None
    assert parsed["a"] == "1"
