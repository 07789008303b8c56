"""Do the engine's columns hold what the scenario says, in the engine's units and order?"""

import math
import pickle

import numpy as np
import pytest
from build import build, linear_fit, simulate
from worlds import random_world

from sim.engine import columns as state
from sim.scenario.scenario import Scenario
from sim.scenario.schema import parameter_table


def kinds(scenario: Scenario) -> np.ndarray:
    return state.structure(scenario).technologies


def test_every_numeric_parameter_of_the_model_has_its_field() -> None:
    sections = ("diffusion", "platform", "finance", "economy", "sanctions", "security", "policy")
    scenario = build(1)
    known = {
        f"{section}.{name}"
        for section in sections
        for name, value in getattr(scenario, section)
        if isinstance(value, float) and not isinstance(value, bool)
    }
    assert known == set(state.FIELDS)
    assert set(state.FIELDS) <= {parameter.key for parameter in parameter_table()}


@pytest.mark.parametrize("key", sorted(state.FIELDS))
def test_a_parameter_arrives_in_its_field_and_no_other(key: str) -> None:
    scenario = build(1)
    before = state.parameters_of(scenario)[0]
    section, name = key.split(".")
    value = getattr(getattr(scenario, section), name)
    after = state.parameters_of(scenario.override({key: value / 2 + 0.25}))[0]
    assert after[state.FIELDS[key]] == value / 2 + 0.25
    differing = [field for field in before.dtype.names if before[field] != after[field]]
    assert differing in ([state.FIELDS[key]], [])


def test_coefficients_and_their_form_arrive() -> None:
    row = state.parameters_of(build(1, fit=linear_fit(1.5, 0.25, form="loglog")))[0]
    assert (row["b1"], row["b2"], row["loglog"]) == (1.5, 0.25, 1.0)
    plain = state.parameters_of(build(1))[0]
    assert (plain["b1"], plain["b2"], plain["loglog"]) == (0.0, 0.0, 0.0)


def test_dates_become_steps() -> None:
    mandate = {"region": "r", "technology": "k0000", "from": "2021-01", "until": "2022-01", "rate": 2.0}
    scenario = build(1, mandates=[mandate], sanctions={"from": "2022-03", "severity": 0.5})
    assert state.mandates_of(scenario).tolist() == [(0, 0, 12, 24, 2.0)]
    assert state.parameters_of(scenario)["sanctions_from"][0] == 26
    assert math.isinf(state.parameters_of(build(1))["sanctions_from"][0])
    endless = build(1, mandates=[{key: mandate[key] for key in mandate if key != "until"}])
    assert state.mandates_of(endless)["stop"].tolist() == [endless.steps]
    half = build(1, step=0.5, mandates=[mandate])
    assert state.mandates_of(half).tolist() == [(0, 0, 24, 48, 2.0)]


def test_lags_and_lives_become_steps_and_no_life_is_shorter_than_one() -> None:
    rows = [
        {"id": "none"}, {"id": "half", "lag": 0.5, "life": 10.0}, {"id": "short", "lag": 0.03, "life": 0.01},
    ]  # fmt: skip
    found = kinds(build(1, rows))
    assert found["lag"].tolist() == [0, 6, 0]
    assert found["life"].tolist() == [0, 120, 1]
    quarters = kinds(build(1, rows, step=3))
    assert quarters["lag"].tolist() == [0, 2, 0]
    assert quarters["life"].tolist() == [0, 40, 1]


def test_what_counts_and_what_incidents_reach() -> None:
    rows = [{"id": "programme", "segment": "", "immune": 1}, {"id": "k"}]
    shared = state.structure(build(1, rows))
    assert shared.technologies["counted"].tolist() == [0, 1]
    assert shared.technologies["exposed"].tolist() == [0, 1]
    assert (shared.record["counted_technologies"][0], shared.record["exposed_technologies"][0]) == (1, 1)


def test_requirements_run_both_ways() -> None:
    rows = [{"id": "a"}, {"id": "b", "requires": "a"}, {"id": "c", "requires": "a;b"}]
    shared = state.structure(build(1, rows))
    bounds, listed = shared.technologies["requires"], shared.requires
    assert [listed[first:last].tolist() for first, last in bounds] == [[], [0], [0, 1]]
    bounds, listed = shared.technologies["unlocks"], shared.unlocks
    assert [listed[first:last].tolist() for first, last in bounds] == [[1, 2], [2], []]


def test_regions_are_stretches_of_places() -> None:
    scenario = random_world(8)
    shared = state.structure(scenario)
    region = shared.places["region"]
    for r, row in enumerate(shared.regions):
        assert np.all(region[row["start"] : row["stop"]] == r)
        assert (region == r).sum() == row["stop"] - row["start"]
    names = scenario.places.id
    for i, name in enumerate(names):
        at = scenario.places.id.index(name)
        assert shared.places["population"][i] == round(scenario.places.population[at])
        assert shared.places["member"][i] == (not scenario.places.guide[at])
        assert shared.places["leader"][i] == scenario.portfolio[at].any()
        np.testing.assert_array_equal(shared.portfolio[:, i], scenario.portfolio[at])


def test_the_calendar_opens_years_in_january_and_at_the_start() -> None:
    shared = state.structure(build(1, start="2018-04", end="2020-03"))
    assert np.flatnonzero(shared.calendar["opens"]).tolist() == [0, 9, 21]
    assert shared.calendar["year"][[0, 8, 9, 20, 21, 22]].tolist() == [0, 0, 1, 1, 2, 2]
    assert shared.since_base.tolist() == [0.0, 1.0, 2.0]
    based = state.structure(build(1, start="2018-04", end="2020-03", economy={"base_year": 2021}))
    assert based.since_base.tolist() == [-3.0, -2.0, -1.0]


def test_records_hold_the_addresses_of_their_columns() -> None:
    shared = state.structure(build(4, 2))
    work = state.workspace(shared, paid=True)
    for columns in (shared, work):
        for name, column in columns.columns.items():
            assert column.flags.c_contiguous
            assert columns.record[name][0] == work.record[name][0] == column.ctypes.data, name


def test_a_pickled_workspace_finds_its_columns_and_the_shared_ones_anew() -> None:
    work = state.workspace(state.structure(build(4, 2)), paid=True)
    again = pickle.loads(pickle.dumps(work))
    for columns in (again, again.shared):
        for name, column in columns.columns.items():
            assert again.record[name][0] == column.ctypes.data, name
    assert again.record["parameters"][0] == again.record.ctypes.data


def test_room_grows_and_keeps_what_is_there() -> None:
    shared = state.structure(build(4, 2))
    work = state.workspace(shared, paid=True)
    work.events["place"][:5] = 7
    work.record["event_count"] = 5
    before = len(work.events)
    work.grow(3 * before, 5000)
    assert len(work.events) == len(work.payments) == 3 * before
    assert np.all(work.events["place"][:5] == 7)
    assert work.record["events"][0] == work.events.ctypes.data
    assert work.record["event_room"][0] == 3 * before
    assert work.record["outage_room"][0] == len(work.outages) >= 5000


def test_lists_that_are_full_grow_without_losing_an_event() -> None:
    rows = [{"id": "k", "life": 0.01}]
    order = [{"region": "r", "technology": "k", "from": "2020-01", "rate": 1000.0}]
    _, _, batch = simulate(build(4, rows, mandates=order), 3)
    # adopted in a month, lapsed in the next one, wanted again in the month after: two months a spell
    counts = np.diff(batch.ends[:, 0], prepend=0)
    spells = batch.events["spell"].reshape(3, -1)
    assert np.all(counts == counts[0])
    assert counts[0] >= 4 * 60
    assert spells.max() == counts[0] // 4


def test_ages_at_the_start_are_uniform_over_the_life() -> None:
    cells = [(f"p{i:04d}", "k") for i in range(40)]
    _, _, batch = simulate(build(40, [{"id": "k", "life": 5.0}], portfolio=cells), 100)
    ended = batch.events["ended"][batch.events["source"] == 0]
    assert (ended.min(), ended.max()) == (1, 60)
    counts = np.bincount(ended, minlength=61)[1:]
    assert ((counts - 4000 / 60) ** 2 / (4000 / 60)).sum() < 59 + 4 * math.sqrt(2 * 59)


def test_every_name_of_an_enumeration_has_its_number() -> None:
    for names in (state.STATUSES, state.SOURCES, state.FLOWS):
        assert [getattr(state, name.upper()) for name in names] == list(range(len(names)))
