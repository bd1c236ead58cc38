"""What a run says if a worker's file is away, or is another one."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from callbill.base.errors import CallbillError
from callbill.base.settings import load_settings
from callbill.storage import objects
from callbill.tasks.exchange import Exchange, workplace
from obstore.store import MemoryStore


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> MemoryStore:
    memory = MemoryStore()
    monkeypatch.setattr(objects, "_store", lambda _bucket: memory)
    monkeypatch.setenv("CALLBILL_FILES", "s3://bills/files")
    return memory


def exchange(folder: Path) -> Exchange:
    return Exchange(load_settings(warehouse=folder / "warehouse.duckdb"))


def test_a_file_that_another_warehouse_removed_says_that_prefixes_are_not_shared(
    tmp_path: Path, store: MemoryStore
) -> None:
    sha256 = hashlib.sha256(b"a").hexdigest()
    with pytest.raises(CallbillError, match="needs a prefix of its own"):
        exchange(tmp_path).take({"raw/a.parquet": ("raw/a.parquet", 1, sha256)})


def test_what_a_task_put_into_the_store_is_taken_by_its_hash(
    tmp_path: Path, store: MemoryStore
) -> None:
    run = exchange(tmp_path)
    with workplace(str(run.root), "loading/task") as place:
        (place.folder / "a").write_bytes(b"first")
        handed = place.hand_over({place.folder / "a": "raw/a"})
    run.take(handed)
    assert (tmp_path / "warehouse.duckdb.files/raw/a").read_bytes() == b"first"
    # As long, and something else.
    store.put("files/raw/a", b"other")
    with pytest.raises(CallbillError, match=r"is not what a worker wrote there \(SHA-256\)"):
        run.take(handed)


@pytest.mark.parametrize("in_store", [False, True])
def test_a_task_that_sees_another_file_than_it_was_given_says_so(
    tmp_path: Path, store: MemoryStore, monkeypatch: pytest.MonkeyPatch, in_store: bool
) -> None:
    if not in_store:
        monkeypatch.delenv("CALLBILL_FILES")
    files = tmp_path / "warehouse.duckdb.files"
    files.mkdir()
    (files / "a").write_bytes(b"first")
    run = exchange(tmp_path)
    sizes = run.give(["a", "b"])
    assert sizes == {"a": 5}
    with workplace(str(run.root), "building/task") as place:
        assert place.at_hand(["a"], sizes)["a"].read_bytes() == b"first"
        with pytest.raises(CallbillError, match=r"b is not there|does not see .*b: No such file"):
            place.at_hand(["a", "b"], sizes)
    if in_store:
        store.put("files/a", b"old")
    else:
        (files / "a").write_bytes(b"old")
    with (
        workplace(str(run.root), "building/task") as place,
        pytest.raises(CallbillError, match="a has 3 bytes here, its writer wrote 5"),
    ):
        place.at_hand(["a"], sizes)
