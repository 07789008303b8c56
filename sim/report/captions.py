"""What stands under the pictures? The facts that captions.txt tells: how many runs, what varies, what it rests on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sim.report import words
from sim.report.figures import applicable
from sim.report.findings import falls
from sim.report.maps import PLACES_SHOWN
from sim.report.pieces import ROWS_SHOWN
from sim.results.measures import has_money, index_at, main_cities, region_index_at
from sim.results.ranks import rank_correlation
from sim.results.uncertainty import Split, varying

if TYPE_CHECKING:
    from sim.results.run import Arm, Results


def captions(results: Results, split: Split | None) -> dict[str, str]:
    """The caption of every applicable picture, by its name, in the order of the report."""
    facts = _facts(results, split)
    return {name: words.said("captions.txt", name, facts) for name in applicable(results)}


def _facts(results: Results, split: Split | None) -> dict[str, Any]:
    """All that captions tell."""
    scenario, arm = results.scenario, results.baseline
    drawn = [part for part in varying(arm) if part != "luck"]
    fit = scenario.parameter_fit if "parameters" in drawn else None
    return {
        "replicates": results.replicates, "seed": results.seed, "drawn": drawn, "targets": len(scenario.targets),
        "policies": len(results.arms) - 1, "members": int(arm.focus.sum()), "places_shown": PLACES_SHOWN,
        "rows_shown": ROWS_SHOWN, "fitted": len(fit.draws) if fit else 0, "worn": _worn_out(arm),
        "money": has_money(scenario), "currency": scenario.currency, "correlation": _correspondence(arm),
        "coefficients_drawn": scenario.economy.coefficients == "draws",
        "split": split if split and len(split.shares) > 1 else None,
    }  # fmt: skip


def _worn_out(arm: Arm) -> dict[str, Any] | None:
    """The leader that comes to have fewest technologies of what it had, and of how many that is true; None of none."""
    found, scenario = falls(arm), arm.scenario
    if not found:
        return None
    first = found[0]
    return {
        "name": scenario.places.name[first.place], "count": len(found),
        "before": first.before, "high": scenario.instant(first.high), "after": first.after,
        "low": scenario.instant(first.low),
    }  # fmt: skip


def _correspondence(arm: Arm) -> list[float] | None:
    """Rank correlation of regions with their main cities: 5 %, median, 95 %; None where there are too few regions."""
    if len(arm.focus_regions) < 4:
        return None
    last = arm.scenario.steps
    rho = rank_correlation(index_at(arm, last)[:, main_cities(arm)], region_index_at(arm, last))
    rho = rho[np.isfinite(rho)]
    return np.quantile(rho, (0.05, 0.5, 0.95)).tolist() if len(rho) else None
