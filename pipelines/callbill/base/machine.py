"""Faults of the machine: no space, no memory, too many open files.

Data cannot cause them. So a run that meets one ends with its own sentence, and rejects no file.
"""

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
_FAULT_TEXTS = (
    *("No space left", "File too large", "Too many open", "Disk quota", "Read-only file system"),
    *("Could not write", "could not write", "Input/output error", "Out of Memory Error"),
)
_FAULT_NUMBERS = (
    *(errno.ENOSPC, errno.EFBIG, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.ENOMEM),
    *(errno.EIO, errno.EROFS),
)


def machine_fault(error: BaseException) -> str | None:
    """The sentence that ends the command if `error` is a fault of the machine, None otherwise."""
    text = str(error) or type(error).__name__
    if isinstance(error, _FAULTS) or (isinstance(error, OSError) and error.errno in _FAULT_NUMBERS):
        return _sentence(text)
    # DuckDB's other errors quote the data, which may contain any of these texts.
    return machine_fault_in_text(text) if isinstance(error, duckdb.OperationalError) else None


def machine_fault_in_text(text: str) -> str | None:
    """Like `machine_fault`, for an error of which only the message is known."""
    return _sentence(text) if any(fault in text for fault in _FAULT_TEXTS) else None


def _sentence(text: str) -> str:
    reason = text.splitlines()[0][:500]
    return f"the machine could not go on: {reason}; the last release stands, run again when it can"
