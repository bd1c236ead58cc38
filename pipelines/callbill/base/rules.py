"""The versions of the rules, by which what is sealed stays as it was.

A change in what a record means, what a call costs or what a hash is made of is a new version. What
was loaded or sealed keeps the version that it was read, billed or hashed by; the manifest of each
release names it. New files are read, and new settlement dates billed and hashed, by the newest
versions. Code asks `rules.BILLING_RULES` where it needs the newest, never a copy of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

# How a line becomes a record: ingest/feeds, verify.
READING_RULES = 1
# What a record means and what a call costs: models, controls, verify, tests/reference.
BILLING_RULES = 1
# Which columns a content hash is made of, and how: release/hashes.py.
HASH_RECIPE = 1


@dataclass(frozen=True)
class DateRules:
    """The versions that hold for a settlement date."""

    billing_rules: int = 1
    hash_recipe: int = 1


def newest_date_rules() -> DateRules:
    return DateRules(BILLING_RULES, HASH_RECIPE)


@dataclass(frozen=True)
class RuleRange:
    """Settlement dates in a row that have the same rules."""

    first: date
    last: date
    rules: DateRules


def as_rule_ranges(rules: Mapping[date, DateRules]) -> list[RuleRange]:
    """The rules of settlement dates, a range for each stretch that has the same."""
    ranges: list[RuleRange] = []
    for day in sorted(rules):
        if ranges and ranges[-1].rules == rules[day]:
            ranges[-1] = RuleRange(ranges[-1].first, day, rules[day])
        else:
            ranges.append(RuleRange(day, day, rules[day]))
    return ranges


def rules_by_date(ranges: Iterable[RuleRange], dates: Iterable[date]) -> dict[date, DateRules]:
    """The rules of each of some dates: those of the last range that begins by then."""
    in_order = sorted(ranges, key=lambda r: r.first)
    return {
        day: next((r.rules for r in reversed(in_order) if r.first <= day), DateRules())
        for day in dates
    }
