"""The queries that judge records: each feed's judge.sql, filled in for a way of reading."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import jinja2

from callbill.base.sql import identifier, literal
from callbill.ingest.feed import FEEDS
from callbill.ingest.shapes import Shape

TEMPLATES = jinja2.Environment(  # noqa: S701  SQL, not HTML
    loader=jinja2.FileSystemLoader(FEEDS), undefined=jinja2.StrictUndefined
)

_ISO_OFFSET = r"\s?([Zz]|[+-](?:0\d|1[0-4])(?::?[0-5]\d)?)"
_ISO_TIME = r"(\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d)(:\d\d)?(?:[.,](\d+))?"
_ISO_BASIC = r"\d{8}[Tt]\d{6}(\.\d+)?([Zz]|[+-](0\d|1[0-4])(:?[0-5]\d)?)"
_ISO_NAIVE = r"\d{4}-\d\d-\d\d([Tt ]\d\d:\d\d(:\d\d([.,]\d+)?)?)?"
_NUMBER = r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?"
_MANGLED_NUMBER = r"[+-]?\d*\.?\d*([eE][+-]?\d+)?"


def judging_query(
    shape: Shape, texts: str, zone: ZoneInfo, reading_rules: int, *, keep_fields: bool
) -> str:
    """SQL that types the texts of a feed's records and says why one cannot be accepted.

    `texts` selects what a reader's relation does, with arrived_on and settlement_floor.
    `reading_rules` is the version of the rules to judge by. With `keep_fields` the texts come along
    as a JSON object, for the rejects.
    """
    relation = "dated" if shape.feed.name == "call_logs" else "texts"
    fields = _kept_fields(relation, shape.feed.fields) if keep_fields else "null::varchar"
    return TEMPLATES.get_template(f"{shape.feed.name}/judge.sql").render(
        texts=texts,
        reading_rules=reading_rules,
        billing_date=_billing_date("called_ts", zone),
        billing_timezone=zone.key,
        naive_timezone=zone.key if shape.naive_times_in_billing_timezone else None,
        iso_extended=_ISO_TIME + _ISO_OFFSET,
        iso_basic=_ISO_BASIC,
        iso_naive=_ISO_NAIVE,
        number=_NUMBER,
        mangled_number=_MANGLED_NUMBER,
        kept_fields=fields,
    )


def pages_query(shape: Shape, lines: str) -> str:
    """SQL that adds `items` to lines, the list of what each holds."""
    return TEMPLATES.get_template(f"{shape.feed.name}/pages.sql").render(json_lines=lines)


def _kept_fields(relation: str, fields: Iterable[str]) -> str:
    pairs = ", ".join(f"{literal(name)}, {relation}.{identifier(name)}" for name in fields)
    return f"cast(json_object({pairs}) as varchar)"


def _billing_date(instant: str, zone: ZoneInfo) -> str:
    """SQL for the calendar date of an instant in the billing timezone.

    Where the zone has had one offset since 1992 (Beijing has), whole days are counted for later
    instants: ten times as fast as asking the time zone library, and the same.
    """
    slow = f"cast(timezone({literal(zone.key)}, {instant}) as date)"
    offset = _constant_offset(zone)
    if offset is None:
        return slow
    microseconds = offset // timedelta(microseconds=1)
    return f"""case
            when {instant} >= timestamptz '1992-01-02 00:00:00+00'
                then date '1970-01-01'
                    + cast((epoch_us({instant}) + {microseconds}) // 86400000000 as integer)
            else {slow}
        end"""


@cache
def _constant_offset(zone: ZoneInfo) -> timedelta | None:
    start = datetime(1992, 1, 1, tzinfo=UTC)
    weeks = (start + timedelta(weeks=n) for n in range(52 * 110))
    offsets = {instant.astimezone(zone).utcoffset() for instant in weeks}
    return offsets.pop() if len(offsets) == 1 else None
