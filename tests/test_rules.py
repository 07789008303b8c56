"""Does each rule give the value worked by hand, the limit it must have, and the property it promises?"""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.engine import rules, sphere

SHARE = st.floats(0.0, 1.0)
POSITIVE = st.floats(0.01, 100.0)
RATE = st.floats(0.0, 10.0)
AMOUNT = st.integers(0, 10**15)


# Adoption


def test_capacity_of_a_place_four_times_the_reference_at_elasticity_one_half_is_two() -> None:
    assert rules.capacity(0.0, 0.0, 4.0, 0.5) == 2.0
    # variation 0.5: log-variance ln 1.25 = 0.22314355; at one standard deviation exp(0.472381 - 0.111572)
    assert rules.capacity(1.0, 0.5, 1.0, 0.25) == pytest.approx(1.43449, rel=1e-5)


def test_capacity_without_variation_or_size_effect_is_one() -> None:
    assert rules.capacity(2.5, 0.0, 37.0, 0.0) == 1.0


@pytest.mark.parametrize("variation", [0.2, 0.5, 1.0])
def test_capacity_has_mean_one_and_the_given_coefficient_of_variation(variation: float) -> None:
    # the moments by Gauss-Hermite quadrature: exact to rounding for this smooth integrand
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    values = np.array([rules.capacity(float(x), variation, 1.0, 0.3) for x in nodes])
    mean = values @ weights / weights.sum()
    assert mean == pytest.approx(1.0, rel=1e-9)
    assert math.sqrt(values**2 @ weights / weights.sum() - 1.0) == pytest.approx(variation, rel=1e-6)


@given(st.floats(-4, 4), SHARE, POSITIVE, st.floats(0, 1))
def test_a_larger_place_has_no_less_capacity(normal: float, variation: float, size: float, elasticity: float) -> None:
    small, large = (rules.capacity(normal, variation, x, elasticity) for x in (size, 2.0 * size))
    assert 0.0 < small <= large * (1 + 1e-12)


def test_attractiveness_worked_by_hand() -> None:
    # 1.2*1.5*(1 - 0.5*(1 - 0.4)) - 0.5*(1 - 0.2) - 0.4*(1 - 0.25) - 0.3*(1 - 0) = 1.26 - 0.4 - 0.3 - 0.3
    value = rules.attractiveness(1.2, 1.5, 0.5, 0.4, 0.5, 0.2, 0.4, 0.25, 0.3, 0.0)
    assert value == pytest.approx(0.26, abs=1e-12)


def test_attractiveness_is_the_benefit_once_all_obstacles_are_gone() -> None:
    assert rules.attractiveness(1.2, 1.0, 1.0, 1.0, 0.7, 1.0, 0.9, 1.0, 0.8, 1.0) == 1.2
    assert rules.attractiveness(1.2, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0) == 0.0


@given(st.lists(SHARE, min_size=10, max_size=10), st.integers(0, 9), SHARE)
def test_attractiveness_rises_with_what_helps_and_falls_with_what_hinders(
    values: list[float], which: int, more: float
) -> None:
    helps = (0, 1, 3, 5, 7, 9)
    raised = list(values)
    raised[which] = values[which] + more * (1.0 - values[which])
    change = rules.attractiveness(*raised) - rules.attractiveness(*values)
    assert change * (1 if which in helps else -1) >= -1e-12


def test_multiplier_worked_by_hand() -> None:
    assert rules.multiplier(2.0, 0.5, 0.4) == pytest.approx(2.0 * 1.2214027581601699)


@given(POSITIVE, st.floats(-5, 5))
def test_without_benefit_weight_the_multiplier_is_the_capacity(capacity: float, value: float) -> None:
    assert rules.multiplier(capacity, 0.0, value) == capacity


@given(RATE, POSITIVE)
def test_leaders_are_readier_by_their_factor_and_others_unchanged(rate: float, factor: float) -> None:
    assert rules.external_rate(rate, factor, 0) == rate
    assert rules.external_rate(rate, factor, 1) == rate * factor


def test_hazard_worked_by_hand() -> None:
    # 2 * (0.01 + 0.4*0.5 + 0.1*0.25 + 0.2*1) = 0.87
    assert rules.hazard(2.0, rules.hazard_terms(0.01, 0.4, 0.5, 0.1, 0.25, 0.2, 1.0)) == pytest.approx(0.87)


def test_hazard_without_example_is_bass_innovation_and_with_everybody_p_plus_q() -> None:
    assert rules.hazard(1.0, rules.hazard_terms(0.03, 0.38, 0.0, 0.1, 0.0, 0.2, 0.0)) == 0.03
    assert rules.hazard(1.0, rules.hazard_terms(0.03, 0.38, 1.0, 0.0, 1.0, 0.0, 1.0)) == pytest.approx(0.41)


@given(POSITIVE, RATE, RATE, SHARE, RATE, SHARE, RATE)
def test_hazard_is_the_sum_of_its_sources(
    m: float, p: float, q: float, peers: float, h: float, leaders: float, g: float
) -> None:
    parts = [
        rules.hazard(m, rules.hazard_terms(p, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)),
        rules.hazard(m, rules.hazard_terms(0.0, q, peers, 0.0, 0.0, 0.0, 0.0)),
        rules.hazard(m, rules.hazard_terms(0.0, 0.0, 0.0, h, leaders, 0.0, 0.0)),
        rules.hazard(m, rules.hazard_terms(0.0, 0.0, 0.0, 0.0, 0.0, g, 1.0)),
    ]
    assert rules.hazard(m, rules.hazard_terms(p, q, peers, h, leaders, g, 1.0)) == pytest.approx(sum(parts), rel=1e-12)


def test_supply_worked_by_hand() -> None:
    # 1 - 0.6*0.5*exp(-0.15*2) = 1 - 0.3*0.7408182
    assert rules.supply(0.5, 0.6, 0.15, 2.0) == pytest.approx(0.77775453)
    assert rules.supply(0.5, 0.6, 0.15, 0.0) == pytest.approx(0.7)


@given(SHARE, SHARE, st.floats(0, 2), st.floats(-10, 50))
def test_supply_is_a_share_full_before_sanctions_and_for_domestic_technology(
    foreign: float, severity: float, substitution: float, years: float
) -> None:
    value = rules.supply(foreign, severity, substitution, years)
    assert 0.0 <= value <= 1.0
    assert rules.supply(foreign, severity, substitution, min(years, -0.01)) == 1.0
    assert rules.supply(0.0, severity, substitution, years) == 1.0
    assert rules.supply(foreign, 0.0, substitution, years) == 1.0


def test_supply_recovers_with_substitution_and_never_without() -> None:
    recovering = [rules.supply(1.0, 0.6, 0.15, float(years)) for years in range(0, 60)]
    assert np.all(np.diff(recovering) > 0)
    assert recovering[-1] > 0.999
    assert rules.supply(1.0, 0.6, 0.0, 1000.0) == pytest.approx(0.4)


# Influence


def test_influence_worked_by_hand() -> None:
    assert rules.influence(rules.mass(10_000.0, 0.5), 50.0, 1.0) == pytest.approx(2.0)


@given(st.floats(1, 1e7), st.floats(0, 10), st.floats(0, 3))
def test_places_nearer_than_ten_kilometres_count_as_ten(mass: float, distance: float, decay: float) -> None:
    assert rules.influence(mass, distance, decay) == rules.influence(mass, 10.0, decay)


@given(st.floats(1, 1e7), st.floats(10, 2e4))
def test_influence_without_exponents_is_one(mass: float, distance: float) -> None:
    assert rules.influence(rules.mass(mass, 0.0), distance, 0.0) == 1.0


@given(st.floats(1, 1e6), st.floats(10, 2e4), st.floats(0.1, 3), st.floats(1, 1e6))
def test_whoever_is_beyond_reach_has_less_influence_than_the_cut(
    mass: float, distance: float, decay: float, other: float
) -> None:
    weight = rules.influence(mass, distance, decay)
    beyond = rules.EARTH_RADIUS * math.sqrt(rules.reach(other, decay) * rules.cut(weight, decay))
    assert rules.influence(other, beyond, decay) <= weight


def test_without_decay_nobody_is_beyond_reach() -> None:
    assert rules.cut(1.0, 0.0) == math.inf
    assert rules.reach(np.ones(2), 0.0).tolist() == [math.inf, math.inf]


@given(st.floats(-90, 90), st.floats(-180, 180), st.floats(-90, 90), st.floats(-180, 180))
def test_the_great_circle_is_that_of_the_haversine(north: float, east: float, other: float, far: float) -> None:
    a, b = math.radians(north), math.radians(other)
    half = math.sin((a - b) / 2) ** 2 + math.cos(a) * math.cos(b) * math.sin(math.radians(east - far) / 2) ** 2
    haversine = 2 * 6371.0088 * math.asin(math.sqrt(min(1.0, half)))
    points = sphere.on_sphere([north, other], [east, far])
    arc = float(sphere.kilometres(points[0], points[1]))
    assert arc == pytest.approx(haversine, abs=0.5)
    assert rules.great_circle(float(np.linalg.norm(points[0] - points[1]))) == pytest.approx(arc, rel=1e-12)


@given(st.integers(0, 2**31), SHARE)
def test_the_announced_part_of_a_weight_is_a_whole_part_of_it(weight: int, announced: float) -> None:
    part = rules.announced_weight(weight, announced)
    assert isinstance(part, int)
    assert 0 <= part <= weight
    assert rules.announced_weight(weight, 1.0) == weight
    assert rules.announced_weight(weight, 0.0) == 0


def test_a_platform_opens_at_its_threshold_and_partners_help() -> None:
    assert rules.platform_opens(4, 10, 0.0, 0.0, 0.4)
    assert not rules.platform_opens(3, 10, 0.0, 1.0, 0.4)
    assert rules.platform_opens(3, 10, 0.1, 1.0, 0.4)


@given(st.integers(0, 50), st.integers(2, 50), SHARE, SHARE)
def test_a_platform_needs_no_more_when_partners_have_one(
    operating: int, members: int, spillover: float, threshold: float
) -> None:
    alone = rules.platform_opens(operating, members, spillover, 0.0, threshold)
    assert rules.platform_opens(operating, members, spillover, 1.0, threshold) >= alone


def test_a_region_of_one_municipality_has_no_platform() -> None:
    assert not rules.platform_opens(1, 1, 1.0, 1.0, 0.0)


# Money


def test_own_budget_worked_by_hand() -> None:
    # 1.5e-4 of 1 740 525 million, for 50 000 of 2 532 405 people: 5.155 million
    assert rules.own_budget(1.5e-4, 1_740_525.0, 50_000.0, 2_532_405.0) == pytest.approx(5.15475, rel=1e-5)


@given(st.floats(0, 1), POSITIVE, st.lists(st.floats(1, 1e6), min_size=1, max_size=20))
def test_own_budgets_of_a_whole_region_are_its_share_of_the_product(
    share: float, product: float, people: list[float]
) -> None:
    total = sum(rules.own_budget(share, product, person, sum(people)) for person in people)
    assert total == pytest.approx(share * product, rel=1e-9)


def test_full_cost_worked_by_hand() -> None:
    # 2 * 5.15 * 1.741101 * (1 - 0.3) * (1 + 0.5*0.3) * (1 + 0.03)
    cost = rules.full_cost(2.0, 5.15, 2.0**0.8, 0.3, 0.5, 0.7, 0.03)
    assert cost == pytest.approx(14.86943, rel=1e-5)


@given(POSITIVE, POSITIVE, POSITIVE, SHARE, SHARE, SHARE, SHARE)
def test_a_platform_makes_it_cheaper_scarcity_and_protection_dearer(
    relative: float, level: float, size: float, cut: float, premium: float, supply: float, protection: float
) -> None:
    plain = rules.full_cost(relative, level, size, 0.0, 0.0, 1.0, 0.0)
    assert plain == pytest.approx(relative * level * size)
    assert rules.full_cost(relative, level, size, cut, premium, 1.0, 0.0) <= plain * (1 + 1e-12)
    assert rules.full_cost(relative, level, size, 0.0, premium, supply, protection) >= plain * (1 - 1e-12)
    assert rules.full_cost(relative, 0.0, size, cut, premium, supply, protection) == 0.0


@given(AMOUNT, SHARE, SHARE, AMOUNT, SHARE, AMOUNT)
def test_who_pays_sums_to_the_cost_and_no_pool_pays_more_than_it_has(
    cost: int, private_share: float, regional_share: float, region: int, federal_share: float, state: int
) -> None:
    federal_share = min(federal_share, 1.0 - regional_share)
    paid = rules.payers(cost, private_share, regional_share, region, federal_share, state)
    own, regional, federal, private = paid
    assert sum(paid) == cost
    assert own >= 0
    assert 0 <= private <= cost
    assert 0 <= regional <= min(region, cost - private)
    assert 0 <= federal <= min(state, cost - private)
    assert all(isinstance(amount, int) for amount in paid)


def test_who_pays_worked_by_hand() -> None:
    assert rules.payers(1000, 0.1, 0.3, 10_000, 0.2, 100) == (530, 270, 100, 100)


def test_the_federal_level_supports_what_leaders_and_platforms_bring() -> None:
    assert rules.federal_share(0.2, True) == 0.2
    assert rules.federal_share(0.2, False) == 0.0


def test_the_reserve_is_open_to_those_at_or_below_the_median() -> None:
    assert [rules.open_reserve(70, operating, 3) for operating in (2, 3, 4)] == [70, 70, 0]


def test_a_pool_pays_the_smaller_of_its_share_and_its_balance() -> None:
    assert rules.co_financed(1000, 0.3, 10_000) == 300
    assert rules.co_financed(1000, 0.3, 120) == 120
    assert rules.co_financed(1001, 0.5, 10_000) == 500
    assert rules.part(999, 0.5) == 499


def test_priority_is_benefit_for_cost_and_what_costs_nothing_comes_first() -> None:
    assert rules.priority(1.5, 3.0) == 0.5
    assert rules.priority(0.0, 0.0) == math.inf
    assert rules.priority(2.0, 4.0) > rules.priority(2.0, 5.0)


# Economy


def test_industry_worked_by_hand() -> None:
    # 300 * 1.02**2 * (1 + 0.02*(0.6 - 0.1)) = 315.2412
    assert rules.industry(300.0, 0.02, 2.0, 0.02, 0.6, 0.1, 1.0) == pytest.approx(315.2412)


@given(st.floats(0.1, 1e5), st.floats(-0.1, 0.1), SHARE, st.floats(0, 0.1))
def test_industry_of_the_base_year_without_adoption_is_the_table(
    base: float, growth: float, share: float, gain: float
) -> None:
    assert rules.industry(base, growth, 0.0, gain, share, share, 1.0) == base


def test_one_more_billion_of_industry_adds_b1_and_a_million_urban_people_b2_million() -> None:
    b1, b2 = 1.20116395, 0.00942299110
    base = (1740.5, b1, 900.0, 900.0, b2, 1.9e6, 1.9e6)
    one = rules.product_linear(1740.5, b1, 901.0, 900.0, b2, 1.9e6, 1.9e6)
    million = rules.product_linear(1740.5, b1, 900.0, 900.0, b2, 2.9e6, 1.9e6)
    assert rules.product_linear(*base) == 1740.5
    assert one - 1740.5 == pytest.approx(b1, rel=1e-9)
    assert million - 1740.5 == pytest.approx(9422.9911, rel=1e-9)


@given(st.floats(1, 1e5), st.floats(-50, 50), st.floats(1, 1e5), st.floats(-1, 1), st.floats(1, 1e8))
def test_the_base_year_is_exact_whatever_the_coefficients(
    product: float, b1: float, industry: float, b2: float, urban: float
) -> None:
    for rule in (rules.product_linear, rules.product_loglog):
        assert rule(product, b1, industry, industry, b2, urban, urban) == product


def test_elasticities_worked_by_hand() -> None:
    # industry doubled at elasticity 0.5: sqrt 2; urban people times 1.1 at elasticity 1
    value = rules.product_loglog(100.0, 0.5, 20.0, 10.0, 1.0, 11.0, 10.0)
    assert value == pytest.approx(100.0 * math.sqrt(2.0) * 1.1)


def test_the_yearly_shock_has_mean_one_and_is_one_without_volatility() -> None:
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    values = [rules.yearly_shock(float(x), 0.2) for x in nodes]
    assert np.dot(values, weights) / weights.sum() == pytest.approx(1.0, rel=1e-12)
    assert rules.yearly_shock(3.0, 0.0) == 1.0


# Time


def test_durations_are_whole_steps_and_halves_go_to_the_even_number() -> None:
    month = 1.0 / 12.0
    assert [int(rules.whole_steps(years, month)) for years in (0.0, 0.04, 0.5, 0.125, 0.375)] == [0, 0, 6, 2, 4]
    assert rules.whole_steps(np.array([0.5, 2.0]), 0.25).tolist() == [2, 8]
    assert rules.lifetime(np.array([0.01, 7.0]), month).tolist() == [1, 84]


def test_an_outage_lasts_a_step_at_the_least_unless_there_is_none() -> None:
    assert [rules.outage_steps(years, 1.0 / 12.0) for years in (0.0, 0.01, 0.5)] == [0, 1, 6]


@given(st.integers(1, 600), st.floats(0, 1, exclude_max=True))
def test_what_was_there_at_the_start_ends_within_its_life(life: int, luck: float) -> None:
    assert 1 <= rules.remaining_life(life, luck) <= life


# Incidents and the index


def test_incident_hazard_worked_by_hand() -> None:
    assert rules.incident_hazard(0.03, 2, 4, 0.3) == pytest.approx(0.03 * 0.5 * 0.79)


@given(RATE, st.integers(0, 15), SHARE)
def test_incidents_need_something_digital_and_protection_never_ends_them(
    rate: float, operating: int, protection: float
) -> None:
    share = operating / 15
    assert rules.incident_hazard(rate, 0, 15, protection) == 0.0
    assert rules.incident_hazard(rate, operating, 15, 1.0) == pytest.approx(0.3 * rate * share)
    assert rules.incident_hazard(rate, operating, 15, protection) <= rate * share


def test_the_index_is_0_with_nothing_and_120_with_everything() -> None:
    total = np.array([3, 2, 5, 1, 4])
    assert rules.iq_index(np.zeros(5), total) == 0.0
    assert rules.iq_index(total, total) == 120.0
    # (1/3 + 1/2 + 0 + 1 + 0) / 5 * 120 = 44
    assert rules.iq_index(np.array([1, 1, 0, 1, 0]), total) == pytest.approx(44.0)


def test_segments_without_a_technology_are_left_out_of_the_index() -> None:
    assert rules.iq_index(np.array([1, 0, 0, 0, 2]), np.array([2, 0, 0, 0, 2])) == pytest.approx(90.0)
