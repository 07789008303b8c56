"""Which values are searched when parameters are fitted to targets? Plausible ranges as a prior distribution."""

from __future__ import annotations

import re
from collections.abc import Mapping, Set
from dataclasses import dataclass

import numpy as np

from sim.engine.columns import FIELDS
from sim.scenario.errors import InputError, Problem, unknown
from sim.scenario.scenario import Scenario
from sim.scenario.schema import Parameter, parameter_table

DECADE = 10.0
"""A range whose ends differ by this factor or more is about magnitude: the prior is even in the logarithm."""
CHOSEN = ("diffusion", "platform", "mandates")
UNSEEN = ("platform.cost_cut",)
"""Keys of these sections that act through money alone, and are varied only when asked for."""


@dataclass(frozen=True)
class Prior:
    """Plausible ranges, independent: half of the mass from `low` to `middle`, half from there to `high`; arrays [P].

    Within each half it is even, or even in the logarithm where `logarithmic`. `middle` is the value that was assumed.
    """

    keys: tuple[str, ...]
    low: np.ndarray
    middle: np.ndarray
    high: np.ndarray
    logarithmic: np.ndarray

    def values(self, unit: np.ndarray) -> np.ndarray:
        """Parameters float64[m, P] at quantiles of the prior, 0 to 1: the scale on which all of them are uniform."""
        lower = unit < 0.5
        start, stop = np.where(lower, self.low, self.middle), np.where(lower, self.middle, self.high)
        within = np.where(lower, 2.0 * unit, 2.0 * unit - 1.0)
        ratio = np.where(self.logarithmic, stop / np.where(start > 0, start, 1.0), 1.0)
        return np.where(self.logarithmic, start * ratio**within, start + (stop - start) * within)


def prior_of(scenario: Scenario, targeted: Set[str], ranges: Mapping[str, tuple[float, float]]) -> Prior:
    """Ranges of the keys that matter for the targeted technologies, replaced and added to by `ranges`.

    Raises InputError for a key that rows of a batch cannot differ in, and for a range that the scenario could not hold.
    """
    known = _known(scenario)
    chosen: dict[str, tuple[float, float]] = {}
    for key, row in known.items():
        section = key.partition(".")[0]
        if section not in CHOSEN or key in UNSEEN or row.low is None or row.high is None:
            continue
        number = re.match(r"mandates\.(\d+)\.", key)
        if number and scenario.mandates[int(number[1])].technology not in targeted:
            continue
        chosen[key] = (row.low, row.high)
    file = str(scenario.path or scenario.name)
    for key, (low, high) in ranges.items():
        if key not in known:
            raise InputError(unknown(key, "a parameter that can be searched", known, file, key))
        if not low < high:
            raise InputError(Problem(file, 0, key, f"{low:g}:{high:g} is not a range", "low:high, low below high"))
        for end in (low, high):
            scenario.override({key: end})  # refuses what the scenario could not hold
    chosen |= ranges
    low, high = np.array(list(chosen.values())).T
    logarithmic = (low > 0) & (high / np.where(low > 0, low, 1.0) >= DECADE)
    assumed = np.array([scenario[key] for key in chosen])
    # an assumed value at or beyond an end cannot be the middle of the range
    centre = np.where(logarithmic, np.sqrt(np.abs(low * high)), (low + high) / 2)
    middle = np.where((low < assumed) & (assumed < high), assumed, centre)
    return Prior(tuple(chosen), low, middle, high, logarithmic)


def _known(scenario: Scenario) -> dict[str, Parameter]:
    """Everything that rows of a batch may differ in, with its row of the table of parameters."""
    rows = {row.key: row for row in parameter_table()}
    known = {key: rows[key] for key in FIELDS if key in rows}
    for number in range(len(scenario.mandates)):
        known[f"mandates.{number}.rate"] = rows["mandates.0.rate"]
    return known
