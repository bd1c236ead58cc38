"""What was archived, what stands for it, and what was left where it is."""

from __future__ import annotations

from pathlib import Path

from callbill.base.text import printable
from callbill.cli.show.console import open_console
from callbill.jobs.archive import Archived

_MOST_LEFT = 20


def show_archived(archived: Archived, to: Path | None) -> None:
    console = open_console()
    checkpoint = archived.checkpoint
    console.print(f"Named as archived: {len(archived.named)} files, {_size(archived)}.")
    if to is None:
        console.print("They lie where they were, and may be moved or removed now.")
    else:
        console.print(f"Moved: {len(archived.moved)} files to {to.absolute()}", soft_wrap=True)
    console.print("What was read of them is kept in the checkpoint")
    console.print(f"  {checkpoint.folder}", soft_wrap=True)
    console.print(
        f"A backup needs it. A warehouse that is made from it has the dates through"
        f" {checkpoint.through} as they were sealed.",
        soft_wrap=True,
    )
    for name, why in archived.left[:_MOST_LEFT]:
        console.print(f"Left: {printable(name)} {why}", soft_wrap=True)
    if len(archived.left) > _MOST_LEFT:
        console.print(f"  and {len(archived.left) - _MOST_LEFT} more")


def _size(archived: Archived) -> str:
    size = sum(file.size_bytes for file in archived.named)
    for unit in ("bytes", "kB", "MB"):
        if size < 10_000:
            return f"{size} {unit}"
        size //= 1000
    return f"{size} GB"
