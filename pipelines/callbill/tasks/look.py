"""The first, tiny task of a run: says what a worker is and whether it sees what the run sees."""

from __future__ import annotations

import os
import platform
import socket
from importlib.metadata import version
from pathlib import Path
from typing import Any

from callbill import __version__
from callbill.storage.folder import is_folder

PACKAGES = ("duckdb", "polars")


def run(item: dict[str, Any]) -> dict[str, Any]:
    """What this worker is. `token` is a file that the run has written, `landing` a folder; the
    answer has the token's text, None if it is not there, and whether the folder is."""
    try:
        token = Path(item["token"]).read_text(encoding="utf-8")
    except OSError:
        token = None
    return {
        "host": socket.gethostname(),
        "process": os.getpid(),
        "callbill": __version__,
        "python": platform.python_version(),
        **{package: version(package) for package in PACKAGES},
        "token": token,
        "sees_landing": is_folder(Path(item["landing"])),
    }
