"""Cleaned identifiers of records that older reading rules took as they were written.

Since version 2 of the reading rules an identifier is read without what people and programs leave
around it. A record that was loaded before keeps its text. Where its cleaned identifier is another
one, `ops.cleaned_identifiers` has both, so that the models match records of before and after.
"""

from __future__ import annotations

from datetime import date

from callbill.base import rules
from callbill.ingest.templates import identifier_rules
from callbill.warehouse.warehouse import Warehouse

# Since then a file's identifiers are clean.
_CLEAN_SINCE = 2
# A usage date is at most a day after the arrival, so a record is settled up to two days after its
# floor.
_FILES = """
    from ops.loaded_files
    where feed = 'call_logs' and reading_rules < $clean_since and settlement_floor >= $horizon - 2
        and source_file_id not in (select source_file_id from ops.cleaned_files)
"""
# In place of {cleaned}: the text as the reading rules read it today.
_DIRTY = """
    insert or ignore into ops.cleaned_identifiers
    select text, cleaned
    from (
        select
            text,
            {cleaned} as cleaned
        from (
            select unnest([request_id, owner_uin]) as text
            from raw.call_logs
            where settlement_floor >= $horizon - 2
                and source_file_id in (select source_file_id {files})
                and not (
                    regexp_full_match(request_id, '[0-9A-Za-z](.*[0-9A-Za-z])?')
                    and regexp_full_match(owner_uin, '[0-9A-Za-z](.*[0-9A-Za-z])?')
                )
        ) as texts
        group by text
    ) as cleaned_texts
    where cleaned <> text
"""


def clean_identifiers(warehouse: Warehouse, horizon: date) -> bool:
    """Look up the identifiers of files since the horizon that were read by older rules, once per
    file. Whether there are any texts that differ from their cleaned form."""
    if rules.READING_RULES < _CLEAN_SINCE:
        return False
    parameters = {"clean_since": _CLEAN_SINCE, "horizon": horizon}
    if warehouse.rows(f"select 1 {_FILES} limit 1", parameters):
        with warehouse.transaction():
            warehouse.execute(
                _DIRTY.format(cleaned=identifier_rules().stripped("text"), files=_FILES),
                parameters,
            )
            warehouse.execute(
                f"insert into ops.cleaned_files select source_file_id {_FILES}", parameters
            )
    return bool(warehouse.rows("select 1 from ops.cleaned_identifiers limit 1"))
