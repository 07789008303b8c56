"""What do the policies of a run change? Their effects and prices as a table and as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

from sim.report.answer import EffectTable
from sim.report.names import MeasureName, measure_name
from sim.report.pieces import WIDTH, beside, styled
from sim.report.style import BLUE, GREY, INK, SMALL, VERMILION, panels, shortened, tidy, wrapped
from sim.report.words import MINUS, figure, label, signed, table
from sim.results.effects import Case, PolicyEffect, Price, policy_effects, policy_prices, yardsticks

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from sim.results.run import Results

MOST = 4
"""Measures in the picture."""


def effect_rows(results: Results, effects: EffectTable) -> dict[str, Any]:
    """Effects as a table: a row for each policy, for each measure its effect and the decimals to show of it.

    A decimal more than the picture has.
    """
    chosen = [yardstick for yardstick in yardsticks(results) if effects.get(yardstick.key)]
    columns = [[(effect, yardstick.digits + 1) for effect in effects[yardstick.key]] for yardstick in chosen]
    return {
        "heads": [measure_name(results.scenario, yardstick) for yardstick in chosen],
        "rows": list(zip(*columns, strict=True)),
    }


@styled
def effect_picture(results: Results, effects: EffectTable | None = None) -> Figure:
    """Paired effects of every policy: mean, 95 % Monte Carlo interval (thick), 5-95 % of replicates (thin), price."""
    effects = policy_effects(results) if effects is None else effects
    chosen = [yardstick for yardstick in yardsticks(results) if yardstick.key in effects]
    chosen = [yardstick for yardstick in chosen if yardstick.key != "small"][:MOST]
    prices = [price for _, price in policy_prices(results)]
    coverage = effects["coverage"]
    order = sorted(range(len(coverage)), key=lambda at: -coverage[at].mean)
    left, right = 2.1, 1.25 if prices else 0.1
    picture, axes = panels(
        WIDTH, 0.3 * len(order) + 1.15, 1, len(chosen), (left, right + 0.45, 0.65, 0.45), (0.6, 0.2), sharey=True
    )
    for panel, yardstick in zip(axes[0], chosen, strict=True):
        name = measure_name(results.scenario, yardstick)
        _effect_panel(panel, name, yardstick.digits, [effects[yardstick.key][at] for at in order])
    axes[0, 0].set_yticks(range(len(order)), [wrapped(coverage[at].title, left - 0.1) for at in order], fontsize=SMALL)
    axes[0, 0].set_ylim(len(order) - 0.5, -0.6)
    if prices:
        _price_column(axes[0, -1], results.scenario.currency, [prices[at] for at in order])
    return picture


def _effect_panel(panel: Axes, measure: MeasureName, digits: int, rows: Sequence[PolicyEffect]) -> None:
    """The effects on one measure, a row for each policy; grey where the interval includes zero."""
    colours = {1: BLUE, -1: VERMILION, 0: GREY}
    for y, row in enumerate(rows):
        colour = colours[row.sign]
        panel.plot([row.q05, row.q95], [y, y], color=colour, linewidth=1.2, solid_capstyle="butt")
        if np.isfinite(row.low):  # a single replicate has no interval
            panel.plot([row.low, row.high], [y, y], color=colour, linewidth=6, solid_capstyle="butt", alpha=0.9)
        panel.plot(row.mean, y, "o", color="white", markeredgecolor=colour, markersize=3.2, zorder=4)
        beside(panel, y, _mean(row, digits), 1.03, color=colour if row.sign else INK)
    panel.axvline(0, color=INK, linewidth=0.8, zorder=0)
    panel.margins(x=0.08)
    tidy(panel, "x")
    panel.locator_params(axis="x", nbins=3)
    panel.xaxis.set_major_formatter(
        lambda value, _: signed(value) if abs(value) >= 1000 else f"{value:g}".replace("-", MINUS)
    )
    panel.set_xlabel(measure.unit, fontsize=SMALL)
    panel.tick_params(axis="x", labelsize=SMALL)
    room = panel.get_position().width * WIDTH + 0.5
    name = measure.name.removesuffix(" membership")  # so that it is whole in two lines; the date is a third
    title = f"{wrapped(name, room, 8, True)}\n{shortened(measure.when, room, 8)}"
    panel.set_title(title, fontweight="bold", fontsize=8)


def _mean(row: PolicyEffect, digits: int) -> str:
    """The mean with its sign; one that is clearly not zero never reads as zero."""
    if row.sign and abs(row.mean) < 0.5 * 10**-digits:
        return ("+" if row.mean > 0 else "") + figure(row.mean, 1)
    return signed(row.mean, digits)


def _price_column(panel: Axes, currency: str, rows: Sequence[Price]) -> None:
    """Words at the right: what a percentage point of coverage costs, or saves."""
    said = table()["price"]
    for y, row in enumerate(rows):
        alike = row.case in (Case.BETTER, Case.WORSE) and row.money.sign == 0
        text = said[f"{row.case}, money alike" if alike else row.case].format(value=figure(row.value))
        beside(panel, y, text, 1.0, (44, 0), linespacing=1.05)
    panel.annotate(
        label("price.head", currency=currency), (1.0, 1.0), xytext=(44, 6), textcoords="offset points",
        xycoords="axes fraction", fontsize=8, fontweight="bold", va="bottom", annotation_clip=False,
    )  # fmt: skip
