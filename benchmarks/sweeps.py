"""How many runs a second does a study get through, beside mesa.batch_run and NumPy with a runs axis?"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import mesa
import numpy as np
import pyperf

import uptake
from benchmarks import rivals, worlds
from benchmarks.common import Measured, interleaved, median, options, timed, told
from sim.engine.columns import INITIAL, structure
from sim.engine.rows import execute, rows_of

Job = Callable[[], tuple[float, float]]
"""One repeat: its seconds, and the mean number of adoptions of a run, by which one sees that all do the same."""


def main(arguments: list[str] | None = None) -> pyperf.BenchmarkSuite:
    """Measure, print, write."""
    chosen = options(__doc__ or "").parse_args(arguments)
    jobs = ours(40 if chosen.tiny else 4000) | others(*((20, 2) if chosen.tiny else (500, 20)))
    adoptions: dict[str, float] = {}
    processor: dict[str, list[float]] = {name: [] for name in jobs}

    def seconds(name: str, job: Job) -> float:
        began = time.process_time()
        spent, adoptions[name] = job()
        processor[name].append(time.process_time() - began)
        return spent

    timings = {name: lambda name=name, job=job: seconds(name, job) for name, (_, job) in jobs.items()}
    found = []
    for name, spent in interleaved(timings, chosen.repeats, patience=30.0).items():
        runs = jobs[name][0]
        facts = {"runs": runs, "runs/s": runs / median(spent), "runs/s of processor": runs / median(processor[name])}
        found.append(Measured(name, [value / runs for value in spent], {**facts, "adoptions a run": adoptions[name]}))
    return told("sweeps", found, chosen)


def ours(runs: int) -> dict[str, tuple[int, Job]]:
    """Our jobs by name, and how many runs each does: three worlds, on one thread and on two."""
    work = {
        "50 x 15 x 120, hazard and money": worlds.money(),
        "50 x 15 x 120, all mechanisms": worlds.full(),
        "perm-krai": uptake.load("perm-krai"),
    }
    found: dict[str, tuple[int, Job]] = {}
    for name, scenario in work.items():
        shared, rows = structure(scenario), rows_of(scenario, 1, np.arange(runs))
        events = execute(shared, rows, 1, 2).events
        adoptions = float((events["source"] != INITIAL).sum() / runs)
        for threads in (1, 2):

            def job(shared: Any = shared, rows: Any = rows, n: int = threads, made: float = adoptions) -> Any:
                return timed(execute, shared, rows, 1, n), made

            found[f"uptake: {name}, {threads} thread{'s' * (threads > 1)}"] = (runs, job)
    return found


def others(numpy_runs: int, mesa_runs: int) -> dict[str, tuple[int, Job]]:
    """The hazard and money of `worlds.money` in NumPy and in Mesa objects."""
    world = rivals.country()

    def in_numpy() -> tuple[float, float]:
        start = time.perf_counter()
        adoptions = rivals.in_numpy(world, numpy_runs, 1)
        return time.perf_counter() - start, adoptions

    def in_mesa() -> tuple[float, float]:
        start = time.perf_counter()
        rows = mesa.batch_run(
            rivals.Economy, {"rng": list(range(mesa_runs))}, number_processes=1, max_steps=world.steps - 1,
            data_collection_period=-1, display_progress=False,
        )  # fmt: skip
        return time.perf_counter() - start, float(np.mean([row["adoptions"] for row in rows]))

    return {
        "hazard and money: NumPy with a runs axis": (numpy_runs, in_numpy),
        "hazard and money: mesa.batch_run": (mesa_runs, in_mesa),
    }


if __name__ == "__main__":
    main()
