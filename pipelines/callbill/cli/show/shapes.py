"""Log shapes, and files as they would be read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from callbill.cli.show.console import open_console, table_of
from callbill.ingest.feed import attribute_field
from callbill.ingest.shapes import Shape
from callbill.queries.try_file import Trial


def show_shapes(shapes: Mapping[str, Shape]) -> None:
    """Each shape with what it is for, and where it has each field."""
    console = open_console()
    console.print(
        table_of(
            "Log shapes (format=NAME)",
            ["shape", "declared by", "for"],
            [
                [name, "this place" if shape.declaration else "callbill", shape.describes]
                for name, shape in shapes.items()
            ],
        )
    )
    rows = []
    for name, shape in shapes.items():
        labels = {attribute_field(one): f"{one} (attribute)" for one in shape.attributes}
        for field in shape.feed.fields:
            where = list(shape.fields.get(field, ()))
            if field in shape.constants:
                where.append(
                    f"always {shape.constants[field]}"
                    if not where
                    else "otherwise " + shape.constants[field]
                )
            if where:
                rows.append([name, labels.get(field, field), ", ".join(where)])
    console.print(table_of("What each maps", ["shape", "field", "from"], rows))


def show_trials(trials: Sequence[Trial]) -> None:
    """What each file would be read as."""
    console = open_console()
    for trial in trials:
        if trial.unreadable is not None:
            console.print(f"{trial.name}: {trial.unreadable}")
            continue
        shape = f" as {trial.shape}" if trial.shape else ""
        guess = " (a guess: name it with --format)" if trial.is_guess else ""
        console.print(
            f"{trial.name}{shape}{guess}: {trial.accepted} records accepted,"
            f" {trial.rejected} rejected"
            + (f", {trial.never_reached} of them never_reached" if trial.never_reached else "")
        )
        if trial.others and trial.accepted:
            console.print(f"As many are read as {', '.join(trial.others)}.")
        if trial.records:
            console.print(table_of("First records", trial.columns, trial.records))
        if trial.rejects:
            rows = [(line, reason, _kept(kept)) for line, reason, kept in trial.rejects]
            console.print(table_of("First rejects", ["#line", "reason", "what it has"], rows))
        for hint in trial.hints:
            console.print(f"{hint} See docs/shapes.md.", soft_wrap=True)


def _kept(kept: str | None) -> str:
    """What is kept of a reject, without fields that it has no value for."""
    try:
        fields = json.loads(kept or "{}")
    except ValueError:
        return kept or ""
    return " ".join(f"{name}={value}" for name, value in fields.items() if value is not None)
