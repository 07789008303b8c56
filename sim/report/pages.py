"""How does a page come to be? Words from a template, numbers in one form, pictures within; nothing in it is fetched.

Every page of the project extends `templates/base.html`: one layout, one style sheet, and a policy of content that
forbids to fetch anything. How words stand in a template is told in `words`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl

from sim.report.style import STYLE, svg
from sim.report.words import environment

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def page(template: Path, **told: Any) -> str:
    """A template's whole page; everything told is escaped, but for the pictures that `parts.html` frames."""
    return environment(template.parent).get_template(template.name).render(**told)


def pictures(makers: Mapping[str, Callable[[Any], Figure]], shown: Any) -> dict[str, str]:
    """Pictures of a thing by name, drawn in the project's style, as SVG for inside a page."""
    with mpl.rc_context(STYLE):
        return {name: svg(make(shown), name) for name, make in makers.items()}
