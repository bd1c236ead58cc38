"""The `callbill` command."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

import click

from callbill import __version__
from callbill.base.errors import CallbillError, ControlFailedError, UsageError, VerificationError
from callbill.base.progress import Reporter
from callbill.base.settings import load_settings, published_place
from callbill.base.stopping import end_now, is_told, last_words, leave, listen
from callbill.base.text import printable

_PLACES: tuple[Callable[[Any], Any], ...] = (
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


def _as_text(_context: click.Context, _option: click.Parameter, said: str | None) -> str | None:
    try:
        (said or "").encode()
    except UnicodeEncodeError as error:
        raise click.BadParameter("not valid UTF-8") from error
    return said


def _places(command: Callable[..., Any]) -> Callable[..., Any]:
    """The places that every command takes."""
    for option in reversed(_PLACES):
        command = option(command)
    return command


def main() -> NoReturn:
    """Run the command; every error that is understood is one sentence and an exit code."""
    os.umask(os.umask(0o022) | 0o022)  # nothing is writable for everybody
    # DuckDB looks at every value that is bound whether it is one of pandas', and would import that
    # for it. Who needs pandas takes it back (callbill.quality).
    sys.modules.setdefault("pandas", None)  # type: ignore[arg-type]
    reporter = Reporter(json_logs="--json-logs" in sys.argv)
    listen()
    with last_words(lambda: _end(reporter, _STOPPED, CallbillError.exit_code)):
        try:
            cli.main(standalone_mode=False, obj=reporter)
            sys.stdout.flush()
            ended = 0
        except click.ClickException as error:
            ended = UsageError.exit_code
            if reporter.json_logs:
                _end(reporter, error.format_message(), ended)
            else:
                error.show()
        except BaseException as error:
            if is_told():
                end_now()
            said, ended = _said(error)
            _end(reporter, said, ended)
        leave(ended)


_STOPPED = "stopped; the last release stands, run it again"
# A file where a folder should be, a folder of somebody else's.
_NOT_OURS = (PermissionError, NotADirectoryError, IsADirectoryError, FileExistsError)


def _said(error: BaseException) -> tuple[str, int]:
    """The sentence and the exit code that an error stands for."""
    if isinstance(error, CallbillError):
        return str(error), error.exit_code
    if isinstance(error, SystemExit):  # nobody reads what is shown
        return "", CallbillError.exit_code
    from callbill.base.machine import fault_of_machine

    text = " ".join(str(error).split())[:500]
    if isinstance(error, _NOT_OURS) or "Permission denied" in text:
        return f"a place cannot be used: {text}", UsageError.exit_code
    sentence = fault_of_machine(error) or f"unexpected {type(error).__name__}: {text}"
    return sentence, CallbillError.exit_code


def _end(reporter: Reporter, said: str, exit_code: int) -> None:
    """A command's last words, where anybody can read them."""
    if reporter.json_logs:
        outcome = "control_failed" if exit_code == ControlFailedError.exit_code else "failed"
        reporter.log("end", exit_code=exit_code, outcome=outcome, message=said)
    elif said:
        with suppress(OSError, ValueError, AttributeError):
            click.echo(f"callbill: {said}", err=True)


class _Commands(click.Group):
    def invoke(self, ctx: click.Context) -> Any:
        """Click would answer a KeyboardInterrupt with an empty line, on logs of JSON too."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise CallbillError(_STOPPED) from None


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="callbill")
def cli() -> None:
    """Turns raw API call logs into bills that are right to the last digit."""


@cli.command()
@_places
@click.option(
    "--through",
    type=click.DateTime(["%Y-%m-%d"]),
    help="Settle every date up to this one  [CALLBILL_THROUGH, today in the billing timezone]",
)
@click.option("--vars", "overrides", metavar="YAML", help="Figure-changing vars  [CALLBILL_VARS]")
@click.option("--dry-run", is_flag=True, help="Do everything on a copy; publish and keep nothing.")
@click.option("--json-logs", is_flag=True, help="Log as JSON lines, for schedulers.")
@click.pass_obj
def run(
    reporter: Reporter,
    /,
    through: datetime | None,
    overrides: str | None,
    dry_run: bool,
    json_logs: bool,
    **places: str,
) -> None:
    """The job: ingest, build, check, publish.

    Safe to run again at any time. Exit codes: 0 published or nothing due, 1 a control failed, 2 bad
    usage or configuration, 3 another run holds the lock, 4 anything else.
    """
    from callbill.cli.show import show_failed_controls, show_run
    from callbill.jobs.run import leave_status_of_refusal, run_job
    from callbill.release.release import Published

    try:
        settings = load_settings(
            through=through.date() if through else None, vars=overrides, **places
        )
    except UsageError as error:
        leave_status_of_refusal(Published(published_place(**places)), error)
        raise
    try:
        summary = run_job(settings, reporter, dry_run=dry_run)
    except ControlFailedError as error:
        if not json_logs:
            _show(show_failed_controls, error)
        raise
    if json_logs:
        reporter.log("end", exit_code=0, **summary.log_fields())
    else:
        _show(show_run, settings, summary)


@cli.command()
@_places
@click.option(
    "--owner", required=True, metavar="UIN", callback=_as_text, help="The account that pays."
)
@click.option("--month", required=True, type=click.DateTime(["%Y-%m"]), help="Bill month, YYYY-MM.")
@click.option(
    "--known-on",
    type=click.DateTime(["%Y-%m-%d"]),
    help="As it stood on this date, after that day's settlement.",
)
@click.option("--ids", is_flag=True, help="With the lines' ids, for `callbill explain`.")
def bill(owner: str, month: datetime, known_on: datetime | None, ids: bool, **places: str) -> None:
    """Show an account's bill of a month."""
    from callbill.cli.show import show_bill

    show_bill(
        load_settings(**places),
        owner,
        month.date(),
        known_on.date() if known_on else None,
        ids=ids,
    )


@cli.command()
@_places
@click.option("--month", required=True, type=click.DateTime(["%Y-%m"]), help="Bill month, YYYY-MM.")
@click.option(
    "--format",
    "format_",
    type=click.Choice(["csv", "xlsx", "parquet"]),
    default="csv",
    show_default=True,
)
@click.option("--owner", metavar="UIN", callback=_as_text, help="Only of this account.")
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
    month: datetime, format_: str, owner: str | None, layout: str, output: Path, **places: str
) -> None:
    """Write a month's bills to files for others: finance, FinOps tools, the other side.

    What was written is listed, a file a line.
    """
    from callbill.queries.export import export_month

    written = export_month(
        load_settings(**places), month.date(), format_, owner=owner, layout=layout, folder=output
    )
    for one in written:
        click.echo(f"{one.path} ({one.rows} rows)")


@cli.command()
@_places
@click.option("--month", type=click.DateTime(["%Y-%m"]), help="Only the bill month YYYY-MM.")
@click.option("--owner", metavar="UIN", callback=_as_text, help="Only of this account.")
def reconcile(month: datetime | None, owner: str | None, **places: str) -> None:
    """Hold the vendor's own bills against ours: what differs, and why.

    The vendor's bills come in by the feed vendor_bills. Exit code 1 if something is unexplained.
    """
    from callbill.cli.show import show_reconciliation
    from callbill.queries.reconcile import reconcile as compare

    found = compare(load_settings(**places), month.date() if month else None, owner)
    show_reconciliation(found)
    if found.unexplained:
        raise ControlFailedError(f"{found.unexplained} difference(s) are unexplained")
    if found.rejected:
        raise ControlFailedError(
            f"{found.rejected} line(s) of the vendor's bills could not be read: "
            "callbill rejects --file vendor_bills shows them, callbill quarantine withdraws a file"
        )


@cli.command()
@_places
@click.option("--file", "path", metavar="PATH", help="Only of files whose path contains this.")
@click.option("--reason", metavar="CODE", help="Only with this reason.")
@click.option("--show", is_flag=True, help="Show the rejected lines as they are in their files.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True)
def rejects(path: str | None, reason: str | None, show: bool, limit: int, **places: str) -> None:
    """List what was not accepted, with line numbers and reasons."""
    from callbill.cli.show import show_rejects

    show_rejects(load_settings(**places), path=path, reason=reason, lines=show, limit=limit)


@cli.command()
@_places
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True)
def runs(limit: int, **places: str) -> None:
    """List the last runs and how they ended."""
    from callbill.cli.show import show_runs

    show_runs(load_settings(**places), limit=limit)


@cli.command()
@_places
def arrears(**places: str) -> None:
    """List the accounts that owe money: since when, how much, and when service stops or did."""
    from callbill.cli.show import show_arrears

    show_arrears(load_settings(**places))


@cli.command()
@_places
@click.argument("line_id", required=False)
@click.option("--request-id", metavar="ID", help="A call instead of a line.")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="Of calls.")
@click.option("--json", "as_json", is_flag=True, help="All there is, as JSON.")
def explain(
    line_id: str | None, request_id: str | None, limit: int, as_json: bool, **places: str
) -> None:
    """Show why a bill line is what it is, or where a call went.

    LINE_ID: its price, the contract and its file, its calls, their records and files. With
    --request-id: the lines that the call is in, or why it is in none.
    """
    from callbill.cli.show_why import show_explained_line, show_explained_request
    from callbill.queries.explain import as_text, explain_line, explain_request

    if (line_id is None) == (request_id is None):
        raise UsageError("give either a LINE_ID or --request-id ID")
    settings = load_settings(**places)
    if line_id is not None:
        facts = explain_line(settings, line_id, limit=None if as_json else limit)
    else:
        facts = explain_request(settings, str(request_id))
    if as_json:
        click.echo(json.dumps(facts, indent=1, default=as_text, ensure_ascii=False))
    elif line_id is not None:
        show_explained_line(facts)
    else:
        show_explained_request(facts)


@cli.command()
@_places
@click.argument("release")
@click.argument("other_release")
def diff(release: str, other_release: str, **places: str) -> None:
    """Show what changed between two releases.

    Each is named by its run id (see `callbill runs`), the beginning of it, or `current`. Exit code
    1 if a date that was sealed is not what it was.
    """
    from callbill.cli.show_why import show_changes
    from callbill.queries.changes import changes_between
    from callbill.release.release import Published

    published = Published(load_settings(**places).published)
    changes = changes_between(published.find(release), published.find(other_release))
    show_changes(changes)
    if changes.changed_dates:
        raise ControlFailedError(
            f"{len(changes.changed_dates)} sealed settlement date(s) are not what they were"
        )


@cli.command()
@_places
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

    done = withdraw(load_settings(**places), file_id, reason)
    what = "record(s)" if done.whole else "line(s) that were read again, and are rejected as before"
    click.echo(
        f"Withdrawn: {printable(done.file.path)}: {done.records} {what}. Now run `callbill run`."
    )


@cli.command()
@_places
@click.argument("file_id")
def retry(file_id: str, **places: str) -> None:
    """Read a file's rejected lines again, under today's rules.

    FILE_ID is the file's SHA-256, the first digits of it, or its path in the landing folder. Lines
    that are accepted now count from the first date that is not sealed.
    """
    from callbill.jobs.corrections import retry as read_again

    done = read_again(load_settings(**places), file_id)
    click.echo(
        f"{printable(done.file.path)}: of {done.accepted + done.rejected} line(s) read again "
        f"{done.accepted} are accepted, to be settled from {done.settlement_floor} on; "
        f"{done.rejected} stay rejected."
        + (
            " Now run `callbill run`."
            if done.accepted
            else " If it lay in the wrong folder, send it there with other bytes (compressed, for"
            " instance): the same bytes are known."
        )
    )


@cli.command()
@_places
@click.option("--json-logs", is_flag=True, help="Log as JSON lines, for schedulers.")
@click.pass_obj
def rebuild(reporter: Reporter, /, json_logs: bool, **places: str) -> None:
    """Make a lost or damaged warehouse anew.

    From the landing folder and the current release: the same figures come out, or it stops and
    shows the rows that differ. The old warehouse is kept beside the new one. Exit codes as of
    `run`.
    """
    from callbill.cli.show import show_failed_controls, show_rebuild
    from callbill.jobs.rebuild import rebuild_job

    settings = load_settings(**places)
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


def _show(show: Callable[..., None], *what: object) -> None:
    """Show what a job came to. That nobody can read it does not undo it."""
    try:
        show(*what)
        sys.stdout.flush()
    except (OSError, SystemExit):
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


@cli.command()
@_places
@click.option("--month", type=click.DateTime(["%Y-%m"]), help="Only the bill month YYYY-MM.")
def verify(month: datetime | None, **places: str) -> None:
    """Compute the published bill a second time, by another road, and compare.

    From the landing files, without the warehouse and without its SQL. Exit codes: 0 the same to the
    last digit, 1 something differs, 2 a file that the release was made from is no longer there.
    """
    from callbill.cli.show import show_differences, show_verification
    from callbill.verify import verify_job

    settings, of = load_settings(**places), month.date() if month else None
    try:
        verification = verify_job(settings, of)
    except VerificationError as error:
        show_differences(error)
        raise
    show_verification(verification, of)
