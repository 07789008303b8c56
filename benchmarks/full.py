"""How fast is the whole model, every mechanism on, and how much memory does it need, from 50 places to a million?

Each world is loaded and run in a process of its own, whose peak memory is told.
"""

from __future__ import annotations

import time

import numpy as np
import pyperf

import uptake
from benchmarks import worlds
from benchmarks.common import Measured, apart, median, options, told
from sim.engine.columns import structure
from sim.engine.rows import execute, rows_of

WORLDS = {
    "synthetic-50": (50, 5),
    "synthetic-10000": (10_000, 10),
    "synthetic-100000": (100_000, 100),
    "synthetic-1000000": (1_000_000, 1_000),
}
"""Places and regions of the made-up worlds; beside them the shipped scenarios."""
SHIPPED = ("perm-krai", "russia")


def measure(name: str, threads: int, repeats: int) -> Measured:
    """Seconds of one replicate (the mean of many where it is small), of loading and of building the network."""
    start = time.perf_counter()
    scenario = worlds.full(*WORLDS[name]) if name in WORLDS else uptake.load(name)
    loaded = time.perf_counter()
    shared = structure(scenario)
    built = time.perf_counter()
    count, kinds, _, steps, _ = shared.shape
    runs = max(1, 200_000 // (count * kinds))
    rows = rows_of(scenario, 1, np.arange(runs))
    execute(shared, rows.part(0, 1), 1, threads)
    seconds, processor = [], []
    batch = None
    for _ in range(repeats):
        del batch  # the events of one run at a time
        clock, used = time.perf_counter(), time.process_time()
        batch = execute(shared, rows, 1, threads)
        seconds.append((time.perf_counter() - clock) / runs)
        processor.append((time.process_time() - used) / runs)
    middle, events = median(seconds), len(batch.events) / runs
    return Measured(f"{name}, {threads} thread{'s' * (threads > 1)}", seconds, {
        "processor s": median(processor), "places": count, "technologies": kinds, "steps": steps, "runs": runs,
        "load s": loaded - start, "network s": built - loaded, "cell-months/s": count * kinds * steps / middle,
        "events": events, "events/s": events / middle,
    })  # fmt: skip


def main(arguments: list[str] | None = None) -> pyperf.BenchmarkSuite:
    """Measure each world apart, print, write."""
    chosen = options(__doc__ or "").parse_args(arguments)
    names = [*WORLDS][:1] if chosen.tiny else [*WORLDS, *SHIPPED]
    found = [apart(measure, name, threads, min(chosen.repeats, 3)) for name in names for threads in (1, 2)]
    for one in found:
        one.facts["peak MB"] = one.peak / 1e6
    return told("full", found, chosen)


if __name__ == "__main__":
    main()
