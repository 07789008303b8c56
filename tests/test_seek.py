"""Are questions asked backwards answered rightly, where the answer is known?"""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from build import build

from sim.results.run import run
from sim.scenario.errors import InputError
from sim.scenario.scenario import Scenario
from sim.studies import leaders, seek

PLACES, YEARS = 10, 2.0
PEOPLE = [{"id": f"p{i}", "population": 10_000.0 * (i + 1), "lat": 55.0 + i, "lon": 50.0 + i} for i in range(7)]


def ordered(rate: float, **changes: Any) -> Scenario:
    """Ten municipalities that adopt for no reason but an order: P(all by 2022) = (1 - exp(-2 rate))**10."""
    mandates = [{"region": "r", "technology": "k0", "from": "2020-01", "rate": rate}]
    return build(PLACES, ["k0"], mandates=mandates, end="2023-01", **changes)


def rate_for(probability: float) -> float:
    return float(-np.log(1 - probability ** (1 / PLACES)) / YEARS)


def chance_at(rate: float) -> float:
    return float((1 - np.exp(-YEARS * rate)) ** PLACES)


@pytest.mark.parametrize("now", [0.5, 5.5])
def test_the_rate_that_reaches_a_target_agrees_with_theory(now: float) -> None:
    found = seek.seek_target(ordered(now), "k0 >= 1 at 2022-01", {"mandates.0.rate": (0.0, 6.0)}, 0.9, 400, seed=3)
    best = found.answers[0]
    assert best.found
    assert found.as_it_is == pytest.approx(chance_at(now), abs=0.06)
    assert best.values["mandates.0.rate"] == pytest.approx(rate_for(0.9), abs=0.35)
    ends = sorted([best.low["mandates.0.rate"], best.high["mandates.0.rate"]])  # type: ignore[type-var]
    assert ends[0] <= rate_for(0.9) <= ends[1]  # type: ignore[operator]
    assert ends[1] - ends[0] < 1.0  # type: ignore[operator]


def test_intervals_cover_the_truth() -> None:
    covered = 0
    for seed in range(20):
        found = seek.seek_target(ordered(0.5), "k0 >= 1 at 2022-01", {"mandates.0.rate": (0.0, 6.0)}, 0.8, 100, seed)
        best = found.answers[0]
        low, high = best.low["mandates.0.rate"], best.high["mandates.0.rate"]
        covered += low is not None and high is not None and low <= rate_for(0.8) <= high
    assert covered >= 16


def test_what_no_value_reaches_says_how_near_it_comes() -> None:
    found = seek.seek_target(ordered(0.5), "k0 >= 1 at 2022-01", {"mandates.0.rate": (0.0, 1.0)}, 0.9, 400)
    (best,) = found.answers
    assert not best.found
    assert best.values == {"mandates.0.rate": 1.0}
    assert best.nearest == 0.7  # of ten that adopt with 0.86, nine or more in ten runs have seven
    assert best.probability_low <= chance_at(1.0) <= best.probability_high


def test_reached_everywhere_is_no_change() -> None:
    found = seek.seek_target(ordered(5.0), "k0 >= 0.1", {"mandates.0.rate": (4.0, 6.0)}, 0.9, 50)
    assert found.as_it_is == 1.0
    assert not any(answer.found for answer in found.answers)
    assert found.answers[0].probability == 1.0


def test_the_smaller_change_comes_first_and_together_less_is_needed() -> None:
    scenario = ordered(0.5, diffusion={"external": 0.1})
    levers = {"mandates.0.rate": (0.0, 10.0), "diffusion.external": (0.0, 3.0)}
    found = seek.seek_target(scenario, "k0 >= 1 at 2022-01", levers, 0.9, 100)
    assert [answer.found for answer in found.answers] == [True] * 3
    assert set(found.answers[0].levers) == set(levers)
    together = found.answers[0].values
    alone = {answer.levers[0]: answer.values[answer.levers[0]] for answer in found.answers[1:]}
    assert all(together[key] < alone[key] for key in levers)
    # the two rates add up
    assert sum(together.values()) == pytest.approx(rate_for(0.9), abs=0.6)


def test_a_target_may_be_an_upper_limit() -> None:
    found = seek.seek_target(ordered(3.0), "k0 <= 0.5 at 2021-01", {"mandates.0.rate": (0.0, 6.0)}, 0.9, 200)
    best = found.answers[0]
    assert best.found
    assert best.values["mandates.0.rate"] < 0.7


def test_whole_numbers_stay_whole() -> None:
    scenario = build(
        PEOPLE, ["k0"], portfolio=[("p0", "k0")], diffusion={"peers": 3.0}, network={"neighbours": 6}, end="2024-01"
    )
    found = seek.seek_target(scenario, "k0 >= 0.9", {"network.neighbours": (1, 7)}, 0.5, 40)
    assert found.answers
    for answer in found.answers:
        assert answer.values["network.neighbours"] == int(answer.values["network.neighbours"])


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("k0 > 1", "is not a target"),
        ("k9 >= 1", "not a measure"),
        ("k0 >= 1 at 2050-01", "outside the scenario"),
        ("k0 >= 1 at soon", "not a date"),
        ("", "is not a target"),
    ],
)
def test_wrong_targets_are_refused(text: str, part: str) -> None:
    with pytest.raises(InputError, match=part):
        seek.seek_target(ordered(1.0), text, {"mandates.0.rate": (0, 6)})


@pytest.mark.parametrize(
    ("levers", "probability", "part"),
    [
        ({"mandates.0.rate": [1.0, 2.0]}, 0.9, "needs a range"),
        ({"mandates.0.rat": (0, 1)}, 0.9, "rat"),
        ({}, 0.9, "nothing to vary"),
        ({"mandates.0.rate": (0, 6)}, 1.5, "no probability"),
    ],
)
def test_wrong_levers_are_refused(levers: dict[str, Any], probability: float, part: str) -> None:
    with pytest.raises(InputError, match=part):
        seek.seek_target(ordered(1.0), "k0 >= 1", levers, probability)


def test_percent_and_spaces() -> None:
    target = seek.parse_condition(ordered(1.0), "  k0 >=50%  at 2021-06 ")
    assert (target.value, target.step) == (0.5, 17)
    np.testing.assert_array_equal(target.reached(np.array([0.4999, 0.5, 0.5 - 1e-13])), [False, True, True])


def test_the_interval_of_a_chance_by_hand() -> None:
    found = seek.seek_target(ordered(0.0), "k0 >= 1 at 2022-01", {"mandates.0.rate": (0.0, 1e-9)}, 0.9, 10)
    (best,) = found.answers
    # Brown, Cai, DasGupta 2001: 0 of 10 gives (0, 0.2775)
    assert (best.probability, best.probability_low) == (0.0, pytest.approx(0.0, abs=1e-12))
    assert best.probability_high == pytest.approx(0.2775, abs=1e-4)


# Leaders


def linked() -> Scenario:
    """Seven municipalities of which the other six listen to p2 alone."""
    links = [("p2", f"p{i}", "peers", 1.0) for i in (0, 1, 3, 4, 5, 6)]
    return build(PEOPLE, ["k0", "k1"], links=links, diffusion={"peers": 1.0}, end="2024-01")


@pytest.mark.parametrize("at", [None, "2021-01"])
def test_the_search_finds_the_place_that_others_listen_to(at: str | None) -> None:
    scenario = linked()
    portfolio = ["k0", "k1"]
    found = leaders.seek_leaders(scenario, 1, at, portfolio, replicates=40, threads=2)
    assert found.chosen.loc[0, "municipality"] == "p2"
    orders = found.orders.set_index("order")
    assert orders.loc["search", "behind"] == 0
    assert orders.loc["population", "municipalities"] == "p6"
    assert orders.loc["population", "behind_low"] > 0
    assert orders.loc["degree", "municipalities"] == "p2"


def test_lazy_greedy_chooses_as_greedy_does_and_works_out_less() -> None:
    scenario = build(PEOPLE, ["k0", "k1"], end="2024-01", diffusion={"peers": 1.5, "external": 0.05},
                     network={"neighbours": 2, "distance_decay": 2.0})  # fmt: skip
    technologies, replicates = np.array([0, 1]), np.arange(30)
    equipping = leaders._Equipping(scenario, technologies, None, "coverage", 1, 1)
    lazy = leaders._greedy(equipping, range(7), 3, replicates, lambda _: None)
    asked = len(equipping.known)
    plain: list[int] = []
    for _ in range(3):
        left = [place for place in range(7) if place not in plain]
        plain.append(max(left, key=lambda place: equipping.figures([*plain, place], replicates).mean()))
    assert lazy == plain
    assert asked < len(equipping.known) or asked <= 1 + 7 + 6 + 5 + 3
    best = max(combinations(range(7), 3), key=lambda places: equipping.figures(places, replicates).mean())
    # greedy is within 1 - 1/e of the best set where gains diminish (Nemhauser, Wolsey, Fisher 1978)
    nobody = equipping.figures([], replicates).mean()
    assert equipping.figures(lazy, replicates).mean() - nobody >= 0.63 * (
        equipping.figures(best, replicates).mean() - nobody
    )


def test_too_many_leaders_are_refused() -> None:
    with pytest.raises(InputError, match="1 to 7"):
        leaders.seek_leaders(linked(), 8, portfolio=["k0"])
    with pytest.raises(InputError, match="not a technology"):
        leaders.seek_leaders(linked(), 1, portfolio=["k7"])


def test_what_a_leader_is_worth_is_the_fall_elsewhere() -> None:
    settings = {"diffusion": {"peers": 1.0, "external": 0.02}, "end": "2025-01"}
    cells = [("p0", "k0"), ("p0", "k1"), ("p3", "k0")]
    scenario = build(PEOPLE, ["k0", "k1"], portfolio=cells, **settings)
    found = leaders.leader_worth(scenario, replicates=30, seed=2).set_index("municipality")
    without = build(PEOPLE, ["k0", "k1"], portfolio=cells[2:], **settings)
    shares = []
    for world in (scenario, without):
        arm = run(world, 30, seed=2, policy="none", threads=1).baseline
        others = arm.focus & (np.array(arm.places) != "p0")
        shares.append(arm.series(arm.share_weights(arm.counted, others))[:, -1])
    assert found.loc["p0", "worth"] == pytest.approx((shares[0] - shares[1]).mean(), abs=1e-9)
    assert found.loc["p0", "worth"] > found.loc["p3", "worth"] > 0


def test_a_leader_whom_nobody_heeds_is_worth_nothing() -> None:
    scenario = build(PEOPLE, ["k0"], portfolio=[("p0", "k0")], diffusion={"external": 0.3}, end="2023-01")
    found = leaders.leader_worth(scenario, replicates=10)
    assert found.loc[0, ["worth", "low", "high"]].tolist() == [0.0, 0.0, 0.0]
    with pytest.raises(InputError, match="not a share"):
        leaders.leader_worth(scenario, "grp")


def test_the_command(tmp_path: Path) -> None:
    path = tmp_path / "w.json"
    path.write_text(json.dumps(ordered(0.5).resolved()))

    def command(*words: str) -> subprocess.CompletedProcess[str]:
        command_line = [sys.executable, "-m", "sim", "seek", str(path), *words]
        return subprocess.run(command_line, capture_output=True, text=True, check=False)

    asked = ("--target", "k0 >= 1 at 2022-01", "mandates.0.rate=0:6", "--replicates", "100")
    told = command(*asked)
    assert told.returncode == 0, told.stderr
    assert "It is reached with probability 0.9 at mandates.0.rate" in told.stdout
    answer = json.loads(command(*asked, "--json").stdout)["answers"][0]
    assert answer["values"]["mandates.0.rate"] == pytest.approx(rate_for(0.9), abs=0.6)
    assert "the scenario as it is ..." in told.stderr
    both = command("--target", "k0 >= 1", "--leaders", "2")
    assert (both.returncode, "they are two questions" in both.stderr) == (2, True)
    out = command("--target", "k0 >= 100 % at 2022-01", "mandates.0.rate=0:1", "--replicates", "100").stdout
    assert "Out of reach: nothing within these ranges brings a probability of 0.9." in out
    assert "Nearest at mandates.0.rate 1 (scenario: 0.5): probability" in out
    assert "with 0.9, k0 is 70 % or more there." in out
    there = command("--target", "k0 >= 0 at 2022-01", "mandates.0.rate=0:1", "--replicates", "20").stdout
    assert "So nothing need be done for a probability of 0.9" in there
    wrong = command("--target", "k0 = 1", "mandates.0.rate=0:6")
    assert "'k0 = 1' is not a target; allowed: MEASURE >= NUMBER at DATE, or <=" in wrong.stderr
    wrong = command("--target", "k1 >= 1", "mandates.0.rate=0:6")
    assert (wrong.returncode, wrong.stderr.count("\n")) == (2, 1)
