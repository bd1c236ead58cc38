"""What the landing files hold that counts: records of calls, contracts, and how many lines of each
file were read and accepted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

import polars as pl

from callbill.base.errors import UsageError
from callbill.base.progress import Advance
from callbill.base.settings import BillingVars
from callbill.ingest.landing import LandingFile
from callbill.verify.account_attributes import accepted_attributes
from callbill.verify.calls import Spill
from callbill.verify.contracts import ContractTerms, contract_terms
from callbill.verify.prices import AccountAttribute, Contract
from callbill.verify.records import accepted_records, floor_of
from callbill.verify.texts import texts_of
from callbill.warehouse.loads import ALL_LINES, SourceLoad


@dataclass(frozen=True)
class FileCounts:
    """How many lines of a file were read, and how many of them are accepted."""

    load: SourceLoad
    lines_read: int
    accepted: int


@dataclass
class Accepted:
    """What was accepted of all files. Records are put aside: there may be too many for memory."""

    records: Spill
    contracts: list[Contract] = field(default_factory=list)
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
    # Files of contracts may be delivered again every night: each is read once.
    read: dict[object, tuple[FileCounts, list[tuple[ContractTerms, int]]]] = {}
    for load, file in files:
        key = (
            load.feed,
            load.sha256,
            load.format,
            load.reading_rules,
            load.rejected_lines,
            load.declaration,
        )
        if load.feed == "contracts" and key in read and not load.retries:
            counts, terms = read[key]
            accepted.files.append(replace(counts, load=load))
            accepted.contracts += _known_contracts(terms, load)
            advance(file.size)
            continue
        rejected = load.rejected
        lines_read = lines_accepted = 0
        terms_of_lines: list[tuple[ContractTerms, int]] = []
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
                terms_of_lines += _accepted_contracts(texts)
                lines_accepted = len(terms_of_lines)
        if not file.is_unchanged():
            raise UsageError(f"{file.name} changed while it was read: verify again")
        accepted.contracts += _known_contracts(terms_of_lines, load)
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


def _accepted_contracts(texts: pl.DataFrame) -> list[tuple[ContractTerms, int]]:
    """The terms in rows of texts that are accepted, with their lines."""
    rows = ((contract_terms(row), row["line"]) for row in texts.to_dicts())
    return [(terms, line) for terms, line in rows if terms is not None]


def _known_contracts(
    terms_of_lines: Iterable[tuple[ContractTerms, int]], load: SourceLoad
) -> list[Contract]:
    """The contracts that a delivery makes known."""
    return [
        Contract(terms, floor_of(load, line), load.source_file_id, _arrival_of(load, line))
        for terms, line in terms_of_lines
    ]


def _arrival_of(load: SourceLoad, line: int) -> date | None:
    """The arrival of a line. By version 1 of the reading rules it decides nothing."""
    rules = {n: retry.reading_rules for retry in load.retries for n in retry.line_numbers}
    return load.arrived_on if rules.get(line, load.reading_rules) >= 2 else None
