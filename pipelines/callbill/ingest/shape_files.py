"""Loads a place's own log shapes, and checks them before anything is read.

A shape is a file NAME.yml in the folder `shapes` of a place. docs/shapes.md describes the keys.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from callbill.base.attributes import ATTRIBUTE_NAME
from callbill.base.errors import UsageError
from callbill.base.text import closest
from callbill.base.yaml_files import key_given_twice, parse_yaml
from callbill.ingest.feed import feeds
from callbill.ingest.readers.columns import plain_name
from callbill.ingest.shapes import DIRECTIVES, CsvForm, Shape, call_log_shapes, shape_of
from callbill.warehouse.loads import SourceLoad

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_ATTRIBUTE = re.compile(ATTRIBUTE_NAME)
# What quotes values of CSV where a shape does not say it.
_QUOTE = CsvForm.quote


def load_shapes(folder: Path | None) -> dict[str, Shape]:
    """The shapes that are declared in a folder, by name. Raises UsageError, which names file and
    key, if one is not right."""
    if folder is None:
        return {}
    try:
        files = sorted(file for file in folder.iterdir() if not file.name.startswith((".", "_")))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise UsageError(f"shapes folder {folder} cannot be read: {error.strerror}") from error
    shapes = {}
    for file in files:
        if file.suffix not in (".yml", ".yaml"):
            continue
        if file.stem in shapes:
            raise UsageError(f"{file}: another file declares the shape {file.stem} too")
        shapes[file.stem] = load_shape(file)
    return shapes


def load_shape(file: Path) -> Shape:
    """The shape that a file declares. Raises UsageError if it is not right."""
    if not _NAME.fullmatch(file.stem):
        raise UsageError(f"{file}: name a shape by letters, digits, - and _ alone")
    if file.stem in call_log_shapes():
        raise UsageError(
            f"{file}: callbill ships a shape named {file.stem}: name this one otherwise"
        )
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} cannot be read: {error}") from error
    check_shape(str(file), text)
    return shape_of("call_logs", file.stem, declaration=text)


def shape_names(own: Mapping[str, Shape]) -> frozenset[str]:
    """The names of all shapes: of a place's own and of those that callbill ships."""
    return frozenset(call_log_shapes()) | own.keys()


def is_shape_known(load: SourceLoad) -> bool:
    """Whether a load can be read by its shape. That of a place's own is kept by what was read."""
    return load.feed != "call_logs" or bool(load.declaration) or load.format in call_log_shapes()


def declarations_of(own: Mapping[str, Shape]) -> dict[str, str]:
    """The texts of a place's own shapes, by name."""
    return {name: shape.declaration for name, shape in own.items()}


# --- what a file may say -------------------------------------------------------------------------


def check_shape(file: str, text: str) -> None:
    """Raises UsageError, with file and key, if a text does not declare a shape."""
    try:
        declared = parse_yaml(text)
        twice = key_given_twice(text)
    except yaml.YAMLError as error:
        at = getattr(error, "problem_mark", None)
        line = f", line {at.line + 1}" if at else ""
        raise UsageError(
            f"{file}{line}: is not YAML: {getattr(error, 'problem', error)}"
        ) from error
    if not isinstance(declared, dict):
        raise UsageError(f"{file}: declares no shape: it needs the key fields, a mapping")
    if twice:
        key, at_line = twice
        raise UsageError(
            f"{file}, line {at_line}: key {key} is there twice: nobody knows which of them counts"
        )
    for key, value in declared.items():
        if key not in _CHECKS:
            raise UsageError(f"{file}: key {key} is unknown{closest(str(key), _CHECKS)}")
        try:
            _CHECKS[key](value)
        except _FaultError as fault:
            raise UsageError(f"{file}: key {key}{fault}") from None
    if "fields" not in declared:
        raise UsageError(f"{file}: key fields is missing: it says where each field is")
    try:
        _check_together(declared)
    except _FaultError as fault:
        raise UsageError(f"{file}: key {fault}") from None


class _FaultError(Exception):
    """What is wrong with a key, as the end of a sentence."""


def _check_together(declared: dict[str, Any]) -> None:
    feed = feeds()["call_logs"]
    constants = declared.get("constants") or {}
    if "implied_http_status" in declared:
        constants = constants | {"http_status": declared["implied_http_status"]}
    for alternatives in feed.required:
        if not any(name in declared["fields"] or name in constants for name in alternatives):
            raise _FaultError(
                f"fields.{alternatives[0]} is missing: every shape needs "
                f"{' or '.join(alternatives)}, in fields or in constants"
            )
    pattern = declared.get("pattern")
    mapped = [
        (f"{key}.{name}", paths)
        for key in ("fields", "attributes")
        for name, paths in (declared.get(key) or {}).items()
    ]
    if pattern is not None:
        groups = set(re.compile(pattern).groupindex)
        for name, paths in mapped:
            for path in _as_list(paths):
                if path not in groups:
                    raise _FaultError(
                        f"{name} names {path}, but the pattern has the groups "
                        f"{', '.join(sorted(groups)) or 'of no name'}"
                    )
        for key in ("records", "json_text", "key_value_lists", "columns"):
            if key in declared:
                raise _FaultError(f"{key} has no meaning beside pattern: leave one out")
    elif declared.get("files") == "lines":
        raise _FaultError("files says lines: then pattern has to say how a line is read")
    delimiter = declared.get("delimiter")
    for key, character in (
        ("quote", declared.get("quote", _QUOTE)),
        ("escape", declared.get("escape")),
    ):
        if delimiter is not None and delimiter == character:
            raise _FaultError(f"{key} is the delimiter too, {_shown(delimiter)}")
    if "columns" in declared:
        columns = {plain_name(str(name)).lower() for name in declared["columns"]}
        for name, paths in mapped:
            if not any(
                str(path).replace("\\.", ".").lower() in columns for path in _as_list(paths)
            ):
                raise _FaultError(f"{name} names none of the columns")


def _text(value: Any) -> None:
    if not isinstance(value, str) or not value.strip():
        raise _FaultError(f" must be a text, not {_shown(value)}")


def _texts(value: Any) -> None:
    if not isinstance(value, str | list) or not value:
        raise _FaultError(f" must be a text or a list of texts, not {_shown(value)}")
    for one in _as_list(value):
        if not isinstance(one, str) or not one.strip():
            raise _FaultError(f" has {_shown(one)} in it: write texts, in quotes if need be")


def _codes(value: Any) -> None:
    if not isinstance(value, list):
        raise _FaultError(f" must be a list of texts, not {_shown(value)}")
    for code in value:
        if not isinstance(code, str):
            raise _FaultError(f" has {_shown(code)} in it: write it in quotes, '{code}'")


def _fields(value: Any) -> None:
    known = feeds()["call_logs"].fields
    if not isinstance(value, dict) or not value:
        raise _FaultError(f" must map fields to paths, not {_shown(value)}")
    for name, paths in value.items():
        if name not in known:
            raise _FaultError(f".{name} is no field{closest(str(name), known)}")
        try:
            _texts(paths)
            for path in _as_list(paths):
                _path(path)
        except _FaultError as fault:
            raise _FaultError(f".{name}{fault}") from None
    paths = value.get("error_code", ())
    parts = [tuple(path.split(".")) for path in _as_list(paths)]
    for path in parts:
        for other in parts:
            if path != other and path == other[: len(path)]:
                raise _FaultError(
                    f".error_code has {'.'.join(path)} and {'.'.join(other)}: one cannot be both a "
                    "value and an object"
                )


def _attributes(value: Any) -> None:
    if not isinstance(value, dict):
        raise _FaultError(f" must map names to paths, not {_shown(value)}")
    for name, paths in value.items():
        if not isinstance(name, str) or not _ATTRIBUTE.fullmatch(name):
            raise _FaultError(
                f".{name} is no name of an attribute: write small letters, digits and _, such as "
                "edition"
            )
        try:
            _paths(paths)
        except _FaultError as fault:
            raise _FaultError(f".{name}{fault}") from None


def _path(path: Any) -> None:
    if not isinstance(path, str) or not all(part.strip() for part in path.split(".")):
        raise _FaultError(f" has the path {_shown(path)}: write keys with dots between them")
    if '"' in path:
        raise _FaultError(f" has the path {_shown(path)}: a path has no quotes")


def _paths(value: Any) -> None:
    _texts(value)
    for path in _as_list(value):
        _path(path)


def _constants(value: Any) -> None:
    known = feeds()["call_logs"].fields
    if not isinstance(value, dict):
        raise _FaultError(f" must map fields to values, not {_shown(value)}")
    for name, constant in value.items():
        if name not in known:
            raise _FaultError(f".{name} is no field{closest(str(name), known)}")
        if name in ("request_id", "called_at", "error_code"):
            raise _FaultError(f".{name} cannot be the same for every call")
        if isinstance(constant, bool) or not isinstance(constant, str | int) or constant == "":
            raise _FaultError(f".{name} must be a text or a whole number, not {_shown(constant)}")


def _status(value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not 100 <= value <= 599:
        raise _FaultError(f" must be an HTTP status such as 200, not {_shown(value)}")


def _boolean(value: Any) -> None:
    if not isinstance(value, bool):
        raise _FaultError(f" must be true or false, not {_shown(value)}")


def _one_of(*allowed: str) -> Callable[[Any], None]:
    def check(value: Any) -> None:
        if value not in allowed:
            raise _FaultError(f" must be one of {', '.join(allowed)}, not {_shown(value)}")

    return check


def _character(value: Any) -> None:
    if not isinstance(value, str) or len(value) != 1 or value in "\r\n":
        raise _FaultError(f' must be one character, such as ";" or "\\t", not {_shown(value)}')


def _time_formats(value: Any) -> None:
    _texts(value)
    for form in _as_list(value):
        rest = form.replace("%%", "")
        for directive in re.findall(r"%.?", rest):
            if directive not in DIRECTIVES:
                raise _FaultError(
                    f" has {directive} in {form!r}: allowed are {' '.join(DIRECTIVES)}"
                )
        if not all(directive in rest for directive in ("%Y", "%d", "%H")):
            raise _FaultError(f" has {form!r}, which does not name year, day and hour")


def _pattern(value: Any) -> None:
    _text(value)
    try:
        groups = re.compile(value).groupindex
    except (re.error, RecursionError, OverflowError) as error:
        raise _FaultError(f" is no regular expression: {error}") from None
    if not groups:
        raise _FaultError(" has no named groups: write (?P<name>…) around each value")


def _as_list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _shown(value: Any) -> str:
    return "nothing" if value is None or value == "" else repr(value)


_CHECKS: dict[str, Callable[[Any], None]] = {
    "describes": _text,
    "source": _text,
    "files": _one_of("json", "csv", "lines"),
    "fields": _fields,
    "attributes": _attributes,
    "constants": _constants,
    "no_error_codes": _codes,
    "implied_http_status": _status,
    "time_formats": _time_formats,
    "naive_times_in_billing_timezone": _boolean,
    "records": _paths,
    "json_text": _paths,
    "key_value_lists": _paths,
    "pattern": _pattern,
    "columns": _texts,
    "delimiter": _character,
    "quote": _character,
    "escape": _character,
}
