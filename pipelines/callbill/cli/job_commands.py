"""run, seal, archive, rebuild and drill: the commands that settle dates, and keep them."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import date
from pathlib import Path

import click

from callbill.base.errors import ControlFailedError, UsageError
from callbill.base.place import PLACE_FILE
from callbill.base.progress import Reporter
from callbill.base.settings import load_settings, published_folder
from callbill.cli.options import (
    checked_settings,
    date_option,
    json_logs_option,
    place_options,
    workers_option,
)


@click.command()
@place_options
@date_option(
    "--through",
    help="Settle every date up to this one  [CALLBILL_THROUGH, today in the billing timezone]",
)
@click.option("--vars", "overrides", metavar="YAML", help="Figure-changing vars  [CALLBILL_VARS]")
@click.option(
    "--archived",
    is_flag=True,
    default=None,
    help="Earlier files were moved out of the landing folder on purpose  [CALLBILL_ARCHIVED]",
)
@workers_option
@click.option("--dry-run", is_flag=True, help="Do everything on a copy; publish and keep nothing.")
@click.option(
    "--candidate",
    is_flag=True,
    help="Do everything on a copy, and publish all but the seal, for `callbill seal`.",
)
@json_logs_option
@click.pass_obj
def run(
    reporter: Reporter,
    /,
    through: date | None,
    overrides: str | None,
    archived: bool | None,
    workers: str | None,
    dry_run: bool,
    candidate: bool,
    json_logs: bool,
    **places: str,
) -> None:
    """The job: ingest, build, check, publish.

    Safe to run again at any time. Exit codes: 0 published or nothing due, 1 a control failed, 2 bad
    usage or configuration, 3 another run holds the lock, 4 anything else.
    """
    from callbill.cli.show.controls import show_failed_controls
    from callbill.cli.show.run import show_run
    from callbill.jobs.run import report_refusal, run_job
    from callbill.release.release import Published

    if dry_run and candidate:
        raise UsageError("take either --dry-run or --candidate")
    try:
        settings = checked_settings(
            through=through, vars=overrides, archived=archived, workers=workers, **places
        )
    except UsageError as error:
        published = published_folder(**places)
        if published is not None and not dry_run:
            settings_of_notices = None
            with suppress(UsageError):  # of the place and its callbill.toml alone
                settings_of_notices = load_settings(**places)
            report_refusal(Published(published), error, settings_of_notices, reporter)
        raise
    try:
        summary = run_job(settings, reporter, dry_run=dry_run, candidate=candidate)
    except ControlFailedError as error:
        if not json_logs:
            _show(show_failed_controls, error)
        raise
    if json_logs:
        reporter.log("end", exit_code=0, **summary.log_fields())
    else:
        _show(show_run, settings, summary)


@click.command()
@place_options
@click.argument("run_id", metavar="RUN")
@click.option("--older", is_flag=True, help="Seal it although a newer candidate waits.")
def seal(run_id: str, older: bool, **places: str) -> None:
    """Seal a candidate, if what it was made of is unchanged.

    RUN is its run id or the first digits of it. Files that landed since do not matter: they are
    settled later. The other candidates count no longer, and are removed. What its run left out and
    warned of is said again.
    """
    from callbill.cli.show.run import show_sealed
    from callbill.jobs.candidates import seal_candidate

    _show(show_sealed, seal_candidate(checked_settings(**places), run_id, older=older))


@click.command()
@place_options
@workers_option
@json_logs_option
@click.pass_obj
def rebuild(reporter: Reporter, /, workers: str | None, json_logs: bool, **places: str) -> None:
    """Make a lost or damaged warehouse anew.

    From the landing folder and the current release: the same figures come out, or it stops and
    shows the rows that differ. The old warehouse is kept beside the new one. Exit codes as of
    `run`.
    """
    from callbill.cli.show.controls import show_failed_controls
    from callbill.cli.show.run import show_rebuild
    from callbill.jobs.rebuild import rebuild_job

    settings = checked_settings(workers=workers, **places)
    try:
        summary, replaced = rebuild_job(settings, reporter)
    except ControlFailedError as error:
        if not json_logs:
            _show(show_failed_controls, error)
        raise
    if json_logs:
        reporter.log("end", exit_code=0, **summary.log_fields())
    else:
        _show(show_rebuild, summary, replaced)


@click.command()
@place_options
@date_option("--before", required=True, help="Call logs that arrived before this date.")
@click.option(
    "--to",
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    help="Move the files into this folder. Without it they are only named as archived.",
)
@json_logs_option
@click.pass_obj
def archive(
    reporter: Reporter, /, before: date, to: Path | None, json_logs: bool, **places: str
) -> None:
    """Archive call logs of sealed dates.

    What was read of them is kept in a checkpoint, in the published folder. Then they may be away:
    runs know them, and a lost warehouse is made from the checkpoint. Other feeds stay where they
    are.
    """
    from callbill.cli.show.archive import show_archived
    from callbill.jobs.archive import archive_job

    archived = archive_job(checked_settings(**places), before, to, reporter)
    if json_logs:
        reporter.log(
            "end",
            exit_code=0,
            checkpoint=archived.checkpoint.through,
            named=len(archived.named),
            moved=len(archived.moved),
            left=len(archived.left),
        )
    else:
        _show(show_archived, archived, to)


@click.command()
@click.argument("backup", metavar="BACKUP")
@json_logs_option
@click.pass_obj
def drill(reporter: Reporter, /, backup: str, json_logs: bool) -> None:
    """Try a restore: make a warehouse from a backup, verify it, and throw it away.

    BACKUP is a copy of a place: its callbill.toml, catalogue, landing and published. Nothing is
    written into it. The same figures come out, or it says what differs or is missing. Exit codes as
    of `run`.
    """
    from callbill.cli.show.verification import show_drill
    from callbill.jobs.drill import restored
    from callbill.verify import verify_job

    if not (Path(backup) / PLACE_FILE).is_file():
        raise UsageError(
            f"{backup} is no copy of a place: it has no {PLACE_FILE}. A backup has all of a place "
            "but the warehouse"
        )
    with restored(checked_settings(place=backup), reporter) as (settings, summary):
        verification = verify_job(settings)
    if json_logs:
        reporter.log("end", exit_code=0, **summary.log_fields())
    else:
        show_drill(summary, verification)


def _show(show: Callable[..., None], *outcome: object) -> None:
    """Show what a job came to. If nobody can read it, the job is done all the same."""
    try:
        show(*outcome)
        sys.stdout.flush()
    except (OSError, SystemExit):
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
