"""Does the compiled month do what the specification says, whatever the order, the batch and the threads?"""

import itertools
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from build import build, events_of, first_adoptions, linear_fit, named_events, simulate
from reference import FLOWS, Reference
from worlds import random_world

from sim.engine.columns import ACTION, DOWN, EQUIPS, INSTALLING, OPERATING, WAITING, WANTED, structure
from sim.engine.rows import Simulation, assign, execute, rows_of
from sim.scenario.scenario import Scenario

HERE = Path(__file__).parent
CHUNKS = 10
LONG_CHUNKS = 40


def compare(seed: int) -> int:
    """Compare one random world month for month with the specification; returns the number of events."""
    scenario = random_world(seed)
    coefficients = rows_of(scenario, seed, np.arange(1)).parameters[0]
    reference = Reference(scenario, seed, 0, float(coefficients["b1"]), float(coefficients["b2"]))
    reference.advance(scenario.steps)
    _, _, batch = simulate(scenario, seed=seed)
    assert named_events(scenario, batch) == reference.named_events(), seed
    names = scenario.places.id
    outages = [(names[outage["place"]], int(outage["start"]), int(outage["stop"])) for outage in batch.outages]
    assert sorted(outages) == sorted(reference.outages), seed
    first = scenario.start.year
    for (region, year), values in reference.table.items():
        row = batch.tables[0, scenario.regions.id.index(region), year - first]
        np.testing.assert_allclose(row, values, rtol=1e-12, err_msg=f"world {seed}, {region}, {year}")
    for (region, year), page in reference.ledger.items():
        r = -1 if region == "federal" else scenario.regions.id.index(region)
        assert dict(zip(FLOWS, batch.ledgers[0, r, year - first].tolist(), strict=True)) == page, (seed, region)
    return len(batch.events)


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_the_engine_does_what_the_specification_says(chunk: int) -> None:
    assert sum(compare(seed) for seed in range(chunk * 20, chunk * 20 + 20)) > 100


@pytest.mark.slow
@pytest.mark.parametrize("chunk", range(LONG_CHUNKS))
def test_the_engine_does_what_the_specification_says_in_thousands_of_worlds(chunk: int) -> None:
    assert sum(compare(seed) for seed in range(10_000 + chunk * 100, 10_100 + chunk * 100)) > 500


def test_random_worlds_meet_every_mechanism() -> None:
    found: set[str] = set()
    for seed in range(30):
        scenario = random_world(seed)
        _, _, batch = simulate(scenario, seed=seed)
        events = named_events(scenario, batch)
        found |= {event[8] for event in events}
        found |= {"lapsed" for event in events if event[7] >= 0}
        found |= {"renewed" for event in events if event[3] > 1}
        found |= {"waited" for event in events if event[5] > event[4]}
        found |= {name for name, at in (("own", 10), ("regional", 11), ("federal", 12), ("private", 13))
                  if any(event[at] for event in events)}  # fmt: skip
        found |= {"outage"} if len(batch.outages) else set()
        found |= {"arrears"} if batch.ledgers[..., FLOWS.index("arrears")].any() else set()
    expected = {"initial", "external", "peers", "leaders", "platform", "mandate", "lapsed", "renewed", "waited"}
    assert found >= expected | {"own", "regional", "federal", "private", "outage", "arrears"}


def everybody_at_once() -> Scenario:
    mandate = {"region": "r", "technology": "k0000", "from": "2020-01", "rate": 1000.0}
    return build(5, 1, mandates=[mandate], finance={"cost_level": 1e-6, "own_share": 1e-3})


def test_all_may_want_at_once_while_money_binds() -> None:
    code = "from test_engine import *; assert len(events_of(everybody_at_once())) == 5"
    events_of(build(2))
    subprocess.run([sys.executable, "-c", code], cwd=HERE, check=True, timeout=60)


# Order


def reordered(scenario: Scenario, seed: int, *names: str) -> Scenario:
    """The scenario with the rows of its tables in another order."""
    resolved = scenario.resolved()
    files = {}
    for name, table in resolved["files"].items():
        files[name] = table
        if name in names:
            order = np.random.default_rng(seed).permutation(len(next(iter(table.values()))))
            files[name] = {key: [column[i] for i in order] for key, column in table.items()}
    return Scenario.from_resolved({**resolved, "files": files})


@pytest.mark.parametrize("seed", [3, 5, 8, 13, 21, 34])
def test_the_order_of_the_tables_changes_no_event(seed: int) -> None:
    scenario = random_world(seed)
    names = ("places", "regions", "technologies", "portfolios", "specialization")
    assert len(events_of(scenario, 3)) > 5
    assert events_of(reordered(scenario, seed, *names), 3) == events_of(scenario, 3)


def test_the_order_of_given_links_changes_no_event() -> None:
    places = [{"id": f"p{i}", "lat": 50.0 + i} for i in range(5)]
    links = [("p1", "p0", "peers", 0.3), ("p2", "p0", "peers", 0.3)]
    found = [
        events_of(
            build(places, 1, links=order, portfolio=[("p1", "k0000"), ("p2", "k0000")], diffusion={"peers": 1.0}), 50
        )
        for order in (links, links[::-1])
    ]
    assert found[0] == found[1]


def columns(batch: Any) -> list[np.ndarray]:
    """All that a batch says, field by field (records have bytes between their fields that mean nothing)."""
    lists = [batch.events, batch.payments, batch.outages]
    fields = [column[name] for column in lists for name in column.dtype.names]
    return [*fields, batch.ends, batch.tables, batch.ledgers]


def same(first: Any, second: Any) -> bool:
    pairs = zip(columns(first), columns(second), strict=True)
    return all(a.dtype == b.dtype and a.tobytes() == b.tobytes() for a, b in pairs)


@pytest.mark.parametrize("seed", [5, 8, 21])
def test_threads_and_chunks_cannot_be_seen_in_the_result(seed: int) -> None:
    scenario = random_world(seed)
    found = [simulate(scenario, 37, seed, threads)[2] for threads in (1, 2, 4)]
    assert len(found[0].events) > 50
    assert same(found[0], found[1])
    assert same(found[0], found[2])


@pytest.mark.parametrize("seed", [5, 8, 21])
def test_a_replicate_is_the_same_alone_and_in_a_batch(seed: int) -> None:
    scenario = random_world(seed)
    shared, rows, batch = simulate(scenario, 12, seed)
    together = named_events(scenario, batch)
    for replicate in (0, 5, 11):
        alone = execute(shared, rows.part(replicate, replicate + 1), seed, 1)
        expected = [(0, *event[1:]) for event in together if event[0] == replicate]
        assert named_events(scenario, alone) == expected


def test_rows_do_not_see_the_rows_before_them() -> None:
    scenario = random_world(8)
    shared = structure(scenario)
    rows = rows_of(scenario, 1, np.zeros(3, np.int64))
    rows.parameters["peers"][1] *= 7.0
    rows.parameters["incident_rate"][1] = 4.0
    rows.parameters["external"][1] = 2.0
    events = named_events(scenario, execute(shared, rows, 1, 1))
    first, second, third = ([event[1:] for event in events if event[0] == row] for row in range(3))
    assert first == third
    assert first != second


def test_a_simulation_by_hand_gives_the_batch() -> None:
    for seed in (5, 8, 21):
        scenario = random_world(seed)
        batch = simulate(scenario, 4, seed)[2]
        simulation = Simulation(scenario, seed, 3)
        while not simulation.finished:
            simulation.advance(1 + simulation.step % 3)
        last = slice(batch.ends[2, 0], batch.ends[3, 0])
        for name in batch.events.dtype.names:
            np.testing.assert_array_equal(simulation.events[name], batch.events[last][name])
        np.testing.assert_array_equal(simulation.state.ledger, batch.ledgers[3])
        np.testing.assert_array_equal(simulation.state.yearly, batch.tables[3])


def test_rows_with_and_without_binding_money_share_a_batch() -> None:
    scenario = build(3, diffusion={"external": 1.0}, finance={"cost_level": 1.0})
    rows = rows_of(scenario, 1, np.arange(8))
    assign(rows.parameters, rows.mandates, "finance.cost_level", np.array([0.0] * 4 + [1.0] * 4))
    batch = execute(structure(scenario), rows, 1, 1)
    assert len(batch.payments) == len(batch.events)


def test_instants_of_the_longest_runs_are_what_they_are() -> None:
    scenario = build(1, start="2005-01", step=0.01, diffusion={"external": 0.03})
    assert scenario.steps == 30_000
    adopted = [event[5] for event in events_of(scenario, 20)]
    assert min(adopted) > 0


def test_a_hazard_beyond_all_bounds_waits_for_supply() -> None:
    scenario = build(
        ["a"], [{"id": "k", "benefit": 20.0, "foreign_share": 1.0}],
        diffusion={"external": 1.0, "benefit_weight": 20.0},
        sanctions={"from": "2020-01", "severity": 1.0, "substitution": 1.0},
    )  # fmt: skip
    assert [event[5] for event in events_of(scenario)] == [2]


# Others' draws


def test_a_place_that_reaches_nobody_changes_nobody() -> None:
    base = random_world(8, diffusion={"external": 0.3, "peers": 1.0, "leaders": 0.5, "heterogeneity": 0.5})
    before = events_of(base, 3)
    resolved = base.resolved()
    files = resolved["files"]
    files["regions"] = {key: [*column, column[0]] for key, column in files["regions"].items()}
    files["regions"]["id"][-1] = "elsewhere"
    added = {"id": "new", "name": "new", "region": "elsewhere", "population": 1000.0, "lat": 10.0, "lon": 10.0}
    files["places"] = {
        key: [*column, added.get(key, "member" if key == "role" else None)] for key, column in files["places"].items()
    }
    settings = {**resolved["settings"], "platform": {**resolved["settings"]["platform"], "spillover": 0.0}}
    settings["finance"] = {**settings["finance"], "federal_pool": 0.0}
    without = Scenario.from_resolved({**resolved, "settings": {**settings, "focus": []}})
    after = [event for event in events_of(without, 3) if event[1] != "new"]
    alone = base.override({"platform.spillover": 0.0, "finance.federal_pool": 0.0})
    assert len(before) > 10
    assert after == events_of(alone, 3)


def test_another_technology_changes_no_event_of_the_others_while_money_is_slack() -> None:
    options = {"diffusion": {"external": 0.05, "peers": 0.6, "heterogeneity": 0.5, "resistance": 0.2}}
    few = build(12, 2, portfolio=[("p0000", "k0000")], **options)
    more = build(12, ["k0001", "x", "k0000", "y"], portfolio=[("p0000", "k0000")], **options)
    found = [event for event in events_of(more, 3) if event[2] not in ("x", "y")]
    assert len(found) > 30
    assert found == events_of(few, 3)


def test_a_municipality_changes_no_event_of_the_others_without_influence() -> None:
    options = {"diffusion": {"external": 0.2, "heterogeneity": 0.8, "size_elasticity": 0.3}}
    few, more = build(9, 2, **options), build(12, 2, **options)
    names = set(few.places.id)
    assert [event for event in events_of(more, 5) if event[1] in names] == events_of(few, 5)


def test_another_seed_or_replicate_is_another_history() -> None:
    scenario = build(9, 2, diffusion={"external": 0.2})
    first = events_of(scenario)
    assert first == events_of(scenario)
    assert first != events_of(scenario, seed=2)
    second = [event[1:] for event in events_of(scenario, 2) if event[0] == 1]
    assert second != [event[1:] for event in first]


# Exposure


def pushed(simulation: Simulation) -> tuple[np.ndarray, np.ndarray]:
    """Exposures as they must be, int64[K, n] of peers and of leaders, from the statuses and the network."""
    cells, network = simulation.state.cells, simulation.shared.network
    found = []
    for channel in (network.peers, network.leaders):
        listener = np.repeat(np.arange(cells.shape[1]), np.diff(channel.start))
        announced = (channel.weight * simulation.scenario.diffusion.announced).astype(np.int64)
        total = np.zeros(cells.shape, np.int64)
        for k in range(len(cells)):
            status = cells["status"][k, channel.neighbour]
            seen = np.where(status == OPERATING, channel.weight, np.where(status == INSTALLING, announced, 0))
            np.add.at(total[k], listener, seen)
        found.append(total)
    return found[0], found[1]


@pytest.mark.parametrize("seed", [5, 8, 13, 21, 34, 55])
def test_pushed_exposure_is_exactly_the_sum_over_all_neighbours_in_every_month(seed: int) -> None:
    simulation = Simulation(random_world(seed), seed)
    while not simulation.finished:
        simulation.advance()
        peers, leaders = pushed(simulation)
        member = simulation.shared.places["member"] == 1
        np.testing.assert_array_equal(simulation.state.exposures["peers"][:, member], peers[:, member])
        np.testing.assert_array_equal(simulation.state.exposures["leaders"][:, member], leaders[:, member])


def test_exposure_returns_to_exactly_zero_when_everybody_has_pulled_back() -> None:
    places = [{"id": f"p{i}", "lat": 50 + i / 7, "lon": 50 + i / 3, "population": 1000 * (i + 3)} for i in range(30)]
    mandate = {"region": "r", "technology": "k", "from": "2020-01", "until": "2023-01", "rate": 5.0}
    scenario = build(
        places, [{"id": "k", "life": 1.0, "lag": 0.25}], mandates=[mandate], diffusion={"announced": 1 / 3},
        network={"distance_decay": 1.0, "size_exponent": 0.7, "neighbours": 12},
    )  # fmt: skip
    simulation = Simulation(scenario, 1)
    simulation.advance(18)
    assert simulation.state.exposures["peers"].max() > 0
    simulation.advance(1000)
    assert simulation.state.exposures["peers"].tolist() == [[0] * 30]
    assert simulation.state.platforms["operating"].tolist() == [[0]]


@pytest.mark.parametrize("seed", range(60, 72))
def test_every_count_is_right_after_any_action_in_any_month(seed: int) -> None:
    scenario = random_world(seed)
    simulation, rng = Simulation(scenario, seed), np.random.default_rng(seed)
    shared, state = simulation.shared, simulation.state
    count, kinds = scenario.portfolio.shape
    while not simulation.finished:
        simulation.advance()
        if rng.random() < 0.2:
            simulation.equip(int(rng.integers(count)), int(rng.integers(kinds)))
        if rng.random() < 0.05:
            simulation.mandate(
                int(rng.integers(len(shared.regions))), int(rng.integers(kinds)), 2.0, simulation.step + 5
            )
        if rng.random() < 0.1:
            simulation.grant(int(rng.integers(count)), 10**9)
        status = state.cells["status"]
        operating = status == OPERATING
        np.testing.assert_array_equal(
            state.municipalities["counted"], operating[shared.technologies["counted"] == 1].sum(axis=0)
        )
        np.testing.assert_array_equal(
            state.municipalities["exposed"], operating[shared.technologies["exposed"] == 1].sum(axis=0)
        )
        for r in range(len(shared.regions)):
            inside = (shared.places["region"] == r) & (shared.places["member"] == 1)
            np.testing.assert_array_equal(state.platforms["operating"][:, r], operating[:, inside].sum(axis=1))
        assert int(state.record["waiting"][0]) == np.isin(status, (WAITING, WANTED)).sum()
        if scenario.finance.cost_level > 0:
            queued = state.queue[: int(state.record["queued"][0])]
            waiting = sorted(zip(queued["technology"].tolist(), queued["place"].tolist(), strict=True))
            assert waiting == sorted(map(tuple, np.argwhere(status == WANTED).tolist()))
        running = status[simulation.events["technology"], simulation.events["place"]]
        assert ((simulation.events["ended"] < 0) <= (running >= INSTALLING)).all()
        peers, leaders = pushed(simulation)
        member = shared.places["member"] == 1
        np.testing.assert_array_equal(state.exposures["peers"][:, member], peers[:, member])
        np.testing.assert_array_equal(state.exposures["leaders"][:, member], leaders[:, member])


# Neutral values


SLACK = {"finance.cost_level": 0.0}
TIGHT = {"finance.cost_level": 2.0}


@pytest.mark.parametrize(
    ("off", "on", "others"),
    [
        ({"sanctions.severity": 0.0}, {"sanctions.severity": 0.9},
         {"sanctions.from": "2020-01", "sanctions.substitution": 0.9}),
        ({"sanctions.severity": 0.0, **TIGHT}, {"sanctions.severity": 0.9}, {"finance.supply_premium": 9.0}),
        ({"security.incident_rate": 0.0}, {"security.incident_rate": 3.0},
         {"security.outage": 3.0, "security.distrust": 2.0}),
        ({"platform.threshold": 1000.0}, {"platform.threshold": 0.1},
         {"platform.rate": 9.0, "platform.cost_cut": 0.9}),
        (SLACK, TIGHT, {"finance.own_share": 0.9, "finance.renewal": 0.0, "policy.protection_cost": 1.0}),
        ({"finance.private_share": 0.0, **TIGHT}, {"finance.private_share": 0.7}, {"finance.private_fee": 0.9}),
        ({"economy.industry_gain": 0.0, "economy.industry_growth": 0.0, "economy.urban_growth": 0.0,
          "economy.volatility": 0.0, **TIGHT}, {"economy.industry_growth": 0.1}, {"economy.base_year": 2012}),
        ({"diffusion.peers": 0.0, "diffusion.leaders": 0.0, "diffusion.benefit_weight": 0.0,
          "platform.spillover": 0.0, **SLACK}, {"diffusion.peers": 3.0}, {"network.distance_decay": 3.0}),
        ({"diffusion.benefit_weight": 0.0, **SLACK}, {"diffusion.benefit_weight": 1.0},
         {"diffusion.divide": 1.0, "policy.inclusion": 1.0, "security.distrust": 4.0}),
        ({"policy.protection": 0.0, **TIGHT}, {"policy.protection": 0.5}, {"policy.protection_cost": 9.0}),
    ],
    ids=["supply", "premium", "incidents", "platforms", "money", "partners", "economy", "network", "benefit",
         "protection"],
)  # fmt: skip
def test_a_neutral_value_switches_its_mechanism_off_exactly(
    off: dict[str, Any], on: dict[str, Any], others: dict[str, Any]
) -> None:
    """With the neutral value the mechanism's other parameters change nothing; without it they do."""
    differ = 0
    for seed in (5, 8, 12, 21, 30):
        base = random_world(seed).override(off)
        plain, changed = events_of(base, 2), events_of(base.override(others), 2)
        assert plain == changed, seed
        working = base.override(on)
        differ += events_of(working, 2) != events_of(working.override(others), 2)
    assert differ > 0


def test_a_life_longer_than_the_run_is_a_life_without_end() -> None:
    kinds = [{"id": "k", "life": None}, {"id": "long", "life": 1000.0}]
    scenario = build(10, kinds, diffusion={"external": 0.3})
    events = events_of(scenario)
    assert all(event[7] == -1 for event in events)


# Shocks, step by step


def test_sanctions_hold_adoption_back_and_full_substitution_lets_it_go_on() -> None:
    options: dict[str, Any] = {"diffusion": {"external": 0.5}}
    kinds = [{"id": "k", "foreign_share": 1.0}]

    def adopted(**sanctions: Any) -> np.ndarray:
        scenario = build(40, kinds, sanctions=sanctions, **options)
        return first_adoptions(simulate(scenario, 20)[2], 20, 40)

    free = adopted(severity=0.0)
    hard = adopted(**{"from": "2021-01"}, severity=1.0, substitution=0.0)
    soft = adopted(**{"from": "2021-01"}, severity=1.0, substitution=0.5)
    assert np.array_equal(free[free <= 12], hard[free <= 12])
    assert np.all(hard[free > 12] == 10**6)
    assert np.all(soft >= free)
    assert (soft > free).any()


def test_an_outage_takes_everything_exposed_down_for_its_time_and_nothing_immune() -> None:
    kinds = [{"id": "k"}, {"id": "immune", "immune": 1}]
    cells = [(f"p{i:04d}", name) for i in range(4) for name in ("k", "immune")]
    scenario = build(4, kinds, portfolio=cells, security={"incident_rate": 1.0, "outage": 0.5, "distrust": 0.0})
    simulation = Simulation(scenario, 3)
    down = []
    while not simulation.finished:
        simulation.advance()
        down.append(simulation.state.cells["status"] == DOWN)
    history = np.array(down)
    assert not history[:, 1].any()
    outages = simulation.outages
    assert len(outages) > 10
    assert np.all(outages["stop"] - outages["start"] == 6)
    expected = np.zeros_like(history[:, 0])
    for outage in outages:
        expected[outage["start"] - 1 : outage["stop"] - 1, outage["place"]] = True
    np.testing.assert_array_equal(history[:, 0], expected)


def test_incidents_come_at_their_rate_while_something_operates() -> None:
    kinds = [{"id": "k"}]
    cells = [(f"p{i:04d}", "k") for i in range(50)]
    security = {"incident_rate": 0.4, "outage": 0.0, "distrust": 0.0}
    scenario = build(50, kinds, portfolio=cells, security=security, policy={"protection": 0.5})
    _, _, batch = simulate(scenario, 40)
    expected = 0.4 * (1 - 0.7 * 0.5) * 10 * 50 * 40
    # a clock is read once a step and starts anew: half a step is lost each time
    expected /= 1 + 0.4 * 0.65 / 24
    assert abs(len(batch.outages) - expected) < 4 * np.sqrt(expected)


def test_an_outage_that_outlasts_the_longest_run_ends_after_it_began() -> None:
    security = {"incident_rate": 0.05, "outage": 8.0, "distrust": 0.0}
    cells = [("p0000", "k0000"), ("p0001", "k0000")]
    outages = simulate(build(2, start="2005-01", step=0.01, portfolio=cells, security=security), 20)[2].outages
    assert len(outages) > 10
    assert np.all(outages["stop"] > outages["start"])


def test_what_lapses_is_adopted_anew_as_the_next_spell() -> None:
    scenario = build(5, [{"id": "k", "life": 2.0}], portfolio=[("p0000", "k")], diffusion={"external": 1.0})
    events = events_of(scenario)
    for place, group in itertools.groupby(events, key=lambda event: event[1]):
        spells = list(group)
        first = 0 if place == "p0000" else 1
        assert [event[3] for event in spells] == list(range(first, first + len(spells)))
        for before, after in itertools.pairwise(spells):
            assert after[5] > before[7] >= 0
            assert before[7] - before[6] == 24 or before[8] == "initial"
            assert 0 < before[7] - before[6] <= 24


def test_a_prerequisite_holds_back_even_a_mandate_until_it_operates() -> None:
    kinds = [{"id": "first", "lag": 1.0}, {"id": "second", "requires": "first"}]
    order = [{"region": "r", "technology": name, "from": "2020-01", "rate": 50.0} for name in ("first", "second")]
    events = events_of(build(6, kinds, mandates=order), 5)
    operating = {event[:2]: event[6] for event in events if event[2] == "first"}
    later = [(event[5], operating[event[:2]]) for event in events if event[2] == "second"]
    assert len(later) == 30
    assert all(adopted > since for adopted, since in later)


def test_lags_separate_adoption_from_operation() -> None:
    events = events_of(build(20, [{"id": "k", "lag": 0.75}], diffusion={"external": 0.4}))
    assert len(events) > 10
    assert {event[6] - event[5] for event in events if event[6] >= 0} == {9}
    assert all(event[5] > 120 - 9 for event in events if event[6] < 0)


def test_a_guide_adopts_nothing_has_no_incidents_and_keeps_what_it_has() -> None:
    places = [{"id": "guide", "role": "guide", "region": "away", "lat": 50.0}, {"id": "a"}, {"id": "b"}]
    kinds = [{"id": "k", "life": 1.0}, {"id": "other"}]
    mandates = [{"region": "r", "technology": "k", "from": "2020-01", "rate": 1.0}]
    scenario = build(
        places, kinds, ["r", "away"], portfolio=[("guide", "k")], mandates=mandates,
        diffusion={"external": 1.0, "leaders": 2.0}, security={"incident_rate": 5.0, "outage": 0.1},
        finance={"cost_level": 1.0, "own_share": 0.1},
    )  # fmt: skip
    _, _, batch = simulate(scenario, 3)
    events = named_events(scenario, batch)
    assert [event[2:9] for event in events if event[1] == "guide"] == [("k", 0, -1, -1, 0, -1, "initial")] * 3
    assert {event[9] for event in events if event[8] == "leaders"} == {"guide"}
    assert {scenario.places.id[place] for place in batch.outages["place"]} == {"a", "b"}


def test_mandates_bind_from_their_date_to_their_end() -> None:
    mandate = {"region": "r", "technology": "k0000", "from": "2022-01", "until": "2022-07", "rate": 3.0}
    adopted = [event[5] for event in events_of(build(60, mandates=[mandate]), 5)]
    assert min(adopted) == 25
    assert max(adopted) == 30
    share = len(adopted) / 300
    assert share == pytest.approx(1 - np.exp(-1.5), abs=4 * np.sqrt(0.18 / 300))


# Actions


def test_equipping_a_place_costs_nothing_and_operates_after_the_lag() -> None:
    kinds = [{"id": "now"}, {"id": "later", "lag": 0.5}]
    scenario = build(3, kinds, finance={"cost_level": 1.0}, security={"incident_rate": 0.0})
    simulation = Simulation(scenario, 1)
    simulation.advance(10)
    assert simulation.equip(0, 0)
    assert not simulation.equip(0, 0)
    assert simulation.equip(1, 1)
    simulation.advance(20)
    found = simulation.events[["place", "technology", "adopted", "operating", "source"]].tolist()
    assert found == [(0, 0, 10, 10, 6), (1, 1, 10, 16, 6)]
    assert all(simulation.state.payments[name][:2].sum() == 0 for name in ("own", "regional", "federal", "private"))


@pytest.mark.parametrize("seed", [2, 21, 33])
def test_a_dated_table_of_equips_is_equipping_by_hand(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    scenario = random_world(seed)
    shared, rows = structure(scenario), rows_of(scenario, seed, np.arange(3))
    members = np.flatnonzero(shared.places["member"] == 1)[:4].tolist()
    given = [(place, k, at) for at in (0, 7) for place in members for k in range(len(shared.technologies))]
    monkeypatch.setattr("sim.engine.rows.FIRST_ROOM", 1)  # the lists of events must grow on the way
    batch = execute(shared, replace(rows, equips=np.array(given, EQUIPS)), seed, threads=2)
    for replicate in range(3):
        by_hand = Simulation(scenario, seed, replicate)
        for at in (0, 7, scenario.steps):
            by_hand.advance(at - by_hand.step)
            for place, technology, instant in given:
                if instant == at:
                    by_hand.equip(place, technology)
        events = batch.events[batch.event_rows == replicate]
        np.testing.assert_array_equal(events, by_hand.events)
        assert (events["source"] == ACTION).any()


def test_a_place_that_is_equipped_is_an_example_to_its_peers() -> None:
    scenario = build(20, diffusion={"peers": 2.0})
    quiet, led = Simulation(scenario, 1), Simulation(scenario, 1)
    quiet.advance(120)
    led.equip(0, 0)
    led.advance(120)
    assert len(quiet.events) == 0
    assert len(led.events) == 20


def test_a_mandate_by_hand_is_a_mandate_of_the_scenario() -> None:
    mandate = {"region": "r", "technology": "k0000", "from": "2021-01", "until": "2024-01", "rate": 0.6}
    written = Simulation(build(20, mandates=[mandate]), 5)
    written.advance(120)
    by_hand = Simulation(build(20), 5)
    by_hand.advance(12)
    by_hand.mandate(0, 0, 0.6, until=48)
    by_hand.advance(120)
    assert len(written.events) > 5
    np.testing.assert_array_equal(written.events["adopted"], by_hand.events["adopted"])


def test_coefficients_are_drawn_jointly_and_alike_in_every_arm() -> None:
    scenario = build(3, fit=linear_fit(draws=5), economy={"coefficients": "draws"})
    rows = rows_of(scenario, 1, np.arange(200))
    other = rows_of(scenario.override({"diffusion.peers": 1.0}), 1, np.arange(200))
    np.testing.assert_array_equal(rows.parameters["b1"], other.parameters["b1"])
    file = linear_fit(draws=5)["draws"]
    pairs = set(zip(rows.parameters["b1"].tolist(), rows.parameters["b2"].tolist(), strict=True))
    assert pairs == set(zip(file["b1"], file["b2"], strict=True))
