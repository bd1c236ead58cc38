"""Which places the settings take: paths that DuckDB reads otherwise than they are meant, and places
in object stores."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest
from callbill.base.errors import CallbillError, UsageError
from callbill.base.places import shown_address
from callbill.base.settings import COLUMNS_OF_FILES, load_settings
from callbill.ingest.feed import raw_tables
from callbill.tasks.workers import workers_for
from callbill.warehouse.warehouse import TABLES


def test_every_column_of_a_file_is_known() -> None:
    """A folder `column=value` above the warehouse would be read as that column."""
    with duckdb.connect() as con:
        con.execute(TABLES + raw_tables())
        columns = {
            name
            for table in ("raw.call_logs_layout", "ops.call_states_layout")
            for name, *_ in con.execute(f"describe {table}").fetchall()
        }
    assert columns | {"settlement_floor"} == COLUMNS_OF_FILES


@pytest.mark.parametrize("folder", ["owner_uin=acme", "Region=cn", "settled_on=2020-01-01"])
@pytest.mark.parametrize("name", ["warehouse", "published"])
def test_a_folder_that_duckdb_would_read_as_a_column_is_refused(
    tmp_path: Path, folder: str, name: str
) -> None:
    with pytest.raises(UsageError, match=f"--{name} may not lie under {folder}"):
        load_settings(**{name: tmp_path / folder / "x.duckdb"})


def test_other_folders_with_an_equals_sign_are_taken(tmp_path: Path) -> None:
    place = tmp_path / "env=prod" / "bucket=3"
    settings = load_settings(warehouse=place / "w.duckdb", landing=tmp_path / "region=cn")
    assert settings.warehouse == place / "w.duckdb"


@pytest.mark.parametrize(
    "place",
    [
        "s3://",
        "S3://logs/x",
        "s3://lo gs/x",
        "s3://logs/../x",
        "s3://user:secret@logs/x",
        "gs://b/x",
    ],
)
@pytest.mark.parametrize("name", ["landing", "published"])
def test_what_is_no_place_in_a_store_is_refused_and_not_repeated(name: str, place: str) -> None:
    with pytest.raises(UsageError, match=f"--{name} is no place in a store") as refusal:
        load_settings(**{name: place})
    assert "secret" not in str(refusal.value)


def test_places_in_stores(tmp_path: Path) -> None:
    settings = load_settings(
        landing="s3://logs/a b/x=1", published="s3://bills", warehouse=tmp_path / "w.duckdb"
    )
    assert settings.landing == Path("s3:/logs/a b/x=1")
    assert settings.published_store == Path("s3:/bills")
    assert settings.published == tmp_path / "w.duckdb.published"
    with pytest.raises(UsageError, match="--warehouse has to be a file of this machine"):
        load_settings(warehouse="s3://logs/w.duckdb")


def test_an_empty_variable_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLBILL_BUCKETS", "")
    monkeypatch.setenv("CALLBILL_WORKERS", "")
    assert load_settings().buckets is None


@pytest.mark.parametrize(
    ("address", "as_told"),
    [
        ("", ""),
        ("4", "4"),
        ("spark://one:7077", "spark://one:7077"),
        ("sc://one:15002/;use_ssl=true;token=secret", "sc://one:15002"),
        ("sc://me:secret@one:15002", "sc://one:15002"),
    ],
)
def test_an_address_of_workers_is_told_without_its_token(address: str, as_told: str) -> None:
    assert shown_address(address) == as_told


@pytest.mark.parametrize("address", ["sc://127.0.0.1:1/;token=secret", "scc://x:1/;token=secret"])
def test_no_workers_are_told_without_the_token(address: str) -> None:
    with (
        pytest.raises((CallbillError, UsageError)) as refusal,
        workers_for(load_settings(workers=address)),
    ):
        pass
    assert "secret" not in str(refusal.value)
