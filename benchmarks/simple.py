"""How fast is the simple work - one technology, no money - beside other tools, and do the curves agree?

Ours runs through its ordinary entry with the other mechanisms at their neutral values; no code path is special.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pyperf

from benchmarks import peers, worlds
from benchmarks.common import Measured, interleaved, median, options, timed, told
from benchmarks.graphs import Graph, listeners, regular_graph
from sim.engine.columns import Structure, rewired, structure
from sim.engine.network import sparse_rows
from sim.engine.rows import Batch, execute, rows_of
from sim.scenario.scenario import Scenario

P, Q, STEPS = 0.002, 0.04, 120
SPREAD = 1.25
"""Standard deviation of the number of adopters in a run, in roots of n, where it is largest."""
ENVIRONMENTS = {"starsim": ["starsim==3.7.2"], "eon": ["EoN==2.0", "networkx<4"]}
"""What other tools need beside numpy and scipy, each in an environment of its own."""


def ours(n: int, graph: Graph) -> tuple[Structure, Scenario]:
    """The structure of our world on the peers' graph, and its scenario."""
    scenario = worlds.simple(n, P * 12, Q * 12)
    share = np.asarray(graph[2], np.float64)
    return rewired(structure(scenario), sparse_rows(n, graph[1].astype(np.int64), listeners(graph), share)), scenario


def curve_of(batch: Batch, runs: int) -> np.ndarray:
    """Mean number of adopters at each instant, float64[STEPS + 1]."""
    adopted = batch.events["adopted"]
    return np.cumsum(np.bincount(adopted, minlength=STEPS + 1)[: STEPS + 1]) / runs


def distance(curve: np.ndarray, reference: np.ndarray, n: int) -> float:
    """The largest gap of two curves in standard deviations of one run (the larger, where n is small): below 5, chance.

    The deviation of a run grows with the root of n; it was taken from 500 of our runs at n = 1 000.
    """
    return float(np.abs(np.asarray(curve) - reference).max() / (SPREAD * np.sqrt(n)))


def measure(n: int, repeats: int, interpreters: Mapping[str, str]) -> list[Measured]:
    """Lines for n places: seconds, agent-steps a second, how often ours is faster, distance of the curves."""
    graph = regular_graph(n)
    shared, scenario = ours(n, graph)
    runs = max(1, 100_000 // n)
    rows = rows_of(scenario, 1, np.arange(runs))
    reference = curve_of(execute(shared, rows, 1, 1), runs)
    curves: dict[str, np.ndarray] = {}
    missing: dict[str, str] = {}

    def peer(name: str) -> float:
        if name not in missing:
            try:
                seconds, curves[name] = raced(name, graph, runs, interpreters.get(name, ""))
                return seconds
            except (ImportError, RuntimeError) as error:
                missing[name] = str(error)[:100]
        return 0.0

    jobs: dict[str, Callable[[], float]] = {
        f"uptake, {count} thread{'s' * (count > 1)}": lambda count=count: timed(execute, shared, rows, 1, count) / runs
        for count in (1, 2)
    }
    for name, (_, largest) in peers.PEERS.items():
        if n <= largest:
            jobs[name] = lambda name=name: peer(name)
        else:
            missing[name] = f"takes too long beyond {largest:,}"
    seconds = interleaved(jobs, repeats)
    found, first = [], median(next(iter(seconds.values())))
    for name, spent in seconds.items():
        if name not in missing:
            middle = median(spent)
            facts: dict[str, int | float | str] = {"agent-steps/s": n * STEPS / middle, "times ours": middle / first}
            if name in curves:
                facts |= {"distance": distance(curves[name], reference, n), "final": float(curves[name][-1] / n)}
            found.append(Measured(f"{n:,} places: {name}", spent, facts))
    for name, why in missing.items():
        print(f"{n:,} places: {name} was not measured: {why}")
    return found


def raced(name: str, graph: Graph, runs: int, interpreter: str) -> tuple[float, np.ndarray]:
    """Seconds of one run of a peer and its curve, here or by the interpreter that holds it.

    Raises ImportError or RuntimeError where it is not to be had.
    """
    if name == "numpy-runs":
        seconds, curve = peers.run_numpy(graph, P, Q, STEPS, 1, runs)
        return seconds / runs, curve
    if not interpreter:
        return peers.PEERS[name][0](graph, P, Q, STEPS, 1)
    command = [interpreter, str(Path(peers.__file__)), name, *map(str, (len(graph[0]) - 1, STEPS, P, Q, 1))]
    clean = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=clean)
    if done.returncode:
        raise RuntimeError((done.stderr.strip() or f"ended with {done.returncode}").splitlines()[-1])
    found = json.loads(done.stdout.splitlines()[-1])
    return float(found["seconds"]), np.array(found["curve"])


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


def main(arguments: list[str] | None = None) -> pyperf.BenchmarkSuite:
    """Measure, print, write."""
    parser = options(__doc__ or "")
    parser.add_argument("--peers", action="store_true", help="also tools that need environments of their own")
    place = Path(tempfile.gettempdir()) / "uptake-peers"
    parser.add_argument("--environments", type=Path, default=place, help="folder of those environments")
    chosen = parser.parse_args(arguments)
    interpreters = environments(chosen.environments) if chosen.peers else {}
    sizes = (200, 1000) if chosen.tiny else (10**3, 10**4, 10**5, 10**6)
    return told("simple", [line for n in sizes for line in measure(n, chosen.repeats, interpreters)], chosen)


if __name__ == "__main__":
    main()
