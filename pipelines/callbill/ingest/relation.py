"""What a reader returns: a query over files, with the values of its parameters."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Relation:
    """A query and its parameters.

    A reader's query selects the text of each of the feed's fields, `has_error`, `odd_field`,
    `source_file_id` and `line_number`, which are the input of the feed's judge.sql.
    """

    query: str
    parameters: dict[str, object] = field(default_factory=dict)
