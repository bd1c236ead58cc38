"""Runs tasks in processes of this machine."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

from callbill.base.errors import CallbillError
from callbill.tasks.workers.interface import Item, answer_of, do, with_version


class Processes:
    is_this_process = False
    is_this_machine = True

    def __init__(self, count: int) -> None:
        self.count = count
        # Not forked: DuckDB's threads would be missing in the copy.
        context = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(count, mp_context=context)

    def run(self, task: str, items: Sequence[Item]) -> Iterator[Item]:
        outcomes = [self._pool.submit(do, task, with_version(item)) for item in items]
        try:
            for outcome in outcomes:
                yield answer_of(outcome.result())
        except BrokenProcessPool as error:
            raise CallbillError(
                "a worker process ended abruptly; nothing was published, run again"
            ) from error
        finally:
            for outcome in outcomes:
                outcome.cancel()

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)
