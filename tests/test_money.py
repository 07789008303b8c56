"""Does money go where the three tiers send it, to the last unit, and does the economy follow its equation?"""

from typing import Any

import numpy as np
import pytest
from build import build, linear_fit, named_events, simulate
from hypothesis import given, settings
from hypothesis import strategies as st
from worlds import random_world

from sim.engine.columns import FLOWS, MINOR_UNITS, WANTED
from sim.engine.rows import Simulation
from sim.scenario.scenario import Scenario

INFLOWS = ("own_inflow", "regional_inflow", "federal_inflow", "granted", "saved")
OUTFLOWS = ("own_spent", "regional_spent", "federal_spent", "running_paid", "fees_paid")
MONEY = {"cost_level": 1.0, "own_share": 1e-3, "regional_pool": 0.0, "federal_pool": 0.0}


def flows(simulation: Simulation, names: tuple[str, ...], rows: slice = slice(None)) -> int:
    """What flowed so far, minor units; `rows` of the ledger: regions, then the federal level."""
    return int(sum(simulation.state.ledger[rows, :, FLOWS.index(name)].sum() for name in names))


def balances(simulation: Simulation) -> list[int]:
    state = simulation.state
    return [
        *state.budgets["balance"].tolist(),
        *state.funds["pool"].tolist(),
        *state.funds["reserve"].tolist(),
        int(state.record["federal"][0]),
    ]


def check_month(simulation: Simulation) -> None:
    """Money in is money out and balances; nothing is below zero; each tier's own account holds too."""
    held, state = balances(simulation), simulation.state
    assert min(held) >= 0
    assert state.budgets["arrears"].min() >= 0
    assert flows(simulation, INFLOWS) == flows(simulation, OUTFLOWS) + sum(held)
    federal = flows(simulation, ("federal_inflow",)) - flows(simulation, ("federal_spent",))
    assert federal == int(state.record["federal"][0])
    for r in range(len(state.funds)):
        own = slice(r, r + 1)
        pool = flows(simulation, ("regional_inflow",), own) - flows(simulation, ("regional_spent",), own)
        assert pool == int(state.funds["pool"][r] + state.funds["reserve"][r])
        towns = simulation.shared.places["region"] == r
        purse = flows(simulation, ("own_inflow", "granted", "saved"), own)
        purse -= flows(simulation, ("own_spent", "running_paid", "fees_paid"), own)
        assert purse == int(state.budgets["balance"][towns].sum())


@given(st.integers(0, 10**9))
@settings(max_examples=60)
def test_money_in_is_money_out_and_balances_in_every_month(seed: int) -> None:
    scenario = random_world(seed, mandates=[]).override({"finance.cost_level": 1.0 + seed % 5})
    simulation = Simulation(scenario, seed)
    while not simulation.finished:
        simulation.advance()
        check_month(simulation)


def test_grants_and_gifts_keep_the_accounts() -> None:
    simulation = Simulation(random_world(21).override({"finance.cost_level": 5.0}), 21)
    for month in range(40):
        simulation.grant(month % 2, 123_456_789)
        if month % 7 == 0:
            simulation.equip(month % 2, 0)
        simulation.advance()
        check_month(simulation)
    assert flows(simulation, ("granted",)) == 40 * 123_456_789


@pytest.mark.parametrize("seed", [5, 8, 12, 21, 30])
def test_what_events_say_was_paid_is_what_the_ledger_spent(seed: int) -> None:
    scenario = random_world(seed).override({"finance.cost_level": 1.5})
    _, _, batch = simulate(scenario, 3, seed)
    for row in range(3):
        mine = batch.event_rows == row
        for payer in ("own", "regional", "federal", "private"):
            spent = batch.ledgers[row, :, :, FLOWS.index(f"{payer}_spent")].sum()
            assert batch.payments[payer][mine].sum() == spent


def test_a_budget_is_the_places_share_of_a_share_of_the_product() -> None:
    # 1e-3 of 500 000 million, for 50 000 of 200 000 people: 125 million a year, 10.41666667 a month
    region = {"id": "r", "population": 200_000.0, "grp_bln": 500.0}
    simulation = Simulation(build(3, regions=[region], finance={**MONEY, "regional_pool": 0.2}), 1)
    simulation.advance()
    assert simulation.state.budgets["balance"].tolist() == [1_041_666_667] * 3
    assert simulation.state.funds["pool"].tolist() == [625_000_000]
    simulation.advance(11)
    assert simulation.state.budgets["balance"].tolist() == [12 * 1_041_666_667] * 3


def one_purchase(**finance: Any) -> tuple[int, int, int, int]:
    """Who paid for the one technology of a place that an order makes want it in the first month."""
    order = [{"region": "r", "technology": "k0000", "from": "2020-01", "rate": 1000.0}]
    guide = {"id": "guide", "role": "guide"}
    scenario = build(["a", guide], 1, mandates=order, finance={**MONEY, **finance})
    event = next(event for event in named_events(scenario, simulate(scenario)[2]) if event[1] == "a")
    return event[10:]


def test_the_region_pays_its_share_and_the_place_the_rest() -> None:
    paid = one_purchase(regional_pool=1.0, regional_share=0.3)
    assert paid == (70_000_000, 30_000_000, 0, 0)


def test_a_pool_without_money_leaves_all_to_the_place() -> None:
    assert one_purchase(regional_pool=0.0, regional_share=0.3) == (100_000_000, 0, 0, 0)


def test_the_private_part_comes_first_and_the_tiers_share_the_rest() -> None:
    assert one_purchase(regional_pool=1.0, regional_share=0.25, private_share=0.4) == (
        45_000_000,
        15_000_000,
        0,
        40_000_000,
    )


def test_the_federal_level_pays_only_where_a_leader_or_a_platform_was_the_source() -> None:
    places = [*(f"p{i}" for i in range(6)), {"id": "guide", "role": "guide", "region": "away"}]
    scenario = build(
        places, 3, ["r", "away"], portfolio=[("guide", f"k{k:04d}") for k in range(3)],
        diffusion={"external": 0.1, "peers": 0.5, "leaders": 0.5}, platform={"threshold": 0.5, "rate": 1.0},
        finance={**MONEY, "federal_pool": 1.0, "federal_share": 0.2, "regional_share": 0.0},
    )  # fmt: skip
    events = named_events(scenario, simulate(scenario, 10)[2])
    by_source = {source: {event[12] for event in events if event[8] == source} for source in ("external", "peers")}
    assert by_source == {"external": {0}, "peers": {0}}
    for source in ("leaders", "platform"):
        assert {event[12] for event in events if event[8] == source} == {20_000_000}


def test_running_costs_fees_and_savings_flow_while_it_operates() -> None:
    kinds = [{"id": "k", "running_cost": 0.12, "saving": 0.06, "life": 2.0}]
    order = [{"region": "r", "technology": "k", "from": "2020-01", "until": "2020-02", "rate": 1000.0}]
    scenario = build(
        ["a", {"id": "guide", "role": "guide"}], kinds, mandates=order,
        finance={**MONEY, "private_share": 0.5, "private_fee": 0.24, "regional_share": 0.0},
    )  # fmt: skip
    simulation = Simulation(scenario, 1)
    simulation.advance(60)
    # a cost of 100 000 000: running 12, fee 24 % of the private half, saving 6 millions of units a year
    assert flows(simulation, ("running_paid",)) == 24 * 1_000_000
    assert flows(simulation, ("fees_paid",)) == 24 * 1_000_000
    assert flows(simulation, ("saved",)) == 24 * 500_000


def test_what_cannot_be_paid_is_arrears_and_is_paid_when_money_comes() -> None:
    kinds = [{"id": "k", "cost": 1000.0, "running_cost": 1.0}]
    scenario = build(["a"], kinds, portfolio=[("a", "k")], finance={**MONEY, "own_share": 1e-6})
    simulation = Simulation(scenario, 1)
    simulation.advance(5)
    owed = int(simulation.state.budgets["arrears"][0])
    monthly = 1000 * MINOR_UNITS // 12
    assert owed == 5 * monthly - flows(simulation, ("own_inflow",))
    assert simulation.state.budgets["balance"][0] == 0
    simulation.grant(0, owed + monthly)
    simulation.advance()
    assert simulation.state.budgets["arrears"][0] == 0


def test_renewal_costs_its_part_of_the_price() -> None:
    order = [{"region": "r", "technology": "k", "from": "2020-01", "rate": 50.0}]
    guide = {"id": "guide", "role": "guide"}
    scenario = build(
        ["a", guide],
        [{"id": "k", "life": 1.0}],
        mandates=order,
        finance={**MONEY, "renewal": 0.25, "regional_share": 0},
    )
    events = [event for event in named_events(scenario, simulate(scenario)[2]) if event[1] == "a"]
    assert len(events) >= 5
    assert [event[10] for event in events] == [100_000_000] + [25_000_000] * (len(events) - 1)


def test_what_is_worth_more_for_its_cost_is_served_first() -> None:
    kinds = [{"id": "dear", "cost": 2.0, "benefit": 1.0}, {"id": "good", "cost": 1.0, "benefit": 1.0}]
    orders = [{"region": "r", "technology": name, "from": "2020-01", "rate": 1000.0} for name in ("dear", "good")]
    scenario = build(
        ["a", {"id": "guide", "role": "guide"}], kinds, mandates=orders,
        finance={"cost_level": 10.0, "own_share": 4e-4, "regional_share": 0.0, "regional_pool": 0.0},
    )  # fmt: skip
    adopted = {event[2]: event[5] for event in named_events(scenario, simulate(scenario)[2]) if event[1] == "a"}
    assert adopted["good"] < adopted["dear"]


def test_what_costs_nothing_never_waits() -> None:
    kinds = [{"id": "free", "cost": 0.0}, {"id": "dear", "cost": 1e6}]
    scenario = build(10, kinds, diffusion={"external": 0.5}, finance={**MONEY})
    events = named_events(scenario, simulate(scenario)[2])
    assert len(events) > 5
    assert all(event[4] == event[5] and event[2] == "free" for event in events)


def test_doubling_the_own_share_changes_adoption_where_money_binds() -> None:
    def adopted(own_share: float, cost_level: float) -> np.ndarray:
        finance = {"cost_level": cost_level, "own_share": own_share, "regional_pool": 0.2}
        scenario = build(20, 3, diffusion={"external": 0.3}, finance=finance)
        return np.array(simulate(scenario, 20)[2].ends[:, 0])

    for factor in (1.0, 2.0):
        assert np.array_equal(adopted(1e-5 * factor, 0.0), adopted(1e-5, 0.0))
    scarce = [np.diff(adopted(share, 1.5), prepend=0) for share in (1e-5, 2e-5)]
    assert scarce[1].mean() > 1.3 * scarce[0].mean()


def test_the_reserve_goes_to_those_who_have_less() -> None:
    places = [{"id": f"rich{i}"} for i in range(3)] + [{"id": f"poor{i}"} for i in range(3)]
    kinds = [{"id": f"k{k}"} for k in range(4)]
    portfolio = [(f"rich{i}", f"k{k}") for i in range(3) for k in range(2)]

    def regional(inclusion: float) -> tuple[int, int]:
        scenario = build(
            places, kinds, portfolio=portfolio, diffusion={"external": 1.0}, policy={"inclusion": inclusion},
            finance={"cost_level": 1e4, "own_share": 5e-2, "regional_pool": 0.1, "regional_share": 0.5},
        )  # fmt: skip
        events = [event for event in named_events(scenario, simulate(scenario, 10)[2]) if event[5] > 0]
        rich = sum(event[11] for event in events if event[1].startswith("rich"))
        return rich, sum(event[11] for event in events) - rich

    rich, poor = regional(0.0)
    rich_then, poor_then = regional(1.0)
    assert poor_then / (rich_then + poor_then) > poor / (rich + poor)


def test_entries_that_wait_are_counted_at_the_end_of_each_year() -> None:
    scenario = build(10, [{"id": "k", "cost": 1e6}], diffusion={"external": 0.5}, finance={**MONEY})
    simulation = Simulation(scenario, 1)
    for year in range(10):
        simulation.advance(12)
        waiting = (simulation.state.cells["status"] == WANTED).sum()
        assert simulation.state.ledger[0, year, FLOWS.index("unpaid")] == waiting
    assert waiting > 5


# Economy


def product(scenario: Scenario, replicates: int = 1) -> np.ndarray:
    """GRP float64[replicates, R, years]."""
    return simulate(scenario, replicates)[2].tables[..., 0]


@pytest.mark.parametrize("form", ["linear", "loglog"])
def test_the_base_year_is_the_table_to_the_last_digit_for_every_draw(form: str) -> None:
    regions = [
        {"id": "a", "grp_bln": 1740.525, "industry_bln": 1319.717, "urban_population": 1_919_063.0},
        {"id": "b", "grp_bln": 0.1, "industry_bln": 0.3, "urban_population": 7.0},
    ]
    places = [{"id": "x", "region": "a"}, {"id": "y", "region": "b"}]
    scenario = build(
        places, 1, regions, fit=linear_fit(draws=40, form=form),
        economy={"coefficients": "draws", "base_year": 2023, "industry_growth": 0.03, "urban_growth": 0.011},
    )  # fmt: skip
    found = product(scenario, 200)
    assert len(np.unique(simulate(scenario, 200)[1].parameters["b1"])) == 40
    assert np.all(found[:, 0, 3] == 1740.525)
    assert np.all(found[:, 1, 3] == 0.1)
    assert len(np.unique(found[:, 0, 4])) > 10


def test_without_change_every_year_is_the_base_year() -> None:
    scenario = build(3, fit=linear_fit(draws=9), economy={"coefficients": "draws"})
    assert np.all(product(scenario, 50) == 500.0)


def test_one_more_billion_of_industry_adds_b1_and_a_million_urban_people_add_b2_million() -> None:
    fit = linear_fit(1.20116395, 0.00942299110)
    region = [{"id": "r", "grp_bln": 500.0, "industry_bln": 100.0, "urban_population": 1e7}]
    grown = build(2, regions=region, fit=fit, economy={"industry_growth": 0.01})
    assert product(grown)[0, 0, 1] - 500.0 == pytest.approx(1.20116395, rel=1e-9)
    peopled = build(2, regions=region, fit=fit, economy={"urban_growth": 0.1})
    assert product(peopled)[0, 0, 1] - 500.0 == pytest.approx(9422.9911, rel=1e-9)


def test_years_before_the_base_year_count_backwards() -> None:
    scenario = build(2, fit=linear_fit(1.0, 0.0), economy={"base_year": 2022, "industry_growth": 0.1})
    expected = 500.0 + 300.0 * (1.1 ** np.arange(-2.0, 8.0) - 1.0)
    np.testing.assert_allclose(product(scenario)[0, 0], expected, rtol=1e-13)


def test_adoption_raises_industry_by_the_share_gained_and_industry_raises_product() -> None:
    order = [{"region": "r", "technology": "k0000", "from": "2021-02", "rate": 1000.0}]
    region = {"id": "r", "population": 400_000.0, "grp_bln": 500.0, "industry_bln": 300.0}
    scenario = build(
        ["a", "b"], 2, [region], portfolio=[("a", "k0001")], mandates=order, fit=linear_fit(1.5, 0.0),
        economy={"industry_gain": 0.08},
    )  # fmt: skip
    tables = simulate(scenario)[2].tables[0, 0]
    # at the start 50 000 of 400 000 people have one of two: 1/16; from 2022 all of 100 000 one more: 3/16
    assert tables[:3, 3].tolist() == [1 / 16, 1 / 16, 3 / 16]
    assert tables[2, 1] == pytest.approx(300.0 * (1 + 0.08 / 8))
    assert tables[2, 0] == pytest.approx(500.0 + 1.5 * 3.0)


def test_the_yearly_shock_is_common_to_regions_and_differs_between_years_and_replicates() -> None:
    places = [{"id": "x", "region": "a"}, {"id": "y", "region": "b"}]
    scenario = build(places, 1, ["a", "b"], fit=linear_fit(1.0, 0.0), economy={"volatility": 0.1})
    tables = simulate(scenario, 400)[2].tables
    factor = tables[..., 1] / 300.0
    np.testing.assert_array_equal(factor[:, 0], factor[:, 1])
    logs = np.log(factor[:, 0]).ravel()
    assert len(np.unique(logs)) == 4000
    assert abs(logs.mean() + 0.005) < 4 * 0.1 / np.sqrt(4000)
    assert abs(logs.std() - 0.1) < 4 * 0.1 / np.sqrt(8000)


def test_a_negative_product_gives_no_negative_budget() -> None:
    scenario = build(
        2, fit=linear_fit(50.0, 0.0), economy={"industry_growth": -0.1}, finance=MONEY, diffusion={"external": 0.1}
    )
    simulation = Simulation(scenario, 1)
    simulation.advance(60)
    assert simulation.state.yearly[0, 4, 0] < 0
    received = simulation.state.ledger[0, :, FLOWS.index("own_inflow")]
    assert received[0] > 0
    assert received[4] == 0
    check_month(simulation)
