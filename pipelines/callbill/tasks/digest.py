"""Hashes files of the landing folder: a plain function of plain data, which can run anywhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from callbill.ingest.landing import LandingFile
from callbill.storage.archives import DamagedArchiveError
from callbill.storage.folder import digest_of
from callbill.tasks.workers import Workers, evenly

# Fewer bytes are hashed here sooner than elsewhere.
_WORTH_SENDING = 256 * 1024**2


def run(item: dict[str, Any]) -> dict[str, Any]:
    """The SHA-256 of each of the files `paths`, None for one that cannot be read here. `members`
    has the place of each in the .zip that its path leads to, None if it is no .zip.

    Raises CallbillError if a store does not answer.
    """
    files = zip(item["paths"], item["members"], strict=True)
    return {"digests": [_digest(Path(path), member) for path, member in files]}


def digest_all(workers: Workers, files: Sequence[LandingFile]) -> Mapping[str, str | None]:
    """The SHA-256 of each file by name, None if it cannot be read.

    Raises CallbillError if a store or a worker does not answer.
    """
    if workers.is_this_process or sum(file.size for file in files) < _WORTH_SENDING:
        with ThreadPoolExecutor(max_workers=2) as pool:
            digests = pool.map(LandingFile.digest, files)
            return {file.name: digest for file, digest in zip(files, digests, strict=True)}
    groups = [
        [files[n] for n in group]
        for group in evenly([file.size for file in files], workers.count * 2)
    ]
    answers = workers.run(
        "digest",
        [
            {
                "paths": [str(file.path) for file in group],
                "members": [file.member for file in group],
            }
            for group in groups
        ],
    )
    return {
        file.name: digest
        for group, answer in zip(groups, answers, strict=True)
        for file, digest in zip(group, answer["digests"], strict=True)
    }


def _digest(path: Path, member: int | None) -> str | None:
    try:
        return digest_of(path, member)
    except (OSError, DamagedArchiveError):
        return None
