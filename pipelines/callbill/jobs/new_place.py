"""Makes a place: settings, catalogue, and folders for shapes, files and releases."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import yaml
from pydantic.fields import FieldInfo

from callbill.base.catalogue import OTHER_COLUMNS, SEED_COLUMNS
from callbill.base.errors import UsageError
from callbill.base.place import PLACE_FILE
from callbill.base.settings import (
    NOT_IN_FILE,
    PLACE_DEFAULTS,
    PROJECT,
    Settings,
    check_paths,
    key_in_file,
)

_HEAD = """\
# The settings of this place. Each line shows a setting's default. To change one, take the # off.
# Options of a command and variables such as CALLBILL_KEEP_RELEASES go before this file.
# `callbill config` shows every value and where it comes from. Paths are relative to this folder.
"""
_VARS_HEAD = """\

# What figures depend on comes first: it is fixed by the first release.
[vars]
"""
# What the setting would be, for those whose default is no value.
EXAMPLES: dict[str, Any] = {
    "through": "2026-12-31",
    "threads": 4,
    "buckets": 1,
    "files": "s3://bucket/files",
}


def make_place(folder: Path) -> None:
    """Make a place of a folder, which may exist already.

    Raises UsageError if it is a place, has a catalogue, or may not hold one.
    """
    for name in (PLACE_FILE, "catalogue"):
        if (folder / name).exists():
            raise UsageError(f"{folder / name} is there already; nothing was changed")
    check_paths(folder / PLACE_DEFAULTS["warehouse"], folder / PLACE_DEFAULTS["published"])
    for name in ("catalogue", "shapes", "landing", "published"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for name in SEED_COLUMNS | OTHER_COLUMNS:
        shutil.copyfile(PROJECT / "seeds" / f"{name}.csv", folder / "catalogue" / f"{name}.csv")
    # Last: a folder without it is no place.
    (folder / PLACE_FILE).write_text(settings_text(), encoding="utf-8")


def write_deploy(folder: Path) -> None:
    """Write units, rules and examples for schedulers into the folder `deploy` of a place.

    Raises UsageError if there is one.
    """
    check_no_deploy(folder)
    shutil.copytree(PROJECT / "deploy", folder / "deploy", copy_function=shutil.copyfile)


def check_no_deploy(folder: Path) -> None:
    """Raises UsageError if a place has a folder `deploy`, which may have been changed by hand."""
    if (folder / "deploy").exists():
        raise UsageError(f"{folder / 'deploy'} is there already; nothing was changed")


def settings_text() -> str:
    """A callbill.toml that shows every setting with its default and what it is for."""
    parts = [_HEAD]
    # Tables come after what is in none.
    names = [name for name in Settings.model_fields if name not in NOT_IN_FILE]
    table = ""
    for name in sorted(names, key=lambda name: "." in key_in_file(name)):
        of_table, _, key = key_in_file(name).rpartition(".")
        if of_table != table:
            parts.append(f"\n[{of_table}]")
            table = of_table
        field = Settings.model_fields[name]
        parts.append(f"\n# {field.description}\n#{key} = {_toml(_shown(name, field))}\n")
    parts.append(_VARS_HEAD)
    project = (PROJECT / "dbt_project.yml").read_text(encoding="utf-8")
    for name, value in yaml.safe_load(project)["vars"].items():
        parts.append(f"{_comments_above(project, name)}#{name} = {_toml(value)}\n")
    return "".join(parts)


def _shown(name: str, field: FieldInfo) -> Any:
    value = PLACE_DEFAULTS.get(name, field.default)
    return EXAMPLES[name] if value is None else value


def _comments_above(text: str, name: str) -> str:
    """The lines of comment above a var in dbt_project.yml, which say what it is for."""
    lines = text.splitlines()
    end = start = next(n for n, line in enumerate(lines) if line.startswith(f"  {name}:"))
    while lines[start - 1].startswith("  #"):
        start -= 1
    return "".join(f"{line.strip()}\n" for line in lines[start:end])


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(value)
    return str(value) if value == EXAMPLES["through"] else f'"{value}"'
