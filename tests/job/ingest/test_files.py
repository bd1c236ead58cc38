"""Files: what is read of a landing folder, when it arrives, and what is stored of it."""

from __future__ import annotations

import json
import os
from datetime import date, datetime
from pathlib import Path

import pytest

from tests.support.ingested import (
    ARRIVED,
    CSV_HEADER,
    SEARCH_TEXT,
    THROUGH,
    Landing,
    Release,
)
from tests.support.landing_files import (
    csv_file,
    gz,
    json_lines,
    parquet_file,
    record,
    write,
    zst,
)
from tests.support.project import FIXTURES

# --- the search text ---------------------------------------------------------------------------


def put_search_texts(landing: Landing) -> None:
    said = {"Query": SEARCH_TEXT}
    good, bad = record("query/good", **said), record("query/bad", **said) | {"owner_uin": None}
    cut_off = json.dumps(good, ensure_ascii=False)[:-1]
    for name, content in {
        "clean.jsonl": json_lines(good),
        "bad.jsonl": json_lines(good, bad, cut_off, f'["{SEARCH_TEXT}"]'),
        "clean.csv": csv_file([good]),
        "bad.csv": csv_file([good, bad]) + f'x,"{SEARCH_TEXT}"\n"{SEARCH_TEXT}'.encode(),
        "clean.parquet": parquet_file([good]),
        "bad.parquet": parquet_file([good, bad]),
        "half.parquet": parquet_file([good] * 3)[:-9],
        "half.jsonl.gz": gz(json_lines(good))[:-9],
        "header.csv": f"{SEARCH_TEXT},{SEARCH_TEXT}\n".encode(),
    }.items():
        landing.put("query", name, content)


def test_the_search_text_is_stored_nowhere(later: Release) -> None:
    assert len(later.request_ids("query/")) == 6
    assert len(later.rejects("query/")) == 10
    for con in (later.warehouse, later.database):
        relations = con.execute(
            """
            select table_schema, table_name from information_schema.tables
            where table_schema in ('raw', 'ops', 'billing')
            """
        ).fetchall()
        assert relations
        for schema, name in relations:
            found = con.execute(
                f"select count(*) from {schema}.{name} as t where contains(t::varchar, 'teapot')"
            ).fetchone()
            assert found == (0,), f"{schema}.{name}"
    for folder in (later.place / "published", later.place / "warehouse.duckdb.files"):
        for path in folder.rglob("*"):
            assert not path.is_file() or b"teapot" not in path.read_bytes(), path
    assert b"teapot" not in (later.place / "warehouse.duckdb").read_bytes()


# --- files that cannot be read -----------------------------------------------------------------


def put_unreadable_files(landing: Landing) -> None:
    content = json_lines(*(record(f"unreadable/{n}") for n in range(50)))
    table = csv_file([record(f"unreadable/{n}") for n in range(50)])
    columns = parquet_file([record(f"unreadable/{n}", x="x" * n) for n in range(50)])
    packed, frame = gz(content), zst(content)
    other_checksum = packed[:-8] + bytes([packed[-8] ^ 1]) + packed[-7:]
    for name, broken in {
        "cut.jsonl.gz": packed[: len(packed) // 2],
        "cut-at-the-end.jsonl.gz": packed[:-1],
        "cut-in-the-second-part.jsonl.gz": packed + packed[:20],
        "other-checksum.jsonl.gz": other_checksum,
        "more-behind.jsonl.gz": packed + b"and more",
        "plain.jsonl.gz": content,
        "empty.jsonl.gz": b"",
        "cut.csv.gz": gz(table)[:-4],
        "cut.jsonl.zst": frame[: len(frame) // 2],
        "cut-at-the-end.jsonl.zst": frame[:-1],
        "cut-in-the-second-part.jsonl.zst": frame + frame[:20],
        "other-checksum.jsonl.zst": frame[:-1] + bytes([frame[-1] ^ 1]),
        "plain.csv.zst": table,
        "garbage.parquet": b"no parquet at all",
        "half.parquet": columns[: len(columns) // 2],
        "without-its-middle.parquet": columns[:100] + columns[200:],
        # It says of a page that it takes two gigabytes.
        "damaged.parquet": (FIXTURES / "damaged.parquet").read_bytes(),
        "column-named-twice.csv": b"request_id,request_id\nx,y\n",
        "utf-16.csv": table.decode().encode("utf-16"),
    }.items():
        landing.put("unreadable", name, broken)
    # Nothing is wrong with these.
    landing.put("empty", "a.jsonl", b"\n")
    landing.put("empty", "a.csv", CSV_HEADER.encode())
    landing.put("empty", "a.jsonl.gz", gz(b""))
    landing.put("empty", "a.jsonl.zst", zst(b"\n\n"))
    landing.put("empty", "a.parquet", parquet_file([], like=record("x")))


def test_a_file_that_cannot_be_read_is_rejected_whole(released: Release) -> None:
    files = released.files("unreadable/")
    assert len(files) == 19
    assert released.rejects("unreadable/") == [(None, "unreadable_file")] * len(files)
    assert released.counts("unreadable/") == [(0, 0, 0)] * len(files)
    assert released.records("unreadable/") == []
    told = released.database.execute(
        """
        select bool_and(detail is not null and fields is null and line_sha256 is null)
        from ops.rejected_records where reason = 'unreadable_file'
        """
    ).fetchone()
    assert told == (True,)


def test_a_file_without_lines_is_read_all_the_same(released: Release) -> None:
    assert released.counts("empty/") == [(0, 0, 0)] * 5
    assert released.rejects("empty/") == []


# --- the same content --------------------------------------------------------------------------


def put_copies(landing: Landing) -> None:
    content = json_lines(record("copied"))
    landing.put("copies", "a-second-name.jsonl", content, arrived_on="2026-03-05")
    landing.put("copies", "original.jsonl", content, arrived_on="2026-03-04")
    landing.put("copies", "third-name.ndjson", content, arrived_on="2026-03-05")
    # Another feed is another file, and compressed it is another content.
    both = json_lines("[]")
    landing.put("copies", "x.jsonl", both)
    landing.put("copies", "x.jsonl", both, feed="contracts")
    landing.put("copies", "x.jsonl.gz", gz(both))


def test_the_same_content_is_loaded_once_as_it_arrived_first(released: Release) -> None:
    [row] = released.records("copies/")
    assert row["path"] == "call_logs/copies/arrived_on=2026-03-04/original.jsonl"
    assert row["settlement_floor"] == date(2026, 3, 4)
    arrivals = {file["path"]: file["arrived_on"] for file in released.files("copies/arrived_on")}
    assert arrivals == {
        "call_logs/copies/arrived_on=2026-03-04/original.jsonl": "2026-03-04",
        f"call_logs/copies/arrived_on={ARRIVED}/x.jsonl": ARRIVED,
        f"call_logs/copies/arrived_on={ARRIVED}/x.jsonl.gz": ARRIVED,
    }
    assert released.rejects("copies/", "contracts") == [(1, "not_an_object")]


# --- names -------------------------------------------------------------------------------------

NOT_MEANT = ("a.jsonl.tmp", "a.jsonl.part", ".a.jsonl", "_a.jsonl", ".hidden/a.jsonl", "_tmp/a.csv")
NOBODY_READS = (
    "a.doc",
    "a.xml",
    "a.jsonl.XZ",
    "a.parquet.gz",
    "jsonl",
    "a.jsonl.gz.zst",
)
AWKWARD = (
    "with blank",
    "  ",
    "quote's",
    'double"quote',
    "glob*[a]?{b,c}",
    "per%20cent%s",
    "new\nline",
    "tab\t",
    "back\\slash",
    "semi;colon--",
    "$(dollar) `x`",
    "-dash",
    "文搜图😀",
    "a=b",
    "format=nosuch",
    "x" * 200,
)


def put_names(landing: Landing) -> None:
    for n, name in enumerate((*NOT_MEANT, *NOBODY_READS)):
        landing.put("names/not-read", name, json_lines(record(f"not read/{n}")))
    landing.put("names/day", "a.jsonl", json_lines(record("not read")), arrived_on="2026-13-01")
    landing.put("names/shape", "a.jsonl", json_lines(record("not read")), shape="nosuch")
    landing.put("names", "a.jsonl", json_lines(record("not read")), feed="no_feed")
    write(landing.root / "a.jsonl", json_lines(record("not read")))
    for n, name in enumerate(AWKWARD):
        rows = [record(f"{n:02d}/{kind}") for kind in ("csv", "gz", "jsonl", "parquet")]
        bad = {"request_id": ""}
        landing.put("awkward", f"{name}.csv", csv_file([rows[0], bad] if n % 4 else rows[:1]))
        landing.put("awkward", f"{name}.jsonl.gz", gz(json_lines(rows[1])))
        landing.put(f"awkward/{name}", f"{name}.jsonl", json_lines(rows[2]))
        landing.put("awkward", f"{name}.parquet", parquet_file([rows[3]]))
    strange = os.fsencode(landing.root / "call_logs" / "awkward") + b"/arrived_on=2026-03-03/\xff"
    Path(os.fsdecode(strange + b".jsonl")).write_bytes(json_lines(record("99/bytes")))


def test_names_that_are_not_meant_to_be_read(released: Release) -> None:
    assert released.files("names/not-read/") == []
    told = "\n".join(released.not_read())
    for name in NOT_MEANT:
        assert f"/{name}" not in told


def test_a_name_that_nobody_can_read_is_told(released: Release) -> None:
    assert released.files("names/") == []
    told = set(released.not_read())
    assert told == {
        *(f"call_logs/names/not-read/arrived_on={ARRIVED}/{name}" for name in NOBODY_READS),
        "call_logs/names/day/arrived_on=2026-13-01/a.jsonl",
        f"call_logs/names/shape/format=nosuch/arrived_on={ARRIVED}/a.jsonl",
        f"no_feed/names/arrived_on={ARRIVED}/a.jsonl",
        "a.jsonl",
        # A folder of that name says what the shape of its files is.
        f"call_logs/awkward/format=nosuch/arrived_on={ARRIVED}/format=nosuch.jsonl",
    }
    for name in told:
        assert name in released.ended.stdout


def test_awkward_names(released: Release) -> None:
    expected = {
        f"{n:02d}/{kind}"
        for n, name in enumerate(AWKWARD)
        for kind in ("csv", "gz", "jsonl", "parquet")
        if (name, kind) != ("format=nosuch", "jsonl")
    } | {"99/bytes"}
    assert set(released.request_ids("awkward/")) == expected
    assert {
        file["path"] for file in released.files("awkward/arrived_on") if "\\xff" not in file
    } >= {f"call_logs/awkward/arrived_on={ARRIVED}/{name}.parquet" for name in AWKWARD}
    assert released.rejects("awkward/arrived_on") == [(3, "missing_request_id")] * 12


# --- arrival -----------------------------------------------------------------------------------


def put_arrivals(landing: Landing) -> None:
    for name, modified in {
        "before-midnight.jsonl": "2026-03-03T23:59:59+08:00",
        "after-midnight.jsonl": "2026-03-04T00:00:00+08:00",
        "future.jsonl": "2026-03-07T00:00:00+08:00",
    }.items():
        path = landing.put("modified", name, json_lines(record(name)), arrived_on=None)
        instant = datetime.fromisoformat(modified).timestamp()
        os.utime(landing.root / path, (instant, instant))
    # The path counts, not when the file was written.
    path = landing.put("said", "a.jsonl", json_lines(record("said")), arrived_on="2026-03-05")
    os.utime(landing.root / path, (0, 0))
    landing.put("waits", "today.jsonl", json_lines(record("today")), arrived_on=THROUGH)
    landing.put("waits", "tomorrow.jsonl", json_lines(record("tomorrow")), arrived_on="2026-03-07")
    landing.put(
        "future",
        "a.jsonl",
        json_lines(
            record("last moment") | {"called_at": "2026-03-04T23:59:59.999999+08:00"},
            record("too late") | {"called_at": "2026-03-05T00:00:00+08:00"},
        ),
    )


def test_a_file_arrives_on_the_day_it_was_modified_in_beijing(released: Release) -> None:
    assert {
        file["path"].rpartition("/")[2]: file["arrived_on"] for file in released.files("mod")
    } == {
        "before-midnight.jsonl": "2026-03-03",
        "after-midnight.jsonl": "2026-03-04",
    }


def test_a_path_says_when_its_file_arrived(released: Release) -> None:
    assert [(f["arrived_on"], f["floor"]) for f in released.files("said/")] == [
        ("2026-03-05", "2026-03-05")
    ]
    assert [row["settled_on"] for row in released.records("said/")] == [date(2026, 3, 5)]


def test_a_file_that_arrives_after_the_run_waits(released: Release, later: Release) -> None:
    assert released.request_ids("waits/") == ["today"]
    assert later.request_ids("waits/") == ["today", "tomorrow"]
    floors = {file["path"].rpartition("/")[2]: file["floor"] for file in later.files("waits/")}
    assert floors == {"today.jsonl": THROUGH, "tomorrow.jsonl": "2026-03-07"}
    assert later.request_ids("modified/future") == ["future.jsonl"]
    assert not any("tomorrow" in name for name in released.not_read())


def test_a_call_may_lie_a_day_after_its_arrival_but_not_two(released: Release) -> None:
    assert released.request_ids("future/") == ["last moment"]
    assert released.rejects("future/") == [(2, "future_timestamp")]


# --- between two runs --------------------------------------------------------------------------


def put_files_that_change(landing: Landing) -> None:
    landing.put("edited", "a.jsonl", json_lines(record("edited/1")))
    landing.put("touched", "a.jsonl", json_lines(record("touched/1")))
    landing.put("renamed", "a.jsonl", json_lines(record("renamed/1")))


def put_later(landing: Landing) -> None:
    landing.put("edited", "a.jsonl", json_lines(record("edited/1"), record("edited/2")))
    os.utime(landing.root / f"call_logs/touched/arrived_on={ARRIVED}/a.jsonl")
    folder = landing.root / f"call_logs/renamed/arrived_on={ARRIVED}"
    (folder / "a.jsonl").rename(folder / "b.jsonl")
    landing.put("late", "a.jsonl", json_lines(record("late")), arrived_on="2026-03-04")
    landing.put("late", "b.jsonl", json_lines(record("sealed day")), arrived_on=THROUGH)
    landing.put("late", "c.jsonl", json_lines(record("in time")), arrived_on="2026-03-08")


def test_a_file_gets_the_first_settlement_date_that_is_not_sealed(later: Release) -> None:
    files = [
        (f["path"].rpartition("/")[2], f["arrived_on"], f["floor"]) for f in later.files("late/")
    ]
    assert files == [
        ("a.jsonl", "2026-03-04", "2026-03-07"),
        ("b.jsonl", "2026-03-06", "2026-03-07"),
        ("c.jsonl", "2026-03-08", "2026-03-08"),
    ]
    settled = {row["request_id"]: row["settled_on"].isoformat() for row in later.records("late/")}
    assert settled == {"late": "2026-03-07", "sealed day": "2026-03-07", "in time": "2026-03-08"}


def test_a_floor_is_kept_for_ever(released: Release, later: Release) -> None:
    before = {file["path"]: file["floor"] for file in released.files("formats/")}
    assert set(before.values()) == {ARRIVED}
    assert {file["path"]: file["floor"] for file in later.files("formats/")} == before


def test_an_edited_file_is_a_new_file(released: Release, later: Release) -> None:
    assert released.request_ids("edited/") == ["edited/1"]
    assert [(row["request_id"], row["settled_on"].day) for row in later.records("edited/")] == [
        ("edited/1", 3),
        ("edited/1", 7),
        ("edited/2", 7),
    ]
    assert sorted((f["lines"], f["floor"]) for f in later.files("edited/")) == [
        (1, "2026-03-03"),
        (2, "2026-03-07"),
    ]


@pytest.mark.parametrize("case", ["touched", "renamed"])
def test_a_file_with_the_same_content_is_not_loaded_again(later: Release, case: str) -> None:
    assert later.request_ids(f"{case}/") == [f"{case}/1"]
    assert [file["path"] for file in later.files(f"{case}/")] == [
        f"call_logs/{case}/arrived_on={ARRIVED}/a.jsonl"
    ]
