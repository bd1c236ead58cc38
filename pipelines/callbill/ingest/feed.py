"""The feeds: what may lie in the landing folder, each described by a folder of `feeds/`.

feeds/<feed>/feed.yml     its fields and how it is read; keys as of `Feed`
feeds/<feed>/judge.sql    types the texts of a line, and says why one cannot be accepted
feeds/<feed>/table.sql    the table `raw.<feed>` that keeps what is accepted
feeds/<feed>/shape.yml    where a line has each field, if it is not under the field's own name
feeds/call_logs/shapes/   the same for call logs, which come in several shapes
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import yaml

FEEDS = Path(__file__).parent / "feeds"

# text: its text counts as it is. exact: a number of which no digit may be lost. time, number: texts
# with a form, which the feed's judge.sql knows.
FieldKind = Literal["text", "exact", "time", "number"]


@dataclass(frozen=True)
class Feed:
    """What is declared of a feed."""

    name: str
    # In the order in which their faults are looked for.
    fields: dict[str, FieldKind]
    # Records that are many are kept as Parquet, a folder per settlement floor.
    kept_as: Literal["table", "parquet"]
    # Clean files are read whole, at the engine's speed.
    read_whole: bool = False
    reads_documents: bool = False
    has_pages: bool = False
    # Texts that mean that there is none.
    empty_texts: tuple[str, ...] = ("",)
    drops_rows_without_value: bool = False

    @property
    def folder(self) -> Path:
        return FEEDS / self.name

    @property
    def text_fields(self) -> list[str]:
        return [name for name, kind in self.fields.items() if kind == "text"]

    @property
    def exact_fields(self) -> list[str]:
        return [name for name, kind in self.fields.items() if kind == "exact"]


@cache
def feeds() -> dict[str, Feed]:
    """All feeds by name."""
    return {path.parent.name: _load(path) for path in sorted(FEEDS.glob("*/feed.yml"))}


def raw_tables() -> str:
    """SQL for the tables that keep what is accepted of each feed."""
    return "\n".join(
        (feed.folder / "table.sql").read_text(encoding="utf-8") for feed in feeds().values()
    )


def _load(path: Path) -> Feed:
    declared = yaml.safe_load(path.read_text(encoding="utf-8"))
    declared["empty_texts"] = tuple(declared.get("empty_texts", ("",)))
    return Feed(name=path.parent.name, **declared)
