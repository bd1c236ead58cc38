"""The feeds: the kinds of input that may lie in the landing folder, one folder of `feeds/` each.

feeds/<feed>/feed.yml     its fields and how it is read, with the keys of `Feed`
feeds/<feed>/judge.sql    turns the texts of a record into typed values, and finds its faults
feeds/<feed>/table.sql    the table `raw.<feed>` of accepted records
feeds/<feed>/shape.yml    where a line has each field, if not under the field's own name
feeds/call_logs/shapes/   the same for call logs, which come in several shapes

A new feed is a new folder.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Literal

from callbill.base.yaml_files import read_yaml

FEEDS = Path(__file__).parent / "feeds"

# text: any text. exact: a number that must not lose a digit. time, number: a text whose form the
# feed's judge.sql checks.
FieldKind = Literal["text", "exact", "time", "number"]
# What feeds/identifiers.sql tells apart.
IdentifierKind = Literal["request", "number", "code"]


@dataclass(frozen=True)
class Feed:
    """The declaration of a feed."""

    name: str
    # In the order in which judge.sql looks for faults.
    fields: dict[str, FieldKind]
    # The fields that identify something, which are taken without what was left around them.
    identifiers: dict[str, IdentifierKind]
    # The fields that a header must have; of a tuple at least one.
    required: tuple[tuple[str, ...], ...]
    # A feed with many records is kept as Parquet, one folder per settlement floor.
    kept_as: Literal["table", "parquet"]
    # The identifiers that are absent if what is there can be none. Of others the line is rejected.
    absent_if_invalid: tuple[str, ...] = ()
    # Whether DuckDB reads clean files in one statement, which is much faster than by line.
    read_whole: bool = False
    # Whether a file may be a workbook (.xlsx).
    reads_workbooks: bool = False
    # Whether text that is not UTF-8 may be GB18030, as Chinese systems write it.
    reads_gb18030: bool = False
    # Whether a line can hold several records, which pages.sql unpacks.
    has_pages: bool = False
    # Texts that mean "no value".
    empty_texts: tuple[str, ...] = ("",)
    # Whether a CSV row without any value is a blank line.
    drops_rows_without_value: bool = False
    # Whether what was delivered last counts. A delivery is then known by its stated arrival date
    # too: the same content with a later one is a new delivery.
    latest_counts: bool = False

    @property
    def folder(self) -> Path:
        return FEEDS / self.name

    @property
    def table(self) -> str:
        """The table of accepted records as they were loaded, if the feed is kept as a table."""
        return f"raw.{self.name}_loaded" if self.latest_counts else f"raw.{self.name}"

    def with_attributes(self, names: Iterable[str]) -> Feed:
        """The feed with a field for each of these attributes, which are cleaned like codes."""
        fields = [attribute_field(name) for name in names]
        return replace(
            self,
            fields=self.fields | dict.fromkeys(fields, "text"),
            identifiers=self.identifiers | dict.fromkeys(fields, "code"),
        )

    @property
    def text_fields(self) -> list[str]:
        return [name for name, kind in self.fields.items() if kind == "text"]

    @property
    def exact_fields(self) -> list[str]:
        return [name for name, kind in self.fields.items() if kind == "exact"]


def attribute_field(name: str) -> str:
    """The field that a reader puts the value of an attribute into."""
    return f"attribute_{name}"


@cache
def feeds() -> dict[str, Feed]:
    """All feeds by name."""
    return {path.parent.name: _load(path) for path in sorted(FEEDS.glob("*/feed.yml"))}


def raw_tables() -> str:
    """SQL that creates the tables of accepted records, of all feeds."""
    return "\n".join(
        (feed.folder / "table.sql").read_text(encoding="utf-8") for feed in feeds().values()
    )


def _load(path: Path) -> Feed:
    declared = read_yaml(path)
    declared["required"] = tuple(
        (field,) if isinstance(field, str) else tuple(field) for field in declared["required"]
    )
    declared["empty_texts"] = tuple(declared.get("empty_texts", ("",)))
    declared["absent_if_invalid"] = tuple(declared.get("absent_if_invalid", ()))
    return Feed(name=path.parent.name, **declared)
