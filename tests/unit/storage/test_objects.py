"""What lies in an object store beside what callbill put there, and two runs that look at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from callbill.storage import objects
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
