"""Compares the warehouse's figures with those of a release, row by row."""

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
    """The rows of some settlement dates that only the warehouse or only the release has.

    Their first column, `says`, is "now" for a row of the warehouse and "sealed" for one of the
    release. At most `limit` rows of each table are returned.
    """
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
