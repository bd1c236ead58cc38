"""shapes, try and fetch: the commands about files before a run reads them."""

from __future__ import annotations

from pathlib import Path

import click

from callbill.base.errors import ControlFailedError
from callbill.base.settings import load_settings
from callbill.base.text import printable
from callbill.cli.options import limit_option, place_options


@click.command()
@place_options
def shapes(**places: str) -> None:
    """List the log shapes, of callbill and of this place, with what each maps."""
    from callbill.cli.show.shapes import show_shapes
    from callbill.queries.try_file import all_shapes

    show_shapes(all_shapes(load_settings(**places)))


@click.command("try")
@place_options
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--format", "shape", metavar="NAME", help="The log shape; guessed if not given.")
@click.option(
    "--feed",
    metavar="FEED",
    help="The feed that the file is for  [the one whose folder it lies in, call_logs]",
)
@limit_option(5, help="How many records and rejects are shown.")
def try_(file: Path, shape: str | None, feed: str | None, limit: int, **places: str) -> None:
    """Read FILE as a run would, and keep nothing: its first records, and what is rejected and why.

    Exit code 1 if not a single record of a file can be read.
    """
    from callbill.cli.show.shapes import show_trials
    from callbill.queries.try_file import try_file

    trials = try_file(load_settings(**places), file, feed=feed, shape=shape, limit=limit)
    show_trials(trials)
    unread = [trial.name for trial in trials if not trial.accepted]
    if unread:
        raise ControlFailedError(f"no record of {', '.join(unread)} can be read")


@click.command()
@place_options
@click.argument("source", type=click.Path(path_type=Path))
@click.option(
    "--into",
    default="",
    metavar="FOLDER",
    help="The folder of the landing folder, such as call_logs/format=cloudaudit.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be fetched.")
def fetch(source: Path, into: str, dry_run: bool, **places: str) -> None:
    """Bring new objects from SOURCE, a place in a store, into the landing folder.

    SOURCE is s3://bucket or s3://bucket/prefix. An object is fetched once, and again if it has
    changed; it appears whole or not at all. Exit code 1 if one changed while it was fetched.
    """
    from callbill.jobs.fetching import fetch_new

    settings = load_settings(**places)
    fetched = fetch_new(source, settings.landing, into, dry_run=dry_run)
    would = "Would fetch" if dry_run else "Fetched"
    click.echo(
        f"{would} {len(fetched.new)} new object(s) and {len(fetched.changed)} that have changed,"
        f" {fetched.bytes} bytes; {fetched.known} were fetched before."
    )
    for name in [*fetched.new, *fetched.changed] if dry_run else []:
        click.echo(f"  {printable(name)}")
    for name, why in fetched.left:
        click.echo(f"Left: {printable(name)}: {why}")
    if any("changed" in why for _name, why in fetched.left):
        raise ControlFailedError("objects changed while they were fetched: fetch again")
