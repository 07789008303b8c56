"""Does a run meet what was observed or planned? Each target of the scenario beside the baseline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sim.results.measures import one
from sim.scenario.schema import Target

if TYPE_CHECKING:
    from sim.results.run import Results


@dataclass(frozen=True)
class Verdict:
    """A target beside the model: shares from 0 to 1; `chance`: of replicates within the range, or that reach a plan.

    For a target before a date, `chance` is of replicates that are within the range at some instant before it, and
    the band is that of the number at the date.
    """

    name: str
    target: Target
    instant: int
    low: float
    high: float
    mean: float
    q05: float
    q95: float
    chance: float

    @property
    def inside(self) -> bool:
        """Whether some of the target's range lies within the band of 90 % of replicates."""
        return self.low <= self.q95 + 1e-9 and self.high >= self.q05 - 1e-9


def bounds(target: Target, members: int) -> tuple[float, float]:
    """Lowest and highest share that a target names, of `members` municipalities."""
    if target.share is not None:
        return target.share
    low, high = target.count or (0.0, 0.0)
    return low / max(members, 1), high / max(members, 1)


def verdicts(results: Results) -> list[Verdict]:
    """Every target of the scenario that falls into its time, beside the baseline."""
    arm, scenario = results.baseline, results.scenario
    members, found = int(arm.focus.sum()), []
    for name, target in scenario.targets.items():
        instant = scenario.step_of(target.date or target.before)  # type: ignore[arg-type]
        if not 0 <= instant <= scenario.steps:
            continue
        values = one(arm, scenario.technologies.id.index(target.technology))
        low, high = bounds(target, members)
        at = values[:, instant]
        within = (values >= low - 1e-9) & (values <= high + 1e-9)
        if target.date is None:
            chance = within[:, :instant].any(axis=1).mean() if instant else 0.0
        elif target.kind == "plan":
            chance = (at >= low - 1e-9).mean()
        else:
            chance = within[:, instant].mean()
        q05, q95 = np.quantile(at, (0.05, 0.95))
        found.append(Verdict(name, target, instant, low, high, at.mean(), q05, q95, float(chance)))
    return found
