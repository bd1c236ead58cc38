"""quarantine and retry: the commands that correct what was loaded."""

from __future__ import annotations

import click

from callbill.base.text import printable
from callbill.cli.options import checked_settings, place_options


@click.command()
@place_options
@click.argument("file_id")
@click.option("--reason", required=True, metavar="TEXT", help="Why; it is kept.")
def quarantine(file_id: str, reason: str, **places: str) -> None:
    """Withdraw a file while none of its dates is sealed, or lines that were read again.

    FILE_ID is the file's path in the landing folder, loaded or not, or the SHA-256 of a loaded one,
    or the first digits of that. Its records count no longer; it stays known and in the manifest,
    with the reason. Of a file that is sealed only what `callbill retry` read again since can be
    withdrawn.
    """
    from callbill.jobs.corrections import quarantine as withdraw

    withdrawn = withdraw(checked_settings(**places), file_id, reason)
    unit = (
        "record(s)"
        if withdrawn.whole
        else "line(s) that were read again, and are rejected as before"
    )
    click.echo(
        f"Withdrawn: {printable(withdrawn.file.path)}: {withdrawn.records} {unit}."
        " Now run `callbill run`."
    )


@click.command()
@place_options
@click.argument("file_id")
def retry(file_id: str, **places: str) -> None:
    """Read a file's rejected lines again, under today's rules.

    FILE_ID is the file's SHA-256, the first digits of it, or its path in the landing folder. Lines
    that are accepted now count from the first date that is not sealed.
    """
    from callbill.jobs.corrections import retry as read_again

    result = read_again(checked_settings(**places), file_id)
    click.echo(
        f"{printable(result.file.path)}: of {result.accepted + result.rejected} line(s) read again "
        f"{result.accepted} are accepted, to be settled from {result.settlement_floor} on; "
        f"{result.rejected} stay rejected."
        + (
            " Now run `callbill run`."
            if result.accepted
            else " If it lay in the wrong folder, send it there with other bytes (compressed, for"
            " instance): the same bytes are known."
        )
    )
