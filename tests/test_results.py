"""Do the measures derived from events say what the simulation held, instant by instant?"""

import datetime

import numpy as np
import pandas as pd
import pytest
from build import build, simulate
from worlds import random_world

import sim
from sim.engine import rules
from sim.engine.columns import ECONOMY, FLOWS, MINOR_UNITS, OPERATING, SOURCES, structure
from sim.engine.rows import Simulation
from sim.results.arm import BASELINE, SIZE_CLASSES, Arm
from sim.results.measures import Measures
from sim.results.run import Results, arm_names, run
from sim.scenario.errors import InputError
from sim.scenario.places import SEGMENTS

SEEDS = (0, 8, 13, 21, 30, 57, 114)


def arm_of(seed: int, replicates: int = 3) -> Arm:
    return run(random_world(seed), replicates, seed, None, threads=1).baseline


def statuses(seed: int, replicate: int) -> np.ndarray:
    """What operates at every instant by the engine's own statuses: bool[T + 1, K, n]."""
    simulation = Simulation(random_world(seed), seed, replicate)
    found = [simulation.state.cells["status"] == OPERATING]
    while not simulation.finished:
        simulation.advance()
        found.append(simulation.state.cells["status"] == OPERATING)
    return np.array(found)


@pytest.mark.parametrize("seed", SEEDS)
def test_what_events_and_outages_say_is_what_the_engine_held_at_every_instant(seed: int) -> None:
    arm = arm_of(seed)
    for replicate in range(3):
        expected = statuses(seed, replicate)
        found = np.array([arm.holdings(instant)[replicate] for instant in range(len(expected))])
        np.testing.assert_array_equal(found, expected)


def test_some_of_these_worlds_have_overlapping_outages() -> None:
    overlaps = 0
    for seed in SEEDS:
        batch = simulate(random_world(seed), 3, seed)[2]
        order = np.lexsort((batch.outages["start"], batch.outages["place"], batch.outage_rows))
        rows, outages = batch.outage_rows[order], batch.outages[order]
        same = (rows[1:] == rows[:-1]) & (outages["place"][1:] == outages["place"][:-1])
        overlaps += int((same & (outages["start"][1:] < outages["stop"][:-1])).sum())
    assert overlaps > 0


@pytest.mark.parametrize("seed", SEEDS)
def test_a_series_is_the_weighted_sum_of_what_operates(seed: int) -> None:
    arm = arm_of(seed)
    count, kinds = len(arm.places), len(arm.counted)
    weights = np.random.default_rng(seed).uniform(-1, 1, (count, kinds))
    series = arm.series(weights)
    assert series.shape == (3, arm.scenario.steps + 1)
    for instant in range(0, arm.scenario.steps + 1, 7):
        expected = np.einsum("rki,ik->r", arm.holdings(instant), weights)
        np.testing.assert_allclose(series[:, instant], expected, atol=1e-10)


@pytest.mark.parametrize("seed", SEEDS)
def test_measures_are_what_they_say(seed: int) -> None:
    arm = arm_of(seed)
    scenario, instant = arm.scenario, arm.scenario.steps // 2
    held, measures = arm.holdings(instant), arm.measures()

    def at(name: str) -> np.ndarray:
        return arm.series(measures[name])[:, instant]

    focus = [i for i, name in enumerate(arm.places) if in_focus(arm, name)]
    people = np.array([scenario.places.population[scenario.places.id.index(arm.places[i])] for i in focus]).round()
    segments = np.array(scenario.technologies.segment)
    inside = held[:, :, focus]
    counted = inside[:, segments != "", :]
    if counted.shape[1]:
        np.testing.assert_allclose(at("coverage"), counted.mean(axis=(1, 2)), atol=1e-9)
        np.testing.assert_allclose(at("people"), counted.mean(axis=1) @ people / people.sum(), atol=1e-9)
        total = np.array([(segments == name).sum() for name in SEGMENTS])
        operating = np.stack([inside[:, segments == name].sum(axis=1) for name in SEGMENTS], axis=-1)
        index = rules.iq_index(operating, total)
        np.testing.assert_allclose(at("index"), index @ people / people.sum(), atol=1e-9)
    for k, technology in enumerate(scenario.technologies.id):
        np.testing.assert_allclose(at(technology), inside[:, k].mean(axis=1), atol=1e-9)
    for name, low, high in SIZE_CLASSES:
        chosen = (people > low) & (people <= high)
        assert (name in measures) == chosen.any()
        if chosen.any() and counted.shape[1]:
            np.testing.assert_allclose(at(name), counted[:, :, chosen].mean(axis=(1, 2)), atol=1e-9)


@pytest.mark.parametrize("seed", SEEDS)
def test_figures_kept_without_events_are_those_derived_from_events(seed: int) -> None:
    arm = arm_of(seed)
    names, instants = tuple(arm.measures()), (0, 1, 7, arm.scenario.steps // 2, arm.scenario.steps)
    kept = Measures(names, instants).reduce(arm.scenario, arm.shared, arm.batch)
    derived = [arm.series(arm.measures()[name])[:, instant] for instant in instants for name in names]
    np.testing.assert_allclose(kept, np.array(derived).T, atol=1e-9)


def in_focus(arm: Arm, name: str) -> bool:
    places = arm.scenario.places
    at = places.id.index(name)
    return arm.scenario.regions.id[places.region[at]] in arm.scenario.focus and not places.guide[at]


@pytest.fixture(scope="module")
def two_arms() -> Results:
    policies = {"more": {"title": "More", "diffusion": {"peers": 2.5}}, "none": {"title": "None"}}
    del policies["none"]
    targets = {"half": {"technology": "k0001", "date": "2024-01", "share": [0.4, 0.6], "kind": "observed"}}
    scenario = build(
        12, 2, portfolio=[("p0000", "k0001")], diffusion={"external": 0.05, "peers": 0.5}, policies=policies,
        targets=targets, finance={"cost_level": 1.0, "own_share": 1e-3},
    )  # fmt: skip
    return run(scenario, 20, 3, threads=2)


def test_events_are_a_table_of_dates_and_millions(two_arms: Results) -> None:
    events = two_arms.events
    batch = two_arms.baseline.batch
    expected = ["replicate", "policy", "municipality", "technology", "spell", "wanted", "adopted", "operating", "ended"]
    assert list(events.columns) == [*expected, "source", "guide", "cost", "own", "regional", "federal", "private"]
    base = events[events["policy"] == BASELINE].reset_index(drop=True)
    assert len(base) == len(batch.events)
    first = base[base["source"] != "initial"].iloc[0]
    raw = batch.events[batch.events["source"] > 0][0]
    assert first["adopted"] == pd.Timestamp(two_arms.scenario.instant(int(raw["adopted"])))
    np.testing.assert_allclose(base["own"], batch.payments["own"] / MINOR_UNITS)
    np.testing.assert_allclose(base["cost"], base[["own", "regional", "federal", "private"]].sum(axis=1))
    initial = base[base["source"] == "initial"]
    assert initial["wanted"].isna().all()
    assert (initial["operating"] == pd.Timestamp("2020-01-01")).all()
    assert initial["guide"].isna().all()
    assert (base["guide"].notna() == base["source"].isin(["peers", "leaders"])).all()


def test_regions_are_the_yearly_table_in_billions_and_millions(two_arms: Results) -> None:
    table = two_arms.regions
    assert list(table.columns) == ["replicate", "policy", "region", "year", *ECONOMY, *FLOWS]
    assert len(table) == 2 * 20 * 2 * 10
    arm = two_arms.arms["more"]
    row = table.query("policy == 'more' and replicate == 7 and region == 'r' and year == 2025").iloc[0]
    assert row["grp"] == arm.batch.tables[7, 0, 5, 0]
    assert row["own_spent"] == arm.batch.ledgers[7, 0, 5, FLOWS.index("own_spent")] / MINOR_UNITS
    assert row["unpaid"] == arm.batch.ledgers[7, 0, 5, FLOWS.index("unpaid")]
    assert table.query("region == 'federal'")["grp"].isna().all()


def test_shares_are_means_and_quantiles_over_replicates(two_arms: Results) -> None:
    table = two_arms.share()
    values = two_arms.measure("k0000", "more")
    rows = table.query("policy == 'more' and technology == 'k0000'")
    assert len(rows) == two_arms.scenario.steps + 1
    np.testing.assert_allclose(rows["mean"], values.mean(axis=0))
    for name, quantile in (("q05", 0.05), ("q50", 0.5), ("q95", 0.95)):
        np.testing.assert_allclose(rows[name], np.quantile(values, quantile, axis=0))
    assert set(two_arms.share("measure")["measure"]) == {"coverage", "people", "index"}
    assert set(two_arms.share("size")["size"]) == {"small"}
    with pytest.raises(ValueError, match="allowed: technology"):
        two_arms.share("colour")


def test_effects_are_paired_differences_with_their_interval(two_arms: Results) -> None:
    table = two_arms.effects()
    assert set(table["date"].astype(str)) == {"2024-01-01", "2030-01-01"}
    row = table.query("policy == 'more' and measure == 'coverage'").iloc[0]
    difference = two_arms.measure("coverage", "more")[:, 48] - two_arms.measure("coverage")[:, 48]
    assert row["mean"] == pytest.approx(difference.mean())
    half = (row["high"] - row["low"]) / 2
    assert 1.9 < half / (difference.std(ddof=1) / np.sqrt(20)) < 2.2
    assert row["q95"] == pytest.approx(np.quantile(difference, 0.95))
    assert row["mean"] > 0
    dated = two_arms.effects(["2022-01"])
    assert set(dated["date"].astype(str)) == {"2022-01-01"}


def test_guides_and_sources_count_the_adoptions(two_arms: Results) -> None:
    events = two_arms.events.query("policy == 'baseline'")
    guided = events[events["guide"].notna()]
    guides = two_arms.guides()
    assert guides["mean"].sum() * 20 == pytest.approx(len(guided))
    top = guides.iloc[0]
    same = guided[(guided["guide"] == top["guide"]) & (guided["municipality"] == top["adopter"])]
    assert top["mean"] * 20 == pytest.approx(len(same))
    assert guides["mean"].is_monotonic_decreasing
    sources = two_arms.sources().query("policy == 'baseline'")
    for source in SOURCES[1:]:
        counted = sources.loc[sources["source"] == source, "mean"].sum() * 20
        assert counted == pytest.approx((events["source"] == source).sum())


def test_outages_are_a_table_of_dates() -> None:
    world = random_world(21).override({"security.incident_rate": 1.5, "security.outage": 0.5})
    results = run(world, 2, 1, None)
    table, batch = results.outages, results.baseline.batch
    assert len(table) == len(batch.outages) > 0
    assert table["start"].iloc[0] == pd.Timestamp(world.instant(int(batch.outages["start"][0])))


def test_a_run_is_a_value() -> None:
    scenario = random_world(8)
    first, second = run(scenario, 4, 9, threads=1), run(scenario, 4, 9, threads=3)
    pd.testing.assert_frame_equal(first.events, second.events)
    pd.testing.assert_frame_equal(first.regions, second.regions)
    assert not first.events.equals(run(scenario, 4, 10).events)


def test_arms_are_chosen_by_name(two_arms: Results) -> None:
    scenario = two_arms.scenario
    assert arm_names(scenario, "all") == [BASELINE, "more"]
    assert arm_names(scenario, None) == arm_names(scenario, "none") == arm_names(scenario, BASELINE) == [BASELINE]
    assert arm_names(scenario, ["more", "more"]) == arm_names(scenario, "more") == [BASELINE, "more"]
    with pytest.raises(InputError, match="less"):
        run(scenario, 2, policy="less")
    with pytest.raises(ValueError, match="at least 1"):
        run(scenario, 0)


def test_progress_tells_every_replicate_once() -> None:
    told: list[tuple[str, int, int]] = []
    run(random_world(8), 9, threads=2, progress=lambda *news: told.append(news))
    assert told[-1] == (BASELINE, 9, 9)
    assert [done for _, done, _ in told] == sorted({done for _, done, _ in told})


def test_the_defaults_of_a_run_are_the_scenarios() -> None:
    scenario = build(3, replicates=7, seed=11, diffusion={"external": 0.3})
    results = run(scenario)
    assert (results.replicates, results.seed) == (7, 11)
    pd.testing.assert_frame_equal(results.events, sim.run(scenario, 7, 11).events)


def test_instants_are_dates_of_the_scenario(two_arms: Results) -> None:
    assert two_arms.instants[0] == np.datetime64("2020-01-01")
    assert two_arms.instants[-1] == np.datetime64(datetime.date(2030, 1, 1))
    assert len(two_arms.instants) == two_arms.scenario.steps + 1


def test_focus_leaves_other_regions_and_guides_out() -> None:
    places = [{"id": "a"}, {"id": "g", "role": "guide"}, {"id": "b", "region": "s"}]
    scenario = build(places, 1, ["r", "s"], portfolio=[("g", "k0000"), ("b", "k0000")], focus=["r"])
    results = run(scenario, 2)
    assert [name for name, inside in zip(results.baseline.places, results.baseline.focus, strict=True) if inside] == [
        "a"
    ]
    assert np.all(results.measure("k0000") == 0)
    assert structure(scenario).shape[0] == 3
