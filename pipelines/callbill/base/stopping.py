"""How a command ends early: on Ctrl-C, a scheduler's SIGTERM, or a terminal that closes.

The first signal raises KeyboardInterrupt, as Ctrl-C does in any Python program. A library may
swallow that exception, or wait for ever for work that it broke off. So every step of a run checks
for a stop request again. A second signal, or GRACE_SECONDS after the first, ends the process at
once. The next run treats that as a crash, and a crash loses nothing.
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

# Module state, because a signal handler has no other.
_received_signals: list[int] = []
_is_deferred = False
_abrupt_end_actions: list[Callable[[], object]] = []


def install_signal_handlers() -> None:
    """Handle stop signals from here on, except those that the parent process has set to ignore."""
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    # Python writes each signal's number to this pipe at once, even while the main thread waits.
    signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
    for number in _SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _interrupt)
    threading.Thread(target=_watch, args=(read_end,), daemon=True).start()


def stop_requested() -> bool:
    """Whether this process received a stop signal."""
    return bool(_received_signals)


def raise_if_stop_requested() -> None:
    """Raise KeyboardInterrupt if a stop signal was received, in case the first one was lost."""
    if _received_signals:
        raise KeyboardInterrupt


def defer_stop() -> None:
    """Finish the work at hand before a stop signal takes effect.

    Raises KeyboardInterrupt if a stop was requested before.
    """
    global _is_deferred
    raise_if_stop_requested()
    _is_deferred = True


def exit_quickly(exit_code: int) -> NoReturn:
    """Flush the output and end the process without Python's cleanup.

    That cleanup takes a second and more, and the system frees everything at once anyway.
    """
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):
            stream.flush()
    os._exit(exit_code)


@contextmanager
def on_abrupt_end(action: Callable[[], object]) -> Iterator[None]:
    """Call `action` if the process ends abruptly inside this block."""
    _abrupt_end_actions.append(action)
    try:
        yield
    finally:
        _abrupt_end_actions.remove(action)


def end_abruptly() -> NoReturn:
    """End the process at once, whatever it waits for, after the actions of `on_abrupt_end`."""
    for action in reversed(_abrupt_end_actions):
        with suppress(BaseException):
            action()
    os._exit(CallbillError.exit_code)


def _interrupt(number: int, _frame: object) -> None:
    _received_signals.append(number)
    if not _is_deferred:
        raise KeyboardInterrupt


def _watch(read_end: int) -> None:
    """Wait for a stop signal, then for a second one or the end of the grace period."""
    numbers = {int(number) for number in _SIGNALS}
    received = 0
    while received == 0:
        received = sum(number in numbers for number in os.read(read_end, 64))
    if received == 1:  # two in quick succession are read at once
        select.select([read_end], [], [], GRACE_SECONDS)
    end_abruptly()
