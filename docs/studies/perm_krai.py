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

import sim
from sim.report.figures import SOURCE_WORDS
from sim.report.style import BLUE, GREY, INK, SMALL, STYLE, VERMILION, panels, tidy
from sim.report.sweep import tornado_figure
from sim.report.words import grouped, signed
from sim.results.run import BASELINE, Results
from sim.scenario.scenario import Scenario
from sim.scenario.schema import parameter_table
from sim.studies.compare import difference
from sim.studies.seek import TargetAnswer
from sim.studies.sweep import Sweep

HERE = Path(__file__).parent
PAGE, SCENARIO, IMAGES = HERE / "perm-krai.md", HERE / "perm-krai.toml", HERE / "images"
PART = re.compile(r"(<!-- study: ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)
PROGRAMME = "programme"
BEFORE, YEAR_ON, END = "2023-01", "2024-01", "2030-12"
ARMS = (
    "no-guidance", "no-peers", "no-platforms", "strong-guidance", "no-mandate", "mandate-a-year-later",
    "mandate-two-years-earlier", "no-regional-support", "region-pays-half", "sanctions", "sanctions-with-substitution",
)  # fmt: skip
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


def study(size: Size = Size()) -> Findings:
    """Run all parts: arms and their comparison, the sweep, the leaders' worth, the rate of the order."""
    scenario = sim.load(SCENARIO)
    results = sim.run(scenario, size.replicates, policy=ARMS)
    measures = [PROGRAMME, "coverage", "spending"]
    return Findings(
        results,
        sim.compare_runs({"study": results}, measures=measures).table(),
        swept(scenario, size),
        sim.leader_worth(scenario, measure=PROGRAMME, replicates=size.worth, at=BEFORE),
        sim.seek_target(
            scenario, f"{PROGRAMME} >= 1 at {YEAR_ON}", {"mandates.0.rate": (0, 6)}, replicates=size.sought
        ),
    )


def swept(scenario: Scenario, size: Size) -> Sweep:
    """Latin hypercube over what the levers rest on, in a world with sanctions (none where their severity is 0)."""
    return sim.sweep(
        scenario.override({"sanctions.from": SANCTIONS_FROM}), ranges(scenario), design="lhs", n=size.points,
        replicates=size.swept, policies=SWEPT, seed=scenario.seed, measures=[PROGRAMME, "coverage"],
    )  # fmt: skip


def ranges(scenario: Scenario) -> dict[str, object]:
    """Factors: rates of diffusion over the middle 90 % of the fitted draws, the rest over its plausible range."""
    if scenario.parameter_fit is None:
        raise LookupError(f"{scenario.name} has no fitted draws")
    draws = scenario.parameter_fit.draws
    fitted = {
        key: tuple(round(float(x), 4) for x in np.quantile(draws[key], (0.05, 0.95)))
        for key in ("diffusion.peers", "diffusion.leaders")
    }
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


def changed(row: Mapping[str, float], what: str, when: str) -> str:
    """A sentence's end: what a difference says of a measure, no more than its interval allows."""
    if row["difference"] == row["low"] == row["high"] == 0:
        return f"does not change {what} {when} in any replicate"
    verb = {1: "raises", -1: "lowers", 0: "has no clear effect on"}[sign(row)]
    return f"{verb} {what} {when}: {interval(row)} points"


def percent(value: float, digits: int = 0) -> str:
    """A share as `55 %`; what is not everything or nothing never reads so."""
    text = f"{100 * value:.{digits}f}"
    if text == "100" and value < 1:
        return "more than 99 %"
    return "less than 1 %" if text == "0" and value > 0 else f"{text} %"


def members(found: Findings) -> tuple[float, float, float, int]:
    """Median and middle 90 % of members before the order, and of how many."""
    count = int(found.results.baseline.focus.sum())
    step = found.results.scenario.step_of(BEFORE)
    shares = found.results.measure(PROGRAMME)[:, step]
    low, middle, high = np.quantile(shares, (0.05, 0.5, 0.95)) * count
    return float(low), float(middle), float(high), count


def attributed(found: Findings) -> dict[str, float]:
    """Shares of joins before the order by source, in the model's own attribution; the largest first."""
    events = found.results.events
    joins = events[(events["policy"] == BASELINE) & (events["technology"] == PROGRAMME) & (events["spell"] > 0)]
    joins = joins[joins["operating"] <= np.datetime64(BEFORE)]
    return {str(name): float(x) for name, x in joins["source"].value_counts(normalize=True).items() if x > 0}


def complete(found: Findings, policy: str) -> float:
    """Share of replicates in which all are members a year after the order."""
    step = found.results.scenario.step_of(YEAR_ON)
    return float((found.results.measure(PROGRAMME, policy)[:, step] >= 1 - 1e-9).mean())


def regional(found: Findings) -> pd.Series:
    """Paid by the region over the whole run by policy, mean, millions."""
    by_run = found.results.regions.groupby(["policy", "replicate"], observed=True)["regional_spent"].sum()
    return by_run.groupby("policy", observed=True).mean()


def across_worlds(found: Findings, policy: str, measure: str) -> np.ndarray:
    """A policy's effect on a measure in each world of the sweep, percentage points, float64[points]."""
    return 100 * (found.sweep.means(measure, policy) - found.sweep.means(measure))


# Parts of the page


def summary(found: Findings) -> str:
    """The answer for a council, a line for each lever."""
    low, middle, high, count = members(found)
    sources = list(attributed(found).items())[:2]
    said = " and ".join(f"{SOURCE_WORDS[name]} ({percent(share)})" for name, share in sources)
    order, half = found.row("no-mandate", PROGRAMME, YEAR_ON), found.row("region-pays-half", "coverage", END)
    hit, replaced = (found.row(name, "coverage", END) for name in ("sanctions", "sanctions-with-substitution"))
    swings = found.sweep.tornado("coverage")
    factor, meaning = swings.iloc[0], {row.key: row.meaning for row in parameter_table()}
    doubt = "" if clearly_first(swings) else ", though not clearly"
    worlds_ = across_worlds(found, "region-pays-half", "coverage")
    helped = int((worlds_ > 1e-9).sum())
    lines = [
        f"**How it spread.** By January 2023, when no order was in force, the model has {middle:.0f} of {count} "
        f"municipalities in the programme ({low:.0f} to {high:.0f} in nine of ten histories; observed: 22 or 23). "
        f"It attributes these joins mostly to {said}.",
        f"**The order.** To leave it out {changed(order, 'membership', 'in January 2024')}. With it, all {count} are "
        f"in by then in {percent(complete(found, BASELINE))} of histories; without it, in "
        f"{percent(complete(found, 'no-mandate'))}. Being a member is not having the technologies: to leave it out "
        f"{changed(found.row('no-mandate', 'coverage', END), 'coverage', 'at the end of 2030')}.",
        "**Guidance.** To be without the leader cities of other regions "
        f"{changed(found.row('no-guidance', PROGRAMME, BEFORE), 'membership', 'in January 2023')}; it "
        f"{changed(found.row('no-guidance', 'coverage', END), 'coverage', 'at the end of 2030')}.",
        f"**Co-financing.** That the region pays half {changed(half, 'coverage', 'at the end of 2030')}. It "
        f"{changed(found.row('region-pays-half', PROGRAMME, BEFORE), 'membership', 'in January 2023')}; membership "
        f"costs nothing in the model. In the sweep below it raises coverage in {helped} of {len(worlds_)} worlds.",
        f"**Sanctions.** Without substitution, a cut of foreign supply by 60 % {changed(hit, 'coverage', 'in 2030')}; "
        f"with substitution it {changed(replaced, 'coverage', 'in 2030')}.",
        f"**What decides.** Of {len(found.sweep.factors)} assumptions that were varied together, "
        f"{meaning[factor['factor']]} moves coverage in 2030 most{doubt}: {percent(factor['low'], 1)} "
        f"at the low end of its range, {percent(factor['high'], 1)} at the high end.",
    ]
    return "\n".join(f"- {line}" for line in lines)


def clearly_first(swings: pd.DataFrame) -> bool:
    """Whether the interval of the largest swing, in size, lies above that of the second."""
    first, second = swings[["swing_low", "swing_high"]].to_numpy()[:2]
    return bool(first.prod() > 0 and np.abs(first).min() > np.abs(second).max())


def spread(found: Findings) -> str:
    """What made it spread: attribution, knock-outs, leaders."""
    sources = attributed(found)
    rows = [f"| {SOURCE_WORDS[name]} | {percent(share)} |" for name, share in sources.items()]
    knocked = [
        f"- **{found.results.scenario.policies[name].title}**: "
        f"{changed(found.row(name, PROGRAMME, BEFORE), 'membership', 'in January 2023')}."
        for name in ("no-guidance", "no-peers", "no-platforms", "strong-guidance")
    ]
    lines = [
        "| joins before the order, by source | share |",
        "|---|---|",
        *rows,
        "",
        "Taking one influence away, or more:",
    ]
    return "\n".join([*lines, "", *knocked, "", larger(found), "", leaders(found)])


def larger(found: Findings) -> str:
    """Which of guidance and the region's own example costs more to lose, by their own paired difference."""
    step = found.results.scenario.step_of(BEFORE)
    lost = [found.results.measure(PROGRAMME, name)[:, step] for name in ("no-peers", "no-guidance")]
    apart = vars(difference(lost[0], lost[1], paired=True))
    row = {"difference": apart["mean"], "low": apart["low"], "high": apart["high"]}
    more = {
        -1: "more members than losing guidance", 1: "fewer members than losing guidance",
        0: "neither clearly more nor clearly fewer members than losing guidance",
    }[sign(row)]  # fmt: skip
    return f"Losing the region's own example costs {more}: {interval(row)} points between the two."


def leaders(found: Findings) -> str:
    """What single leaders are worth: those whose interval excludes zero, and no others."""
    clear = found.worth[found.worth["low"] > 0]
    count = len(found.worth)
    if not len(clear):
        return f"Not one of the {count} leader cities has a clear worth of its own."
    named = ", ".join(
        f"{row['name']} {100 * row['worth']:.1f} ({100 * row['low']:.1f} to {100 * row['high']:.1f})"
        for row in clear.head(4).to_dict("records")
    )
    more = f" (the largest of {len(clear)})" if len(clear) > 4 else ""
    rest = f" The other {count - len(clear)} of {count} leader cities have no clear worth of their own."
    return (
        "Had one leader city nothing from the start, membership elsewhere in January 2023 would be lower, in points, "
        f"by: {named}{more}.{rest if count > len(clear) else ''}"
    )


def effects(found: Findings) -> str:
    """The table of effects, in percentage points, and money."""
    paid = regional(found)
    lines = [
        "| arm | membership 2023-01 | membership 2024-01 | coverage 2030-12 | the region pays |",
        "|---|---|---|---|---|",
    ]
    for name in ARMS:
        cells = [
            "0" if not any(row[key] for key in ("difference", "low", "high")) else interval(row)
            for row in (found.row(name, *at) for at in
                        ((PROGRAMME, BEFORE), (PROGRAMME, YEAR_ON), ("coverage", END)))
        ]  # fmt: skip
        title = found.results.scenario.policies[name].title
        lines.append(f"| {title} | {' | '.join(cells)} | {signed(paid[name] - paid[BASELINE], 0)} |")
    base = found.row(ARMS[0], "coverage", END)["baseline"]
    shares = [percent(found.row(ARMS[0], PROGRAMME, at)["baseline"]) for at in (BEFORE, YEAR_ON)]
    lines.append(f"| *baseline: mean* | {shares[0]} | {shares[1]} | {percent(base, 1)} | {grouped(paid[BASELINE])} |")
    return "\n".join([*lines, "", sought(found)])


def sought(found: Findings) -> str:
    """How strict the order must be."""
    answer = found.sought.answers[0]
    wanted = f"To have all in by January 2024 in {percent(found.sought.wanted)} of histories"
    if not answer.found:
        return f"{wanted}, no rate of the order from 0 to 6 is enough; the best reaches {percent(answer.probability)}."
    ends = [answer.low["mandates.0.rate"], answer.high["mandates.0.rate"]]
    low, high = ("beyond the range" if end is None else f"{end:.1f}" for end in ends)
    return (
        f"{wanted}, the rate of the order must be {answer.values['mandates.0.rate']:.1f} a year ({low} to {high}); "
        f"the scenario has {found.sought.base['mandates.0.rate']:g}, which reaches {percent(found.sought.as_it_is)}."
    )


def decides(found: Findings) -> str:
    """What the sweep says: ranges, factors with a clear swing, luck, signs of the policies across worlds."""
    lines = [
        "| factor | range | coverage 2030-12, low end | high end | swing, points |",
        "|---|---|---|---|---|",
    ]
    limits = {factor.name: factor.values(np.array([0.0, 1.0])) for factor in found.sweep.study.factors}
    for row in found.sweep.tornado("coverage").to_dict("records"):
        low, high = limits[row["factor"]]
        swing = interval({"difference": row["swing"], "low": row["swing_low"], "high": row["swing_high"]})
        clear = "" if row["swing_low"] > 0 or row["swing_high"] < 0 else ", unclear"
        lines.append(
            f"| `{row['factor']}` | {low:g} to {high:g} | {percent(row['low'], 1)} | {percent(row['high'], 1)} "
            f"| {swing}{clear} |"
        )
    return "\n".join([*lines, "", levels(found), "", *(worlds(found, name, "coverage") for name in SWEPT)])


def levels(found: Findings) -> str:
    """What moves membership before the order, and how the sweep's level compares with the baseline's."""
    first = found.sweep.tornado(f"{PROGRAMME} {BEFORE}")
    clear = first[(first["swing_low"] > 0) | (first["swing_high"] < 0)]["factor"]
    moved = " and ".join(f"`{name}`" for name in clear) or "no factor"
    mean = percent(float(found.sweep.means("coverage").mean()), 1)
    early = found.sweep.means(f"{PROGRAMME} {BEFORE}")
    above = int((early > 23 / members(found)[3] + 1e-9).sum())
    fit = found.results.scenario.parameter_fit
    draws = pd.DataFrame({key: fit.draws[key] for key in ("diffusion.peers", "diffusion.leaders")} if fit else {})
    tied = float(draws.rank().corr().to_numpy()[0, 1])
    base = percent(found.row(ARMS[0], "coverage", END)["baseline"], 1)
    return (
        f"Clear swings of membership in January 2023: {moved}. The mean coverage over these worlds is {mean}, in the "
        f"baseline {base}: the sweep spreads over its ranges evenly, the fit does not. In {above} of {len(early)} "
        "worlds more than the observed 23 are members in January 2023, as a mean over replicates. The two rates vary "
        f"independently here; among the fitted draws their rank correlation is {signed(tied, 2)}."
    )


def worlds(found: Findings, policy: str, measure: str) -> str:
    """In how many worlds a policy's effect has which sign."""
    values = across_worlds(found, policy, measure)
    down, up = int((values < -1e-9).sum()), int((values > 1e-9).sum())
    low, middle, high = np.quantile(values, (0.05, 0.5, 0.95))
    title = found.results.scenario.policies[policy].title
    return (
        f"- **{title}**: coverage in 2030 is lower in {down}, higher in {up}, the same in "
        f"{len(values) - down - up} of {len(values)} worlds; median "
        f"{signed(middle)} points, middle 90 % of worlds {signed(low)} to {signed(high)}."
    )


def provenance(found: Findings) -> str:
    """What was run."""
    sweep_, results = found.sweep, found.results
    return (
        f"{results.replicates} replicates of {len(results.arms)} arms; a Latin hypercube of {len(sweep_.design)} "
        f"points, {len(sweep_.study.arms)} arms, {sweep_.study.replicates} replicates ({len(sweep_.runs)} runs, "
        f"{len(sweep_.faults)} failed); {found.sought.replicates} replicates for the rate sought; seed {results.seed}; "
        f"Uptake {sim.__version__}."
    )


PARTS = {"summary": summary, "spread": spread, "effects": effects, "sweep": decides, "provenance": provenance}


def renewed(text: str, found: Findings) -> str:
    """The page with its parts written anew."""
    return PART.sub(lambda part: f"{part[1]}\n{PARTS[part[2]](found)}\n\n{part[3]}", text)


# Pictures


def worlds_figure(found: Findings) -> Figure:
    """Each policy's effect on coverage at the end in each world of the sweep, sorted."""
    picture, axes = panels(9.2, 2.9, 1, len(SWEPT), (0.6, 0.2, 0.4, 0.5), (0.35, 0.2))
    for panel, name in zip(axes[0], SWEPT, strict=True):
        values = np.sort(across_worlds(found, name, "coverage"))
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
