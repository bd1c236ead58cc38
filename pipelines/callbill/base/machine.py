"""Faults of the machine, which no data is to blame for: no space, no memory, too many files."""

from __future__ import annotations

import errno

import duckdb

_FAULTS = (
    duckdb.OutOfMemoryException,
    duckdb.InterruptException,
    duckdb.FatalException,
    duckdb.InternalException,
    MemoryError,
)
_TEXTS = (
    *("No space left", "File too large", "Too many open", "Disk quota", "Read-only file system"),
    *("Could not write", "could not write", "Input/output error", "Out of Memory Error"),
)
_NUMBERS = (
    *(errno.ENOSPC, errno.EFBIG, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.ENOMEM),
    *(errno.EIO, errno.EROFS),
)


def fault_of_machine(error: BaseException) -> str | None:
    """The sentence to end a command with, if an error is the machine's fault."""
    said = str(error) or type(error).__name__
    if isinstance(error, _FAULTS) or (isinstance(error, OSError) and error.errno in _NUMBERS):
        return _sentence(said)
    # Its other errors quote what they are about: a text in a file is no fault.
    return fault_in_text(said) if isinstance(error, duckdb.OperationalError) else None


def fault_in_text(said: str) -> str | None:
    """The same, of an error that others tell of in words."""
    return _sentence(said) if any(text in said for text in _TEXTS) else None


def _sentence(said: str) -> str:
    said = said.splitlines()[0][:500]
    return f"the machine could not go on: {said}; the last release stands, run again when it can"
