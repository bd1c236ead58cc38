"""Packed files that are damaged."""

from __future__ import annotations

import gzip
import zlib
from io import BytesIO
from pathlib import Path

import pytest
from callbill.ingest.readers.lines import UnreadableFileError
from callbill.ingest.readers.unpacking import unpack
from hypothesis import example, given
from hypothesis import strategies as st

LINES = b'{"request_id":"a","owner_uin":"100000000001"}\n' * 40
# Two members, as appended logs have.
WHOLE = gzip.compress(LINES, mtime=0) + gzip.compress(LINES[:60], 1, mtime=0)


def by_python(packed: bytes) -> bytes | None:
    try:
        return gzip.GzipFile(fileobj=BytesIO(packed)).read()
    except (OSError, EOFError, zlib.error):
        return None


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("packed")


@given(
    flipped=st.lists(st.integers(0, len(WHOLE) * 8 - 1), max_size=3),
    kept=st.integers(1, len(WHOLE)),
    behind=st.binary(max_size=12),
)
@example(flipped=[], kept=len(WHOLE), behind=b"")
@example(flipped=[], kept=len(WHOLE), behind=b"\0" * 12)
@example(flipped=[], kept=len(WHOLE) - 1, behind=b"")
@example(flipped=[], kept=len(WHOLE), behind=b"rest")
def test_gzip_is_unpacked_and_refused_as_by_python(
    folder: Path, flipped: list[int], kept: int, behind: bytes
) -> None:
    packed = bytearray(WHOLE)
    for bit in flipped:
        packed[bit // 8] ^= 1 << bit % 8
    source = folder / "source"
    source.write_bytes(packed[:kept] + behind)
    expected = by_python(source.read_bytes())
    if expected is None:
        with pytest.raises(UnreadableFileError, match="does not decompress to its end"):
            unpack(source, None, ".gz", folder / "target")
    else:
        assert unpack(source, None, ".gz", folder / "target").read_bytes() == expected
