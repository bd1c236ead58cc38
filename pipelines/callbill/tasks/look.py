"""The first, tiny task of a run: says what a worker is and whether it sees what the run sees."""

from __future__ import annotations

import os
import socket
from importlib.metadata import version
from pathlib import Path
from typing import Any

from callbill.base.errors import CallbillError, UsageError
from callbill.base.places import is_in_store, shown
from callbill.base.settings import Settings
from callbill.storage import objects
from callbill.tasks.exchange import WHAT_WORKERS_NEED, Exchange
from callbill.tasks.workers import Workers

# Another version could compute otherwise. callbill's own is in every item.
_SAME_VERSIONS = ("duckdb", "polars")


def run(item: dict[str, Any]) -> dict[str, Any]:
    """What this worker is. `token` is a file or an object that the run has written, `landing` a
    place; the answer has the token's text, None if it is not there, and whether the place is.

    Raises CallbillError if a store does not answer here.
    """
    worker = f"{socket.gethostname()} (process {os.getpid()})"
    try:
        return {
            "worker": worker,
            "versions": {package: version(package) for package in _SAME_VERSIONS},
            "token": _text(Path(item["token"])),
            "sees_landing": _sees(Path(item["landing"])),
        }
    except CallbillError as error:
        raise CallbillError(f"worker {worker}: {error}") from error


def _text(path: Path) -> str | None:
    try:
        content = objects.read(path) if is_in_store(path) else path.read_bytes()
    except OSError:
        return None
    return None if content is None else content.decode()


def _sees(landing: Path) -> bool:
    if is_in_store(landing):
        # Whatever the answer: that there is one shows that this worker may read there.
        objects.describe(landing / ".probe")
        return True
    return landing.is_dir()


def look_at(workers: Workers, settings: Settings, run_id: str) -> list[str]:
    """The workers that answer. Not each is sure to be among them.

    Raises UsageError if a worker has other
    versions of the packages that compute, CallbillError if one does not see a place.
    """
    exchange = Exchange(settings)
    root, landing = exchange.root, settings.landing
    token = root / f"token-{run_id}"
    _write(token, run_id)
    item = {"token": str(token), "landing": str(landing)}
    seen = []
    try:
        for answer in workers.run("look", [item] * (2 * workers.count)):
            worker = answer["worker"]
            seen.append(worker)
            for package, has in answer["versions"].items():
                if has != version(package):
                    raise UsageError(
                        f"worker {worker} has {package} {has}, here it is {version(package)}: "
                        "install the same version everywhere"
                    )
            if answer["token"] != run_id or not answer["sees_landing"]:
                missing = root if answer["token"] != run_id else landing
                raise CallbillError(
                    f"worker {worker} does not see {shown(missing)} as this machine does: "
                    f"{WHAT_WORKERS_NEED}"
                )
    finally:
        _remove(token)
    return sorted(set(seen))


def _write(token: Path, text: str) -> None:
    if is_in_store(token):
        objects.put(token, text.encode())
    else:
        token.parent.mkdir(parents=True, exist_ok=True)
        token.write_text(text, encoding="utf-8")


def _remove(token: Path) -> None:
    if is_in_store(token):
        objects.delete([token])
    else:
        token.unlink(missing_ok=True)
