"""What is the smallest change that reaches a target? The question asked backwards, from a condition to the levers."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sim.results.arm import BASELINE
from sim.results.measures import Measures, measure_names, step_at, unit_of
from sim.scenario.errors import InputError, refused, unknown
from sim.scenario.scenario import Scenario
from sim.studies.design import Factor, factors_of, value_of
from sim.studies.tasks import ExperimentalFrame, Task

COARSE, FINE = 13, 15
"""Points along a path: first, and further ones around the place where the target begins to be reached."""
REPLICATES = 400
"""Replicates of a trial: a probability near 0.9 is then known to about 3 points."""
RESAMPLES = 500
CONFIDENCE = 0.95
FORM = "MEASURE >= NUMBER at DATE, or <= (a share: 0 to 1 or in %; no date: the end), as 'programme >= 1 at 2024-01'"
_SLACK = 1e-9
"""Rounding of a share: 100 % of the municipalities may be 1 less a bit."""

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Condition:
    """A condition on a measure at an instant, such as `programme >= 1 at 2024-01` (shares are from 0 to 1)."""

    measure: str
    relation: str
    value: float
    step: int
    text: str

    @property
    def upward(self) -> bool:
        """Whether more is better."""
        return self.relation == ">="

    def reached(self, figures: np.ndarray) -> np.ndarray:
        """Whether figures meet the condition, up to rounding: bool, of their shape."""
        return figures >= self.value - _SLACK if self.upward else figures <= self.value + _SLACK


def parse_condition(scenario: Scenario, text: str) -> Condition:
    """The condition that `MEASURE >= NUMBER[%] [at DATE]` or `<=` tells; the end unless dated. Raises InputError."""
    found = re.fullmatch(r"\s*(\S+)\s*(>=|<=)\s*([\d.eE+-]+)\s*(%?)\s*(?:at\s+(\S+))?\s*", text)
    if not found:
        raise refused("--target", f"{text!r} is not a target", FORM)
    name, relation, number, percent, date = found.groups()
    known = measure_names(scenario)
    if name not in known:
        raise InputError(unknown(name, "a measure", known, "", "--target"))
    try:
        value = float(number) / (100.0 if percent else 1.0)
    except ValueError:
        raise refused("--target", f"{number!r} is not a number", FORM) from None
    step = scenario.steps if date is None else step_at(scenario, date)
    return Condition(name, relation, value, step, text.strip())


@dataclass(frozen=True)
class Levers:
    """Levers moved together from the scenario's values to an end of their ranges; `ends`: key to (from, to)."""

    ends: Mapping[str, tuple[float, float]]
    whole: frozenset[str]

    def values(self, way: np.ndarray) -> dict[str, list[Any]]:
        """Values of each lever a part `way` (0 to 1) along the path."""
        found = {key: low + way * (high - low) for key, (low, high) in self.ends.items()}
        return {key: [round(x) if key in self.whole else float(x) for x in column] for key, column in found.items()}

    def at(self, part: float | None) -> dict[str, Any]:
        """Values at one part of the path; None for each lever beyond it."""
        if part is None:
            return dict.fromkeys(self.ends)
        return {key: values[0] for key, values in self.values(np.array([part])).items()}


@dataclass(frozen=True)
class Answer:
    """How far levers must be moved: where along a path the target begins to be reached with the wanted probability.

    Where the scenario itself reaches it: where it ceases to be. `values` by lever, with `low` and `high` (95 % over
    resampled replicates; None: beyond the range); `probability` there with its Wilson interval. Where nothing is
    `found` on the path, the values are those of the highest probability (lowest, where the scenario reaches it);
    `nearest` is what the measure then keeps to with the wanted probability.
    """

    levers: tuple[str, ...]
    found: bool
    values: dict[str, float]
    nearest: float | None
    low: dict[str, float | None]
    high: dict[str, float | None]
    probability: float
    probability_low: float
    probability_high: float
    curve: tuple[np.ndarray, np.ndarray]

    def plain(self) -> dict[str, Any]:
        """The answer as JSON."""
        told = {name: value for name, value in vars(self).items() if name != "curve"}
        way, chance = self.curve
        return {**told, "levers": list(self.levers), "curve": {"way": way.tolist(), "probability": chance.tolist()}}

    def told(self, key: str, base: float) -> str:
        """A lever's value with its interval, and where the scenario has it."""
        if not self.found:
            return f"{self.values[key]:.4g} (scenario: {base:g})"
        ends = [end[key] for end in (self.low, self.high)]
        known = [f"{end:.4g}" for end in sorted(end for end in ends if end is not None)]
        beyond = ["beyond the range"] * ends.count(None)
        # what is beyond lies on the side to which the lever is moved
        interval = " to ".join([*beyond, *known] if self.values[key] < base else [*known, *beyond])
        return f"{self.values[key]:.4g} (95 % interval {interval}; scenario: {base:g})"


@dataclass(frozen=True)
class TargetAnswer:
    """`uptake seek --target`: whether the scenario reaches it as it is, and the answers, the smallest change first."""

    condition: Condition
    wanted: float
    as_it_is: float
    base: dict[str, float]
    answers: tuple[Answer, ...]
    replicates: int
    seed: int

    def summary(self) -> str:
        """The answer in sentences."""
        text, chance = self.condition.text, f"{self.as_it_is:.2f} ({self.replicates} replicates)"
        lines = [f"As it is, {text!r} is reached with probability {chance}."]
        if self.as_it_is >= self.wanted:
            lines.append(
                f"So nothing need be done for a probability of {self.wanted:g}; how far the levers leave it so:"
            )
        elif not any(answer.found for answer in self.answers):
            lines.append(f"Out of reach: nothing within these ranges brings a probability of {self.wanted:g}.")
        return "\n".join([*lines, *map(self._sentence, self.answers)])

    def _sentence(self, answer: Answer) -> str:
        """What one answer says."""
        already = self.as_it_is >= self.wanted
        values = ", ".join(f"{key} {answer.told(key, self.base[key])}" for key in answer.levers)
        chance = f"{answer.probability:.2f} ({answer.probability_low:.2f} to {answer.probability_high:.2f})"
        if answer.found:
            verb = "It is still reached" if already else "It is reached"
            return f"{verb} with probability {self.wanted:g} at {values}."
        if already:
            return f"It is reached with {self.wanted:g} everywhere in the range; lowest at {values}: {chance}."
        times = unit_of(self.condition.measure, "")[0]
        kept = f"{times * (answer.nearest or 0.0):.3g}{' %' if times == 100 else ''}"
        kept = f"{self.condition.measure} is {kept} or {'more' if self.condition.upward else 'less'}"
        return f"Nearest at {values}: probability {chance}; with {self.wanted:g}, {kept} there."

    def told(self) -> dict[str, Any]:
        """The answer for machines."""
        head = {"target": self.condition.text, "probability": self.wanted, "as_it_is": self.as_it_is, "base": self.base}
        answers = [answer.plain() for answer in self.answers]
        return {**head, "replicates": self.replicates, "seed": self.seed, "answers": answers}


def seek_target(
    scenario: Scenario,
    target: str,
    levers: Mapping[str, Any],
    probability: float = 0.9,
    replicates: int = REPLICATES,
    seed: int | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> TargetAnswer:
    """The smallest change of levers (dotted key to (low, high)) that reaches a target with a probability.

    Each lever is tried alone both ways from the scenario's own value, and several all together, each towards the end at
    which the measure is better. The chance is estimated on a grid, refined where it crosses `probability`; its
    crossing nearest to the scenario is the answer, so that nothing rests on the chance rising all the way. Intervals
    are over resampled replicates: they tell Monte Carlo error, not doubt about the model. Raises InputError.
    """
    if not 0.0 < probability <= 1.0:
        raise refused("--probability", f"{probability:g} is no probability", "above 0, up to 1")
    condition = parse_condition(scenario, target)
    factors = factors_of(scenario, levers)
    base = {factor.name: _start(scenario, factor) for factor in factors}
    used = scenario.seed if seed is None else int(seed)
    say = progress or (lambda _: None)
    say(f"{condition.text}: {replicates} replicates a trial; the scenario as it is ...")
    trials = _Trials(scenario, condition, replicates, used, threads)
    now = float(condition.reached(trials.figures({})).mean())
    answers = []
    for path in _paths(trials, factors, base, now >= probability):
        say(", ".join(f"{key} from {a:g} to {b:g}" for key, (a, b) in path.ends.items()) + " ...")
        answers.append(_along(trials, path, probability, now >= probability, used))
    # a lever's change is measured by its range: the levers have different units
    spans = {factor.name: factor.high - factor.low for factor in factors}
    answers.sort(key=lambda answer: (not answer.found, _size(answer, base, spans)))
    best: dict[tuple[str, ...], Answer] = {}
    for answer in answers:  # of a lever's two ways, the one with the smaller change, or the nearer approach
        best.setdefault(answer.levers, answer)
    return TargetAnswer(condition, probability, now, base, tuple(best.values()), replicates, used)


class _Trials:
    """Whether runs reach the target at values of the levers, under common random numbers."""

    def __init__(
        self, scenario: Scenario, condition: Condition, replicates: int, seed: int, threads: int | None
    ) -> None:
        self.condition, self.replicates, self.threads = condition, replicates, threads
        measures = Measures((condition.measure,), (condition.step,))
        self.frame = ExperimentalFrame(_until(scenario, condition.step), (BASELINE,), seed, measures)

    def figures(self, values: Mapping[str, list[Any]]) -> np.ndarray:
        """The measure at each set of values, float64[sets, replicates]."""
        sets = len(next(iter(values.values()))) if values else 1
        times = self.replicates
        # replicates inside: all trials of a path are one task, which the engine takes in few batches
        spread = {key: [x for x in column for _ in range(times)] for key, column in values.items()}
        task = Task(np.zeros(sets * times, int), np.tile(np.arange(times), sets), spread)
        return self.frame.compute(task, self.threads)[:, 0].reshape(sets, times)


def _until(scenario: Scenario, step: int) -> Scenario:
    """The scenario up to a step, where it can end there: what comes later cannot matter."""
    end = str(scenario.instant(step))
    if step in (0, scenario.steps) or not end.endswith("-01"):
        return scenario
    try:
        return scenario.override({"end": end})
    except InputError:  # what the scenario dates, such as a policy, may lie after that end
        return scenario


def _start(scenario: Scenario, factor: Factor) -> float:
    """Where a lever is now, within its range. Raises InputError for what is no range of numbers."""
    if factor.levels or len(factor.keys) > 1:
        raise refused(factor.name, "a lever needs a range", "key=low:high")
    now = value_of(scenario, factor.name)
    return float(np.clip(now if isinstance(now, int | float) else factor.low, factor.low, factor.high))


def _paths(trials: _Trials, factors: Sequence[Factor], base: Mapping[str, float], already: bool) -> list[Levers]:
    """Paths to try: each lever to either end, and all together to their better (or, where reached, worse) ends."""
    whole = frozenset(factor.name for factor in factors if factor.whole)
    paths, together = [], {}
    for factor in factors:
        now, ends = base[factor.name], (factor.low, factor.high)
        paths += [Levers({factor.name: (now, end)}, whole) for end in ends if end != now]
        if len(factors) == 1:  # nothing to move together
            continue
        # which end is better is seen from the measure at both, the other levers at the scenario's values
        across = Levers({factor.name: ends}, whole).values(np.array([0.0, 1.0]))
        low, high = trials.figures(across).mean(axis=1)
        better = (high >= low) == trials.condition.upward
        end = ends[1] if better != already else ends[0]
        if end != now:
            together[factor.name] = (now, end)
    return [*paths, Levers(together, whole)] if len(together) > 1 else paths


def _along(trials: _Trials, path: Levers, probability: float, already: bool, seed: int) -> Answer:
    """The crossing nearest to the scenario on a path, from a grid and a finer one around it."""
    condition, way = trials.condition, np.linspace(0.0, 1.0, COARSE)
    figures = trials.figures(path.values(way))
    hits = condition.reached(figures)
    at = _crossing(way, hits.mean(axis=1), probability, already)
    if at is None:
        return _nearest(condition, path, way, figures, probability, already)
    # a cell more on each side, since the finer grid may put the crossing elsewhere
    left = max(int(np.searchsorted(way, at)) - 1, 0)
    more = np.linspace(way[max(left - 1, 0)], way[min(left + 2, COARSE - 1)], FINE + 2)[1:-1]
    more = np.setdiff1d(more, way)  # common random numbers: a point tried again would only say the same
    hits = np.concatenate([hits, condition.reached(trials.figures(path.values(more)))])
    way = np.r_[way, more]
    order = np.argsort(way)
    way, hits = way[order], hits[order]
    chance = hits.mean(axis=1)
    at = _crossing(way, chance, probability, already) or 0.0
    if path.whole & set(path.ends):
        # between whole numbers there is nothing: the last point tried that reaches the target, or the first
        changed = int(np.flatnonzero((chance >= probability) != already)[0])
        at = float(way[changed - 1 if already and changed else changed])
    low, high = (path.at(end) for end in _interval(way, hits, probability, already, seed))
    return _answer(path, at, None, (low, high), (way, chance), hits.shape[1])


def _nearest(
    condition: Condition, path: Levers, way: np.ndarray, figures: np.ndarray, probability: float, already: bool
) -> Answer:
    """Where nothing is found: the point with the highest probability (lowest, where the target is reached already)."""
    chance = condition.reached(figures).mean(axis=1)
    kept = np.quantile(figures, 1.0 - probability if condition.upward else probability, axis=1)
    # the chance decides, and where it is the same, such as 0 everywhere, the measure itself
    order = np.lexsort((kept if condition.upward else -kept, chance))
    best = int(order[0] if already else order[-1])
    return _answer(path, way[best], float(kept[best]), (path.at(None), path.at(None)), (way, chance), figures.shape[1])


def _answer(
    path: Levers,
    at: float,
    kept: float | None,
    interval: tuple[dict[str, Any], dict[str, Any]],
    curve: tuple[np.ndarray, np.ndarray],
    replicates: int,
) -> Answer:
    """The answer at a part `at` of a path, with the chance there and Wilson's (1927) interval of it."""
    from statsmodels.stats.proportion import proportion_confint

    reached = float(np.interp(at, *curve))
    low, high = proportion_confint(reached * replicates, replicates, method="wilson")
    levers, values = tuple(path.ends), path.at(at)
    return Answer(levers, kept is None, values, kept, *interval, reached, float(low), float(high), curve)


def _crossing(way: np.ndarray, chance: np.ndarray, probability: float, already: bool) -> float | None:
    """Where the chance first comes up to `probability` along the way, or, where it is `already` there, falls below."""
    changed = np.flatnonzero((chance >= probability) != already)
    if not len(changed):
        return None
    at = int(changed[0])
    if at == 0:
        return float(way[0])
    rise = chance[at] - chance[at - 1]  # not 0: one side is below `probability`, the other is not
    return float(way[at - 1] + (way[at] - way[at - 1]) * (probability - chance[at - 1]) / rise)


def _interval(
    way: np.ndarray, hits: np.ndarray, probability: float, already: bool, seed: int
) -> tuple[float | None, float | None]:
    """95 % interval of the crossing over resampled replicates, `hits` bool[ways, replicates]; None beyond the path."""
    generator = np.random.default_rng(seed)
    found = []
    for _ in range(RESAMPLES):
        # the same replicates at every point, as they met the same luck
        drawn = generator.integers(0, hits.shape[1], hits.shape[1])
        at = _crossing(way, hits[:, drawn].mean(axis=1), probability, already)
        found.append(np.inf if at is None else at)
    # an order statistic, since some of them may be infinite
    ends = np.quantile(found, ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2), method="inverted_cdf")
    low, high = (None if np.isinf(end) else float(end) for end in ends)
    return low, high


def _size(answer: Answer, base: Mapping[str, float], spans: Mapping[str, float]) -> float:
    """How large a change is: the largest part of its range that a lever moves; where nothing is found, how near."""
    if not answer.found:
        return -answer.probability
    return max(abs(value - base[key]) / spans[key] for key, value in answer.values.items())
