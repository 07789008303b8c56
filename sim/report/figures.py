"""What does a run look like? Pictures of results as matplotlib figures, SVG and PNG files."""

from __future__ import annotations

import functools
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.colors import LinearSegmentedColormap, to_hex
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch, Rectangle
from matplotlib.path import Path as Outline

from sim.engine.columns import SOURCES
from sim.report.findings import (
    first_operating,
    guidance,
    leading_guides,
    source_totals,
    technology_shares,
    when_operating,
)
from sim.report.style import (
    BLUE,
    CYCLE,
    GREEN,
    GREY,
    INK,
    ORANGE,
    PALE,
    PURPLE,
    SCALE,
    SKY,
    SMALL,
    STYLE,
    VERMILION,
    label_ends,
    panels,
    percent_axis,
    place_labels,
    shortened,
    spread,
    svg,
    text_width,
    tidy,
    wrapped,
    year_axis,
    year_of,
)
from sim.report.words import figure, grouped, signed
from sim.results.effects import Case, PolicyEffect, Price, Yardstick, policy_effects, policy_prices, yardsticks
from sim.results.measures import (
    bands,
    coverage,
    flow,
    gini,
    has_economy,
    has_money,
    headline,
    index_at,
    month,
    one,
    product,
    region_index_at,
    table_years,
    technologies_at,
    yearly_instants,
)
from sim.results.targets import verdicts
from sim.results.uncertainty import Split, variance_split

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from sim.results.arm import Arm
    from sim.results.run import Results

WIDTH = 9.2
"""Width of every picture, inches: that of the report's column."""
SOURCE_COLOURS = {
    "external": GREY, "peers": BLUE, "leaders": VERMILION, "platform": GREEN, "mandate": ORANGE, "action": PURPLE,
}  # fmt: skip
SOURCE_WORDS = {
    "external": "own initiative", "peers": "peers in the region", "leaders": "leaders elsewhere",
    "platform": "regional platform", "mandate": "mandate", "action": "action by hand",
}  # fmt: skip
TIER_WORDS = {
    "own_spent": "municipalities", "regional_spent": "regional pool", "federal_spent": "federal pool",
    "private_spent": "private partners", "running_paid": "running costs", "fees_paid": "fees to partners",
}  # fmt: skip
TIER_COLOURS = dict(zip(TIER_WORDS, (BLUE, "#a5d5f3", "#0b3556", VERMILION, "#dcdcdc", INK), strict=True))
"""Neighbours differ in lightness: grey print and every eye tell them apart."""
DIM = "#707070"
SHADES = LinearSegmentedColormap.from_list("much", SCALE)
ROWS_SHOWN = 45
"""Municipalities in a picture that has a line for each."""
PLACES_SHOWN = 1200
"""Places on a map, the largest."""


def _styled(make: Callable[..., Figure]) -> Callable[..., Figure]:
    """Draw in the project's style, and leave the caller's as it was."""

    @functools.wraps(make)
    def styled(*values: Any, **options: Any) -> Figure:
        with mpl.rc_context(STYLE):
            return make(*values, **options)

    return styled


def _thin(scenario_instants: np.ndarray, most: int = 240) -> np.ndarray:
    """Instants to draw a curve by: all, or evenly `most` of them with the first and the last."""
    count = len(scenario_instants)
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int))


def _band(axes: Axes, x: np.ndarray, values: np.ndarray, colour: str = BLUE) -> dict[str, np.ndarray]:
    """Bands of 90 and 50 % of replicates and the median; values [replicates, x]."""
    found = bands(values)
    axes.fill_between(x, found["q05"], found["q95"], color=colour, alpha=0.16, linewidth=0)
    axes.fill_between(x, found["q25"], found["q75"], color=colour, alpha=0.30, linewidth=0)
    axes.plot(x, found["q50"], color=colour, linewidth=1.6)
    return found


# The programme


@_styled
def programme(results: Results, arms: bool = True) -> Figure:
    """Share of focus municipalities in each targeted technology: median, 50 and 90 % bands, targets, arms."""
    arm, scenario = results.baseline, results.scenario
    chosen: list[int | None] = list(headline(scenario)) or [None]
    picture, axes = panels(WIDTH, 3.9 * len(chosen), len(chosen), 1, (0.6, 2.1, 0.35, 0.4), (0.3, 0.55))
    times = year_of(scenario.instants)
    keep = _thin(times)
    for panel, technology in zip(axes[:, 0], chosen, strict=True):
        values = _share(arm, technology)
        _band(panel, times[keep], values[:, keep])
        what = "Coverage: share of technologies operating, mean"
        if technology is not None:
            what = f"{scenario.technologies.name[technology]}, share"
        panel.set_title(f"{what} of {int(arm.focus.sum())} municipalities", fontweight="bold")
        _frame(panel, times)
        others = _other_arms(panel, results, technology, times, values) if arms else []
        _key(panel, results.replicates, others)
        if technology is not None:
            _targets(panel, results, technology, times)
    return picture


def _share(arm: Arm, technology: int | None) -> np.ndarray:
    """Share of focus municipalities operating a technology; coverage where none is named."""
    return coverage(arm) if technology is None else one(arm, technology)


def _frame(panel: Axes, times: np.ndarray, top: float = 1.0) -> None:
    panel.set_ylim(0, top * 1.02)
    year_axis(panel, float(times[0]), float(times[-1]), 14)
    percent_axis(panel.yaxis)
    tidy(panel)


def _ends(panel: Axes, x: float, labels: Sequence[tuple[float, str, str]]) -> None:
    heights, texts, colours = zip(*labels, strict=True)
    label_ends(panel, x, heights, texts, colours)


def _other_arms(
    panel: Axes, results: Results, technology: int | None, times: np.ndarray, base: np.ndarray
) -> list[tuple[str, str]]:
    """Thin lines of the three policies whose median differs most from the baseline; titles and colours."""
    differing = []
    for name, arm in results.arms.items():
        if arm is not results.baseline:
            median = np.median(_share(arm, technology), axis=0)
            differing.append((np.abs(median - np.median(base, axis=0)).max(), arm.title or name, median))
    differing = sorted((row for row in differing if row[0] >= 0.03), key=lambda row: -row[0])[:3]
    for (_, _, median), colour in zip(differing, (VERMILION, GREEN, PURPLE), strict=False):
        panel.plot(times, median, color=colour, linewidth=1.1, linestyle=(0, (4, 1.5)), zorder=1.9)  # below the median
    return [(row[1], colour) for row, colour in zip(differing, (VERMILION, GREEN, PURPLE), strict=False)]


def _key(panel: Axes, replicates: int, others: Sequence[tuple[str, str]]) -> None:
    """At the right of a panel: what the bands and the thin lines are, each beside a piece of it."""
    across = panel.get_position().width * WIDTH
    left, right, text = 1 + 0.15 / across, 1 + 0.35 / across, 1 + 0.42 / across
    options: dict[str, Any] = {"transform": panel.transAxes, "clip_on": False}
    for low, high, alpha in ((0.62, 0.92, 0.16), (0.69, 0.85, 0.3)):
        box = Rectangle((left, low), right - left, high - low, color=BLUE, alpha=alpha, linewidth=0, **options)
        panel.add_patch(box)
    panel.plot([left, right], [0.75, 0.75], color=BLUE, linewidth=1.6, **options)
    words = {0.89: "90 % of replicates", 0.82: "50 % of replicates", 0.75: f"median of {replicates}"}
    for y, line in words.items():
        panel.text(text, y, line, fontsize=SMALL, color=BLUE, va="center", transform=panel.transAxes)
    for at, (title, colour) in enumerate(others):
        y = 0.5 - 0.12 * at
        panel.plot([left, right], [y, y], color=colour, linewidth=1.1, linestyle=(0, (4, 1.5)), **options)
        panel.text(text, y, wrapped(title, 1.6), fontsize=SMALL, color=colour, va="center", transform=panel.transAxes)


def _targets(panel: Axes, results: Results, technology: int, times: np.ndarray) -> None:
    """Observations as filled marks with their range, plans as hollow ones, undated ones as a line up to their date."""
    members = int(results.baseline.focus.sum())
    for verdict in verdicts(results):
        if verdict.target.technology != results.scenario.technologies.id[technology]:
            continue
        x, middle = float(times[verdict.instant]), (verdict.low + verdict.high) / 2
        plan = verdict.target.kind == "plan"
        words = f"{'planned' if plan else 'observed'}: {_range(verdict.low, verdict.high, members)}"
        if verdict.target.date is None:
            first = max(times[0], x - 0.22 * (times[-1] - times[0]))
            panel.hlines(middle, first, x, color=INK, linewidth=1.2, linestyle=":")
            panel.plot(x, middle, marker="<", color=INK, markersize=5, zorder=5)
            _note(panel, x, middle, f"{words}, before {month(results.scenario, verdict.instant)}")
            continue
        marker, colour, face, wide = ("D", DIM, "white", 0.9) if plan else ("o", INK, INK, 2.2)
        panel.vlines(x, verdict.low, verdict.high, color=colour, linewidth=wide, zorder=5)
        panel.plot(x, middle, marker=marker, color=colour, markerfacecolor=face, markersize=3 + wide, zorder=6)
        _note(panel, x, middle, f"{words}, {month(results.scenario, verdict.instant)}", below=middle >= 0.9)


def _note(panel: Axes, x: float, y: float, text: str, below: bool = False) -> None:
    """Words at the right of a mark, or below it where the mark is at the top."""
    panel.annotate(
        text, (x, y), xytext=(8, -11 if below else 0), textcoords="offset points", fontsize=SMALL, ha="left",
        va="center", zorder=7, bbox={"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 0.8},
    )  # fmt: skip


def _range(low: float, high: float, members: int) -> str:
    first, last = round(low * members), round(high * members)
    if first == last == members:
        return f"all {members}"
    return f"{first} of {members}" if first == last else f"{first} to {last} of {members}"


# Technologies


@_styled
def technologies(results: Results) -> Figure:
    """Mean share of focus municipalities operating each technology, a panel for each domain, every line named."""
    scenario, arm = results.scenario, results.baseline
    tech = scenario.technologies
    counted = np.flatnonzero(arm.counted) if arm.counted.any() else np.arange(len(tech.id))
    domains = list(dict.fromkeys(tech.domain[k] for k in counted))
    domains.sort(key=lambda name: -tech.domain.count(name))
    columns = min(2, len(domains))
    rows = -(-len(domains) // columns)
    label = 2.55
    members = [[int(k) for k in counted if tech.domain[k] == domain] for domain in domains]
    names = [[wrapped(_plain(tech.name[k]), label - 0.25, lines=4) for k in group] for group in members]
    lines = [sum(name.count("\n") + 1 for name in group) for group in names]
    tall = [max(1.05, 0.135 * max(lines[at * columns : (at + 1) * columns])) for at in range(rows)]
    picture, axes = panels(
        WIDTH, sum(tall) + 0.5 * rows + 0.2, rows, columns, (0.5, label, 0.3, 0.35), (label + 0.55, 0.5),
        height_ratios=tall,
    )  # fmt: skip
    times, shares = year_of(scenario.instants), technology_shares(arm)
    keep = _thin(times, 80)
    top = max(0.1, np.ceil(shares[counted].max() * 10) / 10)
    for at, domain in enumerate(domains):
        panel = axes[at // columns, at % columns]
        panel.set_title(domain.replace("_", " ").capitalize(), fontweight="bold")
        for colour, k in zip(_cycle(len(members[at])), members[at], strict=True):
            panel.plot(times[keep], shares[k, keep], color=colour, linewidth=1.3)
        _frame(panel, times, top)
        year_axis(panel, float(times[0]), float(times[-1]), 4)
        panel.set_yticks([0, top / 2, top])
        label_ends(panel, times[-1], [shares[k, -1] for k in members[at]], names[at], _cycle(len(members[at])))
    for panel in axes.ravel()[len(domains) :]:
        panel.remove()
    return picture


def _plain(name: str) -> str:
    """A name without its quotation marks."""
    return name.replace('"', "")


def _cycle(count: int) -> list[str]:
    return [CYCLE[at % len(CYCLE)] for at in range(count)]


# The map


@_styled
def map(results: Results, dates: int | Sequence[str] = 3) -> Figure:
    """Places at their coordinates (size: population; colour: mean share of technologies operating) at some dates."""
    arm, scenario = results.baseline, results.scenario
    instants = _map_instants(results, dates)
    longitude, latitude = _coordinates(arm)
    shown = np.flatnonzero(arm.focus)
    rings = scenario.outline
    box = _extent(longitude[shown], latitude[shown], rings)
    if not rings:
        box = (box[0] - 0.12 * (box[1] - box[0]), *box[1:])  # room for the degrees at the left
    tall = (box[1] - box[0]) * np.cos(np.radians((box[2] + box[3]) / 2)) / max(box[3] - box[2], 1e-9)
    picture, axes, corner = _map_panels(len(instants), tall)
    shares = [technologies_at(arm, t)[:, shown].mean(axis=0) / max(arm.counted.sum(), 1) for t in instants]
    top = max(0.1, np.ceil(max(share.max() for share in shares) * 10 - 1e-9) / 10)
    for panel, instant, share in zip(axes, instants, shares, strict=True):
        margin = _one_map(panel, box, rings)
        people = arm.shared.places["population"][shown].astype(float)
        order, size = np.argsort(-people, kind="stable")[:PLACES_SHOWN], _areas(people)
        for area in np.unique(size[order])[::-1]:  # one size at a time: a picture of one mark, used many times
            same = order[size[order] == area]
            panel.scatter(
                longitude[shown][same], latitude[shown][same], s=area, c=SHADES(share[same] / top), linewidths=0.4,
                edgecolors="#555555", zorder=3,
            )  # fmt: skip
        panel.set_title(month(scenario, instant), fontweight="bold")
        names = [scenario.places.name[i] for i in np.asarray(arm.shared.network.order)[shown]]
        place_labels(
            panel, np.column_stack([longitude, latitude])[shown], names, order[:8].tolist(), margin, (8, 12, 18, 26),
            SMALL, np.sqrt(size) * picture.dpi / 72,
        )  # fmt: skip
    _map_legend(picture, corner, top, int(arm.counted.sum()))
    return picture


def _areas(people: np.ndarray) -> np.ndarray:
    """Areas of marks in square points: by population, in steps of a quarter, never too small to see."""
    area = np.clip(260 * people / people.max(), 10, None)
    return 10 * 1.25 ** np.round(np.log(area / 10) / np.log(1.25))


def _map_instants(results: Results, dates: int | Sequence[str]) -> list[int]:
    scenario = results.scenario
    if not isinstance(dates, int):
        return [min(max(scenario.step_of(date), 0), scenario.steps) for date in dates]
    yearly = yearly_instants(scenario)
    chosen = yearly[np.linspace(0, len(yearly) - 1, dates).round().astype(int)]
    return [int(t) for t in dict.fromkeys(chosen.tolist())]


def _coordinates(arm: Arm) -> tuple[np.ndarray, np.ndarray]:
    order = np.asarray(arm.shared.network.order)
    return np.asarray(arm.scenario.places.longitude)[order], np.asarray(arm.scenario.places.latitude)[order]


def _extent(longitude: np.ndarray, latitude: np.ndarray, rings: Sequence[np.ndarray]) -> tuple[float, ...]:
    """West, east, south and north of the places, and of those outlines in which one of them lies."""
    low = np.array([longitude.min(), latitude.min()])
    high = np.array([longitude.max(), latitude.max()])
    points = np.column_stack([longitude, latitude])
    for ring in rings:
        if len(points) <= 400 and Outline(ring).contains_points(points).any() and len(rings) < 20:
            low, high = np.minimum(low, ring.min(axis=0)), np.maximum(high, ring.max(axis=0))
    pad = 0.04 * (high - low).max() + 0.02
    return float(low[0] - pad), float(high[0] + pad), float(low[1] - pad), float(high[1] + pad)


def _map_panels(count: int, tall: float) -> tuple[Figure, list[Axes], tuple[float, float]]:
    """Maps beside one another where they are narrow, else two in a row; where the legend goes, inches from below left.

    `tall`: width for a height of 1.
    """
    columns = count if tall < 1.35 else min(2, count)
    rows = -(-count // columns)
    across = (WIDTH - 0.2 - 0.15 * (columns - 1)) / columns
    height = min(across / tall, 6.0)
    free = rows * columns > count
    low = 0.1 if free else 0.55
    picture, axes = panels(WIDTH, rows * (height + 0.3) + low, rows, columns, (0.1, 0.1, 0.3, low), (0.15, 0.3))
    for panel in axes.ravel()[count:]:
        panel.remove()
    corner = (0.1 + (across + 0.15) * (columns - 1) + 0.3, 0.1 + height / 2) if free else (0.1, 0.08)
    return picture, list(axes.ravel()[:count]), corner


def _one_map(panel: Axes, box: tuple[float, ...], rings: Sequence[np.ndarray]) -> np.ndarray | None:
    """What lies behind the places: outlines, or degrees; points that no name may cover."""
    west, east, south, north = box
    panel.set_xlim(west, east)
    panel.set_ylim(south, north)
    panel.set_aspect(1 / np.cos(np.radians((south + north) / 2)))
    panel.set_xticks([])
    panel.set_yticks([])
    panel.spines[:].set_visible(False)
    inside = [
        ring
        for ring in rings
        if ring[:, 0].max() > west and ring[:, 0].min() < east and ring[:, 1].max() > south and ring[:, 1].min() < north
    ]
    inside = [_coarser(ring, (east - west) / 600) for ring in inside]
    if inside:
        path = Outline.make_compound_path(*(Outline(ring, closed=False) for ring in inside))
        panel.add_patch(PathPatch(path, facecolor="#f6f6f4", edgecolor=GREY, linewidth=0.6, zorder=1))
        return None
    return _graticule(panel, box)


def _graticule(panel: Axes, box: tuple[float, ...]) -> np.ndarray:
    """A frame and lines of round degrees, where there is no outline; the points that its figures cover."""
    panel.set_facecolor("#fafaf8")
    panel.spines[:].set(visible=True, color=PALE)
    covered = []
    for across, (low, high), signs in ((True, box[:2], "EW"), (False, box[2:], "NS")):
        step = next((s for s in (30, 10, 5, 2, 1, 0.5, 0.2, 0.1, 0.05, 0.02) if s <= (high - low) / 2), 0.01)
        room = high - 0.1 * (high - low)  # for the figures
        for value in np.arange(np.ceil(low / step), np.floor(room / step) + 1) * step:
            (panel.axvline if across else panel.axhline)(value, color=PALE, linewidth=0.6, zorder=0.5)
            x, y = (value, box[2]) if across else (box[0], value)
            words = f" {abs(value):.4g}° {signs[int(value < 0)]}"
            panel.text(x, y, words, fontsize=6, color=GREY, va="bottom", zorder=0.6)
            reach = (box[1] - box[0]) * text_width(words, 6) / (panel.get_position().width * WIDTH)
            covered += [(x + part * reach, y + 0.015 * (box[3] - box[2])) for part in (0, 0.33, 0.66, 1)]
    return np.array(covered)


def _coarser(ring: np.ndarray, grain: float) -> np.ndarray:
    """A ring without the points that would fall on the one before, at a grain in degrees."""
    grid = np.round(ring / grain)
    return ring[np.r_[True, (grid[1:] != grid[:-1]).any(axis=1)]]


def _map_legend(picture: Figure, corner: tuple[float, float], top: float, count: int) -> None:
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
    words = f"of {count} technologies operating\narea: population"
    axes.text(steps * wide + 0.25, 0.19, words, fontsize=SMALL, va="center")


# Guides


@_styled
def guides(results: Results) -> Figure:
    """What adoptions are attributed to, the leading guides, and the most probable guide of each municipality."""
    arm = results.baseline
    technology = _guided_technology(results)
    tree = _tree(arm, technology) if technology is not None else []
    sources, leaders = source_totals(arm), leading_guides(arm)
    first, second = 0.25 * max(len(sources), 1), 0.22 * len(leaders)
    height = max(first + second + 1.2, 0.165 * max(len(_leaves(tree)), 1) + 0.55)
    picture, axes = panels(WIDTH, height, 1, 1, (3.35, 0.1, 0.4, 0.1))
    axes[0, 0].set_axis_off()

    def bars(top: float, high: float) -> Axes:
        return picture.add_axes((1.4 / WIDTH, 1 - (top + high) / height, 1.35 / WIDTH, high / height))

    _source_bars(bars(0.4, first), sources)
    if leaders:
        _guide_bars(bars(0.95 + first, second), arm, leaders)
    _draw_tree(axes[0, 0], arm, tree, technology)
    return picture


def _source_bars(axes: Axes, sources: Mapping[str, float]) -> None:
    names = sorted(sources, key=lambda name: -sources[name])
    total = sum(sources.values()) or 1.0
    axes.barh(range(len(names)), [sources[n] for n in names], color=[SOURCE_COLOURS[n] for n in names], height=0.68)
    for at, name in enumerate(names):
        share = 100 * sources[name] / total
        words = f"{share:.0f} %" if share >= 0.5 else "< 1 %"
        axes.text(sources[name] + 0.01 * total, at, words, va="center", fontsize=SMALL)
    _bar_axes(axes, [SOURCE_WORDS[n] for n in names], f"Adoptions by source ({grouped(total)} a replicate)")


def _bar_axes(axes: Axes, names: Sequence[str], title: str) -> None:
    axes.set_yticks(range(len(names)), names, fontsize=SMALL)
    axes.set_ylim(max(len(names), 1) - 0.5, -0.5)
    axes.set_title(title, fontweight="bold", x=-1.3 / (axes.get_position().width * WIDTH))
    axes.set_xticks([])
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)


def _guide_bars(axes: Axes, arm: Arm, leaders: Sequence[tuple[int, float, float]]) -> None:
    names = [shortened(_name(arm, place), 1.25) for place, _, _ in leaders]
    peers, afar = np.array([row[1] for row in leaders]), np.array([row[2] for row in leaders])
    axes.barh(range(len(leaders)), peers, color=SOURCE_COLOURS["peers"], height=0.68)
    axes.barh(range(len(leaders)), afar, left=peers, color=SOURCE_COLOURS["leaders"], height=0.68)
    for at, total in enumerate(peers + afar):
        axes.text(total + 0.012 * (peers + afar).max(), at, figure(total, 2), va="center", fontsize=SMALL)
    _bar_axes(axes, names, "Leading guides (adoptions a replicate)")


def _name(arm: Arm, place: int) -> str:
    return arm.scenario.places.name[int(arm.shared.network.order[place])]


def _guided_technology(results: Results) -> int | None:
    """The first technology in focus that anybody was guided to; else the one that guides brought most often."""
    arm = results.baseline
    guided = arm.batch.events[arm.batch.events["guide"] >= 0]["technology"]
    number = np.bincount(guided, minlength=len(arm.counted))
    for technology in headline(results.scenario):
        if number[technology]:
            return technology
    return int(number.argmax()) if number.any() else None


def _tree(arm: Arm, technology: int) -> list[tuple[int, int, str, float]]:
    """(adopter, guide, channel, chance): each place under its likeliest guide among those that as a rule came before.

    The likeliest ones where there are more places than fit.
    """
    found = guidance(arm, technology)
    mean = np.where(np.isfinite(first := first_operating(arm)[:, :, technology]), first, 1e6).mean(axis=0)
    rows = []
    for adopter in np.unique(found.adopter):
        mine = np.flatnonzero((found.adopter == adopter) & (mean[found.guide] < mean[adopter]))
        if len(mine):
            best = mine[np.argmax(found.chance[mine])]
            channel = SOURCES[int(found.source[best])]
            rows.append((int(adopter), int(found.guide[best]), channel, float(found.chance[best])))
    rows.sort(key=lambda row: -row[3])
    return rows[:ROWS_SHOWN]


def _leaves(tree: Sequence[tuple[int, int, str, float]]) -> list[int]:
    guides_ = {row[1] for row in tree}
    return [row[0] for row in tree if row[0] not in guides_]


def _draw_tree(axes: Axes, arm: Arm, tree: Sequence[tuple[int, int, str, float]], technology: int | None) -> None:
    """The tree from left to right: a guide, and under it those that it guides most probably."""
    if technology is None:
        axes.set_title("Nobody was guided by anybody", fontweight="bold")
        return
    children: dict[int, list[tuple[int, int, str, float]]] = {}
    for row in tree:
        children.setdefault(row[1], []).append(row)
    roots = [guide for guide in children if guide not in {row[0] for row in tree}]
    roots.sort(key=lambda place: -len(children[place]))
    spots: dict[int, tuple[int, float]] = {}
    height = _settle(roots, children, 0, 0, spots)
    width = axes.get_position().width * WIDTH
    name = _plain(arm.scenario.technologies.name[technology])
    axes.set_title(wrapped(f"{name}: the likeliest guide", width - 1.7, 9, True), fontweight="bold")
    axes.set_xlim(0, width)
    axes.set_ylim(max(height, 1) - 0.4, -0.9)
    levels = _levels(arm, spots, set(children), width - 1.75)
    chances = {row[0]: f" {100 * row[3]:.0f} %" for row in tree}
    for place, (level, y) in spots.items():
        words = shortened(_name(arm, place), levels[level][1]) + chances.get(place, "")
        weight = "bold" if place in children else "normal"
        axes.text(levels[level][0], y, words, fontsize=SMALL, va="center", fontweight=weight)
    _draw_branches(axes, children, spots, levels)
    _draw_ways(axes, arm, technology, {place: y for place, (_, y) in spots.items() if place not in children})


def _settle(
    places: Sequence[int], children: Mapping[int, Sequence[Any]], level: int, y: float,
    spots: dict[int, tuple[int, float]],
) -> float:  # fmt: skip
    """Give every place its level and height, parents beside the middle of their children; the next free height."""
    for place in places:
        below = [row[0] for row in sorted(children.get(place, ()), key=lambda row: -row[3])]
        start = y
        y = _settle(below, children, level + 1, y, spots) if below else y + 1
        heights = [spots[child][1] for child in below]
        spots[place] = (level, (min(heights) + max(heights)) / 2 if heights else start)
    return y


def _levels(
    arm: Arm, spots: Mapping[int, tuple[int, float]], guiding: set[int], width: float
) -> list[tuple[float, float, float]]:
    """Of each level of the tree: where its names begin, their room, and where they end with the chance; inches."""
    depth = 1 + max(level for level, _ in spots.values())
    groups = [[place for place, (at, _) in spots.items() if at == level] for level in range(depth)]
    for room in np.arange(2.0, 0.35, -0.1):
        wide = [
            max(text_width(shortened(_name(arm, place), room), SMALL, place in guiding) for place in group)
            + (0.35 if level else 0.05)
            for level, group in enumerate(groups)
        ]
        if sum(wide) + 0.42 * (depth - 1) <= width:
            break
    starts = np.cumsum([0.0, *(w + 0.42 for w in wide[:-1])])
    return [(float(x), float(room), float(x + w)) for x, w in zip(starts, wide, strict=True)]


def _draw_branches(
    axes: Axes, children: Mapping[int, Sequence[Any]], spots: Mapping[int, tuple[int, float]],
    levels: Sequence[tuple[float, float, float]],
) -> None:  # fmt: skip
    """Lines from guides to those they guide, as wide as the chance, in the colour of the channel."""
    for guide, rows in children.items():
        level, y = spots[guide]
        for adopter, _, channel, chance in rows:
            x, at = levels[spots[adopter][0]][0] - 0.05, spots[adopter][1]
            line = ([levels[level][2], x - 0.2, x - 0.2, x], [y, y, at, at])
            axes.plot(*line, color=SOURCE_COLOURS[channel], linewidth=0.5 + 3 * chance, alpha=0.75, zorder=1)


def _draw_ways(axes: Axes, arm: Arm, technology: int, heights: Mapping[int, float]) -> None:
    """At the right, for each place at the tree's end, a bar of all ways in which it came to the technology."""
    events = arm.batch.events
    first = events[(events["technology"] == technology) & (events["spell"] == 1)]
    size = len(SOURCES) * len(arm.focus)
    number = np.bincount(first["source"].astype(np.int64) * len(arm.focus) + first["place"], minlength=size)
    ways = number.reshape(len(SOURCES), -1) / len(arm.rows)
    right, order = axes.get_xlim()[1], ("peers", "leaders", "platform", "external", "mandate", "action")
    ends = np.cumsum([1.6 * ways[SOURCES.index(source)] for source in order], axis=0) + right - 1.6
    starts = np.vstack([np.full(len(arm.focus), right - 1.6), ends[:-1]])
    for source, start, end in zip(order, starts, ends, strict=True):
        bars = [
            Outline([(start[i], y - 0.36), (end[i], y - 0.36), (end[i], y + 0.36), (start[i], y + 0.36)])
            for i, y in heights.items()
            if end[i] - start[i] > 0.004
        ]
        if bars:
            axes.add_patch(PathPatch(_joined(bars), facecolor=SOURCE_COLOURS[source], linewidth=0))
    axes.text(right - 1.6, -0.9, "chance of each way in", fontsize=SMALL, va="center")


# Policies


@_styled
def effects(results: Results, table: Mapping[str, Sequence[PolicyEffect]] | None = None) -> Figure:
    """Paired effects of every policy: mean, 95 % Monte Carlo interval (thick), 5-95 % of replicates (thin), price."""
    table = policy_effects(results) if table is None else table
    measures = [measure for measure in yardsticks(results) if measure.key in table]
    measures = [m for m in measures if m.key != "small"][:4]
    prices = {arm.name: price for arm, price in policy_prices(results)}
    order = sorted(range(len(table["coverage"])), key=lambda at: -table["coverage"][at].mean)
    left, right = 2.1, 1.25 if prices else 0.1
    picture, axes = panels(
        WIDTH, 0.3 * len(order) + 1.15, 1, len(measures), (left, right + 0.45, 0.65, 0.45), (0.6, 0.2), sharey=True
    )
    for panel, measure in zip(axes[0], measures, strict=True):
        _effect_panel(panel, results, measure, [table[measure.key][at] for at in order])
    names = [wrapped(table["coverage"][at].title, left - 0.1) for at in order]
    axes[0, 0].set_yticks(range(len(order)), names, fontsize=SMALL)
    axes[0, 0].set_ylim(len(order) - 0.5, -0.6)
    if prices:
        _price_column(axes[0, -1], results, [prices[table["coverage"][at].policy] for at in order])
    return picture


def _effect_panel(panel: Axes, results: Results, measure: Yardstick, rows: Sequence[PolicyEffect]) -> None:
    colours = {1: BLUE, -1: VERMILION, 0: GREY}
    for y, row in enumerate(rows):
        colour = colours[row.sign]
        panel.plot([row.q05, row.q95], [y, y], color=colour, linewidth=1.2, solid_capstyle="butt")
        if np.isfinite(row.low):
            panel.plot([row.low, row.high], [y, y], color=colour, linewidth=6, solid_capstyle="butt", alpha=0.9)
        panel.plot(row.mean, y, "o", color="white", markeredgecolor=colour, markersize=3.2, zorder=4)
        panel.annotate(
            _effect_words(row, measure), (1.03, y),
            xycoords=("axes fraction", "data"), fontsize=SMALL, va="center", color=colour if row.sign else INK,
            annotation_clip=False,
        )  # fmt: skip
    panel.axvline(0, color=INK, linewidth=0.8, zorder=0)
    panel.margins(x=0.08)
    tidy(panel, "x")
    panel.locator_params(axis="x", nbins=3)
    panel.xaxis.set_major_formatter(lambda value, _: signed(value) if abs(value) >= 1000 else _short(value))
    panel.set_xlabel(measure.unit, fontsize=SMALL)
    panel.tick_params(axis="x", labelsize=SMALL)
    what, when = _measure_words(results, measure)
    room = panel.get_position().width * WIDTH + 0.5
    panel.set_title(f"{wrapped(what, room, 8, True)}\n{shortened(when, room, 8)}", fontweight="bold", fontsize=8)


def _measure_words(results: Results, measure: Yardstick) -> tuple[str, str]:
    known = results.scenario.technologies
    what, _, when = measure.label.partition(", ")
    if what in known.id:
        what = known.name[known.id.index(what)]
    words = what[0].upper() + what[1:].removesuffix(" membership")
    return words, when


def _effect_words(row: PolicyEffect, measure: Yardstick) -> str:
    """The mean with its sign; one that is clearly not zero never reads as zero."""
    if row.sign and abs(row.mean) < 0.5 * 10**-measure.digits:
        return ("+" if row.mean > 0 else "") + figure(row.mean, 1)
    return signed(row.mean, measure.digits)


def _short(value: float) -> str:
    return f"{value:g}".replace("-", "\u2212")


PRICE_WORDS = {
    (Case.COSTS, True): "{} for each\npoint gained", (Case.SAVES, True): "{} saved for\neach point lost",
    (Case.BETTER, True): "more coverage,\nless money", (Case.WORSE, True): "less coverage,\nmore money",
    (Case.BETTER, False): "more coverage,\nmoney alike", (Case.WORSE, False): "less coverage,\nmoney alike",
    (Case.UNTOLD, False): "no clear change\nof coverage",
}  # fmt: skip


def _price_column(panel: Axes, results: Results, rows: Sequence[Price]) -> None:
    """Words at the right: what a percentage point of coverage costs, or saves."""
    for y, row in enumerate(rows):
        words = PRICE_WORDS[row.case, row.case != Case.UNTOLD and row.money.sign != 0]
        panel.annotate(
            words.format(figure(row.value)), (1.0, y), xytext=(44, 0), textcoords="offset points",
            xycoords=("axes fraction", "data"), fontsize=SMALL, va="center", annotation_clip=False, linespacing=1.05,
        )  # fmt: skip
    panel.annotate(
        f"Million {results.scenario.currency}\nfor a point\nof coverage", (1.0, 1.0), xytext=(44, 6),
        textcoords="offset points", xycoords="axes fraction", fontsize=8, fontweight="bold", va="bottom",
        annotation_clip=False,
    )  # fmt: skip


# Municipality by technology


@_styled
def heatmap(results: Results) -> Figure:
    """Municipality by technology: median year of first operation (colour) and how many replicates have it (size)."""
    arm, scenario = results.baseline, results.scenario
    share, median = when_operating(first_operating(arm))
    shown = np.flatnonzero(arm.focus)
    people = arm.shared.places["population"][shown]
    shown = shown[np.argsort(-people.astype(np.int64), kind="stable")][:ROWS_SHOWN]
    columns = np.argsort(-share[shown].mean(axis=0), kind="stable")
    rows = shown[np.argsort(-share[shown].mean(axis=1), kind="stable")]
    left, small = 1.5, 6.8
    names = [wrapped(_plain(scenario.technologies.name[k]), 3.3, small) for k in columns]
    long = np.array([max(text_width(line, small) for line in name.split("\n")) for name in names])
    over = float((long / 2 - 0.2 * np.arange(len(names))[::-1]).max())  # names lean out at the right
    top = float(long.max()) * 0.87 + 0.25
    picture, axes = panels(
        WIDTH, 0.165 * len(rows) + top + 0.6, 1, 1, (left, max(over, WIDTH - left - 0.36 * len(columns)), top, 0.6)
    )
    panel = axes[0, 0]
    years = _cells(panel, scenario, median[np.ix_(rows, columns)], share[np.ix_(rows, columns)])
    panel.set_yticks(np.arange(len(rows)) + 0.5, [shortened(_name(arm, i), left - 0.1) for i in rows], fontsize=SMALL)
    for at, name in enumerate(names):
        panel.text(
            at + 0.5, -0.3, name, rotation=60, rotation_mode="anchor", fontsize=small, ha="left", va="center",
            linespacing=0.98, color=(INK, DIM)[at % 2],
        )  # fmt: skip
    panel.set_xlim(0, len(columns))
    panel.set_ylim(len(rows), 0)
    panel.set_xticks([])
    panel.spines[:].set_visible(False)
    panel.tick_params(length=0)
    _year_legend(panel, years, len(columns))
    return picture


def _cells(panel: Axes, scenario: Any, dates: np.ndarray, share: np.ndarray) -> list[tuple[str, str]]:
    """A patch for each year's squares, their area the share of replicates; years with their colours in order."""
    calendar = scenario.instants.astype("datetime64[Y]").astype(int) + 1970
    safe = np.where(np.isfinite(dates), dates, 0).astype(int)
    year = np.where(np.isfinite(dates), np.where(safe == 0, -1, calendar[safe]), 0)
    present = list(range(int(calendar[0]), int(calendar[-1]) + 1))
    legend = [("at the start", INK)]
    for number in (-1, *present):
        colour = INK if number == -1 else to_hex(SHADES(0.95 - 0.9 * present.index(number) / max(len(present) - 1, 1)))
        if number != -1:
            legend.append((str(number), colour))
        squares = []
        for y, x in zip(*np.nonzero((year == number) & (share >= 0.02)), strict=True):
            low, high = 0.5 - 0.46 * share[y, x] ** 0.5, 0.5 + 0.46 * share[y, x] ** 0.5
            corners = np.array([(low, low), (high, low), (high, high), (low, high)])
            squares.append(Outline(corners + np.array([x, y])))
        if squares:
            panel.add_patch(PathPatch(_joined(squares), facecolor=colour, linewidth=0))
    return legend


def _joined(shapes: Sequence[Outline]) -> Outline:
    """Many closed shapes as one path: one element of an SVG file."""
    corners = [np.vstack([shape.vertices, np.asarray(shape.vertices)[:1]]) for shape in shapes]
    codes = [[Outline.MOVETO, *[Outline.LINETO] * (len(shape) - 2), Outline.CLOSEPOLY] for shape in corners]
    return Outline(np.vstack(corners), np.concatenate(codes))


def _year_legend(panel: Axes, years: Sequence[tuple[str, str]], columns: int) -> None:
    """Years and their colours in a line below."""
    cell = SMALL * 4.4 / 72 * columns / (panel.get_position().width * WIDTH)
    low, x = panel.get_ylim()[0], 0.0
    every = -(-len(years) // 14)
    for at, (words, colour) in enumerate(years):
        wide = cell * (1.0 / every if words.isdigit() else 1.65)
        panel.add_patch(
            Rectangle((x, low + 0.7), wide * 0.94, 0.8, facecolor=colour, edgecolor=GREY, linewidth=0.4, clip_on=False)
        )
        if at == 0 or (at - 1) % every == 0:
            panel.text(x, low + 2.3, words, fontsize=SMALL, va="center")
        x += wide


# Divide, product, money, ranks


@_styled
def divide(results: Results) -> Figure:
    """The digital divide over the years: Gini coefficient, and the best, middle and worst off tenth."""
    arm, scenario = results.baseline, results.scenario
    instants = yearly_instants(scenario)
    counts = [technologies_at(arm, int(t))[:, arm.focus] for t in instants]
    times = year_of(scenario.instants)[instants]
    picture, axes = panels(WIDTH, 3.3, 1, 2, (0.55, 1.35, 0.35, 0.4), (1.75, 0.3))
    inequality = np.column_stack([gini(count) for count in counts])
    found = _band(axes[0, 0], times, inequality)
    axes[0, 0].set_title("Gini coefficient of technologies operating", fontweight="bold")
    axes[0, 0].set_ylim(0, 1.02)
    ends = [(0.0, "0: all alike", GREY), (float(found["q50"][-1]), "median", BLUE), (1.0, "1: one has all", GREY)]
    _ends(axes[0, 0], times[-1], ends)
    total, tenth = max(int(arm.counted.sum()), 1), max(1, round(int(arm.focus.sum()) / 10))
    groups = {"best off tenth": slice(-tenth, None), "all": slice(None), "worst off tenth": slice(None, tenth)}
    labels = []
    for (name, part), colour in zip(groups.items(), (GREEN, INK, VERMILION), strict=True):
        values = np.column_stack([np.sort(count, axis=1)[:, part].mean(axis=1) for count in counts]) / total
        labels.append((_band(axes[0, 1], times, values, colour)["q50"][-1], name, colour))
    axes[0, 1].set_title(f"Share of {total} technologies operating", fontweight="bold")
    axes[0, 1].set_ylim(0, None)
    percent_axis(axes[0, 1].yaxis)
    _ends(axes[0, 1], times[-1], labels)
    for panel in axes[0]:
        year_axis(panel, float(times[0]), float(times[-1]), 6)
        tidy(panel)
    return picture


@_styled
def grp(results: Results, split: Mapping[str, float] | None = None) -> Figure:
    """Gross regional product against the base year's: one region over the years, several at the end; its variance."""
    arm, scenario = results.baseline, results.scenario
    if not has_economy(scenario):
        raise ValueError("this scenario has no regression of regional product (economy.fit)")
    values, regions = product(arm), arm.focus_regions
    base = np.asarray(arm.shared.regions["grp"])[regions]
    change = 100 * (values / base[:, None] - 1)
    split_room = 2.6 if split else 0.2
    if len(regions) == 1:
        picture, axes = panels(WIDTH, 3.2, 1, 1, (0.75, 1.35 + split_room, 0.35, 0.4))
        x = table_years(scenario).astype(float)
        found = _band(axes[0, 0], x, change[:, 0])
        year_axis(axes[0, 0], x[0], x[-1], 14)
        tidy(axes[0, 0])
        gain = float(np.median(values[:, 0, -1] - base[0]))
        amount = f"({'+' if gain > 0 else ''}{figure(gain, 2)} billion {scenario.currency})"
        words = [f"median {signed(float(found['q50'][-1]), 2)} %", amount]
        _ends(axes[0, 0], x[-1], [(found["q50"][-1], line, BLUE) for line in reversed(words)])
        name = scenario.regions.name[int(regions[0])]
    else:
        picture, axes = panels(WIDTH, 0.24 * len(regions) + 0.9, 1, 1, (1.9, 0.6 + split_room, 0.35, 0.4))
        _intervals(axes[0, 0], [scenario.regions.name[r] for r in regions], change[:, :, -1], "{:+.2f}")
        name = f"Regions in {table_years(scenario)[-1]}"
    year = scenario.economy.base_year
    title = f"{name}: gross regional product against that of {year}, % (conditional projection)"
    axes[0, 0].set_title(title, fontweight="bold")
    (axes[0, 0].axhline if len(regions) == 1 else axes[0, 0].axvline)(0, color=INK, linewidth=0.8)
    if split:
        _split_bar(picture, split)
    return picture


def _intervals(panel: Axes, names: Sequence[str], values: np.ndarray, form: str, size: float = SMALL) -> None:
    """Median, 50 and 90 % of replicates of each row, the largest first; values [replicates, rows]."""
    found = bands(values)
    order = np.argsort(-found["q50"], kind="stable")
    for y, at in enumerate(order):
        panel.plot([found["q05"][at], found["q95"][at]], [y, y], color=BLUE, linewidth=1.2)
        half = [found["q25"][at], found["q75"][at]]
        panel.plot(half, [y, y], color=BLUE, linewidth=5, alpha=0.5, solid_capstyle="butt")
        panel.plot(found["q50"][at], y, "o", color="white", markeredgecolor=BLUE, markersize=4.5)
        panel.annotate(
            form.format(found["q50"][at]).replace("-", "\u2212"), (1.02, y), xycoords=("axes fraction", "data"),
            fontsize=SMALL, va="center", annotation_clip=False,
        )  # fmt: skip
    panel.set_yticks(range(len(order)), [shortened(names[at], 1.75, size) for at in order], fontsize=size)
    panel.set_ylim(len(order) - 0.4, -0.6)
    tidy(panel, "x")


def _split_bar(picture: Figure, split: Mapping[str, float]) -> None:
    """A standing bar of the shares of variance, each part named."""
    width, height = picture.get_size_inches()
    axes = picture.add_axes((1 - 2.3 / width, 0.4 / height, 0.25 / width, 1 - 0.75 / height))
    colours = {"coefficients": PURPLE, "parameters": ORANGE, "luck": SKY, "together": GREY}
    low, middles, names = 0.0, [], []
    for name, share in split.items():
        axes.bar(0, share, bottom=low, color=colours[name], width=1)
        middles.append(low + share / 2)
        names.append(f"{name} {100 * share:.0f} %")
        low += share
    axes.set_ylim(0, max(low, 1e-9))
    axes.set_xlim(-0.5, 0.5)
    axes.set_axis_off()
    axes.set_title("Variance from", fontweight="bold")
    for y, name in zip(spread(np.array(middles), 0.07, 0.03, low - 0.03), names, strict=True):
        axes.text(1.15, y, name, transform=axes.get_yaxis_transform(), fontsize=SMALL, va="center")


@_styled
def spending(results: Results) -> Figure:
    """Money paid a year by tier in the regions in focus, mean over replicates, millions of the currency."""
    arm, scenario = results.baseline, results.scenario
    if not has_money(scenario):
        raise ValueError("nothing costs money in this scenario (finance.cost_level is 0)")
    years = table_years(scenario)
    picture, axes = panels(WIDTH, 3.4, 1, 1, (0.75, 1.9, 0.35, 0.4))
    panel = axes[0, 0]
    low, ends = np.zeros(len(years)), []
    for name, words in TIER_WORDS.items():
        mean = flow(arm, name).mean(axis=0)
        if mean.sum() <= 0:
            continue
        panel.bar(years, mean, bottom=low, color=TIER_COLOURS[name], width=0.82, linewidth=0)
        ends.append((float(low[-1] + mean[-1] / 2), f"{words} {figure(mean.sum())}", INK))
        low = low + mean
    panel.set_title(f"Paid a year, million {scenario.currency}; at the right, the sum of all years", fontweight="bold")
    panel.set_xlim(years[0] - 0.6, years[-1] + 0.45)
    panel.set_xticks(years[:: max(1, len(years) // 12)])
    panel.yaxis.set_major_formatter(lambda value, _: grouped(value) if abs(value) >= 1000 else f"{value:g}")
    tidy(panel)
    if ends:
        _ends(panel, years[-1] + 0.45, ends)
    return picture


@_styled
def ranks(results: Results) -> Figure:
    """The league of places by IQ-city index at the end, and of regions where there are several."""
    arm, scenario = results.baseline, results.scenario
    index = index_at(arm, scenario.steps)
    shown = np.flatnonzero(arm.focus)
    best = shown[np.argsort(-np.median(index[:, shown], axis=0), kind="stable")][:20]
    several = len(arm.focus_regions) > 1
    most = max(len(best), len(arm.focus_regions) if several else 0)
    picture, axes = panels(WIDTH, 0.2 * most + 0.75, 1, 2 if several else 1, (1.85, 0.5, 0.35, 0.35), (2.4, 0.3))
    _intervals(axes[0, 0], [_name(arm, i) for i in best], index[:, best], "{:.0f}")
    until = month(scenario, scenario.steps)
    title = f"IQ-city index (0 to 120), {until}: first {len(best)} places"
    axes[0, 0].set_title(title, fontweight="bold", x=-0.8 if several else 0)
    if several:
        names = [scenario.regions.name[r] for r in arm.focus_regions]
        _intervals(axes[0, 1], names, region_index_at(arm, scenario.steps), "{:.0f}")
        axes[0, 1].set_title("Regions, by population", fontweight="bold", x=-0.5)
    for panel in axes[0]:
        panel.set_xlim(0, None)
    return picture


FIGURES: dict[str, Callable[..., Figure]] = {
    "programme": programme, "technologies": technologies, "map": map, "guides": guides, "effects": effects,
    "heatmap": heatmap, "divide": divide, "grp": grp, "spending": spending, "ranks": ranks,
}  # fmt: skip
"""Pictures by name, in the order of the report."""
MAIN = ("programme", "map", "technologies", "guides", "effects", "heatmap")
APART = ("programme", "technologies", "map", "guides", "heatmap", "divide", "spending", "ranks")
"""Those that another process can draw: the others rest on figures that the report needs too."""


def applicable(results: Results) -> list[str]:
    """Names of the pictures that say something about this run."""
    without = {
        "effects": len(results.arms) < 2,
        "grp": not has_economy(results.scenario),
        "spending": not has_money(results.scenario),
        "map": not results.baseline.focus.any(),
    }
    return [name for name in FIGURES if not without.get(name, False)]


class Plot:
    """Pictures of a run: `results.plot.programme()` and the like; each is a matplotlib Figure."""

    def __init__(self, results: Results) -> None:
        self.results = results
        self._kept: dict[str, Figure] = {}
        self._texts: dict[str, str] = {}
        self._images: dict[str, bytes] = {}

    def __getattr__(self, name: str) -> Callable[..., Figure]:
        if name.startswith("_") or name not in FIGURES:
            raise AttributeError(f"there is no picture {name!r}; there are: {', '.join(FIGURES)}")
        return functools.partial(FIGURES[name], self.results)

    def __dir__(self) -> list[str]:
        return [*object.__dir__(self), *FIGURES]

    @functools.cached_property
    def effect_table(self) -> dict[str, list[PolicyEffect]]:
        """Effects of the policies by measure; empty where no policy was run."""
        return policy_effects(self.results) if len(self.results.arms) > 1 else {}

    @functools.cached_property
    def split(self) -> Split | None:
        """What the variance of the regional product in the last year comes from; None where there is no economy."""
        if not has_economy(self.results.scenario):
            return None
        return variance_split(self.results, {"grp": lambda arm: product(arm)[:, :, -1].sum(axis=1)})["grp"]

    def _options(self, name: str) -> dict[str, Any]:
        if name == "effects":
            return {"table": self.effect_table}
        if name == "grp" and self.split and len(self.split.shares) > 1:
            return {"split": self.split.shares}
        return {}

    def kept(self, name: str) -> Figure:
        """A picture that is drawn once and kept, for files and the report."""
        if name not in self._kept:
            self._kept[name] = FIGURES[name](self.results, **self._options(name))
        return self._kept[name]

    def text(self, name: str) -> str:
        """A kept picture as a whole SVG file."""
        if name not in self._texts:
            self._texts[name] = svg(self.kept(name), name, alone=True)
        return self._texts[name]

    def image(self, name: str) -> bytes:
        """A kept picture as a PNG file, 150 dots an inch."""
        if name not in self._images:
            stream = io.BytesIO()
            with mpl.rc_context(STYLE):
                self.kept(name).savefig(stream, dpi=150)
            self._images[name] = stream.getvalue()
        return self._images[name]

    def take(self, drawn: Mapping[str, Files]) -> None:
        """Keep pictures that another process has drawn of the same results, by name: see `files`."""
        for name, (text, image) in drawn.items():
            self._texts[name] = text
            if image is not None:
                self._images[name] = image


Files = tuple[str, bytes | None]
"""A picture as SVG, and as PNG where it is a main one."""


def files(plot: Plot, name: str) -> Files:
    """What is written of a picture."""
    return plot.text(name), plot.image(name) if name in MAIN else None


def save_figures(results: Results, folder: str | Path, plot: Plot | None = None) -> list[Path]:
    """Write every applicable picture as SVG, and the main ones as PNG; the paths written."""
    plot, folder = plot or Plot(results), Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name in applicable(results):
        text, image = files(plot, name)
        written.append(folder / f"{name}.svg")
        written[-1].write_text(text, encoding="utf-8", newline="\n")
        if image is not None:
            written.append(folder / f"{name}.png")
            written[-1].write_bytes(image)
    return written
