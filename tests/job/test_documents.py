"""The documents keep to what is there."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from benchmarks.page import page
from tests.support.guide import ANSWERED, PAGES, answered, codes
from tests.support.project import PROJECT


@cache
def parsed(path: str) -> ast.Module:
    return ast.parse((PROJECT / path).read_text())


def test_every_guarantee_names_a_test_that_is_there() -> None:
    text = (PROJECT / "docs" / "guarantees.md").read_text()
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    sentences = [row for row in rows if not row.startswith(("| guarantee", "|---"))]
    assert len(sentences) > 15
    for row in sentences:
        _, sentence, held_by, _ = row.split("|")
        assert sentence.strip().endswith(".")
        named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", held_by)
        assert named, row
        for path, test in named:
            tree = parsed(path)
            functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
            [found] = [function for function in functions if function.name == test]
            module_marks = [
                node.value
                for node in tree.body
                if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "pytestmark"
            ]
            marks = [*found.decorator_list, *module_marks]
            for name in ("long", "browser", "cluster"):
                is_marked = any(f"mark.{name}" in ast.unparse(mark) for mark in marks)
                assert is_marked == (f"{name}: `{path}::{test}`" in held_by), (path, test)


@pytest.mark.parametrize("name", ANSWERED)
def test_queries_and_commands_answer_what_a_page_says(
    sample_place: Path, tmp_path: Path, name: str
) -> None:
    text = PAGES[name].read_text(encoding="utf-8")
    assert text.count("```sql") + text.count("```console") > 1
    assert answered(text, sample_place, tmp_path) == text


def test_the_guides_python_runs(sample_place: Path, tmp_path: Path) -> None:
    (tmp_path / "data").symlink_to(sample_place)
    pieces = codes(PAGES["analysts"].read_text(encoding="utf-8"))
    assert len(pieces) == 4
    for code in pieces:
        ended = subprocess.run(
            [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
        )
        assert "2026-09-01" in ended.stdout
        # The sum of all accounts, an account's bill, and its bill on another date.
        assert any(figure in ended.stdout for figure in ("171.98", "17.15475966", "8.21008649"))


@pytest.mark.parametrize("name", ["performance", "scale"])
def test_the_pages_on_speed_are_made_of_the_results_that_are_kept(name: str) -> None:
    assert (PROJECT / "docs" / f"{name}.md").read_text(encoding="utf-8") == page(name)
