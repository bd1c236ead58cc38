"""What was rejected, by file and line."""

from __future__ import annotations

import json

from rich.console import Console
from rich.text import Text

from callbill.base.settings import Settings
from callbill.base.text import printable
from callbill.cli.show.console import open_console, table_of
from callbill.ingest.shape_files import declarations_of, load_shapes
from callbill.queries.rejects import Reject, Rejects, read_rejected_line


def show_rejects(rejects: Rejects) -> None:
    """Each reject with its reason and what is kept of it."""
    console = open_console()
    if rejects.rejects:
        console.print(
            table_of(
                "Rejected",
                ["file", "#line", "reason", "what is kept"],
                [
                    (reject.path, reject.line_number, reject.reason, _what_is_kept(reject))
                    for reject in rejects.rejects
                ],
            )
        )
    _show_how_many(console, rejects)


def show_rejected_lines(rejects: Rejects, settings: Settings) -> None:
    """Each reject with its line, as it is in its file."""
    console = open_console()
    shapes = declarations_of(load_shapes(settings.shapes))
    for reject in rejects.rejects:
        console.print(
            Text(
                f"{printable(reject.path)}:{reject.line_number or ''} {reject.reason}"
                f" {reject.detail or ''}"
            )
        )
        if reject.line_number:
            line = read_rejected_line(settings, reject, reject.line_number, shapes)
            console.print(Text("  " + printable(line)))
    _show_how_many(console, rejects)


def _show_how_many(console: Console, rejects: Rejects) -> None:
    shown = len(rejects.rejects)
    if not shown:
        console.print(
            "Nothing that was rejected matches."
            if rejects.is_selection
            else "Nothing was rejected."
        )
    elif rejects.total > shown:
        console.print(f"{rejects.total - shown} more; see --limit, --file and --reason.")


def _what_is_kept(reject: Reject) -> str:
    if reject.detail:
        return reject.detail
    if reject.fields is not None:
        fields = json.loads(reject.fields)
        kept = " ".join(f"{name}={value}" for name, value in fields.items() if value is not None)
        if kept:
            return kept
    return "" if reject.line_length is None else f"{reject.line_length} bytes"
