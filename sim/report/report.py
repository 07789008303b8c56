"""What would somebody who must decide want to read? One HTML file with the answer, the pictures and the grounds."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.engine.columns import FLOWS
from sim.report import pages
from sim.report.figures import PLACES_SHOWN, ROWS_SHOWN, SOURCE_WORDS, Plot, applicable
from sim.report.findings import falls, leading_guides, source_totals, technology_shares
from sim.report.style import svg
from sim.report.words import exact, figure, grouped, percent, points, signed
from sim.results.effects import Case, PolicyEffect, Yardstick, effect, policy_effects, policy_prices, yardsticks
from sim.results.folder import write_whole
from sim.results.measures import (
    coverage,
    gini,
    has_economy,
    has_money,
    headline,
    index_at,
    main_cities,
    month,
    one,
    product,
    public_money,
    region_index_at,
    table_years,
    technologies_at,
    yearly_instants,
)
from sim.results.ranks import rank_correlation
from sim.results.targets import Verdict, bounds, verdicts
from sim.results.uncertainty import Split, varying
from sim.scenario.schema import ASSUMED, parameter_table

if TYPE_CHECKING:
    from sim.results.run import Results
    from sim.scenario.scenario import Scenario

TEMPLATE = Path(__file__).with_name("templates") / "report.html"
TITLES = {
    "programme": "Who has joined",
    "map": "Where",
    "technologies": "Technologies",
    "guides": "Who guided whom",
    "effects": "What policies change",
    "heatmap": "Municipality by technology",
    "divide": "Digital divide",
    "grp": "Regional product",
    "spending": "Money",
    "ranks": "Ranks",
}


# The answer in sentences


def _ninety(low: float, high: float, form: Callable[[float], str]) -> str:
    """The band of 90 % of replicates in words."""
    if form(low) == form(high):
        return f"{form(low)} in at least 90 % of replicates"
    return f"{form(low)} to {form(high)} in 90 % of replicates"


def answer(results: Results, table: Mapping[str, Sequence[PolicyEffect]] | None = None) -> list[str]:
    """The answer in sentences, each chosen by the figures it tells."""
    table = policy_effects(results) if table is None and len(results.arms) > 1 else table or {}
    return [
        *_spread(results),
        *_judged(results),
        *_coverage(results),
        *_attribution(results),
        *_policies(results, table),
        *_divide(results),
        *_money(results),
        *_product(results),
    ]


def _whole(value: float) -> str:
    return f"{value:.0f}"


def _name(scenario: Scenario, technology: int) -> str:
    return scenario.technologies.name[technology].replace('"', "")


def _spread(results: Results) -> list[str]:
    """How many have each technology in focus at the end, and when half of them had."""
    arm, scenario = results.baseline, results.scenario
    members, found = int(arm.focus.sum()), []
    for technology in headline(scenario):
        values = one(arm, technology)
        told = _how_many(values[:, -1] * members, members, f"in {month(scenario, scenario.steps)}")
        found.append(f"{_name(scenario, technology)}: {told}. {_half(scenario, values)}")
    return found


def _how_many(count: np.ndarray, members: int, when: str) -> str:
    """How many of the municipalities have something, of counts by replicate."""
    everywhere = float((count >= members - 1e-9).mean())
    if everywhere >= 0.9:
        often = "every replicate" if everywhere == 1 else f"{percent(everywhere)} of replicates"
        return f"{when}, all {members} municipalities have it in {often}"
    low, high = np.quantile(count, (0.05, 0.95))
    average = figure(round(float(count.mean()), 1))
    return f"{when}, on average {average} of {members} municipalities have it ({_ninety(low, high, _whole)})"


def _half(scenario: Scenario, values: np.ndarray) -> str:
    """When half of the municipalities had it, of shares [replicates, T + 1]."""
    reached = values >= 0.5 - 1e-12
    share = reached.any(axis=1).mean()
    if share < 0.5:
        return f"Half of the municipalities have it at some time in {percent(share)} of replicates."
    when = np.sort(np.where(reached.any(axis=1), reached.argmax(axis=1), scenario.steps + 1))
    middle = int(when[(len(when) - 1) // 2])
    if middle == 0:
        return "Half of the municipalities have it from the start."
    return f"The median date at which half of the municipalities have it is {month(scenario, middle)}."


def _judged(results: Results) -> list[str]:
    """Each target beside the model: inside the band or not; plans by the chance of being met."""
    scenario, found = results.scenario, []
    members = int(results.baseline.focus.sum())
    for verdict in verdicts(results):
        target, when = verdict.target, month(scenario, verdict.instant)
        told = _counted(verdict.low, verdict.high, members)
        name = _name(scenario, scenario.technologies.id.index(target.technology))
        if target.kind == "plan":
            words = f"Planned was {told} for {when} ({name}); {percent(verdict.chance)} of replicates reach it."
        elif target.date is None:
            words = (
                f"Observed was {told} at some time before {when} ({name}); {percent(verdict.chance)} of replicates "
                "have that number at some time before then."
            )
        else:
            words = (
                f"Observed was {told} in {when} ({name}). The model has {figure(verdict.mean * members)} on average "
                f"({_ninety(verdict.q05 * members, verdict.q95 * members, _whole)}): the observation lies "
                f"{_where(verdict)}."
            )
        found.append(words + _fitted(scenario, verdict))
    return found


def _counted(low: float, high: float, members: int) -> str:
    first, last = round(low * members), round(high * members)
    if first == last == members:
        return f"all {members}"
    return f"{first} of {members}" if first == last else f"{first} to {last} of {members}"


def _where(verdict: Verdict) -> str:
    if verdict.inside:
        return "inside this band"
    if verdict.low > verdict.q95:
        return "above this band: the model is too slow"
    return "below this band: the model is too fast"


def _fitted(scenario: Scenario, verdict: Verdict) -> str:
    fitted = scenario.parameter_fit is not None and scenario.parameters.draws == "draws"
    if fitted and verdict.target.use and verdict.target.kind == "observed":
        return " The parameters were fitted to it, so it tests nothing."
    return ""


def _coverage(results: Results) -> list[str]:
    """How many technologies a municipality has at the end, and which spread furthest and least."""
    arm, scenario = results.baseline, results.scenario
    total = int(arm.counted.sum())
    if not total:
        return []
    values = coverage(arm)[:, -1] * total
    low, high = np.quantile(values, (0.05, 0.95))
    words = (
        f"In {month(scenario, scenario.steps)} a municipality operates on average {figure(float(values.mean()), 2)} of "
        f"{total} technologies ({_ninety(low, high, lambda x: figure(x, 2))})."
    )
    shares = technology_shares(arm)[:, -1]
    counted = np.flatnonzero(arm.counted)
    most, least = counted[shares[counted].argmax()], counted[shares[counted].argmin()]
    if shares[most] > shares[least]:
        words += (
            f" The most widespread is {_name(scenario, most)} ({percent(shares[most])} of municipalities), the least "
            f"{_name(scenario, least)} ({percent(shares[least])})."
        )
    return [words]


def _attribution(results: Results) -> list[str]:
    """What adoptions are attributed to, and who guides most."""
    arm = results.baseline
    sources = source_totals(arm)
    total = sum(sources.values())
    if not total:
        return ["Nobody adopts anything."]
    order = sorted(sources, key=lambda name: -sources[name])
    parts = ", ".join(f"{SOURCE_WORDS[name]} ({percent(sources[name] / total)})" for name in order)
    words = f"A replicate has {grouped(total)} adoptions on average. The model attributes them to {parts}."
    leaders = leading_guides(arm, 1)
    guided = sources.get("peers", 0.0) + sources.get("leaders", 0.0)
    if leaders:
        place, peers, afar = leaders[0]
        name = arm.scenario.places.name[int(arm.shared.network.order[place])]
        share = percent((peers + afar) / guided)
        words += f" The leading guide is {name}, behind {share} of those that peers or leaders brought."
    return [words + " This is the model's attribution, not evidence."]


def _policies(results: Results, table: Mapping[str, Sequence[PolicyEffect]]) -> list[str]:
    """What the policies change, measure by measure; nothing is called a change whose interval includes zero."""
    found = []
    for measure in yardsticks(results):
        if measure.key in table and measure.unit == "percentage points" and measure.key != "small":
            found.append(_compared(results, measure, table[measure.key]))
    prices = {arm.title or arm.name: price for arm, price in policy_prices(results)}
    better = [_quoted(title) for title, price in prices.items() if price.case == Case.BETTER]
    if better:
        found.append(f"More coverage without clearly more public money: {', '.join(better)}.")
    costs = sorted(((title, p) for title, p in prices.items() if p.case == Case.COSTS), key=lambda pair: pair[1].value)
    if costs:
        title, first = costs[0]
        which = "is the cheapest of those that cost more: it takes" if len(costs) > 1 else "takes"
        found.append(
            f"{_quoted(title)} {which} {figure(first.value)} million {results.scenario.currency} of "
            f"public money for each percentage point of coverage gained (95 % Monte Carlo interval "
            f"{figure(first.low)} to {figure(first.high)})."
        )
    return found


def _compared(results: Results, measure: Yardstick, rows: Sequence[PolicyEffect]) -> str:
    """One measure: how many policies raise it, lower it, or neither, and the largest of each."""
    raising = sorted((row for row in rows if row.sign > 0), key=lambda row: -row.mean)
    lowering = sorted((row for row in rows if row.sign < 0), key=lambda row: row.mean)
    neither = [row for row in rows if row.sign == 0]
    parts = []
    for chosen, verb in ((raising, "raise"), (lowering, "lower")):
        if chosen:
            first = chosen[0]
            most = "" if len(chosen) == 1 else "most: "
            parts.append(
                f"{len(chosen)} {verb}{'s' if len(chosen) == 1 else ''} it ({most}{_quoted(first.title)}, "
                f"{points(first.mean)} percentage points, "
                f"95 % Monte Carlo interval {points(first.low)} to {points(first.high)})"
            )
    if neither:
        which = f" ({', '.join(_quoted(row.title) for row in neither)})" if len(neither) <= 3 else ""
        parts.append(f"{len(neither)} cannot be told from the baseline{which}")
    what = _measure_name(results, measure)
    return (
        f"{what[0].upper()}{what[1:]}: of {len(rows)} {'policies' if len(rows) > 1 else 'policy'}, {'; '.join(parts)}."
    )


def _quoted(title: str) -> str:
    return f"\u201c{title}\u201d"


def _measure_name(results: Results, measure: Yardstick) -> str:
    known = results.scenario.technologies
    what, _, when = measure.label.partition(", ")
    return f"{_name(results.scenario, known.id.index(what)) if what in known.id else what} in {when}".replace(
        " in until ", " until "
    )


def _divide(results: Results) -> list[str]:
    """Whether the divide widened or narrowed, from the first date at which there is anything to compare to the end."""
    arm, scenario = results.baseline, results.scenario
    dates = yearly_instants(scenario).tolist()[:-1]
    held = ((at, technologies_at(arm, at)[:, arm.focus]) for at in dates)
    start = next(((at, counts) for at, counts in held if counts.any(axis=1).all()), None)
    if start is None or arm.focus.sum() < 2:
        return []
    before = gini(start[1])
    after = gini(technologies_at(arm, scenario.steps)[:, arm.focus])
    verb = {1: "widens", -1: "narrows", 0: "does not clearly change"}[effect(after, before).sign]
    return [
        f"The digital divide {verb}: the Gini coefficient of technologies operating (0: all have the same, 1: one has "
        f"all) goes from {np.median(before):.2f} in {month(scenario, start[0])}, the first date at which, in every "
        f"replicate, some municipality operates one, to {np.median(after):.2f} in "
        f"{month(scenario, scenario.steps)} (medians)."
    ]


def _money(results: Results) -> list[str]:
    """Public money until the end, and how many adoptions wait for it."""
    arm, scenario = results.baseline, results.scenario
    if not has_money(scenario):
        return ["Money is slack: nothing costs anything in this scenario."]
    paid, gained = public_money(arm), coverage(arm)
    points = 100 * (gained[:, -1] - gained[:, 0])
    words = f"Public money paid until the end is on average {figure(float(paid.mean()))} million {scenario.currency}"
    if points.mean() > 0:
        words += f": {figure(float(paid.mean() / points.mean()))} million for each percentage point of coverage gained"
    waiting = arm.batch.ledgers[:, arm.focus_regions, -1, FLOWS.index("unpaid")].sum(axis=1).mean()
    waiting = round(float(waiting), 1)
    waits = f" At the end, on average {figure(waiting)} adoptions wait for money." if waiting > 0 else ""
    return [f"{words}.{waits}"]


def _product(results: Results) -> list[str]:
    """The product of the regions in focus at the end: a conditional projection, and of what."""
    arm, scenario = results.baseline, results.scenario
    if not has_economy(scenario):
        return []
    base = float(np.asarray(arm.shared.regions["grp"])[arm.focus_regions].sum())
    change = 100 * (product(arm)[:, :, -1].sum(axis=1) / base - 1)
    low, high = np.quantile(change, (0.05, 0.95))
    economy = scenario.economy
    alone = economy.industry_growth == economy.urban_growth == economy.volatility == 0
    cause = "through adoption alone" if alone else "through growth, shocks and adoption together"
    return [
        f"Conditional projection, {cause}: in {table_years(scenario)[-1]} the gross regional product is on average "
        f"{_change(float(change.mean()))} that of the table of {economy.base_year} ({signed(low, 2)} % to "
        f"{signed(high, 2)} % in 90 % of replicates), if adoption by everybody adds "
        f"{100 * economy.industry_gain:g} % to industry (assumed) and the regression across regions holds over time."
    ]


def _change(value: float) -> str:
    if abs(value) < 0.005:
        return "within 0.01 % of"
    return f"{abs(value):.2f} % {'above' if value > 0 else 'below'}"


# Pictures and their captions


def captions(results: Results, split: Split | None) -> dict[str, str]:
    """What each picture shows, from how many runs, and on what it rests."""
    scenario, members = results.scenario, int(results.baseline.focus.sum())
    runs = f"{results.replicates} replicates, seed {results.seed}"
    drawn = [part for part in varying(results.baseline) if part != "luck"]
    bands = f"Bands are the spread over replicates (luck{''.join(f' and draws of {part}' for part in drawn)})"
    rates = "Rates of adoption and the figures of technologies are assumed unless the tables below say otherwise."
    if scenario.parameter_fit is not None and "parameters" in drawn:
        number = len(scenario.parameter_fit.draws)
        rates = f"{number} parameters are drawn from a fit to the targets; most others are assumed."
    worn = _worn_out(results)
    marks = " Filled marks are observed, hollow ones planned." if scenario.targets else ""
    under = " A policy whose line is not seen runs under the median." if len(results.arms) > 1 else ""
    largest = "" if members <= ROWS_SHOWN else f"; the {ROWS_SHOWN} largest municipalities"
    few = "" if members <= PLACES_SHOWN else f", the {PLACES_SHOWN} largest"
    return {
        "programme": f"Baseline, {runs}. {bands}, not uncertainty about the world.{marks}{under} {rates}",
        "map": f"Baseline, mean of {runs}. Places in focus{few}, at the points of their table.{worn} {rates}",
        "technologies": f"Baseline, means of {runs}. {rates}",
        "guides": f"Baseline, {runs}. {_GUIDES}",
        "effects": f"Differences from the baseline under the same luck, {runs}. {_EFFECTS} {rates}",
        "heatmap": f"Baseline, {runs}. {_HEATMAP}{largest}. {rates}",
        "divide": f"Baseline, {runs}. {bands}. Municipalities count alike, whatever their size.{worn} {rates}",
        "grp": f"Baseline, {runs}. {_GRP} {_coefficients(scenario)}{_split_words(split)}",
        "spending": f"Baseline, means of {runs}; regions in focus. Budgets and costs are assumed; millions of "
        f"{scenario.currency} at prices of the base year.",
        "ranks": f"Baseline, {runs}. {_RANKS}{_correspondence(results)}",
    }


def _worn_out(results: Results) -> str:
    """Which leader has fewer technologies for a time, because they wear out; nothing where none has."""
    arm, scenario = results.baseline, results.scenario
    found = falls(arm)
    if not found:
        return ""
    first = found[0]
    name = scenario.places.name[int(arm.shared.network.order[first.place])]
    who = name if len(found) == 1 else f"{len(found)} places that lead at the start come to have fewer, most {name}:"
    who += " has" if len(found) == 1 else " it has"
    money = " and paid for" if has_money(scenario) else ""
    return (
        f" {who} {first.before:.1f} technologies in {month(scenario, first.high)} and {first.after:.1f} in "
        f"{month(scenario, first.low)}: what is worn out leaves, and its renewal must be decided{money} anew."
    )


_GUIDES = (
    "The model's attribution, not evidence: a guide is drawn in proportion to its part in the hazard at the moment of "
    "adoption. At the right, each municipality stands under the guide most often drawn for it, of those that as a rule "
    "have it earlier; the figure is the chance. The bars show all ways in, in the colours of the left panel."
)
_EFFECTS = (
    "Thick: 95 % Monte Carlo interval of the mean; thin: 5 to 95 % of replicates; grey: the interval includes zero. "
    "Neither interval is uncertainty about the world. Public money: adoptions, running costs, fees; savings not taken "
    "off. Effects on the regional product are a conditional projection."
)
_HEATMAP = (
    "Area of a square: share of replicates in which the municipality ever operates it; colour: median year of those. "
    "The places and technologies that are furthest come first"
)
_GRP = (
    "Conditional projection: the regression is a cross-section, industry is part of the product and no digital "
    "variable enters it; what adoption adds to industry is assumed."
)
_RANKS = (
    "The index is 120 times the mean over segments of the share of technologies operating: a definition of this model. "
    "Points: medians; thick and thin: 50 and 90 % of replicates."
)


def _coefficients(scenario: Scenario) -> str:
    if scenario.economy.coefficients == "draws":
        return "Coefficients are drawn for each replicate."
    return "Coefficients are at their estimate: the band leaves their uncertainty out."


def _split_words(split: Split | None) -> str:
    if split is None or len(split.shares) < 2:
        return ""
    parts = ", ".join(f"{name} {100 * share:.0f} %" for name, share in split.shares.items())
    return (
        f" Variance in the last year: {parts} (first-order shares from {split.replicates} pairs of runs, standard "
        f"error up to {100 * split.error:.0f} points)."
    )


def _correspondence(results: Results) -> str:
    """Whether regions rank like their main cities, where there are enough of them."""
    arm = results.baseline
    if len(arm.focus_regions) < 4:
        return ""
    cities = index_at(arm, results.scenario.steps)[:, main_cities(arm)]
    rho = rank_correlation(cities, region_index_at(arm, results.scenario.steps))
    rho = rho[np.isfinite(rho)]
    if not len(rho):
        return ""
    low, middle, high = np.quantile(rho, (0.05, 0.5, 0.95))
    return (
        f" Rank correlation of regions with their largest cities (Spearman): {middle:.2f}, in 90 % of replicates "
        f"{low:.2f} to {high:.2f}."
    )


def pictures(results: Results, plot: Plot) -> list[dict[str, str]]:
    """Name, title, caption and SVG of every applicable picture, in the order of the report."""
    words = captions(results, plot.split)
    names = sorted(applicable(results), key=list(TITLES).index)
    return [
        {"name": name, "title": TITLES[name], "caption": words[name], "svg": _inside(plot.text(name))} for name in names
    ]


def _inside(text: str) -> str:
    """An SVG file as an element of a page: no address in it."""
    return re.sub(r' xmlns(:xlink)?="[^"]*"', "", text[text.index("<svg") :])


# The grounds


@dataclass(frozen=True)
class Ground:
    """A number of the model: its value here, unit, plausible range, and on what it rests."""

    key: str
    meaning: str
    value: str
    unit: str
    plausible: str
    basis: str
    assumed: bool


def grounds(results: Results) -> list[Ground]:
    """Every parameter with its value in this scenario; drawn ones with the range of their draws."""
    scenario, found = results.scenario, []
    fit = scenario.parameter_fit
    draws = fit.draws if fit is not None and scenario.parameters.draws == "draws" else {}
    for row in parameter_table():
        for key, value in _values(scenario, row.key):
            told, basis = value if isinstance(value, str) else _shown(value), row.basis
            if key in draws:
                low, high = np.quantile(draws[key], (0.05, 0.95))
                told, basis = (
                    f"{figure(low)} to {figure(high)} (90 % of draws)",
                    f"drawn by the fit to the targets; before it: {row.basis}",
                )
            plausible = " to ".join(map(exact, row.range_at(value) or ()))
            found.append(Ground(key, row.meaning, told, row.unit, plausible, basis, ASSUMED in basis))
    return found


def _values(scenario: Scenario, key: str) -> list[tuple[str, Any]]:
    """A key of the table of parameters with its value here; one for each mandate."""
    section, _, name = key.rpartition(".")
    if section.startswith("mandates"):
        return [(f"mandates.{at}.{name}", mandate.rate) for at, mandate in enumerate(scenario.mandates)]
    owner = getattr(scenario, "network_parameters" if section == "network" else section)
    return [(key, getattr(owner, f"{name}_" if name == "from" else name))]


def _shown(value: Any) -> str:
    if value is None:
        return "none"
    return exact(value) if isinstance(value, float) else str(value)


def technology_rows(scenario: Scenario) -> list[dict[str, Any]]:
    """The numbers of every technology, with their basis where the table tells it."""
    tech = scenario.technologies
    table = scenario._world.tables.get("technologies")
    basis = table.columns.get("basis") if table is not None else None
    names = ("cost", "complexity", "benefit", "foreign_share", "lag", "life", "privacy", "running_cost", "saving")
    return [
        {
            "name": _name(scenario, k),
            "domain": tech.domain[k].replace("_", " "),
            "values": [figure(float(getattr(tech, name)[k])) for name in names],
            "basis": basis[k] if basis is not None else "",
        }
        for k in range(len(tech.id))
    ]


def effect_table(results: Results, table: Mapping[str, Sequence[PolicyEffect]]) -> dict[str, Any]:
    """Effects as a table: a row for each policy, for each measure the mean, its interval and the spread."""
    measures = [measure for measure in yardsticks(results) if table.get(measure.key)]
    rows = []
    for at in range(len(table["coverage"])):
        effects = [table[measure.key][at] for measure in measures]
        cells = [_effect_cell(row, measure.digits) for row, measure in zip(effects, measures, strict=True)]
        rows.append({"policy": effects[0].title, "cells": cells})
    return {"heads": [(_measure_name(results, measure), measure.unit) for measure in measures], "rows": rows}


def _effect_cell(row: PolicyEffect, digits: int) -> dict[str, Any]:
    """Mean, interval and spread in words, with one digit more than the picture has."""

    def told(value: float) -> str:
        return signed(value, digits + 1)

    interval, spread = f"{told(row.low)} to {told(row.high)}", f"{told(row.q05)} to {told(row.q95)}"
    return {"mean": told(row.mean), "interval": interval, "spread": spread, "told": row.sign != 0}


def target_rows(results: Results) -> list[dict[str, str]]:
    """Every target with its source, beside the model."""
    scenario, members = results.scenario, int(results.baseline.focus.sum())
    judged = {verdict.name: verdict for verdict in verdicts(results)}
    rows = []
    for name, target in scenario.targets.items():
        low, high = bounds(target, members)
        verdict = judged.get(name)
        rows.append(
            {
                "name": name, "technology": _name(scenario, scenario.technologies.id.index(target.technology)),
                "when": f"{target.date}" if target.date else f"before {target.before}",
                "range": _counted(low, high, members), "kind": target.kind,
                "model": f"{100 * verdict.q05:.0f} to {100 * verdict.q95:.0f} %" if verdict else "not simulated",
                "chance": percent(verdict.chance) if verdict else "", "used": "yes" if target.use else "no",
                "source": target.source, "note": target.note,
            }
        )  # fmt: skip
    return rows


def policy_rows(results: Results) -> list[dict[str, str]]:
    """Every policy that was run, in words and in keys."""
    rows = []
    for name in results.arms:
        if name in results.scenario.policies:
            policy = results.scenario.policies[name]
            keys = "; ".join(f"{key} = {value}" for key, value in _flat(policy.overrides))
            rows.append({"name": name, "title": policy.title, "description": policy.description, "keys": keys})
    return rows


def _flat(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Nested overrides as dotted keys; lists as a whole."""
    found: list[tuple[str, Any]] = []
    for key, value in values.items():
        if isinstance(value, Mapping):
            found += _flat(value, f"{prefix}{key}.")
        else:
            found.append((prefix + key, _listed(value)))
    return found


def _listed(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{len(value)} entries]" if len(value) > 3 else f"[{', '.join(map(_listed, value))}]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key} = {_listed(item)}" for key, item in value.items()) + "}"
    return str(value)


# The page


def page(results: Results, command: str = "", plot: Plot | None = None, made: Mapping[str, Any] | None = None) -> str:
    """The whole report as HTML: nothing in it is fetched, everything from data is escaped.

    `made` is the provenance of saved results; without it, that of these results here and now.
    """
    from sim.results.folder import provenance

    plot = plot or Plot(results)
    table = plot.effect_table
    shown = pictures(results, plot)
    return pages.page(
        TEMPLATE,
        scenario=results.scenario,
        about=_about(results),
        answer=answer(results, table),
        shown=shown,
        effects=effect_table(results, table) if table else None,
        targets=target_rows(results),
        policies=policy_rows(results),
        grounds=grounds(results),
        technologies=technology_rows(results.scenario),
        made=_lasting({"command": ""} | dict(made or provenance(results, command))),
    )


def _about(results: Results) -> str:
    """What was run, in a sentence."""
    scenario, arm = results.scenario, results.baseline
    regions = [scenario.regions.name[r] for r in arm.focus_regions]
    where = ", ".join(regions) if len(regions) <= 3 else f"{len(regions)} regions"
    policies = len(results.arms) - 1
    others = f" and {policies} {'policies' if policies > 1 else 'policy'} under the same luck" if policies else ""
    return (
        f"{int(arm.focus.sum())} municipalities of {where}, {month(scenario, 0)} to "
        f"{month(scenario, scenario.steps)}: the "
        f"baseline{others}, {results.replicates} replicates, seed {results.seed}."
    )


def _lasting(made: Mapping[str, Any]) -> dict[str, Any]:
    """Provenance without what differs between two runs of the same thing: the same run gives the same report."""
    inputs = {"/".join(re.split(r"[/\\]", name)[-2:]): mark for name, mark in made["inputs"].items()}
    return {key: value for key, value in made.items() if key not in ("time", "platform")} | {"inputs": inputs}


def write_report(
    results: Results,
    path: str | Path,
    command: str = "",
    plot: Plot | None = None,
    made: Mapping[str, Any] | None = None,
) -> None:
    """Write the report, whole or not at all; `made` as in `page`."""
    write_whole(path, page(results, command, plot, made))


def summary_html(results: Results) -> str:
    """A run in a notebook: what was run, the answer, and the first picture."""
    from jinja2 import Environment

    template = (
        "<div><h3>{{ title }}</h3><p>{{ about }}</p><ul>{% for line in answer %}<li>{{ line }}</li>{% endfor %}</ul>"
        "{{ picture | safe }}</div>"
    )
    plot = Plot(results)
    picture, lines = svg(plot.kept("programme"), "summary"), answer(results, plot.effect_table)
    return (
        Environment(autoescape=True)
        .from_string(template)
        .render(title=results.scenario.title, about=_about(results), answer=lines, picture=picture)
    )
