"""Options that several commands take."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import date, datetime
from typing import Any

import click

from callbill.base.catalogue import check_catalogue
from callbill.base.settings import Settings, load_settings
from callbill.ingest.shape_files import load_shapes

Decorator = Callable[[Any], Any]

_PLACES: tuple[Decorator, ...] = (
    click.option(
        "--place",
        metavar="P",
        help="The place to work in  [CALLBILL_PLACE, the one the current folder is in]",
    ),
    click.option("--landing", metavar="P", help="Landing folder  [CALLBILL_LANDING]"),
    click.option("--warehouse", metavar="P", help="Warehouse file  [CALLBILL_WAREHOUSE]"),
    click.option("--published", metavar="P", help="Published folder  [CALLBILL_PUBLISHED]"),
)


class _Day(click.ParamType[date]):
    """A date in one form; `what` says what is expected, with an example."""

    name = "date"

    def __init__(self, form: str, what: str) -> None:
        self.form = form
        self.what = what

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        if isinstance(value, date):
            return value
        try:
            day = datetime.strptime(value, self.form).date()  # noqa: DTZ007  a date has no zone
        except ValueError:
            day = None
        # 2026-1 is 2026-01 to Python, and may be a 2026-10 that was cut short.
        if day is None or value != day.isoformat()[: len(value)]:
            self.fail(f"{value!r} is not {self.what}.", param, ctx)
        return day


def place_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The places, which every command takes. A command passes them on to `checked_settings`."""
    for option in reversed(_PLACES):
        command = option(command)
    return command


candidate_option = click.option(
    "--candidate",
    metavar="RUN",
    help="Read this candidate, by its run id or the first digits of it, and not what is sealed.",
)


def checked_settings(*, candidate: str | None = None, **options: Any) -> Settings:
    """The settings that a command starts with. With `candidate` it reads that one.

    Raises UsageError if one of them, a row of the catalogue, or a log shape of the place is not
    valid.
    """
    settings = load_settings(**options)
    check_catalogue(settings.catalogue)
    load_shapes(settings.shapes)
    # For whoever reads a store, in processes of workers too.
    os.environ["CALLBILL_STORE_TIMEOUT"] = str(settings.store_timeout)
    if candidate is not None:
        # Nobody should take a figure of it for what is billed. Output for programs stays as it is.
        click.echo(f"callbill: what follows is of candidate {candidate}, not sealed yet", err=True)
    return settings.reading(candidate)


def owner_option(*, help: str, required: bool = False) -> Decorator:  # noqa: A002  as click has it
    return click.option(
        "--owner", metavar="UIN", required=required, callback=_checked_text, help=help
    )


def month_option(
    name: str = "--month",
    *,
    help: str,  # noqa: A002  as click has it
    required: bool = False,
) -> Decorator:
    """A bill month; the command gets its 1st."""
    return click.option(
        name,
        required=required,
        type=_Day("%Y-%m", "a month, such as 2026-08"),
        metavar="YYYY-MM",
        help=help,
    )


def date_option(name: str, *, help: str, required: bool = False) -> Decorator:  # noqa: A002
    return click.option(
        name,
        required=required,
        type=_Day("%Y-%m-%d", "a date, such as 2026-08-31"),
        metavar="YYYY-MM-DD",
        help=help,
    )


workers_option = click.option(
    "--workers",
    metavar="WHERE",
    help="Where tasks run: so many processes, spark://…, sc://… or dask://…"
    "  [CALLBILL_WORKERS, this process]",
)
json_logs_option = click.option(
    "--json-logs", is_flag=True, help="Log as JSON lines, for schedulers."
)


def limit_option(default: int, *, help: str | None = None) -> Decorator:  # noqa: A002
    return click.option(
        "--limit", type=click.IntRange(1), default=default, show_default=True, help=help
    )


def _checked_text(
    _context: click.Context, _option: click.Parameter, text: str | None
) -> str | None:
    """A text that can be written as UTF-8. A shell may pass other bytes."""
    try:
        (text or "").encode()
    except UnicodeEncodeError as error:
        raise click.BadParameter("not valid UTF-8") from error
    return text
