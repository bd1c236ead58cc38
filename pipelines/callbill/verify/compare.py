"""What a release says, held against what was computed: both as texts, so that nothing is rounded
and a figure of another type is another figure."""

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
from callbill.verify.rating import BillLine, Settlement, next_month

Row = tuple[str | None, ...]


@dataclass(frozen=True)
class Kind:
    """A table that is compared: what a row is known by, and what it says."""

    table: str
    keys: tuple[str, ...]
    values: tuple[str, ...]
    condition: str = "true"


BILL_LINES = Kind(
    "billing.bill_lines",
    ("settled_on", "owner_uin", "component_code", "usage_date", "line_type", "list_price",
     "discount", "contract_price"),
    ("bill_month", "product_code", "calls", "used_amount", "list_cost", "real_cost"),
)  # fmt: skip
SETTLEMENTS = Kind(
    "billing.settlements",
    ("settled_on", "owner_uin", "product_code", "bill_month"),
    ("rated_amount", "deducted_amount", "residual_amount"),
)
ADJUSTMENTS = Kind(
    "billing.precision_adjustments",
    ("bill_month", "owner_uin"),
    ("rated_amount", "deducted_amount", "adjustment_amount", "is_final"),
)
FILES = Kind(
    "ops.source_files",
    ("feed", "path", "source_file_id"),
    ("lines_read", "records_accepted", "records_rejected"),
    "feed in ('call_logs', 'contracts')",
)


class PublishedTables:
    """The tables of a release, from its database and from the Parquet files beside it."""

    def __init__(self, release: Release) -> None:
        self._release = release
        self._con = release.open()

    def close(self) -> None:
        self._con.close()

    def tables(self, kind: Kind, condition: str) -> dict[str, list[Row]]:
        """The rows of a kind by where they were found; Parquet only where it says otherwise."""
        found = {kind.table: self._rows(kind, kind.table, condition)}
        schema, _, table = kind.table.partition(".")
        if schema == "billing":
            parquet = self._release.table(table)
            rows = self._rows(kind, f"read_parquet({literal(str(parquet))})", condition)
            if sorted(rows, key=str) != sorted(found[kind.table], key=str):
                found[f"parquet/{parquet.name}"] = rows
        return found

    def _rows(self, kind: Kind, relation: str, condition: str) -> list[Row]:
        columns = ", ".join(f"cast({name} as varchar)" for name in (*kind.keys, *kind.values))
        try:
            return self._con.execute(
                f"select {columns} from {relation} where {kind.condition} and {condition}"
            ).fetchall()
        except duckdb.Error as error:
            raise UsageError(
                f"{relation} of release {self._release.folder} cannot be read: "
                f"{str(error).splitlines()[0]}"
            ) from error


def differences(
    name: str, kind: Kind, published: Iterable[Row], computed: Iterable[Row]
) -> TableDifference:
    """The keys of which a release and the computation do not say the same, in their order."""
    theirs, ours = _by_key(kind, published), _by_key(kind, computed)
    rows = [
        (*key, _text(kind, one, other) or "(none)", _text(kind, other, one) or "(none)")
        for key in sorted(theirs.keys() | ours.keys(), key=lambda k: tuple(t or "" for t in k))
        for one, other in [(theirs.get(key, []), ours.get(key, []))]
        if one != other
    ]
    return TableDifference(name, [*kind.keys, "the release says", "verify says"], rows)


def _by_key(kind: Kind, rows: Iterable[Row]) -> Mapping[Row, list[Row]]:
    by_key: defaultdict[Row, list[Row]] = defaultdict(list)
    for row in rows:
        by_key[row[: len(kind.keys)]].append(row[len(kind.keys) :])
    for some in by_key.values():
        some.sort(key=str)
    return by_key


def _text(kind: Kind, rows: list[Row], others: list[Row]) -> str | None:
    """What rows say that others do not say: only the columns that differ, where there is one of
    each."""
    texts = []
    for row in rows:
        alike = others[0] if len(rows) == len(others) == 1 else (None,) * len(row)
        texts.append(
            " ".join(
                f"{name}={value}"
                for name, value, other in zip(kind.values, row, alike, strict=True)
                if value != other or len(others) != 1 or len(rows) != 1
            )
        )
    return "; ".join(texts) or None


# --- what was computed, as the release writes it -------------------------------------------------


def decimal_text(units: int, places: int) -> str:
    """An amount in 10^-8 as a decimal of some places; it has no more than these."""
    digits = f"{abs(units) // 10 ** (8 - places):0{places + 1}d}"
    return f"{'-' if units < 0 else ''}{digits[:-places]}.{digits[-places:]}"


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
            str(line.bill_month),
            line.product_code,
            str(line.calls),
            decimal_text(line.used_amount, 8),
            decimal_text(line.list_cost, 8),
            decimal_text(line.real_cost, 8),
        )
        for line in lines
    ]


def settlement_rows(settled: Iterable[Settlement]) -> list[Row]:
    return [
        (
            str(one.settled_on),
            one.owner_uin,
            one.product_code,
            str(one.bill_month),
            decimal_text(one.rated, 8),
            decimal_text(one.deducted, 2),
            decimal_text(one.deducted - one.rated, 8),
        )
        for one in settled
    ]


def adjustment_rows(
    sums: Mapping[tuple[date, str], tuple[int, int]], sealed_through: date
) -> list[Row]:
    return [
        (
            str(month),
            owner_uin,
            decimal_text(rated, 8),
            decimal_text(deducted, 2),
            decimal_text(deducted - rated, 8),
            str(sealed_through >= next_month(month)).lower(),
        )
        for (month, owner_uin), (rated, deducted) in sums.items()
    ]
