"""Where tasks run: one interface, and a module for each kind of workers.

in_process.py   this process, one task after the other: the default
processes.py    so many processes of this machine
spark.py        a Spark cluster, by its master or by Spark Connect
dask.py         a Dask cluster

A task is a function of callbill.tasks, named, of JSON values. What schedules tasks, and repeats
them if a worker is lost, is not written here: each kind has a scheduler that exists.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from callbill.base.errors import CallbillError, UsageError
from callbill.base.places import shown_address
from callbill.base.settings import Settings
from callbill.tasks.workers.in_process import InProcess
from callbill.tasks.workers.interface import Workers, evenly
from callbill.tasks.workers.processes import Processes

_SECONDS_TO_CONNECT = 10

__all__ = ["Workers", "evenly", "workers_for"]


@contextmanager
def workers_for(settings: Settings) -> Iterator[Workers]:
    """The workers that the settings name, until this block ends. Raises UsageError if there are no
    such ones."""
    workers = _workers(settings.workers.strip(), settings.worker_timeout)
    try:
        yield workers
    finally:
        workers.close()


def _workers(text: str, timeout: int) -> Workers:
    if text in ("", "1"):
        return InProcess()
    if text.isascii() and text.isdigit() and 2 <= int(text) <= 1024:
        return Processes(int(text), timeout)
    address = re.fullmatch(r"(spark|sc|dask)://([^/:;\s]+):(\d{1,5})([/;].*)?", text)
    if address:
        _reach(text, address[2], int(address[3]))
    if address and address[1] in ("spark", "sc"):
        from callbill.tasks.workers.spark import Spark

        return Spark(text, timeout)
    if address:
        from callbill.tasks.workers.dask import Dask

        return Dask(text, timeout)
    raise UsageError(
        "--workers takes a number of processes, or spark://host:port, sc://host:port or "
        f"dask://host:port, not {shown_address(text)!r}"
    )


def _reach(text: str, host: str, port: int) -> None:
    """Raises CallbillError if nobody listens there. The clients would try for minutes."""
    try:
        socket.create_connection((host, port), _SECONDS_TO_CONNECT).close()
    except (OSError, OverflowError) as error:
        raise CallbillError(f"nobody answers at {shown_address(text)}: {error}") from error
