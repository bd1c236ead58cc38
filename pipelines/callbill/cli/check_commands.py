"""verify and reconcile: the commands that hold the bills against something else."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import click

from callbill.base.errors import ControlFailedError, UsageError, VerificationError
from callbill.base.settings import Settings
from callbill.cli.options import (
    candidate_option,
    checked_settings,
    month_option,
    owner_option,
    place_options,
    workers_option,
)

if TYPE_CHECKING:
    from callbill.queries.reconcile import Asked, Reconciliation


@click.command()
@place_options
@workers_option
@month_option(help="Only the bill month YYYY-MM.")
def verify(month: date | None, **places: str) -> None:
    """Compute the published bill a second time, by another road, and compare.

    From the landing files, without the warehouse and without its SQL. Exit codes: 0 the same to the
    last digit, 1 something differs, 2 a file that the release was made from is no longer there.
    """
    from callbill.cli.show.verification import show_differences, show_verification
    from callbill.verify import verify_job

    settings = checked_settings(**places)
    try:
        verification = verify_job(settings, month)
    except VerificationError as error:
        show_differences(error)
        raise
    show_verification(verification, month)


@click.command()
@place_options
@candidate_option
@month_option(help="Only the bill month YYYY-MM.")
@owner_option(help="Only of this account.")
@click.option(
    "--product",
    "products",
    metavar="CODE",
    multiple=True,
    help="Only of this product. It may be said several times.",
)
@click.option(
    "--bill",
    "file",
    type=click.Path(path_type=Path),
    help="Hold this bill against what is settled now, without loading it.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "csv", "json", "xlsx", "letter"]),
    default="table",
    show_default=True,
    help="With --bill: how to show what differs. A letter has the evidence of each difference.",
)
@click.option("--output", type=click.Path(path_type=Path), help="The file to write that into.")
def reconcile(
    month: date | None,
    owner: str | None,
    products: tuple[str, ...],
    file: Path | None,
    form: str,
    output: Path | None,
    **places: str,
) -> None:
    """Hold the vendor's own bills against ours: what differs, and why.

    The vendor's bills come in by the feed vendor_bills, or as a file with --bill. Exit code 1 if
    something is unexplained.
    """
    from callbill.cli.show.reconciliation import show_reconciliation
    from callbill.queries.reconcile import Asked
    from callbill.queries.reconcile import reconcile as compare_bills

    settings = checked_settings(**places)
    asked = Asked(month, owner, products)
    if file is None:
        if form != "table" or output is not None:
            raise UsageError("--format and --output need --bill FILE")
        reconciliation = compare_bills(settings, asked)
        show_reconciliation(reconciliation)
        look = (
            "callbill rejects --file vendor_bills shows them, callbill quarantine withdraws a file"
        )
    else:
        reconciliation = _hold(settings, file, asked, form, output)
        look = f"callbill try --feed vendor_bills {file} shows them"
    if reconciliation.unexplained:
        raise ControlFailedError(f"{reconciliation.unexplained} difference(s) are unexplained")
    if reconciliation.rejected:
        raise ControlFailedError(
            f"{reconciliation.rejected} line(s) of the vendor's bills could not be read: {look}"
        )


def _hold(
    settings: Settings, file: Path, asked: Asked, form: str, output: Path | None
) -> Reconciliation:
    from callbill.cli.show.bill_in_hand import show_bill_in_hand, write_differences
    from callbill.queries.bill_in_hand import hold_against

    if form == "xlsx" and output is None:
        raise UsageError("a workbook needs --output FILE")
    bill = hold_against(settings, file, asked)
    if form == "table":
        show_bill_in_hand(bill)
    else:
        write_differences(bill, form, output)
        # Not for the vendor's eyes.
        for hint in bill.reconciliation.hints:
            click.echo(f"callbill: {hint}", err=True)
    return bill.reconciliation
