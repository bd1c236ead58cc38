"""What the model is given: landed files, the runs that read them, variables and seeds."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cached_property
from typing import Any


@dataclass(frozen=True)
class Line:
    """One line as it landed: its fields, or its raw text where it is not meant to be readable."""

    number: int  # of the physical line it begins on, from 1; a row number in Parquet
    data: Mapping[str, Any] | str


@dataclass(frozen=True)
class File:
    """A landed file: the bytes that lie in the folder, and the lines that they say."""

    # call_logs, contracts, account_attributes, packages or waivers
    feed: str
    path: str  # below the landing folder
    arrived_on: date
    content: bytes
    lines: tuple[Line, ...] | None  # None: the bytes don't decompress to their end
    shape: str = "canonical"
    placed_run: int = 0  # the run before which it appears in the folder, counted from 0

    @cached_property
    def file_id(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


@dataclass(frozen=True)
class Settings:
    billing_timezone: str = "Asia/Shanghai"
    max_usage_age_days: int = 62
    dedup_horizon_days: int = 62
    deduction_rounding: str = "half_up"  # or down


@dataclass(frozen=True)
class Component:
    component_code: str
    product_code: str
    calls_per_price_unit: int
    actions: tuple[str, ...]


@dataclass(frozen=True)
class ListPrice:
    component_code: str
    effective_from: date
    known_from: date
    list_price: Decimal
    # Of a step of a ladder: the calls before it, and the period that they are counted over.
    tier_from: int | None = None
    tier_period: str | None = None


@dataclass(frozen=True)
class Claim:
    """Of an action by a component, for usage from a date on (None: all), known from a date on. With
    attributes, only of records that have these values."""

    action: str
    component_code: str
    effective_from: date | None = None
    known_from: date = date.min
    attributes: frozenset[tuple[str, str]] = frozenset()


@dataclass(frozen=True)
class Seeds:
    """The catalogue. The actions of its components are claimed from the beginning."""

    components: tuple[Component, ...]
    list_prices: tuple[ListPrice, ...]
    claims: tuple[Claim, ...] = ()


@dataclass(frozen=True)
class LaterRow:
    """A row that is added to the catalogue before a run, counted from 0."""

    run: int
    row: Claim | ListPrice


@dataclass(frozen=True)
class World:
    """Everything that decides the figures; `runs` are the through dates, run by run."""

    files: tuple[File, ...]
    runs: tuple[date, ...]
    settings: Settings
    seeds: Seeds
    later_rows: tuple[LaterRow, ...] = ()

    def seeds_before(self, run: int) -> Seeds:
        """The catalogue as it lies there when a run begins."""
        added = [later.row for later in self.later_rows if later.run <= run]
        return Seeds(
            self.seeds.components,
            self.seeds.list_prices + tuple(row for row in added if isinstance(row, ListPrice)),
            self.seeds.claims + tuple(row for row in added if isinstance(row, Claim)),
        )


SHIPPED_SEEDS = Seeds(
    components=(Component("wimgs_search_by_text", "wimgs", 1000, ("SearchByText",)),),
    list_prices=(
        ListPrice(
            "wimgs_search_by_text",
            effective_from=date(2020, 1, 1),
            known_from=date(2020, 1, 1),
            list_price=Decimal("60.00000000"),
        ),
    ),
)
