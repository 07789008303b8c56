"""Who guided whom? What adoptions are attributed to, who guides most, and the likeliest guide of each municipality."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch

from sim.engine.columns import SOURCES
from sim.report.findings import first_operating, guidance, leading_guides, source_totals
from sim.report.names import place_name, technology_name
from sim.report.pieces import ROWS_SHOWN, WIDTH, box, joined, styled
from sim.report.style import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    SMALL,
    VERMILION,
    panels,
    shortened,
    text_width,
    wrapped,
)
from sim.report.words import figure, grouped, label, table
from sim.results.measures import headline

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from sim.results.run import Arm, Results

SOURCE_COLOURS = {
    "external": GREY, "peers": BLUE, "leaders": VERMILION, "platform": GREEN, "mandate": ORANGE, "action": PURPLE,
}  # fmt: skip
WAYS = ("peers", "leaders", "platform", "external", "mandate", "action")
"""Ways in, in the order of their bars: guided ones first."""
WAYS_WIDE = 1.6
"""Room of the bars of ways in, inches."""


class Branch(NamedTuple):
    """A municipality under its likeliest guide: through which channel, and with what chance; canonical numbers."""

    adopter: int
    guide: int
    channel: str
    chance: float


class Level(NamedTuple):
    """A level of the tree: where its names begin, their room, and where they end with the chance; inches."""

    start: float
    room: float
    end: float


@styled
def guides(results: Results) -> Figure:
    """What adoptions are attributed to, the leading guides, and the most probable guide of each municipality."""
    arm = results.baseline
    technology = _guided_technology(results)
    branches = tree(arm, technology) if technology is not None else []
    sources, leaders = source_totals(arm), leading_guides(arm)
    first, second = 0.25 * max(len(sources), 1), 0.22 * len(leaders)
    leaves = {branch.adopter for branch in branches} - {branch.guide for branch in branches}
    height = max(first + second + 1.2, 0.165 * max(len(leaves), 1) + 0.55)
    picture, axes = panels(WIDTH, height, 1, 1, (3.35, 0.1, 0.4, 0.1))
    axes[0, 0].set_axis_off()

    def bars(top: float, high: float) -> Axes:
        return picture.add_axes((1.4 / WIDTH, 1 - (top + high) / height, 1.35 / WIDTH, high / height))

    _source_bars(bars(0.4, first), sources)
    if leaders:  # nobody guides where all channels but the external one are off
        _guide_bars(bars(0.95 + first, second), arm, leaders)
    if technology is None:
        axes[0, 0].set_title(label("guides.nobody"), fontweight="bold")
    else:
        _draw_tree(axes[0, 0], arm, branches, technology)
    return picture


def _source_bars(axes: Axes, sources: Mapping[str, float]) -> None:
    """Share of each source in all adoptions, the largest first."""
    names = sorted(sources, key=lambda name: -sources[name])
    total, called = sum(sources.values()) or 1.0, table()["source"]
    axes.barh(range(len(names)), [sources[n] for n in names], color=[SOURCE_COLOURS[n] for n in names], height=0.68)
    for at, name in enumerate(names):
        share = 100 * sources[name] / total
        words = label("share", value=f"{share:.0f}") if share >= 0.5 else label("guides.little")
        axes.text(sources[name] + 0.01 * total, at, words, va="center", fontsize=SMALL)
    _bar_axes(axes, [called[n] for n in names], label("guides.sources", count=grouped(total)))


def _guide_bars(axes: Axes, arm: Arm, leaders: Sequence[tuple[int, float, float]]) -> None:
    """Adoptions that each leading guide brought, by the channel it works through."""
    names = [shortened(place_name(arm, place), 1.25) for place, _, _ in leaders]
    peers, afar = np.array([row[1] for row in leaders]), np.array([row[2] for row in leaders])
    axes.barh(range(len(leaders)), peers, color=SOURCE_COLOURS["peers"], height=0.68)
    axes.barh(range(len(leaders)), afar, left=peers, color=SOURCE_COLOURS["leaders"], height=0.68)
    for at, total in enumerate(peers + afar):
        axes.text(total + 0.012 * (peers + afar).max(), at, figure(total, 2), va="center", fontsize=SMALL)
    _bar_axes(axes, names, label("guides.leading"))


def _bar_axes(axes: Axes, names: Sequence[str], title: str) -> None:
    """Names at the left of bars, nothing else: their figures stand beside them."""
    axes.set_yticks(range(len(names)), names, fontsize=SMALL)
    axes.set_ylim(max(len(names), 1) - 0.5, -0.5)
    axes.set_title(title, fontweight="bold", x=-1.3 / (axes.get_position().width * WIDTH))
    axes.set_xticks([])
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)


def _guided_technology(results: Results) -> int | None:
    """The first technology in focus that anybody was guided to; else the one that guides brought most often."""
    arm = results.baseline
    guided = arm.batch.events[arm.batch.events["guide"] >= 0]["technology"]
    number = np.bincount(guided, minlength=len(arm.counted))
    for technology in headline(results.scenario):
        if number[technology]:
            return technology
    return int(number.argmax()) if number.any() else None


def tree(arm: Arm, technology: int) -> list[Branch]:
    """Each place under its likeliest guide, the likeliest pairs where there are more than fit.

    Only a guide that on average has the technology earlier is taken: so no circle can be.
    """
    found = guidance(arm, technology)
    # what never comes counts as very late, so that a guide that seldom has it is no early one
    mean = np.where(np.isfinite(first := first_operating(arm)[:, :, technology]), first, 1e6).mean(axis=0)
    branches = []
    for adopter in np.unique(found.adopter):
        mine = np.flatnonzero((found.adopter == adopter) & (mean[found.guide] < mean[adopter]))
        if len(mine):
            best = mine[np.argmax(found.chance[mine])]
            channel = SOURCES[int(found.source[best])]
            branches.append(Branch(int(adopter), int(found.guide[best]), channel, float(found.chance[best])))
    return sorted(branches, key=lambda branch: -branch.chance)[:ROWS_SHOWN]


def _draw_tree(axes: Axes, arm: Arm, branches: Sequence[Branch], technology: int) -> None:
    """The tree from left to right: a guide, and under it those that it guides most probably."""
    children: dict[int, list[Branch]] = {}
    for branch in branches:  # the likeliest first, hence also within each guide
        children.setdefault(branch.guide, []).append(branch)
    roots = [guide for guide in children if guide not in {branch.adopter for branch in branches}]
    spots: dict[int, tuple[int, float]] = {}
    height = _settle(sorted(roots, key=lambda place: -len(children[place])), children, 0, 0, spots)
    width = axes.get_position().width * WIDTH
    title = label("guides.tree", technology=technology_name(arm.scenario, technology))
    axes.set_title(wrapped(title, width - 1.7, 9, True), fontweight="bold")
    axes.set_xlim(0, width)
    axes.set_ylim(max(height, 1) - 0.4, -0.9)
    levels = _levels(arm, spots, set(children), width - 1.75)
    chances = {branch.adopter: f" {100 * branch.chance:.0f} %" for branch in branches}
    for place, (level, y) in spots.items():
        words = shortened(place_name(arm, place), levels[level].room) + chances.get(place, "")
        weight = "bold" if place in children else "normal"
        axes.text(levels[level].start, y, words, fontsize=SMALL, va="center", fontweight=weight)
    _draw_branches(axes, [branch for group in children.values() for branch in group], spots, levels)
    _draw_ways(axes, arm, technology, {place: y for place, (_, y) in spots.items() if place not in children})


def _settle(
    places: Sequence[int],
    children: Mapping[int, Sequence[Branch]],
    level: int,
    y: float,
    spots: dict[int, tuple[int, float]],
) -> float:
    """Give every place its level and height, parents beside the middle of their children; the next free height."""
    for place in places:
        below = [branch.adopter for branch in children.get(place, ())]
        start = y
        y = _settle(below, children, level + 1, y, spots) if below else y + 1
        heights = [spots[child][1] for child in below]
        spots[place] = (level, (min(heights) + max(heights)) / 2 if heights else start)
    return y


def _levels(arm: Arm, spots: Mapping[int, tuple[int, float]], guiding: set[int], width: float) -> list[Level]:
    """The levels of the tree side by side, their names as long as there is room for all, and no longer than that."""
    depth = 1 + max(level for level, _ in spots.values())
    groups = [[place for place, (at, _) in spots.items() if at == level] for level in range(depth)]
    gap = 0.42
    for room in np.arange(2.0, 0.35, -0.1):
        wide = [
            max(text_width(shortened(place_name(arm, place), room), SMALL, place in guiding) for place in group)
            + (0.35 if level else 0.05)  # the chance, which roots have none of
            for level, group in enumerate(groups)
        ]
        if sum(wide) + gap * (depth - 1) <= width:
            break
    starts = np.cumsum([0.0, *(w + gap for w in wide[:-1])])
    return [Level(float(x), float(room), float(x + w)) for x, w in zip(starts, wide, strict=True)]


def _draw_branches(
    axes: Axes, branches: Sequence[Branch], spots: Mapping[int, tuple[int, float]], levels: Sequence[Level]
) -> None:
    """Lines from a guide to those it guides, as wide as the chance, in the colour of the channel."""
    for adopter, guide, channel, chance in branches:
        level, y = spots[guide]
        x, at = levels[spots[adopter][0]].start - 0.05, spots[adopter][1]
        line = ([levels[level].end, x - 0.2, x - 0.2, x], [y, y, at, at])
        axes.plot(*line, color=SOURCE_COLOURS[channel], linewidth=0.5 + 3 * chance, alpha=0.75, zorder=1)


def _draw_ways(axes: Axes, arm: Arm, technology: int, heights: Mapping[int, float]) -> None:
    """At the right, for each place at the tree's end, a bar of all ways in which it came to the technology."""
    events = arm.batch.events
    first = events[(events["technology"] == technology) & (events["spell"] == 1)]
    size = len(SOURCES) * len(arm.focus)
    number = np.bincount(first["source"].astype(np.int64) * len(arm.focus) + first["place"], minlength=size)
    chance = number.reshape(len(SOURCES), -1) / len(arm.rows)
    left = axes.get_xlim()[1] - WAYS_WIDE
    ends = np.cumsum([WAYS_WIDE * chance[SOURCES.index(way)] for way in WAYS], axis=0) + left
    starts = np.vstack([np.full(len(arm.focus), left), ends[:-1]])
    for way, start, end in zip(WAYS, starts, ends, strict=True):
        seen = [(i, y) for i, y in heights.items() if end[i] - start[i] > 0.004]
        bars = [box(start[i], end[i], y - 0.36, y + 0.36) for i, y in seen]
        if bars:
            axes.add_patch(PathPatch(joined(bars), facecolor=SOURCE_COLOURS[way], linewidth=0))
    axes.text(left, -0.9, label("guides.ways"), fontsize=SMALL, va="center")
