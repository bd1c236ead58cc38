"""Has workers of clusters meet their fates: they run `tests/support/fates/sitecustomize.py`."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

# Workers run what this folder has.
_SCRIPT = Path(__file__).parent / "fates"


@dataclass(frozen=True)
class Fates:
    """What is to become of the workers that have `environment`. `folder` holds what no worker met
    yet."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        return {"PYTHONPATH": str(_SCRIPT), "TESTS_FATES": str(self.folder)}

    def clear(self) -> None:
        """From now on all workers do as they should. One that hangs goes on."""
        shutil.rmtree(self.folder, ignore_errors=True)
        (self.folder / "met").mkdir(parents=True)

    def add(self, task: str, fate: str) -> None:
        """The next worker to do such a task meets this."""
        if fate == "hang":
            (self.folder / "hanging").touch()
        unfinished = self.folder / f"unfinished-{task}"
        unfinished.write_text(fate)
        unfinished.rename(self.folder / f"{task}.{fate}")

    @property
    def met(self) -> set[tuple[str, str]]:
        """By now: the tasks, and what became of the workers that did them."""
        names = (path.name.split(".") for path in (self.folder / "met").iterdir())
        return {(task, fate) for task, fate in names}
