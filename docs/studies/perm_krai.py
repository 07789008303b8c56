"""What made the programme spread in Perm Krai, and what do four levers change? The worked study, made anew.

`python docs/studies/perm_krai.py` runs everything under the scenario's seed and writes the sentences, tables and
pictures of perm-krai.md between its markers. Every sentence that holds a figure is chosen by that figure.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

import uptake
from sim.report.style import BLUE, GREY, INK, SMALL, STYLE, VERMILION, panels, tidy
from sim.report.sweep import tornado_figure
from sim.report.words import environment, signed, table
from sim.results.arm import BASELINE
from sim.results.effects import effect
from sim.results.run import Results
from sim.scenario.scenario import Scenario
from sim.scenario.schema import parameter_table
from sim.studies.seek import TargetAnswer
from sim.studies.sweep import Sweep

HERE = Path(__file__).parent
PAGE, SCENARIO, IMAGES = HERE / "perm-krai.md", HERE / "perm-krai.toml", HERE / "images"
PART = re.compile(r"(<!-- study: ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)
PROGRAMME = "programme"
BEFORE, YEAR_ON = "2023-01", "2024-01"
ARMS = (
    "no-guidance", "no-peers", "no-platforms", "strong-guidance", "no-mandate", "mandate-a-year-later",
    "mandate-two-years-earlier", "no-regional-support", "region-pays-half", "sanctions", "sanctions-with-substitution",
)  # fmt: skip
RATES = ("diffusion.peers", "diffusion.leaders")
SWEPT = ("no-mandate", "no-guidance", "region-pays-half")
SANCTIONS_FROM = "2022-03"


@dataclass(frozen=True)
class Size:
    """How much is run: replicates of the arms, points and replicates of the sweep, replicates of both searches."""

    replicates: int = 400
    points: int = 200
    swept: int = 4
    worth: int = 200
    sought: int = 400


@dataclass(frozen=True)
class Findings:
    """What the runs gave: the arms, their paired differences, the sweep, what leaders are worth, the rate sought."""

    results: Results
    table: pd.DataFrame
    sweep: Sweep
    worth: pd.DataFrame
    sought: TargetAnswer

    def row(self, policy: str, measure: str, date: str) -> dict[str, float]:
        """One paired difference: mean, baseline, difference, low, high."""
        table = self.table
        chosen = (table["policy"] == policy) & (table["measure"] == measure) & (table["date"] == date)
        return dict(table[chosen].iloc[0])

    def membership(self, date: str, policy: str = BASELINE) -> np.ndarray:
        """Share of municipalities in the programme at a date, float64[replicates]."""
        return self.results.measure(PROGRAMME, policy)[:, self.results.scenario.step_of(date)]

    def attributed(self) -> dict[str, float]:
        """Shares of joins before the order by source, in the model's own attribution; the largest first."""
        events = self.results.events
        joins = events[(events["policy"] == BASELINE) & (events["technology"] == PROGRAMME) & (events["spell"] > 0)]
        joins = joins[joins["operating"] <= np.datetime64(BEFORE)]
        return {str(name): float(x) for name, x in joins["source"].value_counts(normalize=True).items() if x > 0}

    def complete(self, policy: str) -> float:
        """Share of replicates in which all are members a year after the order."""
        return float((self.membership(YEAR_ON, policy) >= 1 - 1e-9).mean())

    def regional(self) -> pd.Series:
        """Paid by the region over the whole run by policy, mean, millions."""
        by_run = self.results.regions.groupby(["policy", "replicate"], observed=True)["regional_spent"].sum()
        return by_run.groupby("policy", observed=True).mean()

    def more_lost_without_peers(self) -> dict[str, float]:
        """The paired difference in members of losing the region's own example and losing guidance."""
        lost = [self.membership(BEFORE, policy) for policy in ("no-peers", "no-guidance")]
        apart = vars(effect(lost[0], lost[1]))
        return {"difference": apart["mean"], "low": apart["low"], "high": apart["high"]}

    def across_worlds(self, policy: str, measure: str) -> np.ndarray:
        """A policy's effect on a measure in each world of the sweep, percentage points, float64[points]."""
        return 100 * (self.sweep.means(measure, policy) - self.sweep.means(measure))


def study(size: Size = Size()) -> Findings:
    """Run all parts: arms and their comparison, the sweep, the leaders' worth, the rate of the order."""
    scenario = uptake.load(SCENARIO)
    results = uptake.run(scenario, size.replicates, policy=ARMS)
    measures = [PROGRAMME, "coverage", "spending"]
    goal = f"{PROGRAMME} >= 1 at {YEAR_ON}"
    return Findings(
        results,
        uptake.compare_runs({"study": results}, measures=measures).table(simultaneous=True),
        swept(scenario, size),
        uptake.leader_worth(scenario, measure=PROGRAMME, replicates=size.worth, at=BEFORE),
        uptake.seek_target(scenario, goal, {"mandates.0.rate": (0, 6)}, replicates=size.sought),
    )


def swept(scenario: Scenario, size: Size) -> Sweep:
    """Latin hypercube over what the levers rest on, in a world with sanctions (none where their severity is 0)."""
    return uptake.sweep(
        scenario.override({"sanctions.from": SANCTIONS_FROM}), ranges(scenario), design="lhs", n=size.points,
        replicates=size.swept, policies=SWEPT, seed=scenario.seed, measures=[PROGRAMME, "coverage"],
    )  # fmt: skip


def ranges(scenario: Scenario) -> dict[str, object]:
    """Factors: rates of diffusion over the middle 90 % of the fitted draws, the rest over its plausible range."""
    if scenario.parameter_fit is None:
        raise LookupError(f"{scenario.name} has no fitted draws")
    draws = scenario.parameter_fit.draws
    fitted = {key: tuple(round(float(x), 4) for x in np.quantile(draws[key], (0.05, 0.95))) for key in RATES}
    others = ("mandates.0.rate", "finance.own_share", "finance.regional_share", "sanctions.substitution")
    return {**fitted, **dict.fromkeys(others), "sanctions.severity": (0.0, 0.9)}


# Words for numbers


def interval(row: Mapping[str, float], digits: int = 1) -> str:
    """A difference of shares in percentage points with its interval: `−3.1 (−4.1 to −2.2)`."""
    mean, low, high = (signed(100 * row[key], digits) for key in ("difference", "low", "high"))
    return f"{mean} ({low} to {high})"


def sign(row: Mapping[str, float]) -> int:
    """1 or −1 where the interval lies on one side of zero, else 0."""
    return 1 if row["low"] > 0 else -1 if row["high"] < 0 else 0


def nothing(row: Mapping[str, float]) -> bool:
    """Whether all replicates are the same."""
    return not any(row[key] for key in ("difference", "low", "high"))


def changed(row: Mapping[str, float], what: str, when: str) -> str:
    """A sentence's end: what a difference says of a measure, no more than its interval allows."""
    if nothing(row):
        return f"does not change {what} {when} in any replicate"
    verb = {1: "raises", -1: "lowers", 0: "has no clear effect on"}[sign(row)]
    return f"{verb} {what} {when}: {interval(row)} points"


def swing(row: Mapping[str, float]) -> dict[str, float]:
    """A line of the tornado as a difference with its interval."""
    return {"difference": row["swing"], "low": row["swing_low"], "high": row["swing_high"]}


def clearly_first(swings: pd.DataFrame) -> bool:
    """Whether the interval of the largest swing, in size, lies above that of the second."""
    first, second = swings[["swing_low", "swing_high"]].to_numpy()[:2]
    return bool(first.prod() > 0 and np.abs(first).min() > np.abs(second).max())


# The page


def known(found: Findings) -> dict[str, object]:
    """What the template may name."""
    scenario, swings = found.results.scenario, found.sweep.tornado("coverage")
    early = found.sweep.tornado(f"{PROGRAMME} {BEFORE}").to_dict("records")
    count = int(found.results.baseline.focus.sum())
    fit = scenario.parameter_fit
    return {
        "found": found, "results": found.results, "sweep": found.sweep, "sought": found.sought, "row": found.row,
        "across": found.across_worlds, "paid": found.regional(), "arms": ARMS, "swept": SWEPT, "count": count,
        "members": np.quantile(found.membership(BEFORE), (0.05, 0.5, 0.95)) * count, "source_words": table()["source"],
        "title": lambda name: scenario.policies[name].title, "meaning": {p.key: p.meaning for p in parameter_table()},
        "swings": swings.to_dict("records"), "clearly_first": clearly_first(swings),
        "early_movers": [one["factor"] for one in early if sign(swing(one))],
        "limits": {one.name: tuple(one.values(np.array([0.0, 1.0]))) for one in found.sweep.study.factors},
        "quantiles": lambda values: np.quantile(values, (0.05, 0.5, 0.95)),
        "leaders": len(found.worth), "clear_leaders": found.worth[found.worth["low"] > 0].to_dict("records"),
        "tied": pd.DataFrame({key: fit.draws[key] for key in RATES}).corr("spearman").iloc[0, 1] if fit else np.nan,
        "version": uptake.__version__,
    }  # fmt: skip


def part(name: str, found: Findings) -> str:
    """A part of the page: the block of that name in the template."""
    template = WORDS.get_template("perm-krai.jinja")
    return "".join(template.blocks[name](template.new_context(known(found)))).strip()


def renewed(text: str, found: Findings) -> str:
    """The page with its parts written anew."""
    return PART.sub(lambda old: f"{old[1]}\n{part(old[2], found)}\n\n{old[3]}", text)


WORDS = environment(HERE)
WORDS.filters |= {
    "changed": changed, "interval": interval, "sign": sign, "swing": swing,
    "interval_or_0": lambda row: "0" if nothing(row) else interval(row),
    "end_of_range": lambda end: "beyond the range" if end is None else f"{end:.1f}",
}  # fmt: skip
PARTS = tuple(WORDS.get_template("perm-krai.jinja").blocks)


# Pictures


def worlds_figure(found: Findings) -> Figure:
    """Each policy's effect on coverage at the end in each world of the sweep, sorted."""
    picture, axes = panels(9.2, 2.9, 1, len(SWEPT), (0.6, 0.2, 0.4, 0.5), (0.35, 0.2))
    for panel, name in zip(axes[0], SWEPT, strict=True):
        values = np.sort(found.across_worlds(name, "coverage"))
        colours = [BLUE if x > 1e-9 else VERMILION if x < -1e-9 else GREY for x in values]
        panel.scatter(np.arange(1, len(values) + 1), values, s=5, c=colours, linewidths=0)
        panel.axhline(0.0, color=INK, linewidth=0.8)
        panel.set_title(found.results.scenario.policies[name].title, fontweight="bold")
        panel.set_xlabel(f"{len(values)} worlds, sorted by effect", fontsize=SMALL)
        tidy(panel)
    axes[0, 0].set_ylabel("coverage 2030-12, points", fontsize=SMALL)
    return picture


def pictures(found: Findings, folder: Path) -> list[Path]:
    """Draw and write the pictures as PNG; the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    plot, written = found.results.plot, []
    with mpl.rc_context(STYLE):
        drawn = {
            "programme": plot.programme(), "guides": plot.guides(), "effects": plot.effects(),
            "tornado": tornado_figure(found.sweep, "coverage"), "worlds": worlds_figure(found),
        }  # fmt: skip
        for name, picture in drawn.items():
            path = folder / f"perm-krai-{name}.png"
            picture.savefig(path, dpi=130, metadata={"Software": None})
            written.append(path)
    return written


def main(size: Size = Size(), page: Path = PAGE, images: Path = IMAGES) -> None:
    """Run the study and write page and pictures."""
    mpl.use("Agg")
    found = study(size)
    text = page.read_text(encoding="utf-8")
    pictures(found, images)
    page.write_text(renewed(text, found), encoding="utf-8", newline="\n")
    sys.stdout.write(f"{page}\n")


if __name__ == "__main__":
    main()
