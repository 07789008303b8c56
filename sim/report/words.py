"""How are numbers, shares and dates written for people? One form of each, in pages, pictures and sentences.

The forms are filters of every template (`FORMS`), so that a template chooses the words around a number, never its form.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

import numpy as np

MINUS, NARROW = "\u2212", "\u00a0"
MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
          "December")  # fmt: skip
Text = TypeVar("Text", bound=str)


def grouped(value: float) -> str:
    """A whole number with its thousands apart: `9 423`."""
    return f"{value:,.0f}".replace(",", NARROW).replace("-", MINUS)


def figure(value: float, digits: int = 3) -> str:
    """So many digits without exponent, thousands apart: `1.2`, `0.00942`, `−4 726`."""
    if not np.isfinite(value):
        return "–"
    if abs(value) >= 1000:
        return grouped(value)
    if value == 0:
        return "0"
    text = np.format_float_positional(value, digits, unique=False, fractional=False, trim="-")
    return text.replace("-", MINUS)


def signed(value: float, digits: int = 1) -> str:
    """A number with its sign and so many decimals, thousands apart; what rounds to nothing has no sign."""
    if abs(value) >= 1000:
        return ("+" if value > 0 else "") + grouped(value)
    text = f"{value:+.{digits}f}"
    return (text[1:] if float(text) == 0 else text).replace("-", MINUS)


def points(value: float) -> str:
    """A difference in percentage points: a decimal more where it is small."""
    return signed(value, 1 if abs(value) >= 0.95 else 2)


def percent(share: float) -> str:
    """A share in percent: without decimals, but never 0 or 100 where it is not."""
    value = 100 * share
    if 0 < value < 0.5:
        return "less than 1 %"
    if 99.5 <= value < 100 - 1e-9:
        return "more than 99 %"
    return f"{value:.0f} %"


def probability(p: float) -> str:
    """`p = 0.03`, or `p < 0.001`."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}"


def exact(value: float) -> str:
    """Every digit, without exponent: `0.00005`."""
    return str(np.format_float_positional(value, trim="-"))


def fixed(value: float, digits: int = 2) -> str:
    """So many decimals: `0.70`."""
    return f"{value:.{digits}f}".replace("-", MINUS)


def month(date: np.datetime64) -> str:
    """A date in words: `January 2024`."""
    number = int(date.astype("datetime64[M]").astype(np.int64))
    return f"{MONTHS[number % 12]} {1970 + number // 12}"


def plain(text: Text) -> Text:
    """A text from data without what would make a page look as if it fetched something."""
    return type(text)(re.sub(r"https?://", "", text))


FORMS: dict[str, Callable[..., str]] = {
    form.__name__: form for form in (grouped, figure, signed, points, percent, probability, exact, fixed, month, plain)
}
