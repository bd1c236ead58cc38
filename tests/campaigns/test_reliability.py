"""The long campaign against the job: `make reliability` runs it and writes docs/reliability.md.

Each test says what it tried and how often; what is compared are content hashes of every settlement
date and every table, with those of an undisturbed run.
"""

from __future__ import annotations

import gzip
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from tests.support.commands import CALLBILL, run_after, run_job
from tests.support.disturbed import FIRST, MOMENTS, die, land, undisturbed
from tests.support.landing_files import csv_file, gz, json_lines, parquet_file, record, write, zst
from tests.support.places import copy_of, figures, places, query

pytestmark = pytest.mark.long

Said = Callable[[str, object], None]
DAYS = 6
MANY = 100  # small files a day
LAST = FIRST + timedelta(days=DAYS - 1)
GIB = 1 << 30
MEMORY = 2 * GIB


def start(place: Path, *arguments: object, **environment: str) -> subprocess.Popen[bytes]:
    """The command, started as a scheduler starts it."""
    return subprocess.Popen(
        [CALLBILL, "run", *places(place), *map(str, arguments)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=os.environ | environment,
    )


def ended(job: subprocess.Popen[bytes]) -> tuple[int, int]:
    """Its exit code, and how much memory it had at most, in bytes."""
    assert job.stderr is not None
    said = job.stderr.read()
    _, status, usage = os.wait4(job.pid, 0)
    job.returncode = os.waitstatus_to_exitcode(status)
    if job.returncode not in (0, 3, -signal.SIGKILL, -signal.SIGTERM):
        sys.stderr.write(said.decode(errors="replace"))
    return job.returncode, usage.ru_maxrss * 1024


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict:
    return undisturbed(tmp_path_factory.mktemp("undisturbed"), DAYS, MANY)


@pytest.fixture(scope="module")
def half(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first half is sealed."""
    place = tmp_path_factory.mktemp("half")
    land(place, DAYS, MANY)
    assert run_job(place, "--through", FIRST + timedelta(days=DAYS // 2)).returncode == 0
    return place


# --- killed --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("module", "name", "moment"), MOMENTS)
def test_killed_at_one_step(
    module: str,
    name: str,
    moment: str,
    half: Path,
    expected: dict,
    tmp_path: Path,
    record_property: Said,
) -> None:
    place = copy_of(half, tmp_path)
    before = figures(place)["settlement_hashes"]
    killed = run_after(partial(die, module, name, moment), place, "--through", LAST)  # type: ignore[arg-type]
    assert killed.returncode == -signal.SIGKILL
    assert figures(place)["settlement_hashes"].items() >= before.items()
    assert run_job(place, "--through", LAST).returncode == 0
    assert figures(place) == expected
    record_property("tried", "kill -9 at a step's boundary, then a run")
    record_property("times", 1)


def test_killed_at_random_moments(
    half: Path, expected: dict, tmp_path: Path, record_property: Said
) -> None:
    chance = random.Random(6)
    began = time.monotonic()
    assert ended(start(copy_of(half, tmp_path / "timed"), "--through", LAST))[0] == 0
    longest = time.monotonic() - began
    killed = 0
    while killed < 100:
        place = copy_of(half, tmp_path / str(killed))
        job = start(place, "--through", LAST)
        time.sleep(chance.uniform(0, longest))
        os.kill(job.pid, signal.SIGKILL)  # Popen's own would fetch the exit code if it is there
        if ended(job)[0] == -signal.SIGKILL:  # otherwise it was through already
            killed += 1
            assert run_job(place, "--through", LAST).returncode == 0
            assert figures(place) == expected, killed
        shutil.rmtree(place.parent)
    record_property("tried", "kill -9 at a random moment of a run, then a run")
    record_property("times", killed)


def test_told_to_stop_at_random_moments(
    half: Path, expected: dict, tmp_path: Path, record_property: Said
) -> None:
    chance = random.Random(8)
    began = time.monotonic()
    assert ended(start(copy_of(half, tmp_path / "timed"), "--through", LAST))[0] == 0
    longest = time.monotonic() - began
    stopped, took = 0, 0.0
    while stopped < 100:
        place = copy_of(half, tmp_path / str(stopped))
        before = (place / "published" / "current").readlink()
        job = start(place, "--through", LAST)
        time.sleep(chance.uniform(0, longest))
        os.kill(job.pid, signal.SIGTERM)
        began = time.monotonic()
        # Python itself ends on it while it starts.
        code, _ = ended(job)
        took = max(took, time.monotonic() - began)
        published = (place / "published" / "current").readlink() != before
        assert code in ((0,) if published else (4, -signal.SIGTERM)), stopped
        stopped += not published
        if stopped % 5 == 0:
            assert run_job(place, "--through", LAST).returncode == 0
            assert figures(place) == expected, stopped
        shutil.rmtree(place.parent)
    assert took < 15
    record_property("tried", "SIGTERM at a random moment of a run; after every fifth a run")
    record_property("times", stopped)
    record_property("seen", f"it ended within {took:.1f} s, and nothing was published")


# --- no room -------------------------------------------------------------------------------------

IN_A_SMALL_PLACE = """
set -e
mount -t tmpfs -o size=$1 tmpfs "$2"
cp -a "$3"/. "$2"
code=0
"$4" run --landing "$2/landing" --warehouse "$2/warehouse.duckdb" --published "$2/published" \
    --through "$5" > "$6" 2>&1 || code=$?
echo "exit code $code" >> "$6"
readlink "$2/published/current" >> "$6"
mount -o remount,size=1g "$2"
"$4" run --landing "$2/landing" --warehouse "$2/warehouse.duckdb" --published "$2/published" \
    --through "$5" >> "$6" 2>&1
mkdir -p "$7"
cp -a "$2"/. "$7"
umount "$2"
"""


@pytest.mark.parametrize("spare", [64, 256, 512, 1024, 2048, 3072, 4096, 6144])
def test_a_full_disk(
    spare: int, half: Path, expected: dict, tmp_path: Path, record_property: Said
) -> None:
    """A disk that has only so many KiB left when the run begins."""
    used = sum(f.lstat().st_size + 4096 for f in half.rglob("*")) // 1024
    small, said, copied = tmp_path / "small", tmp_path / "said", tmp_path / "copied"
    small.mkdir()
    release = (half / "published" / "current").readlink()
    subprocess.run(
        ["unshare", "--map-root-user", "--mount", "sh", "-c", IN_A_SMALL_PLACE, "sh",
         f"{used + spare}k", small, half, CALLBILL, str(LAST), said, copied],
        check=True,
    )  # fmt: skip
    text = said.read_text()
    assert "unexpected" not in text
    if "exit code 0" in text:
        # The bills found room; what is written for monitoring, or nothing, did not.
        assert f"\n{release}\n" not in text
    else:
        assert "exit code 4" in text, text
        assert "No space left" in text or "could not" in text, text
        assert f"\n{release}\n" in text
    assert figures(copied) == expected
    record_property("tried", "a disk that fills up during a run, then a run with room")
    record_property("times", 1)


# --- many at once --------------------------------------------------------------------------------


def test_two_runs_at_once(
    half: Path, expected: dict, tmp_path: Path, record_property: Said
) -> None:
    chance = random.Random(7)
    for n in range(20):
        place = copy_of(half, tmp_path / str(n))
        first = start(place, "--through", LAST)
        time.sleep(chance.uniform(0, 3))
        second = start(place, "--through", LAST)
        codes = sorted(ended(job)[0] for job in (first, second))
        assert codes == [0, 3], n
        assert figures(place) == expected
        shutil.rmtree(place.parent)
    record_property("tried", "two runs at once: one works, one exits with 3")
    record_property("times", 20)


READER = """
import sys, duckdb
con = duckdb.connect(sys.argv[1], read_only=True)
ask = "select count(*), sum(calls_billed) from billing.calls"
first = con.execute(ask).fetchall()
print("open", flush=True)
for line in sys.stdin:
    assert con.execute(ask).fetchall() == first
    assert con.execute("select sum(real_cost) from billing.bill_lines").fetchall()
print("same")
"""


def test_readers_through_twenty_releases(tmp_path: Path, record_property: Said) -> None:
    """Sessions that stay open for twenty releases, one opened anew for each, and one at work."""
    nights, kept = 24, 21
    land(tmp_path, nights + 1)
    readers: list[subprocess.Popen[str]] = []
    for night in range(nights + 1):
        job = start(
            *(tmp_path, "--through", FIRST + timedelta(days=night)),
            CALLBILL_KEEP_RELEASES=str(kept),
        )
        while readers and job.poll() is None:
            database = tmp_path / "published" / "current" / "callbill.duckdb"
            assert read(database.resolve())
            time.sleep(0.2)
        assert ended(job)[0] == 0 if job.returncode is None else job.returncode == 0
        releases = sorted(path.name for path in (tmp_path / "published" / "releases").iterdir())
        assert len(releases) == min(night + 1, kept)
        assert (tmp_path / "published" / "current").readlink().name == releases[-1]
        database = tmp_path / "published" / "current" / "callbill.duckdb"
        readers.append(
            subprocess.Popen(
                [sys.executable, "-c", READER, database],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        )
        assert readers[-1].stdout is not None
        assert readers[-1].stdout.readline() == "open\n"
        if night >= kept - 1:
            # Its release is the oldest that is kept.
            out, _ = readers[night - kept + 1].communicate("again\n", timeout=60)
            assert out == "same\n"
    record_property("tried", "sessions that each stayed open while 20 more releases were published")
    record_property("times", nights - kept + 2)
    for reader in readers:
        reader.kill()
        reader.wait()


def read(database: Path) -> bool:
    import duckdb

    with duckdb.connect(str(database), read_only=True) as con:
        return bool(con.execute("select count(*) from billing.calls").fetchall())


# --- files as they come --------------------------------------------------------------------------

OWNER = "100000000731"
FOLDER = f"call_logs/arrived_on={FIRST}"


def call(name: str) -> dict:
    return record(name, owner_uin=OWNER, called_at="2026-03-01T10:00:00+08:00")


def billed(place: Path) -> int:
    [(calls,)] = query(place, "select sum(calls) from billing.bill_lines")
    return int(calls)


def test_ten_thousand_small_files(tmp_path: Path, record_property: Said) -> None:
    count = 10_000
    for n in range(count):
        lines = json_lines(call(f"f-{n}"), *(["not JSON"] if n % 3 == 0 else []))
        write(tmp_path / "landing" / FOLDER / f"{n % 100}" / f"{n}.jsonl", lines)
    code, memory = ended(start(tmp_path, "--through", FIRST))
    assert code == 0
    assert billed(tmp_path) == count
    assert query(tmp_path, "select count(*) from ops.rejected_records") == [(3334,)]
    assert memory < MEMORY
    record_property("tried", "small files in one night, a third of them with a bad line")
    record_property("times", count)
    record_property("seen", f"{memory / GIB:.2f} GiB of memory")


def test_files_that_expand(tmp_path: Path, record_property: Said) -> None:
    """A gigabyte of one record, of blanks, and of one line that never ends."""
    folder = tmp_path / "landing" / FOLDER
    one = json_lines(call("one"))
    piece = {
        "records": one * (GIB // 64 // len(one)),
        "blanks": b"\n" * (GIB // 64),
        "line": b"x" * (GIB // 64),
    }
    for name, content in piece.items():
        folder.mkdir(parents=True, exist_ok=True)
        with gzip.open(folder / f"{name}.jsonl.gz", "wb", compresslevel=6) as stream:
            for _ in range(64):
                stream.write(content)
    code, memory = ended(start(tmp_path, "--through", FIRST))
    assert code == 0
    assert billed(tmp_path) == 1
    rejects = "select reason, line_number from ops.rejected_records"
    assert query(tmp_path, rejects) == [("line_too_long", 1)]
    assert memory < MEMORY
    record_property("tried", "compressed files that expand to a gigabyte each")
    record_property("times", len(piece))
    record_property("seen", f"{memory / GIB:.2f} GiB of memory")


def test_long_lines(tmp_path: Path, record_property: Said) -> None:
    folder = tmp_path / "landing" / FOLDER
    long = 64 * 1024 * 1024
    write(folder / "a.jsonl", json_lines(call("a") | {"memo": "x" * long}, call("b"), "bad"))
    write(folder / "c.csv", csv_file([call("c") | {"memo": "x" * long}, call("d")]))
    code, memory = ended(start(tmp_path, "--through", FIRST))
    assert code == 0
    assert billed(tmp_path) == 4
    assert memory < MEMORY
    record_property("tried", "lines of 64 MiB beside others")
    record_property("times", 2)
    record_property("seen", f"{memory / GIB:.2f} GiB of memory")


def test_more_data_than_memory(tmp_path: Path, record_property: Said) -> None:
    """Calls whose ids alone are many times the memory that the engine may use."""
    folder = tmp_path / "landing" / FOLDER
    folder.mkdir(parents=True)
    calls, files = 4_000_000, 8
    text = json_lines(call("ID")).decode()
    head, tail = text.split("ID")
    for n in range(files):
        with (folder / f"{n}.jsonl").open("w") as stream:
            for m in range(calls // files):
                # Every fourth call comes twice.
                stream.write(f"{head}{n:08d}-{m:024d}{tail}" * (1 + (m % 4 == 0)))
    size = sum(path.stat().st_size for path in folder.iterdir())
    limit = 300
    environment = {"CALLBILL_MEMORY_LIMIT": f"{limit}MB"}
    code, memory = ended(start(tmp_path, "--through", FIRST, **environment))
    assert code == 0
    assert billed(tmp_path) == calls
    assert memory < MEMORY
    record_property("tried", f"{size / GIB:.1f} GiB of calls where the engine may use {limit} MB")
    record_property("times", 1)
    record_property("seen", f"{memory / GIB:.2f} GiB of memory, all counted")


def mutated(content: bytes, chance: random.Random) -> bytes:
    """A file with something wrong in it: bytes changed, cut out, put in or doubled."""
    changed = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 5, 20))):
        at = chance.randrange(len(changed) + 1)
        how = chance.randrange(6)
        if how == 0 and changed:
            changed[min(at, len(changed) - 1)] = chance.randrange(256)
        elif how == 1:
            del changed[at : at + chance.randrange(1, 40)]
        elif how == 2:
            changed[at:at] = chance.randbytes(chance.randrange(1, 40))
        elif how == 3:
            changed[at:at] = changed[at : at + chance.randrange(1, 200)]
        elif how == 4:
            del changed[at:]
        else:
            changed[at:at] = chance.choice((b"\0", b'"', b"\n", b"\r", b"{", b",", b"\xff\xfe"))
    return bytes(changed)


@pytest.mark.parametrize("seed", range(10))
def test_files_with_something_wrong(seed: int, tmp_path: Path, record_property: Said) -> None:
    chance = random.Random(seed)
    landing = tmp_path / "landing"
    rows = [call(f"{n}") | {"region": 'a "b", c', "latency_ms": n} for n in range(4)]
    terms = {"owner_uin": OWNER, "component_code": "wimgs_search_by_text", "discount": "0.5"}
    event = {"event_id": "e", "owner_uin": OWNER, "occurred_at": "2026-03-01T00:00:00+08:00"}
    feeds: list[tuple[str, list[dict[str, object]]]] = [
        ("call_logs", rows),
        ("contracts", [{**terms, "effective_from": "2026-03-01"}] * 2),
        ("account_events", [{**event, "event_type": "recharge", "amount": "1.00"}] * 2),
    ]
    count = 0
    for feed, records in feeds:
        plain, table = json_lines(*records), csv_file(records)
        kinds = {
            "jsonl": plain,
            "csv": table,
            "jsonl.gz": gz(plain),
            "csv.zst": zst(table),
            "parquet": parquet_file(records),
        }
        for ending, content in kinds.items():
            for n in range(140 if feed == "call_logs" else 35):
                # All that is wrong with a file must not be what its packing finds first.
                broken = mutated(content, chance)
                path = landing / feed / f"arrived_on={FIRST}" / f"{n}.{ending}"
                if n % 2 and ending == "jsonl.gz":
                    broken = gz(mutated(plain, chance))
                elif n % 2 and ending == "csv.zst":
                    broken = zst(mutated(table, chance))
                write(path, broken)
                count += 1
    # A good file beside them: whatever the others are, this one is read.
    good = "good-" + "x" * 20
    write(landing / FOLDER / "good.jsonl", json_lines(call(good)))
    code, memory = ended(start(tmp_path, "--through", FIRST))
    assert code == 0
    assert query(
        tmp_path, f"select disposition from billing.calls where request_id = '{good}'"
    ) == [("billed",)]
    [(files, lines)] = query(
        tmp_path,
        "select count(*), sum(lines_read - records_accepted - records_rejected)"
        " from ops.source_files",
    )
    assert 0.9 * count < files <= count + 1  # the same content twice is one file
    assert lines == 0
    assert memory < MEMORY
    record_property("tried", "files with bytes changed, cut, doubled or put in, of every format")
    record_property("times", count)
