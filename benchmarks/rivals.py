"""How would others write hazard and money? The same world in Mesa objects, and in NumPy with a runs axis.

The work of `worlds.money`: gravity, leaders, lognormal capacity, attractiveness with resistance that fades, and a queue
that each place serves from its own budget in order of benefit for cost; running costs and savings of what operates.
Both start from the engine's own columns, so that the world is the same, and draw their own chance.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Any

import mesa
import numpy as np
import scipy.sparse

from benchmarks import worlds
from sim.engine.columns import Structure, structure
from sim.engine.network import Channel
from sim.engine.rows import rows_of
from sim.engine.rules import EXPOSURE_UNIT

MONTH = 1.0 / 12.0
"""Years of a step."""


@dataclass(frozen=True)
class Country:
    """`worlds.money` as arrays: places in canonical order, technologies in order of service; money in millions."""

    external: np.ndarray
    peers: Any
    leaders: Any
    reached: np.ndarray
    start: np.ndarray
    cost: np.ndarray
    running: np.ndarray
    saving: np.ndarray
    inflow: np.ndarray
    size: np.ndarray
    row: np.void
    steps: int


@functools.cache  # mesa.batch_run passes no objects: each model asks for it
def country(n: int = 50, regions: int = 5) -> Country:
    """The arrays of `worlds.money`."""
    scenario = worlds.money(n, regions)
    shared = structure(scenario)
    row = rows_of(scenario, 1, np.arange(1)).parameters[0]
    tech, place, area = shared.technologies, shared.places, shared.regions[shared.places["region"]]
    order = np.argsort(-tech["benefit"] / np.maximum(tech["cost"], 1e-12), kind="stable")
    tech = tech[order]
    size = place["population"] / row["reference_population"]
    surcharge = 1.0 + row["protection_cost"] * row["protection"]
    cost = tech["cost"][:, None] * row["cost_level"] * size ** row["cost_elasticity"] * surcharge
    reach = 1.0 - row["divide"] * (1.0 - row["inclusion"])
    reached = tech["benefit"] * reach - tech["privacy"] * (1.0 - row["protection"]) - tech["complexity"]
    inflow = row["own_share"] * 1000.0 * area["grp"] * place["population"] / area["population"] / 12.0
    external = row["external"] * np.where(place["leader"] == 1, row["leader_factor"], 1.0)
    sizes = size ** row["size_elasticity"]
    return Country(
        external, _matrix(shared, shared.network.peers), _matrix(shared, shared.network.leaders), reached,
        shared.portfolio[order].astype(bool), cost, cost * tech["running"][:, None], cost * tech["saving"][:, None],
        inflow, sizes, row, shared.shape[3],
    )  # fmt: skip


def _matrix(shared: Structure, links: Channel) -> Any:
    """A channel as a sparse matrix, listeners by sources."""
    count = len(shared.places)
    weights = np.asarray(links.weight * EXPOSURE_UNIT, np.float32)
    return scipy.sparse.csr_matrix((weights, links.neighbour, links.start), shape=(count, count))


def in_numpy(world: Country, runs: int, seed: int) -> float:
    """NumPy with a runs axis, arrays [technology, place, run]; returns the mean number of adoptions a run."""
    rng = np.random.default_rng(seed)
    row, one = world.row, np.float32(1.0)
    kinds, count = world.start.shape
    variance = math.log1p(row["heterogeneity"] ** 2)
    luck = np.exp(math.sqrt(variance) * rng.standard_normal((count, runs)) - 0.5 * variance)
    capacity = (luck * world.size[:, None]).astype(np.float32)
    operating = np.repeat(world.start[:, :, None], runs, axis=2).astype(np.float32)
    clocks = rng.exponential(size=(kinds, count, runs)).astype(np.float32)
    clocks[world.start] = np.inf
    balance, arrears = np.zeros((count, runs)), np.zeros((count, runs))
    due = (world.running * world.start).sum(axis=0)[:, None] + np.zeros((1, runs))
    saved = (world.saving * world.start).sum(axis=0)[:, None] + np.zeros((1, runs))
    adoptions = 0
    beta, resistance = np.float32(row["benefit_weight"]), np.float32(row["resistance"])
    external, q, h = world.external[:, None].astype(np.float32), np.float32(row["peers"]), np.float32(row["leaders"])
    cost = world.cost[:, :, None]
    for _ in range(world.steps):
        total = balance + world.inflow[:, None] + saved * MONTH
        owed = due * MONTH + arrears
        paid = np.minimum(total, owed)
        balance, arrears = total - paid, owed - paid
        for k in range(kinds):
            seen = world.peers @ operating[k]
            speed = capacity * np.exp(beta * (np.float32(world.reached[k]) - resistance * (one - seen)))
            rate = speed * (external + q * seen + h * (world.leaders @ operating[k]))
            clocks[k] -= rate * np.float32(MONTH)
        for k in range(kinds):
            able = np.nonzero((clocks[k] <= 0) & (balance >= cost[k]))
            balance[able] -= world.cost[k][able[0]]
            clocks[k][able] = np.inf
            operating[k][able] = 1.0
            due[able] += world.running[k][able[0]]
            saved[able] += world.saving[k][able[0]]
            adoptions += len(able[0])
    return adoptions / runs


class Municipality(mesa.Agent):
    """A municipality as a Mesa user writes it."""

    def __init__(self, model: Economy, i: int) -> None:
        super().__init__(model)
        world, row = model.world, model.world.row
        variance = math.log1p(row["heterogeneity"] ** 2)
        self.capacity = math.exp(model.random.gauss(-0.5 * variance, math.sqrt(variance))) * world.size[i]
        self.operates = world.start[:, i].tolist()
        self.clocks = [math.inf if has else model.random.expovariate(1.0) for has in self.operates]
        self.external = float(world.external[i])
        self.cost, self.running, self.saving = (a[:, i].tolist() for a in (world.cost, world.running, world.saving))
        self.inflow = float(world.inflow[i])
        self.balance = self.arrears = 0.0
        self.peers: list[tuple[Municipality, float]] = []
        self.leaders: list[tuple[Municipality, float]] = []

    def step(self) -> None:
        """Money flows; clocks run down at the hazard."""
        held = [k for k, has in enumerate(self.operates) if has]
        total = self.balance + self.inflow + MONTH * sum(self.saving[k] for k in held)
        owed = self.arrears + MONTH * sum(self.running[k] for k in held)
        paid = min(total, owed)
        self.balance, self.arrears = total - paid, owed - paid
        row = self.model.parameters
        for k, left in enumerate(self.clocks):
            if left == math.inf or left <= 0.0:
                continue
            seen = sum(weight for agent, weight in self.peers if agent.operates[k])
            led = sum(weight for agent, weight in self.leaders if agent.operates[k])
            value = self.model.reached[k] - row["resistance"] * (1.0 - seen)
            speed = self.capacity * math.exp(row["benefit_weight"] * value)
            self.clocks[k] -= MONTH * speed * (self.external + row["peers"] * seen + row["leaders"] * led)

    def advance(self) -> None:
        """Wanted technologies are paid for, the best value first."""
        for k, left in enumerate(self.clocks):
            if left <= 0.0 and self.balance >= self.cost[k]:
                self.balance -= self.cost[k]
                self.clocks[k] = math.inf
                self.operates[k] = True
                self.model.adoptions += 1


class Economy(mesa.Model):
    """Hazard and money in Mesa objects."""

    def __init__(self, rng: int | None = None) -> None:
        super().__init__(rng=rng)
        self.world = country()
        self.parameters = {name: float(self.world.row[name]) for name in self.world.row.dtype.names or ()}
        self.reached = self.world.reached.tolist()
        self.adoptions = 0
        self.municipalities = [Municipality(self, i) for i in range(len(self.world.size))]
        for name in ("peers", "leaders"):
            links = getattr(self.world, name)
            for i, agent in enumerate(self.municipalities):
                inside = slice(links.indptr[i], links.indptr[i + 1])
                pairs = zip(links.indices[inside].tolist(), links.data[inside].tolist(), strict=True)
                setattr(agent, name, [(self.municipalities[j], weight) for j, weight in pairs])
        self.datacollector = mesa.DataCollector({"adoptions": "adoptions"})
        self.datacollector.collect(self)

    def step(self) -> None:
        """One month."""
        self.agents.do("step")
        self.agents.do("advance")
        self.datacollector.collect(self)
