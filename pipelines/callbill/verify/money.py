"""Money in whole numbers: CNY in units of 10^-8, and the one division that rounds.

A copy on purpose of macros/money.sql, which counts in decimals.
"""

from __future__ import annotations

CNY = 10**8  # the units of a yuan
FEN = 10**6  # the units of a fen, the smallest amount that is deducted
WHOLE_DISCOUNT = 10**6  # a discount of 1; discounts have 6 decimals


def divide(amount: int, by: int) -> int:
    """A quotient in whole numbers, rounded half away from zero. `by` is positive."""
    quotient = (2 * abs(amount) + by) // (2 * by)
    return quotient if amount >= 0 else -quotient


def round_to_fen(amount: int, deduction_rounding: str) -> int:
    """An amount in whole fen, in units of 10^-8 CNY: to the nearest (half_up), or toward zero
    (down)."""
    if deduction_rounding == "half_up":
        return divide(amount, FEN) * FEN
    fen = abs(amount) // FEN * FEN
    return fen if amount >= 0 else -fen


def decimal_text(units: int, decimals: int) -> str:
    """An amount in 10^-8 as a decimal number; it has no more decimals than these."""
    digits = f"{abs(units) // 10 ** (8 - decimals):0{decimals + 1}d}"
    return f"{'-' if units < 0 else ''}{digits[:-decimals]}.{digits[-decimals:]}"
