"""What does one task of a study compute, here or on a worker? Some of its runs, and their figures.

A run is a design point under a policy arm, with a replicate's luck. A task is any number of runs; what all tasks of a
study have in common travels once, as text.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np

from sim.engine.columns import EVENT, PAYMENT, structure
from sim.engine.rows import assign, execute, in_rows, rows_of, structure_key
from sim.results.measures import Measures, Reducer
from sim.scenario.errors import InputError
from sim.scenario.scenario import Scenario

EVENTS_AT_ONCE = 256 * 2**20
"""Bytes of events that one call of the engine may give: they are dropped as soon as the figures are taken."""
VARIANTS_KEPT = 64
"""Scenarios with their networks that a frame holds at once, so that memory does not grow with the design."""
FAULT_LENGTH = 300


@dataclass(frozen=True)
class Task:
    """Runs to compute: policy arm (its number) and replicate of each, int64[runs]; values of each key, as many."""

    arms: np.ndarray
    replicates: np.ndarray
    values: Mapping[str, list[Any]]

    def __len__(self) -> int:
        return len(self.arms)

    def part(self, chosen: slice | np.ndarray) -> Task:
        """Some of the runs, by a slice or numbers int64[...]."""
        numbers = np.arange(len(self))[chosen]
        values = {key: [column[i] for i in numbers] for key, column in self.values.items()}
        return Task(self.arms[numbers], self.replicates[numbers], values)


@dataclass
class ExperimentalFrame:
    """The conditions under which all runs of a study are observed (the word is Zeigler's, 1976); computes tasks.

    `overruled`: pairs of arm and key where the policy sets the key itself: a policy goes over what a study varies.
    """

    scenario: Scenario
    arms: tuple[str, ...]
    seed: int
    measures: Measures
    overruled: frozenset[tuple[str, str]] = frozenset()
    _variants: dict[tuple[str, str], tuple[Scenario, Reducer]] = field(default_factory=dict, repr=False)

    def payload(self) -> str:
        """The frame as a text that another process can read; `frame_from` reads it."""
        # text rather than a pickle: a worker builds its own tables and network, and no address travels
        parts = {
            "scenario": self.scenario.resolved(),
            "arms": self.arms,
            "seed": self.seed,
            "measures": [self.measures.names, self.measures.instants],
            "overruled": sorted(self.overruled),
        }
        return json.dumps(parts, ensure_ascii=False)

    def variant(self, arm: str, overrides: Mapping[str, Any]) -> tuple[Scenario, Reducer]:
        """The scenario of an arm over overrides, and what takes its figures; the latest ones are kept."""
        key = (arm, json.dumps(overrides, sort_keys=True, default=str))
        if key not in self._variants:
            scenario = (self.scenario.override(overrides) if overrides else self.scenario).arm(arm)
            wanted = structure_key(scenario)
            # the network takes longest to build, and most policies leave it as it is
            alike = (reducer.shared for other, reducer in self._variants.values() if structure_key(other) == wanted)
            shared = next(alike, None) or structure(scenario)
            if len(self._variants) >= VARIANTS_KEPT:  # simpler than to know which will be asked again
                self._variants.clear()
            self._variants[key] = scenario, self.measures.reducer(scenario, shared)
        return self._variants[key]

    def compute(self, task: Task, threads: int | None = 1) -> np.ndarray:
        """The figures of each run, float64[runs, columns]."""
        found = np.full((len(task), len(self.measures.columns(self.scenario))), np.nan)
        for chosen in self._batches(task):
            found[chosen] = self._batch(task.part(chosen), threads)
        return found

    def _batches(self, task: Task) -> Iterator[np.ndarray]:
        """Numbers of runs that one call of the engine can take: one arm, one structure, no more than there is room."""
        rebuilt = [key for key in task.values if not in_rows(key)]
        groups: dict[tuple[Any, ...], list[int]] = {}
        for i, arm in enumerate(task.arms.tolist()):
            groups.setdefault((arm, *(repr(task.values[key][i]) for key in rebuilt)), []).append(i)
        cells = len(self.scenario.places.id) * len(self.scenario.technologies.id)
        size = max(1, EVENTS_AT_ONCE // (cells * (EVENT.itemsize + PAYMENT.itemsize)))
        for numbers in groups.values():
            for first in range(0, len(numbers), size):
                yield np.array(numbers[first : first + size])

    def _batch(self, task: Task, threads: int | None) -> np.ndarray:
        """The figures of runs that share arm and structure: what rows can differ in is set row by row."""
        arm = self.arms[task.arms[0]]
        rebuilt = {key: column[0] for key, column in task.values.items() if not in_rows(key)}
        scenario, reducer = self.variant(arm, rebuilt)
        rows = rows_of(scenario, self.seed, task.replicates)
        for key, column in task.values.items():
            if in_rows(key) and (arm, key) not in self.overruled:
                # after the replicates' own draws: what a study varies is not drawn
                assign(rows.parameters, rows.mandates, key, np.array(column, np.float64))
        return reducer.figures(execute(reducer.shared, rows, self.seed, threads))


@lru_cache(maxsize=2)
def frame_from(payload: str) -> ExperimentalFrame:
    """The frame that `ExperimentalFrame.payload` told; kept, since a worker gets many tasks of one study."""
    parts = json.loads(payload)
    names, instants = parts["measures"]
    return ExperimentalFrame(
        Scenario.from_resolved(parts["scenario"], "study"),
        tuple(parts["arms"]),
        parts["seed"],
        Measures(tuple(names), tuple(instants)),
        frozenset((arm, key) for arm, key in parts["overruled"]),
    )


@dataclass(frozen=True)
class Outcome:
    """What a task gave: figures float64[runs, columns], and the faults of runs that failed (their figures are NaN)."""

    figures: np.ndarray
    faults: dict[int, str]


def attempt(frame: ExperimentalFrame, task: Task, threads: int | None = 1) -> Outcome:
    """Compute a task; where that fails, its halves, so that in the end only the runs that fail are without figures."""
    try:
        return Outcome(frame.compute(task, threads), {})
    except Exception as error:  # whatever a run raises is reported with its parameters, and the rest goes on
        if len(task) == 1:
            columns = len(frame.measures.columns(frame.scenario))
            return Outcome(np.full((1, columns), np.nan), {0: fault(error)})
    half = len(task) // 2
    first, second = (attempt(frame, task.part(part), threads) for part in (slice(None, half), slice(half, None)))
    later = {half + number: text for number, text in second.faults.items()}
    return Outcome(np.concatenate([first.figures, second.figures]), first.faults | later)


def attempt_remotely(payload: str, task: Task) -> Outcome:
    """`attempt` in another process, on one thread: the executor has a process for each core."""
    return attempt(frame_from(payload), task, 1)


def fault(error: BaseException) -> str:
    """An error in one line."""
    words = " ".join(str(error).split())[:FAULT_LENGTH]
    return words if isinstance(error, InputError) else f"{type(error).__name__}: {words}"
