"""The instants that texts name."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import polars as pl
import pytest
from callbill.verify.instants import instant, instants

SHANGHAI = ZoneInfo("Asia/Shanghai")
SECOND = 1_000_000
# 2026-03-01T00:00:00 UTC
MARCH = 1_772_323_200 * SECOND

FORMS = {
    "2026-03-01T00:00:00Z": MARCH,
    "2026-03-01T08:00:00+08:00": MARCH,
    "2026-03-01 08:00+0800": MARCH,
    "20260301T000000.25Z": MARCH + SECOND // 4,
    "2026-02-28T24:00:00Z": MARCH,
    "2026-02-28T19:00:00,5-05": MARCH + SECOND // 2,
    "1772323200": MARCH,
    "1772323200.5": MARCH + SECOND // 2,
    "1772323200123": MARCH + 123_000,
    "-1": -SECOND,
    "2026-02-29T00:00:00Z": None,
    "2026-03-01T24:00:01Z": None,
    "2026-03-01T08:61:00Z": None,
    "2026-03-01T08:00:00+15:00": None,
    "yesterday": None,
    "": None,
}


@pytest.mark.parametrize(("text", "expected"), FORMS.items())
def test_forms(text: str, expected: int | None) -> None:
    assert instant(text, None) == expected


def test_a_time_without_offset_needs_a_zone() -> None:
    assert instant("2026-03-01 08:00:00", None) is None
    assert instant("2026-03-01 08:00:00", SHANGHAI) == MARCH
    assert instant("2026-03-01", SHANGHAI) == MARCH - 8 * 3600 * SECOND


def test_many_at_once_are_the_same() -> None:
    texts = [*FORMS, None]
    expected = [instant(text, None) for text in texts]
    assert instants(pl.Series(texts, dtype=pl.String), None, 1).to_list() == expected
