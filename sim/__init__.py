"""Uptake: how smart-city technologies spread from leader cities to the municipalities around them.

    import sim
    results = sim.run(sim.load("perm-krai"), replicates=200, seed=1)

Everything named here is loaded when it is first used, so that `import sim` and the command line start at once.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from sim.model import DiffusionModel
    from sim.results import Results, run
    from sim.scenario import Scenario, load, shipped
    from sim.tables import InputError

_HOMES = {
    "load": "sim.scenario",
    "shipped": "sim.scenario",
    "Scenario": "sim.scenario",
    "InputError": "sim.tables",
    "run": "sim.results",
    "Results": "sim.results",
    "DiffusionModel": "sim.model",
}

__all__ = ["DiffusionModel", "InputError", "Results", "Scenario", "load", "run", "shipped"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
