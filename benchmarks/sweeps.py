"""How many runs a second does a study get through, beside mesa.batch_run and NumPy with a runs axis?"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import mesa
import numpy as np

import sim
from benchmarks import rivals, worlds
from benchmarks.common import Row, interleaved, median, options, timed, told
from sim.engine.columns import INITIAL, structure
from sim.engine.rows import execute, rows_of


def main(arguments: list[str] | None = None) -> list[Row]:
    """Measure, print, write."""
    chosen = options(__doc__ or "").parse_args(arguments)
    runs = 40 if chosen.tiny else 4000
    work: dict[str, Any] = {
        "50 x 15 x 120, hazard and money": worlds.money(),
        "50 x 15 x 120, all mechanisms": worlds.full(),
        "perm-krai": sim.load("perm-krai"),
    }
    jobs: dict[str, Callable[[], float]] = {}
    number: dict[str, int] = {}
    adoptions: dict[str, float] = {}
    used: dict[str, list[float]] = {}
    for name, scenario in work.items():
        shared, rows = structure(scenario), rows_of(scenario, 1, np.arange(runs))
        batch = execute(shared, rows, 1, 2)
        adoptions[name] = float((batch.events["source"] != INITIAL).sum() / runs)
        for threads in (1, 2):
            job = f"uptake: {name}, {threads} thread{'s' * (threads > 1)}"
            number[job] = runs

            def ours(job: str = job, shared: Any = shared, rows: Any = rows, threads: int = threads) -> float:
                start = time.process_time()
                seconds = timed(execute, shared, rows, 1, threads)
                used.setdefault(job, []).append(time.process_time() - start)
                return seconds

            jobs[job] = ours
    jobs |= _rivals(chosen.tiny, number, adoptions)
    seconds = interleaved(jobs, chosen.repeats, patience=30.0)
    found: list[Row] = []
    for job, values in seconds.items():
        line = {"work": job, "runs": number[job], "runs/s": number[job] / median(values)}
        if job in used:
            line["runs/s of processor"] = number[job] / median(used[job])
        name = job.removeprefix("uptake: ").rsplit(",", 1)[0]
        line["adoptions a run"] = adoptions.get(job, adoptions.get(name))
        found.append(line)
    return told("sweeps", found, chosen)


def _rivals(tiny: bool, number: dict[str, int], adoptions: dict[str, float]) -> dict[str, Callable[[], float]]:
    """Jobs that do the hazard and money of `worlds.money` in NumPy and in Mesa objects."""
    world = rivals.country()

    def numpy(job: str, runs: int) -> float:
        start = time.perf_counter()
        adoptions[job] = rivals.in_numpy(world, runs, 1)
        return time.perf_counter() - start

    def mesa_batch(job: str, runs: int) -> float:
        start = time.perf_counter()
        rows = mesa.batch_run(
            rivals.Economy, {"rng": list(range(runs))}, number_processes=1, max_steps=world.steps - 1,
            data_collection_period=-1, display_progress=False,
        )  # fmt: skip
        adoptions[job] = float(np.mean([row["adoptions"] for row in rows]))
        return time.perf_counter() - start

    found: dict[str, Callable[[], float]] = {}
    for name, job, runs in (
        ("hazard and money: NumPy with a runs axis", numpy, 20 if tiny else 500),
        ("hazard and money: mesa.batch_run", mesa_batch, 2 if tiny else 20),
    ):
        number[name] = runs
        found[name] = lambda name=name, job=job, runs=runs: job(name, runs)
    return found


if __name__ == "__main__":
    main()
