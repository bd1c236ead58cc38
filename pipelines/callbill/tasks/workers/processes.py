"""Runs tasks in processes of this machine."""

from __future__ import annotations

import json
import multiprocessing
import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from tempfile import TemporaryDirectory

from callbill.base.errors import CallbillError
from callbill.tasks.workers.interface import Item, answer_of, do, no_answer, with_version


class Processes:
    is_this_process = False
    is_this_machine = True

    def __init__(self, count: int, timeout: int) -> None:
        self.count = count
        self._timeout = timeout
        # Not forked: DuckDB's threads would be missing in the copy.
        context = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(count, mp_context=context, initializer=_end_with_parent)

    def run(self, task: str, items: Sequence[Item]) -> Iterator[Item]:
        # Items go by way of files: before Python 3.12 the pool hangs if a process dies while an
        # item that does not fit into a pipe is sent to it (CPython issue 94777).
        with TemporaryDirectory(prefix="callbill-items-") as folder:
            names = [str(Path(folder, f"{number}.json")) for number in range(len(items))]
            for name, item in zip(names, items, strict=True):
                Path(name).write_text(json.dumps(with_version(item)), encoding="utf-8")
            try:
                outcomes = [self._pool.submit(_do, task, name) for name in names]
                for outcome in outcomes:
                    yield answer_of(outcome.result(self._timeout))
            except TimeoutError as error:
                for process in multiprocessing.active_children():
                    process.kill()
                raise no_answer(self._timeout, "a worker process") from error
            except BrokenProcessPool as error:
                raise CallbillError(
                    "a worker process ended abruptly; nothing was published, run again"
                ) from error

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)


def _end_with_parent() -> None:
    """Have this process end when the one that started it does, also if that was killed."""

    def wait() -> None:
        if (parent := multiprocessing.parent_process()) is not None:
            parent.join()
        os._exit(1)

    threading.Thread(target=wait, name="parent", daemon=True).start()


def _do(task: str, name: str) -> Item:
    return do(task, json.loads(Path(name).read_text(encoding="utf-8")))
