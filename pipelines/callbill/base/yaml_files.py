"""Reads the project's YAML files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

# The parser in C, if there is one: Python's own takes eight times as long, a twentieth of a second
# for the files that a night reads.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_yaml(path: Path) -> Any:
    """The content of a file. Raises yaml.YAMLError if it is no YAML."""
    return parse_yaml(path.read_text(encoding="utf-8"))


def parse_yaml(text: str) -> Any:
    """What a text says. Raises yaml.YAMLError if it is no YAML."""
    return yaml.load(text, _LOADER)  # noqa: S506  a safe loader


def key_given_twice(text: str) -> tuple[str, int] | None:
    """A key that a mapping of a text has twice, such as `fields.action`, and its second line. YAML
    forbids it, and its reader takes the last of them without a word."""
    return _twice(yaml.compose(text, _LOADER), "")


def _twice(node: yaml.Node | None, path: str) -> tuple[str, int] | None:
    if isinstance(node, yaml.SequenceNode):
        return next(filter(None, (_twice(one, path) for one in node.value)), None)
    if not isinstance(node, yaml.MappingNode):
        return None
    seen = set()
    for key, value in node.value:
        name = f"{path}{key.value}"
        if isinstance(key, yaml.ScalarNode):
            if key.value in seen:
                return name, key.start_mark.line + 1
            seen.add(key.value)
        found = _twice(value, f"{name}.")
        if found:
            return found
    return None
