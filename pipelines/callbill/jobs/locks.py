"""The locks that let only one run work at a time: on the warehouse and on the published folder.

They are locks of the operating system, which frees those of a dead process. A JSON file beside each
names the process that holds it.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from callbill.base.errors import LockedError, UsageError
from callbill.base.settings import Settings
from callbill.jobs.moved_aside import put_back
from callbill.release.release import Published
from callbill.warehouse.layout import Layout


@contextmanager
def run_lock(settings: Settings) -> Iterator[None]:
    """Hold both locks inside this block, over a warehouse that is whole: a rebuild that was killed
    is undone.

    Raises LockedError, with the process that holds it, if one is taken, and UsageError if a folder
    cannot be written to.
    """
    with (
        _lock(Layout(settings.warehouse).lock),
        _lock(Published(settings.published).lock),
    ):
        put_back(Layout(settings.warehouse))
        yield


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    holder = path.with_name(path.name + "-holder.json")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()  # where it cannot be made, FileLock says that another process has it
        lock = FileLock(path)
        lock.acquire(timeout=0)
    except Timeout as error:
        raise LockedError(f"another run holds {path}: {_describe(holder)}") from error
    except (FileExistsError, NotADirectoryError) as error:
        raise UsageError(f"{error.filename} is a file, not a folder") from error
    except OSError as error:
        raise UsageError(f"{path.parent} cannot be written to: {error.strerror}") from error
    process = {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    try:
        try:
            holder.write_text(json.dumps(process))
        except OSError as error:
            raise UsageError(f"{path.parent} cannot be written to: {error.strerror}") from error
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


def _describe(holder: Path) -> str:
    try:
        process = json.loads(holder.read_text())
        return f"process {process['pid']} on {process['host']} since {process['since']}"
    except (OSError, ValueError, KeyError):
        return "a process that has not said who it is"
