"""The catalogue: the seeds that figures depend on (products, components, actions, list prices).

This module reads and checks the seed files, and determines from which settlement date each row
counts. It runs before anything is built, so a mistyped row ends the run instead of changing a bill.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path

from callbill.base.errors import UsageError
from callbill.base.settings import PROJECT

# The columns that figures depend on. The other columns, names and units, are for people.
SEED_COLUMNS = {
    "products": ("product_code",),
    "components": ("component_code", "product_code", "calls_per_price_unit"),
    "component_actions": ("action", "component_code"),
    "list_prices": ("component_code", "effective_from", "known_from", "list_price"),
}
# How many of a seed's first columns are its key.
_KEY_COLUMNS = {"products": 1, "components": 1, "component_actions": 1, "list_prices": 3}
_PRICE_UNITS = {str(10**exponent) for exponent in range(9)}
# A list price fits DECIMAL(18, 8): CNY per price unit.
_PRICE_LIMIT = Decimal(10) ** 10

Seeds = dict[str, list[list[str]]]
# By seed and row: the first settlement date that the row counts for.
CountsFrom = dict[tuple[str, tuple[str, ...]], date]


def figure_seeds(folder: Path | None = None) -> Seeds:
    """The rows of all seeds, reduced to SEED_COLUMNS, sorted, and with values in one form.

    `folder` holds the CSV files, by default those of the project. Raises UsageError if a column is
    missing, a value is not valid, a key occurs twice, or a row refers to an unknown key.
    """
    folder = folder or PROJECT / "seeds"
    seeds: Seeds = {}
    for name, columns in SEED_COLUMNS.items():
        rows = list(_rows(folder / f"{name}.csv", columns))
        keys = [tuple(row[: _KEY_COLUMNS[name]]) for row in rows]
        for key in keys:
            if keys.count(key) > 1:
                raise UsageError(f"seeds/{name}.csv: there are two rows {', '.join(key)}")
        seeds[name] = sorted(rows)
    _check_references(seeds, "components", 1, "products")
    _check_references(seeds, "component_actions", 1, "components")
    _check_references(seeds, "list_prices", 0, "components")
    return seeds


def known_from(seed: str, row: Sequence[str]) -> date:
    """The settlement date in a row's own `known_from`, or `date.min` if its seed has no such
    column."""
    columns = SEED_COLUMNS[seed]
    if "known_from" not in columns:
        return date.min
    return date.fromisoformat(row[columns.index("known_from")])


def counts_from(seeds: Seeds, before: CountsFrom, first_open: date | None) -> CountsFrom:
    """The first settlement date that each row counts for.

    A row keeps its date from `before`, which is the current release's answer. A new row counts from
    its own `known_from`, but never for a sealed date. `first_open` is the first settlement date
    that is not sealed, None if none is sealed.
    """
    counts: CountsFrom = {}
    for seed, rows in seeds.items():
        for row in rows:
            key = (seed, tuple(row))
            counts[key] = before.get(key) or max(known_from(seed, row), first_open or date.min)
    return counts


def as_counted(seeds: Seeds, counts: CountsFrom) -> Seeds:
    """The seeds with each list price's `known_from` replaced by the date that it counts from.

    Prices of one component and `effective_from` can then have the same date. The one with the
    latest own `known_from` stays.
    """
    prices: dict[tuple[str, str, str], list[str]] = {}
    for row in sorted(seeds["list_prices"], key=lambda row: row[2]):
        component, effective_from, _known_from, price = row
        known = str(counts["list_prices", tuple(row)])
        prices[component, effective_from, known] = [component, effective_from, known, price]
    return seeds | {"list_prices": list(prices.values())}


def _rows(path: Path, columns: Iterable[str]) -> Iterable[list[str]]:
    """The values of some columns, row by row. Raises UsageError for the first one not valid."""
    with path.open(encoding="utf-8", newline="") as stream:
        reader = csv.DictReader(stream)
        missing = set(columns) - set(reader.fieldnames or ())
        if missing:
            raise UsageError(f"seeds/{path.name}: column {', '.join(sorted(missing))} is missing")
        for row in reader:
            try:
                yield [_normalized(column, row[column]) for column in columns]
            except (ValueError, InvalidOperation) as error:
                text = ",".join(str(value) for value in row.values())
                raise UsageError(f"seeds/{path.name}: row {text}: {error}") from error


def _normalized(column: str, text: str | None) -> str:
    """A value in its one form: prices have 8 decimals. Raises ValueError if it is not valid."""
    if not text or text != text.strip():
        raise ValueError(f"{column} is empty, or has blanks around it")
    if column in ("effective_from", "known_from"):
        if str(date.fromisoformat(text)) != text:
            raise ValueError(f"{column} {text} is not a date YYYY-MM-DD")
    elif column == "calls_per_price_unit":
        if text not in _PRICE_UNITS:
            raise ValueError(f"{column} {text} is not a power of ten up to 10^8")
    elif column == "list_price":
        price = Decimal(text) if text.replace(".", "", 1).isdecimal() else None
        if price is None or price >= _PRICE_LIMIT or price != round(price, 8):
            raise ValueError(f"{column} {text} is not a price of at most 10 digits and 8 decimals")
        return f"{price:.8f}"
    return text


def _check_references(seeds: Seeds, name: str, column: int, to: str) -> None:
    """Raises UsageError if a value of a column is not the key of a row of seed `to`."""
    known = {row[0] for row in seeds[to]}
    for row in seeds[name]:
        if row[column] not in known:
            raise UsageError(
                f"seeds/{name}.csv: row {','.join(row)}: {row[column]} is not in seeds/{to}.csv"
            )
