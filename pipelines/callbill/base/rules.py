"""The versions of the rules. They let a rule change without changing what is sealed.

A change in what a record means, in what a call costs, or in what a hash covers is a new version. A
loaded file keeps the version that it was read by. A sealed settlement date keeps the versions that
it was billed and hashed by. The manifest of each release names them. New files and new settlement
dates get the newest versions. Code reads `rules.BILLING_RULES` where it needs the newest version,
and keeps no copy of it, so that tests can set another.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

# How a line becomes a record. Homes: ingest/feeds, verify.
# 2: identifiers are cleaned, and more times and error codes are understood.
# 3: records keep the attributes that their shape maps.
READING_RULES = 3
# What a record means and what a call costs. Homes: models, controls, verify, tests/bill/reference.
# 2: an unrated call waits for the catalogue; records are matched by cleaned identifiers.
# 3: prices may depend on how much: ladders, packages, waivers. Without them nothing is otherwise.
BILLING_RULES = 3
# Which columns a content hash covers, and how. Home: release/hashes.py.
HASH_RECIPE = 1


# The reading rules since which records have attributes.
ATTRIBUTES_SINCE = 3


@dataclass(frozen=True)
class DateRules:
    """The versions by which a settlement date is billed and hashed."""

    billing_rules: int = 1
    hash_recipe: int = 1


def newest_date_rules() -> DateRules:
    return DateRules(BILLING_RULES, HASH_RECIPE)


@dataclass(frozen=True)
class RuleRange:
    """Consecutive settlement dates with the same rules, `first` and `last` included."""

    first: date
    last: date
    rules: DateRules


def as_rule_ranges(rules: Mapping[date, DateRules]) -> list[RuleRange]:
    """The rules of settlement dates as ranges, in order of time."""
    ranges: list[RuleRange] = []
    for day in sorted(rules):
        if ranges and ranges[-1].rules == rules[day]:
            ranges[-1] = RuleRange(ranges[-1].first, day, rules[day])
        else:
            ranges.append(RuleRange(day, day, rules[day]))
    return ranges


def rules_by_date(ranges: Iterable[RuleRange], dates: Iterable[date]) -> dict[date, DateRules]:
    """The rules of each date: those of the last range that begins on it or before."""
    in_order = sorted(ranges, key=lambda r: r.first)
    return {
        day: next((r.rules for r in reversed(in_order) if r.first <= day), DateRules())
        for day in dates
    }
