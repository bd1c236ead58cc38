"""What all kinds of workers have in common."""

from __future__ import annotations

import importlib
import socket
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from callbill import __version__
from callbill.base.errors import CallbillError, UsageError

Item = dict[str, Any]

# Beside its own fields, every item says which version of callbill asks.
_VERSION = "callbill"

# By name, the module whose function `run` does it.
_TASKS = {
    "look": "callbill.tasks.look",
    "digest": "callbill.tasks.digest",
    "ingest": "callbill.tasks.ingest",
    "bucket": "callbill.tasks.bucket",
    "verify": "callbill.verify.tasks",
}
# Errors that a task may end with. They are told to whoever asked, on whatever machine.
_ERRORS: dict[str, type[Exception]] = {
    error.__name__: error for error in (CallbillError, UsageError)
}


class Workers(Protocol):
    """Runs tasks."""

    # How many tasks run side by side.
    count: int
    # Whether tasks run one after the other in this process.
    is_this_process: bool
    # Whether tasks share this machine.
    is_this_machine: bool

    def run(self, task: str, items: Sequence[Item]) -> Iterator[Item]:
        """The results of a task for these items, in their order.

        Raises CallbillError if a task does, or if a worker was lost for good.
        """
        ...

    def close(self) -> None: ...


def no_answer(seconds: int, workers: str) -> CallbillError:
    """The error that ends a run whose workers do not answer."""
    return CallbillError(
        f"{workers} gave no answer for {seconds} seconds (CALLBILL_WORKER_TIMEOUT); nothing was "
        "published, run again"
    )


def with_version(item: Item) -> Item:
    """An item as it is sent."""
    return item | {_VERSION: __version__}


def do(task: str, item: Item) -> Item:
    """Do a task, on whatever machine this is. The result is `answer`, or what went wrong."""
    item = dict(item)
    asking = item.pop(_VERSION)
    try:
        if asking != __version__:
            raise UsageError(
                f"worker {socket.gethostname()} has callbill {__version__}, this run is of "
                f"{asking}: install the same version everywhere"
            )
        return {"answer": importlib.import_module(_TASKS[task]).run(item)}
    except tuple(_ERRORS.values()) as error:
        kind = next(name for name in type(error).__mro__ if name.__name__ in _ERRORS).__name__
        return {"error": kind, "message": str(error)}


def answer_of(outcome: Item) -> Item:
    """What the task gave. Raises what it raised."""
    if "error" in outcome:
        raise _ERRORS[outcome["error"]](outcome["message"])
    answer: Item = outcome["answer"]
    return answer


def evenly(sizes: Sequence[int], most: int) -> list[list[int]]:
    """The numbers of all sizes in up to so many groups: the largest first, each into the group that
    has least to do."""
    groups: list[list[int]] = [[] for _ in range(min(most, len(sizes)))]
    loaded = [0] * len(groups)
    for number in sorted(range(len(sizes)), key=lambda n: (-sizes[n], n)):
        least = loaded.index(min(loaded))
        groups[least].append(number)
        loaded[least] += sizes[number]
    return groups
