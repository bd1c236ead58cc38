"""How the warehouse's figures differ from those of a release, row by row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from callbill.base.sql import identifier, literal
from callbill.release.hashes import DATED_TABLES, figure_columns
from callbill.release.writing import DATABASE


@dataclass(frozen=True)
class Differences:
    """Rows of a table that only one of two has: `says` tells which, `rows` are in its order."""

    table: str
    columns: list[str]
    rows: list[tuple[Any, ...]]


def differences_from_release(
    con: duckdb.DuckDBPyConnection, release: Path, dates: Sequence[date], *, limit: int = 20
) -> list[Differences]:
    """The rows of some settlement dates that are not the same in the warehouse and in a release,
    at most `limit` of each table."""
    found = []
    con.execute(f"attach {literal(str(release / DATABASE))} as sealed (read_only)")
    try:
        for table in DATED_TABLES:
            columns = figure_columns(con, table)
            names = ", ".join(map(identifier, columns))
            sides = [
                f"(select {names} from {of}.{table} where list_contains($dates, settled_on))"
                for of in ("sealed.billing", "billing")
            ]
            rows = con.execute(
                f"""
                select 'sealed' as says, * from ({sides[0]} except all {sides[1]})
                union all
                select 'now' as says, * from ({sides[1]} except all {sides[0]})
                order by all limit {limit}
                """,
                {"dates": list(dates)},
            ).fetchall()
            if rows:
                found.append(Differences(table, ["says", *columns], rows))
    finally:
        con.execute("detach sealed")
    return found
