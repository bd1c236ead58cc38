"""Judging rows of a call log: which are records, and what decides their bill.

A copy on purpose of ingest/feeds/call_logs, by what docs/landing.md says, and of the model
stg_call_logs. It gives no reasons: only whether a row counts is held against the release.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import polars as pl

from callbill.base.settings import BillingVars
from callbill.ingest.shapes import shape_of
from callbill.verify.identifiers import strip
from callbill.verify.instants import FIRST_CALLS, LAST_INSTANT, instants
from callbill.warehouse.loads import SourceLoad

# Since then identifiers are clean, and a status has three digits or is 0.
_VERSION_2 = 2
_REQUIRED = ("request_id", "called_us", "owner_uin", "action")
_MANGLED = r"^[+-]?[0-9]*\.?[0-9]*([eE][+-]?[0-9]+)?$"
_STATUS = r"^[+-]?[0-9]{1,9}(\.0*)?$"


def is_mangled(text: pl.Expr) -> pl.Expr:
    """Whether a spreadsheet turned a name of digits into a number, as 1.0E+11 or 100000000001.0."""
    return (text.str.contains(r"[.+]") & text.str.contains(_MANGLED)).fill_null(False)


def _key(texts: pl.DataFrame, name: str, load: SourceLoad) -> pl.Series:
    """An identifier as records are matched by it. Older reading rules left it as it was written."""
    column = texts[name]
    if load.reading_rules >= _VERSION_2:
        return column
    return column.replace({text: strip(text) or text for text in column.drop_nulls().unique()})


def accepted_records(
    texts: pl.DataFrame,
    load: SourceLoad,
    billing_vars: BillingVars,
) -> pl.DataFrame:
    """The records among a call log's rows of texts.

    Columns: request_id, called_us (microseconds since 1970 UTC), usage_date, settled_on, owner_uin,
    operate_uin, action, attributes, is_failure, is_too_old, and request_key and owner_key, the
    identifiers by which records are matched. Files read by older rules have some that are unclean.
    """
    shape = shape_of(load.feed, load.format, load.reading_rules, load.declaration)
    naive_zone = billing_vars.zone if shape.naive_times_in_billing_timezone else None
    status = (
        pl.when(pl.col("http_status").str.contains(_STATUS))
        .then(pl.col("http_status").str.strip_chars_start("+").str.extract(r"^(-?[0-9]+)"))
        .cast(pl.Int64)
    )
    local = pl.from_epoch("called_us", "us").dt.convert_time_zone(billing_vars.billing_timezone)
    accepted = (
        texts.lazy()
        .with_columns(
            instants(texts["called_at"], naive_zone, load.reading_rules, shape.time_formats).alias(
                "called_us"
            ),
            _key(texts, "request_id", load).alias("request_key"),
            _key(texts, "owner_uin", load).alias("owner_key"),
            status=status,
        )
        .filter(
            ~pl.col("malformed"),
            *(pl.col(name).is_not_null() for name in _REQUIRED),
            pl.col("called_us").is_between(FIRST_CALLS[min(load.reading_rules, 2)], LAST_INSTANT),
            ~is_mangled(pl.col("owner_uin")),
            ~is_mangled(pl.col("operate_uin")),
            pl.col("status").is_not_null() | pl.col("http_status").is_null(),
            # A client writes 0 where no answer came.
            pl.col("status").is_between(0, 999).fill_null(True)
            if load.reading_rules >= _VERSION_2
            else True,
            pl.col("error_code").is_not_null()
            | (~pl.col("has_error") & pl.col("status").is_not_null()),
        )
        .with_columns(usage_date=local.dt.date())
        .filter(pl.col("usage_date") <= pl.lit(load.arrived_on).dt.offset_by("1d"))
        .with_columns(
            settled_on=pl.max_horizontal(pl.col("usage_date").dt.offset_by("1d"), _floors(load))
        )
    )
    return _as_records(accepted, _attributes(shape.attributes), billing_vars).collect()


def records_as_read(
    rows: pl.DataFrame, load: SourceLoad, billing_vars: BillingVars
) -> pl.DataFrame:
    """The records of a load in the form of `accepted_records`, from what was once read of its
    file."""
    return _as_records(
        rows.lazy().with_columns(
            pl.col("called_at").dt.epoch("us").alias("called_us"),
            pl.col("http_status").cast(pl.Int64).alias("status"),
            _key(rows, "request_id", load).alias("request_key"),
            _key(rows, "owner_uin", load).alias("owner_key"),
        ),
        pl.col("attributes").fill_null(""),
        billing_vars,
    ).collect()


def _as_records(
    accepted: pl.LazyFrame, attributes: pl.Expr, billing_vars: BillingVars
) -> pl.LazyFrame:
    age = (pl.col("settled_on") - pl.col("usage_date")).dt.total_days()
    return accepted.select(
        "request_id",
        "called_us",
        "usage_date",
        "settled_on",
        "owner_uin",
        pl.coalesce("operate_uin", "owner_uin"),
        "action",
        attributes,
        "request_key",
        "owner_key",
        (
            pl.col("error_code").is_not_null()
            | ~pl.col("status").fill_null(200).is_between(200, 299)
        ).alias("is_failure"),
        (age > billing_vars.max_usage_age_days).alias("is_too_old"),
    )


def _attributes(names: Sequence[str]) -> pl.Expr:
    """The attributes of a record as one text, such as edition=flagship;region=x."""
    pairs = [
        pl.lit(f"{name}=") + pl.col(f"attribute_{name}").str.replace_all(";", "%3B", literal=True)
        for name in sorted(names)
    ]
    text = pl.concat_str(pairs, separator=";", ignore_nulls=True) if pairs else pl.lit("")
    return text.alias("attributes")


def floor_of(load: SourceLoad, line: int) -> date:
    """The first settlement date that a line can influence. A line that was read again has a later
    one than its file."""
    return _floors_of_retries(load).get(line, load.settlement_floor)


def _floors(load: SourceLoad) -> pl.Expr:
    def floor(day: date) -> date:
        # Records of history settle on the day after their usage, whenever their file arrived.
        return date.min if load.arrival == "history" and day == load.settlement_floor else day

    floors = {line: floor(day) for line, day in _floors_of_retries(load).items()}
    if not floors:
        return pl.lit(floor(load.settlement_floor))
    return pl.col("line").replace_strict(
        floors, default=floor(load.settlement_floor), return_dtype=pl.Date
    )


def _floors_of_retries(load: SourceLoad) -> dict[int, date]:
    return {line: retry.settlement_floor for retry in load.retries for line in retry.line_numbers}
