"""Where tasks run: one interface, and a module for each kind of workers.

in_process.py   this process, one task after the other: the default
processes.py    so many processes of this machine
spark.py        a Spark cluster, by its master or by Spark Connect
dask.py         a Dask cluster

A task is a function of callbill.tasks, named, of JSON values. What schedules tasks, and repeats
them if a worker is lost, is not written here: each kind has a scheduler that exists.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from callbill.base.errors import UsageError
from callbill.base.settings import Settings
from callbill.tasks.workers.in_process import InProcess
from callbill.tasks.workers.interface import Workers
from callbill.tasks.workers.processes import Processes

__all__ = ["Workers", "workers_for"]


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
    if text.startswith(("spark://", "local[", "local-cluster[", "sc://")):
        from callbill.tasks.workers.spark import Spark

        return Spark(text, timeout)
    if text.startswith("dask://"):
        from callbill.tasks.workers.dask import Dask

        return Dask(text, timeout)
    raise UsageError(
        f"--workers takes a number of processes, spark://…, sc://… or dask://…, not {text!r}"
    )
