"""What lies in an object store beside what callbill put there, and two runs that look at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from callbill.storage import objects
from callbill.storage.folder import StoredFile, walk
from callbill.storage.objects import check_conditions, objects_below
from obstore.store import MemoryStore

PLACE = Path("s3:/bills/published")


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> MemoryStore:
    memory = MemoryStore()
    monkeypatch.setattr(objects, "_store", lambda _bucket: memory)
    return memory


def test_the_empty_object_of_a_folder_does_not_lie_below_it(store: MemoryStore) -> None:
    store.put("published", b"")
    store.put("published/one", b"1")
    store.put("published-too/two", b"2")
    assert [found.name for found in objects_below(PLACE)] == ["one"]


def test_two_runs_may_ask_at_once_whether_a_store_keeps_conditions(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_if_absent = objects.put_if_absent
    waiting = [True]

    def put_while_another_asks(*arguments: Any) -> bool:
        written = put_if_absent(*arguments)
        if waiting.pop() if waiting else False:
            check_conditions(PLACE)
        return written

    monkeypatch.setattr(objects, "put_if_absent", put_while_another_asks)
    check_conditions(PLACE)
    assert list(objects_below(PLACE)) == []


def test_an_object_is_the_same_as_long_as_its_etag_and_size_are(store: MemoryStore) -> None:
    def listed() -> StoredFile:
        [entry] = walk(PLACE, lambda _name: False)
        return entry.file()

    store.put("published/a", b"first")
    before = listed()
    assert before.is_unchanged()
    assert listed().entry[::3] == before.entry[::3]
    # As long, and something else.
    store.put("published/a", b"other")
    assert not before.is_unchanged()
    assert listed().entry[::3] != before.entry[::3]
    store.delete("published/a")
    assert not before.is_unchanged()


def test_what_a_browser_shows_says_what_it_is(store: MemoryStore, tmp_path: Path) -> None:
    (tmp_path / "page").write_bytes(b"<p>")
    objects.put(PLACE / "site/index.html", tmp_path / "page")
    objects.put(PLACE / "parquet/bills.parquet", b"PAR1")
    attributes = {
        name: dict(store.get(f"published/{name}").attributes)
        for name in ("site/index.html", "parquet/bills.parquet")
    }
    assert attributes["site/index.html"] == {"Content-Type": "text/html; charset=utf-8"}
    assert attributes["parquet/bills.parquet"] == {}
