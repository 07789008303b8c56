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
    # For the time of this import alone: beside an installed uptake lie all other packages, which may not go before
    # the standard library. Once the package is there, Python looks for its modules inside it, and nowhere else.
    sys.path.insert(0, str(_HOME))
    try:
        package = import_module(name)
    finally:
        sys.path.remove(str(_HOME))
    found = [*getattr(package, "__path__", ()), getattr(package, "__file__", None) or "unknown"][0]
    if Path(found).resolve() != _HOME / name:
        told = f"another `{name}` was imported before uptake could find its own"
        raise ImportError(f"{told}: {found}; import uptake first, rename the other, or keep it off PYTHONPATH")
    return package


# At once and not at the first use: a process that is spawned imports this module before it is told what to do, by
# names that begin with `sim`. A clash is told when a name is asked for, so that the command can say it in one line.
_clash: ImportError | None = None
try:
    _public = _ours("sim")
    _ours("calibration")
    __all__ = _public.__all__
    __version__ = _public.__version__
except ImportError as _error:
    _clash = _error


def __getattr__(name: str) -> Any:
    if _clash is None:
        return getattr(_public, name)
    if name.startswith("__"):  # Python itself asks, as `from uptake import main` does for `__path__`
        raise AttributeError(name)
    raise _clash


def __dir__() -> list[str]:
    return sorted({*globals(), *globals().get("__all__", ())})


def main() -> None:
    """The command `uptake`; where another `sim` came first, one line and exit 2, as for other wrong input."""
    if _clash is not None:
        print(_clash, file=sys.stderr)
        sys.exit(2)
    from sim.cli.main import main as command

    command()


if __name__ == "__main__":
    main()
