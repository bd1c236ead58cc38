"""Archives: what is in them, in a folder or in a store, and what is wrong with them."""

from __future__ import annotations

import hashlib
import io
import zipfile
from pathlib import Path
from zoneinfo import ZoneInfo

import cramjam
import pytest
from callbill.ingest.landing import LandingFile, Skipped, list_landing
from callbill.ingest.readers import unpacking
from callbill.ingest.readers.lines import UnreadableFileError
from callbill.ingest.readers.unpacking import unpack
from callbill.storage import archives, objects
from callbill.storage.archives import DamagedArchiveError, list_members
from obstore.store import MemoryStore

ZONE = ZoneInfo("Asia/Shanghai")
SHAPES = frozenset({"canonical"})


def archive(members: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, member in members.items():
            packed.writestr(name, member)
    return content.getvalue()


def test_members_in_a_store_are_files_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = MemoryStore()
    monkeypatch.setattr(objects, "_store", lambda _bucket: memory)
    memory.put("land/call_logs/a.zip", archive({"b.jsonl": b"{}\n", "c/d.csv": b"x\n"}))
    landing = list_landing(Path("s3://bucket/land"), SHAPES, ZONE)
    assert [file.name for file in landing.files] == [
        "call_logs/a.zip/b.jsonl", "call_logs/a.zip/c/d.csv",
    ]  # fmt: skip
    assert landing.files[0].digest() == hashlib.sha256(b"{}\n").hexdigest()
    with landing.files[0].at_hand(tmp_path) as path:
        content = unpack(path, landing.files[0].member, "", tmp_path / "content")
        assert content.read_bytes() == b"{}\n"


def listed(folder: Path, members: dict[str, bytes]) -> tuple[list[LandingFile], list[Skipped]]:
    path = folder / "call_logs/a.zip"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(archive(members))
    landing = list_landing(folder, SHAPES, ZONE)
    return landing.files, landing.skipped


@pytest.mark.parametrize("name", ["../b.jsonl", "/b.jsonl", "c/../../b.jsonl"])
def test_a_member_that_leads_out_is_named(tmp_path: Path, name: str) -> None:
    files, [skipped] = listed(tmp_path, {name: b"{}\n"})
    assert files == []
    assert "leads out of it" in skipped.why


def test_names_of_chinese_systems(tmp_path: Path) -> None:
    content = archive({"aaaa.csv": b"x\n"})
    content = content.replace(b"aaaa", "账单".encode("gb18030"))
    (tmp_path / "a.zip").write_bytes(content)
    assert [member.name for member in list_members(tmp_path / "a.zip")] == ["账单.csv"]


def test_folders_in_an_archive_say_what_folders_say(tmp_path: Path) -> None:
    [file], _skipped = listed(tmp_path, {"arrived_on=2026-09-02/b.jsonl": b"{}\n"})
    assert str(file.arrived_on) == "2026-09-02"


def test_members_that_overlap_are_a_trap(tmp_path: Path) -> None:
    content = bytearray(archive({"a.jsonl": b"x" * 100_000}))
    at = content.index(b"PK\x01\x02") + 20
    content[at : at + 4] = (2**30).to_bytes(4, "little")
    (tmp_path / "a.zip").write_bytes(bytes(content))
    with pytest.raises(DamagedArchiveError, match="overlap"):
        list_members(tmp_path / "a.zip")


def test_an_archive_of_too_many_members_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "MOST_MEMBERS", 2)
    (tmp_path / "a.zip").write_bytes(archive({f"{n}.csv": b"x" for n in range(3)}))
    with pytest.raises(DamagedArchiveError, match="more than 2 members"):
        list_members(tmp_path / "a.zip")


@pytest.mark.parametrize("compression", ["member", ".gz", ".bz2", ".zst"])
def test_what_unpacks_to_more_than_any_log_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compression: str
) -> None:
    import bz2
    import gzip

    import zstandard

    monkeypatch.setattr(unpacking, "_BELIEVED_BYTES", 100_000)
    zeros = bytes(20_000_000)
    pack = {
        "member": lambda content: archive({"a.csv": content}),
        ".gz": gzip.compress,
        ".bz2": bz2.compress,
        ".zst": zstandard.ZstdCompressor().compress,
    }[compression]
    path = tmp_path / "packed"
    path.write_bytes(pack(zeros))
    member, packed = (0, "") if compression == "member" else (None, compression)
    with pytest.raises(UnreadableFileError, match="unpacks to more than"):
        unpack(path, member, packed, tmp_path / "content")


def test_snappy_that_is_broken_off_anywhere_is_refused(tmp_path: Path) -> None:
    content = b'{"request_id": "8f14e45f"}\n' * 40 + bytes(range(256))
    packed = bytes(cramjam.snappy.compress_raw(content))
    path = tmp_path / "packed"
    path.write_bytes(packed)
    assert unpack(path, None, ".snappy", tmp_path / "content").read_bytes() == content
    for length in range(1, len(packed)):
        path.write_bytes(packed[:length])
        with pytest.raises(UnreadableFileError, match="does not decompress to its end"):
            unpack(path, None, ".snappy", tmp_path / "content")


def test_snappy_of_more_than_is_held_in_memory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpacking, "_MAX_SNAPPY", 1_000_000)
    path = tmp_path / "packed"
    path.write_bytes(bytes(cramjam.snappy.compress_raw(bytes(2_000_000))))
    with pytest.raises(UnreadableFileError, match="is snappy of more than"):
        unpack(path, None, ".snappy", tmp_path / "content")
