"""What a run tells while it works: a progress bar on a terminal, log lines, or JSON log lines."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn

from callbill.base.stopping import stop_if_told
from callbill.base.text import printable

Advance = Callable[[int], None]


class _LogConsole(Console):
    def on_broken_pipe(self) -> None:
        """Nobody reads on; Rich would have the process exit, with a code that means otherwise."""
        self.quiet = True


class Reporter:
    """Reports a run's steps on standard error, and keeps how long each took."""

    def __init__(self, *, json_logs: bool = False) -> None:
        self.run_id: str | None = None
        self.json_logs = json_logs
        self.seconds: dict[str, float] = {}
        self._console = _LogConsole(stderr=True, highlight=False, markup=False)
        self._progress: Progress | None = None

    @contextmanager
    def step(self, name: str, **details: Any) -> Iterator[None]:
        """A named step of the run, timed."""
        stop_if_told()
        self.log("step", step=name, **details)
        began = time.monotonic()
        try:
            with self._bar(name):
                yield
        finally:
            self.seconds[name] = round(time.monotonic() - began, 3)

    def log(self, event: str, **details: Any) -> None:
        """One line of log. One that cannot be written stops nothing: the job is the bill."""
        with suppress(OSError, ValueError, AttributeError):
            self._log(event, details)

    def _log(self, event: str, details: dict[str, Any]) -> None:
        if self.json_logs:
            record = {
                "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
                "run_id": self.run_id,
                "event": event,
                **details,
            }
            sys.stderr.write(json.dumps(record, default=str, ensure_ascii=False) + "\n")
            sys.stderr.flush()
        elif event == "step" and self._console.is_terminal:
            return  # the bar shows it
        else:
            said = "  ".join(f"{key}={printable(value)}" for key, value in details.items())
            self._console.print(f"{event}: {said}", soft_wrap=True)

    def announce(self, total_bytes: int) -> Advance:
        """Start counting the bytes of the step at hand; call the answer with those done."""
        if self._progress is None:
            return lambda done: None
        bar = self._progress
        task = bar.add_task("files", total=total_bytes)
        return lambda done: bar.advance(task, done)

    @contextmanager
    def _bar(self, name: str) -> Iterator[None]:
        if self.json_logs or not self._console.is_terminal:
            yield
            return
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=self._console, transient=True) as progress:
            progress.add_task(name, total=None)
            self._progress = progress
            try:
                yield
            finally:
                self._progress = None
