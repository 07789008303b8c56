"""How is a measurement taken, told and kept? In turns, by the median, in pyperf's format."""

from __future__ import annotations

import argparse
import resource
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pandas as pd
import pyperf

ROOT = Path(__file__).resolve().parent.parent
OURS = "uptake_"
"""What our own entries of pyperf's metadata begin with."""
VERSIONS = ("numpy", "scipy", "numba", "mesa")


@dataclass
class Measured:
    """One line of a table: what was measured, seconds of each repeat, and facts beside them; `peak` in bytes."""

    what: str
    seconds: Sequence[float]
    facts: dict[str, int | float | str] = field(default_factory=dict)
    peak: int = 0


def options(description: str) -> argparse.ArgumentParser:
    """The options that all commands have."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--tiny", action="store_true", help="sizes that take seconds: to see that all works")
    parser.add_argument("--repeats", type=int, default=5, help="repeats of each measurement, interleaved")
    parser.add_argument("--output", type=Path, default=ROOT / "benchmarks" / "results", help="folder for the JSON")
    return parser


def told(name: str, found: Sequence[Measured], chosen: argparse.Namespace) -> pyperf.BenchmarkSuite:
    """Print what was measured as a table, and write it for `python -m pyperf`, which compares two such files."""
    versions = {f"{package}_version": version(package) for package in VERSIONS}
    benchmarks = []
    for one in found:
        facts = {OURS + key: value for key, value in one.facts.items()}
        own = {"name": one.what, "loops": 1, "unit": "second", "tiny": str(chosen.tiny), **versions, **facts}
        own["columns"] = "|".join(["seconds", *one.facts])  # pyperf writes its metadata sorted by name
        benchmarks.append(pyperf.Benchmark([pyperf.Run(list(one.seconds), metadata=own)]))
    suite = pyperf.BenchmarkSuite(benchmarks)
    print(table(suite).to_string(index=False))
    chosen.output.mkdir(parents=True, exist_ok=True)
    path = chosen.output / f"{name}.json"
    suite.dump(str(path), replace=True)
    print(f"written: {path}\n")
    return suite


def table(suite: pyperf.BenchmarkSuite) -> pd.DataFrame:
    """The lines of a suite, as they are shown: what, the median of its seconds, and the facts."""
    lines = []
    for one in suite.get_benchmarks():
        known = one.get_metadata()
        known[f"{OURS}seconds"] = one.median()
        lines.append({"what": one.get_name(), **{key: known[OURS + key] for key in known["columns"].split("|")}})
    return pd.DataFrame(lines, dtype=object).map(shown)


def shown(value: Any) -> str:
    """A cell of a table, to three digits."""
    if pd.isna(value):
        return ""
    if isinstance(value, float):
        return f"{value:,.0f}" if 100 <= abs(value) < 1e6 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def interleaved(jobs: Mapping[str, Callable[[], float]], repeats: int, patience: float = 5.0) -> dict[str, list[float]]:
    """Seconds of each job, taking turns, so that a change of load meets all; a job beyond `patience` runs once."""
    seconds: dict[str, list[float]] = {name: [] for name in jobs}
    for _ in range(repeats):
        for name, job in jobs.items():
            if not seconds[name] or seconds[name][0] <= patience:
                seconds[name].append(float(job()))
    return seconds


def timed(function: Callable[..., Any], *given: Any) -> float:
    """Seconds on the clock."""
    start = time.perf_counter()
    function(*given)
    return time.perf_counter() - start


median = statistics.median


def apart(measure: Callable[..., Measured], *given: Any) -> Measured:
    """A measurement in a process of its own, with the peak of that process's memory."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_with_peak, measure, *given).result()


def _with_peak(measure: Callable[..., Measured], *given: Any) -> Measured:
    found = measure(*given)
    found.peak = peak_memory()
    return found


def peak_memory() -> int:
    """The largest memory that this program has held, bytes."""
    # getrusage, which pyperf asks too, counts what the process held before it became this program: its parent's pages
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text(encoding="ascii").splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
