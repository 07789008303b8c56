"""How is a measurement taken, told and kept?"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

MARK = "RESULT "
ROOT = Path(__file__).resolve().parent.parent
Row = Mapping[str, Any]


def options(description: str) -> argparse.ArgumentParser:
    """The options that all commands have."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--tiny", action="store_true", help="sizes that take seconds: to see that all works")
    parser.add_argument("--repeats", type=int, default=5, help="repeats of each measurement, interleaved")
    parser.add_argument("--output", type=Path, default=ROOT / "benchmarks" / "results", help="folder for the JSON")
    return parser


def machine() -> dict[str, Any]:
    """What was measured on: processor, cores, load when it began, versions."""
    model = platform.processor()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), model)
    versions = {name: version(name) for name in ("numpy", "scipy", "numba", "mesa")}
    load = [round(x, 2) for x in os.getloadavg()]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return {
        "processor": model,
        "cores": cores,
        "load": load,
        "python": platform.python_version(),
        "time": when,
    } | versions


def told(name: str, rows: Sequence[Row], arguments: argparse.Namespace, **more: Any) -> list[Row]:
    """Print the rows as a table and write them as JSON; returns them."""
    columns = list(dict.fromkeys(key for row in rows for key in row if key != "curve"))
    cells = [[shown(row.get(column)) for column in columns] for row in rows]
    widths = [max(map(len, (column, *(row[at] for row in cells)))) for at, column in enumerate(columns)]
    for line in (columns, ["-" * width for width in widths], *cells):
        print("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)))
    arguments.output.mkdir(parents=True, exist_ok=True)
    kept = {"benchmark": name, "tiny": arguments.tiny, "machine": machine(), **more, "rows": list(rows)}
    path = arguments.output / f"{name}.json"
    path.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    print(f"written: {path}\n")
    return list(rows)


def shown(value: Any) -> str:
    """A cell of a table, to three digits."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:,.0f}" if 100 <= abs(value) < 1e6 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


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


def median(values: Sequence[float]) -> float:
    """The middle one."""
    return float(np.median(values))


def apart(module: str, *given: object, environment: Mapping[str, str] | None = None) -> dict[str, Any]:
    """What `python -m module ARGUMENTS` gives back with `give_back`, in a process of its own."""
    command = [sys.executable, "-m", module, *map(str, given)]
    ran = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, env={**os.environ, **(environment or {})}
    )
    return answer(ran)


def answer(ran: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """The answer of a process; raises RuntimeError with the last line of what went wrong."""
    for line in ran.stdout.splitlines():
        if line.startswith(MARK):
            return dict(json.loads(line[len(MARK) :]))
    lines = (ran.stderr or ran.stdout or f"ended with {ran.returncode}").strip().splitlines()
    raise RuntimeError(lines[-1])


def give_back(found: Mapping[str, Any]) -> None:
    """Hand a measurement to the process that asked, with this process's peak memory in bytes."""
    print(MARK + json.dumps({**found, "peak": peak_memory()}))


def peak_memory() -> int:
    """The largest memory that this program has held, bytes; where the system tells it, without what its parent held."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text(encoding="ascii").splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
