"""What of a scenario can be left out, when only some technologies matter, without changing a draw or a date of theirs?

Most of the time of a calibration would go into technologies that no target is about.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence, Set
from typing import Any

import numpy as np

from sim.scenario.scenario import Scenario


def cut_down(
    scenario: Scenario, targeted: Set[int], keys: Sequence[str]
) -> tuple[Scenario, list[int], dict[str, float], str]:
    """The scenario with nothing but the targets' technologies where that changes no draw and no date of theirs.

    Returns it, the technologies kept (numbers in the whole scenario), overrides, and the reason in words.
    """
    kept = sorted(_with_requirements(scenario, targeted))
    reason = _entangled(scenario, kept, keys)
    if reason:
        return scenario, list(range(len(scenario.technologies))), {}, f"The whole scenario is simulated: {reason}."
    names = ", ".join(scenario.technologies.id[k] for k in kept)
    words = (
        f"Simulated without the technologies that the targets do not need (kept: {names}): exact, since they cost "
        "nothing, no incident reaches them, what is left out depends on them and not they on it, and draws are keyed."
    )
    return _only(scenario, kept), kept, {"finance.cost_level": 0.0, "security.incident_rate": 0.0}, words


def _with_requirements(scenario: Scenario, wanted: Set[int]) -> Set[int]:
    """Technologies with all that they require, directly or not."""
    more = {j for k in wanted for j in scenario.technologies.requires[k]} - wanted
    return _with_requirements(scenario, wanted | more) if more else wanted


def _entangled(scenario: Scenario, kept: Sequence[int], keys: Sequence[str]) -> str:
    """Why the technologies that are left out could matter to those kept; empty where they cannot."""
    tech, money = scenario.technologies, scenario.finance.cost_level > 0
    if any(key.split(".")[0] in ("finance", "security") for key in keys):
        return "money or incidents are varied"
    if money and any(tech.cost[k] > 0 for k in kept):
        return "what the targets are about costs money, and others compete for it"
    left_out = [k for k in range(len(tech)) if k not in kept]
    if (scenario.portfolio.any(axis=1) != scenario.portfolio[:, kept].any(axis=1)).any():
        return "there are leaders that have nothing of what the targets are about"
    if scenario.security.incident_rate > 0:
        if not all(tech.immune[k] and np.isinf(tech.life[k]) for k in kept):
            return "incidents reach what the targets are about"
        dependent = all(tech.immune[k] or set(kept) <= _with_requirements(scenario, {k}) for k in left_out)
        early = scenario.portfolio[:, left_out].any(axis=1) & ~scenario.portfolio[:, kept].all(axis=1)
        if not dependent or (early & ~scenario.places.guide).any():
            return "an incident with another technology makes people wary of what the targets are about"
    return ""


def _only(scenario: Scenario, kept: list[int]) -> Scenario:
    """The scenario with some of its technologies, in the same order."""
    tech = scenario.technologies
    columns: dict[str, Any] = {}
    for field in dataclasses.fields(tech):
        values = getattr(tech, field.name)
        columns[field.name] = values[kept] if isinstance(values, np.ndarray) else tuple(values[k] for k in kept)
    columns["requires"] = tuple(tuple(kept.index(j) for j in tech.requires[k]) for k in kept)
    names = {tech.id[k] for k in kept}
    empty = [mandate for mandate in scenario.mandates if mandate.technology not in names]
    # a mandate keeps its number, which is part of its key; one about a technology left out must do nothing
    orders = tuple(
        mandate.model_copy(update={"technology": tech.id[kept[0]], "rate": 0.0}) if mandate in empty else mandate
        for mandate in scenario.mandates
    )
    return dataclasses.replace(
        scenario,
        technologies=dataclasses.replace(tech, **columns),
        portfolio=scenario.portfolio[:, kept],
        fit=scenario.fit[:, kept],
        mandates=orders,
    )
