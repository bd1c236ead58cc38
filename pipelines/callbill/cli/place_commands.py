"""init and config: the commands that make a place, and show its settings."""

from __future__ import annotations

from pathlib import Path

import click

from callbill.base.place import PLACE_FILE
from callbill.base.settings import load_settings
from callbill.cli.options import place_options


@click.command()
@click.argument("place", type=click.Path(path_type=Path), default=Path())
@click.option(
    "--deploy",
    is_flag=True,
    help="Also write deploy/: systemd units, alert rules, examples. A place may be there.",
)
def init(place: Path, deploy: bool) -> None:
    """Make a place: a folder with settings, catalogue and log shapes of your own.

    PLACE is a folder, new or not; without it the current one. Nothing that is there is changed.
    """
    from callbill.jobs.new_place import check_no_deploy, make_place, write_deploy

    folder = place.expanduser().absolute()
    if deploy:
        check_no_deploy(folder)
    if deploy and (folder / PLACE_FILE).exists():
        write_deploy(folder)
        click.echo(f"Wrote {folder / 'deploy'}: systemd units, alert rules and examples")
        return
    make_place(folder)
    if deploy:
        write_deploy(folder)
    click.echo(f"Made the place {folder}:")
    for name, about in (
        ("callbill.toml", "settings"),
        ("catalogue/", "products, components, actions, prices, names of accounts"),
        ("shapes/", "log shapes of your own"),
        ("landing/", "put the files to read here"),
        ("published/", "the bills"),
        *([("deploy/", "systemd units, alert rules and examples")] if deploy else []),
    ):
        click.echo(f"  {name:<14} {about}")
    click.echo("Next: put logs into landing/call_logs/ and try `callbill run --dry-run` there.")


@click.command()
@place_options
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def config(as_json: bool, **places: str) -> None:
    """Show every setting, and where its value comes from."""
    from callbill.cli.show.config import show_config

    show_config(load_settings(**places), as_json=as_json)
