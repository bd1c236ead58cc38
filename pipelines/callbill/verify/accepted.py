"""What the landing files hold that counts: records of calls, contracts, and how many lines of each
file were read and accepted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import polars as pl

from callbill.base.errors import UsageError
from callbill.base.progress import Advance
from callbill.base.settings import BillingVars
from callbill.ingest.landing import LandingFile
from callbill.verify.calls import Spill
from callbill.verify.contracts import contract_terms
from callbill.verify.prices import Contract
from callbill.verify.records import Claims, accepted_records, floor_of
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
    files: list[FileCounts] = field(default_factory=list)

    @property
    def record_count(self) -> int:
        return sum(file.accepted for file in self.files if file.load.feed == "call_logs")


def read_files(
    files: Iterable[tuple[SourceLoad, LandingFile]],
    records: Spill,
    billing_vars: BillingVars,
    claims: Claims,
    scratch: Path,
    advance: Advance,
) -> Accepted:
    """Read the files of some loads, and judge their lines.

    Raises UsageError if a file changes meanwhile.
    """
    accepted = Accepted(records)
    for load, file in files:
        rejected = load.rejected
        lines_read = lines_accepted = 0
        for load_by_rules, texts in _read_by_rules(load, file, scratch, advance):
            lines_read += len(texts)
            if rejected:
                texts = texts.filter(~pl.col("line").is_in(rejected.numbers))
            if load.feed == "call_logs":
                some_records = accepted_records(texts, load_by_rules, billing_vars, claims)
                records.add(some_records)
                lines_accepted += len(some_records)
            else:
                some_contracts = _accepted_contracts(texts, load)
                accepted.contracts += some_contracts
                lines_accepted += len(some_contracts)
        if not file.is_unchanged():
            raise UsageError(f"{file.name} changed while it was read: verify again")
        accepted.files.append(FileCounts(load, lines_read, lines_accepted))
    return accepted


def _read_by_rules(
    load: SourceLoad, file: LandingFile, scratch: Path, advance: Advance
) -> Iterator[tuple[SourceLoad, pl.DataFrame]]:
    """A file's rows of texts, each with the load under the version of the reading rules that the
    row was read by. Lines that were read again can have a later one than their file."""
    rules_of = {line: retry.reading_rules for retry in load.retries for line in retry.line_numbers}
    versions = {load.reading_rules, *rules_of.values()}
    for version in sorted(versions):
        by_rules = replace(load, reading_rules=version)
        for texts in _read_texts(by_rules, file, scratch, advance):
            if len(versions) > 1:
                of_line = pl.col("line").replace_strict(
                    rules_of, default=load.reading_rules, return_dtype=pl.Int64
                )
                texts = texts.filter(of_line == version)
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
        for texts, part_read in texts_of(file.path, load, scratch):
            yield texts
            advance(int(file.size * part_read) - done)
            done = int(file.size * part_read)
    advance(file.size - done)


def _accepted_contracts(texts: pl.DataFrame, load: SourceLoad) -> list[Contract]:
    contracts = []
    for row in texts.to_dicts():
        terms = contract_terms(row)
        if terms is not None:
            contracts.append(Contract(terms, floor_of(load, row["line"]), load.source_file_id))
    return contracts
