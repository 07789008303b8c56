"""What do the events of a run say? The figures that pictures and report show, by replicate or over replicates."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from sim.engine.columns import ECONOMY, SOURCES
from sim.results.measures import PUBLIC
from sim.results.measures import flow as flow_of
from sim.results.run import BASELINE, Arm, Results, Spans
from sim.scenario.scenario import Scenario
from sim.scenario.schema import Target

TIERS = ("own_spent", "regional_spent", "federal_spent", "private_spent", "running_paid", "fees_paid")
"""Flows of the ledger that pay for adoptions and for what operates; all but `private_spent` are public money."""
MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
          "December")  # fmt: skip


def headline(scenario: Scenario) -> list[int]:
    """Technologies that the scenario is about: those with targets, else mandates, else memberships; at most three."""
    ids = scenario.technologies.id
    named = [target.technology for target in scenario.targets.values()]
    named = named or [mandate.technology for mandate in scenario.mandates]
    found = [ids.index(name) for name in dict.fromkeys(named)]
    return (found or [k for k, segment in enumerate(scenario.technologies.segment) if not segment])[:3]


def one(arm: Arm, technology: int) -> np.ndarray:
    """Share of focus municipalities operating a technology, float64[replicates, T + 1]."""
    return arm.series(arm.share_weights(np.arange(len(arm.counted)) == technology))


def coverage(arm: Arm) -> np.ndarray:
    """Share of (focus municipality, counted technology) pairs operating, float64[replicates, T + 1]."""
    return arm.series(arm.share_weights(arm.counted))


def bands(values: np.ndarray) -> dict[str, np.ndarray]:
    """Mean and the quantiles that bound 50 and 90 % of replicates; values [replicates, ...]."""
    low, lower, middle, upper, high = np.quantile(values, (0.05, 0.25, 0.5, 0.75, 0.95), axis=0)
    return {"mean": values.mean(axis=0), "q05": low, "q25": lower, "q50": middle, "q75": upper, "q95": high}


def technology_shares(arm: Arm) -> np.ndarray:
    """Mean share of focus municipalities operating each technology, float64[K, T + 1]."""
    spans = arm.spans.where(arm.focus[arm.spans.place])
    return _operating(arm, spans, spans.technology, len(arm.counted)) / max(int(arm.focus.sum()), 1)


def _operating(arm: Arm, spans: Spans, group: np.ndarray, groups: int) -> np.ndarray:
    """Mean number over replicates of what operates, by group of spans and instant, float64[groups, T + 1]."""
    width = arm.scenario.steps + 2
    key, size = group.astype(np.int64) * width, groups * width
    change = np.bincount(key + spans.start, weights=spans.sign, minlength=size)
    change -= np.bincount(key + spans.stop, weights=spans.sign, minlength=size)
    return np.cumsum(change.reshape(groups, width), axis=1)[:, :-1] / max(len(arm.rows), 1)


def held(arm: Arm, instant: int) -> np.ndarray:
    """Number of counted technologies operating at each place at an instant, float64[replicates, n] (canonical)."""
    spans, count = arm.spans, len(arm.focus)
    now = spans.where((spans.start <= instant) & (spans.stop > instant) & arm.counted[spans.technology])
    size = len(arm.rows) * count
    return np.bincount(now.row * count + now.place, weights=now.sign, minlength=size).reshape(-1, count)


@dataclass(frozen=True)
class Fall:
    """A place that operates fewer technologies at instant `low` than at `high` before it, means over replicates."""

    place: int
    high: int
    low: int
    before: float
    after: float


def falls(arm: Arm) -> list[Fall]:
    """Leaders in focus (they have something at the start) whose number falls as technologies wear out, most first.

    Numbers at yearly instants; a fall that one decimal does not show is none.
    """
    had = arm.shared.portfolio.astype(bool) & arm.counted[:, None] & arm.focus
    leaders = np.flatnonzero(had.any(axis=0))
    number = np.full(len(arm.focus), -1)
    number[leaders] = np.arange(len(leaders))
    spans = arm.spans.where((number[arm.spans.place] >= 0) & arm.counted[arm.spans.technology])
    dates = yearly_instants(arm.scenario)
    found = []
    for place, series in zip(leaders, _operating(arm, spans, number[spans.place], len(leaders))[:, dates], strict=True):
        low = int((np.maximum.accumulate(series) - series).argmax())
        high = int(series[: low + 1].argmax())
        if series[high] - series[low] < 0.1:
            continue
        ended = arm.batch.events["ended"][arm.batch.events["place"] == place]
        if ((ended > dates[high]) & (ended <= dates[low])).any():
            found.append(Fall(int(place), int(dates[high]), int(dates[low]), float(series[high]), float(series[low])))
    return sorted(found, key=lambda fall: fall.after - fall.before)


def yearly_instants(scenario: Scenario) -> np.ndarray:
    """The first instant, the first of every year after it, and the last, int64[...]."""
    years = scenario.instants.astype("datetime64[Y]")
    return np.unique(np.r_[0, np.flatnonzero(years[1:] != years[:-1]) + 1, scenario.steps])


def gini(counts: np.ndarray) -> np.ndarray:
    """Gini coefficient along the last axis: 0 where all have the same, 1 - 1/n where one has all; 0 of nothing."""
    ordered = np.sort(counts, axis=-1)
    n = counts.shape[-1]
    rank = 2 * np.arange(1, n + 1) - n - 1
    total = ordered.sum(axis=-1)
    return np.where(total > 0, (ordered * rank).sum(axis=-1) / (n * np.where(total > 0, total, 1)), 0.0)


def first_operating(arm: Arm) -> np.ndarray:
    """Instant of first operation in steps, float64[replicates, n, K]; infinite where it never comes."""
    events, rows = arm.batch.events, arm.batch.event_rows
    kinds, count = arm.shared.portfolio.shape
    first = np.full((len(arm.rows), count, kinds), np.inf)
    came = events["operating"] >= 0
    events, rows = events[came], rows[came]
    np.minimum.at(first, (rows, events["place"], events["technology"]), events["operating"].astype(float))
    return first


def when_operating(first: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Share of replicates (first axis) in which it ever operates, and the median instant of those; infinite if none."""
    ordered = np.sort(first, axis=0)
    number = np.isfinite(ordered).sum(axis=0)
    middle = np.take_along_axis(ordered, np.maximum((number - 1) // 2, 0)[None], axis=0)[0]
    return number / len(first), middle


@dataclass(frozen=True)
class Guidance:
    """What guided one place's adoptions of a technology: the chance of each guide and channel, and when it came."""

    guide: np.ndarray
    adopter: np.ndarray
    source: np.ndarray
    chance: np.ndarray


def guidance(arm: Arm, technology: int) -> Guidance:
    """Chance over replicates that a place's first adoption of a technology is attributed to each guide, by channel."""
    events = arm.batch.events
    chosen = events[(events["technology"] == technology) & (events["guide"] >= 0) & (events["spell"] == 1)]
    count = len(arm.focus)
    key = (chosen["source"].astype(np.int64) * count + chosen["guide"]) * count + chosen["place"]
    pairs, number = np.unique(key, return_counts=True)
    rest, adopter = np.divmod(pairs, count)
    source, guide = np.divmod(rest, count)
    return Guidance(guide, adopter, source, number / len(arm.rows))


def source_totals(arm: Arm) -> dict[str, float]:
    """Mean number of adoptions a replicate by source, initial portfolios and guides' own left out."""
    number = np.bincount(arm.batch.events["source"], minlength=len(SOURCES)) / len(arm.rows)
    return {name: float(number[at]) for at, name in enumerate(SOURCES) if at and number[at] > 0}


def leading_guides(arm: Arm, most: int = 10) -> list[tuple[int, float, float]]:
    """Places that guide most: (place, adoptions a replicate through peers, through leaders of other regions)."""
    events = arm.batch.events
    guided = events[events["guide"] >= 0]
    through = [
        np.bincount(guided["guide"][guided["source"] == SOURCES.index(name)], minlength=len(arm.focus)) / len(arm.rows)
        for name in ("peers", "leaders")
    ]
    order = np.argsort(-(through[0] + through[1]), kind="stable")[:most]
    return [(int(i), float(through[0][i]), float(through[1][i])) for i in order if through[0][i] + through[1][i] > 0]


# Money and product


def has_money(scenario: Scenario) -> bool:
    """Whether anything costs money here."""
    return scenario.finance.cost_level > 0


def has_economy(scenario: Scenario) -> bool:
    """Whether a regression of regional product is given."""
    return scenario.grp_fit is not None


def focus_regions(arm: Arm) -> np.ndarray:
    """Numbers of the regions in focus."""
    return np.unique(arm.shared.places["region"][arm.focus])


def years(scenario: Scenario) -> np.ndarray:
    """The years of the yearly table."""
    instants = scenario.instants[: scenario.steps]
    return np.unique(instants.astype("datetime64[Y]").astype(np.int64)) + 1970


def flow(arm: Arm, *names: str) -> np.ndarray:
    """Sum of flows of the ledger over the regions in focus, millions of the currency, float64[replicates, Y]."""
    return flow_of(arm.batch, focus_regions(arm), *names)


def public_money(arm: Arm) -> np.ndarray:
    """Public money to the end: adoptions, running costs, fees; savings not taken off; millions, float64[replicates]."""
    return flow(arm, *PUBLIC).sum(axis=1)


def product(arm: Arm) -> np.ndarray:
    """Gross regional product of the regions in focus, billions, float64[replicates, regions, Y]."""
    return arm.batch.tables[:, focus_regions(arm)][..., ECONOMY.index("grp")]


# Targets


@dataclass(frozen=True)
class Verdict:
    """A target beside the model: shares from 0 to 1; `chance`: of replicates within the range, or that reach a plan.

    For a target before a date, `chance` is of replicates that are within the range at some instant before it, and
    the band is that of the number at the date.
    """

    name: str
    target: Target
    instant: int
    low: float
    high: float
    mean: float
    q05: float
    q95: float
    chance: float

    @property
    def inside(self) -> bool:
        """Whether some of the target's range lies within the band of 90 % of replicates."""
        return self.low <= self.q95 + 1e-9 and self.high >= self.q05 - 1e-9


def bounds(target: Target, members: int) -> tuple[float, float]:
    """Lowest and highest share that a target names, of `members` municipalities."""
    if target.share is not None:
        return target.share
    low, high = target.count or (0.0, 0.0)
    return low / max(members, 1), high / max(members, 1)


def verdicts(results: Results) -> list[Verdict]:
    """Every target of the scenario that falls into its time, beside the baseline."""
    arm, scenario = results.baseline, results.scenario
    members, found = int(arm.focus.sum()), []
    for name, target in scenario.targets.items():
        instant = scenario.step_of(target.date or target.before)  # type: ignore[arg-type]
        if not 0 <= instant <= scenario.steps:
            continue
        values = one(arm, scenario.technologies.id.index(target.technology))
        low, high = bounds(target, members)
        at = values[:, instant]
        within = (values >= low - 1e-9) & (values <= high + 1e-9)
        if target.date is None:
            chance = within[:, :instant].any(axis=1).mean() if instant else 0.0
        elif target.kind == "plan":
            chance = (at >= low - 1e-9).mean()
        else:
            chance = within[:, instant].mean()
        q05, q95 = np.quantile(at, (0.05, 0.95))
        found.append(Verdict(name, target, instant, low, high, at.mean(), q05, q95, float(chance)))
    return found


# Policies


@dataclass(frozen=True)
class Effect:
    """A policy's paired effect on a measure: mean difference, its 95 % Monte Carlo interval, spread over replicates."""

    policy: str
    title: str
    measure: str
    mean: float
    low: float
    high: float
    q05: float
    q95: float

    @property
    def sign(self) -> int:
        """1 or -1 where the interval lies on one side of zero, else 0."""
        return 1 if self.low > 0 else -1 if self.high < 0 else 0


@dataclass(frozen=True)
class Measure:
    """What policies are compared by: `label` with its date, `unit`, decimals to show."""

    key: str
    label: str
    unit: str
    digits: int


def effect(policy: str, title: str, measure: str, difference: np.ndarray) -> Effect:
    """Mean, interval and spread of paired differences, float64[replicates]."""
    mean = float(difference.mean())
    error = float(difference.std(ddof=1)) / len(difference) ** 0.5 if len(difference) > 1 else float("nan")
    low, high = np.quantile(difference, (0.05, 0.95))
    return Effect(policy, title, measure, mean, mean - 1.96 * error, mean + 1.96 * error, float(low), float(high))


def measures(results: Results) -> list[Measure]:
    """What the policies of this scenario are compared by: targeted technologies, coverage, money, product."""
    scenario = results.scenario
    last = month(scenario, scenario.steps)
    found = []
    for technology, instant in _decisive(results):
        name = scenario.technologies.id[technology]
        found.append(Measure(f"{name}@{instant}", f"{name}, {month(scenario, instant)}", "percentage points", 1))
    found.append(Measure("coverage", f"coverage, {last}", "percentage points", 1))
    if any(name == "small" for name in results.baseline.measures()):
        found.append(Measure("small", f"coverage of small places, {last}", "percentage points", 1))
    if has_money(scenario):
        found.append(Measure("money", f"public money, until {last}", f"million {scenario.currency}".strip(), 0))
    if has_economy(scenario):
        found.append(Measure("grp", f"regional product, {years(scenario)[-1]}", "%", 3))
    return found


def _decisive(results: Results) -> list[tuple[int, int]]:
    """Targeted technologies, each with the latest instant before the end that a target is about."""
    scenario = results.scenario
    latest: dict[int, int] = {}
    for verdict in verdicts(results):
        technology = scenario.technologies.id.index(verdict.target.technology)
        latest[technology] = max(latest.get(technology, 0), verdict.instant)
    return list(latest.items())[:2]


def month(scenario: Scenario, instant: int) -> str:
    """An instant in words: `January 2024`."""
    number = int(scenario.instant(instant).astype("datetime64[M]").astype(np.int64))
    return f"{MONTHS[number % 12]} {1970 + number // 12}"


def _values(arm: Arm, measure: Measure, known: tuple[str, ...]) -> np.ndarray:
    """A measure by replicate, in its unit."""
    if measure.key == "money":
        return public_money(arm)
    if measure.key == "grp":
        return product(arm)[:, :, -1].sum(axis=1)
    if "@" in measure.key:
        name, _, instant = measure.key.rpartition("@")
        return 100 * one(arm, known.index(name))[:, int(instant)]
    return 100 * arm.series(arm.measures()[measure.key])[:, -1]


def effects(results: Results) -> dict[str, list[Effect]]:
    """Every policy's effect on every measure, by measure; in percent of the baseline for the product."""
    chosen, known = measures(results), results.scenario.technologies.id
    found: dict[str, list[Effect]] = {measure.key: [] for measure in chosen}
    for measure in chosen:
        base = _values(results.baseline, measure, known)
        for arm in _policies(results):
            values = _values(arm, measure, known)
            difference = 100 * (values / base - 1) if measure.key == "grp" else values - base
            found[measure.key].append(effect(arm.name, arm.title or arm.name, measure.key, difference))
    return found


def _policies(results: Results) -> Iterator[Arm]:
    return (arm for name, arm in results.arms.items() if name != BASELINE)


@dataclass(frozen=True)
class Price:
    """Public money for a percentage point of coverage: `kind` says how the two differences stand to each other."""

    policy: str
    kind: str
    value: float = float("nan")
    low: float = float("nan")
    high: float = float("nan")


def price(policy: str, points: np.ndarray, money: np.ndarray) -> Price:
    """Money for each percentage point, from paired differences [replicates] of coverage (points) and public money.

    kinds: `costs` (more of both), `saves` (less of both), `better` (more coverage, less money), `worse` (less coverage,
    more money), `gain` and `loss` (of coverage, the money's difference not told from zero), `unclear` (that of coverage
    not told from zero). The interval is that of a ratio of means (delta method), 95 %.
    """
    gain, cost = effect(policy, "", "", points), effect(policy, "", "", money)
    if gain.sign == 0:
        return Price(policy, "unclear")
    if cost.sign == 0:
        return Price(policy, "gain" if gain.sign > 0 else "loss")
    if gain.sign != cost.sign:
        return Price(policy, "better" if gain.sign > 0 else "worse")
    ratio = cost.mean / gain.mean
    error = (money - ratio * points).std(ddof=1) / abs(gain.mean) / len(points) ** 0.5
    return Price(policy, "costs" if gain.sign > 0 else "saves", ratio, ratio - 1.96 * error, ratio + 1.96 * error)


def prices(results: Results) -> dict[str, Price]:
    """Each policy's public money for a percentage point of coverage at the end; empty where nothing costs money."""
    if not has_money(results.scenario):
        return {}
    base = results.baseline
    points, money = 100 * coverage(base)[:, -1], public_money(base)
    return {
        arm.name: price(arm.name, 100 * coverage(arm)[:, -1] - points, public_money(arm) - money)
        for arm in _policies(results)
    }


# Ranks


def place_index(arm: Arm) -> np.ndarray:
    """IQ-city index of every place at the end, float64[replicates, n]: 120 times the mean over segments of shares."""
    by_place = arm.index_weights(np.ones(len(arm.focus)))[0] * len(arm.focus)
    spans, count, last = arm.spans, len(arm.focus), arm.scenario.steps
    now = spans.where((spans.start <= last) & (spans.stop > last))
    weight = by_place[now.technology] * now.sign
    size = len(arm.rows) * count
    return np.bincount(now.row * count + now.place, weights=weight, minlength=size).reshape(-1, count)


def region_index(arm: Arm) -> np.ndarray:
    """The index of the regions in focus at the end, weighted by population, float64[replicates, regions]."""
    index, region = place_index(arm), arm.shared.places["region"]
    people = np.where(arm.focus, arm.shared.places["population"], 0).astype(float)
    return np.column_stack([index @ (people * (region == r)) / people[region == r].sum() for r in focus_regions(arm)])


def main_cities(arm: Arm) -> np.ndarray:
    """The largest focus municipality of each region in focus, canonical numbers."""
    people = np.where(arm.focus, arm.shared.places["population"], -1)
    region = arm.shared.places["region"]
    return np.array([int(np.argmax(np.where(region == r, people, -1))) for r in focus_regions(arm)])


def rank_correlation(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Spearman's rank correlation along the last axis, ties sharing ranks; NaN where one side is all ties."""
    from scipy.stats import rankdata

    ranks = [rankdata(values, axis=-1) for values in (first, second)]
    a, b = (rank - rank.mean(axis=-1, keepdims=True) for rank in ranks)
    scale = np.sqrt((a**2).sum(axis=-1) * (b**2).sum(axis=-1))
    return np.where(scale > 0, (a * b).sum(axis=-1) / np.where(scale > 0, scale, 1), np.nan)
