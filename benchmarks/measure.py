"""Timing commands: how long, how much memory at most, and what they said."""

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
# Engines that are no dependency have an environment of their own, if they are there at all: what
# they bring along must not change what callbill is measured with.
OTHERS = PROJECT / ".venv-bench"
_PACKAGES = ("callbill", "duckdb", "dbt-core", "dbt-duckdb", "great-expectations", "polars",
             "chdb", "pyspark")  # fmt: skip


@dataclass(frozen=True)
class Timing:
    """A command that was run once."""

    seconds: float
    memory_mb: float
    said: str


def timed(command: Sequence[object]) -> Timing:
    """Run a command to its end. Raises CalledProcessError if it fails.

    Its memory is that of all its processes together, each at its peak.
    """
    with TemporaryFile() as said, TemporaryFile() as complaint:
        began = time.monotonic()
        job = subprocess.Popen(
            [str(part) for part in command], cwd=PROJECT, stdout=said, stderr=complaint
        )
        peaks: dict[int, int] = {}
        while job.poll() is None:
            _look_at(job.pid, peaks)
            with suppress(subprocess.TimeoutExpired):
                job.wait(0.05)
        seconds = time.monotonic() - began
        said.seek(0)
        complaint.seek(0)
        if job.returncode:
            sys.stderr.write(complaint.read().decode(errors="replace"))
            raise subprocess.CalledProcessError(job.returncode, job.args)
        return Timing(seconds, sum(peaks.values()) / 1024, said.read().decode())


def _look_at(pid: int, peaks: dict[int, int]) -> None:
    """Note the peak memory (KiB) of a process and those it has started, as Linux tells it."""
    with suppress(OSError):
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
        if "VmHWM:" not in status:
            return  # it has ended
        peaks[pid] = int(status.partition("VmHWM:")[2].split()[0])
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text(encoding="utf-8").split():
                _look_at(int(child), peaks)


def middle(timings: Sequence[Timing]) -> float:
    return median(timing.seconds for timing in timings)


def machine() -> dict[str, object]:
    """What the figures were measured on."""
    there = distributions(path=[*sys.path, *map(str, OTHERS.glob("lib/*/site-packages"))])
    versions = {
        name: one.version for one in there if (name := one.name.replace("_", "-")) in _PACKAGES
    }
    return {
        "processors": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": versions,
    }
