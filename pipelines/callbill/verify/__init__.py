"""The bill a second time by another road, held against what was published.

polars and plain Python over the landing files, whole numbers for money: of the product only what
finds files, reads lines out of them and declares shapes is used, no SQL, no model, no warehouse.
What was loaded, settlement floors, vars and seeds are those that the release's manifest names.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import polars as pl

from callbill.base.catalogue import as_counted
from callbill.base.errors import UsageError, VerificationError
from callbill.base.progress import Advance, Reporter
from callbill.base.settings import BillingVars, Settings
from callbill.base.sql import literal
from callbill.ingest.landing import LandingFile, list_landing
from callbill.ingest.shapes import call_log_shapes
from callbill.release.manifest import Manifest
from callbill.release.release import Published
from callbill.verify import compare
from callbill.verify.calls import Spill, charges_of
from callbill.verify.compare import Row
from callbill.verify.rating import (
    BillLine,
    Contract,
    PriceBook,
    Settlement,
    adjustments,
    bill_lines,
    next_month,
    settlements,
)
from callbill.verify.records import accepted_records, contract_row, floor_of
from callbill.verify.texts import texts_of
from callbill.warehouse.loads import ALL_LINES, SourceLoad


@dataclass(frozen=True)
class Verification:
    """What was compared and found equal. Amounts in 10^-8 CNY."""

    run_id: str
    through: date
    files: int
    records: int
    lines: int
    settlements: int
    accounts: int
    rated: int
    deducted: int


@dataclass(frozen=True)
class _Bill:
    lines: list[BillLine]
    settlements: list[Settlement]
    files: list[Row]  # as compare.FILES
    records: int


def verify_job(settings: Settings, month: date | None = None) -> Verification:
    """Compute the bill of the current release anew from the landing folder, and compare.

    With `month` (its 1st) only the bill of that month. Raises VerificationError, with the rows, if
    anything differs; UsageError if there is no release, or a file that it was made from is not in
    the landing folder as it was loaded.
    """
    release = Published(settings.published).require_current("there is nothing to verify")
    manifest = release.manifest
    # Nothing that is settled later is billed in the month.
    through = min(manifest.through, next_month(month)) if month else manifest.through
    loads = [
        load
        for load in manifest.loads
        if load.feed in ("call_logs", "contracts")
        and load.settlement_floor <= through
        and load.quarantine_reason is None
    ]
    reporter = Reporter()
    with (
        closing(compare.PublishedTables(release)) as published,
        reporter.step("verify", release=release.run_id),
    ):
        bill = _compute(settings, manifest, loads, through, reporter)
        lines = [line for line in bill.lines if month in (None, line.bill_month)]
        settled = [one for one in bill.settlements if month in (None, one.bill_month)]
        sums = adjustments(settled)
        of_month = f"bill_month = date '{month}'" if month else "true"
        withdrawn = [
            literal(load.source_file_id) for load in manifest.loads if load.quarantine_reason
        ]
        loaded = f"source_file_id not in ({', '.join(withdrawn)})" if withdrawn else "true"
        computed: list[tuple[compare.Kind, list[Row], str]] = [
            (compare.FILES, bill.files, f"settlement_floor <= date '{through}' and {loaded}"),
            (compare.BILL_LINES, compare.bill_line_rows(lines), of_month),
            (compare.SETTLEMENTS, compare.settlement_rows(settled), of_month),
            (compare.ADJUSTMENTS, compare.adjustment_rows(sums, manifest.through), of_month),
        ]
        found = [
            compare.differences(name, kind, said, rows)
            for kind, rows, condition in computed
            for name, said in published.tables(kind, condition).items()
        ]
    differing = [one for one in found if one.rows]
    if differing:
        raise VerificationError(
            f"release {manifest.run_id} does not say what its landing files come to: "
            + ", ".join(f"{len(one.rows)} difference(s) in {one.table}" for one in differing),
            differing,
        )
    return Verification(
        run_id=manifest.run_id,
        through=through,
        files=len(loads),
        records=bill.records,
        lines=len(lines),
        settlements=len(settled),
        accounts=len({one.owner_uin for one in settled}),
        rated=sum(one.rated for one in settled),
        deducted=sum(one.deducted for one in settled),
    )


def _compute(
    settings: Settings,
    manifest: Manifest,
    loads: Sequence[SourceLoad],
    through: date,
    reporter: Reporter,
) -> _Bill:
    billing_vars = BillingVars(**manifest.vars)
    landing = list_landing(settings.landing, frozenset(call_log_shapes()), billing_vars.zone)
    files = _find(landing.files, loads, reporter)
    total = sum(file.size for file in files)
    advance = reporter.announce(total)
    claims = {
        action: (component, manifest.counts_from["component_actions", (action, component)])
        for action, component in manifest.seeds["component_actions"]
    }
    contracts: list[Contract] = []
    counts: list[Row] = []
    records = 0
    with tempfile.TemporaryDirectory(prefix="callbill-verify-") as folder:
        scratch = Path(folder)
        spill = Spill(scratch, total)
        for load, file in zip(loads, files, strict=True):
            lines_read = accepted = done = 0
            rejected = load.rejected
            parts = () if rejected == ALL_LINES else texts_of(file.path, load, scratch)
            for texts, part in parts:
                lines_read += len(texts)
                if rejected:
                    texts = texts.filter(~pl.col("line").is_in(rejected.numbers))
                if load.feed == "call_logs":
                    some = accepted_records(texts, load, billing_vars, claims)
                    accepted += len(some)
                    records += len(some)
                    spill.add(some)
                else:
                    rows = [
                        (row, floor_of(load, said["line"]))
                        for said in texts.to_dicts()
                        if (row := contract_row(said))
                    ]
                    accepted += len(rows)
                    contracts += [Contract(row, floor, load.source_file_id) for row, floor in rows]
                advance(int(file.size * part) - done)
                done = int(file.size * part)
            advance(file.size - done)
            if not file.is_unchanged():
                raise UsageError(f"{file.name} changed while it was read: verify again")
            said = (lines_read, accepted, lines_read - accepted)
            counts.append((load.feed, load.path, load.source_file_id, *map(str, said)))
        book = PriceBook(as_counted(manifest.seeds, manifest.counts_from), contracts)
        charges = charges_of(spill, book, billing_vars, through)
    lines = bill_lines(charges, book, through)
    return _Bill(lines, settlements(lines, billing_vars.deduction_rounding), counts, records)


def _find(
    landed: Iterable[LandingFile], loads: Sequence[SourceLoad], reporter: Reporter
) -> list[LandingFile]:
    """The landing file of each load, by its name or, if it was moved, by its content."""
    by_name = {file.name: file for file in landed}
    advance: Advance = reporter.announce(sum(file.size for file in by_name.values()))
    found: dict[tuple[str, str], LandingFile] = {}
    wanted = {(load.feed, load.source_file_id) for load in loads}
    # Files under the names that were loaded first: usually these are all.
    names = {load.path for load in loads}
    for file in sorted(by_name.values(), key=lambda file: (file.name not in names, file.name)):
        if wanted <= found.keys():
            break
        found.setdefault((file.feed, file.digest() or ""), file)
        advance(file.size)
    gone = [load for load in loads if (load.feed, load.source_file_id) not in found]
    if gone:
        how = "has changed since it was loaded" if gone[0].path in by_name else "is not there"
        raise UsageError(
            f"{len(gone)} of the {len(loads)} file(s) that the release was made from are not in "
            f"the landing folder as they were loaded: {gone[0].path} {how}; without them the bill "
            "cannot be verified"
        )
    return [found[load.feed, load.source_file_id] for load in loads]
