"""The validation queries of the feeds, filled in for a way of reading."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

import jinja2

from callbill.base.settings import BillingVars
from callbill.base.sql import identifier, literal
from callbill.ingest.shapes import FEED_FIELDS, Shape

_HERE = Path(__file__).parent
TEMPLATES = jinja2.Environment(  # noqa: S701  SQL, not HTML
    loader=jinja2.FileSystemLoader(_HERE), undefined=jinja2.StrictUndefined
)

_ISO_OFFSET = r"\s?([Zz]|[+-](?:0\d|1[0-4])(?::?[0-5]\d)?)"
_ISO_TIME = r"(\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d)(:\d\d)?(?:[.,](\d+))?"
_ISO_BASIC = r"\d{8}[Tt]\d{6}(\.\d+)?([Zz]|[+-](0\d|1[0-4])(:?[0-5]\d)?)"
_ISO_NAIVE = r"\d{4}-\d\d-\d\d([Tt ]\d\d:\d\d(:\d\d([.,]\d+)?)?)?"
_NUMBER = r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?"
_MANGLED_NUMBER = r"[+-]?\d*\.?\d*([eE][+-]?\d+)?"


def validation_query(
    shape: Shape, texts: str, billing_vars: BillingVars, *, keep_fields: bool
) -> str:
    """SQL that types the texts of a feed's records and says why one cannot be accepted.

    `texts` selects field texts as `callbill.ingest.shapes` makes them, with source_file_id,
    line_number, arrived_on and settlement_floor. With `keep_fields` the texts come along as a JSON
    object, for the rejects.
    """
    relation = "dated" if shape.feed == "call_logs" else "texts"
    fields = _kept_fields(relation, FEED_FIELDS[shape.feed]) if keep_fields else "null::varchar"
    return TEMPLATES.get_template(f"{shape.feed}.sql").render(
        texts=texts,
        billing_date=billing_date("called_ts", billing_vars.zone),
        billing_timezone=billing_vars.billing_timezone,
        naive_timezone=(
            billing_vars.billing_timezone if shape.naive_times_in_billing_timezone else None
        ),
        iso_extended=_ISO_TIME + _ISO_OFFSET,
        iso_basic=_ISO_BASIC,
        iso_naive=_ISO_NAIVE,
        number=_NUMBER,
        mangled_number=_MANGLED_NUMBER,
        kept_fields=fields,
    )


def _kept_fields(relation: str, fields: Iterable[str]) -> str:
    pairs = ", ".join(f"{literal(name)}, {relation}.{identifier(name)}" for name in fields)
    return f"cast(json_object({pairs}) as varchar)"


def billing_date(instant: str, zone: ZoneInfo) -> str:
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
