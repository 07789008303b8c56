"""Is a sweep on a Dask cluster whose workers are killed the same as one on threads?

    python tests/robustness/kill_worker.py --kills 20

A scheduler and two workers on loopback; while the sweep runs, a worker is killed (SIGKILL) at random times and another
takes its place. The final files must be byte-identical with those of a sweep on threads.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kill_sweep import digests, write_scenario

import sim
from sim.studies import execution
from sim.studies.study import Study, study_of
from sim.studies.sweep import run_study

COMMON = ["--dashboard-address", "127.0.0.1:0"]


@contextmanager
def cluster(workers: int = 2) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """A scheduler on loopback and its workers, each a process of its own; the address, and the processes of workers."""
    command = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0", *COMMON]
    with tempfile.TemporaryFile() as log:
        scheduler = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        processes: list[subprocess.Popen[bytes]] = []
        try:
            address = _address(log, scheduler)
            processes += [start_worker(address) for _ in range(workers)]
            yield address, processes
        finally:
            for process in [*processes, scheduler]:
                stop(process)


def _address(log: object, scheduler: subprocess.Popen[bytes]) -> str:
    for _ in range(600):
        log.seek(0)  # type: ignore[attr-defined]
        found = re.search(rb"tcp://127\.0\.0\.1:\d+", log.read())  # type: ignore[attr-defined]
        if found:
            return found[0].decode()
        if scheduler.poll() is not None:
            break
        time.sleep(0.05)
    raise SystemExit("the scheduler did not start")


def start_worker(address: str) -> subprocess.Popen[bytes]:
    """A worker without a nanny: nobody starts it again."""
    command = [sys.executable, "-m", "distributed.cli.dask_worker", address, "--no-nanny", "--nthreads", "1", *COMMON]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)


def stop(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and its group."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def study(folder: Path, points: int) -> Study:
    """What is swept."""
    scenario = sim.load(folder / "scenario.json")
    factors = {"diffusion.peers": (0.05, 1.0), "network.neighbours": [6, 12]}
    return study_of(scenario, factors, "lhs", points, replicates=3, policies=["no-mandate"])


def killed_while_running(root: Path, points: int, kills: int, seed: int) -> tuple[int, bool]:
    """Run on threads and on a cluster with a killer; how many were killed, and whether the files are the same."""
    chance, done, over = random.Random(seed), 0, threading.Event()
    write_scenario(root / "scenario.json")
    work = study(root, points)
    run_study(work, root / "threads", threads=2)
    with cluster() as (address, processes):

        def killer() -> None:
            nonlocal done
            while done < kills and not over.wait(0.3 + chance.random()):
                number = chance.randrange(len(processes))
                stop(processes[number])
                processes[number] = start_worker(address)
                done += 1

        with execution.cluster(address, workers=2) as executor:
            thread = threading.Thread(target=killer)
            thread.start()
            try:
                found = run_study(work, root / "cluster", executor=executor)
            finally:
                over.set()
                thread.join()
    return done, not found.faults and digests(root / "cluster") == digests(root / "threads")


def main() -> None:
    """Kill and compare; exit 1 on a difference."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--points", type=int, default=3000)
    asked = parser.parse_args()
    execution.PART_SECONDS = 0.3
    done = round_number = 0
    while done < asked.kills:
        with tempfile.TemporaryDirectory() as root:
            killed, same = killed_while_running(Path(root), asked.points, asked.kills - done, round_number)
        done, round_number = done + killed, round_number + 1
        if not same:
            raise SystemExit(f"after {done} kills the files differ from those of threads")
        if not killed:
            raise SystemExit("the sweep was over before a worker could be killed; use more --points")
    print(f"{done} workers killed in {round_number} sweeps: every final file byte-identical with that of threads")


if __name__ == "__main__":
    main()
