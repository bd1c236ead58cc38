"""Timing commands: how long they took, how much memory at most, and what they printed."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path
from statistics import median
from tempfile import TemporaryFile

PROJECT = Path(__file__).resolve().parent.parent
# Engines that are no dependency have an environment of their own, if they are installed at all:
# their packages must not change what callbill is measured with.
OTHERS = PROJECT / ".venv-bench"
_PACKAGES = ("callbill", "duckdb", "dbt-core", "dbt-duckdb", "great-expectations", "polars",
             "chdb", "pyspark")  # fmt: skip


@dataclass(frozen=True)
class Timing:
    """A command that was run once."""

    seconds: float
    memory_mb: float
    output: str


def timed(command: Sequence[object]) -> Timing:
    """Run a command to its end. Raises CalledProcessError if it fails.

    Its memory is that of all its processes together, each at its peak.
    """
    with TemporaryFile() as output, TemporaryFile() as errors:
        began = time.monotonic()
        job = subprocess.Popen(
            [str(part) for part in command], cwd=PROJECT, stdout=output, stderr=errors
        )
        peaks: dict[int, int] = {}
        while job.poll() is None:
            _note_peak_memory(job.pid, peaks)
            with suppress(subprocess.TimeoutExpired):
                job.wait(0.05)
        seconds = time.monotonic() - began
        output.seek(0)
        errors.seek(0)
        if job.returncode:
            sys.stderr.write(errors.read().decode(errors="replace"))
            raise subprocess.CalledProcessError(job.returncode, job.args)
        return Timing(seconds, sum(peaks.values()) / 1024, output.read().decode())


def _note_peak_memory(pid: int, peaks: dict[int, int]) -> None:
    """Note the peak memory (KiB) of a process and of those it has started, as Linux counts it."""
    with suppress(OSError):
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
        if "VmHWM:" not in status:
            return  # it has ended
        peaks[pid] = int(status.partition("VmHWM:")[2].split()[0])
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text(encoding="utf-8").split():
                _note_peak_memory(int(child), peaks)


def median_seconds(timings: Sequence[Timing]) -> float:
    return median(timing.seconds for timing in timings)


def machine() -> dict[str, object]:
    """What the figures were measured on."""
    installed = distributions(path=[*sys.path, *map(str, OTHERS.glob("lib/*/site-packages"))])
    versions = {
        name: package.version
        for package in installed
        if (name := package.name.replace("_", "-")) in _PACKAGES
    }
    return {
        "processors": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": versions,
    }
