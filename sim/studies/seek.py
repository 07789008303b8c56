"""What is the smallest change that reaches a target, and whom to equip first? Questions asked backwards."""

from __future__ import annotations

import heapq
import re
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.engine.columns import Structure, structure
from sim.engine.rows import Batch, Simulation, execute, rows_of
from sim.results.arm import BASELINE
from sim.results.effects import effect
from sim.results.measures import GRP, MONEY, Measures, Reducer, label, measure_names, step_at
from sim.scenario.errors import InputError, Problem, nearest
from sim.scenario.scenario import Scenario
from sim.studies.design import Factor, factors_of
from sim.studies.study import Task, World, held, in_rows

if TYPE_CHECKING:
    import pandas as pd

COARSE, FINE = 13, 15
REPLICATES_TARGET, REPLICATES_LEADERS, REPLICATES_WORTH = 400, 48, 100
RESAMPLES = 500
CONFIDENCE = 0.95
SECONDS_BETWEEN_LINES = 10.0
_SLACK = 1e-9

Progress = Callable[[str], None]


def _refused(key: str, message: str, allowed: str = "", close: str = "") -> InputError:
    return InputError(Problem("seek", 0, key, message, allowed, close))


# Reaching a target


@dataclass(frozen=True)
class Target:
    """A condition on a measure at an instant, such as `programme >= 1 at 2024-01` (shares are from 0 to 1)."""

    measure: str
    relation: str
    value: float
    step: int
    text: str

    def reached(self, figures: np.ndarray) -> np.ndarray:
        """Whether figures meet the condition, up to rounding."""
        return figures >= self.value - _SLACK if self.relation == ">=" else figures <= self.value + _SLACK


def parse_target(scenario: Scenario, text: str) -> Target:
    """The condition that `MEASURE >= NUMBER[%] [at DATE]` or `<=` tells; the end unless dated. Raises InputError."""
    found = re.fullmatch(r"\s*(\S+)\s*(>=|<=)\s*([\d.eE+-]+)\s*(%?)\s*(?:at\s+(\S+))?\s*", text)
    form = (
        "MEASURE >= NUMBER at DATE, or <= (a share: 0 to 1 or in %; no date: the end), as 'programme >= 1 at 2024-01'"
    )
    if not found:
        raise _refused("--target", f"{text!r} is not a target", form)
    name, relation, number, percent, date = found.groups()
    known = measure_names(scenario)
    if name not in known:
        raise _refused("--target", f"{name!r} is no measure", ", ".join(known), nearest(name, known))
    try:
        value = float(number) / (100.0 if percent else 1.0)
    except ValueError:
        raise _refused("--target", f"{number!r} is not a number", form) from None
    step = scenario.steps if date is None else step_at(scenario, date)
    return Target(name, relation, value, step, text.strip())


@dataclass(frozen=True)
class Path:
    """Levers moved together from the scenario's values to an end of their ranges; `ends`: key to (from, to)."""

    ends: Mapping[str, tuple[float, float]]
    whole: frozenset[str]

    def values(self, way: np.ndarray) -> dict[str, list[Any]]:
        """Values of each lever a part `way` (0 to 1) along the path."""
        found = {key: low + way * (high - low) for key, (low, high) in self.ends.items()}
        return {key: [round(x) if key in self.whole else float(x) for x in column] for key, column in found.items()}


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


@dataclass(frozen=True)
class TargetAnswer:
    """`uptake seek --target`: whether the scenario reaches it as it is, and the answers, the smallest change first."""

    target: Target
    wanted: float
    as_it_is: float
    base: dict[str, float]
    answers: tuple[Answer, ...]
    replicates: int
    seed: int


class _Trials:
    """Whether runs reach the target at values of the levers, under common random numbers."""

    def __init__(self, scenario: Scenario, target: Target, replicates: int, seed: int, threads: int | None) -> None:
        self.scenario = _until(scenario, target.step)
        self.target, self.replicates, self.threads = target, replicates, threads
        measures = Measures((target.measure,), (target.step,))
        self.world = World(self.scenario, (BASELINE,), seed, measures, frozenset())

    def figures(self, values: Mapping[str, list[Any]]) -> np.ndarray:
        """The measure at each set of values, float64[sets, replicates]."""
        sets = len(next(iter(values.values()))) if values else 1
        times = self.replicates
        spread = {key: [x for x in column for _ in range(times)] for key, column in values.items()}
        task = Task(np.zeros(sets * times, int), np.tile(np.arange(times), sets), spread)
        return self.world.compute(task, self.threads)[:, 0].reshape(sets, times)

    def along(self, path: Path, way: np.ndarray) -> np.ndarray:
        """The measure along a path, float64[ways, replicates]."""
        return self.figures(path.values(way))


def _until(scenario: Scenario, step: int) -> Scenario:
    """The scenario up to a step, where it can end there: what comes later cannot matter."""
    end = str(scenario.instant(step))
    if step in (0, scenario.steps) or not end.endswith("-01"):
        return scenario
    try:
        return scenario.override({"end": end})
    except InputError:
        return scenario


def seek_target(
    scenario: Scenario,
    target: str,
    levers: Mapping[str, Any],
    probability: float = 0.9,
    replicates: int = REPLICATES_TARGET,
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
        raise _refused("--probability", f"{probability:g} is no probability", "above 0, up to 1")
    aim = parse_target(scenario, target)
    factors = factors_of(scenario, levers)
    base = {factor.name: _start(scenario, factor) for factor in factors}
    used = scenario.seed if seed is None else int(seed)
    if progress:
        progress(f"{aim.text}: {replicates} replicates a trial; the scenario as it is ...")
    trials = _Trials(scenario, aim, replicates, used, threads)
    now = float(aim.reached(trials.figures({})).mean())
    whole = frozenset(factor.name for factor in factors if factor.whole)
    answers = []
    for ends in _ways(trials, factors, base, now >= probability):
        if progress:
            progress(", ".join(f"{key} from {a:g} to {b:g}" for key, (a, b) in ends.items()) + " ...")
        answers.append(_along(trials, Path(ends, whole), probability, now >= probability, used))
    spans = {factor.name: factor.high - factor.low for factor in factors}
    answers.sort(key=lambda answer: (not answer.found, _size(answer, base, spans)))
    return TargetAnswer(aim, probability, now, base, tuple(_best(answers)), replicates, used)


def _start(scenario: Scenario, factor: Factor) -> float:
    """Where a lever is now, within its range. Raises InputError for what is no range of numbers."""
    if factor.levels or len(factor.keys) > 1:
        raise _refused(factor.name, "a lever needs a range", "key=low:high")
    if in_rows(factor.name):
        now = held(scenario, factor.name)
    else:
        section, _, name = factor.name.partition(".")
        home = {"network": "network_parameters"}.get(section, section)
        now = getattr(getattr(scenario, home, None), name, None)
    return float(np.clip(now if isinstance(now, int | float) else factor.low, factor.low, factor.high))


def _ways(
    trials: _Trials, factors: Sequence[Factor], base: Mapping[str, float], already: bool
) -> list[dict[str, tuple[float, float]]]:
    """Paths to try: each lever to either end, and all together to their better (or, where reached, worse) ends."""
    ways = []
    together = {}
    for factor in factors:
        now, ends = base[factor.name], (factor.low, factor.high)
        ways += [{factor.name: (now, end)} for end in ends if end != now]
        path = Path({factor.name: ends}, frozenset({factor.name} if factor.whole else ()))
        low, high = trials.figures(path.values(np.array([0.0, 1.0]))).mean(axis=1) if len(factors) > 1 else (0.0, 0.0)
        upward = (high >= low) == (trials.target.relation == ">=")
        end = ends[1] if upward != already else ends[0]
        if end != now:
            together[factor.name] = (now, end)
    return [*ways, together] if len(together) > 1 else ways


def _along(trials: _Trials, path: Path, probability: float, already: bool, seed: int) -> Answer:
    """The crossing nearest to the scenario on a path, from a grid and a finer one around it."""
    way = np.linspace(0.0, 1.0, COARSE)
    figures = trials.along(path, way)
    hits = trials.target.reached(figures)
    at = _crossing(way, hits.mean(axis=1), probability, already)
    if at is not None:
        left = max(int(np.searchsorted(way, at)) - 1, 0)
        more = np.linspace(way[max(left - 1, 0)], way[min(left + 2, COARSE - 1)], FINE + 2)[1:-1]
        more = np.setdiff1d(more, way)
        way, hits = np.r_[way, more], np.concatenate([hits, trials.target.reached(trials.along(path, more))])
        order = np.argsort(way)
        way, hits = way[order], hits[order]
        at = _crossing(way, hits.mean(axis=1), probability, already)
    if at is not None and path.whole:
        at = _whole_step(way, hits.mean(axis=1), probability, already)
    chance, place, nearest = hits.mean(axis=1), at, None
    if place is None:
        upward = trials.target.relation == ">="
        kept = np.quantile(figures, 1.0 - probability if upward else probability, axis=1)
        order = np.lexsort((kept if upward else -kept, chance))
        best = int(order[0] if already else order[-1])
        place, nearest = way[best], float(kept[best])
    low, high = _interval(way, hits, probability, already, seed) if at is not None else (None, None)
    reached = float(np.interp(place, way, chance))
    bounds = wilson(reached, hits.shape[1])
    told = {key: values[0] for key, values in path.values(np.array([place])).items()}
    edges = [_edge(path, part) for part in (low, high)]
    return Answer(tuple(path.ends), at is not None, told, nearest, edges[0], edges[1], reached, *bounds, (way, chance))


def _whole_step(way: np.ndarray, chance: np.ndarray, probability: float, already: bool) -> float:
    """The last or first point tried that reaches the target: between whole numbers there is nothing."""
    changed = int(np.flatnonzero((chance >= probability) != already)[0])
    return float(way[changed - 1 if already and changed else changed])


def _edge(path: Path, part: float | None) -> dict[str, float | None]:
    """Values at a part of the path; None beyond it."""
    if part is None:
        return dict.fromkeys(path.ends)
    return {key: values[0] for key, values in path.values(np.array([part])).items()}


def _crossing(way: np.ndarray, chance: np.ndarray, probability: float, already: bool) -> float | None:
    """Where the chance first comes up to `probability` along the way, or, where it is `already` there, falls below."""
    there = chance >= probability
    changed = np.flatnonzero(there != already)
    if not len(changed):
        return None
    at = int(changed[0])
    if at == 0:
        return float(way[0])
    rise = chance[at] - chance[at - 1]
    return float(way[at - 1] + (way[at] - way[at - 1]) * (probability - chance[at - 1]) / rise)


def _interval(
    way: np.ndarray, hits: np.ndarray, probability: float, already: bool, seed: int
) -> tuple[float | None, float | None]:
    """95 % interval of the crossing over resampled replicates; None where it is beyond the path."""
    generator = np.random.default_rng(seed)
    found = []
    for _ in range(RESAMPLES):
        drawn = generator.integers(0, hits.shape[1], hits.shape[1])
        at = _crossing(way, hits[:, drawn].mean(axis=1), probability, already)
        found.append(np.inf if at is None else at)
    ends = np.quantile(found, ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2), method="inverted_cdf")
    low, high = (None if np.isinf(end) else float(end) for end in ends)
    return low, high


def wilson(share: float, count: int) -> tuple[float, float]:
    """Wilson's (1927) 95 % interval of a probability from a share of `count` runs."""
    z = 1.959963984540054
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z * np.sqrt(share * (1 - share) / count + z * z / (4 * count * count)) / (1 + z * z / count)
    return float(max(middle - half, 0.0)), float(min(middle + half, 1.0))


def _size(answer: Answer, base: Mapping[str, float], spans: Mapping[str, float]) -> float:
    """How large a change is: the largest part of its range that a lever moves; where nothing is found, how near."""
    if not answer.found:
        return -answer.probability
    return max(abs(value - base[key]) / spans[key] for key, value in answer.values.items())


def _best(answers: Sequence[Answer]) -> list[Answer]:
    """One answer for each set of levers: the smaller change, or the nearer approach."""
    kept: dict[tuple[str, ...], Answer] = {}
    for answer in answers:
        kept.setdefault(answer.levers, answer)
    return list(kept.values())


# Whom to equip, and what a leader is worth


@dataclass(frozen=True)
class LeadersAnswer:
    """`uptake seek --leaders`: `chosen` places in order, and `orders`, the choice against other orders.

    chosen: order, municipality, name, gain (further share), low, high. orders: order, municipalities, gain over
    equipping nobody, gain_low, gain_high, behind (the search's gain less this one's), behind_low, behind_high. All on
    fresh replicates that had no part in the choice.
    """

    chosen: pd.DataFrame
    orders: pd.DataFrame
    measure: str
    evaluations: int


class _Equipping:
    """What comes of equipping places: the measure at the end by replicate, for sets of places (rows of the table)."""

    def __init__(self, scenario: Scenario, technologies: np.ndarray, at: int | None, measure: str, seed: int,
                 threads: int | None) -> None:  # fmt: skip
        self.scenario, self.technologies, self.at = scenario, technologies, at
        self.measures = Measures((measure,), (scenario.steps,))
        self.seed, self.threads = seed, threads
        self.known: dict[tuple[frozenset[int], int], np.ndarray] = {}
        self.shared = structure(scenario)
        self.canonical = np.argsort(self.shared.network.order)

    def figures(self, places: Sequence[int], replicates: np.ndarray) -> np.ndarray:
        """The measure of each replicate, float64[replicates]; what was asked before is not computed again."""
        key = (frozenset(places), int(replicates[0]))
        if key not in self.known:
            self.known[key] = self._figures(places, replicates)
        return self.known[key]

    def _figures(self, places: Sequence[int], replicates: np.ndarray) -> np.ndarray:
        if self.at is None or not places:
            scenario = with_portfolio(self.scenario, places, self.technologies)
            shared = structure(scenario) if places else self.shared
            batch = execute(shared, rows_of(scenario, self.seed, replicates), self.seed, self.threads)
            return self.measures.reduce(scenario, shared, batch)[:, 0]
        reducer = self.measures.reducer(self.scenario, self.shared)
        with ThreadPoolExecutor(self.threads) as pool:
            return np.concatenate(list(pool.map(lambda r: self._by_hand(reducer, places, int(r)), replicates)))

    def _by_hand(self, reducer: Reducer, places: Sequence[int], replicate: int) -> np.ndarray:
        simulation = Simulation(self.scenario, self.seed, replicate)
        simulation.advance(self.at or 0)
        for place in places:
            for technology in self.technologies:
                simulation.equip(int(self.canonical[place]), int(technology))
        simulation.advance(self.scenario.steps)
        return reducer.figures(batch_of(simulation))[:, 0]


def batch_of(simulation: Simulation) -> Batch:
    """A simulation advanced by hand, as a batch of one row."""
    ends = np.array([[len(simulation.events), len(simulation.outages)]], np.int64)
    payments = simulation.state.payments[: len(simulation.events) if simulation.paid else 0]
    tables, ledgers = simulation.state.yearly[None], simulation.state.ledger[None]
    return Batch(simulation.events, payments, simulation.outages, ends, tables, ledgers)


def with_portfolio(scenario: Scenario, places: Sequence[int], technologies: np.ndarray, held: bool = True) -> Scenario:
    """The scenario where places (rows of its table) start with technologies, or without them."""
    portfolio = np.array(scenario.portfolio)
    for place in places:
        portfolio[place, technologies] = held
    portfolio.flags.writeable = False
    return replace(scenario, portfolio=portfolio)


def default_portfolio(scenario: Scenario) -> np.ndarray:
    """What a place is equipped with: every technology that some place starts with, and what these require: int64[]."""
    chosen = np.asarray(scenario.portfolio).any(axis=0)
    wanted = set(np.flatnonzero(chosen).tolist())
    while True:
        needed = {int(r) for k in wanted for r in scenario.technologies.requires[k]}
        if needed <= wanted:
            return np.array(sorted(wanted), dtype=np.int64)
        wanted |= needed


def seek_leaders(
    scenario: Scenario,
    n: int,
    at: str | None = None,
    portfolio: Sequence[str] | None = None,
    measure: str = "coverage",
    replicates: int = REPLICATES_LEADERS,
    seed: int | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> LeadersAnswer:
    """Which `n` further focus municipalities to equip first, for the largest `measure` at the end.

    Without `at`, they start with the portfolio (technology ids; by default everything that any place starts with) and
    lead other regions too; with it they are given it at that date, and each technology operates after its lag. Lazy
    greedy search (Leskovec et al. 2007) under common random numbers; where gains do not diminish it is a heuristic.
    It is compared with population order and degree order (weight with which others listen) on fresh replicates.
    """
    known = measure_names(scenario)
    if measure not in known:
        raise _refused("measure", f"{measure!r} is no measure", ", ".join(known), nearest(measure, known))
    candidates = _candidates(scenario)
    if not 1 <= n <= len(candidates):
        raise _refused("--leaders", f"{n} is not possible", f"1 to {len(candidates)}, the places without a portfolio")
    step = None if at is None else step_at(scenario, at)
    equipping = _Equipping(scenario, _technologies(scenario, portfolio), step, measure,
                           scenario.seed if seed is None else int(seed), threads)  # fmt: skip
    search, fresh = np.arange(replicates), np.arange(replicates, 3 * replicates)
    chosen = _greedy(equipping, candidates, n, search, progress)
    orders = {"search": chosen, "population": _by_population(scenario, candidates)[:n],
              "degree": _by_degree(scenario, equipping.shared, candidates)[:n]}  # fmt: skip
    evaluations = len(equipping.known)
    return LeadersAnswer(
        _chosen_table(scenario, equipping, chosen, fresh), _orders_table(scenario, equipping, orders, fresh),
        f"{measure} {label(scenario, scenario.steps)}", evaluations,
    )  # fmt: skip


def _candidates(scenario: Scenario) -> list[int]:
    """Focus municipalities without a portfolio, in the table's order."""
    free = ~np.asarray(scenario.portfolio).any(axis=1) & ~np.asarray(scenario.places.guide)
    return np.flatnonzero(free & np.isin(scenario.places.region, scenario.focus_rows)).tolist()


def _technologies(scenario: Scenario, names: Sequence[str] | None) -> np.ndarray:
    if names is None:
        return default_portfolio(scenario)
    known = scenario.technologies.id
    for name in names:
        if name not in known:
            raise _refused("portfolio", f"{name!r} is no technology", ", ".join(known), nearest(name, known))
    return np.array([known.index(name) for name in names])


def _greedy(
    equipping: _Equipping, candidates: Sequence[int], n: int, replicates: np.ndarray, progress: Progress | None
) -> list[int]:
    """Lazy greedy: a place's gain is worked out anew only while it could still be the largest; ties go to the table."""
    chosen: list[int] = []
    so_far = equipping.figures([], replicates).mean()
    said = time.monotonic()
    if progress:
        progress(f"{n} of {len(candidates)} places are chosen; {len(replicates)} replicates a trial ...")
    queue = [(-np.inf, place, -1) for place in candidates]
    heapq.heapify(queue)
    while len(chosen) < n:
        _, place, when = queue[0]
        if when == len(chosen):
            heapq.heappop(queue)
            chosen.append(place)
            so_far = equipping.figures(chosen, replicates).mean()
            if progress:
                progress(f"{len(chosen)} of {n}: {equipping.scenario.places.name[place]}")
            continue
        if progress and time.monotonic() - said > SECONDS_BETWEEN_LINES:
            said = time.monotonic()
            progress(f"{len(equipping.known)} trials done, {len(chosen)} of {n} chosen")
        gain = float(equipping.figures([*chosen, place], replicates).mean() - so_far)
        heapq.heapreplace(queue, (-gain, place, len(chosen)))
    return chosen


def _by_population(scenario: Scenario, candidates: Sequence[int]) -> list[int]:
    size = np.asarray(scenario.places.population)
    return sorted(candidates, key=lambda place: (-size[place], place))


def _by_degree(scenario: Scenario, shared: Structure, candidates: Sequence[int]) -> list[int]:
    """Places by the weight with which others in the region listen to them, largest first."""
    channel = shared.network.peers
    total = np.zeros(len(scenario.places.id), np.int64)
    sources = np.repeat(np.arange(len(total)), np.diff(channel.out_start))
    np.add.at(total, np.asarray(shared.network.order)[sources], channel.outward["weight"])
    return sorted(candidates, key=lambda place: (-total[place], place))


def _chosen_table(scenario: Scenario, equipping: _Equipping, chosen: Sequence[int], fresh: np.ndarray) -> pd.DataFrame:
    import pandas as pd

    rows = []
    for order, place in enumerate(chosen, 1):
        with_it, without = (equipping.figures(chosen[:count], fresh) for count in (order, order - 1))
        gain = effect(with_it, without)
        rows.append((order, scenario.places.id[place], scenario.places.name[place], gain.mean, gain.low, gain.high))
    return pd.DataFrame(rows, columns=["order", "municipality", "name", "gain", "low", "high"])


def _orders_table(
    scenario: Scenario, equipping: _Equipping, orders: Mapping[str, Sequence[int]], fresh: np.ndarray
) -> pd.DataFrame:
    import pandas as pd

    rows = []
    nobody, best = equipping.figures([], fresh), equipping.figures(orders["search"], fresh)
    for name, places in orders.items():
        figures = equipping.figures(places, fresh)
        gain, behind = effect(figures, nobody), effect(best, figures)
        ids = ", ".join(scenario.places.id[place] for place in places)
        rows.append((name, ids, gain.mean, gain.low, gain.high, behind.mean, behind.low, behind.high))
    columns = ["order", "municipalities", "gain", "gain_low", "gain_high", "behind", "behind_low", "behind_high"]
    return pd.DataFrame(rows, columns=columns)


def leader_worth(
    scenario: Scenario,
    measure: str = "coverage",
    at: str | None = None,
    replicates: int = REPLICATES_WORTH,
    seed: int | None = None,
    threads: int | None = None,
) -> pd.DataFrame:
    """What each leader is worth: the fall in a share when its portfolio is taken away, under the same luck.

    The share is over the focus municipalities other than the leader, so that its own technologies do not count; those
    who listened to it turn to the leaders that remain. Columns: municipality, name, worth, low, high (paired, 95 % for
    all leaders at once), largest worth first. `at`: a date, the end unless given. Raises InputError.
    """
    import pandas as pd

    step = scenario.steps if at is None else step_at(scenario, at)
    used = scenario.seed if seed is None else int(seed)
    leaders = np.flatnonzero(np.asarray(scenario.portfolio).any(axis=1))
    luck = np.arange(replicates)
    shared = structure(scenario)
    batch = execute(shared, rows_of(scenario, used, luck), used, threads)
    everything = np.arange(len(scenario.technologies.id))
    rows = []
    for place in leaders.tolist():
        without = with_portfolio(scenario, [place], everything, held=False)
        apart = structure(without)
        others = execute(apart, rows_of(without, used, luck), used, threads)
        figures = [
            elsewhere(world, part, place, measure, step).figures(found)[:, 0]
            for world, part, found in ((scenario, shared, batch), (without, apart, others))
        ]
        worth = effect(figures[0], figures[1], comparisons=len(leaders))
        rows.append((scenario.places.id[place], scenario.places.name[place], worth.mean, worth.low, worth.high))
    table = pd.DataFrame(rows, columns=["municipality", "name", "worth", "low", "high"])
    return table.sort_values("worth", ascending=False, ignore_index=True, kind="stable")


def elsewhere(scenario: Scenario, shared: Structure, place: int, measure: str, step: int) -> Reducer:
    """A share measure over all focus municipalities but one (a row of the table). Raises InputError for others."""
    reducer = Measures((measure,), (step,)).reducer(scenario, shared)
    if not reducer.shares:
        allowed = ", ".join(name for name in measure_names(scenario) if name not in (*MONEY, GRP))
        raise _refused("measure", f"{measure!r} is no share", allowed, nearest(measure, allowed.split(", ")))
    weights = reducer.weights.copy()
    total = weights.sum()
    weights[int(np.argsort(shared.network.order)[place])] = 0.0
    return replace(reducer, weights=weights * (total / max(weights.sum(), 1e-300)))
