"""simulate: the command that asks what bills would have been under other terms."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import click

from callbill.base.errors import ControlFailedError, UsageError
from callbill.base.progress import Reporter
from callbill.base.settings import Settings
from callbill.cli.options import (
    checked_settings,
    json_logs_option,
    month_option,
    owner_option,
    place_options,
)
from callbill.jobs.simulation.what_if import GIVEN_FEEDS, WhatIf

_ABOUT_FILES = {
    "contracts": "Contracts, in a file of their feed.",
    "packages": "Packages, in a file of their feed.",
    "waivers": "Waivers, in a file of their feed.",
}


def _given_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """An option for each feed whose files can be given."""
    for feed in reversed(GIVEN_FEEDS):
        command = click.option(
            f"--{feed}",
            metavar="FILE",
            multiple=True,
            type=click.Path(path_type=Path),
            help=_ABOUT_FILES[feed],
        )(command)
    return command


@click.command()
@place_options
@click.option(
    "--catalogue",
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    help="A folder with the files of the catalogue that are otherwise, such as list_prices.csv.",
)
@_given_options
@click.option("--replace-contracts", is_flag=True, help="Leave out the contracts of the books.")
@click.option(
    "--var",
    "vars_",
    metavar="NAME=VALUE",
    multiple=True,
    help="Another value of a var that figures depend on, such as deduction_rounding=down.",
)
@month_option("--from-month", help="The first bill month to compare, YYYY-MM.")
@month_option("--to-month", help="The last bill month to compare, YYYY-MM.")
@owner_option(help="Only of this account.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "csv", "xlsx", "parquet", "json"]),
    default="table",
    show_default=True,
    help="What to write into --output, beside the table that is shown.",
)
@click.option(
    "--output", metavar="FILE", type=click.Path(path_type=Path), help="The file for that."
)
@click.option(
    "--site",
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    help="Write a page into this new folder, too.",
)
@json_logs_option
@click.pass_obj
def simulate(
    reporter: Reporter,
    /,
    catalogue: Path | None,
    replace_contracts: bool,
    vars_: tuple[str, ...],
    from_month: date | None,
    to_month: date | None,
    owner: str | None,
    form: str,
    output: Path | None,
    site: Path | None,
    json_logs: bool,
    **others: Any,
) -> None:
    """Show what the bills would have been under other prices, contracts or rounding.

    The sealed bills are computed again, beside the books, and compared: by month and account, and
    line by line. Nothing of the books is touched. Exit code 1 if a line of a given file was
    rejected.
    """
    from callbill.cli.show.simulation import show_simulation, write_comparison, write_page
    from callbill.jobs.simulation.job import simulated

    files = {feed: others.pop(feed) for feed in GIVEN_FEEDS}
    settings = checked_settings(**others)
    _check_outputs(settings, form, output, site)
    if from_month and to_month and from_month > to_month:
        raise UsageError("--from-month lies after --to-month")
    what_if = WhatIf(
        catalogue, files, replace_contracts, _parse_vars(vars_), from_month, to_month, owner
    )
    with simulated(settings, what_if, reporter) as simulation:
        show_simulation(simulation)
        if output is not None:
            for path in write_comparison(simulation, form, output):
                click.echo(path)
        if site is not None:
            click.echo(write_page(simulation, site))
        rejects = len(simulation.given.rejects)
    if rejects:
        raise ControlFailedError(
            f"{rejects} line(s) of the given files were rejected, and the simulation is without "
            "them"
        )


def _parse_vars(texts: tuple[str, ...]) -> dict[str, str]:
    values = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (name and equals and value):
            raise UsageError(f"--var takes NAME=VALUE, not {text!r}")
        values[name.strip()] = value
    return values


def _check_outputs(settings: Settings, form: str, output: Path | None, site: Path | None) -> None:
    """Raises UsageError for files that are wanted and have no place, or one among the books."""
    if (form == "table") != (output is None):
        raise UsageError(
            "--output needs a --format: csv, xlsx, parquet or json"
            if output is not None
            else f"--format {form} needs --output FILE"
        )
    if site is not None and (site.is_file() or (site.is_dir() and any(site.iterdir()))):
        raise UsageError(f"--site {site}: there is something already; name a new folder")
    for option, path in (("--output", output), ("--site", site)):
        for books in (
            settings.landing, settings.published, settings.catalogue, settings.warehouse_files,
        ):  # fmt: skip
            if path is not None and path.resolve().is_relative_to(books.resolve()):
                raise UsageError(f"{option} {path} lies among the books, in {books}: name another")
        if path is not None and path.resolve() == settings.warehouse.resolve():
            raise UsageError(f"{option} {path} is the warehouse: name another")
