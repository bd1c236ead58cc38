"""New objects of a store come into a local landing folder, whole and once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from callbill.base.errors import UsageError
from callbill.jobs import fetching
from callbill.jobs.fetching import fetch_new
from callbill.storage import objects
from obstore.store import MemoryStore

PLACE = Path("s3://logs/audit")


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[MemoryStore]:
    memory = MemoryStore()
    monkeypatch.setattr(objects, "_store", lambda _bucket: memory)
    memory.put("audit/2026090110/one", b"first")
    memory.put("audit/2026090111/two.gz", b"second")
    memory.put("other/three", b"elsewhere")
    yield memory


def files_in(landing: Path) -> dict[str, bytes]:
    return {
        path.relative_to(landing).as_posix(): path.read_bytes()
        for path in landing.rglob("*")
        if path.is_file() and path.name != ".fetched.json"
    }


def test_new_objects_come_whole_under_their_names(tmp_path: Path, store: MemoryStore) -> None:
    fetched = fetch_new(PLACE, tmp_path, "call_logs/format=cloudaudit")
    assert files_in(tmp_path) == {
        "call_logs/format=cloudaudit/2026090110/one": b"first",
        "call_logs/format=cloudaudit/2026090111/two.gz": b"second",
    }
    assert (len(fetched.new), fetched.bytes) == (2, 11)


def test_a_file_has_the_time_of_its_object(tmp_path: Path, store: MemoryStore) -> None:
    fetch_new(PLACE, tmp_path, "call_logs")
    modified = store.head("audit/2026090110/one")["last_modified"]
    assert (tmp_path / "call_logs/2026090110/one").stat().st_mtime == pytest.approx(
        modified.timestamp(), abs=0.001
    )


def test_what_was_fetched_is_not_fetched_again(tmp_path: Path, store: MemoryStore) -> None:
    fetch_new(PLACE, tmp_path, "call_logs")
    (tmp_path / "call_logs/2026090110/one").unlink()
    store.put("audit/2026090112/four", b"new")
    fetched = fetch_new(PLACE, tmp_path, "call_logs")
    assert (fetched.new, fetched.known) == (["2026090112/four"], 2)
    assert "call_logs/2026090110/one" not in files_in(tmp_path)


def test_an_object_that_changed_is_fetched_again(tmp_path: Path, store: MemoryStore) -> None:
    fetch_new(PLACE, tmp_path, "call_logs")
    store.put("audit/2026090110/one", b"other")
    fetched = fetch_new(PLACE, tmp_path, "call_logs")
    assert fetched.changed == ["2026090110/one"]
    assert files_in(tmp_path)["call_logs/2026090110/one"] == b"other"


def test_an_object_that_changes_meanwhile_is_left(
    tmp_path: Path, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def disturbed(path: Path, target: Path) -> None:
        objects.fetch(path, target)
        store.put("audit/2026090110/one", b"rewritten")

    monkeypatch.setattr(fetching, "fetch", disturbed)
    fetched = fetch_new(PLACE, tmp_path, "call_logs")
    assert ("2026090110/one", "changed while it was fetched: fetch again") in fetched.left
    assert "call_logs/2026090110/one" not in files_in(tmp_path)
    assert not [path for path in tmp_path.rglob("*") if "fetching" in path.name]


def test_an_object_that_breaks_off_leaves_nothing(
    tmp_path: Path, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(path: Path, target: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        raise OSError("broken off")

    monkeypatch.setattr(fetching, "fetch", broken)
    with pytest.raises(OSError, match="broken off"):
        fetch_new(PLACE, tmp_path, "call_logs")
    assert files_in(tmp_path) == {}


def test_a_dry_run_fetches_nothing(tmp_path: Path, store: MemoryStore) -> None:
    assert len(fetch_new(PLACE, tmp_path, "call_logs", dry_run=True).new) == 2
    assert files_in(tmp_path) == {}
    assert len(fetch_new(PLACE, tmp_path, "call_logs").new) == 2


@pytest.mark.parametrize(
    ("source", "landing", "into"),
    [("here", "landing", ""), ("s3://logs", "s3://landing", ""), ("s3://logs", "landing", "../x")],
)
def test_places_that_make_no_sense(source: str, landing: str, into: str) -> None:
    with pytest.raises(UsageError):
        fetch_new(Path(source), Path(landing), into)
