"""What readers make: a query over files, with what is to be bound."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Relation:
    """A query that selects a feed's field texts, `has_error`, `odd_field`, source_file_id and
    line_number, as a feed's judge.sql takes them."""

    query: str
    parameters: dict[str, object] = field(default_factory=dict)
