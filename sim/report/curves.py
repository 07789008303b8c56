"""What happens over time? Pictures of the programme, technologies, the digital divide, regional product and money."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from sim.report.findings import TIERS, technology_shares
from sim.report.names import technology_name
from sim.report.pieces import DIM, WIDTH, band, cycle, interval_rows, name_ends, share_axes, styled, thinned
from sim.report.style import (
    BLUE,
    GREEN,
    GREY,
    INK,
    ORANGE,
    PURPLE,
    SKY,
    SMALL,
    VERMILION,
    label_ends,
    panels,
    percent_axis,
    spread,
    tidy,
    wrapped,
    year_axis,
    year_of,
)
from sim.report.words import figure, grouped, label, month, said, signed, table
from sim.results.measures import (
    coverage,
    flow,
    gini,
    has_economy,
    has_money,
    headline,
    one,
    product,
    table_years,
    technologies_at,
    yearly_instants,
)
from sim.results.targets import verdicts

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from sim.results.run import Arm, Results

TIER_COLOURS = dict(zip(TIERS, (BLUE, "#a5d5f3", "#0b3556", VERMILION, "#dcdcdc", INK), strict=True))
"""Neighbours differ in lightness: grey print and every eye tell them apart."""
PART_COLOURS = {"coefficients": PURPLE, "parameters": ORANGE, "luck": SKY, "together": GREY}
ARM_COLOURS = (VERMILION, GREEN, PURPLE)
DASHED = (0, (4, 1.5))


# The programme


@styled
def programme(results: Results, arms: bool = True) -> Figure:
    """Share of focus municipalities in each targeted technology: median, 50 and 90 % bands, targets, arms."""
    arm, scenario = results.baseline, results.scenario
    chosen: list[int | None] = list(headline(scenario)) or [None]
    picture, axes = panels(WIDTH, 3.9 * len(chosen), len(chosen), 1, (0.6, 2.1, 0.35, 0.4), (0.3, 0.55))
    times = year_of(scenario.instants)
    keep = thinned(times)
    for panel, technology in zip(axes[:, 0], chosen, strict=True):
        values = _share(arm, technology)
        band(panel, times[keep], values[:, keep])  # thinned: a month more or less is not seen, and a file is small
        title = "programme.coverage" if technology is None else "programme.technology"
        name = "" if technology is None else scenario.technologies.name[technology]
        panel.set_title(label(title, name=name, count=int(arm.focus.sum())), fontweight="bold")
        share_axes(panel, times)
        _key(panel, results.replicates, _other_arms(panel, results, technology, times, values) if arms else [])
        if technology is not None:
            _targets(panel, results, technology, times)
    return picture


def _share(arm: Arm, technology: int | None) -> np.ndarray:
    """Share of focus municipalities with a technology, coverage where none is named, float64[replicates, T + 1]."""
    return coverage(arm) if technology is None else one(arm, technology)


def _other_arms(
    panel: Axes, results: Results, technology: int | None, times: np.ndarray, base: np.ndarray
) -> list[tuple[str, str]]:
    """Thin lines of the three policies whose median differs most from the baseline; titles and colours."""
    medians = {
        arm.title or name: np.median(_share(arm, technology), axis=0)
        for name, arm in results.arms.items()
        if arm is not results.baseline
    }
    away = {title: float(np.abs(median - np.median(base, axis=0)).max()) for title, median in medians.items()}
    most = sorted((title for title in away if away[title] >= 0.03), key=lambda title: -away[title])[:3]
    for title, colour in zip(most, ARM_COLOURS, strict=False):
        # below the baseline's median, which is what the picture is about
        panel.plot(times, medians[title], color=colour, linewidth=1.1, linestyle=DASHED, zorder=1.9)
    return list(zip(most, ARM_COLOURS, strict=False))


def _key(panel: Axes, replicates: int, others: Sequence[tuple[str, str]]) -> None:
    """At the right of a panel: what the bands and the thin lines are, each beside a piece of it."""
    across = panel.get_position().width * WIDTH
    left, right, text = 1 + 0.15 / across, 1 + 0.35 / across, 1 + 0.42 / across
    options: dict[str, Any] = {"transform": panel.transAxes, "clip_on": False}
    for low, high, alpha in ((0.62, 0.92, 0.16), (0.69, 0.85, 0.3)):
        panel.add_patch(
            Rectangle((left, low), right - left, high - low, color=BLUE, alpha=alpha, linewidth=0, **options)
        )
    panel.plot([left, right], [0.75, 0.75], color=BLUE, linewidth=1.6, **options)
    words = {0.89: label("band.90"), 0.82: label("band.50"), 0.75: label("band.median", count=replicates)}
    for y, line in words.items():
        panel.text(text, y, line, fontsize=SMALL, color=BLUE, va="center", transform=panel.transAxes)
    for at, (title, colour) in enumerate(others):
        y = 0.5 - 0.12 * at
        panel.plot([left, right], [y, y], color=colour, linewidth=1.1, linestyle=DASHED, **options)
        panel.text(text, y, wrapped(title, 1.6), fontsize=SMALL, color=colour, va="center", transform=panel.transAxes)


def _targets(panel: Axes, results: Results, technology: int, times: np.ndarray) -> None:
    """Observations as filled marks with their range, plans as hollow ones, undated ones as a line up to their date."""
    scenario, members = results.scenario, int(results.baseline.focus.sum())
    for verdict in verdicts(results):
        target = verdict.target
        if target.technology != scenario.technologies.id[technology]:
            continue
        x, middle, plan = float(times[verdict.instant]), (verdict.low + verdict.high) / 2, target.kind == "plan"
        words = said("labels.txt", "target", {
            "plan": plan, "dated": target.date is not None, "month": month(scenario.instant(verdict.instant)),
            "range": (round(verdict.low * members), round(verdict.high * members), members),
        })  # fmt: skip
        if target.date is None:
            first = max(times[0], x - 0.22 * (times[-1] - times[0]))
            # a line up to the date, since any instant before it would do
            panel.hlines(middle, first, x, color=INK, linewidth=1.2, linestyle=":")
            panel.plot(x, middle, marker="<", color=INK, markersize=5, zorder=5)
            _note(panel, x, middle, words)
        else:
            # a plan is quieter than what was observed: it is no fact about the world
            marker, colour, face, wide = ("D", DIM, "white", 0.9) if plan else ("o", INK, INK, 2.2)
            panel.vlines(x, verdict.low, verdict.high, color=colour, linewidth=wide, zorder=5)
            panel.plot(x, middle, marker=marker, color=colour, markerfacecolor=face, markersize=3 + wide, zorder=6)
            _note(panel, x, middle, words, below=middle >= 0.9)


def _note(panel: Axes, x: float, y: float, text: str, below: bool = False) -> None:
    """Words at the right of a mark, or below it where the mark is at the top."""
    panel.annotate(
        text, (x, y), xytext=(8, -11 if below else 0), textcoords="offset points", fontsize=SMALL, ha="left",
        va="center", zorder=7, bbox={"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 0.8},
    )  # fmt: skip


# Technologies


@styled
def technologies(results: Results) -> Figure:
    """Mean share of focus municipalities operating each technology, a panel for each domain, every line named."""
    scenario, arm = results.scenario, results.baseline
    tech = scenario.technologies
    counted = np.flatnonzero(arm.counted) if arm.counted.any() else np.arange(len(tech.id))
    domains = list(dict.fromkeys(tech.domain[k] for k in counted))
    domains.sort(key=lambda name: -tech.domain.count(name))
    members = [[int(k) for k in counted if tech.domain[k] == domain] for domain in domains]
    room = 2.55
    names = [[wrapped(technology_name(scenario, k), room - 0.25, lines=4) for k in group] for group in members]
    picture, axes = _panels_as_tall_as_their_names(names, room)
    times, shares = year_of(scenario.instants), technology_shares(arm)
    keep, top = thinned(times, 80), max(0.1, np.ceil(shares[counted].max() * 10) / 10)
    for panel, domain, group, called in zip(axes.flat, domains, members, names, strict=False):
        panel.set_title(domain.replace("_", " ").capitalize(), fontweight="bold")
        for colour, k in zip(cycle(len(group)), group, strict=True):
            panel.plot(times[keep], shares[k, keep], color=colour, linewidth=1.3)
        share_axes(panel, times, top, 4)
        panel.set_yticks([0, top / 2, top])
        label_ends(panel, times[-1], [shares[k, -1] for k in group], called, cycle(len(group)))
    for panel in axes.ravel()[len(domains) :]:
        panel.remove()
    return picture


def _panels_as_tall_as_their_names(names: Sequence[Sequence[str]], room: float) -> tuple[Figure, np.ndarray]:
    """A panel for each group of names, two in a row, each row as tall as its names need one below the other."""
    columns = min(2, len(names))
    rows = -(-len(names) // columns)
    lines = [sum(name.count("\n") + 1 for name in group) for group in names]
    tall = [max(1.05, 0.135 * max(lines[at * columns : (at + 1) * columns])) for at in range(rows)]
    return panels(
        WIDTH, sum(tall) + 0.5 * rows + 0.2, rows, columns, (0.5, room, 0.3, 0.35), (room + 0.55, 0.5),
        height_ratios=tall,
    )  # fmt: skip


# Divide, product, money


@styled
def divide(results: Results) -> Figure:
    """The digital divide over the years: Gini coefficient, and the best, middle and worst off tenth."""
    arm, scenario = results.baseline, results.scenario
    instants = yearly_instants(scenario)
    counts = [technologies_at(arm, int(t))[:, arm.focus] for t in instants]
    times, total = year_of(scenario.instants)[instants], max(int(arm.counted.sum()), 1)
    picture, axes = panels(WIDTH, 3.3, 1, 2, (0.55, 1.35, 0.35, 0.4), (1.75, 0.3))
    inequality, shares = axes[0]
    median = band(inequality, times, np.column_stack([gini(count) for count in counts]))
    inequality.set_title(label("divide.gini"), fontweight="bold")
    inequality.set_ylim(0, 1.02)
    ends = [(0.0, label("divide.alike"), GREY), (median[-1], label("median"), BLUE), (1.0, label("divide.one"), GREY)]
    name_ends(inequality, times[-1], ends)
    tenth = max(1, round(int(arm.focus.sum()) / 10))
    groups = {"best": (slice(-tenth, None), GREEN), "all": (slice(None), INK), "worst": (slice(None, tenth), VERMILION)}
    ends = []
    for name, (part, colour) in groups.items():
        values = np.column_stack([np.sort(count, axis=1)[:, part].mean(axis=1) for count in counts]) / total
        ends.append((band(shares, times, values, colour)[-1], label(f"divide.{name}"), colour))
    shares.set_title(label("divide.share", count=total), fontweight="bold")
    shares.set_ylim(0, None)
    percent_axis(shares.yaxis)
    name_ends(shares, times[-1], ends)
    for panel in axes[0]:
        year_axis(panel, float(times[0]), float(times[-1]), 6)
        tidy(panel)
    return picture


@styled
def grp(results: Results, split: Mapping[str, float] | None = None) -> Figure:
    """Gross regional product against the base year's: one region over the years, several at the end; its variance."""
    arm, scenario = results.baseline, results.scenario
    if not has_economy(scenario):
        raise ValueError("this scenario has no regression of regional product (economy.fit)")
    regions = arm.focus_regions
    names, years = [scenario.regions.name[r] for r in regions], table_years(scenario)
    room = 2.6 if split else 0.2
    if len(regions) == 1:
        picture, axes = panels(WIDTH, 3.2, 1, 1, (0.75, 1.35 + room, 0.35, 0.4))
        _one_region(axes[0, 0], arm, years.astype(float))
        subject = names[0]
    else:
        picture, axes = panels(WIDTH, 0.24 * len(regions) + 0.9, 1, 1, (1.9, 0.6 + room, 0.35, 0.4))
        interval_rows(axes[0, 0], names, _change(arm)[:, :, -1], 2, sign=True)
        axes[0, 0].axvline(0, color=INK, linewidth=0.8)
        subject = label("grp.regions", year=years[-1])
    title = label("grp.title", subject=subject, year=scenario.economy.base_year)
    axes[0, 0].set_title(title, fontweight="bold")
    if split:
        _split_bar(picture, split)
    return picture


def _change(arm: Arm) -> np.ndarray:
    """Product of the regions in focus against the base year's, per cent, float64[replicates, regions, Y]."""
    base = np.asarray(arm.shared.regions["grp"])[arm.focus_regions]
    return 100 * (product(arm) / base[:, None] - 1)


def _one_region(panel: Axes, arm: Arm, years: np.ndarray) -> None:
    """The one region in focus over the years; at the end of the line, what it gains in money too."""
    values = product(arm)[:, 0, -1]
    gain = float(np.median(values - np.asarray(arm.shared.regions["grp"])[arm.focus_regions[0]]))
    median = band(panel, years, _change(arm)[:, 0])
    year_axis(panel, years[0], years[-1], 14)
    tidy(panel)
    amount = ("+" if gain > 0 else "") + figure(gain, 2)
    words = (
        label("grp.median", change=signed(float(median[-1]), 2)),
        label("grp.gain", gain=amount, currency=arm.scenario.currency),
    )
    name_ends(panel, years[-1], [(median[-1], line, BLUE) for line in reversed(words)])
    panel.axhline(0, color=INK, linewidth=0.8)


def _split_bar(picture: Figure, split: Mapping[str, float]) -> None:
    """A standing bar of the shares of variance, each part named."""
    width, height = picture.get_size_inches()
    axes = picture.add_axes((1 - 2.3 / width, 0.4 / height, 0.25 / width, 1 - 0.75 / height))
    low, middles, names = 0.0, [], []
    for name, share in split.items():
        axes.bar(0, share, bottom=low, color=PART_COLOURS[name], width=1)
        middles.append(low + share / 2)
        names.append(label("grp.part", part=table()["variance"][name], share=f"{100 * share:.0f}"))
        low += share
    axes.set_ylim(0, max(low, 1e-9))
    axes.set_xlim(-0.5, 0.5)
    axes.set_axis_off()
    axes.set_title(label("grp.variance"), fontweight="bold")
    for y, name in zip(spread(np.array(middles), 0.07, 0.03, low - 0.03), names, strict=True):
        axes.text(1.15, y, name, transform=axes.get_yaxis_transform(), fontsize=SMALL, va="center")


@styled
def spending(results: Results) -> Figure:
    """Money paid a year by tier in the regions in focus, mean over replicates, millions of the currency."""
    arm, scenario = results.baseline, results.scenario
    if not has_money(scenario):
        raise ValueError("nothing costs money in this scenario (finance.cost_level is 0)")
    years = table_years(scenario)
    picture, axes = panels(WIDTH, 3.4, 1, 1, (0.75, 1.9, 0.35, 0.4))
    panel = axes[0, 0]
    low, ends = np.zeros(len(years)), []
    for name, words in table()["tier"].items():
        mean = flow(arm, name).mean(axis=0)
        if mean.sum() <= 0:
            continue
        panel.bar(years, mean, bottom=low, color=TIER_COLOURS[name], width=0.82, linewidth=0)
        ends.append((float(low[-1] + mean[-1] / 2), f"{words} {figure(mean.sum())}", INK))
        low = low + mean
    panel.set_title(label("spending.title", currency=scenario.currency), fontweight="bold")
    panel.set_xlim(years[0] - 0.6, years[-1] + 0.45)
    panel.set_xticks(years[:: max(1, len(years) // 12)])
    panel.yaxis.set_major_formatter(lambda value, _: grouped(value) if abs(value) >= 1000 else f"{value:g}")
    tidy(panel)
    if ends:
        name_ends(panel, years[-1] + 0.45, ends)
    return picture
