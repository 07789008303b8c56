"""What do several pictures of a run share? Bands over time, axes of shares, rows of intervals, words beside rows."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.path import Path as Outline

from sim.report.style import BLUE, CYCLE, SCALE, SMALL, STYLE, label_ends, percent_axis, shortened, tidy, year_axis
from sim.report.words import signed
from sim.results.measures import bands

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


WIDTH = 9.2
"""Width of every picture, inches: that of the report's column."""
DIM = "#707070"
SHADES = LinearSegmentedColormap.from_list("much", SCALE)
ROWS_SHOWN = 45
"""Municipalities in a picture that has a line for each."""


def styled(make: Callable[..., Figure]) -> Callable[..., Figure]:
    """Draw in the project's style, and leave the caller's as it was."""

    @functools.wraps(make)
    def drawn(*values: Any, **options: Any) -> Figure:
        with mpl.rc_context(STYLE):
            return make(*values, **options)

    return drawn


def thinned(times: np.ndarray, most: int = 240) -> np.ndarray:
    """Positions of the instants that a curve is drawn by: all, or evenly `most` with the first and the last."""
    return np.unique(np.linspace(0, len(times) - 1, min(len(times), most)).round().astype(int))


def band(axes: Axes, x: np.ndarray, values: np.ndarray, colour: str = BLUE) -> np.ndarray:
    """Bands of 90 and 50 % of replicates and the median, which is returned; values [replicates, x]."""
    found = bands(values)
    axes.fill_between(x, found["q05"], found["q95"], color=colour, alpha=0.16, linewidth=0)
    axes.fill_between(x, found["q25"], found["q75"], color=colour, alpha=0.30, linewidth=0)
    axes.plot(x, found["q50"], color=colour, linewidth=1.6)
    return found["q50"]


def share_axes(panel: Axes, times: np.ndarray, top: float = 1.0, years: int = 14) -> None:
    """Shares up to `top` in percent, over all years of a run, of which at most so many are written."""
    panel.set_ylim(0, top * 1.02)
    year_axis(panel, float(times[0]), float(times[-1]), years)
    percent_axis(panel.yaxis)
    tidy(panel)


def name_ends(panel: Axes, x: float, ends: Sequence[tuple[float, str, str]]) -> None:
    """Write names at the right ends of lines: (height, name, colour) of each."""
    heights, names, colours = zip(*ends, strict=True)
    label_ends(panel, x, heights, names, colours)


def cycle(count: int) -> list[str]:
    """So many colours of lines."""
    return [CYCLE[at % len(CYCLE)] for at in range(count)]


def beside(
    panel: Axes, y: float, text: str, x: float = 1.02, shift: tuple[float, float] = (0, 0), **style: Any
) -> None:
    """Words at the right of a row, at x in widths of the panel, moved by so many points."""
    panel.annotate(
        text, (x, y), xytext=shift, xycoords=("axes fraction", "data"), textcoords="offset points", fontsize=SMALL,
        va="center", annotation_clip=False, **style,
    )  # fmt: skip


def interval_rows(panel: Axes, names: Sequence[str], values: np.ndarray, digits: int, sign: bool = False) -> None:
    """Median, 50 and 90 % of replicates of each row, the largest first; values [replicates, rows]."""
    found = bands(values)
    order = np.argsort(-found["q50"], kind="stable")
    for y, at in enumerate(order):  # from above: the axis is turned below
        panel.plot([found["q05"][at], found["q95"][at]], [y, y], color=BLUE, linewidth=1.2)
        half = [found["q25"][at], found["q75"][at]]
        panel.plot(half, [y, y], color=BLUE, linewidth=5, alpha=0.5, solid_capstyle="butt")
        panel.plot(found["q50"][at], y, "o", color="white", markeredgecolor=BLUE, markersize=4.5)
        middle = float(found["q50"][at])
        beside(panel, y, signed(middle, digits) if sign else f"{middle:.{digits}f}")
    panel.set_yticks(range(len(order)), [shortened(names[at], 1.75) for at in order], fontsize=SMALL)
    panel.set_ylim(len(order) - 0.4, -0.6)
    tidy(panel, "x")


def joined(shapes: Sequence[Outline]) -> Outline:
    """Many closed shapes as one path: one element of an SVG file."""
    corners = [np.vstack([shape.vertices, np.asarray(shape.vertices)[:1]]) for shape in shapes]
    codes = [[Outline.MOVETO, *[Outline.LINETO] * (len(shape) - 2), Outline.CLOSEPOLY] for shape in corners]
    return Outline(np.vstack(corners), np.concatenate(codes))


def box(left: float, right: float, low: float, high: float) -> Outline:
    """A rectangle as a path."""
    return Outline([(left, low), (right, low), (right, high), (left, high)])
