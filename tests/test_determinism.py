"""Does a run give the same bits whatever the threads, the process and the version of Python?"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import shutil
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from worlds import random_world

from sim.engine import rows as batch
from sim.engine.columns import structure
from sim.engine.rows import execute, rows_of
from sim.scenario.scenario import Scenario, load

WORLDS = (3, 8, 21)
REPLICATES = 24
PROGRAM = """
import hashlib, json, sys
import numpy as np
from sim.engine.rows import execute, rows_of
from sim.scenario.scenario import Scenario, load
from sim.engine.columns import structure

def digest(scenario):
    shared = structure(scenario)
    rows = rows_of(scenario, 5, np.arange(24))
    batch = execute(shared, rows, 5, 2)
    parts = (batch.events, batch.payments, batch.outages, batch.ends, batch.tables, batch.ledgers)
    columns = [[part[name] for name in part.dtype.names or (...,)] for part in parts]
    return [hashlib.sha256(b"".join(c.tobytes() for c in given)).hexdigest()[:16] for given in columns]

with open(sys.argv[1], encoding="utf-8") as file:
    worlds = [Scenario.from_resolved(values) for values in json.load(file)]
print(json.dumps([digest(world) for world in worlds]))
"""


def digests(scenario: Scenario, threads: int = 2, replicates: int = REPLICATES) -> list[str]:
    """Hashes of all that the engine gives: events, payments, outages, ends, yearly tables, ledgers.

    Column by column, since the room between the columns of a record holds whatever was in memory.
    """
    shared = structure(scenario)
    found = execute(shared, rows_of(scenario, 5, np.arange(replicates)), 5, threads)
    parts = (found.events, found.payments, found.outages, found.ends, found.tables, found.ledgers)
    columns = [[part[name] for name in part.dtype.names or (...,)] for part in parts]
    return [hashlib.sha256(b"".join(c.tobytes() for c in given)).hexdigest()[:16] for given in columns]


def of_world(seed: int) -> list[str]:
    return digests(random_world(seed))


@pytest.fixture(scope="module")
def expected() -> list[list[str]]:
    return [of_world(seed) for seed in WORLDS]


def test_the_worlds_have_something_to_compare(expected: list[list[str]]) -> None:
    assert len({tuple(world) for world in expected}) == len(WORLDS)
    shared = structure(random_world(WORLDS[2]))
    found = execute(shared, rows_of(random_world(WORLDS[2]), 5, np.arange(REPLICATES)), 5, 1)
    assert len(found.events) > 100
    assert digests(random_world(WORLDS[0]).override({"diffusion.peers": 0.777})) != expected[0]


@pytest.mark.parametrize("threads", [1, 2, 8])
def test_threads_change_no_bit(expected: list[list[str]], threads: int) -> None:
    assert [digests(random_world(seed), threads) for seed in WORLDS] == expected


@pytest.mark.parametrize("threads", [2, 3, 64])
def test_threads_that_share_one_run_change_no_bit(monkeypatch: pytest.MonkeyPatch, threads: int) -> None:
    alone = [digests(random_world(seed), 1, 1) for seed in WORLDS]
    monkeypatch.setattr(batch, "LARGE", 0)
    assert [digests(random_world(seed), threads, 1) for seed in WORLDS] == alone


def test_threads_change_no_bit_of_a_shipped_scenario() -> None:
    scenario = load("perm-krai", {"end": "2024-12"})
    assert digests(scenario, 1) == digests(scenario, 2) == digests(scenario, 8)


@pytest.mark.parametrize("method", ["spawn", "fork", "forkserver"])
def test_ways_to_start_a_process_change_no_bit(expected: list[list[str]], method: str) -> None:
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"this system has no {method}")
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context(method)) as pool:
        assert list(pool.map(of_world, WORLDS)) == expected


def test_dask_changes_no_bit(expected: list[list[str]]) -> None:
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        assert list(client.get_executor().map(of_world, WORLDS)) == expected


def _digests_of(python: str, worlds: Path, **environment: str) -> list[list[str]]:
    told = subprocess.run(
        [python, "-c", PROGRAM, str(worlds)], capture_output=True, text=True, check=True,
        env={**os.environ, **environment}, cwd=worlds.parent,
    )  # fmt: skip
    return list(json.loads(told.stdout))


@pytest.fixture
def written(tmp_path: Path) -> Path:
    path = tmp_path / "worlds.json"
    path.write_text(json.dumps([random_world(seed).resolved() for seed in WORLDS]), encoding="utf-8")
    return path


def test_hash_seeds_and_languages_change_no_bit(expected: list[list[str]], written: Path) -> None:
    for seed, language in (("1", "C"), ("77", "C.UTF-8")):
        assert _digests_of(sys.executable, written, PYTHONHASHSEED=seed, LC_ALL=language) == expected


@pytest.mark.slow
@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
def test_versions_of_python_change_no_event(expected: list[list[str]], written: Path, version: str) -> None:
    """`UPTAKE_PYTHONS` names interpreters that have the package: 3.12=/path/to/python:3.13=/path/to/python."""
    named = dict(pair.split("=", 1) for pair in os.environ.get("UPTAKE_PYTHONS", "").split(":") if pair)
    python = named.get(version) or (sys.executable if f"{sys.version_info[0]}.{sys.version_info[1]}" == version else "")
    if not shutil.which(python or "nothing"):
        pytest.skip(f"UPTAKE_PYTHONS names no interpreter of version {version}")
    assert _digests_of(python, written) == expected
