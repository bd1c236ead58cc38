"""Whole numbers for money: the division that rounds, and what is deducted."""

from __future__ import annotations

import pytest
from callbill.verify.money import CNY, FEN, decimal_text, divide, round_to_fen


@pytest.mark.parametrize(
    ("amount", "by", "quotient"),
    [(5, 10, 1), (-5, 10, -1), (4, 10, 0), (-4, 10, 0), (15, 10, 2), (-15, 10, -2), (20, 10, 2)],
)
def test_a_half_is_rounded_away_from_zero(amount: int, by: int, quotient: int) -> None:
    assert divide(amount, by) == quotient


def test_no_digit_is_lost_however_large_the_amount() -> None:
    assert divide(10**40 + 5, 10) == 10**39 + 1


@pytest.mark.parametrize(
    ("fen", "half_up", "down"),
    [("1.5", 2, 1), ("-1.5", -2, -1), ("1.499999", 1, 1), ("-0.5", -1, 0), ("0.999999", 1, 0)],
)
def test_a_settlement_is_deducted_in_whole_fen(fen: str, half_up: int, down: int) -> None:
    whole, _, millionths = fen.lstrip("-").partition(".")
    amount = int(whole) * FEN + int(millionths.ljust(6, "0"))
    amount = -amount if fen.startswith("-") else amount
    assert round_to_fen(amount, "half_up") == half_up * FEN
    assert round_to_fen(amount, "down") == down * FEN


def test_amounts_are_written_with_all_their_decimals() -> None:
    assert decimal_text(0, 8) == "0.00000000"
    assert decimal_text(-5, 8) == "-0.00000005"
    assert decimal_text(12 * CNY + 34 * FEN, 2) == "12.34"
