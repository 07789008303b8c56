"""How is a calibration said? Sentences from the templates beside this file; numbers and pages as in every report."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim.report.words import environment, figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TEMPLATES = Path(__file__).with_name("templates")
HARD_SPACE = "\u00a0"


def text(template: str, **told: Any) -> str:
    """A template of words, filled in."""
    return environment(TEMPLATES).get_template(template).render(told)


def notes(template: str, **told: Any) -> list[str]:
    """The notes of a template, each in one line; a star at the beginning of a line begins a note.

    Thousands are parted by plain spaces: JSON and terminals are searched with the space that a keyboard has.
    """
    found = re.split(r"^\* ", text(template, **told), flags=re.MULTILINE)[1:]
    return [" ".join(note.replace(HARD_SPACE, " ").split()) for note in found]


def said(template: str, name: str, told: Mapping[str, Any]) -> str:
    """What a template's macro of this name makes of the facts, in one line; numbers keep their hard spaces."""
    macro = getattr(environment(TEMPLATES).get_template(template).module, name)
    return re.sub(r"[ \n]+", " ", str(macro(told))).strip()


def page(
    template: str, fit: Any, makers: Mapping[str, Callable[[Any], Figure]], notes: Sequence[str], **told: Any
) -> str:
    """The page of a fit: its pictures, its notes, in which no line ends within a number, and what else is told."""
    from sim.report import pages  # needs matplotlib, for which words alone must not wait

    unbroken = [re.sub(r"(?<=\d) (?=\d{3}\b)", HARD_SPACE, note) for note in notes]
    environment(TEMPLATES).filters["known"] = known
    return pages.page(TEMPLATES / template, pictures=pages.pictures(makers, fit), notes=unbroken, **told)


def known(value: float | None) -> str:
    """A figure of a JSON, which has null where there is none."""
    return figure(math.nan if value is None else value)


def counted(number: int, one: str, many: str = "") -> str:
    """A number with its noun: `1 place`, `2 places`."""
    return f"{number} {one if number == 1 else many or one + 's'}"
