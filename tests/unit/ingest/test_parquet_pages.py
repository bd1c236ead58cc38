"""Sizes that no page can have, before DuckDB asks for that much memory; damaged headers."""

from itertools import product
from pathlib import Path

import pytest
from callbill.ingest.readers.lines import UnreadableFileError
from callbill.ingest.readers.parquet_pages import check_pages

FIXTURES = Path(__file__).parents[2] / "fixtures"
CHECKSUMS = FIXTURES / "parquet_with_checksums"
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


@pytest.mark.parametrize("path", sorted(CHECKSUMS.glob("*.parquet")), ids=lambda path: path.stem)
def test_no_bit_of_a_pages_kind_and_sizes_can_be_another(tmp_path: Path, path: Path) -> None:
    """No checksum covers a header. A page of values that said that it is a dictionary had DuckDB
    take the next column's values for those of its own."""
    content = path.read_bytes()
    check_pages(path, checksums=True)
    flipped = tmp_path / "flipped.parquet"
    # The first page begins behind PAR1 with its kind and its sizes. The byte before each value says
    # that a number follows; that is DuckDB's to read.
    values = [position for position in range(4, 12) if content[position] != 0x15]
    for position, bit in product(values, range(8)):
        damaged = bytearray(content)
        damaged[position] ^= 1 << bit
        flipped.write_bytes(damaged)
        with pytest.raises(UnreadableFileError, match="is damaged"):
            check_pages(flipped, checksums=True)
