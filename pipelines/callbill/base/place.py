"""A place: the folder that `callbill init` makes, with its settings in `callbill.toml`.

It is the folder that `--place` or `CALLBILL_PLACE` names, else the nearest one from the current
folder upwards that has a `callbill.toml`. Without a place, commands work in the current folder.
"""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass
from decimal import Decimal
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from callbill.base.errors import UsageError

PLACE_FILE = "callbill.toml"


@dataclass(frozen=True)
class Place:
    folder: Path
    # How it was found: the option, the environment variable, or the current folder.
    found_by: str

    @property
    def file(self) -> Path:
        return self.folder / PLACE_FILE

    def read(self) -> dict[str, Any]:
        """What callbill.toml says. Raises UsageError if it cannot be read."""
        try:
            # Not a float: thresholds are exact.
            return tomllib.loads(self.file.read_text(encoding="utf-8-sig"), parse_float=Decimal)
        except UnicodeDecodeError as error:
            raise UsageError(f"{self.file} is not UTF-8") from error
        except tomllib.TOMLDecodeError as error:
            raise UsageError(f"{self.file} is not TOML: {error}") from error
        except OSError as error:
            raise UsageError(f"{self.file} cannot be read: {error.strerror}") from error


def find_place(option: str | Path | None = None) -> Place | None:
    """The place that a command works in. Raises UsageError if a place is named that is none."""
    named = [("--place", option), ("CALLBILL_PLACE", os.environ.get("CALLBILL_PLACE"))]
    for name, text in named:
        if text:
            folder = Path(text).expanduser().absolute()
            if not (folder / PLACE_FILE).is_file():
                raise UsageError(
                    f"{name}: {folder} is no place, it has no {PLACE_FILE}; "
                    "`callbill init` makes a place"
                )
            return Place(folder, name)
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / PLACE_FILE).is_file():
            return Place(folder, "the current folder")
    return None


def nearest(name: str, known: tuple[str, ...]) -> str:
    """The known name that is most like another."""
    return get_close_matches(name.lower(), known, n=1, cutoff=0)[0]
