"""What a run says if a worker's file is away."""

from __future__ import annotations

from pathlib import Path

import pytest
from callbill.base.errors import CallbillError
from callbill.base.settings import load_settings
from callbill.storage import objects
from callbill.tasks.exchange import Exchange
from obstore.store import MemoryStore


def test_a_file_that_another_warehouse_removed_says_that_prefixes_are_not_shared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = MemoryStore()
    monkeypatch.setattr(objects, "_store", lambda _bucket: store)
    monkeypatch.setenv("CALLBILL_FILES", "s3://bills/files")
    exchange = Exchange(load_settings(warehouse=tmp_path / "warehouse.duckdb"))
    with pytest.raises(CallbillError, match="needs a prefix of its own"):
        exchange.take({"raw/a.parquet": ("raw/a.parquet", 1)})
