"""Which municipality has what, and who leads? The matrix of municipalities and technologies, and the league."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch, Rectangle

from sim.report.findings import first_operating, when_operating
from sim.report.names import place_name, technology_name
from sim.report.pieces import DIM, ROWS_SHOWN, SHADES, WIDTH, box, interval_rows, joined, styled
from sim.report.style import GREY, INK, SMALL, panels, shortened, text_width, wrapped
from sim.report.words import label, month
from sim.results.measures import index_at, region_index_at

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from sim.results.run import Results
    from sim.scenario.scenario import Scenario

LEAGUE = 20
"""Places of the league that are shown."""
LEFT, TINY = 1.5, 6.8
"""Room for names at the left, inches; size of names that are turned, points."""


@styled
def heatmap(results: Results) -> Figure:
    """Municipality by technology: median year of first operation (colour) and how many replicates have it (size)."""
    arm, scenario = results.baseline, results.scenario
    share, median = when_operating(first_operating(arm))
    shown = np.flatnonzero(arm.focus)
    people = arm.shared.places["population"][shown]
    shown = shown[np.argsort(-people.astype(np.int64), kind="stable")][:ROWS_SHOWN]
    columns = np.argsort(-share[shown].mean(axis=0), kind="stable")
    rows = shown[np.argsort(-share[shown].mean(axis=1), kind="stable")]
    names = [wrapped(technology_name(scenario, k), 3.3, TINY) for k in columns]
    long = np.array([max(text_width(line, TINY) for line in name.split("\n")) for name in names])
    over = float((long / 2 - 0.2 * np.arange(len(names))[::-1]).max())  # names lean out at the right
    top = float(long.max()) * 0.87 + 0.25
    margins = (LEFT, max(over, WIDTH - LEFT - 0.36 * len(columns)), top, 0.6)
    picture, axes = panels(WIDTH, 0.165 * len(rows) + top + 0.6, 1, 1, margins)
    panel = axes[0, 0]
    years = _squares(panel, scenario, median[np.ix_(rows, columns)], share[np.ix_(rows, columns)])
    called = [shortened(place_name(arm, i), LEFT - 0.1) for i in rows]
    panel.set_yticks(np.arange(len(rows)) + 0.5, called, fontsize=SMALL)
    for at, name in enumerate(names):
        panel.text(
            at + 0.5, -0.3, name, rotation=60, rotation_mode="anchor", fontsize=TINY, ha="left", va="center",
            linespacing=0.98, color=(INK, DIM)[at % 2],  # neighbours that lean side by side are told apart
        )  # fmt: skip
    panel.set_xlim(0, len(columns))
    panel.set_ylim(len(rows), 0)
    panel.set_xticks([])
    panel.spines[:].set_visible(False)
    panel.tick_params(length=0)
    _year_legend(panel, years, len(columns))
    return picture


def _squares(panel: Axes, scenario: Scenario, dates: np.ndarray, share: np.ndarray) -> list[tuple[str, str]]:
    """A patch for each year's squares, their area the share of replicates; years with their colours in order.

    dates: median instants in steps, infinite where it never comes; share of replicates; both float64[rows, columns].
    """
    calendar = scenario.instants.astype("datetime64[Y]").astype(int) + 1970
    start, never = -1, 0
    safe = np.where(np.isfinite(dates), dates, 0).astype(int)
    year = np.where(np.isfinite(dates), np.where(safe == 0, start, calendar[safe]), never)
    present = list(range(int(calendar[0]), int(calendar[-1]) + 1))
    colours = {start: INK} | {
        number: to_hex(SHADES(0.95 - 0.9 * at / max(len(present) - 1, 1))) for at, number in enumerate(present)
    }
    for number, colour in colours.items():
        squares = []
        for y, x in zip(*np.nonzero((year == number) & (share >= 0.02)), strict=True):  # less is no visible dot
            half = 0.46 * share[y, x] ** 0.5
            squares.append(box(x + (0.5 - half), x + (0.5 + half), y + (0.5 - half), y + (0.5 + half)))
        if squares:
            panel.add_patch(PathPatch(joined(squares), facecolor=colour, linewidth=0))
    return [(label("heatmap.start") if number == start else str(number), colours[number]) for number in colours]


def _year_legend(panel: Axes, years: Sequence[tuple[str, str]], columns: int) -> None:
    """Years and their colours in a line below."""
    cell = SMALL * 4.4 / 72 * columns / (panel.get_position().width * WIDTH)
    low, x = panel.get_ylim()[0], 0.0
    every = -(-len(years) // 14)  # more years than that find no room to be written
    for at, (words, colour) in enumerate(years):
        wide = cell * (1.0 / every if words.isdigit() else 1.65)
        panel.add_patch(
            Rectangle((x, low + 0.7), wide * 0.94, 0.8, facecolor=colour, edgecolor=GREY, linewidth=0.4, clip_on=False)
        )
        if at == 0 or (at - 1) % every == 0:
            panel.text(x, low + 2.3, words, fontsize=SMALL, va="center")
        x += wide


@styled
def ranks(results: Results) -> Figure:
    """The league of places by IQ-city index at the end, and of regions where there are several."""
    arm, scenario = results.baseline, results.scenario
    index, regions = index_at(arm, scenario.steps), arm.focus_regions
    shown = np.flatnonzero(arm.focus)
    best = shown[np.argsort(-np.median(index[:, shown], axis=0), kind="stable")][:LEAGUE]
    several = len(regions) > 1
    rows, columns = (max(len(best), len(regions)), 2) if several else (len(best), 1)
    picture, axes = panels(WIDTH, 0.2 * rows + 0.75, 1, columns, (1.85, 0.5, 0.35, 0.35), (2.4, 0.3))
    interval_rows(axes[0, 0], [place_name(arm, i) for i in best], index[:, best], 0)
    title = label("ranks.places", month=month(scenario.instant(scenario.steps)), count=len(best))
    axes[0, 0].set_title(title, fontweight="bold", x=-0.8 if several else 0)
    if several:
        interval_rows(axes[0, 1], [scenario.regions.name[r] for r in regions], region_index_at(arm, scenario.steps), 0)
        axes[0, 1].set_title(label("ranks.regions"), fontweight="bold", x=-0.5)
    for panel in axes[0]:
        panel.set_xlim(0, None)
    return picture
