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

    feed: str  # call_logs or contracts
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


@dataclass(frozen=True)
class Seeds:
    components: tuple[Component, ...]
    list_prices: tuple[ListPrice, ...]


@dataclass(frozen=True)
class World:
    """Everything that decides the figures; `runs` are the through dates, run by run."""

    files: tuple[File, ...]
    runs: tuple[date, ...]
    settings: Settings
    seeds: Seeds


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
