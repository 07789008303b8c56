"""Do the measurements run at a tiny size, and does everybody do the same work? Nothing here depends on the clock."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pyperf
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import common, floor, full, page, peers, rivals, simple, startup, sweeps, worlds
from benchmarks.graphs import listeners, regular_graph
from sim.engine.columns import rewired, structure
from sim.engine.network import sparse_rows
from sim.engine.rows import execute, rows_of

P, Q, STEPS = simple.P, simple.Q, simple.STEPS


@pytest.mark.slow
@pytest.mark.parametrize("command", [floor, full, simple, startup, sweeps])
def test_each_command_measures_and_writes(command, tmp_path, capsys):
    suite = command.main(["--tiny", "--repeats", "1", "--output", str(tmp_path)])
    path = tmp_path / f"{command.__name__.rpartition('.')[2]}.json"
    kept = pyperf.BenchmarkSuite.load(str(path))
    assert kept.get_benchmark_names() == suite.get_benchmark_names()
    assert common.table(kept).equals(common.table(suite))
    printed = capsys.readouterr().out
    assert str(tmp_path) in printed and all(name in printed for name in kept.get_benchmark_names())
    for one in kept.get_benchmarks():
        known = one.get_metadata()
        assert one.median() > 0 and known["cpu_count"] >= 1 and known["tiny"] == "True"
        for key in ("cell-months/s", "runs/s", "no events s", "agent-steps/s", "peak MB"):
            assert known.get(f"uptake_{key}", 1) > 0


def test_the_graph_is_regular_and_ours_carries_it():
    start, neighbours, weights = regular_graph(300)
    assert (np.diff(start) == 8).all()
    assert (np.diff(neighbours.reshape(-1, 8), axis=1) > 0).all()
    assert (neighbours != listeners((start, neighbours, weights))).all()
    shared, _ = simple.ours(300, (start, neighbours, weights))
    np.testing.assert_array_equal(shared.peers_in["place"], neighbours)
    assert (shared.peers_in["weight"] == 2**31 // 8).all()


def test_a_structure_with_its_own_links_again_gives_the_same_events():
    scenario = worlds.full(40, 4)
    shared = structure(scenario)
    links = shared.network.peers
    target = np.repeat(np.arange(40), np.diff(links.start))
    again = rewired(shared, sparse_rows(40, links.neighbour.astype(np.int64), target, links.weight / 2**31))
    rows = rows_of(scenario, 1, np.arange(5))
    one, two = execute(shared, rows, 1, 1), execute(again, rows, 1, 1)
    assert one.events.tolist() == two.events.tolist()


@pytest.mark.parametrize("name", ["scipy", "numpy-runs", "mesa", "mesa-lean"])
def test_curves_of_the_simple_work_agree(name):
    n, runs = 400, 60
    graph = regular_graph(n)
    shared, scenario = simple.ours(n, graph)
    ours = simple.curve_of(execute(shared, rows_of(scenario, 1, np.arange(runs)), 1, 1), runs)
    curves = [peers.PEERS[name][0](graph, P, Q, STEPS, seed)[1] for seed in range(4)]
    assert simple.distance(np.mean(curves, axis=0) * 2, ours * 2, n) < 4


def test_a_curve_of_other_work_is_told_apart():
    n, runs = 400, 60
    graph = regular_graph(n)
    shared, scenario = simple.ours(n, graph)
    ours = simple.curve_of(execute(shared, rows_of(scenario, 1, np.arange(runs)), 1, 1), runs)
    curves = [peers.run_numpy(graph, 1.3 * P, 1.3 * Q, STEPS, seed)[1] for seed in range(4)]
    assert simple.distance(np.mean(curves, axis=0) * 2, ours * 2, n) > 4


def test_the_curve_counts_all_who_adopted():
    n, runs = 200, 10
    shared, scenario = simple.ours(n, regular_graph(n))
    batch = execute(shared, rows_of(scenario, 1, np.arange(runs)), 1, 1)
    curve = simple.curve_of(batch, runs)
    assert curve[0] == 0
    assert curve[-1] == len(batch.events) / runs
    assert (np.diff(curve) >= 0).all()


def test_rivals_do_the_same_hazard_and_money():
    scenario, runs = worlds.money(), 200
    batch = execute(structure(scenario), rows_of(scenario, 1, np.arange(runs)), 1, 1)
    per_run = np.bincount(batch.event_rows, weights=batch.events["source"] > 0, minlength=runs)
    error = per_run.std() * np.sqrt(1 / runs + 1 / 100)
    assert abs(rivals.in_numpy(rivals.country(), 100, 1) - per_run.mean()) < 5 * error
    model = rivals.Economy(rng=1)
    for _ in range(model.world.steps):
        model.step()
    assert abs(model.adoptions - per_run.mean()) < 5 * per_run.std()


def test_worlds_have_every_mechanism_on_or_off():
    on = worlds.full()
    assert on.finance.cost_level > 0 and on.security.incident_rate > 0 and on.sanctions.severity > 0 and on.mandates
    assert np.isfinite(on.technologies.life).any() and (on.technologies.lag > 0).any()
    off = worlds.simple(100, 0.1, 0.2)
    assert off.finance.cost_level == 0 and off.security.incident_rate == 0 and not off.mandates
    assert not off.portfolio.any()


def test_the_page_takes_the_tables_that_are_there(tmp_path, capsys):
    chosen = common.options("").parse_args(["--output", str(tmp_path)])
    lines = [
        common.Measured("a thousand", [0.25, 0.5, 0.25], {"n": 1000}),
        common.Measured("others", [2.0], {"x": 3e6}),
    ]
    common.told("simple", lines, chosen)
    text = "<!-- simple -->\nold\n<!-- end -->\nkept\n<!-- full -->\nstays\n<!-- end -->\n"
    filled = page.filled(text, tmp_path)
    assert "| a thousand | 0.25 | 1,000 |  |" in filled and "| others | 2 |  | 3e+06 |" in filled
    assert "old" not in filled and "kept" in filled and "stays" in filled
    assert "numba" in filled and "cores" in filled
    assert page.filled(filled, tmp_path) == filled
    assert capsys.readouterr().out.count("a thousand") == 1


def test_a_measurement_apart_tells_its_own_memory():
    found = common.apart(startup.imports)
    assert set(found.facts) >= {"numba", "pandas"} and 50e6 < found.peak < 2e9
