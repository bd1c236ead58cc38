"""A release's database begins as a copy of the one before. What it says is what a release written
anew would say."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path

import duckdb
import pytest
from callbill.release.contents import changed_folders
from callbill.release.marts import hashed_marts
from callbill.release.release import Release

from tests.support.commands import callbill, run_job, settle, succeed
from tests.support.landing_files import json_lines, record, write
from tests.support.places import copy_of, places, query
from tests.support.project import PROJECT
from tests.support.shared import make_once

MARTS = [mart.name for mart in hashed_marts() if mart.name != "calls"]
OWNERS = [f"10000000000{n}" for n in range(5)]
LAST, NIGHT, QUIET = date(2026, 5, 3), date(2026, 5, 4), date(2026, 5, 5)


def calls(place: Path, day: str, arrived_on: date, *, owners: list[str] = OWNERS) -> None:
    write(
        place / f"landing/call_logs/arrived_on={arrived_on}/{day}.jsonl",
        json_lines(
            *(
                record(f"{day} {owner} {n}", owner_uin=owner, called_at=f"{day}T1{n}:00:00+08:00")
                for owner in owners
                for n in range(3)
            )
        ),
    )


@pytest.fixture(scope="module")
def published() -> Path:
    """A release with calls in three months, and a night's calls that wait: of the day before, and
    some of a month that was billed."""

    def make(place: Path) -> None:
        for day, arrived_on in (
            ("2026-03-10", date(2026, 3, 11)),
            ("2026-03-11", date(2026, 3, 12)),
            ("2026-04-20", date(2026, 4, 21)),
            ("2026-05-02", LAST),
        ):
            calls(place, day, arrived_on)
        settle(place, LAST)
        calls(place, "2026-05-03", NIGHT)
        calls(place, "2026-04-21", NIGHT, owners=OWNERS[:1])

    return make_once("published before a night", make)


@pytest.fixture(scope="module")
def settled(published: Path) -> Path:
    """The same place after that night."""

    def make(place: Path) -> None:
        settle(copy_of(published, place), NIGHT)

    return make_once("published after a night", make) / "copy"


def current(place: Path) -> Path:
    return (place / "published" / "current").resolve()


@pytest.fixture(scope="module")
def settled_says(settled: Path) -> dict[str, list[object]]:
    """What its release says."""
    return said(current(settled))


def rows_of(con: duckdb.DuckDBPyConnection, source: str) -> list[object]:
    return [
        con.execute(f"describe from {source}").fetchall(),
        con.execute(f"from {source} order by all").fetchall(),
    ]


def said(release: Path) -> dict[str, list[object]]:
    """What a release says, in its database and in Parquet."""
    with duckdb.connect(str(release / "callbill.duckdb"), read_only=True) as con:
        # The place may have moved.
        others = """
            select schema_name || '.' || table_name, comment from duckdb_tables()
            where not internal union all
            select schema_name || '.' || view_name, comment from duckdb_views()
            where not internal union all
            select 'macro ' || function_name, macro_definition from duckdb_functions()
            where not internal union all
            select schema_name || '.' || table_name || '.' || column_name, comment
            from duckdb_columns() where not internal union all
            select schema_name, 'schema' from duckdb_schemas() where not internal union all
            select index_name, 'index' from duckdb_indexes() union all
            select sequence_name, 'sequence' from duckdb_sequences() order by all
        """
        return {
            "catalog": con.execute(others).fetchall(),
            **{mart: rows_of(con, f"billing.{mart}") for mart in MARTS},
            **{
                f"{mart} in Parquet": rows_of(con, f"'{release}/parquet/{mart}.parquet'")
                for mart in MARTS
            },
        }


def written_anew(place: Path, tmp_path: Path, through: date) -> Path:
    """The release that a night publishes after one that has neither database nor Parquet."""
    other = copy_of(place, tmp_path / "anew")
    before = current(other)
    (before / "callbill.duckdb").unlink()
    for path in (before / "parquet").glob("*.parquet"):
        path.unlink()
    settle(other, through)
    return current(other)


def check_against(anew: Path, release: Path) -> None:
    assert said(release) == said(anew)
    hashes = [
        json.loads((at / "manifest.json").read_text("utf-8"))["table_hashes"]
        for at in (release, anew)
    ]
    assert hashes[0] == hashes[1]


def test_a_night_says_what_one_written_anew_says(
    published: Path, settled: Path, tmp_path: Path
) -> None:
    check_against(written_anew(published, tmp_path, NIGHT), current(settled))


def test_the_rows_of_other_days_stay_where_they_are(published: Path, settled: Path) -> None:
    """They are not written again: they come first in the database, in their order."""
    rows = "select line_id from billing.bill_lines where settled_on <= date '2026-05-03'"
    before = query(published, rows)
    assert query(settled, "select line_id from billing.bill_lines")[: len(before)] == before


def test_a_release_stands_by_itself(published: Path, settled: Path, tmp_path: Path) -> None:
    """Also an old one, whatever becomes of the one that it went on with; and a reader keeps it."""
    place = copy_of(settled, tmp_path / "place")
    first = place / "published" / "releases" / current(published).name
    second = current(place)
    with duckdb.connect(str(second / "callbill.duckdb"), read_only=True) as reader:
        settle(place, QUIET)
        before = said(second)
        shutil.rmtree(first)
        assert said(second) == before
        shutil.copyfile(second / "callbill.duckdb", tmp_path / "copied away.duckdb")
        shutil.rmtree(second)
        assert rows_of(reader, "billing.bill_lines") == before["bill_lines"]
    with duckdb.connect(str(tmp_path / "copied away.duckdb"), read_only=True) as con:
        assert rows_of(con, "billing.cost_allocation") == before["cost_allocation"]
    assert said(current(place)).keys() == before.keys()


def edit_a_figure(release: Path) -> None:
    database = release / "callbill.duckdb"
    database.chmod(0o644)
    with duckdb.connect(str(database)) as con:
        con.execute(
            """
            update billing.bill_lines set calls = calls + 1 where usage_date < '2026-04-01';
            delete from billing.daily_usage where usage_date = '2026-03-10';
            insert into billing.settlements by name select '2020-01-01'::date as settled_on
            """
        )


def damage(release: Path) -> None:
    """A block of the database, and a byte of each Parquet file."""
    for path in (release / "callbill.duckdb", *(release / "parquet").glob("*.parquet")):
        content = bytearray(path.read_bytes())
        content[len(content) // 3] ^= 0xFF
        path.unlink()
        path.write_bytes(content)


def cut(release: Path) -> None:
    for path in (release / "callbill.duckdb", *(release / "parquet").glob("*.parquet")):
        content = path.read_bytes()[:2000]
        path.unlink()
        path.write_bytes(content)


def make_older(release: Path) -> None:
    """As callbill 0.7.0 wrote it, with a mart and a column less, and with one more."""
    database = release / "callbill.duckdb"
    database.chmod(0o644)
    with duckdb.connect(str(database)) as con:
        con.execute("drop table billing.daily_usage; alter table billing.settlements add x int")
        con.execute("drop view billing.focus_cost_and_usage; drop schema seeds cascade")
        con.execute("alter table billing.cost_allocation drop region")
        for mart in MARTS:
            if mart != "daily_usage":
                path = release / "parquet" / f"{mart}.parquet"
                path.unlink()
                con.execute(f"copy billing.{mart} to '{path}' (format parquet)")


def add_to_it(release: Path) -> None:
    """As somebody might who may write there."""
    database = release / "callbill.duckdb"
    database.chmod(0o644)
    with duckdb.connect(str(database)) as con:
        con.execute(
            """
            create schema mine; create table mine.notes as select 1 as x;
            create table main.notes as select 1 as x; create sequence billing.numbers;
            create macro billing.twice(x) as 2 * x;
            create index lines_by_account on billing.bill_lines (owner_uin)
            """
        )


def put_a_view_in_the_place_of_a_mart(release: Path) -> None:
    database = release / "callbill.duckdb"
    database.chmod(0o644)
    with duckdb.connect(str(database)) as con:
        con.execute(
            """
            create table billing.all_lines as from billing.bill_lines;
            drop table billing.bill_lines;
            create view billing.bill_lines as from billing.all_lines
            """
        )


@pytest.mark.parametrize(
    "change",
    [edit_a_figure, damage, cut, make_older, add_to_it, put_a_view_in_the_place_of_a_mart],
)
def test_what_is_wrong_there_does_not_go_on(
    published: Path,
    settled_says: dict[str, list[object]],
    tmp_path: Path,
    change: Callable[[Path], None],
) -> None:
    place = copy_of(published, tmp_path)
    change(current(place))
    settle(place, NIGHT)
    assert said(current(place)) == settled_says


def shared(release: Path) -> dict[str, object]:
    """What lies in the folders of which releases share files: rows of Parquet, scripts."""
    with duckdb.connect() as con:
        parquet = {
            path.parent.relative_to(release).as_posix(): rows_of(con, f"'{path}'")
            for path in release.glob("parquet/*/*/*.parquet")
        }
    data = release / "site" / "data"
    scripts = {
        path.relative_to(data).as_posix(): path.read_text("utf-8")
        for path in data.rglob("*")
        if path.is_file()
    }
    return {**parquet, **scripts}


SHARED = [
    "parquet/calls/settled_on=2026-03-11/*",
    "parquet/focus_cost_and_usage/bill_month=2026-03-01/*",
    "site/data/*/2026-03/list.json",
    "site/data/*/2026-03/[0-9]*.js",
]


def lose(release: Path, lost: str, kept: int | None) -> dict[Path, bytes]:
    """Delete files, or leave so many bytes of each. The result is what they were."""
    before = {path: path.read_bytes() for path in release.glob(lost)}
    for path, content in before.items():
        path.unlink()  # releases share it
        if kept is not None:
            path.write_bytes(content[:kept])
    return before


@pytest.mark.parametrize("kept", [None, 5])
def test_each_file_that_is_shared_is_missed(
    published: Path, tmp_path: Path, kept: int | None
) -> None:
    release = current(copy_of(published, tmp_path))
    for lost in SHARED:
        assert changed_folders(Release(release)) == []
        before = lose(release, lost, kept)
        folders = {path.parent.relative_to(release).as_posix() for path in before}
        assert folders
        assert changed_folders(Release(release)) == sorted(folders), lost
        for path, content in before.items():
            path.unlink(missing_ok=True)
            path.write_bytes(content)


def test_nothing_is_shared_with_a_release_that_is_not_whole(
    published: Path, settled: Path, tmp_path: Path
) -> None:
    """Some files are away, some are cut. The run says so."""
    place = copy_of(published, tmp_path)
    for number, lost in enumerate(SHARED):
        lose(current(place), lost, kept=5 if number % 2 else None)
    ended = run_job(place, "--through", NIGHT)
    assert ended.returncode == 0, ended.stderr
    assert "does not have the files that it was written with" in ended.stdout + ended.stderr
    assert shared(current(place)) == shared(current(settled))


def test_new_names_are_everywhere(published: Path, tmp_path: Path) -> None:
    """A warehouse that is made anew has today's names for all lines."""
    place = copy_of(published, tmp_path / "night")
    with duckdb.connect(str(place / "warehouse.duckdb")) as con:
        con.execute("update billing.bill_lines set component_name = 'renamed'")
    anew = written_anew(place, tmp_path, NIGHT)
    settle(place, NIGHT)
    check_against(anew, current(place))
    old_lines = "from billing.bill_lines where settled_on < '2026-05-01'"
    assert query(place, f"select distinct component_name {old_lines}") == [("renamed",)]


def test_months_have_the_names_of_their_lines(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also those that a night left as they were, after a rebuild gave all lines today's names."""
    place = copy_of(published, tmp_path)
    shutil.copytree(PROJECT / "seeds", tmp_path / "catalogue")
    components = tmp_path / "catalogue" / "components.csv"
    components.write_text(components.read_text("utf-8").replace("文搜图", "renamed"), "utf-8")
    monkeypatch.setenv("CALLBILL_CATALOGUE", str(tmp_path / "catalogue"))
    names = "select BillingPeriodStart, SkuMeter, count(*) from {} group by all order by all"
    for rebuilds, through in ((False, NIGHT), (True, QUIET)):
        if rebuilds:
            succeed(callbill("rebuild", *places(place)))
        settle(place, through)
        files = f"'{current(place)}/parquet/focus_cost_and_usage/*/*.parquet'"
        in_parquet = duckdb.sql(names.format(files)).fetchall()
        assert in_parquet == query(place, names.format("billing.focus_cost_and_usage"))
    assert {name for _month, name, _rows in in_parquet} == {"renamed"}
