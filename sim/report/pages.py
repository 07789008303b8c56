"""How does a page come to be? Words from a template, numbers in one form, pictures within; nothing in it is fetched.

Every page of the project extends `templates/base.html`: one layout and one style sheet. All words stand in templates,
between `{% trans %}` and `{% endtrans %}` or in `_("...")`, as whole sentences, with `{% pluralize %}` where a number
decides: a catalogue of translations is all that another language needs (`Environment.install_gettext_translations`).
Python hands over numbers and the names of cases (`effect.case`), never a piece of a sentence.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl

from sim.report.style import STYLE, svg
from sim.report.words import FORMS

if TYPE_CHECKING:
    from jinja2 import Environment
    from jinja2.environment import TemplateModule
    from matplotlib.figure import Figure

TEMPLATES = Path(__file__).with_name("templates")


@functools.cache
def environment(folder: Path = TEMPLATES) -> Environment:
    """Templates of a folder, and those that all pages share; numbers are written by the filters of `words.FORMS`."""
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


def page(template: Path, **told: Any) -> str:
    """A template's whole page; everything told is escaped, but for the pictures that `parts.html` frames."""
    return environment(template.parent).get_template(template.name).render(**told)


def pictures(makers: Mapping[str, Callable[[Any], Figure]], shown: Any) -> dict[str, str]:
    """Pictures of a thing by name, drawn in the project's style, as SVG for inside a page."""
    with mpl.rc_context(STYLE):
        return {name: svg(make(shown), name) for name, make in makers.items()}


def words(template: str, **told: Any) -> TemplateModule:
    """A template of words alone: its text (`paragraphs(str(...))`) and its macros, to be called by name."""
    return environment().get_template(template).make_module(told)


def paragraphs(text: str) -> list[str]:
    """A text's paragraphs, which empty lines part, each in one line; hard spaces within numbers stay."""
    lines = (re.sub(r"[ \n]+", " ", part).strip() for part in re.split(r"\n\s*\n", text))
    return [line for line in lines if line]
