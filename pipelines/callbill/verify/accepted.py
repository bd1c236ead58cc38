"""What the landing files hold that counts: records of calls, contracts, and how many lines of each
file were read and accepted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from callbill.base.errors import UsageError
from callbill.base.progress import Advance
from callbill.base.settings import BillingVars
from callbill.ingest.landing import LandingFile
from callbill.verify.account_attributes import accepted_attributes
from callbill.verify.calls import Spill
from callbill.verify.contracts import ContractTerms, contract_terms
from callbill.verify.prices import AccountAttribute, Contract
from callbill.verify.quantity_feeds import (
    Known,
    PackageTerms,
    WaiverTerms,
    package_terms,
    waiver_terms,
)
from callbill.verify.records import accepted_records, floor_of
from callbill.verify.texts import texts_of
from callbill.warehouse.loads import ALL_LINES, SourceLoad


@dataclass(frozen=True)
class FileCounts:
    """How many lines of a file were read, and how many of them are accepted."""

    load: SourceLoad
    lines_read: int
    accepted: int


_Terms = ContractTerms | PackageTerms | WaiverTerms
_TERMS: dict[str, Callable[[dict[str, Any]], _Terms | None]] = {
    "contracts": contract_terms,
    "packages": package_terms,
    "waivers": waiver_terms,
}
# The feeds that a bill is made of.
FEEDS = ("call_logs", "account_attributes", *_TERMS)


@dataclass
class Accepted:
    """What was accepted of all files. Records are put aside: there may be too many for memory."""

    records: Spill
    contracts: list[Contract] = field(default_factory=list)
    packages: list[Known] = field(default_factory=list)
    waivers: list[Known] = field(default_factory=list)
    account_attributes: list[AccountAttribute] = field(default_factory=list)
    files: list[FileCounts] = field(default_factory=list)

    @property
    def record_count(self) -> int:
        return sum(file.accepted for file in self.files if file.load.feed == "call_logs")


def read_files(
    files: Iterable[tuple[SourceLoad, LandingFile]],
    records: Spill,
    billing_vars: BillingVars,
    scratch: Path,
    advance: Advance,
) -> Accepted:
    """Read the files of some loads, and judge their lines.

    Raises UsageError if a file changes meanwhile.
    """
    accepted = Accepted(records)
    # Files of terms may be delivered again every night: each is read once.
    read: dict[object, tuple[FileCounts, list[tuple[_Terms, int]]]] = {}
    for load, file in files:
        key = (
            load.feed,
            load.sha256,
            load.format,
            load.reading_rules,
            load.rejected_lines,
            load.declaration,
        )
        if load.feed in _TERMS and key in read and not load.retries:
            counts, terms = read[key]
            accepted.files.append(replace(counts, load=load))
            _keep_terms(accepted, terms, load)
            advance(file.size)
            continue
        rejected = load.rejected
        lines_read = lines_accepted = 0
        terms_of_lines: list[tuple[_Terms, int]] = []
        for load_by_rules, texts in _read_by_rules(load, file, scratch, advance):
            lines_read += len(texts)
            if rejected:
                texts = texts.filter(~pl.col("line").is_in(rejected.numbers))
            if load.feed == "call_logs":
                some_records = accepted_records(texts, load_by_rules, billing_vars)
                records.add(some_records)
                lines_accepted += len(some_records)
            elif load.feed == "account_attributes":
                said = accepted_attributes(texts, load)
                accepted.account_attributes += said
                lines_accepted += len(said)
            else:
                terms_of_lines += _accepted_terms(texts, load.feed)
                lines_accepted = len(terms_of_lines)
        if not file.is_unchanged():
            raise UsageError(f"{file.name} changed while it was read: verify again")
        _keep_terms(accepted, terms_of_lines, load)
        accepted.files.append(FileCounts(load, lines_read, lines_accepted))
        if not load.retries:
            read[key] = accepted.files[-1], terms_of_lines
    return accepted


def _read_by_rules(
    load: SourceLoad, file: LandingFile, scratch: Path, advance: Advance
) -> Iterator[tuple[SourceLoad, pl.DataFrame]]:
    """A file's rows of texts, each with the load under the version of the reading rules that the
    row was read by. Lines that were read again can have a later one than their file."""
    own = load.reading_rules, load.declaration
    rules_of = {
        line: (retry.reading_rules, retry.declaration or load.declaration)
        for retry in load.retries
        for line in retry.line_numbers
    }
    versions = sorted({own, *rules_of.values()})
    for version in versions:
        by_rules = replace(load, reading_rules=version[0], declaration=version[1])
        for texts in _read_texts(by_rules, file, scratch, advance):
            if len(versions) > 1:
                of_line = pl.col("line").replace_strict(
                    {line: versions.index(rules) for line, rules in rules_of.items()},
                    default=versions.index(own),
                    return_dtype=pl.Int64,
                )
                texts = texts.filter(of_line == versions.index(version))
            yield by_rules, texts
        advance = _no_advance


def _no_advance(_size: int) -> None:
    """The file was counted when it was read the first time."""


def _read_texts(
    load: SourceLoad, file: LandingFile, scratch: Path, advance: Advance
) -> Iterator[pl.DataFrame]:
    """A file's rows of texts, some at a time. A file that was rejected as a whole has none."""
    done = 0
    if load.rejected != ALL_LINES:
        with file.at_hand(scratch) as path:
            for texts, part_read in texts_of(path, load, scratch, file.member):
                yield texts
                advance(int(file.size * part_read) - done)
                done = int(file.size * part_read)
    advance(file.size - done)


def _accepted_terms(texts: pl.DataFrame, feed: str) -> list[tuple[_Terms, int]]:
    """The terms in rows of texts that are accepted, with their lines."""
    rows = ((_TERMS[feed](row), row["line"]) for row in texts.to_dicts())
    return [(terms, line) for terms, line in rows if terms is not None]


def _keep_terms(
    accepted: Accepted, terms_of_lines: Iterable[tuple[_Terms, int]], load: SourceLoad
) -> None:
    """Keep what a delivery makes known. Of packages and waivers the last line of a file counts."""
    last: dict[object, Known] = {}
    for terms, line in terms_of_lines:
        floor, arrived_on = floor_of(load, line), _arrival_of(load, line)
        if isinstance(terms, ContractTerms):
            accepted.contracts.append(Contract(terms, floor, load.source_file_id, arrived_on))
        else:
            known = Known(terms, floor, load.arrived_on, load.source_file_id)
            last[floor, terms.key] = known
    for known in last.values():
        kept = accepted.packages if isinstance(known.terms, PackageTerms) else accepted.waivers
        kept.append(known)


def _arrival_of(load: SourceLoad, line: int) -> date | None:
    """The arrival of a line. By version 1 of the reading rules it decides nothing."""
    rules = {n: retry.reading_rules for retry in load.retries for n in retry.line_numbers}
    return load.arrived_on if rules.get(line, load.reading_rules) >= 2 else None
