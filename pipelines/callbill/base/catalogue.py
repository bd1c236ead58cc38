"""The catalogue: the seeds that figures depend on (products, components, actions, list prices).

This module reads and checks the seed files, and determines from which settlement date each row
counts. It runs before anything is built, so a mistyped row ends the run instead of changing a bill.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path

from callbill.base.errors import UsageError
from callbill.base.settings import PROJECT

# The columns that figures depend on. The other columns, names and units, are for people.
SEED_COLUMNS = {
    "products": ("product_code",),
    "components": ("component_code", "product_code", "calls_per_price_unit"),
    "component_actions": ("action", "component_code", "effective_from", "known_from"),
    "list_prices": ("component_code", "effective_from", "known_from", "list_price"),
}
# The columns that no two rows of a seed have in common.
_KEY_COLUMNS = {
    "products": ("product_code",),
    "components": ("component_code",),
    "component_actions": ("action", "effective_from", "known_from"),
    "list_prices": ("component_code", "effective_from", "known_from"),
}
# Claims had no dates before 0.7: they count from the beginning. A claim without dates, or with the
# first of all dates in both, is still a row of the first two columns, as releases name it.
_FROM_THE_BEGINNING = ["0001-01-01", "0001-01-01"]
# By seed, the columns that may be empty or missing, and what they then say.
_USUAL_VALUES = {
    "component_actions": dict(
        zip(("effective_from", "known_from"), _FROM_THE_BEGINNING, strict=True)
    )
}
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
        keys = Counter(tuple(row[columns.index(key)] for key in _KEY_COLUMNS[name]) for row in rows)
        for key, count in keys.items():
            if count > 1:
                raise UsageError(f"seeds/{name}.csv: there are two rows {', '.join(key)}")
        seeds[name] = sorted(_without_first_dates(row) for row in rows)
    _check_references(seeds, "components", 1, "products")
    _check_references(seeds, "component_actions", 1, "components")
    _check_references(seeds, "list_prices", 0, "components")
    return seeds


@dataclass(frozen=True)
class Claim:
    """A component's claim of an action, for usage from `effective_from` on, as known on settlement
    dates from `known_from` on."""

    action: str
    component_code: str
    effective_from: date
    known_from: date


def claims_as_counted(seeds: Seeds, counts: CountsFrom) -> list[Claim]:
    """The claims of actions, known from the date that each counts from.

    Of two for one action and `effective_from` that begin to count together, the one with the latest
    own `known_from` stays.
    """
    claims: dict[tuple[str, date, date], Claim] = {}
    rows = seeds["component_actions"]
    for row in sorted(rows, key=lambda row: known_from("component_actions", row)):
        action, component, effective_from, _known_from = [*row, *_FROM_THE_BEGINNING][:4]
        counts_from = counts["component_actions", tuple(row)]
        claim = Claim(action, component, date.fromisoformat(effective_from), counts_from)
        claims[action, claim.effective_from, counts_from] = claim
    return list(claims.values())


def known_from(seed: str, row: Sequence[str]) -> date:
    """The settlement date in a row's own `known_from`, or `date.min` if it has none."""
    return date.fromisoformat(
        dict(zip(SEED_COLUMNS[seed], row, strict=False)).get("known_from", "0001-01-01")
    )


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


def _without_first_dates(row: list[str]) -> list[str]:
    """A row of the form that releases before its seed had dates name it by."""
    return row[:2] if row[2:] == _FROM_THE_BEGINNING else row


def _rows(path: Path, columns: Iterable[str]) -> Iterable[list[str]]:
    """The values of some columns, row by row. Raises UsageError for the first one not valid."""
    with path.open(encoding="utf-8", newline="") as stream:
        reader = csv.DictReader(stream)
        usual = _USUAL_VALUES.get(path.stem, {})
        missing = set(columns) - set(reader.fieldnames or ()) - usual.keys()
        if missing:
            raise UsageError(f"seeds/{path.name}: column {', '.join(sorted(missing))} is missing")
        for row in reader:
            try:
                values = {column: row.get(column) or usual.get(column) for column in columns}
                yield [_normalized(column, text) for column, text in values.items()]
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
