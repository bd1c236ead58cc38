"""Which sentence and which exit code an error stands for."""

from __future__ import annotations

from callbill.base.errors import CallbillError, UsageError

STOPPED = "stopped; the last release stands, run it again"
_MOST_CHARACTERS = 500
# A file where a folder should be, or a place that belongs to somebody else.
_UNUSABLE_PLACE = (PermissionError, NotADirectoryError, IsADirectoryError, FileExistsError)


def sentence_and_exit_code(error: BaseException) -> tuple[str, int]:
    """What to show of an error that ends a command, and what the command ends with.

    The sentence is empty if nobody can read what is shown.
    """
    if isinstance(error, CallbillError):
        return str(error), error.exit_code
    if isinstance(error, SystemExit):  # Rich exits when the reader of a pipe is gone
        return "", CallbillError.exit_code
    text = " ".join(str(error).split())[:_MOST_CHARACTERS]
    if isinstance(error, _UNUSABLE_PLACE) or "Permission denied" in text:
        return f"a place cannot be used: {text}", UsageError.exit_code
    # Imported here because it imports DuckDB, which most commands that end well do without.
    from callbill.base.machine import machine_fault

    sentence = machine_fault(error) or f"unexpected {type(error).__name__}: {text}"
    return sentence, CallbillError.exit_code
