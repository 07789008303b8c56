"""What does a fit to adoption dates look like? One HTML file: rates, response to exposure, curve, residuals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from calibration import words
from calibration.adoption.data import date_of
from calibration.adoption.fit import AdoptionFit, ParameterEstimate
from calibration.adoption.report import as_json
from sim.report.style import BLUE, GREY, INK, VERMILION, panels, percent_axis, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

RATES = ("external", "peers", "leaders")


def estimates(fit: AdoptionFit) -> Figure:
    """Rates with 95 % intervals from the information, and from the bootstrap by technology below them."""
    rows = [row for row in fit.estimates if row.name in RATES][::-1]
    effects = [row for row in fit.estimates if row.name not in RATES][::-1]
    groups = [(rows, "Rate, a year"), *([(effects, "Effect on the logarithm of the hazard")] if effects else [])]
    height = 0.75 + 0.42 * max(len(group) for group, _ in groups)
    picture, axes = panels(9.0, height, 1, len(groups), (1.1, 0.2, 0.1, 0.5), (1.2, 0.3))
    for panel, (group, label) in zip(axes[0], groups, strict=True):
        for at, row in enumerate(group):
            _interval(panel, at, row)
        panel.set_yticks(range(len(group)), [row.name for row in group])
        panel.set_ylim(-0.6, len(group) - 0.4)
        panel.axvline(0, color=INK, linewidth=0.8)
        panel.set_xlabel(label)
        tidy(panel, "x")
    return picture


def _interval(panel: Axes, at: int, row: ParameterEstimate) -> None:
    if np.isfinite(row.high):
        panel.plot([row.low, row.high], [at, at], color=BLUE, linewidth=2.4)
    panel.scatter([row.estimate], [at], s=36, color=BLUE, zorder=3)
    if row.bootstrap_low is not None and row.bootstrap_high is not None:
        panel.plot([row.bootstrap_low, row.bootstrap_high], [at - 0.22, at - 0.22], color=GREY, linewidth=1.6)


def response(fit: AdoptionFit) -> Figure:
    """Adoptions a year at risk against the share of peers that have it: observed with 95 % intervals, and fitted."""
    exposure, time, adoptions, expected = fit.dose[fit.dose[:, 1] > 0].T
    picture, axes = panels(6.6, 3.6, margins=(0.75, 0.2, 0.15, 0.5))
    panel, centre = axes[0, 0], exposure / time
    low, high = (np.maximum(adoptions + sign * 1.96 * np.sqrt(adoptions), 0) / time for sign in (-1, 1))
    panel.vlines(centre, low, high, color=BLUE, linewidth=1.6)
    panel.scatter(centre, adoptions / time, s=30, color=BLUE, zorder=3, label="observed")
    panel.plot(centre, expected / time, color=VERMILION, linewidth=1.6, label="fitted")
    panel.set(xlabel="Weighted share of peers that have it", ylabel="Adoptions a year at risk")
    percent_axis(panel.xaxis)
    panel.set_ylim(0, None)
    panel.legend(frameon=False, loc="upper left")
    tidy(panel)
    return picture


def curve(fit: AdoptionFit) -> Figure:
    """Adoptions over time, all technologies together: observed, and expected given what came before."""
    picture, axes = panels(6.6, 3.3, margins=(0.75, 0.2, 0.15, 0.5))
    panel = axes[0, 0]
    dates = [date_of(fit.data, t + 1) for t in range(len(fit.observed))]
    panel.plot(dates, np.cumsum(fit.observed), drawstyle="steps-post", color=BLUE, linewidth=1.6, label="observed")
    panel.plot(dates, np.cumsum(fit.expected), color=VERMILION, linewidth=1.6, label="expected")
    panel.set(xlabel="Year", ylabel="Adoptions since the start of risk")
    panel.xaxis.set_major_formatter(lambda value, _: f"{value:.4g}")
    panel.legend(frameon=False, loc="upper left")
    tidy(panel)
    return picture


def residuals(fit: AdoptionFit) -> Figure:
    """Quantiles of the residuals against those of Exp(1); the line is what they would be if the model held."""
    picture, axes = panels(4.4, 4.0, margins=(0.7, 0.2, 0.15, 0.5))
    panel, values = axes[0, 0], np.sort(fit.residuals)
    theory = -np.log1p(-(np.arange(len(values)) + 0.5) / len(values))
    chosen = np.unique(np.linspace(0, len(values) - 1, min(len(values), 600)).astype(int))
    panel.plot([0, theory[-1]], [0, theory[-1]], color=INK, linewidth=0.8, linestyle="--")
    panel.scatter(theory[chosen], values[chosen], s=9, color=BLUE, linewidths=0)
    panel.set(xlabel="Exp(1)", ylabel="Wait between adoptions, in expected adoptions")
    tidy(panel)
    return picture


def page(fit: AdoptionFit) -> str:
    """The whole page."""
    makers = {"estimates": estimates, "response": response, "curve": curve, "residuals": residuals}
    result = as_json(fit)
    return words.page("adoption.html", fit, makers, result["notes"], r=result, resampled=fit.resampled)
