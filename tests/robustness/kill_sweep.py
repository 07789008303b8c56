"""Is a sweep that is killed again and again, and resumed, the same as one that nobody disturbed?

    python tests/robustness/kill_sweep.py --kills 100

Each process is killed (SIGKILL, its whole group) at a random moment between its first and its last part, and another
goes on. The final files must be byte-identical with those of an undisturbed sweep, nothing lost and nothing twice.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import sim

FINAL = ("design.parquet", "outcomes.parquet", "resolved.json", "sweep.json", "STATUS")
CHILD = """
import sys
from pathlib import Path
import sim
from sim.studies import execution

execution.PART_SECONDS = float(sys.argv[3])
execution.TIMING_SECONDS = 0.02
folder = Path(sys.argv[1])
scenario = sim.load(folder.parent / "scenario.json")
factors = {"diffusion.peers": (0.05, 1.0), "finance.own_share": None, "network.neighbours": [6, 12]}
points, threads = int(sys.argv[2]), int(sys.argv[4])
sim.sweep(scenario, factors, "lhs", points, replicates=3, policies=["no-mandate"], threads=threads, folder=folder,
          resume=True)
"""


def write_scenario(path: Path) -> None:
    """A scenario in one file, which nobody changes meanwhile."""
    path.write_text(json.dumps(sim.load("perm-krai", {"end": "2024-01"}).resolved()), encoding="utf-8")


def start(folder: Path, points: int, part_seconds: float, threads: int = 1) -> subprocess.Popen[bytes]:
    """A process that goes on with the sweep in `folder`."""
    command = [sys.executable, "-c", CHILD, str(folder), str(points), str(part_seconds), str(threads)]
    return subprocess.Popen(command, start_new_session=True, stderr=subprocess.PIPE)


def digests(folder: Path) -> dict[str, str]:
    """Hashes of the final files and tables."""
    files = [folder / name for name in FINAL] + sorted((folder / "tables").glob("*"))
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def finish(folder: Path, points: int, part_seconds: float, threads: int = 1) -> dict[str, str]:
    """Let a process run to its end."""
    child = start(folder, points, part_seconds, threads)
    _, errors = child.communicate()
    if child.returncode:
        raise SystemExit(f"the sweep failed: {errors.decode()}")
    return digests(folder)


def parts(folder: Path) -> int:
    """Parts that are there."""
    return len(list((folder / "parts").glob("*.parquet")))


def kill_while_running(folder: Path, points: int, part_seconds: float, chance: random.Random) -> bool:
    """Start a process, let it write a random number of further parts, kill it; False when it came to its end first."""
    child = start(folder, points, part_seconds)
    before, wanted = parts(folder), chance.randint(1, 3)
    while child.poll() is None and parts(folder) < before + wanted:
        time.sleep(0.001)
    time.sleep(chance.random() * part_seconds)
    ended = child.poll() is not None
    if not ended:
        os.killpg(child.pid, signal.SIGKILL)
    child.communicate()
    return not ended and not (folder / "outcomes.parquet").is_file()


def disturbed(kills: int, points: int, part_seconds: float, seed: int) -> tuple[int, int]:
    """Sweeps killed and resumed until there were so many kills; returns kills and sweeps. Raises on any difference."""
    chance = random.Random(seed)
    done = sweeps = 0
    with tempfile.TemporaryDirectory() as root:
        write_scenario(Path(root) / "scenario.json")
        undisturbed = finish(Path(root) / "undisturbed", points, part_seconds, threads=2)
        while done < kills:
            folder = Path(root) / f"disturbed-{sweeps}"
            while done < kills and kill_while_running(folder, points, part_seconds, chance):
                done += 1
            if finish(folder, points, part_seconds) != undisturbed:
                raise SystemExit(f"after {done} kills the files of {folder} differ from the undisturbed ones")
            sweeps += 1
    return done, sweeps


def main() -> None:
    """Kill and compare; exit 1 on a difference."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--points", type=int, default=400)
    parser.add_argument("--part-seconds", type=float, default=0.15)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    kills, sweeps = disturbed(asked.kills, asked.points, asked.part_seconds, asked.seed)
    print(f"{kills} kills in {sweeps} sweeps: every final file byte-identical with the undisturbed sweep")


if __name__ == "__main__":
    main()
