"""`verify` reads what the first computation reads, also Parquet files that polars cannot."""

from pathlib import Path

import pytest

from tests.support.single_files import read, verified

FILES = Path(__file__).parents[2] / "fixtures" / "parquet_beyond_polars"


@pytest.mark.parametrize("path", sorted(FILES.glob("*.parquet")), ids=lambda path: path.stem)
def test_both_read_the_same(tmp_path: Path, path: Path) -> None:
    outcome = read(tmp_path, "call_logs", "canonical", "parquet", path.read_bytes())
    [record] = outcome.rows.values()
    [again] = verified(tmp_path, "call_logs", "canonical", "parquet").iter_rows(named=True)
    assert not again["malformed"]
    assert again["owner_uin"] == record["owner_uin"] == "100000000081"
    assert again["operate_uin"] == record["operate_uin"] == "200000000081"
    assert record["called_at"].isoformat() == "2026-03-02T02:00:00+00:00"
    assert again["called_at"] in (
        "2026-03-02T10:00:00+08:00",
        "2026-03-02 02:00:00.000000000+00",
        "2026-03-02 02:00:00.000000+00",
        "2026-03-02 02:00:00+00",
    )
