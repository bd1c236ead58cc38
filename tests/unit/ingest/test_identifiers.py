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
    letters = [chr(n) for n in range(1, sys.maxunicode + 1) if not 0xD800 <= n < 0xE000]
    with duckdb.connect() as con:
        con.execute(
            "create table letters as select unnest($letters) as letter", {"letters": letters}
        )
        wrong = con.execute(
            f"""
            with texts as (
                select letter, unnest([
                    letter || '1234567890', '12345' || letter || '67890', '1234567890' || letter,
                    letter || 'e+12345678', '12345e' || letter || '1234567',
                    '1234567' || letter || '0'
                ]) as text
                from letters
            )
            select letter, text
            from texts
            where
                {rules.is_usual("text", kind)}
                and not coalesce(
                    text = {rules.stripped("text")}
                    and not {rules.is_placeholder("text")}
                    and not {rules.is_invalid("text", kind)},
                    false
                )
        """
        ).fetchall()
        usual = con.execute(
            "select count(*) from (select '1234567890' || letter as text from letters)"
            f" where {rules.is_usual('text', kind)}"
        ).fetchone()
    assert wrong == []
    assert usual is not None
    assert usual[0] >= 10


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
