"""How the warehouse's figures differ from those of a release, row by row."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from callbill.base.findings import TableDifference
from callbill.base.sql import identifier
from callbill.release.hashes import figure_columns
from callbill.release.marts import dated_marts
from callbill.release.release import Release
from callbill.warehouse.warehouse import Warehouse


def differences_from_release(
    warehouse: Warehouse, release: Release, dates: Sequence[date], *, limit: int = 20
) -> list[TableDifference]:
    """The rows of some settlement dates that are not the same in the warehouse and in a release,
    at most `limit` of each table. Their first column, `says`, tells which of the two has them."""
    differences = []
    release.attach(warehouse.con, "sealed")
    try:
        for table in dated_marts():
            columns = figure_columns(warehouse.con, table)
            names = ", ".join(map(identifier, columns))
            sealed, now = (
                f"(select {names} from {schema}.{table} where list_contains($dates, settled_on))"
                for schema in ("sealed.billing", "billing")
            )
            rows = warehouse.rows(
                f"""
                select 'sealed' as says, * from ({sealed} except all {now})
                union all
                select 'now' as says, * from ({now} except all {sealed})
                order by all limit {limit}
                """,
                {"dates": list(dates)},
            )
            if rows:
                differences.append(TableDifference(table, ["says", *columns], rows))
    finally:
        warehouse.execute("detach sealed")
    return differences
