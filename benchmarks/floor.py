"""How near to the machine's memory does a month without events come, and what does an event cost?

A cell that waits is two numbers of four bytes, read, and one of them written: 12 bytes a cell-month that nothing can
avoid. The bandwidth is that of a triad, a = b + s c, compiled by the same compiler in the same run.
"""

from __future__ import annotations

import resource
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numba
import numpy as np

from benchmarks import worlds
from benchmarks.common import Row, apart, give_back, median, options, told
from sim.engine.columns import Structure, structure
from sim.engine.rows import Rows, execute, rows_of

BYTES_A_CELL_MONTH = 12
SLACK = {"cost_level": 0.0, "incident_rate": 0.0}
STILL = {**SLACK, "external": 0.0, "peers": 0.0, "leaders": 0.0, "platform_rate": 0.0}


@numba.njit(nogil=True)
def triad(a: np.ndarray, b: np.ndarray, c: np.ndarray, factor: float) -> None:
    """a = b + factor c: 24 bytes an element."""
    for i in range(len(a)):
        a[i] = b[i] + factor * c[i]


def bandwidth(megabytes: int, threads: int, repeats: int = 5) -> float:
    """Bytes a second of the triad over arrays of `megabytes` together."""
    size = megabytes * 1_000_000 // 24 // threads
    sets = [tuple(np.ones(size) for _ in range(3)) for _ in range(threads)]
    for one in sets:
        triad(*one, 0.5)
    seconds = []
    with ThreadPoolExecutor(threads) as pool:
        for _ in range(repeats):
            start = time.perf_counter()
            list(pool.map(lambda one: triad(*one, 0.5), sets))
            seconds.append(time.perf_counter() - start)
    return size * threads * 24 / median(seconds)


def run(shared: Structure, rows: Rows, changes: dict[str, float], threads: int = 1) -> tuple[float, int]:
    """Seconds and events of rows with some parameters changed."""
    changed = Rows(rows.parameters.copy(), rows.mandates[:, :0], rows.replicates)
    for name, value in changes.items():
        changed.parameters[name] = value
    start = time.perf_counter()
    batch = execute(shared, changed, 1, threads)
    return time.perf_counter() - start, len(batch.events)


def measure(n: int, repeats: int) -> dict[str, Any]:
    """A row: nanoseconds of a cell-month without events and of an event, and the part of the bandwidth used."""
    scenario = worlds.full(n, max(5, n // 1000))
    shared = structure(scenario)
    count, kinds, _, steps, _ = shared.shape
    months, runs = count * kinds * steps, max(1, 20_000_000 // (count * kinds * steps))
    rows = rows_of(scenario, 1, np.arange(runs))
    run(shared, rows.part(0, 1), {})
    still, lively, whole, triads = [], [], [], []
    for _ in range(repeats):
        triads.append(bandwidth(8 * count * kinds // 1_000_000 + 60, 1))
        still.append(run(shared, rows, STILL))
        lively.append(run(shared, rows, SLACK))
        whole.append(run(shared, rows, {}))
    rest, busy, all_on = (median([seconds for seconds, _ in found]) / runs for found in (still, lively, whole))
    events, more = (lively[0][1] - still[0][1]) / runs, whole[0][1] / runs
    floor = months * BYTES_A_CELL_MONTH / median(triads)
    return {
        "places": n, "triad GB/s": median(triads) / 1e9, "floor s": floor, "no events s": rest,
        "floor reached": floor / rest, "ns a cell-month": rest / months * 1e9, "slack money s": busy,
        "ns an event": (busy - rest) / max(events, 1.0) * 1e9, "all s": all_on, "events": more,
        "times the floor": all_on / floor,
    }  # fmt: skip


def main(arguments: list[str] | None = None) -> list[Row]:
    """Measure each size apart, print, write."""
    chosen = options(__doc__ or "").parse_args(arguments)
    sizes = (50,) if chosen.tiny else (50, 1_000, 10_000, 100_000, 1_000_000)
    rows = []
    for n in sizes:
        found = apart("benchmarks.floor", "--places", n, 1 if n >= 10**6 else min(chosen.repeats, 3))
        rows.append({key: value for key, value in found.items() if key != "peak"})
    two = bandwidth(200, 2)
    return told("floor", rows, chosen, triad_two_threads=two, pages=resource.getpagesize())


if __name__ == "__main__":
    if sys.argv[1:2] == ["--places"]:
        give_back(measure(int(sys.argv[2]), int(sys.argv[3])))
    else:
        main()
