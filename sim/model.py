"""How does a Mesa user hold the simulation? As a Model that advances it; its agents read rows, and act.

Agents own no behaviour: they are rows of the engine's columns, and their actions are the engine's own functions.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterable, Mapping
from copy import deepcopy
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from mesa import Agent, DataCollector, Model
from mesa.agent import AgentSet
from mesa.discrete_space import Cell, FixedAgent
from mesa.discrete_space import Network as Space

from sim.engine.columns import ECONOMY, FLOWS, MINOR_UNITS, OPERATING, STATUSES
from sim.engine.rows import Simulation
from sim.engine.rules import EXPOSURE_UNIT
from sim.results.arm import BASELINE, SIZE_CLASSES, Arm
from sim.results.run import events_frame
from sim.scenario.errors import InputError, refused, unknown
from sim.scenario.scenario import Scenario, load

if TYPE_CHECKING:
    import networkx
    import pandas as pd


class Municipality(FixedAgent):
    """A place: its properties read its row, its actions are taken between two steps."""

    model: DiffusionModel

    def __init__(self, model: DiffusionModel, row: int) -> None:
        super().__init__(model)
        scenario, shared = model.simulation.scenario, model.simulation.shared
        self.row = row
        self.id = scenario.places.id[row]
        self.name = scenario.places.name[row]
        self.population = int(shared.places["population"][row])
        self.latitude = float(scenario.places.latitude[row])
        self.longitude = float(scenario.places.longitude[row])
        self.guide = not shared.places["member"][row]

    @property
    def cell(self) -> Cell | None:
        """The cell of `model.space` in which the municipality stands."""
        return self.model.space._cells[self.id]

    @cell.setter
    def cell(self, cell: Cell) -> None:
        raise ValueError(f"{self.id} is a place and cannot move")

    @property
    def region(self) -> Region:
        """The region to which the place belongs."""
        return self.model._regions[int(self.model.simulation.shared.places["region"][self.row])]

    def status(self, technology: str) -> str:
        """One of waiting, wanted (for lack of money), installing, operating, down (after an incident), closed."""
        cells = self.model.simulation.state.cells
        return STATUSES[cells["status"][self.model.technology(technology), self.row]]

    @property
    def portfolio(self) -> tuple[str, ...]:
        """Ids of the technologies that operate."""
        return self.model.technologies(self.model.operating[:, self.row])

    @property
    def share(self) -> float:
        """Share of the technologies operating, among those that count in the index."""
        return float(self.model.operating[self.model.arm.counted, self.row].mean())

    @property
    def index(self) -> float:
        """IQ-city index, 0 to 120."""
        return float(self.model.operating[:, self.row] @ self.model._index_weights)

    @property
    def balance(self) -> float:
        """Digital budget at hand, millions of the currency; what is not spent is carried over."""
        return float(self.model.simulation.state.budgets["balance"][self.row] / MINOR_UNITS)

    @property
    def arrears(self) -> float:
        """Running costs and fees owed, millions of the currency."""
        return float(self.model.simulation.state.budgets["arrears"][self.row] / MINOR_UNITS)

    @property
    def incidents(self) -> int:
        """Incidents so far."""
        return int(self.model.simulation.state.municipalities["incidents"][self.row])

    def exposure(self, technology: str, channel: str = "peers") -> float:
        """Weighted share of those it looks at who operate a technology; channel: peers or leaders."""
        if channel not in ("peers", "leaders"):
            raise self.model.refusal(channel, "channel", ["peers", "leaders"])
        exposures = self.model.simulation.state.exposures
        return float(exposures[channel][self.model.technology(technology), self.row] * EXPOSURE_UNIT)

    def adopt(self, technology: str) -> bool:
        """Take up a technology now, at nobody's cost; it operates after its lag. False if it is there already."""
        return self.model.simulation.equip(self.row, self.model.technology(technology))

    def grant(self, amount: float) -> None:
        """Receive an amount, millions of the currency, beside the budget; the ledger shows it as granted."""
        self.model.simulation.grant(self.row, round(not_negative("amount", amount) * MINOR_UNITS))


class Region(Agent):
    """A region: its economy, its pool and its platforms; it can oblige its municipalities."""

    model: DiffusionModel

    def __init__(self, model: DiffusionModel, row: int) -> None:
        super().__init__(model)
        scenario = model.simulation.scenario
        self.row = row
        self.id = scenario.regions.id[row]
        self.name = scenario.regions.name[row]
        self.population = int(model.simulation.shared.regions["population"][row])

    @property
    def _rows(self) -> slice:
        bounds = self.model.simulation.shared.regions[self.row]
        return slice(int(bounds["start"]), int(bounds["stop"]))

    @property
    def municipalities(self) -> AgentSet:
        """Its places, those that are guides included."""
        return AgentSet(self.model._places[self._rows], random=self.model.random)

    @property
    def index(self) -> float:
        """IQ-city index of its places, weighted by population: 0 to 120."""
        people = self.model.simulation.shared.places["population"][self._rows]
        operating = self.model.operating[:, self._rows]
        return float(self.model._index_weights @ (operating @ people) / max(people.sum(), 1))

    @property
    def grp(self) -> float:
        """Gross regional product of the current year, billions of the currency; before the first step the table's."""
        years = self.model.simulation.state.yearly[self.row, :, ECONOMY.index("grp")]
        known = years[np.isfinite(years)]
        return float(known[-1] if len(known) else self.model.simulation.scenario.regions.grp[self.row])

    @property
    def pool(self) -> float:
        """Regional pool at hand, its reserve included, millions of the currency."""
        fund = self.model.simulation.state.funds[self.row]
        return float((fund["pool"] + fund["reserve"]) / MINOR_UNITS)

    @property
    def spending(self) -> dict[str, float]:
        """Millions of the currency paid for adoptions so far, by payer: own, regional, federal, private."""
        flows = self.model.simulation.state.ledger[self.row].sum(axis=0)
        payers = ("own", "regional", "federal", "private")
        return {payer: float(flows[FLOWS.index(f"{payer}_spent")] / MINOR_UNITS) for payer in payers}

    @property
    def platforms(self) -> tuple[str, ...]:
        """Ids of the technologies for which the region has a platform."""
        return self.model.technologies(self.model.simulation.state.platforms["platform"][:, self.row])

    def mandate(self, technology: str, rate: float, until: str | datetime.date | None = None) -> None:
        """Oblige its municipalities to take up a technology at a rate, 1/year, from now until a date (or the end)."""
        simulation = self.model.simulation
        stop = None if until is None else simulation.scenario.step_of(until)
        simulation.mandate(self.row, self.model.technology(technology), not_negative("rate", rate), stop)


class DiffusionModel(Model):
    """One replicate of a scenario under a policy, as a Mesa model; `rng` seeds its draws (None: the scenario's seed).

    The same scenario, seed, policy and replicate give the events of `sim.run`. Agent and model reporters are Mesa's:
    attribute names, functions or [function, arguments]; they are collected at the start and after every step, beside
    coverage, people, index, size classes, and technologies that are not in the index, such as programme.
    """

    def __init__(
        self,
        scenario: Scenario | str | Path,
        rng: int | None = 1,
        policy: str | None = None,
        replicate: int = 0,
        *,
        model_reporters: Mapping[str, Any] | None = None,
        agent_reporters: Mapping[str, Any] | None = None,
    ) -> None:
        whole = scenario if isinstance(scenario, Scenario) else load(scenario)
        seed = whole.seed if rng is None else int(rng)
        super().__init__(rng=seed)
        self.policy = policy or BASELINE
        self.simulation = Simulation(whole.arm(policy), seed, int(replicate))
        self._registered = 0
        shape = self.simulation.shared.shape
        self._places = [Municipality(self, i) for i in range(shape[0])]
        self._regions = [Region(self, r) for r in range(shape[2])]
        own = {name: partial(DiffusionModel.measure, name=name) for name in self.main_measures}
        by_agent = {name: _reader(reporter) for name, reporter in (agent_reporters or {}).items()}
        self.datacollector = DataCollector({**own, **(model_reporters or {})}, by_agent)
        self.datacollector.collect(self)

    def register_agent(self, agent: Agent) -> None:
        """Number an agent."""
        super().register_agent(agent)
        # in Mesa 3.3 the class of agents counts for each model, and so keeps every model for ever: 175 kB each
        if hasattr(Agent, "_ids"):
            Agent._ids.pop(self, None)
            self._registered += 1
            agent.unique_id = self._registered

    @property
    def scenario(self) -> Any:
        """Not there: Mesa means something else by it, and its browser view would put that in the place of ours."""
        raise AttributeError("a DiffusionModel has no `scenario`; see `simulation.scenario`")

    @scenario.setter
    def scenario(self, scenario: Any) -> None:
        """Ignore what Mesa 3.5 sets."""

    def step(self) -> None:
        """Advance one step of the scenario; at its end `running` becomes false, and nothing happens any more."""
        if self.simulation.finished:
            return
        self.simulation.advance()
        self.running = not self.simulation.finished
        self.datacollector.collect(self)

    @property
    def date(self) -> datetime.date:
        """The instant that has been reached."""
        return datetime.date.fromisoformat(str(self.simulation.scenario.instant(self.simulation.step)))

    @cached_property
    def municipalities(self) -> AgentSet:
        """All municipalities that can adopt; guides, which are only looked at, are in `guides`."""
        return AgentSet([place for place in self._places if not place.guide], random=self.random)

    @cached_property
    def guides(self) -> AgentSet:
        """Places of which only the portfolio matters: they are looked at."""
        return AgentSet([place for place in self._places if place.guide], random=self.random)

    @cached_property
    def regions(self) -> AgentSet:
        """All regions that have a place."""
        return AgentSet(self._regions, random=self.random)

    @cached_property
    def network(self) -> networkx.DiGraph:
        """Who looks at whom: see `Scenario.network`."""
        return self.simulation.scenario.network()

    @cached_property
    def space(self) -> Space:
        """Mesa's network of places, each in its cell. The engine does not use it; it is built when asked for."""
        graph = self.network.subgraph([place.id for place in self._places]).copy()
        space = Space(graph, random=self.random)
        for place in self._places:
            space._cells[place.id].add_agent(place)
        return space

    @property
    def operating(self) -> np.ndarray:
        """Which technologies operate where, bool[K, n] (places in the engine's order)."""
        return self.simulation.state.cells["status"] == OPERATING

    @property
    def results(self) -> Arm:
        """The run so far in the shape of one arm of `sim.run`: its series, holdings and tables."""
        now = self.simulation
        return Arm(self.policy, self.policy, now.scenario, now.shared, now.rows, deepcopy(now.batch))

    @property
    def events(self) -> pd.DataFrame:
        """The events so far, with the columns of `Results.events`."""
        return events_frame(self.results)

    @cached_property
    def arm(self) -> Arm:
        """The arm without its events: which places and technologies count, and with what weight in which measure."""
        return Arm.bare(self.simulation.scenario, self.simulation.shared, self.policy)

    @property
    def main_measures(self) -> list[str]:
        """Names of the series that are collected; `measure` knows each technology besides."""
        technologies = zip(self.simulation.scenario.technologies.id, self.arm.counted, strict=True)
        sizes = [name for name, _, _ in SIZE_CLASSES if name in self._measures]
        return ["coverage", "people", "index", *sizes, *(name for name, counted in technologies if not counted)]

    @cached_property
    def _measures(self) -> dict[str, np.ndarray]:
        return self.arm.measures()

    @cached_property
    def _index_weights(self) -> np.ndarray:
        """What each technology adds to the index of a place, float64[K]."""
        return self.arm.index_by_technology

    def measure(self, name: str) -> float:
        """A measure at this instant: one of `main_measures`, or the share of focus municipalities with a technology."""
        if name not in self._measures:
            raise self.refusal(name, "measure", self._measures)
        return float(np.round((self._measures[name] * self.operating.T).sum(), 12))

    def technologies(self, chosen: np.ndarray) -> tuple[str, ...]:
        """The ids of technologies, from a mask or numbers that are not 0, [K]."""
        names = self.simulation.scenario.technologies.id
        return tuple(names[k] for k in np.flatnonzero(chosen))

    def technology(self, name: str) -> int:
        """The number of a technology. Raises InputError."""
        names = self.simulation.scenario.technologies.id
        if name not in names:
            raise self.refusal(name, "technology", names)
        return names.index(name)

    def refusal(self, name: str, noun: str, known: Iterable[str]) -> InputError:
        """What to raise for a name that this scenario does not have."""
        return InputError(unknown(name, f"a {noun} of this scenario", known, self.simulation.scenario.name, noun))

    def __getstate__(self) -> dict[str, Any]:
        """For pickling: what can be built again is left out; the engine's columns find their addresses anew."""
        built = ("network", "space", "arm", "_measures", "_index_weights", "municipalities", "guides", "regions")
        return {key: value for key, value in self.__dict__.items() if key not in built}


def not_negative(name: str, value: float) -> float:
    """A number that an action of an agent is given, finite and 0 or more. Raises InputError."""
    if not (math.isfinite(value) and value >= 0):
        raise refused(name, f"{name} is {value}", "a number not below 0")
    return value


def _reader(reporter: Any) -> Any:
    """An agent reporter that can be pickled: Mesa makes a local function of an attribute's name."""
    return partial(_attribute, name=reporter) if isinstance(reporter, str) else reporter


def _attribute(agent: Agent, name: str) -> Any:
    """An attribute of an agent; nothing where its kind has none."""
    return getattr(agent, name, None)
