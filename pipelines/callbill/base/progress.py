"""Progress on standard error: a progress bar on a terminal, log lines, or JSON log lines."""

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

from callbill.base.stopping import raise_if_stop_requested
from callbill.base.text import printable

Advance = Callable[[int], None]


class _LogConsole(Console):
    def on_broken_pipe(self) -> None:
        """Write no more. Rich would end the process here, with an exit code of its own."""
        self.quiet = True


class Reporter:
    """Reports a run's steps on standard error, and keeps each step's duration in seconds."""

    def __init__(self, *, json_logs: bool = False) -> None:
        self.run_id: str | None = None
        self.json_logs = json_logs
        self.seconds: dict[str, float] = {}
        self._console = _LogConsole(stderr=True, highlight=False, markup=False)
        self._progress: Progress | None = None

    @contextmanager
    def step(self, name: str, **details: Any) -> Iterator[None]:
        """Log a step of the run and measure its duration. Raises KeyboardInterrupt if a stop was
        requested."""
        raise_if_stop_requested()
        self.log("step", step=name, **details)
        began = time.monotonic()
        try:
            with self._bar(name):
                yield
        finally:
            self.seconds[name] = round(time.monotonic() - began, 3)

    def log(self, event: str, **details: Any) -> None:
        """Write one line of log. A line that cannot be written is no reason to stop the run."""
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
            # The end of the run shows as a table what is many rows.
            said = {key: value for key, value in details.items() if not isinstance(value, list)}
            if event == "step":
                event = f"step {said.pop('step')}"
            fields = "  ".join(f"{key}={printable(value)}" for key, value in said.items())
            self._console.print(f"{event}: {fields}" if fields else event, soft_wrap=True)

    def track_bytes(self, total_bytes: int) -> Advance:
        """Show how many of so many bytes are done. The result is a function to call with the
        number of bytes done since its last call."""
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
