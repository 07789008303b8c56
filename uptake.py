"""Uptake: how smart-city technologies spread from leader cities to the municipalities around them.

    import uptake
    results = uptake.run(uptake.load("perm-krai"), replicates=200, seed=1)

The name that people import and type: the public names of `sim`, and the command. `sim` and `calibration` are names that
others give their own files too, so they are taken from beside this file, whatever else lies on the path.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sim import *  # noqa: F403

_HOME = Path(__file__).resolve().parent


def _ours(name: str) -> ModuleType:
    """The package of that name that lies beside this file. Raises ImportError where another one was imported before."""
    sys.path.insert(0, str(_HOME))
    try:
        package = import_module(name)
    finally:
        sys.path.remove(str(_HOME))
    if Path(package.__file__ or "").parent.parent.resolve() != _HOME:
        raise ImportError(f"another `{name}` was imported before uptake: {package.__file__}; import uptake first")
    return package


_public = _ours("sim")
_ours("calibration")
__all__ = _public.__all__
__version__ = _public.__version__


def __getattr__(name: str) -> Any:
    return getattr(_public, name)


def __dir__() -> list[str]:
    return dir(_public)


def main() -> None:
    """The command `uptake`."""
    from sim.cli.main import main as command

    command()


if __name__ == "__main__":
    main()
