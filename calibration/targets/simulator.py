"""What is simulated when parameters are fitted to targets? Targets as distances, and many rows of the engine."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from calibration.targets.cut import cut_down
from calibration.targets.prior import Prior, prior_of
from sim.engine.columns import Structure, mandates_of, parameters_of, structure
from sim.engine.rows import Rows, assign, execute
from sim.results.arm import Arm
from sim.scenario.errors import InputError, Problem, unknown
from sim.scenario.scenario import Scenario

CHUNK = 4096
"""Points simulated at once, which bounds memory."""


@dataclass(frozen=True)
class Aim:
    """A target in municipalities: `low` to `high` operate a technology (its number), `first` to `last` instant."""

    name: str
    technology: int
    low: float
    high: float
    first: int
    last: int
    kind: str
    used: bool
    words: str

    def distance(self, series: np.ndarray) -> np.ndarray:
        """Municipalities too many (above 0) or missing (below 0), at the nearest instant: [m]; series [m, T + 1]."""
        part = series[:, self.first : self.last + 1]
        off = np.where(part < self.low, part - self.low, np.where(part > self.high, part - self.high, 0.0))
        return np.asarray(np.take_along_axis(off, np.abs(off).argmin(axis=1)[:, None], axis=1)[:, 0])


@dataclass(frozen=True)
class Simulator:
    """A scenario cut down to what decides its targets, and the ranges to search.

    `exact_cut`: why it may be cut, or why it is simulated whole. `municipalities`: how many the targets are about.
    """

    name: str
    scenario: Scenario
    shared: Structure
    prior: Prior
    aims: tuple[Aim, ...]
    overrides: Mapping[str, float]
    exact_cut: str
    municipalities: int

    @property
    def used(self) -> tuple[Aim, ...]:
        """The targets to be met."""
        return tuple(aim for aim in self.aims if aim.used)

    def rows(self, unit: np.ndarray, replicates: np.ndarray) -> Rows:
        """A row of the engine for each point of the prior, each with its own replicate."""
        scenario, values = self.scenario, self.prior.values(unit)
        row = np.repeat(parameters_of(scenario), len(unit))
        decrees = np.repeat(mandates_of(scenario)[None, :], len(unit), axis=0)
        for key, value in self.overrides.items():
            assign(row, decrees, key, np.full(len(unit), value))
        for at, key in enumerate(self.prior.keys):
            assign(row, decrees, key, values[:, at])
        return Rows(row, decrees, np.asarray(replicates, np.int64))

    def runs(
        self, unit: np.ndarray, first: int, seed: int, threads: int | None, tell: Callable[[int], None] | None = None
    ) -> Iterable[tuple[slice, Arm]]:
        """Simulate points of the prior under replicates first, first + 1 ...; chunk by chunk, as arms."""
        for start in range(0, len(unit), CHUNK):
            part = slice(start, min(start + CHUNK, len(unit)))
            # a replicate of its own for each point: distances hold luck too, as what was observed does
            rows = self.rows(unit[part], np.arange(first + part.start, first + part.stop))
            batch = execute(self.shared, rows, seed, threads, tell)
            yield part, Arm("baseline", "", self.scenario, self.shared, rows, batch)

    def distances(
        self, unit: np.ndarray, first: int, seed: int, threads: int | None, tell: Callable[[int], None] | None = None
    ) -> np.ndarray:
        """Distance of each point's run from each target, municipalities: float64[m, aims]."""
        found = np.empty((len(unit), len(self.aims)))
        for part, arm in self.runs(unit, first, seed, threads, tell):
            series = {aim.technology: operating(arm, aim.technology) for aim in self.aims}
            for at, aim in enumerate(self.aims):
                found[part, at] = aim.distance(series[aim.technology])
        return found


def operating(arm: Arm, technology: int) -> np.ndarray:
    """How many focus municipalities operate a technology: float64[rows, T + 1]."""
    weights = np.zeros((len(arm.focus), len(arm.counted)))
    weights[arm.focus, technology] = 1.0
    return arm.series(weights)


def simulator(
    scenario: Scenario,
    use: Iterable[str] = (),
    with_plan: bool = False,
    ranges: Mapping[str, tuple[float, float]] | None = None,
    to_end: bool = False,
) -> Simulator:
    """What simulates a scenario's targets: those it says to use, those named in `use`, plans if asked for.

    `ranges` replace or add plausible ranges by dotted key. `to_end`: simulate to the scenario's end, not to the last
    target's date. Raises InputError for what is unknown, out of range, or missing.
    """
    municipalities = sum(
        not guide and scenario.regions.id[region] in scenario.focus
        for guide, region in zip(scenario.places.guide, scenario.places.region, strict=True)
    )
    aims = _aims(scenario, set(use), with_plan, municipalities)
    prior = prior_of(scenario, {scenario.technologies.id[aim.technology] for aim in aims}, ranges or {})
    last = scenario.steps if to_end else max(aim.last for aim in aims)
    cut, kept, overrides, why = cut_down(scenario, {aim.technology for aim in aims}, prior.keys)
    cut = dataclasses.replace(cut, steps=last)
    aims = tuple(dataclasses.replace(aim, technology=kept.index(aim.technology)) for aim in aims)
    return Simulator(scenario.name, cut, structure(cut), prior, aims, overrides, why, municipalities)


def _aims(scenario: Scenario, use: set[str], with_plan: bool, municipalities: int) -> tuple[Aim, ...]:
    """The scenario's targets in municipalities and steps."""
    file = str(scenario.path or scenario.name)
    if not scenario.targets:
        raise InputError(Problem(file, 0, "targets", "the scenario has no targets", "[targets.NAME] sections"))
    strange = sorted(use - set(scenario.targets))
    if strange:
        raise InputError(
            unknown(name, "a target of this scenario", scenario.targets, file, "targets") for name in strange
        )
    found = []
    for name, target in scenario.targets.items():
        used = target.use or name in use or (with_plan and target.kind == "plan")
        scale = municipalities if target.count is None else 1.0
        low, high = (scale * bound for bound in (target.share if target.count is None else target.count) or (0, 0))
        if target.date is not None:
            first = last = scenario.step_of(target.date)
        else:
            first, last = 0, int(np.searchsorted(scenario.instants, np.datetime64(target.before, "D"))) - 1
        day = target.date or target.before
        key = f"targets.{name}"
        if not 0 <= last <= scenario.steps:
            raise InputError(Problem(file, 0, key, f"{day} is outside {scenario.start} to {scenario.end}"))
        if used and low > municipalities:
            raise InputError(Problem(file, 0, key, f"there are only {municipalities} municipalities in focus"))
        words = f"{_span(low, high)} of {municipalities} {'at' if target.date else 'some time before'} {day}"
        technology = scenario.technologies.id.index(target.technology)
        # a share of municipalities is met by a whole number of them, whatever rounding has left of it
        found.append(Aim(name, technology, low - 1e-6, high + 1e-6, first, last, target.kind, used, words))
    if not any(aim.used for aim in found):
        raise InputError(Problem(file, 0, "targets", "no target is used", "use = true, --use NAME or --with-plan"))
    return tuple(found)


def _span(low: float, high: float) -> str:
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"
