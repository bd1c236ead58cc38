"""Sizes that no page can have, before DuckDB asks for that much memory."""

from pathlib import Path

import pytest
from callbill.ingest.readers.lines import UnreadableFileError
from callbill.ingest.readers.parquet_pages import check_pages

FIXTURES = Path(__file__).parents[2] / "fixtures"
DAMAGED = (FIXTURES / "damaged.parquet").read_bytes()
# Field 1, a dictionary page; field 2, unpacked bytes; field 3, packed bytes.
TWO_GIGABYTES_PACKED = bytes.fromhex("1504 1530 15feffffff0f")
TWO_GIGABYTES_UNPACKED = bytes.fromhex("1504 15feffffff0f 1546")
RIGHT = bytes.fromhex("1504 1530 15c6 80808000")


def with_header(header: bytes) -> bytes:
    assert DAMAGED.count(TWO_GIGABYTES_PACKED) == 1
    return DAMAGED.replace(TWO_GIGABYTES_PACKED, header)


@pytest.mark.parametrize("checksums", [True, False])
@pytest.mark.parametrize("header", [TWO_GIGABYTES_PACKED, TWO_GIGABYTES_UNPACKED])
def test_no_page_takes_two_gigabytes(tmp_path: Path, header: bytes, checksums: bool) -> None:
    path = tmp_path / "damaged.parquet"
    path.write_bytes(with_header(header))
    with pytest.raises(UnreadableFileError, match="cannot have the size that it says"):
        check_pages(path, checksums=checksums)


def test_the_same_file_with_the_right_size_is_read(tmp_path: Path) -> None:
    path = tmp_path / "mended.parquet"
    path.write_bytes(with_header(RIGHT))
    check_pages(path, checksums=True)
