"""Are the measures of inequality and of ranks those of the textbooks, and of the events they are derived from?"""

import numpy as np
import pytest
from build import build
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from worlds import random_world

from sim.results import ranks as ranks_module
from sim.results.measures import divide, gini, index_at, region_index_at, worst_decile
from sim.results.ranks import PERMUTATIONS, cities_and_regions, correspondence, kendall, rank_correlation, ranks
from sim.results.run import Results, run
from sim.scenario.places import SEGMENTS

whole = st.integers(0, 6)


@pytest.fixture(scope="module")
def perm() -> Results:
    import sim

    return run(sim.load("perm-krai"), 8, policy=["no-mandate", "inclusion-first"])


@pytest.mark.parametrize("seed", range(4))
def test_index_is_the_rule_applied_to_what_each_place_holds(seed: int) -> None:
    results = run(random_world(seed), 3)
    arm = results.baseline
    segment = arm.scenario.technologies.segment
    at = arm.scenario.steps // 2
    held = arm.holdings(at)
    found = index_at(arm, at)
    for i in range(len(arm.places)):
        by_segment = [
            np.mean([held[1, k, i] for k, name in enumerate(segment) if name == wanted])
            for wanted in SEGMENTS
            if wanted in segment
        ]
        if by_segment:
            assert found[1, i] == pytest.approx(120 * np.mean(by_segment))


def test_a_region_is_its_people(perm: Results) -> None:
    arm, last = perm.baseline, perm.scenario.steps
    people = arm.shared.places["population"][arm.focus].astype(float)
    places = index_at(arm, last)
    region = region_index_at(arm, last)
    np.testing.assert_allclose(region[:, 0], (places[:, arm.focus] * people).sum(axis=1) / people.sum())
    np.testing.assert_allclose(region[:, 0], perm.measure("index")[:, last])


def test_the_index_begins_with_what_is_held_at_the_start(perm: Results) -> None:
    arm = perm.baseline
    start = index_at(arm, 0)
    names = np.array(arm.places)
    assert (start == start[0]).all()
    assert start[0, names == "moscow"] > start[0, names == "ufa"] > 0
    assert (start[0, arm.focus & (names != "PER-31")] == 0).all()


@pytest.mark.parametrize(
    ("counts", "expected"), [([5] * 30, 5), ([*range(30)], 1), ([0, 9, 9, 9], 0), ([[3, 1], [2, 2]], [1, 2])]
)
def test_worst_decile_by_hand(counts: list, expected: float | list) -> None:
    np.testing.assert_allclose(worst_decile(np.array(counts)), expected)


def test_gini_by_hand() -> None:
    np.testing.assert_allclose(gini(np.array([[1, 1, 1], [0, 0, 3], [1, 2, 3]])), [0, 2 / 3, 2 / 9])


def test_divide_is_made_of_the_events(perm: Results) -> None:
    arm, at = perm.arms["inclusion-first"], perm.scenario.steps
    held = arm.holdings(at)[:, arm.counted][:, :, arm.focus]
    found = divide(arm, at)
    people = arm.shared.places["population"][arm.focus]
    np.testing.assert_allclose(found["coverage"], held.mean(axis=(1, 2)))
    np.testing.assert_allclose(found["people"], (held.mean(axis=1) * people).sum(axis=1) / people.sum())
    for name, chosen in (
        ("large", people > 250_000), ("medium", (people > 50_000) & (people <= 250_000)), ("small", people <= 50_000)
    ):  # fmt: skip
        np.testing.assert_allclose(found[name], held[:, :, chosen].mean(axis=(1, 2)))
    assert (found["worst_decile"] <= found["coverage"]).all()
    assert ((found["gini"] > 0) & (found["gini"] < 1)).all()


def test_ranks_share_ties() -> None:
    np.testing.assert_allclose(ranks(np.array([[3, 9, 9, 1], [1, 2, 3, 4]])), [[3, 1.5, 1.5, 4], [4, 3, 2, 1]])


@given(st.lists(st.tuples(whole, whole), min_size=3, max_size=12))
def test_coefficients_are_those_of_scipy(pairs: list) -> None:
    one, two = np.array(pairs, float).T
    if np.ptp(one) and np.ptp(two):
        assert kendall(one, two) == pytest.approx(stats.kendalltau(one, two).statistic)
        assert rank_correlation(one, two) == pytest.approx(stats.spearmanr(one, two).statistic)
    else:
        assert np.isnan(kendall(one, two))


def test_kendall_of_many_rows_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    chance = np.random.default_rng(3)
    one, two = chance.integers(0, 5, (7, 9)), chance.integers(0, 5, (7, 9))
    monkeypatch.setattr(ranks_module, "_CELLS", 100)
    expected = [stats.kendalltau(a, b).statistic for a, b in zip(one, two, strict=True)]
    np.testing.assert_allclose(kendall(one, two), expected)


@pytest.mark.parametrize("name", ["spearman", "kendall"])
def test_permutation_p_is_exact_within_its_error(name: str) -> None:
    one, two = np.arange(6.0), np.array([1, 0, 3, 2, 5, 4.0])
    statistic = {"spearman": stats.spearmanr, "kendall": stats.kendalltau}[name]

    def measured(values: np.ndarray) -> float:
        return float(statistic(one, values).statistic)

    exact = stats.permutation_test((two,), measured, permutation_type="pairings", n_resamples=np.inf)
    found = correspondence(one, two, name)
    assert found.value == pytest.approx(measured(two))
    assert found.p == pytest.approx(exact.pvalue, abs=4 * (exact.pvalue / PERMUTATIONS) ** 0.5)
    assert found == correspondence(one, two, name)


def test_the_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    chance = np.random.default_rng(5)
    truth = 6 / np.pi * np.arcsin(0.6 / 2)  # Spearman's rho of a normal pair with correlation 0.6
    covariance, hits, trials = [[1, 0.6], [0.6, 1]], 0, 120
    for trial in range(trials):
        one, two = chance.multivariate_normal([0, 0], covariance, 40).T
        found = correspondence(one, two, seed=trial, draws=9)
        hits += found.low <= truth <= found.high
    assert 0.86 <= hits / trials <= 0.99


@pytest.mark.parametrize(("one", "two"), [([1, 2], [1, 2]), ([1, 2, 3], [1, 2]), ([1, 1, 1], [1, 2, 3])])
def test_rankings_that_say_nothing_are_refused(one: list, two: list) -> None:
    with pytest.raises(ValueError, match="rankings"):
        correspondence(np.array(one), np.array(two))


def test_cities_and_regions_rank_alike_where_a_region_is_its_city() -> None:
    places = [{"id": f"p{i}", "region": f"r{i}", "population": 1000.0 * (i + 1)} for i in range(5)]
    portfolio = [(f"p{i}", f"k{j:04d}") for i in range(5) for j in range(i)]
    scenario = build(places, 4, [f"r{i}" for i in range(5)], portfolio=portfolio)
    found = cities_and_regions(run(scenario, 2).baseline, 3)
    np.testing.assert_allclose(found, 1)
    found = cities_and_regions(run(scenario, 2).baseline, 3, "kendall")
    np.testing.assert_allclose(found, 1)
