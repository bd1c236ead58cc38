"""Options that several commands take."""

from __future__ import annotations

from datetime import date

import click
import pytest
from callbill.cli.options import date_option, month_option, owner_option, place_options
from click.testing import CliRunner


def run(command: click.Command, *arguments: str) -> str:
    return CliRunner().invoke(command, arguments).output


def test_a_month_is_its_first_day() -> None:
    @click.command()
    @month_option(help="")
    def command(month: date | None) -> None:
        click.echo(repr(month))

    assert run(command, "--month", "2026-03") == "datetime.date(2026, 3, 1)\n"
    assert run(command) == "None\n"
    assert "'2026-13' is not a month, such as 2026-08" in run(command, "--month", "2026-13")
    assert "--month YYYY-MM" in run(command, "--help")
    # 2026-1 may be a 2026-10 that was cut short.
    for other in ("2026-1", "2026-9", "26-09", "202609", "２０２６-09", " 2026-09"):
        assert f"{other!r} is not a month" in run(command, "--month", other)


def test_a_date_is_a_date() -> None:
    @click.command()
    @date_option("--through", help="")
    def command(through: date | None) -> None:
        click.echo(repr(through))

    assert run(command, "--through", "2026-03-31") == "datetime.date(2026, 3, 31)\n"
    assert "is not a date, such as 2026-08-31" in run(command, "--through", "2026-02-30")
    for other in ("2026-3-1", "2026-03-1", "20260301", "2026-03-０1"):
        assert f"{other!r} is not a date" in run(command, "--through", other)


@pytest.mark.parametrize(("owner", "is_accepted"), [("100000000001", True), ("\udcff", False)])
def test_an_account_is_text_that_can_be_written(owner: str, is_accepted: bool) -> None:
    @click.command()
    @owner_option(help="")
    def command(owner: str) -> None:
        click.echo(f"owner {owner}")

    output = run(command, "--owner", owner)
    assert ("not valid UTF-8" in output) is not is_accepted


def test_places_are_left_to_the_settings_unless_they_are_given() -> None:
    @click.command()
    @place_options
    def command(**places: str | None) -> None:
        click.echo(sorted(places.items()))

    assert run(command, "--landing", "x") == (
        "[('landing', 'x'), ('place', None), ('published', None), ('warehouse', None)]\n"
    )
