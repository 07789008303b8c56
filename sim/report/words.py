"""How are things said to people? One form for each kind of number, and all words from the templates.

Words stand in templates alone, between `{% trans %}` and `{% endtrans %}` or in `_("...")`, as whole sentences, with
`{% pluralize %}` where a number decides: a catalogue of translations is all that another language needs
(`Environment.install_gettext_translations`). Python hands over numbers and the names of cases, never a piece of a
sentence. The forms of numbers are filters of every template (`FORMS`): a template chooses the words around a number,
not its form.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = Path(__file__).with_name("templates")
MINUS, HARD_SPACE = "\u2212", "\u00a0"
Text = TypeVar("Text", bound=str)


def grouped(value: float) -> str:
    """A whole number with its thousands apart: `9 423`."""
    return f"{value:,.0f}".replace(",", HARD_SPACE).replace("-", MINUS)


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
        return label("share.little")
    if 99.5 <= value < 100 - 1e-9:
        return label("share.most")
    return label("share", value=fixed(value, 0))


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
    return label("date", month=table()["months"][number % 12], year=1970 + number // 12)


def capital(text: str) -> str:
    """A text that begins a line or a sentence."""
    return text[:1].upper() + text[1:]


def plain(text: Text) -> Text:
    """A text from data without what would make a page look as if it fetched something."""
    return type(text)(re.sub(r"https?://", "", text))


_FORMS = (grouped, figure, signed, points, percent, probability, exact, fixed, month, capital, plain)
FORMS: dict[str, Callable[..., str]] = {form.__name__: form for form in _FORMS}
"""Filters of every template."""


@functools.cache
def environment(folder: Path = TEMPLATES) -> Environment:
    """Templates of a folder, and those that all pages share. Autoescape is on in pages (`.html`), off in texts."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

    made = Environment(
        loader=FileSystemLoader([folder, TEMPLATES]),
        extensions=["jinja2.ext.i18n"],
        autoescape=select_autoescape(("html",)),
        undefined=StrictUndefined,  # a name that nobody gave is a fault to be seen, not an empty place in a page
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.policies["ext.i18n.trimmed"] = True  # where a line of a template ends is no part of a sentence
    # the old style: a text in _() is taken as it is, so that a per cent sign may stand in it
    made.install_null_translations(newstyle=False)  # type: ignore[attr-defined]
    made.filters |= FORMS
    return made


def table() -> Mapping[str, Any]:
    """The short words: what parts of pictures, months and the like are called; see labels.txt."""
    words: Mapping[str, Any] = environment().get_template("labels.txt").module.labels  # type: ignore[attr-defined]
    return words


def label(key: str, **values: Any) -> str:
    """A short word or line by its key, with its values in it."""
    return str(table()[key]).format(**values)


def said(template: str, subject: str, it: Mapping[str, Any]) -> str:
    """What a template's macro of this name says of the facts `it`, in one line; hard spaces within numbers stay."""
    macro = getattr(environment().get_template(template).module, subject)
    return re.sub(r"[ \n]+", " ", str(macro(it))).strip()
