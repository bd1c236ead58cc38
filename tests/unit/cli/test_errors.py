"""What a command shows of an error, and what it ends with."""

from __future__ import annotations

import errno

import duckdb
import pytest
from callbill.base.errors import (
    CallbillError,
    ControlFailedError,
    LockedError,
    UsageError,
    VerificationError,
)
from callbill.cli.errors import sentence_and_exit_code


@pytest.mark.parametrize(
    ("error", "exit_code"),
    [
        (CallbillError("why"), 4),
        (ControlFailedError("why"), 1),
        (VerificationError("why", []), 1),
        (UsageError("why"), 2),
        (LockedError("why"), 3),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_error_of_callbill_has_its_own_sentence(error: CallbillError, exit_code: int) -> None:
    assert sentence_and_exit_code(error) == ("why", exit_code)


@pytest.mark.parametrize(
    "error",
    [
        PermissionError(errno.EACCES, "Permission denied", "/x"),
        NotADirectoryError(errno.ENOTDIR, "Not a directory", "/x"),
        FileExistsError(errno.EEXIST, "File exists", "/x"),
        duckdb.IOException('Cannot open file "/x": Permission denied'),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_place_that_cannot_be_used_is_bad_usage(error: Exception) -> None:
    sentence, exit_code = sentence_and_exit_code(error)
    assert sentence.startswith("a place cannot be used: ")
    assert "/x" in sentence
    assert exit_code == 2


@pytest.mark.parametrize(
    "error",
    [OSError(errno.ENOSPC, "No space left on device"), MemoryError(), duckdb.FatalException("x")],
    ids=lambda error: type(error).__name__,
)
def test_a_fault_of_the_machine_says_to_run_again(error: BaseException) -> None:
    sentence, exit_code = sentence_and_exit_code(error)
    assert "the last release stands, run again when it can" in sentence
    assert exit_code == 4


def test_anything_else_is_named_in_one_line() -> None:
    sentence, exit_code = sentence_and_exit_code(ValueError("one\n  two " + "x" * 1000))
    assert sentence.startswith("unexpected ValueError: one two xxx")
    assert len(sentence) < 550
    assert exit_code == 4


def test_a_reader_that_is_gone_is_told_nothing() -> None:
    assert sentence_and_exit_code(SystemExit(1)) == ("", 4)
