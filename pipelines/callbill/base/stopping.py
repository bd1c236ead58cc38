"""How a command ends that is told to: Ctrl-C, a scheduler's SIGTERM, a terminal that closes.

The first signal interrupts what is at work, as Ctrl-C does in any Python program. An interrupt may
get lost, though, or leave a library waiting for what it left half done; so steps ask again, and a
command that is told twice, or is still there after GRACE_SECONDS, ends on the spot. To the next run
that is a crash, which harms nothing.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import NoReturn

from callbill.base.errors import CallbillError

GRACE_SECONDS = 10.0
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

_told: list[int] = []
_held: list[bool] = []
_last_words: list[Callable[[], object]] = []


def listen() -> None:
    """Have the signals heard from here on, those excepted that whoever started us has ignored."""
    heard, told = os.pipe()
    os.set_blocking(told, False)
    # Written to whatever the main thread is waiting for.
    signal.set_wakeup_fd(told, warn_on_full_buffer=False)
    for number in _SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _interrupt)
    threading.Thread(target=_watch, args=(heard,), daemon=True).start()


def is_told() -> bool:
    """Whether this process was told to stop."""
    return bool(_told)


def stop_if_told() -> None:
    """Raises KeyboardInterrupt if an earlier one got lost."""
    if _told:
        raise KeyboardInterrupt


def finish_first() -> None:
    """From here on what is at work is finished before the command stops."""
    stop_if_told()
    _held.append(True)


def leave(exit_code: int) -> NoReturn:
    """End the process as it is: taking apart what the system frees at once takes Python a second
    and more, and how the command ended is settled."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):
            stream.flush()
    os._exit(exit_code)


@contextmanager
def last_words(say: Callable[[], object]) -> Iterator[None]:
    """Have something said if the command ends on the spot meanwhile."""
    _last_words.append(say)
    try:
        yield
    finally:
        _last_words.remove(say)


def end_now() -> NoReturn:
    """End on the spot: nothing that still waits for something can hold it up."""
    for say in reversed(_last_words):
        with suppress(BaseException):
            say()
    os._exit(CallbillError.exit_code)


def _interrupt(number: int, _frame: object) -> None:
    _told.append(number)
    if not _held:
        raise KeyboardInterrupt


def _watch(heard: int) -> None:
    numbers = {int(number) for number in _SIGNALS}
    while not numbers & set(os.read(heard, 64)):
        pass
    select.select([heard], [], [], GRACE_SECONDS)
    end_now()
