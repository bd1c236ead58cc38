"""Judging rows of files of packages and waivers: which are valid, and what they say.

A copy on purpose of ingest/feeds/packages and ingest/feeds/waivers, by what docs/landing.md says.
It gives no reasons: only whether a row counts is held against the release.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

from callbill.verify.contracts import parse_date, parse_number

_MOST_CALLS = 10**12


@dataclass(frozen=True)
class PackageTerms:
    """What a line says of a package. It is valid from a date up to another, exclusive."""

    owner_uin: str
    component_code: str
    package_id: str
    calls: int
    valid_to: date
    valid_from: date

    @property
    def key(self) -> tuple[object, ...]:
        return self.package_id, self.owner_uin, self.component_code

    @property
    def rank(self) -> tuple[object, ...]:
        """Of versions that arrived together the smallest counts."""
        return self.calls, self.valid_to, self.valid_from


@dataclass(frozen=True)
class WaiverTerms:
    """What a line says of a waiver: so many calls, or the one of a request id."""

    owner_uin: str
    component_code: str
    waiver_id: str
    usage_date: date
    calls: int | None
    request_id: str | None
    reason: str

    @property
    def key(self) -> tuple[object, ...]:
        return self.waiver_id, self.owner_uin, self.component_code, self.usage_date

    @property
    def rank(self) -> tuple[object, ...]:
        calls = 1 if self.calls is None else self.calls
        return calls, self.request_id is None, self.request_id or "", self.reason


Terms = PackageTerms | WaiverTerms


@dataclass(frozen=True)
class Known:
    """Terms as a delivery makes them known."""

    terms: Terms
    known_from: date
    arrived_on: date
    source_file_id: str


def package_terms(row: dict[str, Any]) -> PackageTerms | None:
    """The package in a row of texts; None if the row is rejected."""
    names = ("package_id", "owner_uin", "component_code", "calls", "valid_from", "valid_to")
    if row["malformed"] or any(row[name] is None for name in names):
        return None
    calls = _calls(row["calls"])
    valid_from, valid_to = parse_date(row["valid_from"]), parse_date(row["valid_to"])
    if calls is None or valid_from is None or valid_to is None or valid_to < valid_from:
        return None
    return PackageTerms(
        row["owner_uin"], row["component_code"], row["package_id"], calls, valid_to, valid_from
    )


def waiver_terms(row: dict[str, Any]) -> WaiverTerms | None:
    """The waiver in a row of texts; None if the row is rejected."""
    names = ("waiver_id", "owner_uin", "component_code", "usage_date", "reason")
    if row["malformed"] or any(row[name] is None for name in names):
        return None
    usage_date, reason = parse_date(row["usage_date"]), row["reason"].strip(" ")
    calls = None if row["calls"] is None else _calls(row["calls"])
    if usage_date is None or not reason or (row["calls"] is None) == (row["request_id"] is None):
        return None
    if calls is None and row["calls"] is not None:
        return None
    return WaiverTerms(
        row["owner_uin"],
        row["component_code"],
        row["waiver_id"],
        usage_date,
        calls,
        row["request_id"],
        reason,
    )


def _calls(text: str) -> int | None:
    calls = parse_number(text, decimals=0)
    return calls if calls is not None and 0 <= calls < _MOST_CALLS else None


def versions(known: Iterable[Known]) -> list[Known]:
    """Of each settlement date and key the version that counts: the latest arrival. Several of one
    arrival are ranked. `known` has only the last line of each file and key."""
    by_moment: defaultdict[tuple[object, ...], list[Known]] = defaultdict(list)
    for one in known:
        by_moment[one.terms.key, one.known_from].append(one)
    result = []
    for some in by_moment.values():
        last = max(one.arrived_on for one in some)
        result.append(min((o for o in some if o.arrived_on == last), key=lambda o: o.terms.rank))
    return sorted(result, key=lambda one: one.known_from)
