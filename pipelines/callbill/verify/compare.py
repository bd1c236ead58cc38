"""A release's tables held against what was computed.

Both are compared as texts: nothing is rounded, and a figure of another type is another figure.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

import duckdb

from callbill.base.errors import UsageError
from callbill.base.findings import TableDifference
from callbill.base.sql import literal
from callbill.release.release import Release
from callbill.verify.accepted import FEEDS, FileCounts
from callbill.verify.bill import BillLine, MonthTotal, Settlement, next_month
from callbill.verify.money import decimal_text

Row = tuple[str | None, ...]


@dataclass(frozen=True)
class Comparison:
    """A table to compare: the columns that a row is known by, and those that must be equal."""

    table: str
    keys: tuple[str, ...]
    values: tuple[str, ...]
    condition: str = "true"


BILL_LINES = Comparison(
    "billing.bill_lines",
    ("settled_on", "owner_uin", "component_code", "usage_date", "line_type", "list_price",
     "discount", "contract_price", "tier_from", "package_id", "waiver_id"),
    ("bill_month", "product_code", "calls", "used_amount", "list_cost", "real_cost",
     "waiver_reason"),
)  # fmt: skip
SETTLEMENTS = Comparison(
    "billing.settlements",
    ("settled_on", "owner_uin", "product_code", "bill_month"),
    ("rated_amount", "deducted_amount", "residual_amount"),
)
ADJUSTMENTS = Comparison(
    "billing.precision_adjustments",
    ("bill_month", "owner_uin"),
    ("rated_amount", "deducted_amount", "adjustment_amount", "is_final"),
)
FILES = Comparison(
    "ops.source_files",
    ("feed", "path", "source_file_id"),
    ("lines_read", "records_accepted", "records_rejected"),
    f"feed in {FEEDS}",
)


class PublishedTables:
    """The tables of a release, from its database and from the Parquet files beside it."""

    def __init__(self, release: Release) -> None:
        self._release = release
        self._con = release.open()

    def close(self) -> None:
        self._con.close()

    def tables(self, comparison: Comparison, condition: str) -> dict[str, list[Row]]:
        """A table's rows, by where they come from: the database, and Parquet if that says
        otherwise."""
        rows_by_source = {comparison.table: self._rows(comparison, comparison.table, condition)}
        schema, _, table = comparison.table.partition(".")
        if schema == "billing":
            parquet = self._release.table(table)
            rows = self._rows(comparison, f"read_parquet({literal(str(parquet))})", condition)
            if sorted(rows, key=str) != sorted(rows_by_source[comparison.table], key=str):
                rows_by_source[f"parquet/{parquet.name}"] = rows
        return rows_by_source

    def _rows(self, comparison: Comparison, relation: str, condition: str) -> list[Row]:
        try:
            known = {name for name, *_ in self._con.execute(f"describe from {relation}").fetchall()}
            # A release does not have columns that came later. They have no value in it.
            columns = ", ".join(
                f"cast({name} as varchar)" if name in known else "null"
                for name in (*comparison.keys, *comparison.values)
            )
            return self._con.execute(
                f"select {columns} from {relation} where {comparison.condition} and {condition}"
            ).fetchall()
        except duckdb.Error as error:
            raise UsageError(
                f"{relation} of release {self._release.folder} cannot be read: "
                f"{str(error).splitlines()[0]}"
            ) from error


def differences(
    table: str, comparison: Comparison, published: Iterable[Row], computed: Iterable[Row]
) -> TableDifference:
    """The keys of which a release does not say what was computed, in their order."""
    published_by_key = _values_by_key(comparison, published)
    computed_by_key = _values_by_key(comparison, computed)
    rows = []
    keys = published_by_key.keys() | computed_by_key.keys()
    for key in sorted(keys, key=lambda texts: tuple(text or "" for text in texts)):
        in_release, anew = published_by_key.get(key, []), computed_by_key.get(key, [])
        if in_release != anew:
            rows.append(
                (
                    *key,
                    _show_values(comparison, in_release, beside=anew),
                    _show_values(comparison, anew, beside=in_release),
                )
            )
    return TableDifference(table, [*comparison.keys, "the release says", "verify says"], rows)


def _values_by_key(comparison: Comparison, rows: Iterable[Row]) -> Mapping[Row, list[Row]]:
    by_key: defaultdict[Row, list[Row]] = defaultdict(list)
    for row in rows:
        by_key[row[: len(comparison.keys)]].append(row[len(comparison.keys) :])
    for values in by_key.values():
        values.sort(key=str)
    return by_key


def _show_values(comparison: Comparison, rows: list[Row], beside: list[Row]) -> str:
    """The values of one side's rows. If each side has one row, only those that differ."""
    if len(rows) == len(beside) == 1:
        columns = [
            name
            for name, value, other in zip(comparison.values, rows[0], beside[0], strict=True)
            if value != other
        ]
    else:
        columns = list(comparison.values)
    texts = [
        " ".join(
            f"{name}={value}"
            for name, value in zip(comparison.values, row, strict=True)
            if name in columns
        )
        for row in rows
    ]
    return "; ".join(texts) or "(none)"


# --- what was computed, as the release writes it -------------------------------------------------


def file_rows(files: Iterable[FileCounts]) -> list[Row]:
    return [
        (
            file.load.feed,
            file.load.path,
            file.load.sha256,
            str(file.lines_read),
            str(file.accepted),
            str(file.lines_read - file.accepted),
        )
        for file in files
    ]


def bill_line_rows(lines: Iterable[BillLine]) -> list[Row]:
    return [
        (
            str(line.settled_on),
            line.owner_uin,
            line.component_code,
            str(line.usage_date),
            line.line_type,
            decimal_text(line.price.list_price, 8),
            None if line.price.discount is None else decimal_text(line.price.discount * 100, 8),
            decimal_text(line.price.contract_price, 8),
            None if line.tier_from is None else str(line.tier_from),
            line.package_id,
            line.waiver_id,
            str(line.bill_month),
            line.product_code,
            str(line.calls),
            decimal_text(line.used_amount, 8),
            decimal_text(line.list_cost, 8),
            decimal_text(line.real_cost, 8),
            line.waiver_reason,
        )
        for line in lines
    ]


def settlement_rows(settled: Iterable[Settlement]) -> list[Row]:
    return [
        (
            str(settlement.settled_on),
            settlement.owner_uin,
            settlement.product_code,
            str(settlement.bill_month),
            decimal_text(settlement.rated, 8),
            decimal_text(settlement.deducted, 2),
            decimal_text(settlement.deducted - settlement.rated, 8),
        )
        for settlement in settled
    ]


def adjustment_rows(totals: Iterable[MonthTotal], sealed_through: date) -> list[Row]:
    return [
        (
            str(total.bill_month),
            total.owner_uin,
            decimal_text(total.rated, 8),
            decimal_text(total.deducted, 2),
            decimal_text(total.deducted - total.rated, 8),
            str(sealed_through >= next_month(total.bill_month)).lower(),
        )
        for total in totals
    ]
