"""How fast is the whole model, every mechanism on, and how much memory does it need, from 50 places to a million?

Each world is loaded and run in a process of its own, whose peak memory is told.
"""

from __future__ import annotations

import resource
import sys
import time
from typing import Any

import numpy as np

import sim
from benchmarks import worlds
from benchmarks.common import Row, apart, give_back, median, options, peak_memory, told
from sim.engine.columns import structure
from sim.engine.rows import execute, rows_of

WORLDS: dict[str, tuple[int, int]] = {
    "synthetic-50": (50, 5),
    "synthetic-10000": (10_000, 10),
    "synthetic-100000": (100_000, 100),
    "synthetic-1000000": (1_000_000, 1_000),
}
"""Places and regions of the made-up worlds; beside them the shipped scenarios."""
SHIPPED = ("perm-krai", "russia")


def measure(name: str, threads: int, repeats: int) -> dict[str, Any]:
    """Seconds and memory of one world: loading, network, and a run of one replicate (many where it is small)."""
    before = resident()
    start = time.perf_counter()
    scenario = sim.load(name) if name not in WORLDS else worlds.full(*WORLDS[name])
    loaded, loading = time.perf_counter(), resident()
    shared = structure(scenario)
    built, building = time.perf_counter(), resident()
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
        seconds.append(time.perf_counter() - clock)
        processor.append(time.process_time() - used)
    middle, months = median(seconds) / runs, count * kinds * steps
    return {
        "world": name, "places": count, "technologies": kinds, "steps": steps, "threads": threads, "rows": runs,
        "load s": loaded - start, "network s": built - loaded, "run s": middle, "cpu s": median(processor) / runs,
        "cell-months/s": months / middle, "events": len(batch.events) / runs,
        "events/s": len(batch.events) / runs / middle, "scenario MB": (loading - before) / 1e6,
        "structure MB": (building - loading) / 1e6,
    }  # fmt: skip


def resident() -> int:
    """The memory of this process now, bytes; its peak where that is not told."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * resource.getpagesize()
    except OSError:
        return peak_memory()


def main(arguments: list[str] | None = None) -> list[Row]:
    """Measure each world apart, print, write."""
    chosen = options(__doc__ or "").parse_args(arguments)
    names = [*WORLDS][:1] if chosen.tiny else [*WORLDS, *SHIPPED]
    rows = []
    for name in names:
        for threads in (1, 2):
            found = apart("benchmarks.full", "--world", name, threads, min(chosen.repeats, 3))
            peak = found.pop("peak") / 1e6
            rows.append({**found, "peak MB": peak})
    return told("full", rows, chosen)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--world"]:
        give_back(measure(sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
    else:
        main()
