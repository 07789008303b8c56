"""How long until something happens: help, a check, a first replicate, with and without compiled code?"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyperf

from benchmarks.common import ROOT, Measured, apart, interleaved, options, told

_FIRST = "import uptake; uptake.run(uptake.load('perm-krai'), 1, policy='none')"


def command(*words: str, cache: Path) -> float:
    """Seconds of a command in a process of its own."""
    start = time.perf_counter()
    environment = {**os.environ, "UPTAKE_CACHE": str(cache)}
    subprocess.run([sys.executable, *words], cwd=ROOT, env=environment, capture_output=True, check=True)
    return time.perf_counter() - start


def imports() -> Measured:
    """Seconds of this process's imports of what a run needs; each alone, after those before it."""
    parts: dict[str, int | float | str] = {}
    began = time.perf_counter()
    for name in ("numba", "sim.results.run", "pandas", "pyarrow.parquet", "matplotlib.figure"):
        start = time.perf_counter()
        __import__(name)
        parts[name] = time.perf_counter() - start
    return Measured("imports of a run", [time.perf_counter() - began], parts)


def main(arguments: list[str] | None = None) -> pyperf.BenchmarkSuite:
    """Measure, print, write."""
    chosen = options(__doc__ or "").parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cache, fresh = folder / "cache", folder / "fresh"
        run = ("run", "perm-krai", "--replicates", "1", "--policy", "none", "--force", "-o", str(folder / "results"))
        jobs = {
            "python -c pass": lambda: command("-c", "pass", cache=cache),
            "uptake --help": lambda: command("-m", "uptake", "--help", cache=cache),
            "uptake check perm-krai": lambda: command("-m", "uptake", "check", "perm-krai", cache=cache),
        }
        found = []
        if not chosen.tiny:
            found.append(Measured("first replicate, cold: compiles", [command("-c", _FIRST, cache=fresh)]))
            command("-c", _FIRST, cache=cache)
            jobs["first replicate, cached"] = lambda: command("-c", _FIRST, cache=cache)
            whole = "uptake run perm-krai --replicates 1, with pictures and report"
            jobs[whole] = lambda: command("-m", "uptake", *run, cache=cache)
        found += [Measured(job, seconds) for job, seconds in interleaved(jobs, chosen.repeats, patience=60).items()]
    return told("startup", [*found, apart(imports)], chosen)


if __name__ == "__main__":
    main()
