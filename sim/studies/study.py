"""What is a study? A scenario, a design over its parameters, arms and replicates; its runs, numbered and named."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from sim import __version__
from sim.engine.rows import in_rows
from sim.results.measures import Measures, chosen_measures
from sim.results.run import arm_names, refuse_size
from sim.scenario.errors import InputError, refused
from sim.scenario.scenario import Scenario
from sim.studies.design import Design, Factor, design_of, factor_from, factors_of, value_of
from sim.studies.tasks import ExperimentalFrame, Task, fault

FORMAT = "uptake sweep 1"
REPLICATES = {"sobol": 4, "lhs": 4, "grid": 10}
"""Replicates at a point unless told: at least a few, so that luck can be told from parameters."""
_HELD_BYTES = 200
"""Of a run in memory beside its figures: its id as a text, its number, and what writing them takes."""


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
        """Point, arm and replicate of runs, int64[runs] each."""
        rest, replicate = np.divmod(np.asarray(numbers), self.replicates)
        point, arm = np.divmod(rest, len(self.arms))
        return point, arm, replicate

    def task(self, numbers: np.ndarray) -> Task:
        """The runs of these numbers, int64[...], as a task."""
        point, arm, replicate = self.split(numbers)
        values = {key: [column[i] for i in point] for key, column in self.design.values.items()}
        return Task(arm, replicate, values)

    @cached_property
    def frame(self) -> ExperimentalFrame:
        """What all runs share."""
        varied = [(key, column) for key, column in self.design.values.items() if in_rows(key)]
        overruled = {(arm, key) for arm in self.arms for key, column in varied if self._overrules(arm, key, column)}
        return ExperimentalFrame(self.scenario, self.arms, self.seed, self.measures, frozenset(overruled))

    def _overrules(self, arm: str, key: str, column: Sequence[Any]) -> bool:
        """Whether an arm sets a key, seen from two values that do not come through."""
        probes = (min(column), max(column))  # two, since one of them may be what the policy sets
        return any(value_of(self.scenario.override({key: probe}).arm(arm), key) != probe for probe in probes)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the resolved scenario."""
        told = json.dumps(self.scenario.resolved(), sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(told.encode()).hexdigest()

    @cached_property
    def ids(self) -> list[str]:
        """The id of every run: a hash of what it computes, with which version, so that a folder can be gone on with."""
        found = []
        for number in range(len(self.design)):
            overrides = self.design.point(number)
            for arm in self.arms:
                # the columns too: with other measures the same run gives other figures
                what = [self.digest, overrides, arm, self.seed, self.columns, __version__]
                told = hashlib.sha256(json.dumps(what, sort_keys=True, default=str).encode())
                for replicate in range(self.replicates):
                    run = told.copy()  # the replicate comes last: what is before it is hashed once for all of them
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
            # a scenario takes milliseconds to check, and a design may have millions of points
            if all(self._fault(corner, arm) == "" for corner in self._corners()):
                continue
            faults = ((point, self._fault(self.design.point(point), arm)) for point in range(len(self.design)))
            found |= {(point, a): text for point, text in faults if text}
        return found

    def _corners(self) -> Iterator[dict[str, Any]]:
        numbers = {key: column for key, column in self.design.values.items() if in_rows(key)}
        for extreme in (min, max):
            yield {key: extreme(column) for key, column in numbers.items()}

    def _fault(self, overrides: Mapping[str, Any], arm: str) -> str:
        try:
            self.scenario.override(overrides).arm(arm)
        except InputError as error:
            return fault(error)
        return ""

    def plain(self) -> dict[str, Any]:
        """The study as JSON, which `study_from` reads; the scenario is told by its hash, and stands in its own file."""
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


def study_of(
    scenario: Scenario,
    factors: Mapping[str, Any],
    design: str = "sobol",
    n: int | None = None,
    replicates: int | None = None,
    policies: str | Sequence[str] | None = None,
    seed: int | None = None,
    measures: Sequence[str] | None = None,
    dates: Sequence[str] | None = None,
) -> Study:
    """What `sweep` would run, with the same arguments. Raises InputError."""
    used = scenario.seed if seed is None else int(seed)
    found = factors_of(scenario, factors)
    arms = arm_names(scenario, policies)
    for name in arms:  # a policy that cannot be is refused before anything is computed
        scenario.arm(name)
    if replicates is not None and int(replicates) < 1:
        raise refused("replicates", f"{replicates} is too few", "1 or more")
    count = REPLICATES.get(design, 1) if replicates is None else int(replicates)
    chosen = chosen_measures(scenario, measures, dates)
    study = Study(scenario, found, design_of(found, design, n, used), tuple(arms), count, used, chosen)
    runs = len(study.design) * len(arms) * count  # Python's len() cannot be that large
    held = _HELD_BYTES + 8 * (len(study.columns) + len(study.design.values))
    refuse_size(f"{runs} runs", runs * held, runs, "runs")
    return study
