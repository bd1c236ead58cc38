"""The first, tiny task of a run: says what a worker is and whether it sees what the run sees."""

from __future__ import annotations

import os
import socket
from importlib.metadata import version
from pathlib import Path
from typing import Any

from callbill.base.errors import CallbillError, UsageError
from callbill.base.places import shown
from callbill.storage.folder import is_folder
from callbill.tasks.workers import Workers

# Another version could compute otherwise. callbill's own is in every item.
_SAME_VERSIONS = ("duckdb", "polars")


def run(item: dict[str, Any]) -> dict[str, Any]:
    """What this worker is. `token` is a file that the run has written, `landing` a folder; the
    answer has the token's text, None if it is not there, and whether the folder is."""
    try:
        token = Path(item["token"]).read_text(encoding="utf-8")
    except OSError:
        token = None
    return {
        "worker": f"{socket.gethostname()} (process {os.getpid()})",
        "versions": {package: version(package) for package in _SAME_VERSIONS},
        "token": token,
        "sees_landing": is_folder(Path(item["landing"])),
    }


def look_at(workers: Workers, folder: Path, landing: Path, run_id: str) -> list[str]:
    """The workers that answer. Not each is sure to be among them.

    `folder` is the warehouse's. Raises UsageError if one has other versions of the packages that
    compute, CallbillError if one does not see a folder.
    """
    token = folder / "token"
    token.parent.mkdir(parents=True, exist_ok=True)
    token.write_text(run_id, encoding="utf-8")
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
                missing = folder if answer["token"] != run_id else landing
                raise CallbillError(
                    f"worker {worker} does not see {shown(missing)} as this machine does: workers "
                    "need the folders of this machine"
                )
    finally:
        token.unlink(missing_ok=True)
    return sorted(set(seen))
