"""Runs tasks on a Dask cluster (`dask://<scheduler>:<port>`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from callbill.base.errors import CallbillError, UsageError
from callbill.base.places import shown_address
from callbill.tasks.workers.interface import Item, answer_of, do, no_answer, with_version

# How often Dask repeats a task whose worker was lost.
_RETRIES = 3
_SECONDS_TO_CONNECT = 10


class Dask:
    is_this_process = False
    is_this_machine = False

    def __init__(self, address: str, timeout: int) -> None:
        self._address = shown_address(address)
        try:
            from distributed import Client
        except ImportError as error:
            raise UsageError(
                f"--workers {self._address} needs Dask, which is not installed: "
                "install callbill[dask]"
            ) from error
        self._timeout = timeout
        try:
            self._client = Client(
                address.replace("dask://", "tcp://", 1), timeout=_SECONDS_TO_CONNECT
            )
        except (OSError, TimeoutError) as error:
            raise CallbillError(f"no Dask scheduler at {self._address}: {error}") from error
        threads = self._client.nthreads()
        if not threads:
            self._client.close()
            raise CallbillError(f"Dask at {self._address} has no workers")
        self.count = sum(threads.values())

    def run(self, task: str, items: Sequence[Item]) -> Iterator[Item]:
        # Not pure: a night that is repeated does its tasks again.
        futures = [
            self._client.submit(do, task, with_version(item), pure=False, retries=_RETRIES)
            for item in items
        ]
        try:
            for future in futures:
                yield answer_of(self._result(future))
        finally:
            self._client.cancel(futures, force=True)

    def _result(self, future: object) -> Item:
        try:
            result: Item = future.result(self._timeout)  # type: ignore[attr-defined]
        except TimeoutError as error:
            raise no_answer(self._timeout, f"Dask at {self._address}") from error
        except CallbillError:
            raise
        except Exception as error:
            raise CallbillError(
                f"Dask at {self._address} did not finish: {type(error).__name__}: {error}; nothing "
                "was published, run again"
            ) from error
        return result

    def close(self) -> None:
        self._client.close()
