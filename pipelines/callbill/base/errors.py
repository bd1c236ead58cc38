"""The errors that end a command, each with its exit code.

They are raised where the fault is understood, and shown once, by the command line.
"""

from __future__ import annotations

from collections.abc import Sequence

from callbill.base.findings import ControlResult, TableDifference


class CallbillError(Exception):
    """A fault that ends the command. Its text is the sentence that the user sees."""

    exit_code = 4


class ControlFailedError(CallbillError):
    """A control failed, so nothing was published or sealed.

    `results` are the results of the controls. `differences` are rows that differ from the sealed
    ones. Only a rebuild looks for them.
    """

    exit_code = 1

    def __init__(
        self,
        message: str,
        results: Sequence[ControlResult] = (),
        differences: Sequence[TableDifference] = (),
    ) -> None:
        super().__init__(message)
        self.results = list(results)
        self.differences = list(differences)


class VerificationError(CallbillError):
    """A release differs from what its landing files give; `differences` has the rows."""

    exit_code = 1

    def __init__(self, message: str, differences: Sequence[TableDifference]) -> None:
        super().__init__(message)
        self.differences = list(differences)


class UsageError(CallbillError):
    """Wrong usage or configuration, or folders that do not belong together."""

    exit_code = 2


class LockedError(CallbillError):
    """Another process holds a lock, or has the warehouse file open."""

    exit_code = 3
