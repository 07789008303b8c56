"""What does a GRP fit look like to somebody who must decide on it? One HTML file with its pictures inside."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from calibration import words
from calibration.grp.fit import GrpFit
from calibration.grp.report import EQUATIONS, TESTS, as_json
from sim.report.style import BLUE, GREY, INK, PALE, VERMILION, place_labels
from sim.report.words import figure, grouped

SHOWN = 20
"""Regions in the picture of influence."""


def observed_and_fitted(fit: GrpFit) -> Figure:
    """Fitted against observed product, each region by name, on logarithmic axes where all are positive."""
    observed, fitted = fit.regions.y, fit.regression.fitted
    fitted = np.exp(fitted) if fit.form.name == "loglog" else fitted
    picture = Figure(figsize=(7.6, 6.2), layout="constrained")
    axes = picture.add_subplot()
    if fitted.min() > 0 and observed.min() > 0:
        axes.set_xscale("log")
        axes.set_yscale("log")
    both = np.concatenate([observed, fitted])
    ends = np.array([both.min(), both.max()])
    axes.plot(ends, ends, color=GREY, linewidth=1, zorder=1)
    strong = fit.deciders
    colours = [VERMILION if row in strong else BLUE for row in range(len(observed))]
    axes.scatter(observed, fitted, c=colours, s=26, zorder=2, edgecolors="white", linewidths=0.5)
    unit = f", {fit.regions.units[0].replace('bln', 'bn')}" if fit.regions.units[0] else ""
    axes.set(xlabel=f"Observed regional product{unit}", ylabel=f"Fitted{unit}")
    for axis in (axes.xaxis, axes.yaxis):
        _plain_ticks(axis)
    axes.margins(0.12)
    error = np.abs(np.log(fitted / observed)) if axes.get_xscale() == "log" else np.abs(fitted - observed)
    # names that matter first: deciders, then those far off; of many regions only these are named
    order = [*strong, *(int(row) for row in np.argsort(-error) if row not in strong)]
    named = order if len(order) <= 25 else order[:14]
    low, high = float(ends[0]), float(ends[1])
    diagonal = np.geomspace(low, high, 60) if low > 0 else np.linspace(low, high, 60)
    points = np.column_stack([observed, fitted])
    place_labels(axes, points, fit.regions.names, named, np.column_stack([diagonal, diagonal]))
    return picture


def _plain_ticks(axis: Any) -> None:
    """Few ticks, written as whole numbers with thousands apart."""
    if axis.get_scale() == "log":
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_minor_formatter(NullFormatter())
    axis.set_major_formatter(FuncFormatter(lambda value, _: grouped(value) if abs(value) >= 1 else figure(value)))


def influence(fit: GrpFit) -> Figure:
    """Cook's distance, leverage, and both slopes without each region: one line for each region."""
    rows = np.argsort(-np.nan_to_num(fit.regression.cooks_distance))[:SHOWN][::-1]
    layout = ConstrainedLayoutEngine(wspace=0.06)
    picture = Figure(figsize=(9.6, 0.8 + 0.22 * len(rows)), layout=layout)
    panels = picture.subplots(1, 4, sharey=True)
    n, p = len(fit.regions), 3
    colours = [VERMILION if row in fit.deciders else BLUE for row in rows]
    height = np.arange(len(rows))
    bars = (
        (fit.regression.cooks_distance, 4 / n, "Cook's distance"),
        (fit.regression.leverage, 2 * p / n, "Leverage"),
    )
    for axes, (values, limit, title) in zip(panels[:2], bars, strict=True):
        axes.barh(height, values[rows], color=colours, height=0.62)
        axes.axvline(limit, color=INK, linewidth=0.8, linestyle=":")
        axes.set_title(title, fontsize=9, loc="left")
    for axes, j in zip(panels[2:], (1, 2), strict=True):
        whole, without = fit.regression.coefficients[j], fit.regression.left_out[rows, j]
        axes.axvline(whole, color=INK, linewidth=0.8)
        axes.hlines(height, whole, without, color=colours, linewidth=2)
        axes.scatter(without, height, c=colours, s=22, zorder=3)
        axes.set_title(f"b{j} without it", fontsize=9, loc="left")
        axes.margins(x=0.12)
        axes.locator_params(axis="x", nbins=3)
    panels[0].set_yticks(height, [fit.regions.names[row] for row in rows])
    for axes in panels:
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="x", color=PALE, linewidth=0.6)
        axes.set_axisbelow(True)
    return picture


def cloud(fit: GrpFit) -> Figure:
    """Bootstrap draws of the two slopes together, with the estimate and the interval of each."""
    picture = Figure(figsize=(6.4, 4.6), layout="constrained")
    axes = picture.add_subplot()
    low, high = np.quantile(fit.draws[:, 1:], [0.001, 0.999], axis=0)
    shown = fit.draws[((fit.draws[:, 1:] >= low) & (fit.draws[:, 1:] <= high)).all(axis=1)]
    axes.scatter(shown[:, 1], shown[:, 2], s=9, color=BLUE, alpha=0.35, linewidths=0)
    _, b1, b2 = fit.regression.coefficients
    axes.scatter(b1, b2, color=VERMILION, s=60, zorder=3, edgecolors="white")
    for j, line in ((1, axes.axvline), (2, axes.axhline)):
        for bound in fit.interval[f"b{j}"]:
            line(bound, color=GREY, linewidth=0.8, linestyle="--")
    strong = fit.deciders[:4]
    without = fit.regression.left_out[strong, 1:].reshape(-1, 2)
    axes.scatter(without[:, 0], without[:, 1], facecolors="white", edgecolors=VERMILION, s=42, zorder=3, linewidths=1.6)
    axes.set(xlabel="b1 (industry)", ylabel="b2 (urban population)")
    axes.locator_params(nbins=6)
    names = ["all regions", *(f"without {fit.regions.names[row]}" for row in strong)]
    place_labels(axes, np.vstack([[b1, b2], without]), names, range(len(names)))
    for text in axes.texts:
        text.set_bbox({"facecolor": "white", "alpha": 0.85, "edgecolor": "none", "pad": 1})
    return picture


def page(fit: GrpFit) -> str:
    """The whole page: what was fitted, notes in words, pictures, tables."""
    result = as_json(fit)
    return words.page(
        "grp.html",
        fit,
        {"fitted": observed_and_fitted, "influence": influence, "cloud": cloud},
        result["notes"],
        r=result,
        equation=EQUATIONS[fit.form.name],
        tests=TESTS,
        deciders=fit.deciders,
        shown=min(SHOWN, len(fit.regions)),
        unit=fit.regions.units[0].replace("bln", "bn"),
    )
