"""Opens files: whatever kind they come as, the result is plain JSON lines, CSV or Parquet.

This is the one place that knows which kinds of files there are. It unpacks, finds out what a text
is, writes documents and workbooks out as lines, and recodes what is not UTF-8.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from callbill.ingest.readers import flattening, json_lines
from callbill.ingest.readers.document import document_as_line, pages_as_lines
from callbill.ingest.readers.documents import has_lines
from callbill.ingest.readers.lines import BadLine, UnreadableFileError
from callbill.ingest.readers.recoding import as_utf8
from callbill.ingest.readers.unpacking import unpack
from callbill.ingest.readers.workbooks import sheet_as_csv
from callbill.ingest.shapes import Shape
from callbill.storage.archives import DamagedArchiveError, list_members

# What no text in UTF-8 begins with. Zeros alone may be a log that was cut off while it was written.
_UNDER_ANOTHER_NAME = "which its name does not say: deliver it unpacked"
_NO_TEXT = {
    f"is compressed with gzip, {_UNDER_ANOTHER_NAME}": rb"\x1f\x8b\x08",
    f"is compressed with zstd, {_UNDER_ANOTHER_NAME}": rb"\x28\xb5\x2f\xfd",
    f"is compressed with bzip2, {_UNDER_ANOTHER_NAME}": rb"BZh[1-9]1AY&SY",
    f"is a .zip or a workbook, {_UNDER_ANOTHER_NAME}": rb"PK\x03\x04",
    "is not UTF-8 but UTF-16: save it as UTF-8": rb"(?:[^\0]\0){2}|(?:\0[^\0]){2}",
}


@dataclass(frozen=True)
class Plain:
    """A file's content in a form that a reader takes. `bad_lines` are lines of it that are rejected
    already, and blank in the file. `shape` is how its lines are to be read."""

    kind: str
    path: Path
    shape: Shape
    bad_lines: list[BadLine] = field(default_factory=list)


def open_plain(
    source: Path,
    member: int | None,
    kind: str,
    compression: str,
    shape: Shape,
    stem: Path,
    *,
    is_known: bool = False,
) -> Plain:
    """A file of the landing folder as plain content. `kind` and `compression` are those of
    `landing.kind_of`. `stem` is a path without an ending; all that is written begins like it, and
    the content has its name. Of a file that `is_known` the lines that were rejected are counted
    already, also if it is no text.

    Raises UnreadableFileError.
    """
    if kind == "archive":
        _raise_fault_of_archive(source)
    content = unpack(source, member, compression, _beside(stem, "unpacked"))
    if kind not in ("parquet", "workbook") and shape.reading_rules >= 2 and not is_known:
        _check_is_text(content)
    kind = _kind_of_text(content, shape) if kind == "text" else kind
    bad_lines: list[BadLine] = []
    if kind == "workbook":
        kind, content = "csv", sheet_as_csv(content, shape, _beside(stem, "sheet"))
    elif kind == "csv" and shape.feed.reads_gb18030 and shape.reading_rules >= 2:
        content = as_utf8(content, _beside(stem, "recoded"))
    elif kind == "document" and shape.feed.has_pages:
        as_lines = pages_as_lines if shape.reading_rules >= 2 else document_as_line
        kind, content = "json", as_lines(content, _beside(stem, "line"))
    elif kind in ("json", "document", "lines"):
        if kind == "json" and _begins_an_array(content, shape):
            # Lines of batches, or an array over many lines under the wrong ending.
            kind = "json" if has_lines(content) else "document"
            needs_lines = True
        else:
            needs_lines = kind != "json" or shape.is_flattened
        if needs_lines:
            json_lines.check_encoding(content)
            if kind == "lines" or not flattening.is_plain_lines(content, shape):
                lines = _beside(stem, "lines")
                bad_lines = flattening.write_lines(content, kind, shape, lines)
                content = lines
                shape = shape.flat if shape.is_flattened else shape
        kind = "json"
    path = stem.with_name(f"{stem.name}.{kind}")
    path.symlink_to(content.resolve())
    return Plain(kind, path, shape, bad_lines)


def _check_is_text(path: Path) -> None:
    """Raises UnreadableFileError if a file is no text, in which each line feed would end a line."""
    with path.open("rb") as stream:
        first = stream.read(16)
    for sentence, beginning in _NO_TEXT.items():
        if re.match(beginning, first, re.DOTALL):
            raise UnreadableFileError(sentence)


def _begins_an_array(path: Path, shape: Shape) -> bool:
    """Whether lines of JSON are arrays of records, as programs that deliver batches write them."""
    if shape.reading_rules < 2 or shape.feed.has_pages or shape.is_flattened:
        return False
    with path.open("rb") as stream:
        return stream.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"["


def _kind_of_text(path: Path, shape: Shape) -> str:
    """What a text is: what its shape says, otherwise JSON if it begins like that, or CSV."""
    if shape.files is not None:
        return {"json": "document"}.get(shape.files, shape.files)
    if shape.pattern:
        return "lines"
    with path.open("rb") as stream:
        beginning = stream.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()
    return "document" if beginning[:1] in (b"{", b"[", b"") else "csv"


def _raise_fault_of_archive(path: Path) -> None:
    try:
        list_members(path)
    except DamagedArchiveError as error:
        raise UnreadableFileError(str(error)) from error
    raise UnreadableFileError("is a .zip that could not be listed when it was loaded")


def _beside(stem: Path, ending: str) -> Path:
    return stem.with_name(f"{stem.name}.{ending}")
