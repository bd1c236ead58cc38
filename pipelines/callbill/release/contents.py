"""Which files a release has, by folder: how many, and of how many bytes.

The next release shares files with it. So it has to be whole: a file that was deleted or cut since,
or that a copy of the folder left out, would be missing from all releases after it.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from callbill.release.release import Release

_CONTENTS = "contents.json"


def write_contents(release: Release) -> None:
    """Write down what the folders have that later releases share files of."""
    text = json.dumps(_counted(release), indent=0) + "\n"
    (release.folder / _CONTENTS).write_text(text, encoding="utf-8")


def changed_folders(release: Release) -> list[str]:
    """The folders of a release that do not have the files that it was written with, by number and
    size. None of a release that an earlier callbill wrote, which did not write them down."""
    path = release.folder / _CONTENTS
    if not path.exists():
        return []
    try:
        written = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return [_CONTENTS]
    counted = _counted(release)
    return sorted(
        folder
        for folder in written.keys() | counted.keys()
        if written.get(folder) != counted.get(folder)
    )


def _counted(release: Release) -> dict[str, list[int]]:
    """Number and bytes of the files of each folder that has any, without hidden ones, which file
    systems leave."""
    counted = {}
    for top in (release.parquet, release.site / "data"):
        for folder, _folders, _names in os.walk(top):
            with os.scandir(folder) as entries:
                sizes = [
                    entry.stat().st_size
                    for entry in entries
                    if entry.is_file() and not entry.name.startswith(".")
                ]
            if sizes:
                name = Path(folder).relative_to(release.folder).as_posix()
                counted[name] = [len(sizes), sum(sizes)]
    return counted
