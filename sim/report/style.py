"""How does every picture of the project look? Colours, type, axes, names beside points, and SVG for a page."""

from __future__ import annotations

import functools
import io
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BLUE, VERMILION, GREEN, ORANGE = "#0072B2", "#D55E00", "#009E73", "#E69F00"  # Okabe and Ito (2008)
SKY, PURPLE, YELLOW = "#56B4E9", "#CC79A7", "#F0E442"
INK, GREY, PALE = "#222222", "#9a9a9a", "#e6e6e6"
CYCLE = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, INK, GREY)
"""Colours of lines in one panel, told apart by colour-blind people; more lines than colours start over."""
SCALE = ("#fff7e6", "#fbd8a0", "#f2ad7e", "#d97b86", "#a0508e", "#5b3288", "#1d1147")
"""From little to much: light to dark, evenly, so that it reads in grey print too."""

STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "uptake",
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.titley": 1.0,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "text.color": INK,
    "axes.formatter.use_mathtext": False,
    "axes.unicode_minus": True,
    "text.parse_math": False,
}
SMALL = 7.5
"""Size of names within a picture, points."""


class Picture(Figure):
    """A matplotlib Figure that shows itself in a notebook without pyplot."""

    def _repr_svg_(self) -> str:
        return svg(self, "notebook", alone=True)


def panels(
    width: float,
    height: float,
    rows: int = 1,
    columns: int = 1,
    margins: tuple[float, float, float, float] = (0.6, 0.15, 0.3, 0.4),
    gaps: tuple[float, float] = (0.3, 0.3),
    **options: Any,
) -> tuple[Figure, np.ndarray]:
    """A picture and its axes [rows, columns]; all lengths in inches, margins left, right, top, bottom.

    Places are fixed at once: nothing has to be drawn to know where things are.
    """
    left, right, top, bottom = margins
    across = (width - left - right - gaps[0] * (columns - 1)) / columns
    up = (height - top - bottom - gaps[1] * (rows - 1)) / rows
    places = {
        "left": left / width, "right": 1 - right / width, "top": 1 - top / height, "bottom": bottom / height,
        "wspace": gaps[0] / across, "hspace": gaps[1] / up,
    }  # fmt: skip
    picture = Picture(figsize=(width, height))
    return picture, picture.subplots(rows, columns, squeeze=False, gridspec_kw=places, **options)


def tidy(axes: Axes, grid: str = "y") -> None:
    """Light lines to read values by, behind the data; no spine where they run up to it."""
    axes.grid(axis=grid, color=PALE, linewidth=0.6)  # type: ignore[arg-type]
    axes.set_axisbelow(True)
    axes.tick_params(length=0)
    if grid == "y":
        axes.spines["left"].set_visible(False)
        axes.tick_params(axis="x", length=3, color=GREY)
    if grid == "x":
        axes.spines[["left", "bottom"]].set_visible(False)


def year_of(dates: np.ndarray) -> np.ndarray:
    """Dates as years and parts of years, float64."""
    days = np.asarray(dates, dtype="datetime64[D]")
    year = days.astype("datetime64[Y]")
    length = ((year + np.timedelta64(1, "Y")).astype("datetime64[D]") - year.astype("datetime64[D]")).astype(float)
    return year.astype(np.int64) + 1970 + (days - year.astype("datetime64[D]")).astype(float) / length


def year_axis(axes: Axes, first: float, last: float, most: int = 8) -> None:
    """The axis from `first` to `last` in years, with at most `most` whole years written."""
    span = last - first
    every = next((n for n in (1, 2, 3, 5, 10, 20, 50) if span / n <= most), 100)
    years = np.arange(np.ceil(first - 1e-9), last + 1e-9)
    axes.set_xlim(first, last)
    axes.set_xticks([y for y in years if y % every == 0] or [round(first, 2)])
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0f}")


def percent_axis(axis: Any) -> None:
    """Shares written in percent."""
    axis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %".replace("-", "\u2212"))


@functools.lru_cache(maxsize=4096)
def _advance(letter: str, size: float, bold: bool) -> float:
    """How wide one letter is, inches."""
    properties = FontProperties(size=size, weight="bold" if bold else "normal")
    return float(RendererAgg(1, 1, 720).get_text_width_height_descent(letter * 8, properties, False)[0]) / 8 / 720


def text_width(text: str, size: float = SMALL, bold: bool = False) -> float:
    """How wide a text is, inches (without kerning)."""
    return sum(_advance(letter, size, bold) for letter in text)


def shortened(text: str, width: float, size: float = SMALL, bold: bool = False) -> str:
    """A name that fits into so many inches: without what stands in brackets, then cut at a word."""
    if text_width(text, size, bold) <= width:
        return text
    words = re.sub(r"\s*\([^)]*\)", "", text).split() or text.split()
    whole = len(words)
    while len(words) > 1 and text_width(_cut(words, whole), size, bold) > width:
        words.pop()
    while words[-1].lower() in _JOINING and 1 < len(words) < whole:
        words.pop()
    line = _cut(words, whole)
    while len(line) > 2 and text_width(line, size, bold) > width:
        line = line[:-2] + "…"
    return line


_JOINING = frozenset(("and", "of", "for", "in", "on", "the", "with", "to", "by", "from", "at"))


def _cut(words: Sequence[str], whole: int) -> str:
    return " ".join(words) + ("…" if len(words) < whole else "")


def wrapped(text: str, width: float, size: float = SMALL, bold: bool = False, lines: int = 2) -> str:
    """A text in at most so many lines of so many inches."""
    words = text.split()
    found: list[str] = []
    while words and len(found) < lines - 1:
        used = 1
        while used < len(words) and text_width(" ".join(words[: used + 1]), size, bold) <= width:
            used += 1
        found.append(shortened(" ".join(words[:used]), width, size, bold))
        words = words[used:]
    return "\n".join([*found, shortened(" ".join(words), width, size, bold)] if words else found)


def spread(wanted: np.ndarray, size: float | np.ndarray, low: float, high: float) -> np.ndarray:
    """Middles of things of some size, as near as can be to the wanted ones (least squares), from low to high.

    Pool adjacent violators: neighbours that would come too near share their mean.
    """
    order = np.argsort(wanted, kind="stable")
    sizes = np.broadcast_to(size, len(wanted))[order]
    steps = np.r_[0.0, np.cumsum((sizes[1:] + sizes[:-1]) / 2)]
    pools: list[tuple[float, int]] = []
    for value in wanted[order] - steps:
        mean, count = float(value), 1
        while pools and pools[-1][0] > mean:
            before, number = pools.pop()
            mean, count = (mean * count + before * number) / (count + number), count + number
        pools.append((mean, count))
    placed = np.repeat([mean for mean, _ in pools], [count for _, count in pools])
    placed = np.clip(placed, low, max(low, high - steps[-1])) + steps
    result = np.empty(len(wanted))
    result[order] = placed
    return result


def label_ends(axes: Axes, x: float, heights: Sequence[float], texts: Sequence[str], colours: Sequence[str]) -> None:
    """Write names at the right ends of lines, moved apart where they would touch, with a hair to the line's end."""
    size = axes.get_window_extent()
    axes.get_xlim()
    ends = axes.transData.transform(np.column_stack([np.full(len(heights), x), heights]))
    gap = SMALL * 1.22 / 72 * axes.get_figure(root=True).dpi  # type: ignore[union-attr]
    sizes = np.array([gap * (text.count("\n") + 1) for text in texts])
    placed = spread(ends[:, 1], sizes, size.y0, size.y1)
    scale = 72 / axes.get_figure(root=True).dpi  # type: ignore[union-attr]
    for at, (text, colour) in enumerate(zip(texts, colours, strict=True)):
        moved = (placed[at] - ends[at, 1]) * scale
        hair = {"arrowstyle": "-", "color": colour, "linewidth": 0.5, "shrinkA": 0, "shrinkB": 0, "relpos": (0, 0.5)}
        axes.annotate(
            text, (x, heights[at]), xytext=(11, moved), textcoords="offset points", fontsize=SMALL, color=colour,
            ha="left", va="center", annotation_clip=False, arrowprops=hair, linespacing=1.05,
        )  # fmt: skip


def place_labels(
    axes: Axes,
    points: np.ndarray,
    names: Sequence[str],
    rows: Sequence[int],
    avoid: np.ndarray | None = None,
    reach: Sequence[float] = (8, 14, 22, 32, 44, 58, 74, 92),
    size: float = 8,
    dots_wide: np.ndarray | None = None,
) -> None:
    """Write names beside points where nothing else stands, the first rows first; drop what finds no room.

    points [n, 2] in the units of the axes; avoid [m, 2]: further points that no name may cover; reach: pixels;
    dots_wide [n]: how wide the points are, pixels.
    """
    picture = axes.get_figure(root=True)
    canvas = FigureCanvasAgg(picture)
    if picture.get_layout_engine() is not None:  # type: ignore[union-attr]
        canvas.draw()  # fixes the layout, hence the positions in pixels
    axes.apply_aspect()
    axes.get_xlim()
    dots = axes.transData.transform(points)
    wide = np.full(len(points), 10.0) if dots_wide is None else np.maximum(dots_wide, 4.0)
    taken = [_box(x, y, w, w) for (x, y), w in zip(dots, wide, strict=True)]
    taken += [_box(x, y, 2, 2) for x, y in axes.transData.transform(avoid)] if avoid is not None else []
    frame = axes.get_window_extent().extents
    renderer = canvas.get_renderer()
    for row in rows:
        text = axes.annotate(names[row], points[row], fontsize=size, ha="center", va="center", zorder=4)
        box = text.get_window_extent(renderer)
        around = [radius + wide[row] / 2 - 5 for radius in reach]
        spot = _free_spot(dots[row], (box.width + 4, box.height + 2), np.array(taken), frame, around)
        if spot is None:
            text.remove()
            continue
        x, y, radius = spot
        taken.append(_box(x, y, box.width + 4, box.height + 2))
        text.set_position(tuple(axes.transData.inverted().transform((x, y))))
        if radius > 12 + wide[row] / 2:
            ends = axes.transData.inverted().transform([dots[row], _edge(dots[row], taken[-1])])
            axes.plot(*ends.T, color=GREY, linewidth=0.6, zorder=1.5)


def _free_spot(
    dot: np.ndarray, size: tuple[float, float], taken: np.ndarray, frame: Sequence[float], reach: Sequence[float]
) -> tuple[float, float, float] | None:
    """Centre of the nearest place for a label of this size in pixels, and its distance from the dot."""
    width, height = size
    for radius in reach:
        for angle in np.radians([0, 180, 90, 270, 45, 315, 135, 225, 20, 340, 160, 200, 70, 290, 110, 250]):
            x = dot[0] + np.cos(angle) * (radius + width / 2)
            y = dot[1] + np.sin(angle) * (radius + height / 2)
            low_x, low_y, high_x, high_y = _box(x, y, width, height)
            if not (low_x > frame[0] and low_y > frame[1] and high_x < frame[2] and high_y < frame[3]):
                continue
            apart = (low_x > taken[:, 2]) | (high_x < taken[:, 0]) | (low_y > taken[:, 3]) | (high_y < taken[:, 1])
            if apart.all():
                return float(x), float(y), float(radius)
    return None


def _box(x: float, y: float, width: float, height: float) -> tuple[float, float, float, float]:
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2


def _edge(dot: np.ndarray, box: tuple[float, ...]) -> tuple[float, float]:
    """The point of a box that is nearest to the dot."""
    return float(np.clip(dot[0], box[0], box[2])), float(np.clip(dot[1], box[1], box[3]))


def svg(picture: Figure, name: str, alone: bool = False) -> str:
    """A picture as SVG: text as text, ids of its own, no date in it; `alone`: a whole file, else for inside a page."""
    stream = io.StringIO()
    with mpl.rc_context({**STYLE, "svg.hashsalt": name}):
        picture.savefig(stream, format="svg", metadata={"Date": None})
    text = re.sub(r"<metadata>.*?</metadata>", "", stream.getvalue(), flags=re.DOTALL)
    text = text.replace("'DejaVu Sans'", "'DejaVu Sans', Verdana, sans-serif")
    used = set(re.findall(r"(?:url\(|href=\")#([^)\"]+)", text))
    text = re.sub(r"<[^>]+>", lambda found: _leaner(found.group(), used), text)
    return text if alone else inside_page(text)


def inside_page(text: str) -> str:
    """An SVG file as an element of a page: no address in it."""
    return re.sub(r' xmlns(:xlink)?="[^"]*"', "", text[text.index("<svg") :])


def _leaner(tag: str, used: set[str]) -> str:
    """A tag without an id that nobody refers to, and with coordinates to hundredths of a point."""
    tag = re.sub(r' id="([^"]*)"', lambda found: found.group() if found.group(1) in used else "", tag)
    return re.sub(r' (d|x|y|points)="[^"]*"', lambda found: _rounded(found.group()), tag)


def _rounded(coordinates: str) -> str:
    text = re.sub(r"-?\d+\.\d{3,}", lambda found: f"{float(found.group()):.2f}".rstrip("0").rstrip("."), coordinates)
    return re.sub(r"\s*\n", " ", text)
