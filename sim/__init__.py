"""Uptake: how smart-city technologies spread from leader cities to the municipalities around them.

The public names. `import uptake` gives the same ones, and finds this package where another `sim` lies on the path too.
Everything named here is loaded when it is first used, so that an import and the command line start at once.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from sim.model import DiffusionModel
    from sim.results.folder import load as load_results
    from sim.results.run import Results, run
    from sim.scenario.errors import InputError
    from sim.scenario.scenario import Scenario, load, shipped
    from sim.studies.compare import compare as compare_runs
    from sim.studies.leaders import leader_worth, seek_leaders
    from sim.studies.seek import seek_target
    from sim.studies.sweep import Sweep, sweep

_HOMES = {
    "load": "sim.scenario.scenario",
    "shipped": "sim.scenario.scenario",
    "Scenario": "sim.scenario.scenario",
    "InputError": "sim.scenario.errors",
    "run": "sim.results.run",
    "Results": "sim.results.run",
    "DiffusionModel": "sim.model",
    "compare_runs": "sim.studies.compare:compare",
    "leader_worth": "sim.studies.leaders",
    "load_results": "sim.results.folder:load",
    "seek_leaders": "sim.studies.leaders",
    "seek_target": "sim.studies.seek",
    "sweep": "sim.studies.sweep",
    "Sweep": "sim.studies.sweep",
}

__all__ = [
    "DiffusionModel",
    "InputError",
    "Results",
    "Scenario",
    "Sweep",
    "compare_runs",
    "leader_worth",
    "load",
    "load_results",
    "run",
    "seek_leaders",
    "seek_target",
    "shipped",
    "sweep",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home, _, known_as = _HOMES[name].partition(":")
    return getattr(import_module(home), known_as or name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
