"""`callbill verify`: equal where the bill is right, and every planted difference is found."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import duckdb
import polars
import pytest
from callbill.base.settings import load_settings
from callbill.verify import calls, texts, verify_job

from tests.support import odd_lines
from tests.support.commands import callbill, run_job
from tests.support.faults import night_before
from tests.support.landing_files import csv_file, gz, json_lines, parquet_file, record, zst
from tests.support.landing_files import write as write_file
from tests.support.places import copy_of, places
from tests.support.shared import make_once
from tests.support.worlds import (
    VARS_OF_TESTS,
    place_under_other_vars,
    worlds_place,
)


def verify(place: Path, *arguments: object) -> CompletedProcess[str]:
    return callbill("verify", *places(place), *arguments)


def assert_equal(ended: CompletedProcess[str]) -> None:
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith("Equal: ")


def release_of(place: Path) -> Path:
    return (place / "published" / "current").resolve()


def rows(place: Path, query: str) -> list[tuple[Any, ...]]:
    """What the current release's database answers."""
    with duckdb.connect(str(release_of(place) / "callbill.duckdb"), read_only=True) as con:
        return con.execute(query).fetchall()


# --- equal -------------------------------------------------------------------------------------


def test_the_sample(sample_place: Path) -> None:
    ended = verify(sample_place)
    assert_equal(ended)
    [said] = rows(
        sample_place,
        """
        select
            (select count(*) from billing.bill_lines), count(*), count(distinct owner_uin),
            sum(rated_amount), sum(deducted_amount)
        from billing.settlements
        """,
    )
    [(records,)] = rows(
        sample_place,
        "select sum(records_accepted) from ops.source_files where feed = 'call_logs'",
    )
    lines, settlements, accounts, rated, deducted = said
    assert ended.stdout.startswith(
        f"Equal: {lines} bill lines in {settlements} settlements of {accounts} accounts,"
        f" rated {rated}, deducted {deducted} CNY.\nComputed anew from {records} records in"
    )


@pytest.fixture(scope="module")
def world_place() -> Path:
    """Generated worlds, settled in several runs."""
    return worlds_place()


def test_generated_worlds(world_place: Path) -> None:
    assert_equal(verify(world_place))
    # Otherwise there was nothing to get wrong.
    counts = dict(
        rows(world_place, "select line_type, count(*) from billing.bill_lines group by all")
    )
    assert set(counts) == {"usage", "late_usage", "correction", "rerating"}
    assert min(counts.values()) > 3, counts


@pytest.mark.parametrize("name", VARS_OF_TESTS)
def test_worlds_under_other_vars(name: str) -> None:
    """Vars and seeds are those of the release, not those of the installed product."""
    assert_equal(verify(place_under_other_vars(name)))


# --- odd files ---------------------------------------------------------------------------------

DAY = "arrived_on=2026-03-03"
MOMENT = datetime(2026, 3, 2, 2, 0, 0, 500, tzinfo=UTC)
TYPED = {"action": "SearchByText", "http_status": 200, "Owner_UIN": 100000000081}
NESTED = {"called_at": "2026-03-02T10:00:00+08:00", "owner_uin": "1", "action": "SearchByText"}
AUDITED = {"eventTime": "2026-03-02 23:59:59", "eventName": "SearchByText", "errorCode": 0}
CONTRACT = {"owner_uin": "1", "component_code": "wimgs_search_by_text"}

ODD_FILES: dict[str, bytes] = {
    f"call_logs/{DAY}/quoted.csv": csv_file(
        [record(f'c"{n}"', note="a, b\nc", region="é") for n in range(3)], end="\r\n"
    ),
    f"call_logs/{DAY}/cut.csv": csv_file([record("cut")]) + b'"open,1,2\n1,2,3,4,5\n',
    f"call_logs/{DAY}/twice.csv": b"request_id,request_id\n1,2\n",
    f"call_logs/{DAY}/none.csv": b"",
    f"call_logs/{DAY}/packed.csv.zst": zst(csv_file([record("z"), record("z", http_status=500)])),
    f"call_logs/{DAY}/packed.jsonl.gz": gz(json_lines(record("g"), "[]", "", record("g2"))),
    f"call_logs/{DAY}/short.jsonl.gz": gz(json_lines(record("s")))[:-9],
    f"call_logs/{DAY}/typed.parquet": parquet_file(
        [
            {**TYPED, "request_id": 1, "called_at": MOMENT, "error_code": ""},
            {**TYPED, "request_id": 2, "called_at": MOMENT, "error_code": "X"},
            {**TYPED, "request_id": 2, "called_at": MOMENT, "error_code": None},
            {**TYPED, "request_id": None, "called_at": MOMENT, "error_code": None},
        ]
    ),
    f"call_logs/{DAY}/naive.parquet": parquet_file(
        [{**TYPED, "request_id": "n", "called_at": MOMENT.replace(tzinfo=None)}]
    ),
    f"call_logs/{DAY}/epochs.parquet": parquet_file(
        [{**TYPED, "request_id": str(n), "called_at": 1772416800.5 + n} for n in range(2)]
        + [{**TYPED, "request_id": "late", "called_at": 1772416800.5 * 1000}]
    ),
    f"call_logs/{DAY}/lists.parquet": parquet_file(
        [
            {**TYPED, "request_id": "l", "called_at": "2026-03-02T10:00:00Z", "region": said}
            for said in (["a"], None)
        ]
    ),
    f"call_logs/{DAY}/mangled.parquet": parquet_file(
        [{**record(str(owner)), "owner_uin": owner} for owner in (100000000081.0, 1e11, 1e16)]
    ),
    f"call_logs/{DAY}/mangled.jsonl": json_lines(
        record("m1", operate_uin="1.0E+11"),
        record("m2", owner_uin="1.0E+11"),
        record("m4", error_code=-0.0),
    )
    + b'{"request_id": -0, "called_at": 1772416800, "owner_uin": -0, "action": "SearchByText",'
    b' "http_status": 200}\n',
    f"call_logs/{DAY}/no.parquet": b"PAR1 and so on",
    f"call_logs/{DAY}/format=envelope/nested.parquet": parquet_file(
        [
            {**NESTED, "Response": {"RequestId": f"e{n}", "Error": error}}
            for n, error in enumerate([None, {"Code": "X"}, {"Code": ""}])
        ]
    ),
    f"call_logs/{DAY}/format=envelope/flat.csv": csv_file(
        [
            {**NESTED, "Response.RequestId": "f1", "Response.Error": ""},
            {**NESTED, "Response.RequestId": "f2", "Response.Error": "{}"},
        ]
    ),
    f"call_logs/{DAY}/format=cloudaudit/events.jsonl": json_lines(
        {**AUDITED, "requestID": "a1", "userIdentity": {"accountId": 1}},
        {**AUDITED, "requestID": "a2", "userIdentity": {"accountId": "1"}, "apiErrorCode": "X"},
        {**AUDITED, "requestID": "a3", "userIdentity": "1"},
        {**AUDITED, "requestID": "a4", "userIdentity": {"accountId": True}},
        {**AUDITED, "requestID": "a5", "userIdentity": {"accountId": 1}, "eventTime": 1772416800},
    ),
    f"contracts/{DAY}/lines.jsonl": json_lines(
        {**CONTRACT, "effective_from": "2026-01-01", "discount": 0.680405},
        {**CONTRACT, "effective_from": "2026-01-02", "discount": 0.1234567890123456},
        {**CONTRACT, "effective_from": "2026-01-03", "contract_price": 1e-9},
        {**CONTRACT, "effective_from": "2026-01-04", "contract_price": True},
        {**CONTRACT, "effective_from": "20260105", "contract_price": 1},
        {**CONTRACT, "effective_from": "2026-01-05", "contract_price": 1234567890.1234567},
        {**CONTRACT, "effective_from": "2026-01-06", "contract_price": "1e3", "owner_uin": 1.5},
        {**CONTRACT, "effective_from": "2026-01-07", "contract_price": "1", "owner_uin": [1]},
        {**CONTRACT, "effective_from": "2026-01-08", "effective_to": "2026-01-07", "discount": 1},
        {**CONTRACT, "effective_from": "2026-01-09", "effective_to": "soon", "discount": "1"},
    ),
    # Of two that became known together with one price, the one that ends earlier.
    f"contracts/{DAY}/tie-1.jsonl": json_lines(
        {**CONTRACT, "owner_uin": "7", "effective_from": "2026-01-01", "discount": 0.5},
        {**CONTRACT, "owner_uin": "8", "effective_from": "2026-01-01", "discount": 0.5},
    ),
    f"contracts/{DAY}/tie-2.jsonl": json_lines(
        {**CONTRACT, "owner_uin": "7", "effective_from": "2026-01-01", "discount": 0.5,
         "effective_to": "2026-03-02"},
        {**CONTRACT, "owner_uin": "8", "effective_from": "2026-01-01", "contract_price": 30},
    ),
    f"call_logs/{DAY}/tied.jsonl": json_lines(
        record("t7", owner_uin="7"), record("t8", owner_uin="8")
    ),
    f"contracts/{DAY}/typed.parquet": parquet_file(
        [
            {**CONTRACT, "owner_uin": 100000000081, "effective_from": datetime(2026, 3, 1),  # noqa: DTZ001
             "effective_to": date(2026, 4, 1), "contract_price": Decimal("54.4"), "discount": None},
        ]
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def odd_place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files in every format, with lines that are rejected for many reasons."""
    place = tmp_path_factory.mktemp("odd")
    files = dict(ODD_FILES)
    for name in odd_lines.GROUPS:
        alone, _ = odd_lines.both_ways(name)
        files |= alone
    for path, content in files.items():
        write_file(place / "landing" / path, content)
    assert run_job(place, "--through", "2026-03-04").returncode == 0
    return place


def test_odd_files(odd_place: Path) -> None:
    assert_equal(verify(odd_place))
    [(reasons, rejected)] = rows(
        odd_place, "select count(distinct reason), count(*) from ops.rejected_records"
    )
    [(accepted,)] = rows(odd_place, "select sum(records_accepted) from ops.source_files")
    [(price,)] = rows(
        odd_place,
        "select max(contract_price) from billing.bill_lines where owner_uin = '100000000081'",
    )
    assert reasons > 15
    assert rejected > 100
    assert accepted > 100
    assert price == Decimal("54.4")


# --- different ---------------------------------------------------------------------------------


def copy_of_release(place: Path, target: Path) -> Path:
    """A place with the same landing folder, a release to be edited, and no warehouse."""
    shutil.copytree(place / "published", target / "published", symlinks=True)
    (target / "landing").symlink_to(place / "landing")
    return target


def edit(place: Path, *statements: str) -> None:
    database = release_of(place) / "callbill.duckdb"
    database.chmod(0o644)
    with duckdb.connect(str(database)) as con:
        for statement in statements:
            con.execute(statement)


def one_line(which: str, bill_month: str) -> str:
    """A condition that one bill line meets: the first or last of a month, whatever their order."""
    return (
        f"line_id = (select {which}(line_id) from billing.bill_lines"
        f" where bill_month = '{bill_month}-01')"
    )


A_LINE, ANOTHER_LINE = one_line("min", "2024-03"), one_line("max", "2024-03")
LINE_OF_ANOTHER_MONTH = one_line("min", "2024-02")


def test_every_edited_figure_is_found(world_place: Path, tmp_path: Path) -> None:
    place = copy_of_release(world_place, tmp_path)
    edit(
        place,
        f"update billing.bill_lines set real_cost = real_cost + 0.00000001 where {A_LINE}",
        f"delete from billing.bill_lines where {ANOTHER_LINE}",
        f"insert into billing.bill_lines from billing.bill_lines where {LINE_OF_ANOTHER_MONTH}",
        "update billing.settlements set deducted_amount = deducted_amount - 0.01 where rowid = 0",
        "update billing.precision_adjustments set is_final = not is_final where rowid = 0",
        "insert into billing.precision_adjustments by name select '1' as owner_uin,"
        " date '2024-03-01' as bill_month, 0 as rated_amount, 0 as deducted_amount,"
        " 0 as adjustment_amount, true as is_final",
        "update ops.source_files set records_accepted = records_accepted + 1"
        " where path = (select min(path) from ops.source_files)",
    )
    ended = verify(place)
    assert ended.returncode == 1, ended.stderr
    said = ended.stderr
    # The Parquet files still say what is right.
    assert said.splitlines()[-1].endswith(
        "does not say what its landing files come to: 1 difference(s) in ops.source_files,"
        " 3 difference(s) in billing.bill_lines, 1 difference(s) in billing.settlements,"
        " 2 difference(s) in billing.precision_adjustments"
    )
    for table in ("source_files", "bill_lines", "settlements", "precision_adjustments"):
        assert f"{table}: differences" in said
    [(owner, wrong)] = rows(
        place, f"select owner_uin, real_cost from billing.bill_lines where {A_LINE}"
    )
    right = wrong - Decimal("0.00000001")
    [line] = [line for line in said.splitlines() if f"real_cost={wrong} " in line]
    assert f" {owner} " in line
    assert line.rstrip().endswith(f"real_cost={right}")
    assert "is_final=" in said
    assert "(none)" in said


def test_a_figure_edited_in_parquet_is_found(binary_fractions: tuple[int, str]) -> None:
    lines, said = binary_fractions
    assert said.splitlines()[-1].endswith(
        f"come to: {lines} difference(s) in billing.bill_lines,"
        " 1 difference(s) in parquet/settlements.parquet"
    )


def test_a_binary_fraction_is_another_figure_and_not_all_are_listed(
    binary_fractions: tuple[int, str],
) -> None:
    lines, said = binary_fractions
    assert f"{lines} difference(s) in billing.bill_lines" in said
    assert said.count("real_cost=") == 2 * 20
    assert f"and {lines - 20} more" in said


@pytest.fixture(scope="module")
def binary_fractions(world_place: Path) -> tuple[int, str]:
    """Costs are binary fractions in the database, and in Parquet one figure was edited: how many
    costs differ, and what is said."""
    folder = make_once("binary-fractions", partial(make_binary_fractions, world_place))
    return int((folder / "lines").read_text()), (folder / "said").read_text()


def make_binary_fractions(world_place: Path, folder: Path) -> None:
    place = copy_of_release(world_place, folder)
    # The others happen to look alike.
    [(lines,)] = rows(
        place,
        "select count(*) from billing.bill_lines"
        " where cast(cast(real_cost as double) as varchar) <> cast(real_cost as varchar)",
    )
    edit(
        place,
        "create or replace table billing.bill_lines as"
        " select * replace (cast(real_cost as double) as real_cost) from billing.bill_lines",
    )
    path = release_of(place) / "parquet" / "settlements.parquet"
    path.chmod(0o644)
    frame = polars.read_parquet(path)
    fen = (polars.col("rated_amount") * 0 + Decimal("0.00000001")).cast(
        frame.schema["rated_amount"]
    )
    is_first = polars.int_range(polars.len()) == 0
    frame.with_columns(
        polars.col("rated_amount") + polars.when(is_first).then(fen).otherwise(fen * 0)
    ).write_parquet(path)
    ended = verify(place)
    assert ended.returncode == 1, ended.stderr
    (folder / "lines").write_text(str(lines))
    (folder / "said").write_text(ended.stderr)


def test_a_month_of_its_own(world_place: Path, tmp_path: Path) -> None:
    place = copy_of(world_place, tmp_path)
    [said] = rows(
        place,
        "select count(*), sum(real_cost) from billing.bill_lines where bill_month = '2024-02-01'",
    )
    edit(place, f"update billing.bill_lines set real_cost = 7 where {A_LINE}")
    ended = verify(place, "--month", "2024-03")
    assert ended.returncode == 1, ended.stderr
    assert ended.stderr.splitlines()[-1].endswith("1 difference(s) in billing.bill_lines")
    # What landed later is not needed, and the figures of another month are not looked at.
    for path in place.glob("landing/*/arrived_on=2024-0[4-9]-*/**/*.*"):
        path.unlink()
    assert verify(place).returncode == 2
    ended = verify(place, "--month", "2024-02")
    assert_equal(ended)
    assert ended.stdout.startswith(f"Equal: {said[0]} bill lines of 2024-02 in")
    assert f"rated {said[1]}," in ended.stdout


def test_a_record_that_is_no_longer_there(world_place: Path, tmp_path: Path) -> None:
    """A file of which the manifest says, wrongly, that it is what was loaded."""
    place = copy_of(world_place, tmp_path)
    [(name, request_id), *_] = rows(
        world_place,
        """
        select f.path, c.request_id from billing.calls as c
        inner join ops.source_files as f using (source_file_id)
        where disposition = 'billed' and f.path like '%.jsonl' and f.format = 'canonical'
            and f.records_rejected = 0
            and request_id in (select request_id from billing.calls group by 1 having count(*) = 1)
            and records = 1
            -- Alone on its line.
            and (c.owner_uin, usage_date) in (
                select (owner_uin, usage_date) from billing.bill_lines
                group by all having sum(abs(calls)) = 1
            )
        order by all
        """,
    )
    path = place / "landing" / name
    before = path.read_bytes()
    after = b"".join(one for one in before.splitlines(True) if request_id.encode() not in one)
    assert len(before.splitlines()) == len(after.splitlines()) + 1
    path.write_bytes(after)
    said = release_of(place) / "manifest.json"
    said.chmod(0o644)
    hashes = [hashlib.sha256(content).hexdigest() for content in (before, after)]
    said.write_text(said.read_text().replace(*hashes))
    ended = verify(place)
    assert ended.returncode == 1, ended.stderr
    assert "2 difference(s) in ops.source_files, 1 difference(s) in billing.bill_lines," in (
        ended.stderr
    )
    assert hashes[1] in ended.stderr


def test_a_file_that_is_not_what_was_loaded(tmp_path: Path) -> None:
    place = copy_of(night_before(), tmp_path)
    name = "call_logs/arrived_on=2026-03-25/calls.jsonl"
    path = place / "landing" / name
    # Under another name it still is the file that was loaded.
    moved = place / "landing" / "call_logs" / "moved.jsonl"
    path.rename(moved)
    path.write_bytes(moved.read_bytes() + b"\n")
    assert_equal(verify(place))
    moved.unlink()
    for how in ("has changed since it was loaded", "is not there"):
        ended = verify(place)
        assert ended.returncode == 2, ended.stderr
        assert f"{name} {how}" in ended.stderr
        assert ended.stdout == ""
        path.unlink(missing_ok=True)


# --- how it works ------------------------------------------------------------------------------


def test_in_small_pieces(
    world_place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = load_settings(
        landing=world_place / "landing",
        warehouse=tmp_path / "none.duckdb",
        published=world_place / "published",
    )
    month = date(2024, 2, 1)
    at_once = verify_job(settings, month=month)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(texts, "ROWS_AT_ONCE", 10)
    monkeypatch.setattr(calls, "_ROWS_A_SPILL", 5)
    monkeypatch.setattr(calls, "_BYTES_A_BUCKET", 4_000)
    seen = set()

    def read_parquet(parts: list[Path], **options: Any) -> polars.DataFrame:
        seen.update(part.name.split("-")[0] for part in parts)
        assert len(parts) > 1
        return read(parts, **options)

    read = polars.read_parquet
    monkeypatch.setattr(polars, "read_parquet", read_parquet)
    assert verify_job(settings, month=month) == at_once
    assert len(seen) > 4
    assert list(tmp_path.iterdir()) == []


def test_there_is_nothing_to_verify_without_a_release(tmp_path: Path) -> None:
    (tmp_path / "landing").mkdir()
    ended = verify(tmp_path)
    assert ended.returncode == 2
    assert "nothing was published" in ended.stderr
