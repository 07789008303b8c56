"""What does a sweep answer? One HTML file: which parameters matter, how much is luck, which policy is robust."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np

from sim.report.pages import page
from sim.report.style import BLUE, CYCLE, GREY, INK, SMALL, STYLE, VERMILION, panels, shortened, svg, tidy, wrapped
from sim.report.words import figure
from sim.results.arm import BASELINE
from sim.results.folder import write_text, write_whole
from sim.results.measures import MONEY
from sim.scenario.schema import parameter_row
from sim.studies.design import FIT

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from sim.studies.design import Factor
    from sim.studies.sweep import Sweep

TEMPLATE = Path(__file__).with_name("templates") / "sweep.html"
LEFT = 3.1
SHOWN = 20
FEW = 8
"""So many levels of a factor are listed."""


def _height(rows: int) -> float:
    return 0.75 + 0.42 * max(rows, 2)


def meaning(name: str) -> str:
    """What a factor means; nothing where the table of parameters does not know it."""
    row = parameter_row(name)
    return row.meaning.partition(";")[0] if row else "joint draws of the fit" if name == FIT else ""


def _labels(names: Iterable[str]) -> list[str]:
    """What factors mean, as far as there is room beside a picture, above their keys."""
    size = float(mpl.rcParams["font.size"])
    return [f"{shortened(meaning(name), LEFT - 0.15, size)}\n{name}".strip() for name in names]


def sobol_figure(found: Sweep, measure: str | None = None) -> Figure:
    """First and total indices of each factor with 95 % intervals, most important last in reading order upwards."""
    table = found.sobol(measure).sort_values("total").tail(SHOWN)
    picture, axes = panels(8.8, _height(len(table)), margins=(LEFT, 0.2, 0.3, 0.4))
    panel, rows = axes[0, 0], np.arange(len(table))
    for shift, name, colour in ((-0.14, "first", BLUE), (0.14, "total", VERMILION)):
        low, high = table[name] - table[f"{name}_low"], table[f"{name}_high"] - table[name]
        panel.errorbar(table[name], rows + shift, xerr=[low, high], fmt="o", ms=4, lw=1.2, color=colour, label=name)
    panel.set_yticks(rows, _labels(table["factor"]))
    panel.set_title(f"Share of the variance of {found.column(measure)}: alone (blue), with interactions (orange)")
    panel.set_xlim(left=min(0.0, float(table["first_low"].min()) - 0.02))
    panel.axvline(0.0, color=GREY, linewidth=0.6)
    tidy(panel, "x")
    return picture


def tornado_figure(found: Sweep, measure: str | None = None) -> Figure:
    """Mean figure at the low end (blue) and the high end (orange) of each factor's range."""
    table = found.tornado(measure).head(SHOWN)[::-1]
    picture, axes = panels(8.8, _height(len(table)), margins=(LEFT, 0.2, 0.3, 0.4))
    panel, rows = axes[0, 0], np.arange(len(table))
    middle = float(np.nanmean(found.means(measure)))
    panel.barh(rows, table["low"] - middle, left=middle, height=0.6, color=BLUE)
    panel.barh(rows, table["high"] - middle, left=middle, height=0.6, color=VERMILION)
    panel.axvline(middle, color=INK, linewidth=0.8)
    panel.set_yticks(rows, _labels(table["factor"]))
    panel.set_title(f"{found.column(measure)}: mean at the lowest fifth (blue) and the highest fifth (orange)")
    tidy(panel, "x")
    return picture


def interaction_figure(found: Sweep, measure: str | None = None) -> Figure:
    """Second-order indices of every pair of factors; what is not above its own error is written in grey."""
    names = found.factors
    table = found.interactions(measure)
    grid = np.full((len(names), len(names)), np.nan)
    size = 0.45 * len(names) + 0.3
    picture, axes = panels(LEFT + size + 2.0, 1.4 + size, margins=(LEFT, 2.0, 0.3, 1.1))
    panel = axes[0, 0]
    for row in table.to_dict("records"):
        a, b = names.index(row["factor"]), names.index(row["other"])
        grid[b, a] = float(row["second"]) if row["low"] > 0 else 0.0
        colour = INK if row["low"] > 0 else GREY
        panel.text(a, b, figure(row["second"], 1), ha="center", va="center", fontsize=SMALL, color=colour)
    panel.imshow(grid, cmap="Oranges", vmin=0.0, vmax=max(0.2, float(np.nanmax(grid, initial=0.0))), aspect="auto")
    panel.set_yticks(np.arange(len(names)), _labels(names))
    panel.set_xticks(np.arange(len(names)), names, rotation=30, ha="right")
    panel.spines[["left", "bottom"]].set_visible(False)
    panel.set_title(f"Interactions: {found.column(measure)}")
    return picture


def scatter_figure(found: Sweep, measure: str | None = None) -> Figure:
    """The figure against each of the most important factors, a point for each parameter vector."""
    table = found.tornado(measure).head(6)
    columns = min(3, len(table))
    rows = -(-len(table) // columns)
    picture, axes = panels(9.0, 0.4 + 2.2 * rows, rows, columns, (0.6, 0.1, 0.4, 0.35), (0.3, 0.65), sharey=True)
    values = found.means(measure)
    for panel, name in zip(axes.flat, table["factor"], strict=False):
        at = found.factors.index(name)
        panel.plot(found.study.design.unit[:, at], values, ".", ms=2.5, alpha=0.5, color=BLUE)
        factor = found.study.factors[at]
        ends = [str(x) if isinstance(x, str) else figure(float(x)) for x in factor.values(np.array([0.0, 1.0]))
                if not isinstance(x, tuple)]  # fmt: skip
        panel.set_xticks([0, 1] if len(ends) == 2 else [], ends if len(ends) == 2 else [])
        words = meaning(name)
        panel.set_title(wrapped(f"{words[:1].upper()}{words[1:]}" or name, 2.7, SMALL), fontsize=SMALL)
        tidy(panel)
    for panel in list(axes.flat)[len(table) :]:
        panel.set_visible(False)
    return picture


def regret_figure(found: Sweep, measure: str | None = None) -> Figure:
    """How large the regret of each policy is, and in what share of the worlds: the further left, the more robust."""
    picture, axes = panels(8.4, 3.4, margins=(0.6, 3.0, 0.3, 0.45))
    panel = axes[0, 0]
    table = found.regret(measure)
    figures = np.column_stack([found.means(measure, policy) for policy in table["policy"]])
    figures = figures[~np.isnan(figures).any(axis=1)]
    sign = -1.0 if found.column(measure).split()[0] in MONEY else 1.0
    losses = (sign * figures).max(axis=1, keepdims=True) - sign * figures
    share = (np.arange(len(losses)) + 1) / len(losses)
    for j, policy in enumerate(table["policy"]):
        colour = CYCLE[j % len(CYCLE)]
        line, label = "-" if j < len(CYCLE) else "--", shortened(_title(found, policy), 2.3)
        panel.step(np.sort(losses[:, j]), share, where="post", color=colour, linestyle=line, label=label)
    panel.set(xlabel=f"Regret: {found.column(measure)}, short of the best policy", ylabel="Share of worlds")
    panel.set_ylim(0, 1.02)
    panel.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, fontsize=SMALL)
    tidy(panel)
    return picture


def figures_of(found: Sweep, measure: str | None = None) -> dict[str, Figure]:
    """Every picture that the design allows, by name."""
    with mpl.rc_context(STYLE):
        pictures = {"tornado": tornado_figure(found, measure), "scatter": scatter_figure(found, measure)}
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
    if pictures_folder is not None:
        pictures_folder.mkdir(exist_ok=True)
        for name, picture in pictures.items():
            write_text(pictures_folder / f"{name}.svg", svg(picture, name, alone=True))
            with mpl.rc_context(STYLE):
                picture.savefig(pictures_folder / f"{name}.png", dpi=150, metadata={"Software": None})
    inside = {name: svg(picture, name) for name, picture in pictures.items()}
    write_whole(path, page(TEMPLATE, pictures=inside, **_told(found)))
    return path


def _title(found: Sweep, policy: str) -> str:
    """A policy arm's title."""
    if policy == BASELINE:
        return "Baseline"
    return found.study.scenario.policies[policy].title or policy


def _told(found: Sweep) -> dict[str, object]:
    """What the page says, in numbers and names."""
    study, luck = found.study, found.luck()["share"]
    tornado = found.tornado().to_dict("records")
    regret = found.regret().to_dict("records") if len(study.arms) > 1 else []
    return {
        "title": study.scenario.title,
        "study": study,
        "column": found.column().replace(" ", " at "),
        "factors": [_varied(factor) for factor in study.factors],
        "luck": None if np.isnan(luck) else luck,
        "leading": [_known(row["factor"]) for row in tornado[:3]],
        "failed": len(found.faults),
        "tornado": [row | {"meaning": meaning(row["factor"])} for row in tornado],
        "regret": [row | {"title": _title(found, row["policy"])} for row in regret],
    }


def _known(name: str) -> str:
    """A factor's meaning with its key; the key alone where it has no meaning."""
    return f"{meaning(name)} ({name})" if meaning(name) else name


def _varied(factor: Factor) -> dict[str, object]:
    """A factor's keys, meaning, and either its levels, or how many they are, or the ends of its range."""
    plain, row = factor.plain(), parameter_row(factor.name)
    told = {"keys": factor.keys, "meaning": row.meaning if row else "", "basis": row.basis if row else ""}
    levels = plain.get("levels")
    if isinstance(levels, list):
        return told | ({"levels": levels} if len(levels) <= FEW else {"count": len(levels)})
    return told | {"low": float(str(plain["low"])), "high": float(str(plain["high"])), "log": plain["log"]}
