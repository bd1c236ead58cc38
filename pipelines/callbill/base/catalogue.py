"""The seeds that figures depend on: products, components, actions and list prices.

They are checked before anything is built, so that a mistyped row is one sentence and not a bill.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path

from callbill.base.errors import UsageError
from callbill.base.settings import PROJECT

# The columns that figures depend on; names and units are for people.
SEED_COLUMNS = {
    "products": ("product_code",),
    "components": ("component_code", "product_code", "calls_per_price_unit"),
    "component_actions": ("action", "component_code"),
    "list_prices": ("component_code", "effective_from", "known_from", "list_price"),
}
_KEYS = {"products": 1, "components": 1, "component_actions": 1, "list_prices": 3}
_PRICE_UNITS = {str(10**exponent) for exponent in range(9)}
_LIMIT = Decimal(10) ** 10

Seeds = dict[str, list[list[str]]]
# Of a seed and one of its rows: the first settlement date that the row counts for.
CountsFrom = dict[tuple[str, tuple[str, ...]], date]


def figure_seeds(folder: Path | None = None) -> Seeds:
    """The rows of the seeds as far as figures depend on them, in a fixed order and form.

    Raises UsageError for a row that has no meaning, or that contradicts another.
    """
    folder = folder or PROJECT / "seeds"
    seeds: Seeds = {}
    for name, columns in SEED_COLUMNS.items():
        rows = list(_rows(folder / f"{name}.csv", columns))
        keys = [tuple(row[: _KEYS[name]]) for row in rows]
        for key in keys:
            if keys.count(key) > 1:
                raise UsageError(f"seeds/{name}.csv: there are two rows {', '.join(key)}")
        seeds[name] = sorted(rows)
    _check_references(seeds, "components", 1, "products")
    _check_references(seeds, "component_actions", 1, "components")
    _check_references(seeds, "list_prices", 0, "components")
    return seeds


def known_from(seed: str, row: Sequence[str]) -> date:
    """The settlement date that a row itself says it is known from; the first of all where it does
    not say."""
    columns = SEED_COLUMNS[seed]
    if "known_from" not in columns:
        return date.min
    return date.fromisoformat(row[columns.index("known_from")])


def counts_from(seeds: Seeds, before: CountsFrom, first_open: date | None) -> CountsFrom:
    """From which settlement date on each row counts.

    A row that a release names keeps its date. One that is seen for the first time counts from the
    date that it is known from, but from no date that is sealed: `first_open` is the first that is
    not, None if none is.
    """
    counts: CountsFrom = {}
    for seed, rows in seeds.items():
        for row in rows:
            key = (seed, tuple(row))
            counts[key] = before.get(key) or max(known_from(seed, row), first_open or date.min)
    return counts


def as_counted(seeds: Seeds, counts: CountsFrom) -> Seeds:
    """Seeds whose prices are known from the date that they count from. Of prices that begin to
    count together, for one component and date, the one known last counts."""
    prices: dict[tuple[str, str, str], list[str]] = {}
    for row in sorted(seeds["list_prices"], key=lambda row: row[2]):
        component, effective_from, _known_from, price = row
        known = str(counts["list_prices", tuple(row)])
        prices[component, effective_from, known] = [component, effective_from, known, price]
    return seeds | {"list_prices": list(prices.values())}


def _rows(path: Path, columns: Iterable[str]) -> Iterable[list[str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        reader = csv.DictReader(stream)
        missing = set(columns) - set(reader.fieldnames or ())
        if missing:
            raise UsageError(f"seeds/{path.name}: column {', '.join(sorted(missing))} is missing")
        for row in reader:
            try:
                yield [_in_form(column, row[column]) for column in columns]
            except (ValueError, InvalidOperation) as error:
                said = ",".join(str(value) for value in row.values())
                raise UsageError(f"seeds/{path.name}: row {said}: {error}") from error


def _in_form(column: str, text: str | None) -> str:
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
        if price is None or price >= _LIMIT or price != round(price, 8):
            raise ValueError(f"{column} {text} is not a price of at most 10 digits and 8 decimals")
        return f"{price:.8f}"
    return text


def _check_references(seeds: Seeds, name: str, column: int, to: str) -> None:
    known = {row[0] for row in seeds[to]}
    for row in seeds[name]:
        if row[column] not in known:
            raise UsageError(
                f"seeds/{name}.csv: row {','.join(row)}: {row[column]} is not in seeds/{to}.csv"
            )
