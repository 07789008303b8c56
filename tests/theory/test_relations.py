"""Which changes of a scenario must change its history in a known way? Metamorphic relations over random worlds."""

from typing import Any

import numpy as np
import pytest
from build import build, events_of, first_adoptions, simulate
from worlds import random_world

from sim.results.run import run
from sim.scenario.scenario import Scenario

CALM = {
    "finance.cost_level": 0.0, "security.incident_rate": 0.0, "sanctions.severity": 0.5,
    "diffusion.external": 0.03, "diffusion.peers": 0.5, "diffusion.leaders": 0.3, "platform.rate": 0.3,
    "platform.threshold": 0.5, "step": 1.0, "end": "2027-01",
}  # fmt: skip
"""Slack money and no incidents: the conditions under which raising a rate brings no first adoption later."""
WORLDS = (1, 3, 5, 8, 12, 21, 30, 34)


def calm(seed: int) -> Scenario:
    """A random world in which nothing ends and money is slack, with an order for the first technology everywhere."""
    return edited(random_world(seed).override(CALM), "technologies", life=lambda _: None)


def edited(scenario: Scenario, table: str, **columns: Any) -> Scenario:
    """The scenario with columns of a table changed cell by cell."""
    resolved = scenario.resolved()
    file = dict(resolved["files"][table])
    for name, change in columns.items():
        if name in file:
            file[name] = [change(cell) for cell in file[name]]
    return Scenario.from_resolved({**resolved, "files": {**resolved["files"], table: file}})


def adopted(scenario: Scenario, replicates: int = 4) -> np.ndarray:
    count, kinds = scenario.portfolio.shape
    return first_adoptions(simulate(scenario, replicates)[2], replicates, count, kinds)


def no_later(first: list[Scenario], second: list[Scenario]) -> None:
    """Every first adoption of the second scenarios is no later than in the first, and some are earlier."""
    earlier = 0
    for before, after in zip(first, second, strict=True):
        late, soon = adopted(before), adopted(after)
        assert np.all(soon <= late)
        earlier += (soon < late).sum()
    assert earlier > 0


@pytest.mark.parametrize(
    ("key", "low", "high"),
    [
        ("diffusion.external", 0.03, 0.05),
        ("diffusion.leader_factor", 1.0, 6.0),
        ("diffusion.peers", 0.5, 0.8),
        ("diffusion.leaders", 0.3, 0.9),
        ("diffusion.announced", 0.0, 1.0),
        ("platform.rate", 0.0, 0.8),
        ("platform.threshold", 0.9, 0.3),
        ("platform.spillover", 0.0, 0.6),
        ("diffusion.resistance", 0.9, 0.1),
        ("diffusion.divide", 1.0, 0.0),
        ("policy.inclusion", 0.0, 1.0),
        ("policy.protection", 0.0, 1.0),
        ("sanctions.severity", 1.0, 0.0),
        ("sanctions.substitution", 0.0, 2.0),
    ],
)
def test_what_helps_brings_no_first_adoption_later(key: str, low: float, high: float) -> None:
    worlds = [calm(seed).override({"sanctions.from": "2020-06"}) for seed in WORLDS]
    no_later([world.override({key: low}) for world in worlds], [world.override({key: high}) for world in worlds])


def test_more_benefit_brings_no_first_adoption_later() -> None:
    worlds = [calm(seed) for seed in WORLDS]
    no_later(worlds, [edited(world, "technologies", benefit=lambda cell: cell + 0.5) for world in worlds])


def test_less_complexity_and_less_privacy_concern_bring_no_first_adoption_later() -> None:
    worlds = [calm(seed) for seed in WORLDS]
    no_later(worlds, [edited(world, "technologies", complexity=lambda cell: cell / 2) for world in worlds])
    no_later(worlds, [edited(world, "technologies", privacy=lambda cell: cell / 2) for world in worlds])


def test_a_shorter_lag_brings_no_first_adoption_later() -> None:
    worlds = [calm(seed) for seed in WORLDS]
    slow = [edited(world, "technologies", lag=lambda cell: cell + 0.5) for world in worlds]
    no_later(slow, worlds)


def test_dropping_prerequisites_brings_no_first_adoption_later() -> None:
    worlds = [calm(seed) for seed in WORLDS]
    no_later(worlds, [edited(world, "technologies", requires=lambda _: "") for world in worlds])


def test_an_order_brings_no_first_adoption_later_and_neither_does_an_earlier_or_stricter_one() -> None:
    def ordered(rate: float, date: str) -> list[Scenario]:
        worlds = []
        for seed in WORLDS:
            world = calm(seed)
            order = {"region": world.focus[0], "technology": world.technologies.id[0], "from": date, "rate": rate}
            worlds.append(world.override({"mandates": [order] if rate else []}))
        return worlds

    no_later(ordered(0.0, "2022-01"), ordered(0.7, "2022-01"))
    no_later(ordered(0.7, "2022-01"), ordered(0.7, "2020-03"))
    no_later(ordered(0.7, "2022-01"), ordered(2.0, "2022-01"))


def test_a_place_that_starts_with_more_delays_nobody_else() -> None:
    for seed in WORLDS:
        world = calm(seed).override({"diffusion.leader_factor": 1.0})
        resolved = world.resolved()
        place, technology = world.places.id[0], world.technologies.id[-1]
        if world.portfolio[0, -1] or world.places.guide[0]:
            continue
        files = resolved["files"]
        had = files.get("portfolios", {"place": [], "technology": []})
        files["portfolios"] = {"place": [*had["place"], place], "technology": [*had["technology"], technology]}
        resolved["settings"]["tables"]["portfolios"] = "portfolios"
        others = {name for name in world.places.id if world.places.region[world.places.id.index(name)] == 0}
        before = {event[:3]: event[5] for event in events_of(world.override({"diffusion.leaders": 0.0}), 4)}
        more = Scenario.from_resolved(resolved).override({"diffusion.leaders": 0.0})
        after = {event[:3]: event[5] for event in events_of(more, 4)}
        assert all(after[cell] <= time for cell, time in before.items() if cell[1] in others)


def test_time_runs_twice_as_fast_when_all_rates_double() -> None:
    for seed in WORLDS:
        world = edited(calm(seed), "technologies", lag=lambda _: 0.0)
        world = world.override({"sanctions.severity": 0.0, "mandates": []})
        twice = {f"diffusion.{name}": 2 * getattr(world.diffusion, name) for name in ("external", "peers", "leaders")}
        fast = world.override({**twice, "platform.rate": 2 * world.platform.rate, "step": 0.5, "end": "2023-07"})
        assert fast.steps == world.steps
        assert events_of(fast, 3) == events_of(world, 3)


def test_only_sizes_relative_to_the_reference_matter_while_money_is_slack() -> None:
    for seed in WORLDS:
        world = calm(seed).override({"network.size_exponent": 0.5, "diffusion.size_elasticity": 0.5})
        reference = world.finance.reference_population
        grown = edited(world, "places", population=lambda cell: 4 * cell)
        grown = edited(grown, "regions", population=lambda cell: 4 * cell, urban_population=lambda cell: 4 * cell)
        grown = grown.override({"finance.reference_population": 4 * reference})
        assert events_of(grown, 3) == events_of(world, 3)


def test_turning_the_globe_changes_nothing() -> None:
    for seed in WORLDS:
        world = calm(seed)
        assert events_of(edited(world, "places", lon=lambda cell: cell + 64.0), 3) == events_of(world, 3)
        mirrored = edited(world, "places", lat=lambda cell: -cell)
        assert events_of(mirrored, 3) == events_of(world, 3)


def test_prices_and_product_in_another_currency_leave_all_dates() -> None:
    for seed in WORLDS:
        world = random_world(seed).override({"finance.cost_level": 3.0, "mandates": [], "economy.urban_growth": 0.0})
        if world.portfolio.size < 3:
            continue
        dear = edited(world, "regions", grp_bln=lambda cell: 1024 * cell, industry_bln=lambda cell: 1024 * cell)
        dear = dear.override({"finance.cost_level": 3072.0})
        before, after = events_of(world, 3), events_of(dear, 3)
        assert [event[:10] for event in after] == [event[:10] for event in before]
        paid = np.array([event[10:] for event in before], dtype=float)
        np.testing.assert_allclose([event[10:] for event in after], 1024 * paid, rtol=1e-6, atol=4096)


def test_regions_that_share_nothing_live_as_if_alone() -> None:
    lonely = {"diffusion.leaders": 0.0, "platform.spillover": 0.0, "finance.federal_pool": 0.0}
    checked = 0
    for seed in WORLDS:
        world = random_world(seed).override({**lonely, "finance.cost_level": 1.0, "mandates": []})
        resolved = world.resolved()
        for name in world.focus:
            if len(world.focus) < 2 or world.portfolio.shape[1] < 2:
                continue
            files = {**resolved["files"]}
            rows = [i for i, region in enumerate(files["places"]["region"]) if region == name]
            inside = {files["places"]["id"][i] for i in rows}
            files["places"] = {key: [column[i] for i in rows] for key, column in files["places"].items()}
            tables = dict(resolved["settings"]["tables"])
            for table, keys in (("portfolios", ("place",)), ("links", ("from", "to"))):
                if table in files:
                    kept = [
                        n for n in range(len(files[table][keys[0]])) if all(files[table][k][n] in inside for k in keys)
                    ]
                    files[table] = {key: [column[n] for n in kept] for key, column in files[table].items()}
                    if not kept:
                        tables.pop(table)
            settings = {**resolved["settings"], "tables": tables, "focus": [name]}
            alone = Scenario.from_resolved({**resolved, "settings": settings, "files": files})
            together = [event for event in events_of(world, 3) if event[1] in inside]
            assert events_of(alone, 3) == together
            checked += 1
    assert checked > 3


def test_a_run_that_ends_sooner_is_the_beginning_of_the_longer_one() -> None:
    for seed in WORLDS:
        world = random_world(seed)
        short = world.override({"end": "2024-01"})
        last = short.steps
        longer = [event for event in events_of(world, 2) if event[5] <= last]
        shorter = events_of(short, 2)
        assert [event[:6] for event in shorter] == [event[:6] for event in longer]
        for now, later in zip(shorter, longer, strict=True):
            assert now[6] == later[6] or (now[6] == -1 and later[6] > last)
            assert now[7] == later[7] or (now[7] == -1 and later[7] > last)
            assert now[8:] == later[8:]


def test_the_same_history_some_years_later() -> None:
    for seed in WORLDS:
        world = random_world(seed).override({"mandates": [], "sanctions.severity": 0.0})
        moved = world.override({"start": "2024-01", "end": "2031-01", "economy.base_year": world.economy.base_year + 4})
        assert events_of(moved, 2) == events_of(world, 2)


def test_two_orders_are_one_of_both_rates() -> None:
    order = {"region": "r", "technology": "k0000", "from": "2021-01", "rate": 0.75}
    two, one = build(40, mandates=[order, order]), build(40, mandates=[{**order, "rate": 1.5}])
    assert events_of(two, 10) == events_of(one, 10)


def test_a_policy_that_changes_nothing_has_no_effect_at_all() -> None:
    for seed in (5, 8, 21):
        world = random_world(seed)
        same = {"title": "Same", "diffusion": {"peers": world.diffusion.peers}}
        results = run(random_world(seed, policies={"same": same}), replicates=5, seed=3, threads=2)
        effects = results.effects()
        assert len(effects) > 5
        assert (effects[["mean", "low", "high", "q05", "q95"]] == 0).all(axis=None)
        first, second = (results.arms[name].batch for name in ("baseline", "same"))
        assert all(np.array_equal(first.events[name], second.events[name]) for name in first.events.dtype.names)
