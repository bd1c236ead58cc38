"""Matches the columns of a file with the paths of a shape, since version 2 of the reading rules."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from callbill.ingest.readers.lines import UnreadableFileError
from callbill.ingest.shapes import Shape

# The most characters of a header that a sentence shows.
_MOST_SHOWN = 600


# What may be left around a name: blanks of any kind, and characters that are not seen.
BLANKS_AROUND_NAMES = (
    "\t\n\v\f\r \x85\xa0\xad\u061c\u1680\u180e\u2028\u2029\u202f\u205f\u3000\ufeff"
    + "".join(map(chr, (*range(0x2000, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2070))))
)


def plain_name(name: str) -> str:
    """A column's name or a key without blanks around it, and without a spreadsheet's apostrophe."""
    return name.strip(BLANKS_AROUND_NAMES).lstrip("'").strip(BLANKS_AROUND_NAMES)


def paths_of_columns(shape: Shape, names: Sequence[str]) -> list[str | None]:
    """For each column the path of the shape that it is, None if the shape does not read it.

    Capitals do not matter, nor do blanks around a name. Raises UnreadableFileError if two columns
    are one path.
    """
    paths = {path.replace("\\.", ".").lower(): path for path in shape.paths_and_parents}
    first: dict[str, str] = {}
    matched = []
    for name in names:
        path = paths.get(".".join(map(plain_name, name.split("."))).lower())
        matched.append(path)
        if path is None:
            continue
        if path in first:
            both = (
                f"the column {name} twice"
                if first[path] == name
                else (f"the columns {first[path]} and {name}, which are one")
            )
            raise UnreadableFileError(f"has {both}: nobody knows which of them counts")
        first[path] = name
    return matched


def check_required(shape: Shape, paths: Iterable[str | None], names: Sequence[str]) -> None:
    """Raises UnreadableFileError if a required field has no column. `names` is the whole header."""
    present = set(paths)
    missing = [
        " or ".join(_described(shape, field) for field in alternatives)
        for alternatives in shape.feed.required
        if not any(
            present.intersection(shape.fields.get(field, ())) or field in shape.constants
            for field in alternatives
        )
    ]
    if missing and not present - {None}:
        # It may be no header but a record, and its texts are kept nowhere.
        raise UnreadableFileError(
            f"names none of the columns of its feed in its {len(names)} column(s): "
            "is there a header, with commas between the names?"
        )
    if missing:
        raise UnreadableFileError(f"has no column for {'; '.join(missing)}: {_shown(shape, names)}")


def _shown(shape: Shape, names: Sequence[str]) -> str:
    """The columns of a file, in words. A first line without any name that the shape knows may be a
    record, and what records say of a search is stored nowhere."""
    header = ", ".join(names)
    if not any(path.lower() in header.lower() for path in shape.paths):
        return f"its first line has none of the names in {len(names)} column(s)"
    if len(header) > _MOST_SHOWN:
        header = header[:_MOST_SHOWN] + " …"
    return f"its columns are {header}"


def _described(shape: Shape, field: str) -> str:
    paths = shape.fields.get(field, (field,))
    return field if paths == (field,) else f"{field} ({', '.join(paths)})"
