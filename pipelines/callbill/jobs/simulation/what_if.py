"""What is asked of a simulation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from callbill.ingest.feed import FEEDS

# The feeds whose files can be given for a question, in the order of their options. None of them
# decides which calls are charged, only what they cost.
GIVEN_FEEDS = tuple(
    feed for feed in ("contracts", "packages", "waivers") if (FEEDS / feed / "feed.yml").exists()
)


@dataclass(frozen=True)
class WhatIf:
    """What is otherwise than in the books, and which bills are compared."""

    # A folder with the files of the catalogue that are otherwise.
    catalogue: Path | None = None
    # Files by feed.
    files: Mapping[str, Sequence[Path]] = field(default_factory=dict)
    # Whether the contracts of the books do not count.
    replace_contracts: bool = False
    # Vars by name, as texts.
    vars: Mapping[str, str] = field(default_factory=dict)
    # The first and the last bill month to compare, and the account. None for all.
    from_month: date | None = None
    to_month: date | None = None
    owner: str | None = None
