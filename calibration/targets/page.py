"""What does a calibration to targets look like? One HTML file: bands, what was learnt, prior and posterior."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from calibration import words
from calibration.targets.fit import TargetsFit
from calibration.targets.report import as_json
from sim.report.style import BLUE, GREY, INK, PALE, VERMILION, panels, tidy, year_axis, year_of
from sim.report.words import figure
from sim.scenario.schema import parameter_row

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS, BINS = 4, 20
COLOURS = {"learnt": VERMILION, "moved": BLUE, "nothing": GREY}


def prior_and_posterior(fit: TargetsFit) -> Figure:
    """For each parameter the posterior as a histogram over its range, the prior as a line."""
    rows = sorted(fit.learning, key=lambda row: -row.shrinkage)
    lines = -(-len(rows) // COLUMNS)
    picture, axes = panels(9.6, 0.5 + 1.35 * lines, lines, COLUMNS, (0.15, 0.15, 0.35, 0.35), (0.3, 0.62))
    unit, prior = fit.accepted.unit, fit.simulator.prior
    for panel, row in zip(axes.flat, rows, strict=False):
        at = prior.keys.index(row.key)
        height, edges = np.histogram(unit[:, at], BINS, (0, 1), weights=fit.accepted.weight * BINS)
        panel.stairs(height, edges, fill=True, color=COLOURS[row.verdict], alpha=0.85)
        panel.plot([0, 1], [1, 1], color=INK, linewidth=1, linestyle="--")
        panel.set_title(row.key, fontsize=8)
        ticks = np.array([0, 0.5, 1])
        values = prior.values(np.repeat(ticks[:, None], len(prior.keys), axis=1))[:, at]
        panel.set_xticks(ticks, [figure(value, 2) for value in values], fontsize=7.5)
        panel.set(yticks=[], xlim=(0, 1), ylim=(0, max(1.6, height.max() * 1.05)))
        panel.spines["left"].set_visible(False)
    for panel in list(axes.flat)[len(rows) :]:
        panel.set_visible(False)
    return picture


def predictive(fit: TargetsFit) -> Figure:
    """Municipalities over time: bands of the prior and of the posterior under fresh luck, and the targets."""
    picture, axes = panels(9.6, 3.7, 1, 2, (0.45, 0.15, 0.3, 0.35), (0.35, 0.3), sharey=True)
    years = year_of(fit.instants)
    for panel, (title, bands, colour) in zip(
        axes[0], (("Prior", fit.prior_bands, GREY), ("Posterior", fit.bands, BLUE)), strict=True
    ):
        panel.fill_between(years, bands[0], bands[4], step="post", color=colour, alpha=0.22, linewidth=0)
        panel.fill_between(years, bands[1], bands[3], step="post", color=colour, alpha=0.35, linewidth=0)
        panel.plot(years, bands[2], drawstyle="steps-post", color=colour, linewidth=1.6)
        for aim in fit.simulator.aims:
            low, high = max(aim.low, 0), min(aim.high, fit.simulator.municipalities)
            mark = VERMILION if aim.used else INK
            span = years[[aim.first, aim.last]]
            if aim.first == aim.last:
                panel.plot(span, [low, high], color=mark, linewidth=2.5, solid_capstyle="butt")
                panel.scatter(
                    span[:1], [(low + high) / 2], s=34, color=mark if aim.used else "white", edgecolors=mark, zorder=4
                )
            else:
                panel.plot(span, [(low + high) / 2] * 2, color=mark, linewidth=1, linestyle=":")
            side = "right" if aim.first == aim.last and aim.last > 0.6 * len(years) else "left"
            shift = -7 if side == "right" else 7
            panel.annotate(
                aim.name, (span[0], high), (shift, -3 if high >= fit.simulator.municipalities - 1 else 3),
                textcoords="offset points", ha=side, va="top" if high >= fit.simulator.municipalities - 1 else "bottom",
                fontsize=8, color=mark, bbox={"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 1},
            )  # fmt: skip
        tidy(panel)
        year_axis(panel, years[0], years[-1])
        panel.set_title(title)
        panel.set_ylim(0, fit.simulator.municipalities * 1.02)
    axes[0, 0].set_ylabel(f"Municipalities, of {fit.simulator.municipalities}")
    return picture


def shrinkage(fit: TargetsFit) -> Figure:
    """Shrinkage of each parameter with three Monte Carlo errors to either side."""
    rows = sorted(fit.learning, key=lambda row: row.shrinkage)
    picture, axes = panels(8.2, 0.7 + 0.24 * len(rows), margins=(2.1, 0.2, 0.1, 0.45))
    panel, height = axes[0, 0], np.arange(len(rows))
    panel.axvline(0, color=INK, linewidth=0.8)
    for at, row in zip(height, rows, strict=True):
        colour, reach = COLOURS[row.verdict], 3 * row.shrinkage_error
        panel.plot([row.shrinkage - reach, row.shrinkage + reach], [at, at], color=colour, linewidth=2)
        panel.scatter([row.shrinkage], [at], s=26, color=colour, zorder=3)
    panel.set_yticks(height, [row.key for row in rows])
    panel.set_xlabel("Shrinkage of the variance: 0 nothing learnt, 1 known exactly")
    panel.set_xlim(min(-0.15, min(row.shrinkage - 3 * row.shrinkage_error for row in rows) - 0.02), 1)
    tidy(panel, "x")
    panel.hlines(height, *panel.get_xlim(), color=PALE, linewidth=0.5, zorder=0)
    return picture


def page(fit: TargetsFit) -> str:
    """The whole page."""
    result = as_json(fit)
    meaning = {key: parameter_row(key) for key in result["parameters"]}
    return words.page(
        "targets.html",
        fit,
        {"predictive": predictive, "posterior": prior_and_posterior, "shrinkage": shrinkage},
        result["notes"],
        r=result,
        title=fit.simulator.scenario.title,
        rows=sorted(fit.learning, key=lambda row: -row.shrinkage),
        meaning={key: (row.meaning, row.unit) if row else ("", "") for key, row in meaning.items()},
    )
