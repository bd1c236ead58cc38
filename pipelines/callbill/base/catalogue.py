"""The catalogue: products, components, the actions they claim, list prices, and their names.

It is a folder of CSV files: `catalogue/` of a place, or the project's `seeds/`, which `callbill
init` copies. This module reads and checks the files, and determines from which settlement date each
row counts. It runs when a command starts, so a mistyped row ends the command instead of changing a
bill.
"""

from __future__ import annotations

import csv
import json
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from itertools import combinations, groupby, product
from pathlib import Path

from callbill.base.attributes import ATTRIBUTE_NAME, attribute_pairs, attributes_text
from callbill.base.errors import UsageError
from callbill.base.place import nearest
from callbill.base.settings import PROJECT
from callbill.base.text import printable

# The columns that figures depend on. The other columns, names and units, are for people.
SEED_COLUMNS = {
    "products": ("product_code",),
    "components": ("component_code", "product_code", "calls_per_price_unit"),
    "component_actions": ("action", "component_code", "effective_from", "known_from", "attributes"),
    "list_prices": (
        "component_code", "effective_from", "known_from", "list_price", "tier_from", "tier_period"
    ),
}  # fmt: skip
# No figure depends on these files. A catalogue without one of them has the shipped one.
OTHER_COLUMNS = {
    "error_codes": ("error_code",),
    "focus_services": ("product_code",),
    "account_names": ("account_uin", "tags"),
    "budgets": ("owner_uin", "bill_month", "amount"),
}
# The columns that no two rows of a file have in common.
_KEY_COLUMNS = OTHER_COLUMNS | {
    "account_names": ("account_uin",),
    "budgets": ("owner_uin", "bill_month"),
    "products": ("product_code",),
    "components": ("component_code",),
    "component_actions": ("action", "attributes", "effective_from", "known_from"),
    "list_prices": ("component_code", "effective_from", "known_from", "tier_from"),
}
# Claims had no dates before 0.7: they count from the beginning. A claim without dates, or with the
# first of all dates in both, is still a row of the first two columns, as releases name it, and one
# without attributes has no fifth column.
_FROM_THE_BEGINNING = ["0001-01-01", "0001-01-01"]
_ANY_ATTRIBUTES = ""
# A price that is no step of a ladder. Its row has the first four columns, as releases name it.
_NO_STEP = ["no step", "no step"]
_TIER_PERIODS = ("day", "month", "ever")
# A budget without a month holds for every month.
_EVERY_MONTH = "every"
# By seed, the columns that may be empty or missing, and what they then say.
_USUAL_VALUES = {
    "component_actions": dict(
        zip(
            ("effective_from", "known_from", "attributes"),
            (*_FROM_THE_BEGINNING, _ANY_ATTRIBUTES),
            strict=True,
        )
    ),
    "list_prices": dict(zip(("tier_from", "tier_period"), _NO_STEP, strict=True)),
    "account_names": {"tags": "{}"},
    "budgets": {"bill_month": _EVERY_MONTH},
}
_PRICE_UNITS = {str(10**exponent) for exponent in range(9)}
_ATTRIBUTE = re.compile(ATTRIBUTE_NAME)
_MONTH = re.compile(r"\d{4}-(0[1-9]|1[0-2])")
_AMOUNT = re.compile(r"\d{1,12}(\.\d{1,2})?", re.ASCII)
# What no account number has: characters that are not seen, those of full width, and the form that a
# spreadsheet gives a long number. A record with the first or the last is rejected
# (ingest/feeds/identifiers.sql), and the control identifiers_are_usual names one with the second.
_NOT_IN_ACCOUNTS = re.compile(
    r"[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    r"\ufeff\uff00-\uffef]"
)
_MANGLED_NUMBER = re.compile(r"[+-]?\d*[.,]?\d+([eE][+-]?\d+)?", re.ASCII)
_WITH_COMMA = re.compile(r"\d+(,\d+)+", re.ASCII)
# A list price fits DECIMAL(18, 8): CNY per price unit.
_PRICE_LIMIT = Decimal(10) ** 10

Seeds = dict[str, list[list[str]]]
# By seed and row: the first settlement date that the row counts for.
CountsFrom = dict[tuple[str, tuple[str, ...]], date]


def figure_seeds(folder: Path) -> Seeds:
    """The rows of the files that figures depend on, reduced to SEED_COLUMNS, sorted, and with
    values in one form.

    Raises UsageError if a file or column is missing, a value is not valid, a key occurs twice, or a
    row refers to an unknown key.
    """
    return {
        name: sorted(_as_released(name, row.values) for row in rows)
        for name, rows in _checked(folder, SEED_COLUMNS).items()
    }


def check_catalogue(folder: Path) -> None:
    """Raises UsageError, with file, line and column, for the first row that is not valid."""
    known = SEED_COLUMNS | OTHER_COLUMNS
    for path in sorted(folder.glob("*.csv")):
        if path.stem not in known:
            raise UsageError(
                f"{_shown(path)} is no file of the catalogue; the nearest one is "
                f"{nearest(path.stem, tuple(known))}.csv"
            )
    _checked(folder, known)


def catalogue_file(folder: Path, name: str) -> Path:
    """A file of a catalogue. Of those that no figure depends on, it may be the shipped one."""
    path = folder / f"{name}.csv"
    if name in SEED_COLUMNS or path.exists():
        return path
    return PROJECT / "seeds" / path.name


@dataclass(frozen=True)
class Claim:
    """A component's claim of an action, for usage from `effective_from` on, as known on settlement
    dates from `known_from` on. It is for records that have these attributes, each as NAME=VALUE."""

    action: str
    component_code: str
    effective_from: date
    known_from: date
    attributes: tuple[str, ...] = ()


def claims_as_counted(seeds: Seeds, counts: CountsFrom) -> list[Claim]:
    """The claims of actions, known from the date that each counts from.

    Of two for the same records and `effective_from` that begin to count together, the one with the
    latest own `known_from` stays.
    """
    claims: dict[tuple[object, ...], Claim] = {}
    rows = seeds["component_actions"]
    for row in sorted(rows, key=lambda row: known_from("component_actions", row)):
        action, component, effective_from, _known_from, attributes = _all_columns(row)
        counts_from = counts["component_actions", tuple(row)]
        claim = Claim(
            action,
            component,
            date.fromisoformat(effective_from),
            counts_from,
            attribute_pairs(attributes),
        )
        claims[action, attributes, claim.effective_from, counts_from] = claim
    return list(claims.values())


def has_attribute_claims(seeds: Seeds) -> bool:
    """Whether a claim asks for attributes."""
    return any(_all_columns(row)[4] for row in seeds["component_actions"])


def _all_columns(claim: Sequence[str]) -> list[str]:
    """All values of a row of component_actions, however releases name it."""
    usual = (*_FROM_THE_BEGINNING, _ANY_ATTRIBUTES)
    return [*claim, *usual[len(claim) - 2 :]]


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
    for _ladder, steps in groupby(sorted(seeds["list_prices"]), key=lambda row: row[:3]):
        dates = {counts["list_prices", tuple(step)]: step for step in steps}
        if len(dates) > 1:
            component, effective_from, known, *_ = dates[max(dates)]
            raise UsageError(
                f"list_prices.csv: a step was added to the ladder of {component} from "
                f"{effective_from} on, which counts since {min(dates)}: a ladder is replaced "
                f"whole, so write all its steps once more, with a known_from after {known}"
            )
    return counts


def as_counted(seeds: Seeds, counts: CountsFrom) -> Seeds:
    """The seeds with each list price's `known_from` replaced by the date that it counts from.

    Prices of one component and `effective_from` can then have the same date. The one with the
    latest own `known_from` stays, a ladder with all its steps.
    """
    ladders: dict[tuple[str, ...], dict[str, list[list[str]]]] = {}
    for row in seeds["list_prices"]:
        known = str(counts["list_prices", tuple(row)])
        ladders.setdefault((*row[:2], known), {}).setdefault(row[2], []).append(row)
    counted = [
        [component, effective_from, known, *row[3:]]
        for (component, effective_from, known), versions in ladders.items()
        for row in versions[max(versions)]
    ]
    return seeds | {"list_prices": counted}


def _as_released(seed: str, row: list[str]) -> list[str]:
    """A row in the form that releases name it by: without what its seed did not have in the first
    of them, if the row says no other than they meant."""
    if seed == "list_prices" and row[4:] == _NO_STEP:
        return row[:4]
    if seed != "component_actions" or row[4] != _ANY_ATTRIBUTES:
        return row
    return row[:2] if row[2:4] == _FROM_THE_BEGINNING else row[:4]


@dataclass(frozen=True)
class _Row:
    file: str
    line: int
    values: list[str]


def _checked(folder: Path, files: dict[str, tuple[str, ...]]) -> dict[str, list[_Row]]:
    if not folder.is_dir():
        raise UsageError(f"the catalogue {folder} is no folder; `callbill init` makes one")
    rows: dict[str, list[_Row]] = {}
    for name, columns in files.items():
        path = catalogue_file(folder, name)
        rows[name] = list(_rows(path, columns))
        lines: dict[tuple[str, ...], int] = {}
        for row in rows[name]:
            key = tuple(row.values[columns.index(column)] for column in _KEY_COLUMNS[name])
            if key in lines:
                raise UsageError(
                    f"{row.file}, line {row.line}: there are two rows "
                    f"{', '.join(value for value in key if value)}, the other "
                    f"is line {lines[key]}"
                )
            lines[key] = row.line
    if "list_prices" in rows:
        _check_ladders(rows["list_prices"])
    for name, column, to in (
        ("components", "product_code", "products"),
        ("component_actions", "component_code", "components"),
        ("list_prices", "component_code", "components"),
    ):
        known = {row.values[0] for row in rows[to]}
        for row in rows[name]:
            value = row.values[files[name].index(column)]
            if value not in known:
                raise UsageError(
                    f"{row.file}, line {row.line}, column {column}: {value} is not in "
                    f"{_shown(catalogue_file(folder, to))}"
                )
    if "component_actions" in files:
        _check_claims(rows["component_actions"])
    return rows


def _check_ladders(rows: list[_Row]) -> None:
    """Raises UsageError for rows of one component and dates that are no whole ladder."""
    ladders: dict[tuple[str, ...], list[_Row]] = {}
    for row in rows:
        ladders.setdefault(tuple(row.values[:3]), []).append(row)
    for steps in ladders.values():
        first = steps[0]
        at = f"{first.file}, line {first.line}"
        for step in steps:
            has_from, has_period = (value != _NO_STEP[0] for value in step.values[4:])
            if has_from != has_period:
                price = step.values[3].rstrip("0").rstrip(".")
                raise UsageError(
                    f"{step.file}, line {step.line}: a step of a ladder has both tier_from, the "
                    "calls before it, and tier_period (day, month or ever); a price that is no "
                    "step has neither" + ("" if has_period else _in_two(price, step.values[4]))
                )
            if step.values[5] != first.values[5]:
                raise UsageError(
                    f"{step.file}, line {step.line}, column tier_period: the steps of a ladder are "
                    f"counted over one period, and {at}, says another"
                )
        froms = {step.values[4] for step in steps}
        if _NO_STEP[0] not in froms and "0" not in froms:
            raise UsageError(
                f"{at}, column tier_from: a ladder is given whole and begins at 0, and this one at "
                f"{min(froms, key=int)}"
            )


def _check_claims(rows: Sequence[_Row]) -> None:
    """Raises UsageError if two claims ask for as many attributes and one record can have them all:
    then nothing says which of them counts."""
    of_action: defaultdict[str, list[_Row]] = defaultdict(list)
    for row in rows:
        of_action[row.values[0]].append(row)
    for action, some in of_action.items():
        if not any(row.values[4] for row in some):
            continue
        for known_on, usage_date in product(*({row.values[n] for row in some} for n in (3, 2))):
            standing: dict[str, _Row] = {}
            for row in sorted(some, key=lambda row: (row.values[2], row.values[3])):
                if row.values[2] <= usage_date and row.values[3] <= known_on:
                    standing[row.values[4]] = row
            for one, other in combinations(standing.values(), 2):
                if one.values[1] != other.values[1] and _can_meet(one.values[4], other.values[4]):
                    first, second = sorted((one, other), key=lambda row: row.line)
                    raise UsageError(
                        f"{second.file}, line {second.line}, column attributes: a call of {action} "
                        f"can have {second.values[4]} and {first.values[4]} (line {first.line}), "
                        "and nothing says which counts: let both name the same attributes"
                    )


def _can_meet(some: str, others: str) -> bool:
    """Whether one record can have both sets of attributes, which are of one size."""
    one, other = (
        dict(pair.split("=", 1) for pair in attribute_pairs(text)) for text in (some, others)
    )
    return len(one) == len(other) and all(
        other.get(name, value) == value for name, value in one.items()
    )


def _rows(path: Path, columns: Sequence[str]) -> Iterator[_Row]:
    """The values of some columns, row by row. Raises UsageError for the first one not valid."""
    shown = _shown(path)
    usual = _USUAL_VALUES.get(path.stem, {})
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream, strict=True)
            header = [name.strip() for name in reader.fieldnames or ()]
            reader.fieldnames = header
            _check_header(path, header, set(columns) - usual.keys())
            for row in reader:
                at = f"{shown}, line {reader.line_num}"
                if None in row:
                    count = len(header) + len(row[None])
                    raise UsageError(
                        f"{at}: it has more values than the header has columns, {count} and not "
                        f"{len(header)}{_in_two(row[header[-1]], row[None][0])}"
                    )
                values = []
                for column in columns:
                    try:
                        text = row.get(column) or usual.get(column)
                        values.append(_normalized(column, text) if text != "" else "")
                    except (ValueError, InvalidOperation) as error:
                        raise UsageError(
                            f"{at}, column {column}: {error}{_hint(column, row, header)}"
                        ) from error
                yield _Row(shown, reader.line_num, values)
    except FileNotFoundError as error:
        raise UsageError(f"{shown} is missing in {path.parent}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{shown} is not UTF-8: save it as CSV UTF-8") from error
    except csv.Error as error:
        raise UsageError(f"{shown}, line {reader.line_num}: {error}") from error


def _check_header(path: Path, header: list[str], required: set[str]) -> None:
    """Raises UsageError for a header with a column too few, or one that is not known."""
    shown = _shown(path)
    missing = required - set(header)
    if missing:
        raise UsageError(
            f"{shown}: column {', '.join(sorted(missing))} is missing; its header is "
            f"{','.join(header)}"
        )
    with (PROJECT / "seeds" / path.name).open(encoding="utf-8", newline="") as stream:
        known = tuple(next(csv.reader(stream)))
    for column in header:
        if column not in known:
            raise UsageError(
                f"{shown}: there is no column {column!r}; the nearest one is "
                f"{nearest(column, known)}"
            )
        if header.count(column) > 1:
            raise UsageError(f"{shown}: there are two columns {column}")


def _hint(column: str, row: dict[str, str], header: Sequence[str]) -> str:
    """What a fault may come from: a row that is too short, or a price in two columns."""
    missing = [name for name in header if row.get(name) is None]
    if column in missing:
        return f": the row has {len(header) - len(missing)} values, the header {len(header)}"
    if column == "tier_from" and not row.get("tier_period"):
        return _in_two(row["list_price"], row["tier_from"])
    return ""


def _in_two(before: str | None, after: str) -> str:
    """A question about two values that may be one number with a comma in it."""
    if before and before.isdecimal() and after.isdecimal():
        return f"; is {before},{after} a price? write {before}.{after}"
    return ""


def _shown(path: Path) -> str:
    """A file of the catalogue as messages name it."""
    return f"{path.parent.name}/{path.name}"


def _normalized(column: str, text: str | None) -> str:
    """A value in its one form: prices have 8 decimals. Raises ValueError if it is not valid."""
    if not text or text != text.strip():
        raise ValueError("it is empty, or has blanks around it")
    if column in ("effective_from", "known_from"):
        try:
            is_date = str(date.fromisoformat(text)) == text
        except ValueError:
            is_date = False
        if not is_date:
            raise ValueError(f"{text} is not a date YYYY-MM-DD")
    elif column == "calls_per_price_unit":
        if text not in _PRICE_UNITS:
            raise ValueError(f"{text} is not a power of ten up to 10^8")
    elif column == "bill_month":
        if text != _EVERY_MONTH and not _MONTH.fullmatch(text):
            raise ValueError(f"{text} is not a month YYYY-MM")
    elif column == "amount":
        if not _AMOUNT.fullmatch(text) or not Decimal(text):
            raise ValueError(
                f"{text} is not an amount above 0 of at most 2 decimals{_without_comma(text)}"
            )
    elif column in ("account_uin", "owner_uin"):
        _check_account(text)
    elif column == "tags":
        _check_tags(text)
    elif column == "tier_from" and text != _NO_STEP[0]:
        if not text.isdecimal() or str(int(text)) != text or len(text) > 18:
            raise ValueError(f"{text} is not a whole number of calls")
    elif column == "tier_period" and text != _NO_STEP[1]:
        if text not in _TIER_PERIODS:
            raise ValueError(f"{text} is none of {', '.join(_TIER_PERIODS)}")
    elif column == "attributes":
        return _attributes(text)
    elif column == "list_price":
        price = Decimal(text) if text.replace(".", "", 1).isdecimal() else None
        if price is None or price >= _PRICE_LIMIT or price != round(price, 8):
            raise ValueError(
                f"{text} is not a price of at most 10 digits and 8 decimals{_without_comma(text)}"
            )
        return f"{price:.8f}"
    return text


def _without_comma(text: str) -> str:
    """How a number with commas is written. A comma before three digits can mean either."""
    if not _WITH_COMMA.fullmatch(text):
        return ""
    whole, _, decimals = text.rpartition(",")
    ways = [f"{whole}.{decimals}"] if "," not in whole else []
    if len(decimals) == 3:
        ways.append(text.replace(",", ""))
    return f": write {' or '.join(ways)}; a comma separates columns" if ways else ""


def _check_account(text: str) -> None:
    """Raises ValueError if a text cannot be an account number."""
    odd = _NOT_IN_ACCOUNTS.search(text)
    if odd:
        shown = odd[0] if odd[0].isprintable() else f"U+{ord(odd[0]):04X}"
        raise ValueError(f"{printable(text)} is no account number: none has {shown} in it")
    if _MANGLED_NUMBER.fullmatch(text) and not text.isdecimal():
        raise ValueError(f"{text} is no account number: write all its digits, and nothing else")


def _attributes(text: str) -> str:
    """Attributes in their one form. Raises ValueError if a text does not name any."""
    values: dict[str, str] = {}
    for pair in text.split(";"):
        name, equals, value = pair.partition("=")
        name, value = name.strip(), value.strip()
        if not equals or not value or not _ATTRIBUTE.fullmatch(name):
            raise ValueError(
                f"{pair!r} is not NAME=VALUE, such as edition=flagship, with ; between several"
            )
        if name in values:
            raise ValueError(f"it names {name} twice")
        values[name] = value
    return attributes_text(values)


def _check_tags(text: str) -> None:
    """Raises ValueError if a text is not a JSON object of texts."""
    try:
        tags = json.loads(text)
    except ValueError:
        tags = None
    if not isinstance(tags, dict) or not all(isinstance(value, str) for value in tags.values()):
        raise ValueError(f'{text} is not a JSON object of texts, such as {{"cost_center": "ads"}}')
