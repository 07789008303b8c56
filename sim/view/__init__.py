"""How does one watch diffusion happen? Mesa's browser view, started from here."""

from __future__ import annotations

import gc
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from sim.scenario.errors import refused

NEEDED = ("solara", "solara_assets", "uvicorn", "ipyvuetify")


def serve(
    scenario_source: str, overrides: Mapping[str, Any] | None = None, port: int = 0, open_browser: bool = True
) -> None:
    """Show a scenario in the browser until Ctrl-C; port 0 is a free one. Prints the address.

    Raises InputError for a scenario that is not valid, a port that is taken, or without the extra `view`.
    """
    if not all(map(find_spec, NEEDED)):
        message = "the browser view is not installed; in the project's folder: pip install -e '.[view]'"
        raise refused("view", message)
    gc.disable()  # imports make many objects and hardly any garbage: looking for it takes a fifth of the start
    try:
        from sim.view.server import run

        run(scenario_source, dict(overrides or {}), port, open_browser)
    finally:
        gc.enable()
