"""Rows and threads: what a batch computes is decided by its rows alone."""

import numpy as np
import pytest

import sim
from sim.engine.columns import EVENT
from sim.engine.rows import Simulation, assign, execute, rows_of, structures


@pytest.fixture(scope="module")
def perm():
    return sim.load("perm-krai")


def same_events(one, two):
    return len(one) == len(two) and all((one[name] == two[name]).all() for name in EVENT.names)


def test_draws_of_a_fit_differ_between_replicates_and_not_between_arms(perm):
    rows = rows_of(perm, 1, np.arange(50)).parameters["peers"]
    assert len(np.unique(rows)) > 10
    np.testing.assert_array_equal(rows, rows_of(perm.arm("sanctions"), 1, np.arange(50)).parameters["peers"])


def test_what_a_policy_sets_is_not_drawn(perm):
    rows = rows_of(perm.arm("no-guidance"), 1, np.arange(20)).parameters
    assert (rows["leaders"] == 0).all()
    assert len(np.unique(rows["peers"])) > 5


@pytest.mark.parametrize("how", ["load", "override", "saved"])
def test_what_an_override_gives_is_not_drawn(perm, how):
    given = {"diffusion.peers": 0.2}
    scenario = sim.load("perm-krai", given) if how == "load" else perm.override(given)
    if how == "saved":
        scenario = sim.Scenario.from_resolved(scenario.resolved())
    rows = rows_of(scenario, 1, np.arange(20)).parameters
    assert (rows["peers"] == 0.2).all()
    assert len(np.unique(rows["external"])) > 5


def test_a_policy_that_moves_a_mandate_keeps_its_drawn_rate(perm):
    base, later = rows_of(perm, 1, np.arange(20)), rows_of(perm.arm("mandate-a-year-later"), 1, np.arange(20))
    np.testing.assert_array_equal(base.mandates["rate"], later.mandates["rate"])
    assert (later.mandates["start"] == base.mandates["start"] + 12).all()


def test_threads_and_company_change_no_event(perm):
    shared = structures([perm])[0]
    rows = rows_of(perm, 3, np.arange(40))
    alone = execute(shared, rows, 3, threads=1)
    for threads in (2, 3, 8):
        other = execute(shared, rows, 3, threads=threads)
        assert same_events(alone.events, other.events)
        np.testing.assert_array_equal(alone.ends, other.ends)
        np.testing.assert_array_equal(alone.ledgers, other.ledgers)
    single = execute(shared, rows.part(17, 18), 3, threads=1)
    first, last = alone.ends[16, 0], alone.ends[17, 0]
    assert same_events(single.events, alone.events[first:last])


def test_a_simulation_by_hand_gives_the_events_of_the_batch(perm):
    shared = structures([perm])[0]
    batch = execute(shared, rows_of(perm, 5, np.array([7])), 5, 1)
    simulation = Simulation(perm, seed=5, replicate=7)
    while not simulation.finished:
        simulation.advance(5)
    assert same_events(batch.events, simulation.events)
    np.testing.assert_array_equal(batch.ledgers[0], simulation.state.ledger)


def test_assign_names_a_key_that_rows_cannot_differ_in(perm):
    rows = rows_of(perm, 1, np.arange(2))
    assign(rows.parameters, rows.mandates, "diffusion.peers", np.array([0.1, 0.9]))
    assert rows.parameters["peers"].tolist() == [0.1, 0.9]
    with pytest.raises(KeyError, match=r"network\.neighbours"):
        assign(rows.parameters, rows.mandates, "network.neighbours", np.array([1, 2]))
