"""What does a sweep answer? One HTML file: which parameters matter, how much is luck, which policy is robust."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np

from sim.report.pages import page
from sim.report.pieces import cycle, styled
from sim.report.style import (
    BLUE,
    CYCLE,
    GREY,
    INK,
    SMALL,
    STYLE,
    VERMILION,
    inside_page,
    panels,
    shortened,
    svg,
    tidy,
    wrapped,
)
from sim.report.words import TEMPLATES, capital, figure, label
from sim.results.arm import BASELINE
from sim.results.folder import write_text, write_whole
from sim.results.measures import MONEY
from sim.scenario.schema import parameter_row
from sim.studies.design import FIT

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from sim.studies.design import Factor
    from sim.studies.sweep import Sweep

LEFT = 3.1
"""Room for what factors mean, inches."""
SHOWN = 20
"""Factors in a picture, the most important."""
FEW = 8
"""So many levels of a factor are listed."""


def meaning(name: str) -> str:
    """What a factor means; nothing where the table of parameters does not know it."""
    row = parameter_row(name)
    return row.meaning.partition(";")[0] if row else label("sweep.fit") if name == FIT else ""


def _factor_rows(names: Iterable[str], title: str) -> tuple[Figure, Axes]:
    """A picture with a row for each factor: what it means, as far as there is room, above its key."""
    size, factors = float(mpl.rcParams["font.size"]), list(names)
    picture, axes = panels(8.8, 0.75 + 0.42 * max(len(factors), 2), margins=(LEFT, 0.2, 0.3, 0.4))
    axes[0, 0].set_yticks(range(len(factors)), [_two_lines(name, size) for name in factors])
    axes[0, 0].set_title(title)
    tidy(axes[0, 0], "x")
    return picture, axes[0, 0]


def _two_lines(name: str, size: float) -> str:
    return f"{shortened(meaning(name), LEFT - 0.15, size)}\n{name}".strip()


@styled
def sobol_figure(found: Sweep, measure: str | None = None) -> Figure:
    """First and total indices of each factor with 95 % intervals, most important last in reading order upwards."""
    table = found.sobol(measure).sort_values("total").tail(SHOWN)
    picture, panel = _factor_rows(table["factor"], label("sweep.sobol", measure=found.column(measure)))
    for shift, name, colour in ((-0.14, "first", BLUE), (0.14, "total", VERMILION)):
        ends = [table[name] - table[f"{name}_low"], table[f"{name}_high"] - table[name]]
        rows = np.arange(len(table)) + shift
        panel.errorbar(table[name], rows, xerr=ends, fmt="o", ms=4, lw=1.2, color=colour, label=name)
    panel.set_xlim(left=min(0.0, float(table["first_low"].min()) - 0.02))
    panel.axvline(0.0, color=GREY, linewidth=0.6)
    return picture


@styled
def tornado_figure(found: Sweep, measure: str | None = None) -> Figure:
    """Mean figure at the low end (blue) and the high end (orange) of each factor's range."""
    table = found.tornado(measure).head(SHOWN)[::-1]
    picture, panel = _factor_rows(table["factor"], label("sweep.tornado", measure=found.column(measure)))
    middle = float(np.nanmean(found.means(measure)))
    for end, colour in (("low", BLUE), ("high", VERMILION)):
        panel.barh(range(len(table)), table[end] - middle, left=middle, height=0.6, color=colour)
    panel.axvline(middle, color=INK, linewidth=0.8)
    return picture


@styled
def interaction_figure(found: Sweep, measure: str | None = None) -> Figure:
    """Second-order indices of every pair of factors; what is not above its own error is written in grey."""
    names, size = found.factors, 0.45 * len(found.factors) + 0.3
    picture, axes = panels(LEFT + size + 2.0, 1.4 + size, margins=(LEFT, 2.0, 0.3, 1.1))
    panel, grid = axes[0, 0], np.full((len(names), len(names)), np.nan)
    for row in found.interactions(measure).to_dict("records"):
        a, b, clear = names.index(row["factor"]), names.index(row["other"]), row["low"] > 0
        grid[b, a] = float(row["second"]) if clear else 0.0
        colour = INK if clear else GREY
        panel.text(a, b, figure(row["second"], 1), ha="center", va="center", fontsize=SMALL, color=colour)
    panel.imshow(grid, cmap="Oranges", vmin=0.0, vmax=max(0.2, float(np.nanmax(grid, initial=0.0))), aspect="auto")
    panel.set_yticks(range(len(names)), [_two_lines(name, float(mpl.rcParams["font.size"])) for name in names])
    panel.set_xticks(range(len(names)), names, rotation=30, ha="right")
    panel.spines[["left", "bottom"]].set_visible(False)
    panel.set_title(label("sweep.interactions", measure=found.column(measure)))
    return picture


@styled
def scatter_figure(found: Sweep, measure: str | None = None) -> Figure:
    """The figure against each of the most important factors, a point for each parameter vector."""
    names = list(found.tornado(measure)["factor"][:6])
    columns = min(3, len(names))
    rows = -(-len(names) // columns)
    picture, axes = panels(9.0, 0.4 + 2.2 * rows, rows, columns, (0.6, 0.1, 0.4, 0.35), (0.3, 0.65), sharey=True)
    values = found.means(measure)
    for panel, name in zip(axes.flat, names, strict=False):
        at = found.factors.index(name)
        panel.plot(found.study.design.unit[:, at], values, ".", ms=2.5, alpha=0.5, color=BLUE)
        both = [x for x in found.study.factors[at].values(np.array([0.0, 1.0])) if not isinstance(x, tuple)]
        panel.set_xticks([0, 1][: len(both)], [x if isinstance(x, str) else figure(float(x)) for x in both])
        panel.set_title(wrapped(capital(meaning(name)) or name, 2.7, SMALL), fontsize=SMALL)
        tidy(panel)
    for panel in list(axes.flat)[len(names) :]:
        panel.set_visible(False)
    return picture


@styled
def regret_figure(found: Sweep, measure: str | None = None) -> Figure:
    """How large the regret of each policy is, and in what share of the worlds: the further left, the more robust."""
    picture, axes = panels(8.4, 3.4, margins=(0.6, 3.0, 0.3, 0.45))
    panel, policies = axes[0, 0], list(found.regret(measure)["policy"])
    figures = np.column_stack([found.means(measure, policy) for policy in policies])
    figures = figures[~np.isnan(figures).any(axis=1)]  # a world in which a run failed compares nothing
    sign = -1.0 if found.column(measure).split()[0] in MONEY else 1.0  # less spent is better
    losses = (sign * figures).max(axis=1, keepdims=True) - sign * figures
    share = (np.arange(len(losses)) + 1) / len(losses)
    for j, (policy, colour) in enumerate(zip(policies, cycle(len(policies)), strict=True)):
        line, title = "-" if j < len(CYCLE) else "--", shortened(_title(found, policy), 2.3)
        panel.step(np.sort(losses[:, j]), share, where="post", color=colour, linestyle=line, label=title)
    panel.set(xlabel=label("sweep.regret", measure=found.column(measure)), ylabel=label("sweep.worlds"))
    panel.set_ylim(0, 1.02)
    panel.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, fontsize=SMALL)
    tidy(panel)
    return picture


def figures_of(found: Sweep, measure: str | None = None) -> dict[str, Figure]:
    """Every picture that the design allows, by name."""
    pictures = {"tornado": tornado_figure(found, measure), "scatter": scatter_figure(found, measure)}
    # indices need every run of the design: a hole would shift all that follow
    if found.study.design.kind == "sobol" and not np.isnan(found.means(measure)).any():
        pictures["sobol"] = sobol_figure(found, measure)
        if len(found.factors) > 2:
            pictures["interactions"] = interaction_figure(found, measure)
    if len(found.study.arms) > 1:
        pictures["regret"] = regret_figure(found, measure)
    return pictures


def write_sweep_report(found: Sweep, path: Path, pictures_folder: Path | None = None) -> Path:
    """Write the report, and its pictures as files too where a folder is given."""
    if not found.done.any():
        return path
    pictures = figures_of(found)
    whole = {name: svg(picture, name, alone=True) for name, picture in pictures.items()}
    if pictures_folder is not None:
        pictures_folder.mkdir(exist_ok=True)
        for name, picture in pictures.items():
            write_text(pictures_folder / f"{name}.svg", whole[name])
            with mpl.rc_context(STYLE):
                picture.savefig(pictures_folder / f"{name}.png", dpi=150, metadata={"Software": None})
    inside = {name: inside_page(text) for name, text in whole.items()}
    write_whole(path, page(TEMPLATES / "sweep.html", pictures=inside, **_told(found)))
    return path


def _title(found: Sweep, policy: str) -> str:
    """A policy arm's title."""
    if policy == BASELINE:
        return label("baseline")
    return found.study.scenario.policies[policy].title or policy


def _told(found: Sweep) -> dict[str, Any]:
    """What the page says, in numbers and names."""
    study, luck = found.study, found.luck()["share"]
    tornado = found.tornado().to_dict("records")
    regret = found.regret().to_dict("records") if len(study.arms) > 1 else []
    return {
        "title": study.scenario.title,
        "study": study,
        "measure": found.column().split(" "),
        "factors": [_varied(factor) for factor in study.factors],
        "luck": None if np.isnan(luck) else luck,
        "failed": len(found.faults),
        "tornado": [row | {"meaning": meaning(row["factor"])} for row in tornado],
        "regret": [row | {"title": _title(found, row["policy"])} for row in regret],
    }


def _varied(factor: Factor) -> dict[str, Any]:
    """A factor's keys, meaning, and either its levels, or how many they are, or the ends of its range."""
    plain, row = factor.plain(), parameter_row(factor.name)
    told = {"keys": factor.keys, "meaning": row.meaning if row else "", "basis": row.basis if row else ""}
    if factor.levels:
        return told | ({"levels": plain["levels"]} if len(factor.levels) <= FEW else {"count": len(factor.levels)})
    return told | {"low": float(plain["low"]), "high": float(plain["high"]), "log": plain["log"]}
