"""What all processes of a test session share: made by the first that asks for it, then only read.

Tests run in several processes. A place that takes a minute to make is not made in each of them.
"""

from __future__ import annotations

import atexit
import os
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

from filelock import FileLock

# Processes that a session starts inherit it.
_FOLDER = "TESTS_SHARED_FOLDER"


@cache
def shared_folder() -> Path:
    """The session's own folder, which the process that made it removes when it ends."""
    if _FOLDER not in os.environ:
        os.environ[_FOLDER] = mkdtemp(prefix="callbill-tests-")
        atexit.register(shutil.rmtree, os.environ[_FOLDER], ignore_errors=True)
    return Path(os.environ[_FOLDER])


def make_once(name: str, make: Callable[[Path], object]) -> Path:
    """A folder of the session that `make` fills. Whoever wants to change it changes a copy."""
    folder = shared_folder() / name
    made = folder.with_name(f"{name}.made")
    with FileLock(f"{folder}.lock"):
        if not made.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            make(folder)
            made.touch()
    return folder
