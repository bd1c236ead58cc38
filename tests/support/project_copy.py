"""A copy of the project, to try the product with other models, seeds or rules."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.support.commands import run_job
from tests.support.parsed import Edit, note_edit
from tests.support.project import INGEST, PROJECT


@dataclass(frozen=True)
class ProjectCopy:
    """A copy of the project, to be edited: seeds, models, what judges lines."""

    folder: Path

    @classmethod
    def in_folder(cls, folder: Path) -> ProjectCopy:
        for name in ("models", "macros", "seeds", INGEST):
            shutil.copytree(PROJECT / name, folder / name)
        for name in ("dbt_project.yml", "profiles.yml"):
            shutil.copy(PROJECT / name, folder / name)
        return cls(folder)

    def run_job(self, place: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
        return run_job(place, *arguments, project=self.folder)

    def run_after(
        self, before: Callable[[], None], place: Path, *arguments: object
    ) -> subprocess.CompletedProcess[str]:
        return run_job(place, *arguments, project=self.folder, before=before)

    def edit(
        self,
        path: str,
        old: str,
        new: str,
        *,
        is_sql: bool = False,
        compiled: tuple[str, str] | None = None,
    ) -> None:
        """Replace what occurs once in a file. Runs need not have dbt compile the models again if it
        is known what that does to the compiled ones: of a model's SQL that dbt passes on as it is,
        the same; otherwise `compiled` says what is replaced by what in all models."""
        file = self.folder / path
        text = file.read_text()
        assert text.count(old) == 1, f"{path}: {old!r} occurs {text.count(old)} times"
        file.write_text(text.replace(old, new))
        if path.startswith("seeds/") and path.endswith(".csv"):
            return  # runs read it, models are compiled without it
        is_known = is_sql or compiled is not None
        note_edit(self.folder, Edit(path, *(compiled or (old, new)), is_known))
