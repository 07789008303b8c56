"""How is a study computed? Part after part, on this machine's threads or on an executor, each kept as it comes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Executor, Future, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sim import __version__
from sim.scenario.errors import install, refused
from sim.studies.parts import kept, write_part
from sim.studies.study import Study
from sim.studies.tasks import attempt, attempt_remotely, fault

PART_SECONDS = 1.5
"""What a part should take: long enough that handing over costs nothing, short enough that a crash costs nothing."""
LARGEST_PART = 20_000
"""Runs: what a crash may cost at most, where runs are fast."""
IN_FLIGHT = 64
"""Parts handed over at a time: more would only fill the executor's memory, and be lost with it."""
TIMING_SECONDS = 0.4
CLUSTER_SECONDS = 10
_RUN_BYTES = 40
"""Of a run on disk beside its figures."""

Progress = Callable[[int, int], None]


class Interrupted(KeyboardInterrupt):
    """A sweep was interrupted; `how_to_resume` says what is kept and how to go on."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.how_to_resume = message


@dataclass
class Job:
    """A study on its way: figures float64[runs, columns], which runs are done, why others failed, where parts go."""

    study: Study
    folder: Path | None
    figures: np.ndarray
    done: np.ndarray
    faults: dict[int, str]
    progress: Progress | None

    def keep(self, numbers: np.ndarray, figures: np.ndarray, faults: Mapping[int, str]) -> None:
        """Take over what a part gave, and write it down."""
        self.faults |= {int(numbers[i]): text for i, text in faults.items()}
        whole = np.array([i for i in range(len(numbers)) if i not in faults], dtype=np.int64)
        numbers, figures = numbers[whole], figures[whole]
        # written before it is counted as done: what is told to be kept is kept
        if self.folder is not None and len(numbers):
            write_part(self.study, self.folder, numbers, figures)
        self.figures[numbers], self.done[numbers] = figures, True
        if self.progress:
            self.progress(int(self.done.sum()) + len(self.faults), len(self.study))

    def farewell(self) -> str:
        """What an interrupted sweep says."""
        state = f"interrupted: {int(self.done.sum())} of {len(self.study)} runs are done"
        if self.folder is None:
            return f"{state}; nothing is kept, since no folder was given"
        return f"{state} and kept; go on with: uptake sweep --resume {self.folder}"


def fill(
    study: Study, folder: Path | None, executor: Executor | None, threads: int | None, progress: Progress | None
) -> Job:
    """Compute the runs of a study that its folder does not hold. Raises Interrupted on Ctrl-C."""
    if folder is None:
        figures, done = np.full((len(study), len(study.columns)), np.nan), np.zeros(len(study), bool)
    else:
        figures, done = kept(study, folder)
    # runs that cannot be are not tried: no executor need find out
    point, arm, _ = study.split(np.arange(len(study)))
    faults: dict[int, str] = {}
    for (p, a), text in study.refused.items():
        faults |= dict.fromkeys(np.flatnonzero((point == p) & (arm == a)).tolist(), text)
    missing = np.array([i for i in np.flatnonzero(~done) if i not in faults], dtype=np.int64)
    job = Job(study, folder, figures, done, faults, progress)
    try:
        if len(missing) and executor is None:
            _on_threads(job, missing, threads)
        elif len(missing) and executor is not None:
            _on_executor(job, missing, executor)
    except KeyboardInterrupt:
        raise Interrupted(job.farewell()) from None
    return job


def _on_threads(job: Job, missing: np.ndarray, threads: int | None) -> None:
    """Part after part through the engine's threads; parts get the size that takes `PART_SECONDS`."""
    size = _part_size(job.study, threads)
    while len(missing):
        numbers, missing = missing[:size], missing[size:]
        start = time.perf_counter()
        outcome = attempt(job.study.frame, job.study.task(numbers), threads)
        job.keep(numbers, outcome.figures, outcome.faults)
        seconds = max(time.perf_counter() - start, 1e-6)
        wanted = int(np.clip(PART_SECONDS * len(numbers) / seconds, 1, LARGEST_PART))
        # one odd part, such as the first of a new structure, must not change the size much
        size = int(np.clip(wanted, (size + 1) // 2, 2 * size))


def _part_size(study: Study, threads: int | None) -> int:
    """Runs that take `PART_SECONDS`, by a few that are timed."""
    return int(np.clip(PART_SECONDS / pace(study, threads), 1, LARGEST_PART))


def _on_executor(job: Job, missing: np.ndarray, executor: Executor) -> None:
    """Parts to an executor, a limited number at a time; a part whose process dies is halved and tried again."""
    size = _part_size(job.study, 1)
    payload = job.study.frame.payload()
    queue = [missing[first : first + size] for first in range(0, len(missing), size)][::-1]
    running: dict[Future[Any], np.ndarray] = {}
    try:
        while queue or running:
            while queue and len(running) < IN_FLIGHT:
                numbers = queue.pop()
                running[executor.submit(attempt_remotely, payload, job.study.task(numbers))] = numbers
            finished, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                queue += _taken(job, future, running.pop(future))
    finally:
        for future in running:  # else an interrupted sweep would go on elsewhere
            future.cancel()


def _taken(job: Job, future: Future[Any], numbers: np.ndarray) -> list[np.ndarray]:
    """Keep what a future gave; returns what must be tried again, in halves. A broken pool ends the sweep."""
    try:
        outcome = future.result()
    except BrokenExecutor as error:  # a pool of processes does not recover from the death of one
        error.add_note(job.farewell().replace("interrupted", "the executor broke", 1))
        raise
    except (Exception, CancelledError) as error:  # the executor's own errors: a worker died, a text came back broken
        if len(numbers) > 1:
            half = len(numbers) // 2
            return [numbers[half:], numbers[:half]]
        job.keep(numbers, np.full((1, len(job.study.columns)), np.nan), {0: fault(error)})
        return []
    job.keep(numbers, outcome.figures, outcome.faults)
    return []


# How long it would take


@dataclass(frozen=True)
class Estimate:
    """What a sweep would take: runs, design points, seconds on this machine, megabytes on disk."""

    runs: int
    points: int
    policies: int
    replicates: int
    seconds: float
    megabytes: float


def estimate(study: Study, threads: int | None = None) -> Estimate:
    """What a study would take, from timing a few of its runs on this machine."""
    seconds = pace(study, threads) * len(study)
    size = len(study) * (_RUN_BYTES + 8 * (len(study.columns) + len(study.design.values)))
    return Estimate(len(study), len(study.design), len(study.arms), study.replicates, seconds, round(size / 2**20, 2))


def pace(study: Study, threads: int | None = None) -> float:
    """Seconds a run, from runs spread over the whole study; the first compiles and is not counted.

    Raises what the first run raises, if the last one fails too: then the fault is not that of a few runs.
    """
    ends = study.task(np.array([0, len(study) - 1]))
    if len(attempt(study.frame, ends, threads).faults) == 2:
        study.frame.compute(ends, threads)
    size = 4
    while True:
        # from the whole study: points may differ in what they cost, and the first ones may be alike
        numbers = np.unique(np.linspace(0, len(study) - 1, min(size, len(study))).astype(int))
        start = time.perf_counter()
        attempt(study.frame, study.task(numbers), threads)
        spent = time.perf_counter() - start
        if spent > TIMING_SECONDS / 2 or len(numbers) == len(study):
            return spent / len(numbers)
        size *= 4


# A cluster


@contextmanager
def cluster(address: str, workers: int = 1) -> Iterator[Executor]:
    """Dask's executor on the cluster at an address, once it has so many workers; no wait is longer than 10 seconds.

    Raises InputError where nobody answers, and where the workers do not have this version of the program.
    """
    try:
        from distributed import Client
    except ImportError:
        raise refused("--cluster", "needs the extra `cluster`", install("cluster")) from None
    try:
        client = Client(address, timeout=CLUSTER_SECONDS, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        message = f"no Dask scheduler answers at {address}: {error}"
        raise refused("--cluster", message, "such as tcp://127.0.0.1:8786") from None
    with client:
        with suppress(TimeoutError):  # fewer workers than hoped for are enough
            client.wait_for_workers(workers, timeout=CLUSTER_SECONDS)
        answers = client.run(version, on_error="return")
        told = {worker: text if isinstance(text, str) else fault(text) for worker, text in answers.items()}
        if set(told.values()) != {__version__}:  # figures of another version would be mixed with ours unseen
            listed = ", ".join(f"{worker}: {text}" for worker, text in told.items()) or "there are no workers"
            message = f"the workers do not have this version of the program: {listed}"
            raise refused("--cluster", message, f"uptake {__version__} on every worker")
        # Dask gives up on a part that kills its worker so often; `_taken` then halves it
        yield client.get_executor(retries=3)


def version() -> str:
    """The program's version here; workers are asked for it."""
    return __version__
