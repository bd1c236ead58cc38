"""Options that several commands take."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from typing import Any

import click

Decorator = Callable[[Any], Any]

_PLACES: tuple[Decorator, ...] = (
    click.option("--landing", metavar="P", help="Landing folder  [CALLBILL_LANDING, data/landing]"),
    click.option(
        "--warehouse",
        metavar="P",
        help="Warehouse file  [CALLBILL_WAREHOUSE, data/warehouse.duckdb]",
    ),
    click.option(
        "--published", metavar="P", help="Published folder  [CALLBILL_PUBLISHED, data/published]"
    ),
)


def place_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The places, which every command takes. A command passes them on to `load_settings`."""
    for option in reversed(_PLACES):
        command = option(command)
    return command


def owner_option(*, help: str, required: bool = False) -> Decorator:  # noqa: A002  as click has it
    return click.option(
        "--owner", metavar="UIN", required=required, callback=_checked_text, help=help
    )


def month_option(*, help: str, required: bool = False) -> Decorator:  # noqa: A002  as click has it
    """A bill month; the command gets its 1st."""
    return click.option(
        "--month",
        required=required,
        type=click.DateTime(["%Y-%m"]),
        callback=_as_date,
        help=help,
    )


def date_option(name: str, *, help: str) -> Decorator:  # noqa: A002  as click has it
    return click.option(name, type=click.DateTime(["%Y-%m-%d"]), callback=_as_date, help=help)


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


def _as_date(
    _context: click.Context, _option: click.Parameter, value: datetime | None
) -> date | None:
    return None if value is None else value.date()


def _checked_text(
    _context: click.Context, _option: click.Parameter, text: str | None
) -> str | None:
    """A text that can be written as UTF-8. A shell may pass other bytes."""
    try:
        (text or "").encode()
    except UnicodeEncodeError as error:
        raise click.BadParameter("not valid UTF-8") from error
    return text
