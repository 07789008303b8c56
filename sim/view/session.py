"""What does one browser session hold? A model that can be drawn while it steps, its levers, and the band behind it."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from sim.engine.columns import MINOR_UNITS
from sim.model import DiffusionModel
from sim.report.words import month
from sim.results.arm import BASELINE, Arm
from sim.results.measures import bands, has_money, one
from sim.results.run import run
from sim.scenario.errors import InputError, refused
from sim.scenario.scenario import Scenario
from sim.scenario.schema import parameter_table

MOST_REPLICATES = 100
LEVERS = (
    "diffusion.peers",
    "diffusion.leaders",
    "mandates.0.rate",
    "platform.threshold",
    "finance.own_share",
    "finance.regional_pool",
    "finance.regional_share",
    "finance.private_share",
    "policy.inclusion",
    "policy.protection",
    "sanctions.severity",
)
"""Parameters that the page can change, in this order, where they matter to the scenario."""


class Lever(NamedTuple):
    """A parameter that the page can change: its words, and where its slider begins, ends, may stop and stands."""

    key: str
    label: str
    low: float
    high: float
    step: float
    value: float


class Row(NamedTuple):
    """A region in the league table: IQ-city index, GRP in billions, spending in millions of the currency."""

    name: str
    focus: bool
    iq: float
    grp: float
    spending: float


@dataclass(frozen=True)
class Snapshot:
    """What the page draws: nothing in it changes, whatever the model does meanwhile.

    `status` uint8[K, n], `operating` bool[K, n], `balance` float64[n] in millions, `index` float64[n] of 120; places
    are in canonical order. `run` holds copies of the events.
    """

    step: int
    date: str
    status: np.ndarray
    operating: np.ndarray
    balance: np.ndarray
    index: np.ndarray
    run: Arm
    league: tuple[Row, ...]


class ViewModel(DiffusionModel):
    """A DiffusionModel under a policy and levers, with a snapshot after everything that happens to it.

    Mesa's Reset calls it with what the controls say, so it takes text for the seed; what cannot be used is told in
    `problem`, and the scenario as it is stands in, since an exception here would leave a dead page.
    """

    def __init__(
        self, *, source: Scenario, seed: str = "1", policy: str = BASELINE, replicate: int = 0, **kwargs: Any
    ) -> None:
        self.lock = threading.RLock()
        self.problem = ""
        settings = {key: kwargs[key] for key in kwargs if key in LEVERS}
        try:
            number, scenario = _seed(seed), changed(source, policy, settings)
        except InputError as error:
            self.problem = f"{error}. Shown instead: the scenario as it is."
            number, scenario, policy, replicate = source.seed, source, BASELINE, 0
        each = {name: partial(DiffusionModel.measure, name=name) for name in scenario.technologies.id}
        super().__init__(scenario, number, None, replicate, model_reporters=each)
        self.setup = (policy, number, tuple(settings.items()))
        self.snapshot = self._snapshot()

    def step(self) -> None:
        """Advance, and take the picture that the page will draw."""
        with self.lock:
            super().step()
            self.snapshot = self._snapshot()

    def equip(self, place: int, technology: int) -> None:
        """Give a place a technology between two steps, as an experimenter."""
        with self.lock:
            self.simulation.equip(place, technology)
            self.snapshot = self._snapshot()

    def series(self, name: str) -> list[float]:
        """A measure from the start to the snapshot."""
        return self.datacollector.model_vars[name][: self.snapshot.step + 1]

    def _snapshot(self) -> Snapshot:
        now, scenario = self.simulation, self.simulation.scenario
        league = [
            Row(region.name, region.id in scenario.focus, region.index, region.grp, sum(region.spending.values()))
            for region in self._regions
        ]
        operating = self.operating
        return Snapshot(
            step=now.step,
            date=month(scenario.instant(now.step)),
            status=now.state.cells["status"].copy(),
            operating=operating,
            balance=now.state.budgets["balance"] / MINOR_UNITS,
            index=self._index_weights @ operating,
            run=self.results,
            league=tuple(sorted(league, key=lambda row: -row.iq)),
        )


def _seed(text: str) -> int:
    if not str(text).strip().isdecimal() or len(str(text).strip()) > 18:
        raise refused("seed", f"{text!r} is no seed", "a whole number of 0 or more")
    return int(text)


def changed(source: Scenario, policy: str, settings: Mapping[str, float]) -> Scenario:
    """The scenario under a policy, with the levers that were moved; those that were not leave it to the policy."""
    levers = {lever.key: lever for lever in levers_of(source)}
    moved = {key: value for key, value in settings.items() if abs(value - levers[key].value) > levers[key].step / 2}
    scenario = source.arm(policy)
    if "mandates.0.rate" in moved and not scenario.mandates:
        del moved["mandates.0.rate"]  # the policy has no mandate whose rate could be another one
    return scenario.override(moved) if moved else scenario


def levers_of(scenario: Scenario) -> list[Lever]:
    """The levers that matter to a scenario, from 0 or their plausible range to it or to where they stand."""
    found = {parameter.key: parameter for parameter in parameter_table()}
    result = []
    for key in LEVERS:
        section = key.partition(".")[0]
        missing = section == "finance" and not has_money(scenario)
        missing |= section == "mandates" and not scenario.mandates
        missing |= section == "sanctions" and scenario.sanctions.from_ is None
        if not missing:
            value = scenario[key]
            row = found[key]
            label = f"{section.capitalize()}: {row.meaning}, {row.unit} ({value:g})"
            low, high = min(row.low or 0.0, value), max(row.high or 1.0, value)
            result.append(Lever(key, label, low, high, notch(low, high, value), float(value)))
    return result


def notch(*values: float) -> float:
    """A slider's step, a power of ten down to a millionth, on which all values lie: it stops nowhere else.

    A slider that stood between two steps would move the parameter as soon as it is drawn.
    """
    decimals = max(-int(Decimal(repr(float(value))).normalize().as_tuple().exponent) for value in values)
    return 10.0 ** -min(max(decimals, 2), 6)


@dataclass(frozen=True)
class Ensemble:
    """Many replicates of one setup: quantiles over replicates of each measure, float64[T + 1] by name."""

    replicates: int
    bands: Mapping[str, Mapping[str, np.ndarray]]


def ensemble(model: ViewModel) -> Ensemble:
    """Run the replicates behind the live one."""
    scenario = model.simulation.scenario
    replicates = min(scenario.replicates, MOST_REPLICATES)
    # on one thread, so that a core is left for the picture
    arm = run(scenario, replicates, model.simulation.seed, "none", threads=1).baseline
    found = {name: bands(one(arm, k)) for k, name in enumerate(scenario.technologies.id)}
    found["coverage"] = bands(arm.series(arm.measures()["coverage"]))
    return Ensemble(replicates, found)
