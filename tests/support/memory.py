"""Temporary files in memory: nobody needs what tests write to survive, and they write gigabytes.

A run waits for the disk at every commit. That costs a sixth of its processor time too.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from pathlib import Path

_MEMORY = Path("/dev/shm")  # noqa: S108
_MEMINFO = Path("/proc/meminfo")
# The tests of a session have up to three gigabytes at a time.
_PLENTY = 8 * 1024**3


def keep_files_in_memory() -> None:
    """Have this process, and those that it starts, make temporary files in memory if there is
    plenty. Whoever sets TMPDIR has them there."""
    if "TMPDIR" not in os.environ and _free_bytes() > _PLENTY:
        os.environ["TMPDIR"] = tempfile.tempdir = str(_MEMORY)


def _free_bytes() -> int:
    """Of memory that files can have."""
    try:
        available = re.search(r"^MemAvailable:\s+(\d+) kB", _MEMINFO.read_text(), re.MULTILINE)
        of_files = shutil.disk_usage(_MEMORY).free
    except OSError:  # not on Linux
        return 0
    return min(of_files, int(available.group(1)) * 1024) if available else 0
