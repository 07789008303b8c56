"""How near to the machine's memory does a month without events come, and what does an event cost?

A cell that waits is two numbers of four bytes, read, and one of them written: 12 bytes a cell-month that nothing can
avoid. The bandwidth is that of a triad, a = b + s c, compiled by the same compiler in the same run.
"""

from __future__ import annotations

import time

import numba
import numpy as np
import pyperf

from benchmarks import worlds
from benchmarks.common import Measured, apart, median, options, timed, told
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


def bandwidth(megabytes: int) -> float:
    """Bytes a second of the triad over arrays of `megabytes` together."""
    a, b, c = (np.ones(megabytes * 1_000_000 // 24) for _ in range(3))
    triad(a, b, c, 0.5)
    return len(a) * 24 / median([timed(triad, a, b, c, 0.5) for _ in range(5)])


def run(shared: Structure, rows: Rows, changes: dict[str, float]) -> tuple[float, int]:
    """Seconds and events of rows with some parameters changed."""
    changed = Rows(rows.parameters.copy(), rows.mandates[:, :0], rows.replicates)
    for name, value in changes.items():
        changed.parameters[name] = value
    start = time.perf_counter()
    batch = execute(shared, changed, 1, 1)
    return time.perf_counter() - start, len(batch.events)


def measure(n: int, repeats: int) -> Measured:
    """Seconds of a run with all on; nanoseconds of a cell-month without events and of an event; the bandwidth used."""
    scenario = worlds.full(n, max(5, n // 1000))
    shared = structure(scenario)
    count, kinds, _, steps, _ = shared.shape
    months = count * kinds * steps
    runs = max(1, 20_000_000 // months)
    rows = rows_of(scenario, 1, np.arange(runs))
    run(shared, rows.part(0, 1), {})
    triads: list[float] = []
    seconds: dict[str, list[float]] = {"still": [], "slack": [], "whole": []}
    events: dict[str, float] = {}
    for _ in range(repeats):
        triads.append(bandwidth(8 * count * kinds // 1_000_000 + 60))
        for name, changes in (("still", STILL), ("slack", SLACK), ("whole", {})):
            spent, number = run(shared, rows, changes)
            seconds[name].append(spent / runs)
            events[name] = number / runs
    still, slack, whole = (median(values) for values in seconds.values())
    floor = months * BYTES_A_CELL_MONTH / median(triads)
    return Measured(f"{n:,} places", seconds["whole"], {
        "triad GB/s": median(triads) / 1e9, "floor s": floor, "no events s": still, "floor reached": floor / still,
        "ns a cell-month": still / months * 1e9, "slack money s": slack,
        "ns an event": (slack - still) / max(events["slack"] - events["still"], 1.0) * 1e9,
        "events": events["whole"], "times the floor": whole / floor,
    })  # fmt: skip


def main(arguments: list[str] | None = None) -> pyperf.BenchmarkSuite:
    """Measure each size apart, print, write."""
    chosen = options(__doc__ or "").parse_args(arguments)
    sizes = (50,) if chosen.tiny else (50, 1_000, 10_000, 100_000, 1_000_000)
    found = [apart(measure, n, 1 if n >= 10**6 else min(chosen.repeats, 3)) for n in sizes]
    return told("floor", found, chosen)


if __name__ == "__main__":
    main()
