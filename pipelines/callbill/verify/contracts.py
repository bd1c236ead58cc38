"""Judging rows of a contracts file: which are contracts, and what they say.

A copy on purpose of ingest/feeds/contracts, by what docs/landing.md says. It gives no reasons: only
whether a row counts is held against the release.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl

from callbill.verify.money import CNY, WHOLE_DISCOUNT
from callbill.verify.records import is_mangled

_NEVER = "9999-12-31"
_DATE = re.compile(r"(\d{4}-\d\d-\d\d)( 00:00:00)?", re.ASCII)
_NUMBER = re.compile(r"([+-]?)(?:(\d+)\.?(\d*)|\.(\d+))(?:[eE]([+-]?\d+))?", re.ASCII)
_MOST_CHARACTERS = 24
_PRICE_LIMIT = 10**10 * CNY


@dataclass(frozen=True)
class ContractTerms:
    """What a line of a contracts file agrees on. The price is in 10^-8 CNY, the discount in 10^-6;
    one of them is None."""

    owner_uin: str
    component_code: str
    effective_from: date
    effective_to: date
    discount: int | None
    price: int | None


def contract_terms(row: dict[str, Any]) -> ContractTerms | None:
    """The terms in a row of texts; None if the row is rejected."""
    owner_uin, component_code = row["owner_uin"], row["component_code"]
    if row["malformed"] or owner_uin is None or component_code is None:
        return None
    if pl.select(is_mangled(pl.lit(owner_uin))).item():
        return None
    effective_from = parse_date(row["effective_from"])
    effective_to = parse_date(row["effective_to"] or _NEVER)
    if effective_from is None or effective_to is None or effective_to < effective_from:
        return None
    if (row["discount"] is None) == (row["contract_price"] is None):
        return None
    discount = parse_number(row["discount"], decimals=6)
    if row["discount"] is not None and (discount is None or not 0 < discount <= WHOLE_DISCOUNT):
        return None
    price = parse_number(row["contract_price"], decimals=8)
    if row["contract_price"] is not None and (price is None or not 0 <= price < _PRICE_LIMIT):
        return None
    return ContractTerms(owner_uin, component_code, effective_from, effective_to, discount, price)


def parse_date(text: str | None) -> date | None:
    """A date without a time of day; None if the text is none."""
    match = _DATE.fullmatch(text or "")
    try:
        return date.fromisoformat(match[1]) if match else None
    except ValueError:
        return None


def parse_number(text: str | None, *, decimals: int) -> int | None:
    """A number in units of its last decimal; None if the text is no number, or needs more
    decimals."""
    if text is None or len(text) > _MOST_CHARACTERS:
        return None
    match = _NUMBER.fullmatch(text)
    if match is None:
        return None
    sign, whole, fraction, bare_fraction, exponent = match.groups()
    fraction = bare_fraction or fraction or ""
    digits = int((whole or "") + fraction)
    shift = decimals - len(fraction) + int(exponent or 0)
    if digits == 0:
        return 0
    if not -40 < shift < 40:
        return None
    value: int
    value, remainder = divmod(digits * 10 ** max(shift, 0), 10 ** max(-shift, 0))
    if remainder:
        return None
    return -value if sign == "-" else value
