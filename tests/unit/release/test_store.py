"""The pointers of a store: what else lies there, and a list that is not what was sealed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from callbill.base.errors import UsageError
from callbill.release.release import Release
from callbill.release.store import PublishedToStore
from callbill.storage import objects
from obstore.store import MemoryStore

PLACE = Path("s3:/bills/published")
FIRST, SECOND = "20260902T000000.000000Z", "20260903T000000.000000Z"


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> MemoryStore:
    memory = MemoryStore()
    monkeypatch.setattr(objects, "_store", lambda _bucket: memory)
    # These releases have no database.
    monkeypatch.setattr("callbill.release.store.point_to_calls", lambda _release: None)
    return memory


def published(folder: Path) -> PublishedToStore:
    return PublishedToStore(folder, PLACE)


def publish(folder: Path, run_id: str, months: dict[str, bytes] | None = None) -> None:
    there = published(folder)
    there.pull()
    release: Release = there.new(run_id)
    calls = release.folder / "parquet/calls/settled_on=2026-09-01" / "calls.parquet"
    calls.parent.mkdir(parents=True)
    calls.write_bytes(b"calls")
    for month, content in (months or {}).items():
        file = release.folder / f"parquet/focus_cost_and_usage/bill_month={month}/name.parquet"
        file.parent.mkdir(parents=True)
        file.write_bytes(content)
    (release.folder / "manifest.json").write_text("{}")
    there.switch_to(release)


def test_what_is_no_pointer_is_none(tmp_path: Path, store: MemoryStore) -> None:
    for name in ("", "/notes.txt", "/zzz"):
        store.put(f"published/pointers{name}", b"")
    published(tmp_path / "a").pull()
    publish(tmp_path / "a", FIRST)
    reader = published(tmp_path / "b")
    reader.pull()
    assert reader.number == 1


def shorten(content: bytes) -> bytes:
    return json.dumps(json.loads(content)[1:]).encode()


@pytest.mark.parametrize("change", [shorten, lambda content: content[:-9], lambda _content: b""])
def test_another_list_of_files_is_not_taken_for_the_release(
    tmp_path: Path, store: MemoryStore, change: Callable[[bytes], bytes]
) -> None:
    publish(tmp_path / "a", FIRST)
    name = f"published/releases/{FIRST}/files.json"
    store.put(name, change(bytes(store.get(name).bytes())))
    with pytest.raises(UsageError, match=r"files\.json is not what was published \(SHA-256\)"):
        published(tmp_path / "b").pull()


def test_nothing_is_removed_as_long_as_the_store_does_not_say_what_a_release_needs(
    tmp_path: Path, store: MemoryStore
) -> None:
    for run_id in (FIRST, SECOND):
        publish(tmp_path / "a", run_id)
    store.delete(f"published/releases/{SECOND}/files.json")
    there = published(tmp_path / "a")
    there.pull()
    before = [found.name for found in objects.objects_below(PLACE)]
    with pytest.raises(UsageError, match="is no whole release"):
        there.remove_old(1)
    assert [found.name for found in objects.objects_below(PLACE)] == before


def test_a_pointer_that_does_not_say_what_its_list_was_is_followed(
    tmp_path: Path, store: MemoryStore
) -> None:
    publish(tmp_path / "a", FIRST)
    name = "published/pointers/000000000001.json"
    store.put(name, json.dumps({"number": 1, "run_id": FIRST}).encode())
    published(tmp_path / "b").pull()
    assert (tmp_path / f"b/releases/{FIRST}/manifest.json").read_text() == "{}"


def test_a_list_that_is_late_hides_no_release(
    tmp_path: Path, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store may list an object some time after it was put. It may be read at once."""
    publish(tmp_path / "a", FIRST)
    late = list(objects.objects_below(PLACE / "pointers"))
    publish(tmp_path / "a", SECOND)
    monkeypatch.setattr("callbill.release.store.objects_below", lambda _place: iter(late))
    reader = published(tmp_path / "b")
    reader.pull()
    assert reader.number == 2
    assert reader.current().run_id == SECOND  # type: ignore[union-attr]


def test_a_month_that_did_not_change_is_uploaded_once_and_kept_as_long_as_it_is_needed(
    tmp_path: Path, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(tmp_path / "a", FIRST, {"2026-08-01": b"august", "2026-09-01": b"sep"})
    uploaded = []
    put = objects.put
    monkeypatch.setattr(
        "callbill.release.store.put",
        lambda path, content: (uploaded.append(path), put(path, content)),
    )
    # As long as before, and otherwise.
    publish(tmp_path / "a", SECOND, {"2026-08-01": b"august", "2026-09-01": b"SEP"})
    months = [path.parent.name for path in uploaded if "focus_cost_and_usage" in path.parts]
    assert months == ["bill_month=2026-09-01"]
    there = published(tmp_path / "a")
    there.pull()
    there.remove_old(1)
    left = [
        found.name for found in objects.objects_below(PLACE) if "focus_cost_and_usage" in found.name
    ]
    assert len(left) == 2
    published(tmp_path / "b").pull()
    focus = tmp_path / f"b/releases/{SECOND}/parquet/focus_cost_and_usage"
    assert [path.read_bytes() for path in sorted(focus.glob("*/name.parquet"))] == [
        b"august",
        b"SEP",
    ]
