"""Judging rows of texts by what docs/landing.md says: which are records, and what they say.

No reasons are given: only whether a row counts is held against the release.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

from callbill.base.settings import BillingVars
from callbill.ingest.shapes import shape_of
from callbill.warehouse.loads import SourceLoad


@dataclass(frozen=True)
class ContractRow:
    """A line of a contracts file. Prices are in 10^-8 CNY, discounts in 10^-6; one of them is
    None."""

    owner_uin: str
    component_code: str
    effective_from: date
    effective_to: date
    discount: int | None
    price: int | None


_MICROSECONDS_A_DAY = 86_400 * 1_000_000
_FIRST_INSTANT = (date(1, 1, 1).toordinal() - date(1970, 1, 1).toordinal()) * _MICROSECONDS_A_DAY
_LAST_INSTANT = (date(9999, 12, 30).toordinal() - date(1970, 1, 1).toordinal()) * (
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
_EPOCH = re.compile(r"(-?)(\d{1,15})(?:\.(\d*))?", re.ASCII)
_FIRST_EPOCH_IN_MILLISECONDS = 10**11
_MANGLED = r"^[+-]?[0-9]*\.?[0-9]*([eE][+-]?[0-9]+)?$"


def instants(texts: pl.Series, naive_zone: ZoneInfo | None) -> pl.Series:
    """The instants that texts tell of, as `instant` has them; the usual forms all at once."""
    usual = texts.str.extract(_USUAL).str.to_datetime("%Y-%m-%dT%H:%M:%S", strict=False)
    offset = (~texts.str.ends_with("Z")).cast(pl.Int64) * (8 * 3600 * 1_000_000)
    found = usual.dt.epoch("us") - offset
    rest = texts.filter(found.is_null())
    if rest.is_empty():
        return found
    values = pl.Series([instant(text, naive_zone) for text in rest], dtype=pl.Int64)
    return found.scatter(found.is_null().arg_true(), values)


def instant(text: str | None, naive_zone: ZoneInfo | None) -> int | None:
    """The instant that a text tells of, in microseconds since 1970 UTC; None if of none.

    A text without offset counts only where `naive_zone` says whose time it is.
    """
    if text is None:
        return None
    if found := _EXTENDED.fullmatch(text) or _BASIC.fullmatch(text):
        *parts, offset = found.groups()
        local = _microseconds(*parts)
        return None if local is None else local - _offset(offset)
    if found := _EPOCH.fullmatch(text):
        sign, whole, fraction = found.groups()
        places = 3 if int(whole) >= _FIRST_EPOCH_IN_MILLISECONDS else 6
        value = int(whole + (fraction or "")[:places].ljust(places, "0"))
        return -value if sign else value
    if naive_zone is not None and (found := _NAIVE.fullmatch(text)):
        local = _microseconds(*found.groups())
        return None if local is None else _in_zone(local, naive_zone)
    return None


def _microseconds(
    year: str,
    month: str,
    day: str,
    hour: str | None,
    minute: str | None,
    second: str | None,
    fraction: str | None,
) -> int | None:
    """A calendar's date and time, as if it were UTC."""
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
    """The instant at which a zone's clocks show a time: its date is what matters, and that is the
    same for a time that they show twice."""
    seconds, rest = divmod(local, 1_000_000)
    if not _FIRST_INSTANT + _MICROSECONDS_A_DAY <= local < _LAST_INSTANT:
        return local
    clock = datetime.fromtimestamp(seconds, UTC).replace(tzinfo=zone)
    return int(clock.timestamp()) * 1_000_000 + rest


def is_mangled(text: pl.Expr) -> pl.Expr:
    """Whether a spreadsheet made 1.0E+11 or 100000000001.0 of what names something."""
    return (text.str.contains(r"[.+]") & text.str.contains(_MANGLED)).fill_null(False)


def _component(claims: Mapping[str, tuple[str, date]]) -> pl.Expr:
    """The component that claims a record's action on its settlement date; empty if none does."""
    action = pl.col("action")
    components = {name: component for name, (component, _first) in claims.items()}
    firsts = {name: first for name, (_component, first) in claims.items()}
    return (
        pl.when(
            pl.col("settled_on")
            >= action.replace_strict(firsts, default=date.max, return_dtype=pl.Date)
        )
        .then(action.replace_strict(components, default="", return_dtype=pl.String))
        .otherwise(pl.lit(""))
    )


def accepted_records(
    texts: pl.DataFrame,
    load: SourceLoad,
    billing_vars: BillingVars,
    claims: Mapping[str, tuple[str, date]],
) -> pl.DataFrame:
    """The records among a call log's rows, with what decides their bill.

    Columns: request_id, called_us (microseconds since 1970 UTC), usage_date, settled_on, owner_uin,
    component_code (empty if none claims the action), is_failure, is_too_old. `claims` gives the
    component of an action, and the first settlement date on which it does.
    """
    shape = shape_of(load.feed, load.format)
    naive_zone = billing_vars.zone if shape.naive_times_in_billing_timezone else None
    status = (
        pl.when(pl.col("http_status").str.contains(r"^[+-]?[0-9]{1,9}(\.0*)?$"))
        .then(pl.col("http_status").str.strip_chars_start("+").str.extract(r"^(-?[0-9]+)"))
        .cast(pl.Int64)
    )
    required = ("request_id", "called_us", "owner_uin", "action")
    local = pl.from_epoch("called_us", "us").dt.convert_time_zone(billing_vars.billing_timezone)
    age = (pl.col("settled_on") - pl.col("usage_date")).dt.total_days()
    return (
        texts.lazy()
        .with_columns(instants(texts["called_at"], naive_zone).alias("called_us"), status=status)
        .filter(
            ~pl.col("odd"),
            *(pl.col(name).is_not_null() for name in required),
            pl.col("called_us").is_between(_FIRST_INSTANT, _LAST_INSTANT),
            ~is_mangled(pl.col("owner_uin")),
            ~is_mangled(pl.col("operate_uin")),
            pl.col("status").is_not_null() | pl.col("http_status").is_null(),
            pl.col("error_code").is_not_null()
            | (~pl.col("has_error") & pl.col("status").is_not_null()),
        )
        .with_columns(usage_date=local.dt.date())
        .filter(pl.col("usage_date") <= pl.lit(load.arrived_on).dt.offset_by("1d"))
        .with_columns(
            settled_on=pl.max_horizontal(pl.col("usage_date").dt.offset_by("1d"), _floors(load))
        )
        .select(
            "request_id",
            "called_us",
            "usage_date",
            "settled_on",
            "owner_uin",
            _component(claims).alias("component_code"),
            (
                pl.col("error_code").is_not_null()
                | ~pl.col("status").fill_null(200).is_between(200, 299)
            ).alias("is_failure"),
            (age > billing_vars.max_usage_age_days).alias("is_too_old"),
        )
        .collect()
    )


def floor_of(load: SourceLoad, line: int) -> date:
    """The first settlement date that a line can influence: a later one if it was read again."""
    return _read_again(load).get(line, load.settlement_floor)


def _floors(load: SourceLoad) -> pl.Expr:
    later = _read_again(load)
    if not later:
        return pl.lit(load.settlement_floor)
    return pl.col("line").replace_strict(later, default=load.settlement_floor, return_dtype=pl.Date)


def _read_again(load: SourceLoad) -> dict[int, date]:
    return {line: retry.settlement_floor for retry in load.retries for line in retry.line_numbers}


_DATE = re.compile(r"(\d{4}-\d\d-\d\d)( 00:00:00)?", re.ASCII)
_NUMBER = re.compile(r"([+-]?)(?:(\d+)\.?(\d*)|\.(\d+))(?:[eE]([+-]?\d+))?", re.ASCII)


def contract_row(texts: dict[str, Any]) -> ContractRow | None:
    """The contract that a row of texts speaks of; None if it is rejected."""
    begins, ends = _day(texts["effective_from"]), _day(texts["effective_to"] or "9999-12-31")
    owner_uin, component_code = texts["owner_uin"], texts["component_code"]
    if texts["odd"] or owner_uin is None or component_code is None:
        return None
    if pl.select(is_mangled(pl.lit(owner_uin))).item():
        return None
    if begins is None or ends is None or ends < begins:
        return None
    if (texts["discount"] is None) == (texts["contract_price"] is None):
        return None
    discount, price = _whole(texts["discount"], 6), _whole(texts["contract_price"], 8)
    if texts["discount"] is not None and (discount is None or not 0 < discount <= 10**6):
        return None
    if texts["contract_price"] is not None and (price is None or not 0 <= price < 10**18):
        return None
    return ContractRow(owner_uin, component_code, begins, ends, discount, price)


def _day(text: str | None) -> date | None:
    found = _DATE.fullmatch(text or "")
    try:
        return date.fromisoformat(found[1]) if found else None
    except ValueError:
        return None


def _whole(text: str | None, places: int) -> int | None:
    """A number as a whole number of its last place; None if it is no number, or needs more."""
    found = _NUMBER.fullmatch(text or "") if len(text or "") <= 24 else None
    if found is None:
        return None
    sign, whole, fraction, bare, exponent = found.groups()
    fraction = bare or fraction or ""
    digits = int((whole or "") + fraction)
    shift = places - len(fraction) + int(exponent or 0)
    if digits == 0:
        return 0
    if not -40 < shift < 40:
        return None
    value, rest = divmod(digits * 10 ** max(shift, 0), 10 ** max(-shift, 0))
    return None if rest else -value if sign == "-" else value
