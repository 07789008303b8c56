"""Is the Mesa model the same simulation, and does it behave as a Mesa user expects?"""

import copy
import gc
import inspect
import pickle
import weakref

import numpy as np
import pandas as pd
import pytest
from mesa.batchrunner import batch_run

import sim
from sim.engine.columns import GRANTED
from sim.model import DiffusionModel, Municipality, Region


@pytest.fixture(scope="module")
def scenario():
    return sim.load("perm-krai")


@pytest.fixture(scope="module")
def results(scenario):
    return sim.run(scenario, replicates=2, seed=7, threads=1)


def advanced(model, steps):
    for _ in range(steps):
        model.step()
    return model


def known_at(events, date):
    """Events of a whole run as they were known at a date: later ones left out, later dates not yet known."""
    events = events[(events["adopted"] <= date) | events["adopted"].isna()].copy()
    for name in ("operating", "ended"):
        events.loc[events[name] > date, name] = pd.NaT
    return events.reset_index(drop=True)


def arms():
    return ["baseline", *sim.load("perm-krai").policies]


@pytest.mark.parametrize("policy", arms())
def test_steps_give_the_events_of_a_run(scenario, results, policy):
    whole = results.events
    whole = whole[(whole["policy"] == policy) & (whole["replicate"] == 1)]
    model = advanced(DiffusionModel(scenario, rng=7, policy=policy, replicate=1), 66)
    pd.testing.assert_frame_equal(model.events, known_at(whole, pd.Timestamp(model.date)))
    assert (model.events["source"] != "initial").sum() > 10
    while model.running:
        model.step()
    pd.testing.assert_frame_equal(model.events, whole.reset_index(drop=True))


def test_measures_are_those_of_the_run(scenario, results):
    model = DiffusionModel(scenario, rng=7, replicate=1)
    while model.running:
        model.step()
    collected = model.datacollector.get_model_vars_dataframe()
    for name in collected:
        np.testing.assert_allclose(collected[name], results.measure(name)[1], atol=1e-9, err_msg=name)
    assert {"coverage", "people", "index", "programme"} <= set(collected)
    assert model.measure("smart_lift") == pytest.approx(results.measure("smart_lift")[1, -1])
    yearly = results.regions.query("policy == 'baseline' and replicate == 1 and region == 'RU-PER'")
    region = next(r for r in model.regions if r.id == "RU-PER")
    assert region.grp == yearly["grp"].iloc[-1]
    assert region.spending["own"] == pytest.approx(yearly["own_spent"].sum())


def test_agents_read_their_rows(scenario):
    model = advanced(DiffusionModel(scenario), 40)
    perm = next(m for m in model.municipalities if m.name.startswith("Perm ") or m.name == "Perm")
    held = model.events.query("municipality == @perm.id and operating == operating and ended != ended")
    assert set(perm.portfolio) == set(held["technology"])
    counted = [
        k for k, segment in zip(*[scenario.technologies.id, scenario.technologies.segment], strict=True) if segment
    ]
    assert perm.share == pytest.approx(len(set(perm.portfolio) & set(counted)) / len(counted))
    assert all(perm.status(k) in ("operating", "down") for k in held["technology"])
    assert 0 < perm.index <= 120
    assert perm.region.id == "RU-PER"
    assert perm in list(perm.region.municipalities)
    other = next(m for m in model.municipalities if m is not perm)
    assert 0 < other.exposure("programme") <= 1
    assert len(model.municipalities) == 43
    assert len(model.guides) == 14
    assert {agent.unique_id for agent in model.agents} == set(range(1, len(model.agents) + 1))


def test_region_index_is_weighted_by_people(scenario):
    model = advanced(DiffusionModel(scenario), 60)
    region = next(r for r in model.regions if r.id == "RU-PER")
    places = list(region.municipalities)
    weighted = sum(m.index * m.population for m in places) / sum(m.population for m in places)
    assert region.index == pytest.approx(weighted)


def test_agent_sets_select_and_aggregate(scenario):
    model = advanced(DiffusionModel(scenario), 60)
    leaders = model.municipalities.select(lambda m: m.share > 0.2)
    assert 0 < len(leaders) < 43
    assert leaders.agg("share", min) > 0.2
    assert model.agents_by_type[Municipality].agg("population", sum) > 2_500_000
    assert len(model.agents_by_type[Region]) == len(scenario.regions)


def test_adopting_is_an_event_and_is_copied(scenario):
    idle, active = DiffusionModel(scenario), DiffusionModel(scenario)
    advanced(idle, 3), advanced(active, 3)
    waiting = active.municipalities.select(lambda m: m.status("smart_lift") == "waiting")
    place = max(waiting, key=lambda m: m.population)
    assert place.adopt("smart_lift")
    assert not place.adopt("smart_lift")
    event = active.events.query("source == 'action'").iloc[0]
    assert (event["municipality"], event["technology"]) == (place.id, "smart_lift")
    assert event["adopted"].date() == active.date
    advanced(idle, 30), advanced(active, 30)
    assert place.status("smart_lift") == "operating"
    listeners = set(active.network.successors(place.id))
    twins = {m.id: m for m in idle.municipalities}
    gains = [
        m.exposure("smart_lift") - twins[m.id].exposure("smart_lift")
        for m in active.municipalities
        if m.id in listeners
    ]
    assert max(gains) > 0


def test_mandate_brings_everybody_in(scenario):
    model = DiffusionModel(scenario, policy="no-mandate")
    region = next(r for r in model.regions if r.id == "RU-PER")
    region.mandate("programme", 1000.0, until="2019-01")
    advanced(model, 2)
    assert all(m.status("programme") in ("installing", "operating", "wanted") for m in model.municipalities)
    assert (model.events["source"] == "mandate").sum() > 30


def test_a_grant_is_counted_and_spent(scenario):
    model = DiffusionModel(scenario)
    place = next(iter(model.municipalities))
    before = place.balance
    place.grant(12.5)
    assert place.balance == pytest.approx(before + 12.5)
    advanced(model, 1)
    flows = model.results.batch.ledgers[0, place.region.row].sum(axis=0)
    assert flows[GRANTED] == 1_250_000_000
    for wrong in (-1, float("nan"), float("inf")):
        with pytest.raises(sim.InputError, match="amount is"):
            place.grant(wrong)


def test_wrong_names_say_the_nearest(scenario):
    model = DiffusionModel(scenario)
    with pytest.raises(sim.InputError, match="nearest: smart_lift"):
        next(iter(model.municipalities)).adopt("smart_lif")
    with pytest.raises(sim.InputError, match="nearest: coverage"):
        model.measure("covrage")
    with pytest.raises(sim.InputError, match="nearest: no-mandate"):
        DiffusionModel(scenario, policy="no-mandat")


def test_steps_after_the_end_change_nothing(scenario):
    model = advanced(DiffusionModel(scenario.override({"end": "2018-07"})), 3)
    assert not model.running
    assert str(model.date) == "2018-07-01"
    events = model.events
    advanced(model, 2)
    pd.testing.assert_frame_equal(model.events, events)
    assert len(model.datacollector.model_vars["coverage"]) == 4


def test_every_place_stands_in_its_cell(scenario):
    model = DiffusionModel(scenario)
    place = next(iter(model.municipalities))
    assert place.cell.coordinate == place.id
    assert place.cell.agents == [place]
    assert set(model.space.agents) == set(model.municipalities) | set(model.guides)
    assert set(place.cell.connections) == set(model.network.successors(place.id))
    with pytest.raises(ValueError, match="cannot move"):
        place.cell = next(iter(model.guides)).cell


@pytest.mark.parametrize("copied", [lambda m: pickle.loads(pickle.dumps(m)), copy.deepcopy], ids=["pickle", "deepcopy"])
def test_a_copy_goes_on_alone(scenario, copied):
    model = DiffusionModel(scenario, rng=3, agent_reporters={"share": "share"}, model_reporters={"month": "steps"})
    advanced(model, 20)
    space = model.space
    twin = copied(model)
    assert twin.space is not space
    before = model.events
    advanced(twin, 30)
    pd.testing.assert_frame_equal(model.events, before)
    advanced(model, 30)
    pd.testing.assert_frame_equal(model.events, twin.events)
    collected = twin.datacollector.get_agent_vars_dataframe()
    assert len(collected) == 51 * len(twin.agents)
    assert twin.datacollector.get_model_vars_dataframe()["month"].iloc[-1] == 50


def test_batch_run(scenario):
    varied = {"scenario": "perm-krai", "policy": ["baseline", "no-mandate"], "replicate": [0, 1]}
    seed = {"rng": 7} if "rng" in inspect.signature(batch_run).parameters else {}  # since Mesa 3.5
    rows = batch_run(
        DiffusionModel,
        varied if seed else {**varied, "rng": 7},
        **seed,
        max_steps=20,
        data_collection_period=1,
        display_progress=False,
    )
    frame = pd.DataFrame(rows)
    assert len(frame.groupby(["policy", "replicate"])) == 4
    model = advanced(DiffusionModel(scenario, rng=7, replicate=1), 20)
    series = frame.query("policy == 'baseline' and replicate == 1").sort_values("Step")["programme"]
    assert series.tolist()[:21] == model.datacollector.model_vars["programme"]


def test_models_do_not_leak(scenario):
    models = []
    for _ in range(3):
        model = advanced(DiffusionModel(scenario), 2)
        assert next(iter(model.municipalities)).cell is not None
        models.append(weakref.ref(model))
    del model
    gc.collect()
    assert [reference() for reference in models] == [None] * 3


def test_it_can_be_reset_by_mesa(scenario):
    """Mesa 3.5's view puts a scenario of its own into the parameters of a model that has one."""
    model = DiffusionModel(scenario)
    assert getattr(model, "scenario", None) is None
    assert type(model)(scenario=scenario, rng=2, policy=None, replicate=0).simulation.seed == 2
