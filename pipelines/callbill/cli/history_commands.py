"""status, runs, rejects, diff and open: the commands that show what was done."""

from __future__ import annotations

import click

from callbill.base.errors import ControlFailedError
from callbill.base.settings import load_settings
from callbill.cli.options import candidate_option, checked_settings, limit_option, place_options


@click.command()
@place_options
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def status(as_json: bool, **places: str) -> None:
    """Show on one screen what is sealed, how the last run ended, what waits and what warns."""
    from callbill.cli.show.status import show_status
    from callbill.queries.status import load_status

    show_status(load_status(load_settings(**places)), as_json=as_json)


@click.command()
@place_options
@candidate_option
@limit_option(20)
def runs(limit: int, **places: str) -> None:
    """List the last runs and how they ended."""
    from callbill.cli.show.runs import show_runs
    from callbill.queries.runs import load_runs

    show_runs(load_runs(checked_settings(**places), limit=limit))


@click.command()
@place_options
@candidate_option
@click.option("--file", "path", metavar="PATH", help="Only of files whose path contains this.")
@click.option("--reason", metavar="CODE", help="Only with this reason.")
@click.option("--show", is_flag=True, help="Show the rejected lines as they are in their files.")
@limit_option(50)
def rejects(path: str | None, reason: str | None, show: bool, limit: int, **places: str) -> None:
    """List what was not accepted, with line numbers and reasons."""
    from callbill.cli.show.rejects import show_rejected_lines, show_rejects
    from callbill.queries.rejects import load_rejects

    settings = checked_settings(**places)
    rejected = load_rejects(settings, path=path, reason=reason, limit=limit)
    if show:
        show_rejected_lines(rejected, settings)
    else:
        show_rejects(rejected)


@click.command()
@place_options
@click.argument("release")
@click.argument("other_release")
def diff(release: str, other_release: str, **places: str) -> None:
    """Show what changed between two releases.

    Each is named by its run id (see `callbill runs`), the beginning of it, or `current`. Exit code
    1 if a date that was sealed is not what it was.
    """
    from callbill.cli.show.changes import show_changes
    from callbill.queries.changes import changes_between
    from callbill.release.store import published_by

    published = published_by(checked_settings(**places))
    changes = changes_between(published.find(release), published.find(other_release))
    show_changes(changes)
    if changes.changed_dates:
        raise ControlFailedError(
            f"{len(changes.changed_dates)} sealed settlement date(s) are not what they were"
        )


@click.command("open")
@place_options
@click.argument("release", default="current")
def open_(release: str, **places: str) -> None:
    """Show where the parts of a release lie, to open them with other programs.

    RELEASE is a run id, the beginning of it, or `current`. If releases are published to an object
    store it is fetched first.
    """
    from callbill.cli.show.release import show_release
    from callbill.release.store import published_by

    show_release(published_by(checked_settings(**places)).find(release))
