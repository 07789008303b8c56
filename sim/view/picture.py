"""What goes where on the map, and what colour does it have now? Plain values for the page, which only draws them."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.colors import to_hex

from sim.engine.columns import DOWN, INITIAL, INSTALLING, OPERATING, SOURCES, WANTED
from sim.report.guides import SOURCE_COLOURS
from sim.report.maps import FEW_RINGS
from sim.report.pieces import SHADES
from sim.report.style import BLUE, ORANGE, PALE, SKY, VERMILION
from sim.report.words import figure, fixed, grouped, table
from sim.results.arm import Arm
from sim.results.measures import has_money, headline
from sim.results.targets import bounds
from sim.scenario.scenario import Scenario
from sim.view.session import Ensemble, Snapshot, ViewModel

ALL = "coverage"
"""The choice of all technologies, and the measure that belongs to it."""
WIDTH, HEIGHT, MARGIN = 640.0, 620.0, 30.0
LEVELS = 10
STATUS_LEGEND = (
    ("without", PALE, ()),
    ("waits for money", ORANGE, (WANTED,)),
    ("is installing", SKY, (INSTALLING,)),
    ("operates", BLUE, (OPERATING,)),
    ("is down", VERMILION, (DOWN,)),
)
"""What a place can be with one technology, in the colours of Okabe and Ito, which colour-blind people tell apart."""
RECENT = 3
MOST_ARROWS = 60
LEAGUE = 25


class Projection:
    """Longitude and latitude to points of the map: equirectangular, true in the middle, the date line left aside."""

    def __init__(self, longitude: np.ndarray, latitude: np.ndarray) -> None:
        longitude = self._unrolled(longitude)
        self.squeeze = np.cos(np.radians((latitude.min() + latitude.max()) / 2))
        x, y = longitude * self.squeeze, -latitude
        width, height = max(np.ptp(x), 1e-3), max(np.ptp(y), 1e-3)
        self.scale = min((WIDTH - 2 * MARGIN) / width, (HEIGHT - 2 * MARGIN) / height)
        self.height = min(HEIGHT, height * self.scale + 2 * MARGIN)
        self.shift = (WIDTH / 2 - (x.min() + width / 2) * self.scale, MARGIN - y.min() * self.scale)

    @staticmethod
    def _unrolled(longitude: np.ndarray) -> np.ndarray:
        # Chukotka lies east of Kamchatka, not west of Alaska: the map is cut in the Bering Strait, not at 180 degrees
        return np.where(longitude < -168.5, longitude + 360.0, longitude)

    def points(self, longitude: np.ndarray, latitude: np.ndarray) -> np.ndarray:
        """Points float64[n, 2]."""
        x = self._unrolled(longitude) * self.squeeze * self.scale + self.shift[0]
        return np.column_stack([x, -latitude * self.scale + self.shift[1]])


def ground(scenario: Scenario, arm: Arm) -> dict[str, Any]:
    """What of the map never changes: places (x, y, radius, name, guide), outlines, labels, colours, legends."""
    longitude, latitude = scenario.places.longitude, scenario.places.latitude
    member = arm.shared.places["member"] == 1
    borders = np.concatenate(scenario.outline) if 0 < len(scenario.outline) < FEW_RINGS else np.empty((0, 2))
    projection = Projection(np.r_[longitude[member], borders[:, 0]], np.r_[latitude[member], borders[:, 1]])
    points = projection.points(longitude, latitude)
    frame = np.array([WIDTH, projection.height])
    outside = ((points < 4) | (points > frame - 4)).any(axis=1) & ~member
    points[outside] = to_edge(points[outside], frame)
    people = np.sqrt(arm.shared.places["population"] / arm.shared.places["population"][member].max())
    # area is population; thousands of places need small dots, or they would cover the country
    smallest, largest_dot = (1.6, 9.0) if len(people) > 1000 else (4.5, 26.0)
    radius = np.where(~member, 5.0, np.clip(26.0 * people, smallest, largest_dot))
    names = list(scenario.places.name)
    largest = np.flatnonzero(member)[np.argsort(-people[member], kind="stable")][:8]
    return {
        "width": WIDTH,
        "height": round(projection.height, 1),
        "places": [[*map(float, point), float(r)] for point, r in zip(points.round(1), radius.round(1), strict=True)],
        "guides": np.flatnonzero(~member).tolist(),
        "names": names,
        "labels": free_labels(points, radius, names, [*largest, *np.flatnonzero(~member)[:20]], frame),
        "rings": [path(projection.points(ring[:, 0], ring[:, 1]).round(1)) for ring in scenario.outline],
        "shades": [to_hex(SHADES(level / LEVELS)) for level in range(LEVELS + 1)],
        "states": [[words, colour] for words, colour, _ in STATUS_LEGEND],
        "sources": {name: [table()["source"][name], SOURCE_COLOURS[name]] for name in ("peers", "leaders")},
        "technologies": list(titles(scenario).items()),
    }  # fmt: skip


def titles(scenario: Scenario) -> dict[str, str]:
    """What can be chosen, and how it is called."""
    return {ALL: "All technologies", **dict(zip(scenario.technologies.id, scenario.technologies.name, strict=True))}


def to_edge(points: np.ndarray, frame: np.ndarray, gap: float = 24.0) -> np.ndarray:
    """Guides beyond the map, moved to its edge in their direction, and along it until they stand apart."""
    away = points - frame / 2
    reach = np.abs(away) / (frame / 2 - 9.0)
    points = frame / 2 + away / reach.max(axis=1, keepdims=True)
    for axis in (0, 1):
        for side in (9.0, frame[1 - axis] - 9.0):
            here = np.flatnonzero(np.abs(points[:, 1 - axis] - side) < 1e-6)
            here = here[np.argsort(points[here, axis], kind="stable")]
            step = min(gap, (frame[axis] - 2 * gap) / max(len(here) - 1, 1))
            offsets = np.maximum.accumulate(points[here, axis] - step * np.arange(len(here)))
            along = offsets + step * np.arange(len(here))
            points[here, axis] = along - max(0.0, (along.max(initial=0.0) - (frame[axis] - gap)))
    return points


def free_labels(
    points: np.ndarray, radius: np.ndarray, names: list[str], wanted: list[int], frame: np.ndarray
) -> list[list[Any]]:
    """Names [x, y, anchor, text] beside the wanted places, those left out that would lie on another name."""
    taken: list[tuple[float, float, float]] = []
    labels: list[list[Any]] = []
    for i in wanted:
        width = 7.6 * len(names[i])  # of a letter in the style sheet's 14 pixels, on average
        right = points[i, 0] + radius[i] + 3 + width < frame[0]
        x = points[i, 0] + (radius[i] + 3 if right else -radius[i] - 3)
        left, y = (x if right else x - width), points[i, 1] + 4
        if all(left > b or left + width < a or abs(y - h) > 12 for a, b, h in taken):
            taken.append((left, left + width, y))
            labels.append([round(x, 1), round(y, 1), "start" if right else "end", names[i]])
    return labels


def path(points: np.ndarray) -> str:
    """A closed SVG path; cut where it jumps across the map, at the date line."""
    jump = np.r_[True, np.abs(np.diff(points[:, 0])) > WIDTH / 3]
    commands = np.where(jump, "M", "L")
    return "".join(f"{c}{x:g} {y:g}" for c, (x, y) in zip(commands, points, strict=True))


def colours(snapshot: Snapshot, choice: str, scenario: Scenario) -> str:
    """A letter for each place: its tenths of all technologies operating (a to k), or its state with the chosen one."""
    if choice == ALL:
        level = np.rint(LEVELS * snapshot.operating[snapshot.run.counted].mean(axis=0)).astype(np.uint8)
    else:
        states = np.zeros(256, np.uint8)
        for number, (_, _, belonging) in enumerate(STATUS_LEGEND):
            states[list(belonging)] = number
        level = states[snapshot.status[scenario.technologies.id.index(choice)]]
    return bytes(level + ord("a")).decode("ascii")  # one short text: the only thing that is sent in each frame


def arrows(snapshot: Snapshot, choice: str, scenario: Scenario) -> list[list[Any]]:
    """The latest adoptions that had a guide, [guide, adopter, source, steps ago], newest last."""
    events = snapshot.run.batch.events
    fresh = (events["guide"] >= 0) & (events["adopted"] > snapshot.step - RECENT)
    if choice != ALL:
        fresh &= events["technology"] == scenario.technologies.id.index(choice)
    found = events[np.flatnonzero(fresh)[-MOST_ARROWS:]]
    return [
        [int(event["guide"]), int(event["place"]), SOURCES[event["source"]], snapshot.step - int(event["adopted"])]
        for event in found
    ]


def card(snapshot: Snapshot, place: int, scenario: Scenario) -> dict[str, Any]:
    """All about one place: who it is, its index and budget, what it has since when and after whom, what it may take."""
    arm = snapshot.run
    own = arm.batch.events[arm.batch.events["place"] == place]
    held = {int(event["technology"]): event for event in own}
    current = {k: event for k, event in held.items() if snapshot.status[k, place] in (INSTALLING, OPERATING, DOWN)}
    technologies = scenario.technologies
    rows = [
        [
            technologies.name[k],
            str(scenario.instant(max(int(event["operating"]), int(event["adopted"]), 0)))[:7],
            {INSTALLING: "installing", DOWN: "down"}.get(int(snapshot.status[k, place]), ""),
            scenario.places.name[event["guide"]] if event["guide"] >= 0 else _source(int(event["source"])),
        ]
        for k, event in sorted(current.items(), key=lambda pair: -max(int(pair[1]["adopted"]), 0))
    ]
    facts = [f"{grouped(scenario.places.population[place])} people", f"index {fixed(snapshot.index[place], 1)} of 120"]
    if has_money(scenario):
        facts.append(f"budget at hand {figure(snapshot.balance[place])} million {scenario.currency}")
    return {
        "place": place,
        "name": scenario.places.name[place],
        "region": scenario.regions.name[arm.shared.places["region"][place]],
        "guide": bool(arm.shared.places["member"][place] == 0),
        "facts": facts,
        "rows": rows,
        "free": [[k, name] for k, name in enumerate(technologies.name) if k not in current],
    }


def _source(source: int) -> str:
    return "at the start" if source == INITIAL else table()["source"][SOURCES[source]]


def axes(scenario: Scenario) -> dict[str, Any]:
    """What of the curves never changes: number of steps, and the Januaries to mark."""
    instants = scenario.instants
    years = instants.astype("datetime64[Y]")
    first = np.flatnonzero(np.r_[False, years[1:] != years[:-1]])
    every = -(-len(first) // 8)
    return {"steps": scenario.steps, "years": [[int(t), str(years[t])] for t in first[::every]]}


def shown_series(scenario: Scenario, choice: str) -> list[str]:
    """The chosen technology; or the coverage, and what the scenario is about."""
    if choice != ALL:
        return [choice]
    return [ALL, *(scenario.technologies.id[k] for k in headline(scenario)[:1])]


def curves(model: ViewModel, choice: str, behind: Ensemble | None) -> list[dict[str, Any]]:
    """What is drawn behind the live lines: title, colour, bands of the ensemble and observed points of each."""
    scenario = model.simulation.scenario
    return [
        {
            "title": titles(scenario)[name],
            "colour": (BLUE, VERMILION)[number],
            "band": {key: values.round(4).tolist() for key, values in behind.bands[name].items()} if behind else None,
            "targets": observed(scenario, name, int(model.arm.focus.sum())),
        }
        for number, name in enumerate(shown_series(scenario, choice))
    ]


def live(model: ViewModel, choice: str) -> list[list[float]]:
    """The live replicate's values so far, for each line."""
    return [
        [round(value, 4) for value in model.series(name)] for name in shown_series(model.simulation.scenario, choice)
    ]


def observed(scenario: Scenario, technology: str, members: int) -> list[list[Any]]:
    """Targets [step, low, high, kind, dated, words] of a technology within the scenario's time."""
    points = []
    for target in scenario.targets.values():
        step = scenario.step_of(target.date or target.before)  # type: ignore[arg-type]
        if target.technology == technology and 0 <= step <= scenario.steps:
            low, high = bounds(target, members)
            points.append([step, low, high, target.kind, target.date is not None, target.source])
    return points


def league(snapshot: Snapshot, scenario: Scenario) -> dict[str, Any]:
    """The regions by index, with GRP and spending where the scenario has them."""
    money = has_money(scenario)
    rows = [
        [row.name, row.focus, fixed(row.iq, 1), figure(row.grp), figure(row.spending) if money else "–"]
        for row in snapshot.league[:LEAGUE]
    ]
    return {"rows": rows, "total": len(snapshot.league), "currency": scenario.currency}
