"""Does the model meet the limits that its specification names? Bass, exponential, nothing, the step."""

import hashlib
import itertools
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from build import build, events_of, first_adoptions, simulate
from scipy import stats
from worlds import random_world

P, Q = 0.03, 0.5
LEVEL = 1e-4


def bass(times: np.ndarray) -> np.ndarray:
    """The share that has adopted by a time in years, after Bass (1969)."""
    decay = np.exp(-(P + Q) * times)
    return (1 - decay) / (1 + Q / P * decay)


def shares(count: int, replicates: int, step: float = 1.0, seed: int = 1) -> np.ndarray:
    """Share adopted at every instant of ten years, float64[replicates, T + 1]; all listen to all alike."""
    scenario = build(count, step=step, diffusion={"external": P, "peers": Q}, network={"neighbours": count})
    adopted = first_adoptions(simulate(scenario, replicates, seed)[2], replicates, count)[:, 0]
    instants = np.arange(scenario.steps + 1)
    return (adopted[:, :, None] <= instants).mean(axis=1)


def test_the_share_follows_bass_with_an_error_that_shrinks_with_the_root_of_places() -> None:
    times = np.arange(121) / 12
    errors = [np.abs(shares(count, 40) - bass(times)).max(axis=1).mean() for count in (50, 200, 800)]
    assert errors[2] < 0.07
    assert np.abs(shares(800, 40).mean(axis=0) - bass(times)).max() < 0.03
    for larger, smaller in itertools.pairwise(errors):
        assert 1.5 < larger / smaller < 2.7


def test_the_error_of_the_step_halves_with_the_step() -> None:
    means = [shares(100, 400, step)[:, :: round(12 / step)].mean(axis=0) for step in (3.0, 1.5, 0.75)]
    coarse, fine = means[1] - means[0], means[2] - means[1]
    assert np.all(coarse[1:8] > 0)
    assert 1.4 < coarse[2:7].sum() / fine[2:7].sum() < 2.8


@pytest.mark.parametrize("step", [3.0, 1.0, 0.25])
def test_without_influence_adoption_times_are_exponential(step: float) -> None:
    scenario = build(60, step=step, diffusion={"external": 0.4})
    adopted = first_adoptions(simulate(scenario, 60)[2], 60, 60).ravel()
    pace = 0.4 * step / 12
    first, last = 1 - np.exp(-pace * (adopted - 1)), 1 - np.exp(-pace * adopted)
    last[adopted > scenario.steps], first[adopted > scenario.steps] = 1.0, 1 - math.exp(-0.4 * 10)
    # a time known to a step is spread within it: uniform exactly when the times are exponential
    spread = first + np.random.default_rng(1).random(len(adopted)) * (last - first)
    assert stats.kstest(spread, "uniform").pvalue > LEVEL


def test_capacity_mixes_the_rates_of_exponential_times() -> None:
    scenario = build(60, diffusion={"external": 0.4, "heterogeneity": 1.0})
    adopted = first_adoptions(simulate(scenario, 100)[2], 100, 60).ravel()
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    sigma = math.sqrt(math.log(2))
    rates = 0.4 * np.exp(sigma * nodes - sigma**2 / 2)
    for instant in (6, 24, 60, 120):
        expected = 1 - np.exp(-rates * instant / 12) @ weights / weights.sum()
        error = math.sqrt(expected * (1 - expected) / len(adopted))
        assert abs((adopted <= instant).mean() - expected) < 4 * error


def test_with_all_rates_zero_nothing_but_the_initial_portfolios_ever_is() -> None:
    scenario = build(10, 3, portfolio=[("p0003", "k0001"), ("p0004", "k0002")], finance={"cost_level": 1.0})
    events = events_of(scenario, 3)
    assert [event[:9] for event in events if event[0] == 0] == [
        (0, "p0003", "k0001", 0, -1, -1, 0, -1, "initial"),
        (0, "p0004", "k0002", 0, -1, -1, 0, -1, "initial"),
    ]
    assert len(events) == 6


def test_one_leader_and_one_follower_meet_at_the_rate_of_influence() -> None:
    scenario = build(2, portfolio=[("p0000", "k0000")], diffusion={"peers": 0.5})
    adopted = first_adoptions(simulate(scenario, 4000)[2], 4000, 2)[:, 0, 1]
    for instant in (6, 24, 60):
        expected = 1 - math.exp(-0.5 * instant / 12)
        assert abs((adopted <= instant).mean() - expected) < 4 * math.sqrt(expected * (1 - expected) / 4000)


def test_sources_are_drawn_in_proportion_to_the_terms_of_the_hazard() -> None:
    order = [{"region": "r", "technology": "k0000", "from": "2020-01", "rate": 0.4}]
    places = ["a", "b", {"id": "other", "region": "s", "role": "guide"}]
    scenario = build(
        places, 1, ["r", "s"], portfolio=[("a", "k0000"), ("other", "k0000")], mandates=order,
        diffusion={"external": 0.1, "peers": 0.3, "leaders": 0.15},
        platform={"threshold": 0.5, "rate": 0.05},
    )  # fmt: skip
    events = [event for event in events_of(scenario, 5000) if event[1] == "b"]
    found = [
        sum(event[8] == name for event in events) for name in ("external", "peers", "leaders", "platform", "mandate")
    ]
    expected = np.array([0.1, 0.3, 0.15, 0.05, 0.4]) * sum(found)
    assert stats.chisquare(found, expected).pvalue > LEVEL


def test_guides_are_drawn_in_proportion_to_their_weights() -> None:
    places = [{"id": "me"}, {"id": "one", "lat": 59.0}, {"id": "two", "lat": 60.0}, {"id": "three", "lat": 61.0}]
    portfolio = [(name, "k0000") for name in ("one", "two", "three")]
    network = {"distance_decay": 1.0, "size_exponent": 0.0, "neighbours": 5}
    scenario = build(places, 1, portfolio=portfolio, diffusion={"peers": 2.0}, network=network)
    guides = [event[9] for event in events_of(scenario, 4000) if event[1] == "me"]
    found = [guides.count(name) for name in ("one", "two", "three")]
    expected = np.array([6, 3, 2]) / 11 * sum(found)
    assert sum(found) == 4000
    assert stats.chisquare(found, expected).pvalue > LEVEL


def test_another_process_gives_the_same_history() -> None:
    code = (
        "import hashlib; from build import events_of; from worlds import random_world;"
        "print(hashlib.sha256(repr(events_of(random_world(8), 3)).encode()).hexdigest())"
    )
    here = hashlib.sha256(repr(events_of(random_world(8), 3)).encode()).hexdigest()
    folder = Path(__file__).parent.parent
    there = subprocess.run([sys.executable, "-W", "ignore", "-c", code], cwd=folder, check=True, capture_output=True)
    assert there.stdout.decode().strip() == here
