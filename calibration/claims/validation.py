"""Does the model foresee what it was not fitted to? The order of cities in the IQ index, the rated towns of Perm Krai.

`python -m calibration.claims.validation` prints what docs/validation.md holds between its marks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import stats

import sim
from sim.results.measures import index_at
from sim.scenario.tables import Column, read_table

REPLICATES = 200
INDEX_COLUMNS = {
    "index_year": Column("integer"),
    "city": Column(),
    "rank_among_cities_over_1_million": Column("integer"),
}
MEMBER_COLUMNS = {"place": Column(), "name": Column(), "in_smart_city_rating": Column("flag", empty=True)}
PILOT = "PER-31"


@dataclass(frozen=True)
class Orders:
    """The index of a year: cities by observed rank, and what each rule says of them (greater: ahead)."""

    year: int
    cities: tuple[str, ...]
    rank: np.ndarray
    population: np.ndarray
    last: np.ndarray
    model: np.ndarray


def _table(name: str, columns: dict[str, Column]) -> dict[str, Sequence]:
    folder = sim.shipped()["perm-krai"].parent / "tables" / "validation"
    return read_table(folder / name, columns, extra="ignore").columns


def index_orders() -> list[Orders]:
    """Observed ranks of both years beside population, the earlier rank and the model's index [replicates, cities]."""
    observed = _table("iq_city_index_observations.csv", INDEX_COLUMNS)
    scenario = sim.load("russia")
    arm = sim.run(scenario, replicates=REPLICATES, policy="none").baseline
    names = list(scenario.places.name)
    found: list[Orders] = []
    before: dict[str, float] = {}
    for year in (2018, 2021):
        rows = [at for at, given in enumerate(observed["index_year"]) if given == year]
        cities = tuple(observed["city"][at] for at in rows)
        rank = np.array([observed["rank_among_cities_over_1_million"][at] for at in rows])
        places = np.array([names.index(city) for city in cities])
        instant = scenario.step_of(f"{year + 1}-01-01")
        model = index_at(arm, instant)[:, places]
        last = np.array([-before.get(city, np.nan) for city in cities])
        found.append(Orders(year, cities, rank, arm.shared.places["population"][places], last, model))
        before = dict(zip(cities, rank, strict=True))
    return found


def agreement(rank: np.ndarray, ahead: np.ndarray) -> tuple[int, float, float]:
    """Cities compared, Spearman's correlation of the observed order with a rule's, and the share of pairs in order."""
    known = np.isfinite(ahead)
    rank, ahead = rank[known], ahead[known]
    pairs = [(a, b) for a in range(len(rank)) for b in range(len(rank)) if rank[a] < rank[b]]
    right = [0.5 * (float(ahead[a] >= ahead[b]) + float(ahead[a] > ahead[b])) for a, b in pairs]
    return len(rank), float(stats.spearmanr(-rank, ahead).statistic), float(np.mean(right))


@dataclass(frozen=True)
class Towns:
    """Municipalities of Perm Krai but Perm: who is rated, population, the model's dates of joining [replicates, n]."""

    names: tuple[str, ...]
    rated: np.ndarray
    population: np.ndarray
    joined: np.ndarray


def rated_towns() -> Towns:
    """When the model's municipalities join the programme, before the mandate and after, beside who is rated."""
    given = _table("project_members.csv", MEMBER_COLUMNS)
    rated = {place for place, flag in zip(given["place"], given["in_smart_city_rating"], strict=True) if flag}
    scenario = sim.load("perm-krai")
    arm = sim.run(scenario, policy="none").baseline
    kind = scenario.technologies.id.index("programme")
    events = arm.batch.events
    chosen = events["technology"] == kind
    joined = np.full((len(arm.rows), len(arm.places)), scenario.steps + 1)
    joined[arm.batch.event_rows[chosen], events["place"][chosen]] = events["operating"][chosen]
    places = [at for at, name in enumerate(arm.places) if arm.focus[at] and name != PILOT]
    name_of = dict(zip(scenario.places.id, scenario.places.name, strict=True))
    return Towns(
        tuple(name_of[arm.places[at]] for at in places),
        np.array([arm.places[at] in rated for at in places]),
        arm.shared.places["population"][places],
        joined[:, places],
    )


def ahead_of_others(rated: np.ndarray, ahead: np.ndarray) -> float:
    """The probability that a rated town is ahead of one that is not, ties half (the area under the ROC curve)."""
    a, b = ahead[rated][:, None], ahead[~rated][None, :]
    return float(((a > b) + 0.5 * (a == b)).mean())


def markdown() -> str:
    """Both comparisons as tables."""
    return "\n".join([*_index_lines(), "", *_town_lines()])


def _index_lines() -> list[str]:
    lines = [
        "| index of | rule | cities | Spearman | pairs in the right order |",
        "|---|---|---|---|---|",
    ]
    for orders in index_orders():
        each = [agreement(orders.rank, row)[1:] for row in orders.model]
        low, high = np.nanquantile(np.array(each)[:, 0], (0.05, 0.95))
        rules = [
            ("the bigger, the earlier", orders.population.astype(float), ""),
            ("as last time", orders.last, ""),
            ("the model, mean index", orders.model.mean(axis=0), f" (single runs: {low:.2f} to {high:.2f})"),
        ]
        for name, ahead, extra in rules:
            if np.isfinite(ahead).any():
                count, spearman, right = agreement(orders.rank, ahead)
                lines.append(f"| {orders.year} | {name} | {count} | {spearman:.2f}{extra} | {100 * right:.0f} % |")
    return lines


def _town_lines() -> list[str]:
    towns = rated_towns()
    scenario = sim.load("perm-krai")
    before = towns.joined <= scenario.step_of("2023-01-01")
    share, middle = before.mean(axis=0), np.median(towns.joined, axis=0)
    order = np.argsort(np.argsort(-share, kind="stable")) + 1
    size = np.argsort(np.argsort(-towns.population, kind="stable")) + 1
    lines = [
        "| rated town | in by 2023-01 | rank of 42 by the model | rank by population | median joining |",
        "|---|---|---|---|---|",
    ]
    for at in np.flatnonzero(towns.rated):
        when = str(scenario.instant(int(min(middle[at], scenario.steps))))[:7]
        lines.append(f"| {towns.names[at]} | {100 * share[at]:.0f} % | {order[at]} | {size[at]} | {when} |")
    each = [ahead_of_others(towns.rated, -row) for row in towns.joined]
    low, high = np.quantile(each, (0.05, 0.95))
    early = int((order[towns.rated] <= 22).sum())
    return [
        *lines,
        "",
        f"Of {int(towns.rated.sum())} rated towns {early} are among the 22 that the model holds likeliest to be in by "
        f"then. A rated town joins before one that is not rated with probability {np.mean(each):.2f} (single runs: "
        f"{low:.2f} to {high:.2f}); a rated town is bigger than one that is not with probability "
        f"{ahead_of_others(towns.rated, towns.population.astype(float)):.2f}.",
    ]


def documented(path: Path) -> str:
    """What the page holds between its marks."""
    text = path.read_text(encoding="utf-8")
    return text.split("<!-- validation -->")[1].strip()


if __name__ == "__main__":
    print(markdown())
