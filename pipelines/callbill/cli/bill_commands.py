"""bill, arrears, export and explain: the commands that show what is billed, and why."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import click

from callbill.base.errors import UsageError
from callbill.cli.options import (
    candidate_option,
    checked_settings,
    date_option,
    limit_option,
    month_option,
    owner_option,
    place_options,
)


@click.command()
@place_options
@candidate_option
@owner_option(required=True, help="The account that pays.")
@month_option(required=True, help="Bill month, YYYY-MM.")
@date_option("--known-on", help="As it stood on this date, after that day's settlement.")
@click.option("--ids", is_flag=True, help="With the lines' ids, for `callbill explain`.")
def bill(owner: str, month: date, known_on: date | None, ids: bool, **places: str) -> None:
    """Show an account's bill of a month."""
    from callbill.cli.show.bill import show_bill
    from callbill.queries.bill import load_bill

    show_bill(load_bill(checked_settings(**places), owner, month, known_on), ids=ids)


@click.command()
@place_options
@candidate_option
def arrears(**places: str) -> None:
    """List the accounts that owe money: since when, how much, and when service stops or did."""
    from callbill.cli.show.arrears import show_arrears
    from callbill.queries.arrears import load_arrears

    show_arrears(load_arrears(checked_settings(**places)))


@click.command()
@place_options
@candidate_option
@month_option(help="Bill month, YYYY-MM. Every format but `site` needs it.")
@click.option(
    "--format",
    "format_",
    type=click.Choice(["csv", "xlsx", "parquet", "pdf", "site"]),
    default="csv",
    show_default=True,
    help="`pdf` is a statement for each account, `site` the pages of one account (--owner).",
)
@owner_option(help="Only of this account.")
@click.option(
    "--layout",
    type=click.Choice(["vendor", "focus"]),
    default="vendor",
    show_default=True,
    help="The vendor's own columns (L3 detail, deductions), or FOCUS 1.4.",
)
@click.option(
    "--output",
    metavar="FOLDER",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    help="Where to write  [the current folder]",
)
def export(
    month: date | None,
    format_: str,
    owner: str | None,
    layout: str,
    output: Path,
    **places: str,
) -> None:
    """Write a month's bills to files for others: finance, FinOps tools, the other side.

    What was written is listed, a file a line.
    """
    from callbill.queries.export import export_month, export_site, safe_name

    if format_ == "site":
        if owner is None:
            raise UsageError("--format site needs --owner: the pages are of one account")
        if month is not None:
            raise UsageError("--format site has all months: leave --month out")
        settings = checked_settings(**places)
        site = export_site(settings, owner, output / f"callbill-site-{safe_name(owner)}")
        issuer = f" (issuer {settings.issuer})" if settings.issuer else ""
        click.echo(f"{site / 'index.html'}{issuer}")
        return
    if month is None:
        raise UsageError(f"--format {format_} needs --month")
    if format_ == "pdf" and layout != "vendor":
        raise UsageError("--format pdf has no other layout: leave --layout out")
    files = export_month(
        checked_settings(**places), month, format_, owner=owner, layout=layout, folder=output
    )
    for file in files:
        issuer = f"; issuer {file.issuer}" if file.issuer else ""
        click.echo(f"{file.path} ({file.rows} rows{issuer})")


@click.command()
@place_options
@candidate_option
@click.argument("line_id", required=False)
@click.option("--request-id", metavar="ID", help="A call instead of a line.")
@limit_option(20, help="Of calls.")
@click.option("--json", "as_json", is_flag=True, help="All there is, as JSON.")
def explain(
    line_id: str | None, request_id: str | None, limit: int, as_json: bool, **places: str
) -> None:
    """Show why a bill line is what it is, or where a call went.

    LINE_ID: its price, the contract and its file, its calls, their records and files. With
    --request-id: the lines that the call is in, or why it is in none.
    """
    from callbill.cli.show.explanation import (
        show_as_json,
        show_explained_line,
        show_explained_request,
    )
    from callbill.queries.explain import explain_line, explain_request

    if line_id is not None and request_id is None:
        show = show_explained_line
        facts = explain_line(checked_settings(**places), line_id, limit=None if as_json else limit)
    elif request_id is not None and line_id is None:
        show = show_explained_request
        facts = explain_request(checked_settings(**places), request_id)
    else:
        raise UsageError("give either a LINE_ID or --request-id ID")
    if as_json:
        show_as_json(facts)
    else:
        show(facts)
