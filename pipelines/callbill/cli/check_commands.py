"""verify and reconcile: the commands that hold the bills against something else."""

from __future__ import annotations

from datetime import date

import click

from callbill.base.errors import ControlFailedError, VerificationError
from callbill.cli.options import (
    checked_settings,
    month_option,
    owner_option,
    place_options,
    workers_option,
)


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
@month_option(help="Only the bill month YYYY-MM.")
@owner_option(help="Only of this account.")
def reconcile(month: date | None, owner: str | None, **places: str) -> None:
    """Hold the vendor's own bills against ours: what differs, and why.

    The vendor's bills come in by the feed vendor_bills. Exit code 1 if something is unexplained.
    """
    from callbill.cli.show.reconciliation import show_reconciliation
    from callbill.queries.reconcile import reconcile as compare_bills

    reconciliation = compare_bills(checked_settings(**places), month, owner)
    show_reconciliation(reconciliation)
    if reconciliation.unexplained:
        raise ControlFailedError(f"{reconciliation.unexplained} difference(s) are unexplained")
    if reconciliation.rejected:
        raise ControlFailedError(
            f"{reconciliation.rejected} line(s) of the vendor's bills could not be read: "
            "callbill rejects --file vendor_bills shows them, callbill quarantine withdraws a file"
        )
