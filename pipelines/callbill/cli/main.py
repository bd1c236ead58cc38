"""The entry: groups the commands, shows an error once, and exits."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from itertools import chain
from typing import Any, NoReturn

import click

from callbill import __version__
from callbill.base.errors import CallbillError, ControlFailedError, UsageError
from callbill.base.hidden import hide
from callbill.base.progress import Reporter
from callbill.base.stopping import (
    end_abruptly,
    exit_quickly,
    install_signal_handlers,
    on_abrupt_end,
    stop_requested,
)
from callbill.cli.bill_commands import arrears, bill, explain, export
from callbill.cli.check_commands import reconcile, verify
from callbill.cli.correction_commands import quarantine, retry
from callbill.cli.errors import STOPPED, sentence_and_exit_code
from callbill.cli.file_commands import fetch, shapes, try_
from callbill.cli.history_commands import diff, open_, rejects, runs, status
from callbill.cli.job_commands import archive, drill, rebuild, run, seal
from callbill.cli.place_commands import config, init
from callbill.cli.simulation_commands import simulate

# The commands as `callbill --help` groups them.
_GROUPS: dict[str, tuple[click.Command, ...]] = {
    "Run": (init, config, fetch, run, seal, archive),
    "Look": (status, bill, arrears, export, explain, simulate, runs, rejects, diff, open_),
    "Check": (shapes, try_, verify, reconcile, drill),
    "Mend": (quarantine, retry, rebuild),
}


class _Commands(click.Group):
    def invoke(self, ctx: click.Context) -> Any:
        """Click would answer a KeyboardInterrupt with an empty line, in JSON logs too."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise CallbillError(STOPPED) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """In groups, each command with its whole sentence."""
        for name, commands in _GROUPS.items():
            with formatter.section(name):
                formatter.write_dl(
                    [(str(c.name), c.get_short_help_str(limit=1000)) for c in commands]
                )


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="callbill")
def cli() -> None:
    """Turns raw API call logs into bills that are right to the last digit."""


for _command in chain.from_iterable(_GROUPS.values()):
    cli.add_command(_command)


def main() -> NoReturn:
    """Run the command. Every error that is understood is one sentence and an exit code."""
    os.umask(os.umask(0o022) | 0o022)  # nothing that is written is writable for everybody
    # DuckDB asks of every bound value whether it is one of pandas', and imports pandas to find out.
    # Code that needs pandas makes it importable again.
    hide("pandas")
    reporter = Reporter(json_logs="--json-logs" in sys.argv)
    install_signal_handlers()
    with on_abrupt_end(lambda: _show_end(reporter, STOPPED, CallbillError.exit_code)):
        try:
            cli.main(standalone_mode=False, obj=reporter)
            sys.stdout.flush()
            exit_code = 0
        except click.ClickException as error:
            exit_code = UsageError.exit_code
            if reporter.json_logs:
                _show_end(reporter, error.format_message(), exit_code)
            else:
                error.show()
        except BaseException as error:
            if stop_requested():
                end_abruptly()
            sentence, exit_code = sentence_and_exit_code(error)
            _show_end(reporter, sentence, exit_code)
        exit_quickly(exit_code)


def _show_end(reporter: Reporter, sentence: str, exit_code: int) -> None:
    """Show why a command ends without success, if anybody can read it."""
    if reporter.json_logs:
        outcome = "control_failed" if exit_code == ControlFailedError.exit_code else "failed"
        reporter.log("end", exit_code=exit_code, outcome=outcome, message=sentence)
    elif sentence:
        with suppress(OSError, ValueError, AttributeError):
            click.echo(f"callbill: {sentence}", err=True)
