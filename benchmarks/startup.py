"""How long until something happens: help, a check, a first replicate, with and without compiled code?"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.common import ROOT, Row, apart, give_back, interleaved, median, options, told

_FIRST = "import sim; from sim.results.run import run; run(sim.load('perm-krai'), 1, policy='none')"


def command(*words: str, cache: Path) -> float:
    """Seconds of a command in a process of its own."""
    start = time.perf_counter()
    environment = {**os.environ, "UPTAKE_CACHE": str(cache)}
    ran = subprocess.run(
        [sys.executable, *words], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    if ran.returncode:
        raise RuntimeError(ran.stderr.strip().splitlines()[-1])
    return time.perf_counter() - start


def imports() -> dict[str, float]:
    """Seconds of this process's imports of what a run needs."""
    found, start = {}, time.perf_counter()
    for name in ("numba", "sim", "sim.results.run", "pandas", "pyarrow.parquet", "matplotlib.figure"):
        __import__(name)
        found[f"import {name} (after those above)"] = time.perf_counter() - start
        start = time.perf_counter()
    return found


def main(arguments: list[str] | None = None) -> list[Row]:
    """Measure, print, write."""
    chosen = options(__doc__ or "").parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cache, other = folder / "cache", folder / "other"
        found: list[Row] = []
        if not chosen.tiny:
            found.append({"what": "first replicate, cold: compiles", "seconds": command("-c", _FIRST, cache=other)})
        output = str(folder / "results")
        run = ("-m", "sim", "run", "perm-krai", "--replicates", "1", "--policy", "none", "--force", "-o", output)
        jobs = {
            "python -c pass": lambda: command("-c", "pass", cache=cache),
            "uptake --help": lambda: command("-m", "sim", "--help", cache=cache),
            "uptake check perm-krai": lambda: command("-m", "sim", "check", "perm-krai", cache=cache),
        }
        if not chosen.tiny:
            command("-c", _FIRST, cache=cache)
            jobs["first replicate, cached"] = lambda: command("-c", _FIRST, cache=cache)
            jobs["uptake run perm-krai --replicates 1, with pictures and report"] = lambda: command(*run, cache=cache)
        for job, seconds in interleaved(jobs, chosen.repeats, patience=60).items():
            found.append({"what": job, "seconds": median(seconds)})
        parts = apart("benchmarks.startup", "--imports")
        found += [{"what": what, "seconds": seconds} for what, seconds in parts.items() if what != "peak"]
    return told("startup", found, chosen)


if __name__ == "__main__":
    if sys.argv[1:] == ["--imports"]:
        give_back(imports())
    else:
        main()
