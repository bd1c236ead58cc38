"""What a simulation leaves in the folder of temporary files."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from callbill.jobs.simulation import job


def watch_temporary_folder(folder: Path, seen: Path) -> None:
    """Have temporary files in a folder, and note what a simulation makes there. A warm process
    remembers where they went before."""
    folder.mkdir(exist_ok=True)
    tempfile.tempdir = str(folder)
    compare = job.compare

    def compare_and_note(*arguments: Any, **named: Any) -> Any:
        seen.write_text("".join(path.name for path in folder.iterdir()))
        return compare(*arguments, **named)

    job.compare = compare_and_note
