"""How do other tools do the simple work? One function each: what a user of that tool writes.

`run_NAME(graph, p, q, steps, seed) -> (seconds of the run, number of adopters at each instant, int[steps + 1])`.
The work: nobody has adopted at the start; P(adopt in a step) = 1 - exp(-(p + q * share of neighbours that have)).
Building the model is not timed. Imports are inside, since the tools live in different environments.
Run as a program, this file is what those environments execute: `python peers.py NAME N STEPS P Q SEED` prints JSON.
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

try:
    from benchmarks.graphs import Graph, listeners, regular_graph
except ImportError:
    from graphs import Graph, listeners, regular_graph  # type: ignore[no-redef]  # run as a program

Timed = tuple[float, np.ndarray]


def run_numpy(graph: Graph, p: float, q: float, steps: int, seed: int, runs: int = 1) -> Timed:
    """What a careful scientist writes by hand in NumPy and SciPy, or with an axis of runs: a sparse product a step."""
    import scipy.sparse

    count = len(graph[0]) - 1
    shape = count if runs == 1 else (count, runs)  # a product with a vector is faster than with one column
    weights = scipy.sparse.csr_matrix((graph[2], graph[1], graph[0]), shape=(count, count))
    rng = np.random.default_rng(seed)
    adopted = np.zeros(shape, np.float32)
    curve = np.zeros(steps + 1)
    start = time.perf_counter()
    for t in range(steps):
        hazard = np.float32(p) + np.float32(q) * (weights @ adopted)
        adopted[rng.random(shape, dtype=np.float32) < -np.expm1(-hazard)] = 1.0
        curve[t + 1] = adopted.sum(dtype=np.float64) / runs
    return time.perf_counter() - start, curve


def run_mesa(graph: Graph, p: float, q: float, steps: int, seed: int) -> Timed:
    """Mesa as a user writes it: agents on a discrete_space.Network, staged steps, a DataCollector."""
    import mesa
    import networkx
    from mesa.discrete_space import FixedAgent, Network

    class Municipality(FixedAgent):
        def __init__(self, model: Any, cell: Any) -> None:
            super().__init__(model)
            self.cell = cell
            self.adopted = self.adopts = False

        def step(self) -> None:
            if not self.adopted:
                neighbours = list(self.cell.neighborhood.agents)
                exposure = sum(agent.adopted for agent in neighbours) / len(neighbours)
                if self.model.random.random() < 1.0 - math.exp(-(p + q * exposure)):
                    self.adopts = True

        def advance(self) -> None:
            self.adopted = self.adopts

    class Diffusion(mesa.Model):
        def __init__(self) -> None:
            super().__init__(rng=seed)
            links = networkx.Graph()
            links.add_nodes_from(range(len(graph[0]) - 1))
            links.add_edges_from(zip(listeners(graph).tolist(), graph[1].tolist(), strict=True))
            for cell in Network(links, capacity=1, random=self.random).all_cells:
                Municipality(self, cell)
            self.datacollector = mesa.DataCollector({"adopted": lambda m: sum(a.adopted for a in m.agents)})
            self.datacollector.collect(self)

        def step(self) -> None:
            self.agents.do("step")
            self.agents.do("advance")
            self.datacollector.collect(self)

    model = Diffusion()
    start = time.perf_counter()
    for _ in range(steps):
        model.step()
    return time.perf_counter() - start, np.array(model.datacollector.model_vars["adopted"])


def run_mesa_lean(graph: Graph, p: float, q: float, steps: int, seed: int) -> Timed:
    """Mesa by an expert: lists of neighbours, a table of probabilities, only new adopters counted."""
    import mesa

    first, neighbours, _ = graph
    widest = int(np.diff(first).max())
    chance = [1.0 - math.exp(-(p + q * number / widest)) for number in range(widest + 1)]

    class Municipality(mesa.Agent):
        def __init__(self, model: Any) -> None:
            super().__init__(model)
            self.adopted = False
            self.neighbours: list[Any] = []

        def step(self) -> None:
            if not self.adopted:
                number = 0
                for agent in self.neighbours:
                    if agent.adopted:
                        number += 1
                if self.model.random.random() < chance[number]:
                    self.model.new.append(self)

    class Diffusion(mesa.Model):
        def __init__(self) -> None:
            super().__init__(rng=seed)
            agents = [Municipality(self) for _ in range(len(first) - 1)]
            for i, agent in enumerate(agents):
                agent.neighbours = [agents[j] for j in neighbours[first[i] : first[i + 1]].tolist()]
            self.new: list[Any] = []
            self.curve = [0]

        def step(self) -> None:
            self.new = []
            self.agents.do("step")
            for agent in self.new:
                agent.adopted = True
            self.curve.append(self.curve[-1] + len(self.new))

    model = Diffusion()
    start = time.perf_counter()
    for _ in range(steps):
        model.step()
    return time.perf_counter() - start, np.array(model.curve)


def run_starsim(graph: Graph, p: float, q: float, steps: int, seed: int) -> Timed:
    """Starsim: an infection along the links, and spontaneous adoption beside it."""
    import starsim as ss

    class Adoption(ss.Infection):
        def __init__(self, pars: Any = None, **kwargs: Any) -> None:
            super().__init__()
            self.define_pars(beta=1.0, init_prev=None, spontaneous=ss.bernoulli(p=1.0 - math.exp(-p)))
            self.update_pars(pars, **kwargs)

        def step(self) -> None:
            infected, _, _ = self.infect()
            alone = self.pars.spontaneous.filter(self.susceptible.uids)
            if len(infected):
                self.set_prognoses(infected)
            alone = alone[np.asarray(self.susceptible[alone])]
            if len(alone):
                self.set_prognoses(alone)

        def set_prognoses(self, uids: Any, sources: Any = None) -> None:
            super().set_prognoses(uids, sources)
            self.infected[uids] = True
            self.ti_infected[uids] = self.ti

    beta = 1.0 - np.exp(-q * graph[2].astype(float))
    links = ss.Network(p1=graph[1].astype(np.int64), p2=listeners(graph), beta=beta, label="links", name="links")
    adoption = Adoption(beta={"links": [1.0, 0.0]}, name="adoption")
    model = ss.Sim(
        n_agents=len(graph[0]) - 1, networks=links, diseases=adoption, start=0, stop=steps - 1, dt=1, rand_seed=seed,
        verbose=0, copy_inputs=False,
    )  # fmt: skip
    model.init()
    start = time.perf_counter()
    model.run()
    seconds = time.perf_counter() - start
    return seconds, np.r_[0, np.cumsum(np.asarray(model.results.adoption.new_infections))].astype(int)


def run_eon(graph: Graph, p: float, q: float, steps: int, seed: int) -> Timed:
    """EoN's fast_SIR without recovery, and a source that reaches everybody at rate p: the limit of short steps."""
    import EoN
    import networkx

    links = networkx.DiGraph()
    rates = (q * graph[2].astype(float)).tolist()
    links.add_weighted_edges_from(zip(graph[1].tolist(), listeners(graph).tolist(), rates, strict=True))
    links.add_weighted_edges_from((-1, i, p) for i in range(len(graph[0]) - 1))
    rng = np.random.default_rng(seed)
    start = time.perf_counter()
    times, _, infected, _ = EoN.fast_SIR(
        links, 1.0, 0.0, initial_infecteds=[-1], tmax=steps, transmission_weight="weight", rng=rng
    )
    seconds = time.perf_counter() - start
    return seconds, (infected - 1)[np.searchsorted(times, np.arange(steps + 1), side="right") - 1]


def run_graph_tool(graph: Graph, p: float, q: float, steps: int, seed: int) -> Timed:
    """graph-tool's SI dynamics in C++, one thread."""
    import graph_tool
    import graph_tool.dynamics

    graph_tool.openmp_set_num_threads(1)
    graph_tool.seed_rng(seed)
    links = graph_tool.Graph(directed=True)
    links.add_vertex(len(graph[0]) - 1)
    beta = links.new_ep("double")
    chance = 1.0 - np.exp(-q * graph[2].astype(float))
    links.add_edge_list(np.column_stack([graph[1].astype(np.int64), listeners(graph), chance]), eprops=[beta])
    nobody = links.new_vp("int32_t")
    state = graph_tool.dynamics.SIState(links, beta=beta, r=1.0 - math.exp(-p), s=nobody, constant_beta=True)
    curve = [0]
    start = time.perf_counter()
    for _ in range(steps):
        curve.append(curve[-1] + state.iterate_sync(1))
    return time.perf_counter() - start, np.array(curve)


PEERS: dict[str, tuple[Callable[..., Timed], int]] = {
    "scipy": (run_numpy, 10**6),
    "numpy-runs": (run_numpy, 10**6),
    "mesa": (run_mesa, 10**5),
    "mesa-lean": (run_mesa_lean, 10**5),
    "starsim": (run_starsim, 10**6),
    "eon": (run_eon, 10**5),
    "graph-tool": (run_graph_tool, 10**6),
}
"""Name to function and the largest n worth the wait."""

if __name__ == "__main__":
    name, n, steps, p, q, seed = sys.argv[1:]
    seconds, curve = PEERS[name][0](regular_graph(int(n)), float(p), float(q), int(steps), int(seed))
    print(json.dumps({"seconds": seconds, "curve": curve.tolist()}))
