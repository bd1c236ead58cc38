"""The sample's landing folder: what its generator writes."""

import subprocess
import sys
import zlib
from pathlib import Path

import duckdb

from tests.support.project import SAMPLE


def files(folder: Path) -> dict[str, Path]:
    return {str(p.relative_to(folder)): p for p in sorted(folder.rglob("*")) if p.is_file()}


def content(path: Path) -> object:
    """What a file says, however a version of a library packs it."""
    if path.suffix == ".gz":
        stream = zlib.decompressobj(wbits=31)
        text = stream.decompress(path.read_bytes())
        return text if stream.eof else "breaks off"
    if path.suffix == ".zst":
        return duckdb.execute(
            """
            from read_csv(
                ?, columns = {'line': 'varchar'}, header = false, delim = '\t', quote = '',
                escape = '', compression = 'zstd'
            )
            """,
            [str(path)],
        ).fetchall()
    if path.suffix == ".parquet":
        return duckdb.execute(
            "select * replace (epoch_us(called_at) as called_at) from read_parquet(?)", [str(path)]
        ).fetchall()
    return path.read_bytes()


def test_the_generator_writes_the_same_files_again(tmp_path: Path) -> None:
    generator = [sys.executable, str(SAMPLE / "generate.py"), str(tmp_path / "landing")]
    subprocess.run(generator, check=True)
    stored, generated = files(SAMPLE / "landing"), files(tmp_path / "landing")
    assert generated.keys() == stored.keys()
    different = [name for name, path in stored.items() if content(path) != content(generated[name])]
    assert different == []

    # It won't write over anything but the sample itself.
    assert subprocess.run(generator, check=False, capture_output=True).returncode == 2


def test_the_sample_stays_small() -> None:
    assert sum(path.stat().st_size for path in files(SAMPLE).values()) < 1_000_000
