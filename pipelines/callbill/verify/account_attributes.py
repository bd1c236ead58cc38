"""Judging rows of a file of account attributes: which count, and what they say.

A copy on purpose of ingest/feeds/account_attributes, by what docs/landing.md says. It gives no
reasons: only whether a row counts is held against the release.
"""

from __future__ import annotations

import re
from datetime import date

import polars as pl

from callbill.verify.prices import AccountAttribute
from callbill.verify.records import floor_of
from callbill.warehouse.loads import SourceLoad

_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}", re.ASCII)
_DATE = re.compile(r"(\d{4}-\d\d-\d\d)( 00:00:00)?", re.ASCII)


def accepted_attributes(texts: pl.DataFrame, load: SourceLoad) -> list[AccountAttribute]:
    """What the rows of texts that count say, in the order of their lines."""
    said = []
    for row in texts.sort("line").to_dicts():
        effective_from = _parse_date(row["effective_from"])
        if (
            row["malformed"]
            or row["owner_uin"] is None
            or not _NAME.fullmatch(row["attribute"] or "")
            or row["value"] is None
            or effective_from is None
        ):
            continue
        said.append(
            AccountAttribute(
                row["owner_uin"],
                row["attribute"],
                row["value"],
                effective_from,
                floor_of(load, row["line"]),
                load.arrived_on,
                load.source_file_id,
                row["line"],
            )
        )
    return said


def _parse_date(text: str | None) -> date | None:
    match = _DATE.fullmatch(text or "")
    try:
        return date.fromisoformat(match[1]) if match else None
    except ValueError:
        return None
