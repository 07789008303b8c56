"""On what does a run rest? Every parameter, technology, target and policy of it, as rows of tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.report.answer import counted, fitted
from sim.report.names import technology_name
from sim.report.words import exact
from sim.results.targets import bounds, verdicts
from sim.scenario.schema import ASSUMED, parameter_table

if TYPE_CHECKING:
    from sim.results.run import Results
    from sim.scenario.scenario import Scenario

FIGURES = ("cost", "complexity", "benefit", "foreign_share", "lag", "life", "privacy", "running_cost", "saving")
"""Fields of a technology, in the order of the table's columns."""


@dataclass(frozen=True)
class Ground:
    """A number of the model: its value here or the middle 90 % of its draws, plausible range, and on what it rests."""

    key: str
    meaning: str
    value: str
    draws: tuple[float, float] | None
    unit: str
    plausible: tuple[float, ...]
    basis: str
    assumed: bool


def grounds(results: Results) -> list[Ground]:
    """Every parameter with its value in this scenario; drawn ones with the range of their draws."""
    scenario, found = results.scenario, []
    fit = scenario.parameter_fit
    drawn = fit.draws if fit is not None and fitted(scenario) else {}
    for row in parameter_table():
        for key, value in _values(scenario, row.key):
            low, high = np.quantile(drawn[key], (0.05, 0.95)) if key in drawn else (0, 0)
            # a drawn parameter has no one value here
            ends = (float(low), float(high)) if key in drawn else None
            written = exact(value) if isinstance(value, float) else "" if value is None else str(value)
            plausible = tuple(row.range_at(value) or ())
            found.append(Ground(key, row.meaning, written, ends, row.unit, plausible, row.basis, ASSUMED in row.basis))
    return found


def _values(scenario: Scenario, key: str) -> list[tuple[str, Any]]:
    """A key of the table of parameters with its value here; one for each mandate."""
    section, _, name = key.rpartition(".")
    if section.startswith("mandates"):
        return [(f"mandates.{at}.{name}", mandate.rate) for at, mandate in enumerate(scenario.mandates)]
    return [(key, scenario[key])]


def technology_rows(scenario: Scenario) -> list[dict[str, Any]]:
    """The numbers of every technology, with their basis where the table tells it."""
    tech = scenario.technologies
    table = scenario.tables.get("technologies")
    basis = table.columns.get("basis") if table is not None else None
    return [
        {
            "name": technology_name(scenario, k),
            "domain": tech.domain[k].replace("_", " "),
            "figures": [float(getattr(tech, name)[k]) for name in FIGURES],
            "basis": basis[k] if basis is not None else "",
        }
        for k in range(len(tech.id))
    ]


def target_rows(results: Results) -> list[dict[str, Any]]:
    """Every target with its source, beside the model; `verdict` None where its date is not simulated."""
    scenario, members = results.scenario, int(results.baseline.focus.sum())
    judged = {verdict.name: verdict for verdict in verdicts(results)}
    return [
        {
            "target": target, "verdict": judged.get(name), "range": counted(*bounds(target, members), members),
            "technology": technology_name(scenario, scenario.technologies.id.index(target.technology)),
        }
        for name, target in scenario.targets.items()
    ]  # fmt: skip


def policy_rows(results: Results) -> list[dict[str, Any]]:
    """Every policy that was run, in words and in keys."""
    known = results.scenario.policies
    chosen = [(name, known[name]) for name in results.arms if name in known]
    return [
        {
            "title": policy.title or name, "description": policy.description,
            "keys": [f"{key} = {value}" for key, value in _dotted(policy.overrides)],
        }
        for name, policy in chosen
    ]  # fmt: skip


def _dotted(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Nested overrides as dotted keys; lists as a whole."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _dotted(value, f"{prefix}{key}.")
        else:
            yield prefix + key, _written(value)


def _written(value: Any) -> str:
    """A value as a scenario file has it; of a long list only its length."""
    if isinstance(value, list | tuple):
        return f"[{len(value)} entries]" if len(value) > 3 else f"[{', '.join(map(_written, value))}]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key} = {_written(item)}" for key, item in value.items()) + "}"
    return str(value)
