"""How fast is the simple work - one technology, no money - beside other tools, and do the curves agree?

Ours runs through its ordinary entry with the other mechanisms at their neutral values; no code path is special.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import peers, worlds
from benchmarks.common import Row, answer, interleaved, median, options, timed, told
from benchmarks.graphs import Graph, listeners, regular_graph
from sim.engine.columns import Structure, rewired, structure
from sim.engine.network import sparse_rows
from sim.engine.rows import Batch, execute, rows_of

P, Q, STEPS = 0.002, 0.04, 120
SPREAD = 1.25
"""Standard deviation of the number of adopters in a run, in roots of n, where it is largest."""
ENVIRONMENTS = {"starsim": ["starsim==3.7.2"], "eon": ["EoN==2.0", "networkx<4"]}
"""What other tools need beside numpy and scipy, each in an environment of its own."""


def ours(n: int, graph: Graph) -> tuple[Structure, Any]:
    """The structure of our world on the peers' graph, and its scenario."""
    scenario = worlds.simple(n, P * 12, Q * 12)
    share = np.asarray(graph[2], np.float64)
    return rewired(structure(scenario), sparse_rows(n, graph[1].astype(np.int64), listeners(graph), share)), scenario


def curve_of(batch: Batch, runs: int) -> np.ndarray:
    """Mean number of adopters at each instant, float64[STEPS + 1]."""
    adopted = batch.events["adopted"]
    return np.cumsum(np.bincount(adopted, minlength=STEPS + 1)[: STEPS + 1]) / runs


def measure(n: int, repeats: int, places: dict[str, str], threads: tuple[int, ...] = (1, 2)) -> list[Row]:
    """Rows for n places: seconds, agent-steps a second, how often ours is faster, distance of the curves."""
    graph = regular_graph(n)
    shared, scenario = ours(n, graph)
    runs = max(1, 100_000 // n)
    rows = rows_of(scenario, 1, np.arange(runs))
    reference = curve_of(execute(shared, rows, 1, 1), runs)
    jobs: dict[str, Callable[[], float]] = {}
    for count in threads:
        jobs[f"uptake, {count} thread{'s' * (count > 1)}"] = lambda c=count: timed(execute, shared, rows, 1, c) / runs
    curves: dict[str, np.ndarray] = {}
    skipped: dict[str, str] = {}
    for name, (_, _, largest) in peers.PEERS.items():
        if n > largest:
            skipped[name] = f"takes too long beyond {largest:,}"
        else:
            jobs[name] = lambda name=name: _peer(name, n, graph, runs, places, curves, skipped)
    seconds = interleaved(jobs, repeats)
    first = median(next(iter(seconds.values())))
    found: list[Row] = []
    for name, values in seconds.items():
        if name in skipped:
            continue
        middle = median(values)
        line = {
            "n": n,
            "tool": name,
            "seconds": middle,
            "agent-steps/s": n * STEPS / middle,
            "times ours": middle / first,
        }
        if name in curves:
            line |= {"distance": distance(curves[name], reference, n), "final": float(curves[name][-1] / n)}
        found.append(line)
    return found + [{"n": n, "tool": name, "skipped": why} for name, why in skipped.items()]


def distance(curve: np.ndarray, reference: np.ndarray, n: int) -> float:
    """The largest gap of two curves in standard deviations of one run (the larger, where n is small): below 5, chance.

    The deviation of a run grows with the root of n; it was taken from 500 of our runs at n = 1 000.
    """
    return float(np.abs(np.asarray(curve) - reference).max() / (SPREAD * np.sqrt(n)))


def _peer(
    name: str,
    n: int,
    graph: Graph,
    runs: int,
    places: dict[str, str],
    curves: dict[str, np.ndarray],
    skipped: dict[str, str],
) -> float:
    """Seconds of one run of a peer, here or in the environment that holds it; its curve goes to `curves`."""
    if name in skipped:
        return 0.0
    try:
        if name == "numpy-runs":
            seconds, curves[name] = peers.run_numpy(graph, P, Q, STEPS, 1, runs)
            return seconds / runs
        if name not in places:
            seconds, curves[name] = peers.PEERS[name][0](graph, P, Q, STEPS, 1)
            return seconds
        command = [places[name], str(Path(peers.__file__)), name, *map(str, (n, STEPS, P, Q, 1))]
        clean = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
        found = answer(subprocess.run(command, capture_output=True, text=True, check=False, env=clean))
        curves[name] = np.array(found["curve"])
        return float(found["seconds"])
    except (ImportError, RuntimeError) as error:
        skipped[name] = str(error)[:100]
        return 0.0


def environments(folder: Path) -> dict[str, str]:
    """The interpreter that holds each tool, in environments under a folder, made where they are not there yet."""
    found = {}
    for name, packages in ENVIRONMENTS.items():
        python = folder / name / "bin" / "python"
        if not python.exists():
            subprocess.run([sys.executable, "-m", "venv", str(folder / name)], check=True)
            subprocess.run([str(python), "-m", "pip", "install", "-q", "numpy", "scipy", *packages], check=False)
        found[name] = str(python)
    if Path("/usr/bin/python3").exists():
        found["graph-tool"] = "/usr/bin/python3"
    return found


def main(arguments: list[str] | None = None) -> list[Row]:
    """Measure, print, write."""
    parser = options(__doc__ or "")
    parser.add_argument("--peers", action="store_true", help="also tools that need environments of their own")
    parser.add_argument(
        "--environments",
        type=Path,
        default=Path(tempfile.gettempdir()) / "uptake-peers",
        help="folder of those environments",
    )
    chosen: argparse.Namespace = parser.parse_args(arguments)
    places = environments(chosen.environments) if chosen.peers else {}
    rows: list[Row] = []
    for n in (200, 1000) if chosen.tiny else (10**3, 10**4, 10**5, 10**6):
        rows += measure(n, chosen.repeats, places)
    return told("simple", rows, chosen, p=P, q=Q, steps=STEPS)


if __name__ == "__main__":
    main()
