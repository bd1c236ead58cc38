"""What a verification found: that all is equal, or where it differs."""

from __future__ import annotations

from datetime import date

from rich.console import Console

from callbill.base.errors import VerificationError
from callbill.cli.show.console import open_console, table_of
from callbill.jobs.summary import RunSummary
from callbill.verify import Verification
from callbill.verify.money import decimal_text

_MOST_ROWS = 20


def show_verification(verification: Verification, month: date | None) -> None:
    """What was verified and is equal."""
    of_month = f"of {month:%Y-%m} " if month else ""
    console = open_console()
    console.print(
        f"Equal: {verification.lines} bill lines {of_month}in {verification.settlements}"
        f" settlements of {verification.accounts} accounts,"
        f" rated {decimal_text(verification.rated, 8)},"
        f" deducted {decimal_text(verification.deducted, 2)} CNY."
    )
    console.print(
        f"Computed anew from {verification.records} records in {verification.files} files,"
        f" settled through {verification.through}, and compared to the last digit with release"
        f" {verification.run_id}.",
        soft_wrap=True,
    )
    _show_archived(console, verification)


def _show_archived(console: Console, verification: Verification) -> None:
    if verification.archived_files:
        console.print(
            f"Of these, {verification.archived_files} files are archived and away. Their"
            f" {verification.archived_records} records were taken as they were once read, from the"
            f" checkpoint through {verification.checkpoint}; their lines were not read again.",
            soft_wrap=True,
        )


def show_drill(summary: RunSummary, verification: Verification) -> None:
    """That a backup restores what it holds."""
    console = open_console()
    made_of = f"{summary.loaded.files} files"
    if summary.checkpoint is not None:
        made_of = f"the checkpoint through {summary.checkpoint.through} and {made_of} since"
    console.print(
        f"The backup restores everything that is sealed through {verification.through}: a warehouse"
        f" was made of {made_of}, every settlement date says what it was sealed with, and"
        f" {verification.lines} bill lines were computed anew and are equal.",
        soft_wrap=True,
    )
    _show_archived(console, verification)
    console.print("It was thrown away. To restore, copy the backup, and `callbill rebuild` there.")


def show_differences(error: VerificationError) -> None:
    """Where a release says otherwise than its landing files."""
    console = open_console(stderr=True)
    for difference in error.differences:
        title = f"{difference.table}: differences"
        console.print(table_of(title, difference.columns, difference.rows[:_MOST_ROWS]))
        if len(difference.rows) > _MOST_ROWS:
            console.print(f"  and {len(difference.rows) - _MOST_ROWS} more")
