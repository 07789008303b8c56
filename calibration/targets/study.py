"""What is simulated when parameters are fitted to targets? Ranges of parameters, targets as distances, many rows."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sim.engine.columns import FIELDS, Structure, mandates_of, parameters_of, structure
from sim.engine.rows import Rows, assign, execute
from sim.results.arm import Arm
from sim.scenario.errors import InputError, Problem, nearest
from sim.scenario.scenario import Scenario
from sim.scenario.schema import Parameter, parameter_table

CHUNK = 4096
DECADE = 10.0
"""A range whose ends differ by this factor or more is about magnitude: the prior is even in the logarithm."""
CHOSEN = ("diffusion", "platform", "mandates")
UNSEEN = ("platform.cost_cut",)
"""Keys of these sections that act through money alone, and are varied only when asked for."""


@dataclass(frozen=True)
class Prior:
    """Plausible ranges, independent: half of the mass from `low` to `middle`, half from there to `high`; arrays [P].

    Within each half it is even, or even in the logarithm where `logarithmic`. `middle` is the value that was assumed.
    """

    keys: tuple[str, ...]
    low: np.ndarray
    middle: np.ndarray
    high: np.ndarray
    logarithmic: np.ndarray

    def values(self, unit: np.ndarray) -> np.ndarray:
        """Parameters float64[m, P] at quantiles of the prior, 0 to 1: the scale on which all of them are uniform."""
        lower = unit < 0.5
        start, stop = np.where(lower, self.low, self.middle), np.where(lower, self.middle, self.high)
        within = np.where(lower, 2.0 * unit, 2.0 * unit - 1.0)
        ratio = np.where(self.logarithmic, stop / np.where(start > 0, start, 1.0), 1.0)
        return np.where(self.logarithmic, start * ratio**within, start + (stop - start) * within)


@dataclass(frozen=True)
class Aim:
    """A target in municipalities: `low` to `high` operate technology `kind_index` at an instant, first to last."""

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
class Study:
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


def study(
    scenario: Scenario,
    use: Iterable[str] = (),
    with_plan: bool = False,
    ranges: Mapping[str, tuple[float, float]] | None = None,
    to_end: bool = False,
) -> Study:
    """The study of a scenario's targets: those it says to use, those named in `use`, plans if asked for.

    `ranges` replace or add plausible ranges by dotted key. `to_end`: simulate to the scenario's end, not to the last
    target's date. Raises InputError for what is unknown, out of range, or missing.
    """
    municipalities = sum(
        not guide and scenario.regions.id[region] in scenario.focus
        for guide, region in zip(scenario.places.guide, scenario.places.region, strict=True)
    )
    aims = _aims(scenario, set(use), with_plan, municipalities)
    prior = _prior(scenario, aims, dict(ranges or {}))
    last = scenario.steps if to_end else max(aim.last for aim in aims)
    cut, kept, overrides, why = _cut(scenario, aims, prior.keys)
    cut = dataclasses.replace(cut, steps=last)
    aims = tuple(dataclasses.replace(aim, technology=kept.index(aim.technology)) for aim in aims)
    return Study(scenario.name, cut, structure(cut), prior, aims, overrides, why, municipalities)


def _aims(scenario: Scenario, use: set[str], with_plan: bool, municipalities: int) -> tuple[Aim, ...]:
    """The scenario's targets in municipalities and steps."""
    file = str(scenario.path or scenario.name)
    if not scenario.targets:
        raise InputError(Problem(file, 0, "targets", "the scenario has no targets", "[targets.NAME] sections"))
    unknown = sorted(use - set(scenario.targets))
    if unknown:
        known = list(scenario.targets)
        raise InputError(
            Problem(file, 0, "targets", f"no target is called {name!r}", ", ".join(known), nearest(name, known))
            for name in unknown
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
        found.append(Aim(name, technology, low - 1e-6, high + 1e-6, first, last, target.kind, used, words))
    if not any(aim.used for aim in found):
        raise InputError(Problem(file, 0, "targets", "no target is used", "use = true, --use NAME or --with-plan"))
    return tuple(found)


def _span(low: float, high: float) -> str:
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"


def _prior(scenario: Scenario, aims: Sequence[Aim], ranges: dict[str, tuple[float, float]]) -> Prior:
    """Ranges of the keys that matter for the targets' technologies, replaced and added to by `ranges`."""
    known = _known(scenario)
    targeted = {scenario.technologies.id[aim.technology] for aim in aims}
    chosen: dict[str, tuple[float, float]] = {}
    for key, row in known.items():
        section = key.partition(".")[0]
        if section not in CHOSEN or key in UNSEEN or row.low is None or row.high is None:
            continue
        number = re.match(r"mandates\.(\d+)\.", key)
        if number and scenario.mandates[int(number[1])].technology not in targeted:
            continue
        chosen[key] = (row.low, row.high)
    file = str(scenario.path or scenario.name)
    for key, (low, high) in ranges.items():
        if key not in known:
            message = "cannot be varied within one batch"
            raise InputError(Problem(file, 0, key, message, ", ".join(known), nearest(key, known)))
        if not low < high:
            raise InputError(Problem(file, 0, key, f"{low:g}:{high:g} is not a range", "low:high, low below high"))
        for end in (low, high):
            scenario.override({key: end})  # refuses what the scenario could not hold
    chosen |= ranges
    low, high = np.array(list(chosen.values())).T
    logarithmic = (low > 0) & (high / np.where(low > 0, low, 1.0) >= DECADE)
    assumed = np.array([_value(scenario, key) for key in chosen])
    centre = np.where(logarithmic, np.sqrt(np.abs(low * high)), (low + high) / 2)
    middle = np.where((low < assumed) & (assumed < high), assumed, centre)
    return Prior(tuple(chosen), low, middle, high, logarithmic)


def _value(scenario: Scenario, key: str) -> float:
    """What the scenario holds under a dotted key."""
    return float(scenario[key])


def _known(scenario: Scenario) -> dict[str, Parameter]:
    """Everything that rows of a batch may differ in, with its row of the table of parameters."""
    rows = {row.key: row for row in parameter_table()}
    known = {key: rows[key] for key in FIELDS if key in rows}
    for number in range(len(scenario.mandates)):
        known[f"mandates.{number}.rate"] = rows["mandates.0.rate"]
    return known


def _cut(
    scenario: Scenario, aims: Sequence[Aim], keys: Sequence[str]
) -> tuple[Scenario, list[int], dict[str, float], str]:
    """The scenario with nothing but the targets' technologies where that changes no draw and no date of theirs.

    Returns it, the technologies kept (numbers in the whole scenario), overrides, and the reason in words.
    """
    kept = sorted(_with_requirements(scenario, {aim.technology for aim in aims}))
    reason = _entangled(scenario, kept, keys)
    if reason:
        return scenario, list(range(len(scenario.technologies))), {}, f"The whole scenario is simulated: {reason}."
    names = ", ".join(scenario.technologies.id[k] for k in kept)
    words = (
        f"Simulated without the technologies that the targets do not need (kept: {names}): exact, since they cost "
        "nothing, no incident reaches them, what is left out depends on them and not they on it, and draws are keyed."
    )
    return _only(scenario, kept), kept, {"finance.cost_level": 0.0, "security.incident_rate": 0.0}, words


def _with_requirements(scenario: Scenario, wanted: set[int]) -> set[int]:
    """Technologies with all that they require, directly or not."""
    more = {j for k in wanted for j in scenario.technologies.requires[k]} - wanted
    return _with_requirements(scenario, wanted | more) if more else wanted


def _entangled(scenario: Scenario, kept: Sequence[int], keys: Sequence[str]) -> str:
    """Why the technologies that are left out could matter to those kept; empty where they cannot."""
    tech, money = scenario.technologies, scenario.finance.cost_level > 0
    if any(key.split(".")[0] in ("finance", "security") for key in keys):
        return "money or incidents are varied"
    if money and any(tech.cost[k] > 0 for k in kept):
        return "what the targets are about costs money, and others compete for it"
    left_out = [k for k in range(len(tech)) if k not in kept]
    if (scenario.portfolio.any(axis=1) != scenario.portfolio[:, kept].any(axis=1)).any():
        return "there are leaders that have nothing of what the targets are about"
    if scenario.security.incident_rate > 0:
        if not all(tech.immune[k] and np.isinf(tech.life[k]) for k in kept):
            return "incidents reach what the targets are about"
        dependent = all(tech.immune[k] or set(kept) <= _with_requirements(scenario, {k}) for k in left_out)
        early = scenario.portfolio[:, left_out].any(axis=1) & ~scenario.portfolio[:, kept].all(axis=1)
        if not dependent or (early & ~scenario.places.guide).any():
            return "an incident with another technology makes people wary of what the targets are about"
    return ""


def _only(scenario: Scenario, kept: list[int]) -> Scenario:
    """The scenario with some of its technologies, in the same order."""
    tech = scenario.technologies
    columns: dict[str, Any] = {}
    for field in dataclasses.fields(tech):
        values = getattr(tech, field.name)
        columns[field.name] = values[kept] if isinstance(values, np.ndarray) else tuple(values[k] for k in kept)
    columns["requires"] = tuple(tuple(kept.index(j) for j in tech.requires[k]) for k in kept)
    names = {tech.id[k] for k in kept}
    empty = [mandate for mandate in scenario.mandates if mandate.technology not in names]
    # a mandate keeps its number, which is part of its key; one about a technology left out must do nothing
    orders = tuple(
        mandate.model_copy(update={"technology": tech.id[kept[0]], "rate": 0.0}) if mandate in empty else mandate
        for mandate in scenario.mandates
    )
    return dataclasses.replace(
        scenario,
        technologies=dataclasses.replace(tech, **columns),
        portfolio=scenario.portfolio[:, kept],
        fit=scenario.fit[:, kept],
        mandates=orders,
    )
