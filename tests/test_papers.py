"""Does every mechanism that docs/papers.md claims do what the papers say, and is none of theirs left out?"""

import ast
import csv
import re
from pathlib import Path

import numpy as np
import pytest
from build import build, events_of, first_adoptions, linear_fit, simulate

import sim
from sim.engine import rules
from sim.engine.columns import ECONOMY, FEDERAL_SPENT, FEES_PAID, OWN_INFLOW, PRIVATE_SPENT, RUNNING_PAID, SAVED
from sim.engine.rows import Simulation
from sim.scenario.places import COLUMNS, SEGMENTS
from sim.scenario.schema import parameter_table

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "papers.md").read_text(encoding="utf-8")
VALIDATION = ROOT / "scenarios" / "tables" / "validation"
REPLICATES, PLACES = 20, 10
SLOW = {"external": 0.1}
MONEY = {"cost_level": 5.0, "own_share": 1e-4, "regional_pool": 0.0, "federal_pool": 0.0}


# The page


def rows():
    """The cells of every row of the page's tables, headers left out."""
    lines = [line for line in PAGE.splitlines() if line.startswith("|") and not re.fullmatch(r"[|\-]+", line)]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [row for row in cells if row[-1] != "test"]


def test_no_cell_is_empty():
    assert len(rows()) > 50
    assert all(all(row) for row in rows())


@pytest.mark.parametrize(("file", "key"), [("swot", "swot_id"), ("policy_recommendations", "recommendation_id")])
def test_every_factor_and_recommendation_has_one_row(file, key):
    with open(VALIDATION / f"{file}.csv", encoding="utf-8") as table:
        wanted = [row[key] for row in csv.DictReader(table)]
    found = [row[0] for row in rows() if row[0] in wanted]
    assert found == wanted


def test_parameters_and_columns_exist():
    known = {row.key for row in parameter_table()}
    known |= {f"{table}.{column}" for table, columns in COLUMNS.items() for column in columns}
    for row in rows():
        named = re.findall(r"`([\w.]+)`", row[-2])
        assert set(named) - {"index"} <= known, row
        assert named or row[-2].startswith("Not modelled"), row


def test_tests_exist():
    for row in rows():
        for name in re.findall(r"`([\w.:]+)`", row[-1]):
            file, _, function = name.rpartition("::")
            source = (Path(__file__).parent / (file or "test_papers.py")).read_text(encoding="utf-8")
            defined = {node.name for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)}
            assert function in defined, name


def test_what_is_not_modelled_says_why():
    for row in rows():
        for cell in row:
            for reason in re.findall(r"[Nn]ot modelled(.*)", cell):
                assert ":" in reason and len(reason.split(":", 1)[1].split()) > 1, row


# What the rows claim


def firsts(scenario):
    """Instant of the first adoption, int64[replicates, K, n]."""
    _, _, batch = simulate(scenario, REPLICATES)
    count, kinds = len(scenario.places), len(scenario.technologies)
    return first_adoptions(batch, REPLICATES, count, kinds)


def assert_sooner(quick, slow):
    """Nobody is later, some are sooner: both meet the same luck."""
    assert (quick <= slow).all() and (quick < slow).any()


def ledger(scenario, column):
    """A column of the ledger summed over everything."""
    return simulate(scenario, REPLICATES)[2].ledgers[..., column].sum()


def test_a_leader_is_readier():
    def world(factor):
        kinds, owned = ["a", "b"], [("p0000", "a")]
        return build(PLACES, kinds, portfolio=owned, diffusion={**SLOW, "leader_factor": factor})

    quick, slow = firsts(world(5.0)), firsts(world(1.0))
    assert_sooner(quick[:, 1], slow[:, 1])
    leader = next(i for i in range(PLACES) if (slow[:, 0, i] == 0).all())
    others = np.arange(PLACES) != leader
    np.testing.assert_array_equal(quick[:, 1, others], slow[:, 1, others])


def test_examples_spread_inside_a_region():
    def world(peers):
        return build(PLACES, portfolio=[("p0000", "k0000")], diffusion={"peers": peers})

    assert_sooner(firsts(world(1.0)), firsts(world(0.0)))
    assert {event[9] for event in events_of(world(1.0), REPLICATES) if event[8] != "initial"} > {"p0000"}


def two_regions(**settings):
    """Region r with ordinary places, region s with a leader that is a guide."""
    leader = {"id": "leader", "region": "s", "lat": 60.0, "lon": 60.0, "role": "guide"}
    places = [*({"id": f"p{i}"} for i in range(PLACES)), leader]
    return build(places, regions=["r", "s"], portfolio=[("leader", "k0000")], **settings)


def test_leaders_of_other_regions_guide():
    assert_sooner(firsts(two_regions(diffusion={"leaders": 1.0})), firsts(two_regions()))
    guided = [event for event in events_of(two_regions(diffusion={"leaders": 1.0}), 3) if event[8] == "leaders"]
    assert guided and {event[9] for event in guided} == {"leader"}


def test_what_operates_is_copied():
    def world(announced, lag):
        kind = {"id": "k", "lag": lag}
        return build(PLACES, [kind], portfolio=[("p0000", "k")], diffusion={"peers": 1.0, "announced": announced})

    assert_sooner(firsts(world(0.0, 0.0)), firsts(world(0.0, 2.0)))
    assert_sooner(firsts(world(0.5, 2.0)), firsts(world(0.0, 2.0)))
    np.testing.assert_array_equal(firsts(world(0.0, 0.0)), firsts(world(1.0, 0.0)))


def half_equipped(kinds=("k",), **settings):
    return build(PLACES, list(kinds), portfolio=[(f"p000{i}", "k") for i in range(PLACES // 2)], **settings)


def test_a_platform_opens_and_pushes():
    def world(threshold, finance=None, **platform):
        section = {"threshold": threshold, **platform}
        return half_equipped(platform=section, diffusion=SLOW, finance=finance or {"cost_level": 0.0})

    assert_sooner(firsts(world(0.5, rate=1.0)), firsts(world(0.6, rate=1.0)))
    cheap = simulate(world(0.5, MONEY, cost_cut=0.5), REPLICATES)[2]
    dear = simulate(world(0.5, MONEY), REPLICATES)[2]
    bought = [batch.payments["own"][batch.events["source"] != 0] for batch in (cheap, dear)]
    assert set(bought[0]) == {250_000_000} and set(bought[1]) == {500_000_000}


def test_platforms_spill_over():
    def world(spillover):
        near, far = [{"id": f"a{i}"} for i in range(4)], [{"id": f"b{i}", "region": "s"} for i in range(4)]
        owned = [(f"a{i}", "k0000") for i in range(4)]
        settings = {"threshold": 0.6, "rate": 1.0, "spillover": spillover}
        return build([*near, *far], regions=["r", "s"], portfolio=owned, platform=settings)

    assert_sooner(firsts(world(0.6)), firsts(world(0.5)))


def test_specialization_speeds_its_domain():
    def world(fit):
        kinds = [{"id": "k", "benefit": 1.0}, {"id": "other", "domain": "e", "benefit": 1.0}]
        diffusion = {**SLOW, "benefit_weight": 1.0}
        return build(PLACES, kinds, specialization=[("r", "d", fit)], diffusion=diffusion)

    quick, slow = firsts(world(2.0)), firsts(world(1.0))
    assert_sooner(quick[:, 0], slow[:, 0])
    np.testing.assert_array_equal(quick[:, 1], slow[:, 1])


def test_the_state_pays_for_what_is_guided_from_outside():
    def world(**diffusion):
        finance = {**MONEY, "federal_pool": 1.0, "federal_share": 0.5}
        return two_regions(diffusion=diffusion, finance=finance)

    guided, alone = world(leaders=1.0), world(external=0.3)
    assert ledger(guided, FEDERAL_SPENT) > 0
    assert ledger(alone, FEDERAL_SPENT) == 0
    without = world(leaders=1.0).override({"finance.federal_share": 0.0})
    assert (firsts(guided) < 10**6).sum() >= (firsts(without) < 10**6).sum()


def mandate(rate, **more):
    return {"region": "r", "technology": "k0000", "from": "2022-01", "rate": rate, **more}


def test_a_mandate_brings_everybody_in():
    times = firsts(build(PLACES, mandates=[mandate(6.0)]))
    assert (times > 24).all() and (times < 120).all()
    assert (firsts(build(PLACES)) == 10**6).all()
    kinds = [{"id": "k0000"}, {"id": "needs", "requires": "k0000"}]
    both = firsts(build(PLACES, kinds, diffusion={"external": 0.5}, mandates=[mandate(6.0)]))
    assert (both[:, 1] > both[:, 0]).all()


def test_a_mandate_ends():
    times = firsts(build(PLACES, mandates=[mandate(1.0, until="2023-01")]))
    inside = (times > 24) & (times <= 36)
    assert (inside | (times == 10**6)).all()
    assert inside.any() and not inside.all()


def test_the_index_is_one_for_cities_and_regions():
    scenario = sim.load("perm-krai")
    results = sim.run(scenario, 2, policy="none")
    arm = results.baseline
    segment = np.array(scenario.technologies.segment)
    total = np.array([(segment == name).sum() for name in SEGMENTS])
    held = arm.holdings(scenario.steps)[:, :, arm.focus]
    count = np.stack([held[:, segment == name].sum(axis=1) for name in SEGMENTS], axis=-1)
    people = arm.shared.places["population"][arm.focus]
    by_place = rules.iq_index(count, total)
    region = (by_place * people).sum(axis=1) / people.sum()
    np.testing.assert_allclose(results.measure("index")[:, -1], region, atol=1e-9)
    assert (by_place >= 0).all() and by_place.max() > 0


def test_sanctions_slow_and_substitution_mends():
    def world(severity, substitution=0.0):
        sanctions = {"severity": severity, "substitution": substitution, "from": "2021-01"}
        kinds = [{"id": "k", "foreign_share": 0.8}, {"id": "own", "foreign_share": 0.0}]
        return build(PLACES, kinds, diffusion=SLOW, sanctions=sanctions, finance={"supply_premium": 0.5})

    free, cut, mended = firsts(world(0.0)), firsts(world(0.9)), firsts(world(0.9, 0.4))
    assert_sooner(free[:, 0], mended[:, 0])
    assert_sooner(mended[:, 0], cut[:, 0])
    np.testing.assert_array_equal(free[:, 1], cut[:, 1])
    assert rules.full_cost(1.0, 5.0, 1.0, 0.0, 0.5, rules.supply(0.8, 0.9, 0.0, 1.0), 0.0) == pytest.approx(6.8)


def products(scenario):
    """GRP, float64[replicates, regions, years]."""
    return simulate(scenario, REPLICATES)[2].tables[..., ECONOMY.index("grp")]


def test_product_follows_the_equation():
    world = build(2, fit=linear_fit(1.2, 0.0094), economy={"industry_growth": 0.1, "urban_growth": 0.01})
    found = products(world)[0, 0]
    years = np.arange(len(found))
    expected = 500.0 + 1.2 * 300.0 * (1.1**years - 1) + 0.0094 * 1e6 * (1.01**years - 1)
    np.testing.assert_allclose(found, expected)


def test_growth_of_towns_reaches_budgets():
    def world(growth):
        return build(PLACES, fit=linear_fit(), economy={"urban_growth": growth}, finance=MONEY)

    assert (products(world(0.02))[..., 1:] > products(world(0.0))[..., 1:]).all()
    assert ledger(world(0.02), OWN_INFLOW) > ledger(world(0.0), OWN_INFLOW)


def test_a_link_carries_its_share():
    def world(weight):
        links = [("p0001", "p0000", "peers", weight)]
        return build(PLACES, portfolio=[("p0001", "k0000")], links=links, diffusion={"peers": 1.0})

    simulation = Simulation(world(0.7), 1)
    listener = simulation.scenario.places.id.index("p0000")
    assert simulation.state.exposures["peers"][0, listener] * rules.EXPOSURE_UNIT == pytest.approx(0.7)
    assert_sooner(firsts(world(0.9)), firsts(world(0.1)))


def test_what_operates_saves():
    def world(saving, running):
        kind = {"id": "k", "saving": saving, "running_cost": running}
        return build(PLACES, [kind], diffusion={"external": 0.5}, finance=MONEY)

    assert ledger(world(0.2, 0.0), SAVED) > 0 == ledger(world(0.0, 0.0), SAVED)
    assert ledger(world(0.0, 0.2), RUNNING_PAID) > 0 == ledger(world(0.0, 0.0), RUNNING_PAID)


def test_energy_saves_most():
    technologies = sim.load("perm-krai").technologies
    counted = np.array([name != "" for name in technologies.segment])
    domain = np.array(technologies.domain)
    by_domain = {name: technologies.saving[domain == name].mean() for name in set(domain[counted])}
    assert max(by_domain, key=lambda name: by_domain[name]) == "energy_lighting"


def test_cost_delays():
    def world(cost):
        return build(PLACES, diffusion={"external": 0.5}, finance={**MONEY, "cost_level": cost})

    assert_sooner(firsts(world(1.0)), firsts(world(10.0)))
    sizes = [rules.full_cost(1.0, 5.0, size**0.8, 0.0, 0.0, 1.0, 0.0) for size in (1.0, 2.0)]
    assert 1.0 < sizes[1] / sizes[0] < 2.0


def test_larger_places_are_readier():
    def world(elasticity):
        places = [{"id": f"p{i}", "population": 200_000.0} for i in range(PLACES)]
        return build(places, diffusion={**SLOW, "size_elasticity": elasticity})

    assert_sooner(firsts(world(0.5)), firsts(world(0.0)))
    same = firsts(build(PLACES, diffusion=SLOW))
    assert (firsts(build(PLACES, diffusion={**SLOW, "heterogeneity": 1.0})) != same).any()


def test_a_bad_year_is_common_to_all():
    places = [{"id": "a"}, {"id": "b", "region": "s"}]
    world = build(places, regions=["r", "s"], fit=linear_fit(b2=0.0), economy={"volatility": 0.1})
    found = products(world)
    np.testing.assert_allclose(found[:, 0], found[:, 1])
    assert found.std() > 0


def attractive(benefit_weight=1.0, kind=None, **diffusion):
    return build(
        PLACES, [{"id": "k", **(kind or {})}], diffusion={**SLOW, "benefit_weight": benefit_weight, **diffusion}
    )


def test_benefit_speeds():
    assert_sooner(firsts(attractive(kind={"benefit": 1.0})), firsts(attractive(kind={"benefit": 0.2})))
    indifferent = [firsts(attractive(0.0, {"benefit": benefit})) for benefit in (0.2, 1.0)]
    np.testing.assert_array_equal(*indifferent)


def test_complexity_deters_until_there_is_a_platform():
    simple, complex_ = attractive(), attractive(kind={"complexity": 1.0})
    assert_sooner(firsts(simple), firsts(complex_))
    diffusion = {**SLOW, "benefit_weight": 1.0}
    joined = half_equipped([{"id": "k", "complexity": 1.0}], platform={"threshold": 0.5}, diffusion=diffusion)
    alone = half_equipped([{"id": "k", "complexity": 1.0}], diffusion=diffusion)
    assert_sooner(firsts(joined), firsts(alone))


def test_protection_answers_privacy_and_incidents():
    def world(protection, **more):
        policy = {"protection": protection, "protection_cost": 0.1}
        kind = {"id": "k", "privacy": 1.0}
        return build(PLACES, [kind], diffusion={**SLOW, "benefit_weight": 1.0}, policy=policy, **more)

    assert_sooner(firsts(world(0.8)), firsts(world(0.0)))

    def outages(protection):
        owned = [(f"p000{i}", "k") for i in range(PLACES)]
        security = {"incident_rate": 0.3, "outage": 0.5, "distrust": 0.5}
        return len(simulate(world(protection, portfolio=owned, security=security), REPLICATES)[2].outages)

    assert 0 < outages(0.8) < outages(0.0)
    paid = simulate(world(0.8, finance=MONEY), REPLICATES)[2].payments["own"]
    assert set(paid) == {540_000_000}


def test_distrust_delays_after_an_incident():
    def world(distrust):
        kinds = ["old", "new"]
        security = {"incident_rate": 1.0, "distrust": distrust}
        diffusion = {**SLOW, "benefit_weight": 1.0}
        return build(PLACES, kinds, portfolio=[("p0000", "old")], security=security, diffusion=diffusion)

    assert firsts(world(2.0))[:, 1].mean() > firsts(world(0.0))[:, 1].mean()


def test_inclusion_closes_the_divide():
    def world(inclusion):
        diffusion = {**SLOW, "benefit_weight": 1.0, "divide": 0.8}
        return build(PLACES, [{"id": "k", "benefit": 1.0}], diffusion=diffusion, policy={"inclusion": inclusion})

    assert_sooner(firsts(world(0.9)), firsts(world(0.0)))

    def poor_share(inclusion):
        """Of all that is bought, the part bought by places that began with nothing."""
        kinds, rich = [f"k{number}" for number in range(6)], [f"p000{i}" for i in range(5)]
        owned = [(place, kind) for place in rich for kind in kinds[:3]]
        finance = {**MONEY, "cost_level": 50.0, "regional_pool": 1.0, "regional_share": 0.8}
        world = build(
            PLACES, kinds, portfolio=owned, diffusion={"external": 2.0}, finance=finance,
            policy={"inclusion": inclusion},
        )  # fmt: skip
        bought = [event for event in events_of(world, REPLICATES) if event[8] != "initial"]
        return sum(event[1] not in rich for event in bought) / len(bought)

    assert poor_share(0.9) > poor_share(0.0)


def test_adoption_feeds_back_on_product():
    def world(gain):
        return build(PLACES, fit=linear_fit(), diffusion={"external": 0.5}, economy={"industry_gain": gain})

    small, large = products(world(0.003)), products(world(0.06))
    assert (large >= small).all() and (large[..., -1] > small[..., -1]).all()
    np.testing.assert_allclose(products(world(0.0)), 500.0)


def test_partners_pay_now_and_are_paid_later():
    def world(share, fee):
        finance = {**MONEY, "cost_level": 20.0, "private_share": share, "private_fee": fee}
        return build(PLACES, diffusion={"external": 0.5}, finance=finance)

    assert_sooner(firsts(world(0.5, 0.0)), firsts(world(0.0, 0.0)))
    assert ledger(world(0.5, 0.1), PRIVATE_SPENT) > 0
    assert ledger(world(0.5, 0.1), FEES_PAID) > 0 == ledger(world(0.0, 0.1), FEES_PAID)


def test_resistance_delays_and_fades_with_examples():
    assert_sooner(firsts(attractive(resistance=0.2)), firsts(attractive(resistance=1.0)))
    seen = firsts(half_equipped(diffusion={**SLOW, "benefit_weight": 1.0, "resistance": 1.0}))
    others = (seen > 0).all(axis=(0, 1))
    assert others.sum() == PLACES - PLACES // 2
    assert_sooner(seen[..., others], firsts(attractive(resistance=1.0))[..., others])


def test_what_is_old_lapses_and_is_renewed():
    def world(renewal, life=2.0):
        kind = {"id": "k", "life": life}
        return build(PLACES, [kind], diffusion={"external": 0.5}, finance={**MONEY, "renewal": renewal})

    events = events_of(world(0.5), REPLICATES)
    costs = {spell: {event[10] for event in events if event[3] == spell} for spell in (1, 2)}
    assert costs == {1: {500_000_000}, 2: {250_000_000}}
    assert all(event[7] == event[6] + 24 for event in events if event[7] >= 0)
    assert {event[3] for event in events_of(world(0.5, None), REPLICATES)} == {1}


def test_investment_hastens():
    def world(own, pool):
        finance = {**MONEY, "cost_level": 30.0, "own_share": own, "regional_pool": pool, "regional_share": 0.5}
        return build(PLACES, diffusion={"external": 0.5}, finance=finance)

    assert_sooner(firsts(world(3e-4, 0.0)), firsts(world(1e-4, 0.0)))
    assert (firsts(world(1e-4, 1.0)) < 10**6).sum() > (firsts(world(1e-4, 0.0)) < 10**6).sum()


def test_levers_work_together():
    def world(share, protection, inclusion):
        finance = {**MONEY, "cost_level": 15.0, "regional_pool": 0.5, "regional_share": share}
        diffusion = {"external": 0.3, "benefit_weight": 1.0, "divide": 0.5}
        policy = {"protection": protection, "inclusion": inclusion}
        return build(PLACES, [{"id": "k", "privacy": 1.0, "benefit": 1.0}], diffusion=diffusion, finance=finance,
                     policy=policy)  # fmt: skip

    def mean(*levers):
        return np.minimum(firsts(world(*levers)), 121).mean()

    single = [mean(0.5, 0.0, 0.0), mean(0.0, 0.8, 0.0), mean(0.0, 0.0, 0.8)]
    assert mean(0.5, 0.8, 0.8) < min(single) <= max(single) < mean(0.0, 0.0, 0.0)
