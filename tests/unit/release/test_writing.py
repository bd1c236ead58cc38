"""What a release's files of months are named by."""

from __future__ import annotations

from pathlib import Path

import duckdb
from callbill.release.writing import _basis

_VIEW = "select sql from duckdb_views() where view_name = 'doubled'"


def basis_of_view(con: duckdb.DuckDBPyConnection) -> str:
    [(text,)] = con.execute(_VIEW).fetchall()
    return _basis(con, text, ["prices"])


def test_a_view_is_the_same_after_the_warehouse_was_closed(tmp_path: Path) -> None:
    with duckdb.connect(str(tmp_path / "a.duckdb")) as con:
        con.execute("create schema seeds; create table seeds.prices as select 60 as price")
        con.execute(
            "create view doubled as select cast(2 * price as decimal(18, 2)) as price,"
            ' cast(null as date) as until, \'a, "b"\' as "a name" from seeds.prices'
        )
        made = basis_of_view(con)
    with duckdb.connect(str(tmp_path / "a.duckdb")) as con:
        assert basis_of_view(con) == made
        con.execute("update seeds.prices set price = 61")
        assert basis_of_view(con) != made
        con.execute("update seeds.prices set price = 60")
        con.execute("create or replace view doubled as select 3 * price as price from seeds.prices")
        assert basis_of_view(con) != made
