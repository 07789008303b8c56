"""What is on the page? Mesa's SolaraViz with a map, curves and a table of regions. Solara imports this for `Page`.

Three things are used that neither Mesa nor Solara documents, and that a new version may move:

- `update_counter` and `force_update` of `mesa.visualization.utils`: Mesa's controls raise the counter after each step,
  and a component that has read it is drawn anew. Nothing public tells that a step is over.
- The classes `.vue-grid-layout` and `.v-tabs` in `page.css`: SolaraViz lays components out in a grid that can be
  dragged, within tabs, and has no option for either; the style sheet makes it one page that fits the screen.
- `solara.server.starlette.app` in `server.py`: what `solara run` serves, here behind a doorkeeper.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import solara
from mesa.visualization import SolaraViz
from mesa.visualization.utils import force_update, update_counter
from solara.lab import use_task

from sim.results.arm import BASELINE
from sim.scenario.errors import InputError
from sim.scenario.scenario import Scenario, load
from sim.view import picture
from sim.view.server import SOURCE
from sim.view.session import MOST_REPLICATES, Ensemble, ViewModel, ensemble, levers_of

ENSEMBLES_KEPT = 4
PLAY_INTERVAL = 30
"""Milliseconds between two steps: longer than a browser needs to draw one, or it would fall behind."""


@solara.component_vue("map.vue")
def MapView(  # noqa: N802
    ground: str,
    date: str,
    colours: str,
    arrows: list[Any],
    choice: str,
    problem: str,
    card: dict[str, Any] | None = None,
    pinned: bool = False,
    event_hover: Callable[[int], None] | None = None,
    event_pin: Callable[[int], None] | None = None,
    event_choose: Callable[[str], None] | None = None,
    event_equip: Callable[[list[int]], None] | None = None,
) -> None:
    """Draw the map and the card of a place."""
    # `ground` is JSON: Solara and Vue look into each value of a dict, nine tenths of a frame with 6 000 places


@solara.component_vue("curves.vue")
def CurvesView(axes: str, lines: str, live: list[Any], note: str) -> None:  # noqa: N802
    """Draw the curves of diffusion; `axes` and `lines` are JSON."""


@solara.component_vue("league.vue")
def LeagueView(rows: list[Any], total: int, currency: str) -> None:  # noqa: N802
    """Draw the table of regions."""


def map_of(scenario: Scenario, choice: solara.Reactive[str]) -> Any:
    """The map as a component of Mesa's page."""

    @solara.component
    def Map(model: ViewModel) -> None:  # noqa: N802
        update_counter.get()
        hovered, pinned = solara.use_reactive(-1), solara.use_reactive(-1)
        ground = solara.use_memo(lambda: json.dumps(picture.ground(scenario, model.arm)), [])
        snapshot = model.snapshot
        place = pinned.value if pinned.value >= 0 else hovered.value

        def equip(order: list[int]) -> None:
            model.equip(int(order[0]), int(order[1]))
            force_update()

        MapView(
            ground=ground,
            problem=model.problem,
            date=snapshot.date,
            colours=picture.colours(snapshot, choice.value, scenario),
            arrows=picture.arrows(snapshot, choice.value, scenario),
            choice=choice.value,
            card=picture.card(snapshot, place, scenario) if place >= 0 else None,
            pinned=pinned.value >= 0,
            event_hover=hovered.set,
            event_pin=pinned.set,
            event_choose=choice.set,
            event_equip=equip,
        )

    return Map


def curves_of(scenario: Scenario, choice: solara.Reactive[str]) -> Any:
    """The curves as a component of Mesa's page; the ensemble behind them is run when the setup changes."""
    kept: dict[Any, Ensemble] = {}

    def behind(model: ViewModel) -> Ensemble:
        if model.setup not in kept:
            found = ensemble(model)  # meanwhile another tab may have put its own there
            while len(kept) >= ENSEMBLES_KEPT:
                kept.pop(next(iter(kept)), None)
            kept[model.setup] = found
        return kept[model.setup]

    @solara.component
    def Curves(model: ViewModel) -> None:  # noqa: N802
        update_counter.get()
        # in a thread, since a hundred replicates take seconds; an error that reached Solara would end the page
        task = use_task(lambda: behind(model), dependencies=[model.setup], raise_error=False, prefer_threaded=True)
        band = task.value if task.finished else None
        lines = solara.use_memo(
            lambda: json.dumps(picture.curves(model, choice.value, band)), [model, choice.value, band]
        )
        words = f"{band.replicates} replicates" if band else "the replicates behind are being computed"
        if task.error:
            words = "the replicates behind could not be computed"
        CurvesView(
            axes=solara.use_memo(lambda: json.dumps(picture.axes(scenario)), []),
            lines=lines,
            live=picture.live(model, choice.value),
            note=f"Thick: this replicate. Behind: median, 50 and 90 % of {words}.",
        )

    return Curves


def league_of(scenario: Scenario) -> Any:
    """The table of regions as a component of Mesa's page."""

    @solara.component
    def League(model: ViewModel) -> None:  # noqa: N802
        update_counter.get()
        LeagueView(**picture.league(model.snapshot, scenario))

    return League


def controls(scenario: Scenario) -> dict[str, Any]:
    """Mesa's model parameters: policy, seed, replicate and the levers that matter, which act on Reset."""
    last = max(min(scenario.replicates, MOST_REPLICATES) - 1, 1)
    policies = [BASELINE, *scenario.policies]
    found: dict[str, Any] = {
        "source": scenario,
        "policy": {"type": "Select", "label": "Policy", "value": BASELINE, "values": policies},
        "seed": {"type": "InputText", "label": "Seed", "value": str(scenario.seed)},
        "replicate": {"type": "SliderInt", "label": "Replicate", "value": 0, "min": 0, "max": last, "step": 1},
    }
    for lever in levers_of(scenario):
        span = {"value": lever.value, "min": lever.low, "max": lever.high, "step": lever.step}
        found[lever.key] = {"type": "SliderFloat", "label": lever.label, **span}
    return found


@solara.component
def Viewer(scenario: Scenario) -> None:  # noqa: N802
    """Mesa's page with one model for this browser session."""
    # made here and not in the module: a model of the module would be shared by all tabs
    choice = solara.use_reactive(picture.ALL)
    model = solara.use_memo(lambda: ViewModel(source=scenario, seed=str(scenario.seed)), [])
    components = solara.use_memo(
        lambda: [(map_of(scenario, choice), 0), (curves_of(scenario, choice), 0), (league_of(scenario), 0)], []
    )
    parameters = solara.use_memo(lambda: controls(scenario), [])
    SolaraViz(model, components=components, model_params=parameters, name=scenario.title, play_interval=PLAY_INTERVAL)


def read() -> Scenario | str:
    """The scenario that the command named, read anew for each session; or what is wrong with it."""
    asked = json.loads(os.environ[SOURCE])
    try:
        return load(asked["scenario"], asked["overrides"])
    except InputError as error:
        return str(error)


@solara.component
def Page() -> None:  # noqa: N802
    """The page, or what is wrong with the scenario."""
    solara.Style(Path(__file__).with_name("page.css"))
    found = solara.use_memo(read, [])
    if isinstance(found, str):
        solara.Title("Uptake")
        solara.Error(f"The scenario is not valid. Correct it and load this page again.\n{found}")
        return
    Viewer(found)
