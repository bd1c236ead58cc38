"""Files as they really come, beyond their lines: still growing, linked, packed tight; and texts
that mean something to whoever shows them."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
from callbill.ingest.read_task import ReadOutcome
from callbill.ingest.reading import _Reading

from tests.support.commands import callbill, run_after, run_job, succeed
from tests.support.landing_files import csv_file, json_lines, record, write, zst
from tests.support.places import copy_of, places, query
from tests.support.shared import make_once

DAY = "2026-03-02"
FOLDER = f"call_logs/arrived_on={DAY}"
USED = "2026-03-01T10:00:00+08:00"


def call(name: str, owner: str, **fields: object) -> dict:
    return record(name, owner_uin=owner, called_at=USED, **fields)


# --- still being written -------------------------------------------------------------------------


def write_while_it_is_read(path: Path, more: bytes) -> None:
    """Have somebody append to a file while the job reads it."""
    read = _Reading.read

    def disturbed(self: _Reading) -> ReadOutcome:
        outcome = read(self)
        with path.open("ab") as stream:
            stream.write(more)
        return outcome

    _Reading.read = disturbed  # type: ignore[method-assign]


def remove_before_it_is_read(gone: Path, cut: Path) -> None:
    """Have somebody remove a file that the job has listed, and empty another."""
    read = _Reading.read

    def disturbed(self: _Reading) -> ReadOutcome:
        gone.unlink(missing_ok=True)
        cut.write_bytes(b"")
        return read(self)

    _Reading.read = disturbed  # type: ignore[method-assign]


def disturb(folder: Path) -> None:
    more = json_lines(call("g-2", "100000000711"))
    write_while_it_is_read(folder / "growing.jsonl", more)
    remove_before_it_is_read(folder / "gone.csv", folder / "cut.csv")


@pytest.fixture(scope="module")
def disturbed() -> Path:
    """A place whose files somebody touched while they were read; what the run said is in `said`."""

    def make(place: Path) -> None:
        folder = place / "landing" / FOLDER
        write(folder / "growing.jsonl", json_lines(call("g-1", "100000000711")))
        write(folder / "still.jsonl", json_lines(call("s-1", "100000000712")))
        write(folder / "gone.csv", b"request_id\nx\n")
        write(folder / "there.csv", csv_file([call("t-1", "100000000713")]))
        write(folder / "cut.csv", csv_file([call("t-2", "100000000713")]))
        # A manifest's odd text holds up nothing either.
        write(folder / "there.csv.manifest.json", b'{"sha256": "\\ud800"}')
        ended = run_after(partial(disturb, folder), place, "--through", DAY)
        succeed(ended)
        (place / "said").write_text(ended.stdout)

    return make_once("disturbed-files", make)


def test_a_file_that_is_still_written_is_left_for_the_next_run(
    disturbed: Path, tmp_path: Path
) -> None:
    said = (disturbed / "said").read_text()
    assert f"Not read: {FOLDER}/growing.jsonl: changed while it was read" in said
    ours = "where owner_uin in ('100000000711', '100000000712')"
    assert query(disturbed, f"select request_id from billing.calls {ours}") == [("s-1",)]
    place = copy_of(disturbed, tmp_path)
    assert run_job(place, "--through", "2026-03-03").returncode == 0
    calls = query(
        place, f"select request_id, settled_on::varchar from billing.calls {ours} order by 1"
    )
    assert calls == [("g-1", "2026-03-03"), ("g-2", "2026-03-03"), ("s-1", DAY)]


def test_a_file_that_vanishes_holds_up_no_other(disturbed: Path) -> None:
    said = (disturbed / "said").read_text()
    for name in ("gone.csv", "cut.csv"):
        assert f"Not read: {FOLDER}/{name}: changed while it was read" in said
    calls = "select request_id from billing.calls where owner_uin = '100000000713'"
    assert query(disturbed, calls) == [("t-1",)]
    assert "sha256 is not 64 hexadecimal digits" in said


# --- links, tight packing and hostile texts, in one run ------------------------------------------

# SQL, a page's script, a spreadsheet's formula, a template, a terminal's commands, more lines.
HOSTILE = (
    "x'; drop table billing.bill_lines; --",
    '"><script>document.title="owned"</script>',
    '=HYPERLINK("http://example.invalid","pay")',
    "{{ 7 * 7 }} {% raw %} ${jndi:ldap://x}",
    "\u001b[2J\u001b]0;owned\u0007",
    "two\nlines\r\u202eright to left",
)
CONTROLS = "\u001b\u0007\n\r\u202e"
FIELDS = ("request_id", "owner_uin", "operate_uin", "region", "error_code", "action")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("odd")
    landing = place / "landing"
    outside = place / "outside"
    write(outside / "secret.jsonl", json_lines(call("outside", "100000000721")))
    write(landing / FOLDER / "inside.jsonl", json_lines(call("inside", "100000000721")))
    (landing / FOLDER / "link.jsonl").symlink_to(outside / "secret.jsonl")
    (landing / FOLDER / "folder").symlink_to(outside)
    (landing / FOLDER / "loop.jsonl").symlink_to("loop.jsonl")
    (landing / FOLDER / "again.jsonl").symlink_to("inside.jsonl")
    one = json_lines(call("packed", "100000000722"))
    packed = zst(one * 200_000)
    assert len(packed) * 1000 < len(one) * 200_000
    write(landing / FOLDER / "packed.jsonl.zst", packed)
    for name, year in (("old", 1970), ("ahead", 2400)):
        path = landing / "call_logs" / f"{name}.jsonl"
        write(path, json_lines(call(name, "100000000721")))
        modified = datetime(year, 1, 1, tzinfo=UTC).timestamp()
        os.utime(path, (modified, modified))
    for kind in ("jsonl", "jsonl.gz", "parquet"):
        write(landing / FOLDER / f"nothing.{kind}", b"")
    lines = [
        {**call(f"h-{n}-{field}", "100000000723"), field: text}
        for n, text in enumerate(HOSTILE)
        for field in FIELDS
    ]
    write(landing / FOLDER / "hostile.jsonl", json_lines(*lines))
    bad = [{"request_id": text, "owner_uin": text, "action": text} for text in HOSTILE]
    write(landing / FOLDER / f"{HOSTILE[2].replace('/', '')}.jsonl", json_lines(*bad))
    ended = run_job(place, "--through", DAY)
    assert ended.returncode == 0, ended.stderr
    (place / "stdout").write_text(ended.stdout)
    return place


def test_links_that_lead_out_are_not_followed(place: Path) -> None:
    calls = "select request_id from billing.calls where owner_uin = '100000000721'"
    assert query(place, calls) == [("inside",)]
    told = (place / "stdout").read_text()
    for name, why in (
        ("link.jsonl", "is a link that leads out of the folder"),
        ("folder", "is a link that leads out of the folder"),
        ("loop.jsonl", "cannot be read"),
    ):
        assert f"{FOLDER}/{name}" in told
        assert why in told


def test_what_cannot_be_read_or_has_not_come_is_told(place: Path) -> None:
    told = " ".join((place / "stdout").read_text().split())
    assert "call_logs/old.jsonl: was modified on 1970-01-01, which is no arrival date" in told
    assert "Waits: call_logs/ahead.jsonl: until 2400-01-01" in told
    # One content, of which only a plain file can be made.
    for kind in ("jsonl.gz", "parquet"):
        assert f"{FOLDER}/nothing.{kind}: is empty, which no such file is" in told


def test_a_file_that_expands_a_thousandfold_is_read(place: Path) -> None:
    counts = "select records_accepted from ops.source_files where path like '%packed%'"
    assert query(place, counts) == [(200_000,)]
    calls = "select records, disposition from billing.calls where owner_uin = '100000000722'"
    assert query(place, calls) == [(200_000, "billed")]


def test_hostile_texts_stay_texts(place: Path) -> None:
    for n, text in enumerate(HOSTILE):
        if any(character in text for character in CONTROLS):
            # No identifier has such a character: those lines are among the rejects.
            continue
        for field in ("request_id", "owner_uin", "operate_uin", "region", "error_code"):
            found = query(
                place,
                f"select count(*) from billing.calls where {field} = {quoted(text)}",
            )
            # Who calls is the owner where nobody else is named.
            assert found == [(2 if field == "operate_uin" else 1,)], (n, field)
    rejected = "select json_extract_string(fields, '$.owner_uin') from ops.rejected_records"
    assert {row[0] for row in query(place, rejected)} == {*HOSTILE, "100000000723"}


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def test_nothing_of_them_reaches_a_terminal_as_it_is(place: Path) -> None:
    shown = [callbill("rejects", "--show", *places(place)), callbill("runs", *places(place))]
    for text in HOSTILE:
        if not any(character in text for character in CONTROLS):
            continue
        shown += [
            callbill("bill", f"--owner={text}", "--month=2026-03", *places(place)),
            callbill("explain", f"--request-id={text}", *places(place)),
        ]
    for ended in shown:
        assert ended.returncode == 0 or "there is no bill of" in ended.stderr, ended.stderr
        for character in "\u001b\u0007\r\u202e":
            assert character not in ended.stdout + ended.stderr


def test_nothing_of_them_is_more_than_text_on_a_page(place: Path) -> None:
    for page in (place / "published" / "current" / "site").rglob("*.html"):
        assert "<script>document.title" not in page.read_text()
