"""Do programs that share nothing with the engine tell the same story on the same graph?

Two of them are written here, on a plain matrix of weights: a process in discrete steps, in which every place adopts
with probability 1 - exp(-rate step), and Gillespie's exact process in continuous time. Distributions are compared;
LEVEL is the chance of a false alarm of each comparison.
"""

import numpy as np
import pytest
from build import build, first_adoptions, simulate
from reference import UNIT, World
from scipy import stats

from sim.scenario.scenario import Scenario

LEVEL = 1e-4
RUNS = 600
P, Q = 0.02, 0.8


def region(step: float = 1.0, seeds: int = 2, external: float = P) -> Scenario:
    rng = np.random.default_rng(4)
    places = [
        {"id": f"p{i:02d}", "lat": float(rng.uniform(55, 60)), "lon": float(rng.uniform(52, 60)),
         "population": float(np.rint(np.exp(rng.uniform(8, 13))))}
        for i in range(25)
    ]  # fmt: skip
    return build(
        places, ["k"], portfolio=[(f"p{i:02d}", "k") for i in range(seeds)], step=step,
        diffusion={"external": external, "peers": Q},
        network={"distance_decay": 1.0, "size_exponent": 0.7, "neighbours": 6},
    )  # fmt: skip


def matrix(scenario: Scenario) -> np.ndarray:
    """Who is listened to: float64[listener, source], rows of the table of places."""
    world = World(scenario)
    weights = np.zeros((len(world.places), len(world.places)))
    for i, name in enumerate(world.places):
        for other, weight in world.peers[name]:
            weights[i, world.places.index(other)] = weight / UNIT
    return weights


def discrete(weights: np.ndarray, start: np.ndarray, external: float, steps: int, step: float, seed: int) -> np.ndarray:
    """Times of adoption in steps, float64[runs, places]; infinite: never."""
    rng = np.random.default_rng(seed)
    adopted = np.where(start, 0.0, np.inf) * np.ones((RUNS, 1))
    for t in range(steps):
        holds = adopted <= t
        chance = 1 - np.exp(-(external + Q * holds @ weights.T) * step)
        adopted[~holds & (rng.random(holds.shape) < chance)] = t + 1
    return adopted


def gillespie(weights: np.ndarray, start: np.ndarray, external: float, years: float, seed: int) -> np.ndarray:
    """Times of adoption in years, float64[runs, places], exact."""
    rng = np.random.default_rng(seed)
    adopted = np.full((RUNS, len(weights)), np.inf)
    for run in range(RUNS):
        holds, now = start.copy(), 0.0
        adopted[run, holds] = 0.0
        while not holds.all():
            rates = np.where(holds, 0.0, external + Q * weights @ holds)
            if rates.sum() == 0:
                break
            now += rng.exponential(1 / rates.sum())
            if now > years:
                break
            who = rng.choice(len(weights), p=rates / rates.sum())
            holds[who], adopted[run, who] = True, now
    return adopted


def engine(scenario: Scenario) -> np.ndarray:
    """Times of adoption in steps in the order of the table, float64[runs, places]."""
    _, _, batch = simulate(scenario, RUNS)
    times = first_adoptions(batch, RUNS, len(scenario.places))[:, 0].astype(float)
    return np.where(times > scenario.steps, np.inf, times)


def compare(ours: np.ndarray, theirs: np.ndarray, instants: list[float]) -> None:
    """Numbers of adopters at each instant, and each place's probability to have adopted by the middle one."""
    for instant in instants:
        counts = (ours <= instant).sum(axis=1), (theirs <= instant).sum(axis=1)
        low, high = min(map(np.min, counts)), max(map(np.max, counts))
        table = np.array([np.bincount(count - low, minlength=high - low + 1) for count in counts])
        merged = merge(table)
        assert stats.chi2_contingency(merged).pvalue > LEVEL, instant
        assert stats.ttest_ind(*counts, equal_var=False).pvalue > LEVEL, instant
    middle = instants[len(instants) // 2]
    first, second = (ours <= middle).mean(axis=0), (theirs <= middle).mean(axis=0)
    both = (first + second) / 2
    error = np.sqrt(np.maximum(both * (1 - both), 1e-12) * 2 / RUNS)
    score = np.where((both > 0) & (both < 1), (first - second) / error, first - second)
    # the largest of 25 standard normals
    assert np.abs(score).max() < stats.norm.isf(LEVEL / 25 / 2)


def merge(table: np.ndarray) -> np.ndarray:
    """Neighbouring columns put together until each holds twenty."""
    columns, running = [], np.zeros(2, dtype=np.int64)
    for column in table.T:
        running = running + column
        if running.sum() >= 20:
            columns.append(running)
            running = np.zeros(2, dtype=np.int64)
    columns[-1] = columns[-1] + running
    return np.array(columns).T


@pytest.mark.parametrize("external", [P, 0.0], ids=["with-innovators", "si-process"])
def test_a_plain_process_in_steps_agrees(external: float) -> None:
    scenario = region(external=external)
    theirs = discrete(matrix(scenario), scenario.portfolio[:, 0], external, scenario.steps, 1 / 12, 11)
    compare(engine(scenario), theirs, [12, 36, 72])


def test_the_exact_process_in_continuous_time_agrees_with_short_steps() -> None:
    scenario = region(step=0.05)
    theirs = gillespie(matrix(scenario), scenario.portfolio[:, 0], P, 10.0, 12)
    compare(engine(scenario) * 0.05 / 12, theirs, [1.0, 3.0, 6.0])


def test_the_comparison_notices_a_tenth_more_influence() -> None:
    scenario = region()
    theirs = discrete(matrix(scenario) * 1.25, scenario.portfolio[:, 0], P, scenario.steps, 1 / 12, 13)
    with pytest.raises(AssertionError):
        compare(engine(scenario), theirs, [12, 36, 72])


@pytest.mark.slow
def test_eon_agrees_on_the_same_graph() -> None:
    eon = pytest.importorskip("EoN")
    scenario = region(step=0.05, external=0.0)
    graph = scenario.network()
    graph.remove_nodes_from([name for name, kind in graph.nodes(data="kind") if kind == "region"])
    names = scenario.places.id
    start = [names[i] for i in np.flatnonzero(scenario.portfolio[:, 0])]
    theirs = np.full((RUNS, len(names)), np.inf)
    for run in range(RUNS):
        result = eon.fast_SIR(
            graph, Q, 0.0, initial_infecteds=start, tmax=10.0, transmission_weight="weight", return_full_data=True
        )
        for i, name in enumerate(names):
            times, _ = result.node_history(name)
            theirs[run, i] = 0.0 if name in start else (times[1] if len(times) > 1 else np.inf)
    compare(engine(scenario) * 0.05 / 12, theirs, [1.0, 3.0, 6.0])


@pytest.mark.slow
def test_ndlib_agrees_on_the_same_graph() -> None:
    networkx = pytest.importorskip("networkx")
    models = pytest.importorskip("ndlib.models.epidemics")
    config = pytest.importorskip("ndlib.models.ModelConfig")
    # NDlib's SI gives every infected neighbour the same chance: a ring in which both neighbours weigh a half
    count, chance = 24, 0.03
    places = [{"id": f"p{i:02d}"} for i in range(count)]
    links = [(f"p{(i + d) % count:02d}", f"p{i:02d}", "peers", 0.5) for i in range(count) for d in (1, -1)]
    rate = -2 * 12 * np.log(1 - chance)
    scenario = build(places, ["k"], links=links, portfolio=[("p00", "k")], diffusion={"peers": rate})
    ours = engine(scenario)
    theirs = np.full((RUNS, count), np.inf)
    for run in range(RUNS):
        model = models.SIModel(networkx.cycle_graph(count), seed=run)
        setting = config.Configuration()
        setting.add_model_parameter("beta", chance)
        setting.add_model_initial_configuration("Infected", [0])
        model.set_initial_status(setting)
        for iteration in model.iteration_bunch(scenario.steps + 1):
            for node, status in iteration["status"].items():
                if status == 1:
                    theirs[run, node] = iteration["iteration"]
    compare(ours, theirs, [24, 60, 110])
