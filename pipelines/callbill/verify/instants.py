"""The instant that a text names, in microseconds since 1970 UTC.

A copy on purpose of the forms of times in ingest/feeds/fields.sql, by what docs/landing.md says.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import polars as pl

_MICROSECONDS_A_DAY = 86_400 * 1_000_000
FIRST_INSTANT = (date(1, 1, 1).toordinal() - date(1970, 1, 1).toordinal()) * _MICROSECONDS_A_DAY
LAST_INSTANT = (date(9999, 12, 30).toordinal() - date(1970, 1, 1).toordinal()) * (
    _MICROSECONDS_A_DAY
)
_OFFSET = r"([Zz]|[+-](?:0[0-9]|1[0-4])(?::?[0-5][0-9])?)"
_USUAL = r"^([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-5][0-9]:[0-5][0-9])(?:Z|\+08:00)$"
_EXTENDED = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d)(?::(\d\d))?(?:[.,](\d+))?[\t\n\f\r ]?" + _OFFSET,
    re.ASCII,
)
_BASIC = re.compile(r"(\d{4})(\d\d)(\d\d)[Tt](\d\d)(\d\d)(\d\d)(?:\.(\d+))?" + _OFFSET, re.ASCII)
_NAIVE = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?)?", re.ASCII
)
_EPOCH = re.compile(r"(-?)(\d+)(?:\.(\d*))?", re.ASCII)
# The most digits of an epoch time, by the version of the reading rules.
_EPOCH_DIGITS = {1: 15, 2: 19}
# From which size on an epoch time is in smaller units than seconds, and how many digits of it are
# decimals of a second.
_SMALLER_UNITS = ((10**17, 9, 2), (10**14, 6, 2), (10**11, 3, 1))
# The first instant of calls, by the version of the reading rules.
FIRST_CALLS = {
    1: FIRST_INSTANT,
    2: (date(2000, 1, 1).toordinal() - date(1970, 1, 1).toordinal()) * _MICROSECONDS_A_DAY,
}


def instants(
    texts: pl.Series,
    naive_zone: ZoneInfo | None,
    reading_rules: int,
    time_formats: Sequence[str] = (),
) -> pl.Series:
    """The instants of texts, as `instant` finds them. Texts of the usual form are read at once.
    `time_formats` are further forms, by the directives of strptime."""
    if time_formats:
        forms = [_form(form) for form in time_formats]
        return pl.Series(
            [_instant_of_form(text, forms, naive_zone, reading_rules) for text in texts],
            dtype=pl.Int64,
        )
    usual = texts.str.extract(_USUAL).str.to_datetime("%Y-%m-%dT%H:%M:%S", strict=False)
    offset = (~texts.str.ends_with("Z")).cast(pl.Int64) * (8 * 3600 * 1_000_000)
    values = usual.dt.epoch("us") - offset
    unusual = texts.filter(values.is_null())
    if unusual.is_empty():
        return values
    read_singly = pl.Series(
        [instant(text, naive_zone, reading_rules) for text in unusual], dtype=pl.Int64
    )
    return values.scatter(values.is_null().arg_true(), read_singly)


def instant(text: str | None, naive_zone: ZoneInfo | None, reading_rules: int = 1) -> int | None:
    """The instant that a text names, None if it names none.

    A text without an offset names one only if `naive_zone` says whose clocks it is from.
    """
    if text is None:
        return None
    if match := _EXTENDED.fullmatch(text) or _BASIC.fullmatch(text):
        *parts, offset = match.groups()
        local = _microseconds(*parts)
        return None if local is None else local - _offset(offset)
    if match := _EPOCH.fullmatch(text):
        sign, whole, fraction = match.groups()
        if len(whole) > _EPOCH_DIGITS[min(reading_rules, 2)]:
            return None
        decimals = next(
            (
                decimals
                for size, decimals, since in _SMALLER_UNITS
                if int(whole) >= size and reading_rules >= since
            ),
            0,
        )
        places = 6 - decimals
        value = (
            int(whole + (fraction or "")[:places].ljust(places, "0"))
            if places >= 0
            else int(whole[:places])
        )
        return -value if sign else value
    if reading_rules >= 2:
        text = text.replace(",", ".")
    if naive_zone is not None and (match := _NAIVE.fullmatch(text)):
        local = _microseconds(*match.groups())
        return None if local is None else _in_zone(local, naive_zone)
    return None


_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_PARTS = {
    "Y": r"(?P<Y>[0-9]{4})", "m": r"(?P<m>[0-9]{1,2})", "d": r"(?P<d>[0-9]{1,2})",
    "b": rf"(?P<b>(?i:{'|'.join(_MONTHS)}))", "H": r"(?P<H>[0-9]{1,2})", "M": r"(?P<M>[0-9]{2})",
    "S": r"(?P<S>[0-9]{2})", "f": r"(?P<f>[0-9]{1,6})", "z": r"(?P<z>[+-][0-9]{2}:?[0-9]{2})",
    "%": "%",
}  # fmt: skip


def _form(form: str) -> re.Pattern[str]:
    """A time format as a pattern with a group for each part."""
    pieces = form.split("%")
    pattern = re.escape(pieces.pop(0))
    while pieces:
        piece = pieces.pop(0)
        if not piece and pieces:
            piece = "%" + pieces.pop(0)
        pattern += _PARTS[piece[0]] + re.escape(piece[1:])
    return re.compile(pattern, re.ASCII)


def _instant_of_form(
    text: str | None,
    forms: Sequence[re.Pattern[str]],
    naive_zone: ZoneInfo | None,
    reading_rules: int,
) -> int | None:
    for form in forms:
        match = form.fullmatch(text or "")
        if match is None:
            continue
        parts = match.groupdict()
        month = parts.get("m") or str(_MONTHS.index(parts.get("b", "jan").lower()) + 1)
        hour = parts.get("H") or "0"
        if int(hour) > 23:
            return None
        local = _microseconds(
            *(parts["Y"], month, parts["d"], hour, parts.get("M"), parts.get("S"), parts.get("f"))
        )
        if local is None or parts.get("z"):
            return None if local is None else local - _offset(parts["z"])
        return _in_zone(local, naive_zone) if naive_zone is not None else None
    return instant(text, naive_zone, reading_rules)


def _microseconds(
    year: str,
    month: str,
    day: str,
    hour: str | None,
    minute: str | None,
    second: str | None,
    fraction: str | None,
) -> int | None:
    """A date and a time of day, as if they were UTC; None if there is no such time."""
    try:
        days = date(int(year), int(month), int(day)).toordinal() - date(1970, 1, 1).toordinal()
    except ValueError:
        return None
    h, m, s = int(hour or 0), int(minute or 0), int(second or 0)
    within = ((h * 60 + m) * 60 + s) * 1_000_000 + int((fraction or "")[:6].ljust(6, "0"))
    # 24:00 is the end of a day.
    if m > 59 or s > 59 or within > _MICROSECONDS_A_DAY:
        return None
    return days * _MICROSECONDS_A_DAY + within


def _offset(text: str) -> int:
    if text in ("Z", "z"):
        return 0
    minutes = int(text[1:3]) * 60 + int(text[3:].removeprefix(":") or 0)
    return (-minutes if text[0] == "-" else minutes) * 60_000_000


def _in_zone(local: int, zone: ZoneInfo) -> int:
    """The instant at which a zone's clocks show a time. Of a time that they show twice it does not
    matter which: a bill needs the date."""
    seconds, microseconds = divmod(local, 1_000_000)
    if not FIRST_INSTANT + _MICROSECONDS_A_DAY <= local < LAST_INSTANT:
        return local
    clock = datetime.fromtimestamp(seconds, UTC).replace(tzinfo=zone)
    return int(clock.timestamp()) * 1_000_000 + microseconds
