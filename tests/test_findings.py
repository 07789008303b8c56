from __future__ import annotations

import numpy as np
import pytest
from build import build, linear_fit
from hypothesis import given
from hypothesis import strategies as st

from sim.report.findings import first_operating, guidance, leading_guides, technology_shares, when_operating
from sim.results.effects import Case, effect, policy_effects, policy_prices, price
from sim.results.measures import (
    coverage,
    flow,
    gini,
    headline,
    index_at,
    public_money,
    region_index_at,
    technologies_at,
)
from sim.results.ranks import rank_correlation
from sim.results.run import run
from sim.results.targets import verdicts

COUNTS = st.lists(st.integers(0, 30), min_size=2, max_size=12).filter(any)


def test_gini_by_hand():
    counts = np.array([[1.0, 1, 1, 1], [0, 0, 0, 4], [0, 0, 2, 2], [0, 0, 0, 0]])
    assert gini(counts).tolist() == [0.0, 0.75, 0.5, 0.0]


@given(COUNTS)
def test_gini_is_half_the_relative_mean_difference(counts):
    values = np.array(counts, dtype=float)
    expected = np.abs(values[:, None] - values).mean() / (2 * values.mean())
    assert gini(values) == pytest.approx(expected)


def test_rank_correlation_by_hand():
    assert rank_correlation(np.array([1.0, 2, 3, 4]), np.array([2.0, 1, 4, 3])) == pytest.approx(0.6)
    assert np.isnan(rank_correlation(np.ones(3), np.arange(3.0)))


@pytest.mark.parametrize(
    ("points", "money", "kind"),
    [
        ([2.0, 2.1, 1.9, 2.0], [40.0, 41, 39, 40], "costs"),
        ([-2.0, -2.1, -1.9, -2.0], [-40.0, -41, -39, -40], "saves"),
        ([2.0, 2.1, 1.9, 2.0], [-40.0, -41, -39, -40], "better"),
        ([-2.0, -2.1, -1.9, -2.0], [40.0, 41, 39, 40], "worse"),
        ([2.0, 2.1, 1.9, 2.0], [40.0, -40, 41, -41], "better"),
        ([-2.0, -2.1, -1.9, -2.0], [0.0, 0, 0, 0], "worse"),
        ([2.0, -2.0, 2.0, -2.0], [40.0, 40, 40, 41], "cannot be told"),
    ],
)
def test_kinds_of_prices(points, money, kind):
    found = price((np.array(points), np.zeros(4)), (np.array(money), np.zeros(4)))
    assert found.case == kind
    if kind in ("costs", "saves"):
        assert found.value == pytest.approx(20.0)
        assert found.low <= 20.0 <= found.high


def test_interval_of_a_price_covers_the_truth_as_often_as_it_says():
    generator, hits, tries = np.random.default_rng(5), 0, 600
    for _ in range(tries):
        points = generator.normal(2.0, 1.0, 100)
        money = 15.0 * points + generator.normal(10.0, 8.0, 100)
        found = price((points, np.zeros(100)), (money, np.zeros(100)))
        hits += found.low <= 20.0 <= found.high
    assert hits / tries == pytest.approx(0.95, abs=0.03)


def test_effect_is_mean_interval_and_spread():
    found = effect(np.array([1.0, 2.0, 3.0, 4.0]), np.zeros(4))
    error = np.std([1, 2, 3, 4], ddof=1) / 2  # and 3.18 is the 97.5 % quantile of t with 3 degrees of freedom
    assert (found.mean, found.low, found.high) == pytest.approx((2.5, 2.5 - 3.182446 * error, 2.5 + 3.182446 * error))
    assert (found.q05, found.q95, found.sign) == (pytest.approx(1.15), pytest.approx(3.85), 1)
    assert effect(np.array([-1.0, 1.0]), np.zeros(2)).sign == 0
    assert effect(np.array([1.0]), np.zeros(1)).sign == 0


@pytest.fixture(scope="module")
def results():
    scenario = build(
        places=12, technologies=[{"id": "member", "segment": "", "domain": "programme"}, "k1", "k2"],
        portfolio=[("p0000", "member"), ("p0000", "k1")], diffusion={"external": 0.05, "peers": 0.5},
        finance={"cost_level": 1.0}, fit=linear_fit(),
        targets={
            "seen": {"technology": "k1", "date": "2025-01", "count": [0, 12]},
            "before": {"technology": "k1", "before": "2021-01", "count": [12, 12]},
            "meant": {"technology": "k1", "date": "2030-01", "share": [0.0, 1.0], "kind": "plan"},
            "later": {"technology": "k1", "date": "2031-01", "count": [1, 2]},
        },
        policies={"same": {"title": "Same"}, "stop": {"diffusion": {"peers": 0.0, "external": 0.0}}},
    )  # fmt: skip
    return run(scenario, replicates=20, seed=3)


def test_shares_agree_with_the_results(results):
    arm = results.baseline
    shares = technology_shares(arm)
    for k, name in enumerate(results.scenario.technologies.id):
        assert shares[k] == pytest.approx(results.measure(name).mean(axis=0))
    held = technologies_at(arm, 60)
    assert held.mean() / 2 == pytest.approx(coverage(arm)[:, 60].mean())
    whole = arm.holdings(60)[:, arm.counted]
    assert (held == whole.sum(axis=1)).all()


def test_first_operation_agrees_with_the_events(results):
    first = first_operating(results.baseline)
    frame = results.events[results.events["policy"] == "baseline"]
    some = frame[(frame["replicate"] == 3) & (frame["technology"] == "k2")]
    place = {name: at for at, name in enumerate(results.baseline.places)}
    for name, group in some.groupby("municipality", observed=True):
        step = results.scenario.step_of(group["operating"].min().to_datetime64())
        assert first[3, place[name], 2] == step
    assert len(some) and np.isfinite(first[3, :, 2]).sum() == some["municipality"].nunique()


def test_share_and_median_of_those_that_operate():
    first = np.array([4.0, np.inf, 6.0, 9.0])[:, None]
    share, middle = when_operating(first)
    assert share.tolist() == [0.75] and middle.tolist() == [6.0]
    assert when_operating(np.full((3, 1), np.inf))[1].tolist() == [np.inf]


def test_guides_add_up_to_the_guided_events(results):
    arm = results.baseline
    total = sum(peers + afar for _, peers, afar in leading_guides(arm, 100))
    assert total == pytest.approx(results.guides()["mean"].sum())
    found = guidance(arm, 1)
    first = arm.batch.events[(arm.batch.events["technology"] == 1) & (arm.batch.events["spell"] == 1)]
    assert found.chance.sum() * 20 == pytest.approx((first["guide"] >= 0).sum()) and found.chance.sum() > 0


def test_money_agrees_with_who_paid_in_the_events(results):
    frame = results.events[results.events["policy"] == "baseline"]
    for name in ("own", "regional", "federal", "private"):
        expected = frame.groupby("replicate")[name].sum().reindex(range(20), fill_value=0.0)
        assert flow(results.baseline, f"{name}_spent").sum(axis=1) == pytest.approx(expected.to_numpy())
    assert public_money(results.baseline).mean() > 0


def test_verdicts_count_what_they_say(results):
    found = {verdict.name: verdict for verdict in verdicts(results)}
    assert set(found) == {"seen", "before", "meant"}
    assert found["seen"].chance == 1.0 and found["seen"].inside
    assert found["before"].chance == 0.0 and not found["before"].inside
    assert found["meant"].chance == 1.0


def test_a_policy_that_changes_nothing_has_no_effect_and_one_that_stops_all_has(results):
    table = policy_effects(results)
    for rows in table.values():
        same, stop = rows
        assert (same.mean, same.low, same.high, same.sign) == (0.0, 0.0, 0.0, 0)
        assert stop.sign <= 0
    assert table["coverage"][1].sign == -1
    prices = {arm.name: found for arm, found in policy_prices(results)}
    assert prices["same"].case == Case.UNTOLD
    assert prices["stop"].case == Case.SAVES


def test_index_of_places_and_regions_agree_with_the_results(results):
    arm = results.baseline
    assert region_index_at(arm, arm.scenario.steps)[:, 0] == pytest.approx(results.measure("index")[:, -1])
    assert (index_at(arm, arm.scenario.steps) <= 120 + 1e-9).all()


def test_headline_falls_back_from_targets_to_mandates_to_memberships():
    kinds = [{"id": "member", "segment": ""}, "k1"]
    order = {"region": "r", "technology": "k1", "from": "2021-01", "rate": 1.0}
    assert headline(build(technologies=kinds, mandates=[order])) == [1]
    assert headline(build(technologies=kinds)) == [0]
    assert headline(build(technologies=["k1"])) == []
