"""Runs tasks on a Spark cluster, by a master (`spark://…`) or by Spark Connect (`sc://…`).

Each item is a partition of a DataFrame of one column, and `mapInArrow` does the task: Spark
schedules, places and repeats it. Both ways of connecting have this interface.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from queue import Empty, Queue
from threading import Thread
from typing import Any

from callbill.base.errors import CallbillError, UsageError
from callbill.base.hidden import show
from callbill.base.places import shown_address
from callbill.tasks.workers.interface import Item, answer_of, do, no_answer, with_version

# How many tasks run side by side is known of a master only, and changes with the cluster. Files are
# divided among so many at least.
_AT_LEAST = 2
# A server of Spark Connect answers at once.
_SECONDS_TO_CONNECT = 60


class Spark:
    is_this_process = False
    is_this_machine = False

    def __init__(self, address: str, timeout: int) -> None:
        self._address = shown_address(address)
        show("pandas")  # the command line hides it, Spark Connect needs it
        show("pyspark")
        try:
            from pyspark.errors import PySparkException
            from pyspark.sql import SparkSession
        except ImportError as error:
            raise UsageError(
                f"--workers {self._address} needs PySpark, which is not installed: "
                "install callbill[spark]"
            ) from error
        self._errors: tuple[type[Exception], ...] = (PySparkException, OSError, RuntimeError)
        self._timeout = timeout
        builder = SparkSession.builder.appName("callbill")
        try:
            if address.startswith("sc://"):
                connect = builder.remote(address).getOrCreate
                self._session: Any = _within(min(timeout, _SECONDS_TO_CONNECT), connect)
                self.count = _AT_LEAST
            else:
                self._session = (
                    builder.master(address)
                    .config("spark.ui.enabled", "false")
                    .config("spark.ui.showConsoleProgress", "false")
                    .getOrCreate()
                )
                slots = self._session.sparkContext.defaultParallelism
                self.count = max(slots, _AT_LEAST)
        except Exception as error:
            raise CallbillError(f"no Spark at {self._address}: {_reason(error)}") from error

    def run(self, task: str, items: Sequence[Item]) -> Iterator[Item]:
        rows = [(number, json.dumps(with_version(item))) for number, item in enumerate(items)]
        if not rows:
            return
        results = self.partitions(rows).mapInArrow(
            partial(_work, task), "number long, outcome string"
        )
        pool = ThreadPoolExecutor(1)
        try:
            collected = pool.submit(results.collect).result(self._timeout)
            outcomes = {row.number: row.outcome for row in collected}
        except TimeoutError as error:
            self._session.interruptAll()
            raise no_answer(self._timeout, f"Spark at {self._address}") from error
        except self._errors as error:
            raise CallbillError(
                f"Spark at {self._address} did not finish: {_reason(error)}; nothing was "
                "published, run again"
            ) from error
        finally:
            pool.shutdown(wait=False)
        if sorted(outcomes) != list(range(len(rows))):
            raise CallbillError(
                f"Spark at {self._address} gave {len(outcomes)} results for {len(rows)} tasks; "
                "nothing was published"
            )
        for number in range(len(rows)):
            yield answer_of(json.loads(outcomes[number]))

    def partitions(self, rows: Sequence[tuple[int, str]]) -> Any:
        """A DataFrame of numbers from 0 on and items, one in each partition."""
        # Spark divides a range evenly, and looks each number's item up where that is. Rows that it
        # deals out to partitions round robin would be two in some and none in others: it begins
        # anew with each partition that they come from, and skips a `coalesce` before.
        numbers = self._session.range(0, len(rows), 1, len(rows)).withColumnRenamed("id", "number")
        items = self._session.createDataFrame(rows, "number long, item string")
        return numbers.join(items.hint("broadcast"), "number")

    def close(self) -> None:
        self._session.stop()


def _within(seconds: int, connect: Callable[[], Any]) -> Any:
    """What a client gives within some time. It may try again for ten minutes where something else
    than a server listens. Raises TimeoutError, and whatever the client raises."""
    outcome: Queue[Any] = Queue()

    def put() -> None:
        try:
            outcome.put(connect())
        except Exception as error:  # raised below
            outcome.put(error)

    Thread(target=put, daemon=True).start()
    try:
        answer = outcome.get(timeout=seconds)
    except Empty:
        raise TimeoutError(f"no answer within {seconds} s") from None
    if isinstance(answer, Exception):
        raise answer
    return answer


def _work(task: str, batches: Iterable[Any]) -> Iterator[Any]:
    """On a worker: Arrow batches of items to batches of outcomes."""
    import pyarrow as pa

    for batch in batches:
        numbers, items = batch.column(0), batch.column(1)
        outcomes = [json.dumps(do(task, json.loads(item.as_py()))) for item in items]
        yield pa.RecordBatch.from_arrays(
            [numbers, pa.array(outcomes, pa.string())], ["number", "outcome"]
        )


def _reason(error: BaseException) -> str:
    """The line of Spark's message that is for people: the last error of a Python worker in it,
    otherwise the first line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    errors = [line for line in lines if re.match(r"[A-Z]\w*(Error|Exception): ", line)]
    return [*errors[-1:], *lines, type(error).__name__][0][:300]
