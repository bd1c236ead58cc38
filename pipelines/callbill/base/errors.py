"""The errors that end a command, each with the exit code it stands for."""

from __future__ import annotations

from collections.abc import Sequence

from callbill.base.findings import ControlResult, TableDifference


class CallbillError(Exception):
    """Anything that stops a command; its text is the one sentence the user sees."""

    exit_code = 4


class ControlFailedError(CallbillError):
    """A control failed: nothing was published or sealed. `results` is what the controls found,
    `differences` the rows that are not as they were sealed, where those were looked for."""

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
    """A release does not say what its landing files come to; `differences` are where."""

    exit_code = 1

    def __init__(self, message: str, differences: Sequence[TableDifference]) -> None:
        super().__init__(message)
        self.differences = list(differences)


class UsageError(CallbillError):
    """Bad usage or configuration, or files that do not belong together."""

    exit_code = 2


class LockedError(CallbillError):
    """Another process holds the lock or the warehouse file."""

    exit_code = 3
