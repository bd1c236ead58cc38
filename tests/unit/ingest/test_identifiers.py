"""What is taken for an identifier of usual letters is one that no rule changes or rejects.

Nearly all identifiers are. The rules are not tried on them, so the quick look must be right.
"""

from __future__ import annotations

import sys

import duckdb
import pytest
from callbill.ingest.templates import identifier_rules


@pytest.mark.parametrize("kind", ["request", "number", "code"])
def test_usual_identifiers_are_identifiers_as_they_are(kind: str) -> None:
    """Each letter there is, at the start, in the middle and at the end of an identifier."""
    rules = identifier_rules()
    with duckdb.connect() as con:
        # All but halves of surrogate pairs, which no text has.
        con.execute(
            f"""
            create table usual as
            with letters as (
                select chr(n::integer) as letter
                from range(1, {sys.maxunicode + 1}) as numbers(n)
                where n not between {0xD800} and {0xDFFF}
            ),
            texts as (
                select letter, unnest([
                    letter || '1234567890', '12345' || letter || '67890', '1234567890' || letter,
                    letter || 'e+12345678', '12345e' || letter || '1234567',
                    '1234567' || letter || '0'
                ]) as text
                from letters
            )
            select letter, text from texts where {rules.is_usual("text", kind)}
            """
        )
        wrong = con.execute(
            f"""
            select letter, text from usual
            where not coalesce(
                text = {rules.stripped("text")}
                and not {rules.is_placeholder("text")}
                and not {rules.is_invalid("text", kind)},
                false
            )
            """
        ).fetchall()
        at_the_end = con.execute(
            "select count(*) from usual where text = '1234567890' || letter"
        ).fetchone()
    assert wrong == []
    assert at_the_end is not None
    assert at_the_end[0] >= 10


@pytest.mark.parametrize("kind", ["request", "code"])
def test_words_for_nothing_are_not_usual(kind: str) -> None:
    rules = identifier_rules()
    words = [*rules.words_for_nothing, "n/a", "\\n"]
    with duckdb.connect() as con:
        for word in words:
            for text in (word, word.upper()):
                found = con.execute(
                    f"select {rules.is_usual('text', kind)}, {rules.is_placeholder('text')}"
                    " from (select $text as text)",
                    {"text": text},
                ).fetchone()
                assert found == (False, True), text
