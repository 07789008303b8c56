"""Where is what? Places at their coordinates at some dates, over an outline or over degrees."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch, Rectangle
from matplotlib.path import Path as Outline

from sim.report.pieces import SHADES, WIDTH, styled
from sim.report.style import GREY, PALE, SMALL, panels, place_labels, text_width
from sim.report.words import label, month
from sim.results.measures import technologies_at, yearly_instants

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from sim.results.run import Arm, Results

PLACES_SHOWN = 1200
"""Places on a map, the largest."""
FEW_RINGS = 20
"""An outline of fewer rings than this is of the scenario's own land: all of it is shown."""
Box = tuple[float, float, float, float]
"""West, east, south and north, degrees."""


@styled
def places(results: Results, dates: int | Sequence[str] = 3) -> Figure:
    """Places at their coordinates (size: population; colour: mean share of technologies operating) at some dates."""
    arm, scenario = results.baseline, results.scenario
    instants, shown = _instants(results, dates), np.flatnonzero(arm.focus)
    points = _coordinates(arm)[shown]
    extent = _extent(points, scenario.outline)
    picture, axes, corner = _panels(len(instants), _width_for_height(extent))
    shares = [technologies_at(arm, t)[:, shown].mean(axis=0) / max(arm.counted.sum(), 1) for t in instants]
    top = max(0.1, np.ceil(max(share.max() for share in shares) * 10 - 1e-9) / 10)
    people = arm.shared.places["population"][shown].astype(float)
    order, size = np.argsort(-people, kind="stable")[:PLACES_SHOWN], _areas(people)
    names = [scenario.places.name[i] for i in shown]
    for panel, instant, share in zip(axes, instants, shares, strict=True):
        taken = _ground(panel, extent, scenario.outline)
        for area in np.unique(size[order])[::-1]:  # one size at a time: a picture of one mark, used many times
            same = order[size[order] == area]
            x, y = points[same].T
            colours = SHADES(share[same] / top)
            panel.scatter(x, y, s=area, c=colours, linewidths=0.4, edgecolors="#555555", zorder=3)
        panel.set_title(month(scenario.instant(instant)), fontweight="bold")
        wide = np.sqrt(size) * picture.dpi / 72
        place_labels(panel, points, names, order[:8].tolist(), taken, (8, 12, 18, 26), SMALL, wide)
    _legend(picture, corner, top, int(arm.counted.sum()))
    return picture


def _instants(results: Results, dates: int | Sequence[str]) -> list[int]:
    """The instants of some dates; of a number, so many yearly ones from the first to the last."""
    scenario = results.scenario
    if not isinstance(dates, int):  # a date outside the run shows its nearest end
        return [min(max(scenario.step_of(date), 0), scenario.steps) for date in dates]
    yearly = yearly_instants(scenario)
    chosen = yearly[np.linspace(0, len(yearly) - 1, dates).round().astype(int)]
    return [int(t) for t in dict.fromkeys(chosen.tolist())]


def _coordinates(arm: Arm) -> np.ndarray:
    """Longitude and latitude of all places in canonical order, degrees, float64[n, 2]."""
    table = arm.scenario.places
    return np.column_stack([table.longitude, table.latitude])


def _areas(people: np.ndarray) -> np.ndarray:
    """Areas of marks in square points: by population, in steps of a quarter, never too small to see."""
    # in steps, since each size is a mark of its own in the file
    area = np.clip(260 * people / people.max(), 10, None)
    return 10 * 1.25 ** np.round(np.log(area / 10) / np.log(1.25))


def _extent(points: np.ndarray, rings: Sequence[np.ndarray]) -> Box:
    """What a map shows: the places, and all of those few outlines in which one of them lies."""
    low, high = points.min(axis=0), points.max(axis=0)
    for ring in rings:
        if len(points) <= 400 and Outline(ring).contains_points(points).any() and len(rings) < FEW_RINGS:
            low, high = np.minimum(low, ring.min(axis=0)), np.maximum(high, ring.max(axis=0))
    pad = 0.04 * (high - low).max() + 0.02
    west, east, south, north = float(low[0] - pad), float(high[0] + pad), float(low[1] - pad), float(high[1] + pad)
    return (west if rings else west - 0.12 * (east - west)), east, south, north  # room for the degrees at the left


def _width_for_height(extent: Box) -> float:
    """How wide a map is for a height of 1, true in its middle."""
    west, east, south, north = extent
    return float((east - west) * np.cos(np.radians((south + north) / 2)) / max(north - south, 1e-9))


def _panels(count: int, wide: float) -> tuple[Figure, list[Axes], tuple[float, float]]:
    """Maps beside one another where they are narrow, else two in a row; where the legend goes, inches from below left.

    `wide`: width for a height of 1.
    """
    columns = count if wide < 1.35 else min(2, count)
    rows = -(-count // columns)
    across = (WIDTH - 0.2 - 0.15 * (columns - 1)) / columns
    height = min(across / wide, 6.0)  # a land from north to south would fill the page
    free = rows * columns > count
    low = 0.1 if free else 0.55
    picture, axes = panels(WIDTH, rows * (height + 0.3) + low, rows, columns, (0.1, 0.1, 0.3, low), (0.15, 0.3))
    for panel in axes.ravel()[count:]:
        panel.remove()
    corner = (0.1 + (across + 0.15) * (columns - 1) + 0.3, 0.1 + height / 2) if free else (0.1, 0.08)
    return picture, list(axes.ravel()[:count]), corner


def _ground(panel: Axes, extent: Box, rings: Sequence[np.ndarray]) -> np.ndarray | None:
    """What lies behind the places: outlines, or degrees; points that no name may cover."""
    west, east, south, north = extent
    panel.set_xlim(west, east)
    panel.set_ylim(south, north)
    panel.set_aspect(1 / np.cos(np.radians((south + north) / 2)))
    panel.set_xticks([])
    panel.set_yticks([])
    panel.spines[:].set_visible(False)
    low, high = np.array([west, south]), np.array([east, north])
    near = [ring for ring in rings if (ring.max(axis=0) > low).all() and (ring.min(axis=0) < high).all()]
    if not near:
        return _degrees(panel, extent)
    coarse = [Outline(_coarser(ring, (east - west) / 600), closed=False) for ring in near]
    land = Outline.make_compound_path(*coarse)
    panel.add_patch(PathPatch(land, facecolor="#f6f6f4", edgecolor=GREY, linewidth=0.6, zorder=1))
    return None


def _degrees(panel: Axes, extent: Box) -> np.ndarray:
    """A frame and lines of round degrees, where there is no outline; the points that its figures cover."""
    panel.set_facecolor("#fafaf8")
    panel.spines[:].set(visible=True, color=PALE)
    west, east, south, north = extent
    covered = []
    for across, (low, high), signs in ((True, extent[:2], "EW"), (False, extent[2:], "NS")):
        step = next((s for s in (30, 10, 5, 2, 1, 0.5, 0.2, 0.1, 0.05, 0.02) if s <= (high - low) / 2), 0.01)
        room = high - 0.1 * (high - low)  # for the figures
        for value in np.arange(np.ceil(low / step), np.floor(room / step) + 1) * step:
            (panel.axvline if across else panel.axhline)(value, color=PALE, linewidth=0.6, zorder=0.5)
            x, y = (value, south) if across else (west, value)
            words = f" {abs(value):.4g}° {signs[int(value < 0)]}"
            panel.text(x, y, words, fontsize=6, color=GREY, va="bottom", zorder=0.6)
            reach = (east - west) * text_width(words, 6) / (panel.get_position().width * WIDTH)
            covered += [(x + part * reach, y + 0.015 * (north - south)) for part in (0, 0.33, 0.66, 1)]
    return np.array(covered)


def _coarser(ring: np.ndarray, grain: float) -> np.ndarray:
    """A ring without the points that would fall on the one before, at a grain in degrees."""
    grid = np.round(ring / grain)
    return ring[np.r_[True, (grid[1:] != grid[:-1]).any(axis=1)]]


def _legend(picture: Figure, corner: tuple[float, float], top: float, count: int) -> None:
    """A strip of colours with its figures, and what the size says."""
    width, height = picture.get_size_inches()
    axes = picture.add_axes((corner[0] / width, corner[1] / height, 0.42, 0.36 / height))
    axes.set_axis_off()
    axes.set_xlim(0, 0.42 * width)
    axes.set_ylim(0, 0.36)
    steps = round(top * 10)
    every, wide = (1, 0.4) if steps <= 5 else (2, 0.2)
    for at in range(steps * 2):
        colour = SHADES((at + 0.5) / (2 * steps))
        axes.add_patch(Rectangle((at * wide / 2, 0.2), wide / 2, 0.13, color=colour, linewidth=0))
    for at in range(0, steps + 1, every):
        axes.text(at * wide, 0.14, f"{10 * at} %", fontsize=SMALL, ha="left" if at == 0 else "center", va="top")
    axes.text(steps * wide + 0.25, 0.19, label("map.legend", count=count), fontsize=SMALL, va="center")
