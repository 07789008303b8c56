"""What does a study compute? Runs: a design point, a policy arm and a replicate's luck, and their figures."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from sim import __version__
from sim.engine.columns import EVENT, FIELDS, PAYMENT, structure
from sim.engine.rows import assign, execute, rows_of, structure_key
from sim.results.measures import Measures, Reducer
from sim.scenario.errors import InputError
from sim.scenario.scenario import Scenario
from sim.studies.design import Design, Factor, design_of, factor_from

FORMAT = "uptake sweep 1"
ROOM = 256 * 2**20
"""Bytes of events that one call of the engine may give."""
VARIANTS_KEPT = 64
FAULT_LENGTH = 300


def in_rows(key: str) -> bool:
    """Whether the rows of one batch can differ in a key; any other key needs a scenario of its own."""
    parts = key.split(".")
    return key in FIELDS or (len(parts) == 3 and parts[0] == "mandates" and parts[2] == "rate")


def held(scenario: Scenario, key: str) -> Any:
    """What a scenario has for a key of `in_rows`; None where it has no such mandate."""
    section, *rest = key.split(".")
    if section != "mandates":
        return getattr(getattr(scenario, section), rest[0])
    number = int(rest[0])
    return scenario.mandates[number].rate if number < len(scenario.mandates) else None


@dataclass(frozen=True)
class Task:
    """Runs to compute: the arm (number) and replicate of each, and the values of each key, all of one length."""

    arms: np.ndarray
    replicates: np.ndarray
    values: Mapping[str, list[Any]]

    def __len__(self) -> int:
        return len(self.arms)

    def part(self, chosen: slice | np.ndarray) -> Task:
        """Some of the runs."""
        numbers = np.arange(len(self))[chosen]
        values = {key: [column[i] for i in numbers] for key, column in self.values.items()}
        return Task(self.arms[numbers], self.replicates[numbers], values)


@dataclass
class World:
    """What all runs of a study share; it computes tasks.

    `overruled`: pairs of arm and key where the policy sets the key itself: a policy goes over what a study varies.
    """

    scenario: Scenario
    arms: tuple[str, ...]
    seed: int
    measures: Measures
    overruled: frozenset[tuple[str, str]]
    _variants: dict[tuple[str, str], Reducer] = field(default_factory=dict, repr=False)

    def payload(self) -> str:
        """The world as a text that another process can read."""
        parts = {
            "scenario": self.scenario.resolved(),
            "arms": self.arms,
            "seed": self.seed,
            "measures": [self.measures.names, self.measures.instants],
            "overruled": sorted(self.overruled),
        }
        return json.dumps(parts, ensure_ascii=False)

    def variant(self, arm: str, overrides: Mapping[str, Any]) -> Reducer:
        """The scenario of an arm over overrides, with its structure; the latest ones are kept."""
        key = (arm, json.dumps(overrides, sort_keys=True, default=str))
        if key not in self._variants:
            scenario = (self.scenario.override(overrides) if overrides else self.scenario).arm(arm)
            wanted = structure_key(scenario)
            same = (kept for kept in self._variants.values() if structure_key(kept.scenario) == wanted)
            kept = next(same, None)
            if len(self._variants) >= VARIANTS_KEPT:
                self._variants.clear()
            self._variants[key] = self.measures.reducer(scenario, kept.shared if kept else structure(scenario))
        return self._variants[key]

    def compute(self, task: Task, threads: int | None = 1, done: Callable[[int], None] | None = None) -> np.ndarray:
        """The figures of each run, float64[runs, columns]."""
        found = np.full((len(task), len(self.measures.columns(self.scenario))), np.nan)
        for chosen in self._groups(task):
            found[chosen] = self._batch(task.part(chosen), threads)
            if done:
                done(len(chosen))
        return found

    def _groups(self, task: Task) -> Iterator[np.ndarray]:
        """Runs of one arm and one structure, no more of them than there is room for."""
        rebuilt = [key for key in task.values if not in_rows(key)]
        groups: dict[tuple[Any, ...], list[int]] = {}
        for i, arm in enumerate(task.arms.tolist()):
            groups.setdefault((arm, *(repr(task.values[key][i]) for key in rebuilt)), []).append(i)
        cells = len(self.scenario.places.id) * len(self.scenario.technologies.id)
        size = max(1, ROOM // (cells * (EVENT.itemsize + PAYMENT.itemsize)))
        for numbers in groups.values():
            for first in range(0, len(numbers), size):
                yield np.array(numbers[first : first + size])

    def _batch(self, task: Task, threads: int | None) -> np.ndarray:
        arm = self.arms[task.arms[0]]
        rebuilt = {key: column[0] for key, column in task.values.items() if not in_rows(key)}
        reducer = self.variant(arm, rebuilt)
        rows = rows_of(reducer.scenario, self.seed, task.replicates)
        for key, column in task.values.items():
            if in_rows(key) and (arm, key) not in self.overruled:
                assign(rows.parameters, rows.mandates, key, np.array(column, np.float64))
        return reducer.figures(execute(reducer.shared, rows, self.seed, threads))


@dataclass(frozen=True)
class Outcome:
    """What a task gave: figures float64[runs, columns], and the faults of runs that failed (their figures are NaN)."""

    figures: np.ndarray
    faults: dict[int, str]


def attempt(world: World, task: Task, threads: int | None = 1, done: Callable[[int], None] | None = None) -> Outcome:
    """Compute a task; where that fails, its halves, so that in the end only the runs that fail are without figures."""
    try:
        return Outcome(world.compute(task, threads, done), {})
    except Exception as error:  # whatever a run raises is reported with its parameters, and the rest goes on
        if len(task) == 1:
            columns = len(world.measures.columns(world.scenario))
            return Outcome(np.full((1, columns), np.nan), {0: fault(error)})
    half = len(task) // 2
    first, second = (attempt(world, task.part(part), threads) for part in (slice(None, half), slice(half, None)))
    later = {half + number: text for number, text in second.faults.items()}
    return Outcome(np.concatenate([first.figures, second.figures]), first.faults | later)


def fault(error: BaseException) -> str:
    """An error in one line."""
    words = " ".join(str(error).split())[:FAULT_LENGTH]
    return words if isinstance(error, InputError) else f"{type(error).__name__}: {words}"


def attempt_remotely(payload: str, task: Task) -> Outcome:
    """`attempt` in another process, on one thread."""
    return attempt(world_from(payload), task, 1)


@lru_cache(maxsize=2)
def world_from(payload: str) -> World:
    """The world that `World.payload` told."""
    parts = json.loads(payload)
    names, instants = parts["measures"]
    return World(
        Scenario.from_resolved(parts["scenario"], "study"),
        tuple(parts["arms"]),
        parts["seed"],
        Measures(tuple(names), tuple(instants)),
        frozenset((arm, key) for arm, key in parts["overruled"]),
    )


@dataclass(frozen=True, eq=False)
class Study:
    """A scenario, factors, a design over them, arms, replicates and a seed. Runs are numbered by point, arm, replicate.

    Replicate numbers are the same at every point and in every arm: common random numbers.
    """

    scenario: Scenario
    factors: tuple[Factor, ...]
    design: Design
    arms: tuple[str, ...]
    replicates: int
    seed: int
    measures: Measures

    def __len__(self) -> int:
        return len(self.design) * len(self.arms) * self.replicates

    @cached_property
    def columns(self) -> list[str]:
        """Names of the figures, such as `coverage 2030-12`."""
        return self.measures.columns(self.scenario)

    def split(self, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Point, arm and replicate of runs."""
        rest, replicate = np.divmod(np.asarray(numbers), self.replicates)
        point, arm = np.divmod(rest, len(self.arms))
        return point, arm, replicate

    def task(self, numbers: np.ndarray) -> Task:
        """The runs of these numbers as a task."""
        point, arm, replicate = self.split(numbers)
        values = {key: [column[i] for i in point] for key, column in self.design.values.items()}
        return Task(arm, replicate, values)

    @cached_property
    def world(self) -> World:
        """What all runs share."""
        overruled = {
            (arm, key)
            for arm in self.arms
            for key, column in self.design.values.items()
            if in_rows(key) and self._overrules(arm, key, column)
        }
        return World(self.scenario, self.arms, self.seed, self.measures, frozenset(overruled))

    def _overrules(self, arm: str, key: str, column: Sequence[Any]) -> bool:
        """Whether an arm sets a key, seen from two values that do not come through."""
        probes = (min(column), max(column))
        return any(held(self.scenario.override({key: probe}).arm(arm), key) != probe for probe in probes)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the resolved scenario."""
        told = json.dumps(self.scenario.resolved(), sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(told.encode()).hexdigest()

    @cached_property
    def ids(self) -> list[str]:
        """The id of every run: a hash of what it computes, with which version."""
        found = []
        for number in range(len(self.design)):
            overrides = self.design.point(number)
            for arm in self.arms:
                what = [self.digest, overrides, arm, self.seed, self.columns, __version__]
                told = hashlib.sha256(json.dumps(what, sort_keys=True, default=str).encode())
                for replicate in range(self.replicates):
                    run = told.copy()
                    run.update(b" %d" % replicate)
                    found.append(run.hexdigest()[:20])
        return found

    @cached_property
    def refused(self) -> dict[tuple[int, int], str]:
        """Points (and arms) that the scenario cannot hold, such as shares that sum to more than 1, and why.

        Single values were checked with the factors; limits of several together are sums, so that the two extreme
        corners tell whether every point must be looked at.
        """
        found: dict[tuple[int, int], str] = {}
        for a, arm in enumerate(self.arms):
            if all(self._fault(corner, arm) == "" for corner in self._corners()):
                continue
            faults = ((point, self._fault(self.design.point(point), arm)) for point in range(len(self.design)))
            found |= {(point, a): text for point, text in faults if text}
        return found

    def _corners(self) -> Iterator[dict[str, Any]]:
        for extreme in (min, max):
            numbers = {key: column for key, column in self.design.values.items() if in_rows(key)}
            yield {key: extreme(column) for key, column in numbers.items()}

    def _fault(self, overrides: Mapping[str, Any], arm: str) -> str:
        try:
            self.scenario.override(overrides).arm(arm)
        except InputError as error:
            return fault(error)
        return ""

    def plain(self) -> dict[str, Any]:
        """The study as JSON; the scenario is told by its hash."""
        return {
            "format": FORMAT,
            "version": __version__,
            "scenario": self.digest,
            "factors": [factor.plain() for factor in self.factors],
            "design": self.design.kind,
            "n": self.design.n,
            "policies": list(self.arms),
            "replicates": self.replicates,
            "seed": self.seed,
            "measures": list(self.measures.names),
            "instants": list(self.measures.instants),
        }


def study_from(plain: Mapping[str, Any], scenario: Scenario) -> Study:
    """The study that `Study.plain` told of a scenario."""
    factors = tuple(factor_from(item) for item in plain["factors"])
    design = design_of(factors, plain["design"], plain["n"], plain["seed"])
    measures = Measures(tuple(plain["measures"]), tuple(plain["instants"]))
    return Study(scenario, factors, design, tuple(plain["policies"]), plain["replicates"], plain["seed"], measures)
