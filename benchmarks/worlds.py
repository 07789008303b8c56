"""Which made-up countries are measured? Scenario files of any size, read as anybody's are."""

from __future__ import annotations

import csv
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

import sim
from sim.scenario.document import to_toml
from sim.scenario.scenario import Scenario, shipped

KINDS, STEPS = 15, 120
NEUTRAL: dict[str, dict[str, Any]] = {
    "diffusion": {
        "external": 0.0, "leader_factor": 1.0, "peers": 0.0, "leaders": 0.0, "announced": 0.0, "benefit_weight": 0.0,
        "heterogeneity": 0.0, "size_elasticity": 0.0, "resistance": 0.0, "divide": 0.0,
    },
    "platform": {"threshold": 1000.0, "cost_cut": 0.0, "rate": 0.0, "spillover": 0.0},
    "finance": {"cost_level": 0.0},
    "sanctions": {"severity": 0.0},
    "security": {"incident_rate": 0.0},
    "policy": {"protection": 0.0, "protection_cost": 0.0, "inclusion": 0.0},
}  # fmt: skip
"""Every mechanism at the value that switches it off."""
_PLAIN = {"lag": "0", "life": "", "requires": "", "immune": "1", "foreign_share": "0"}


def simple(n: int, external: float, peers: float) -> Scenario:
    """One technology that spreads among n equal places without money; rates are a year."""
    diffusion = {**NEUTRAL["diffusion"], "external": external, "peers": peers}
    network = {"distance_decay": 1.0, "size_exponent": 0.0, "neighbours": 1}
    return _world(
        n, 1, max(1, n // 1000), {**NEUTRAL, "diffusion": diffusion, "network": network}, sizes=False, leaders=0
    )


def money(n: int = 50, regions: int = 5) -> Scenario:
    """Hazard and money: gravity, leaders, heterogeneity, resistance; each place pays from its own budget."""
    settings = {
        **NEUTRAL,
        "diffusion": {},
        "finance": {
            "cost_level": 5.0, "own_share": 1.5e-4, "regional_pool": 0.0, "federal_pool": 0.0, "regional_share": 0.0,
            "federal_share": 0.0,
        },
    }  # fmt: skip
    return _world(n, KINDS, regions, settings, plain=True)


def full(n: int = 50, regions: int = 5, steps: int = STEPS) -> Scenario:
    """Every mechanism on: also pools, platforms, lags, sanctions, a mandate, incidents, inclusion, lives that end."""
    settings: dict[str, Any] = {
        "finance": {"cost_level": 5.0},
        "sanctions": {"from": "2022-03", "severity": 0.6, "substitution": 0.15},
        "mandates": [{"region": "r00000", "technology": "programme", "from": "2023-01", "rate": 3.5}],
    }
    return _world(n, KINDS, regions, settings, steps=steps)


def _world(n: int, kinds: int, regions: int, settings: dict[str, Any], steps: int = STEPS, **choices: Any) -> Scenario:
    """Write a scenario's files and read them; `choices` go to the tables."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tables = _tables(folder, n, kinds, regions, **choices)
        years, months = divmod(steps, 12)
        head = {"title": f"{n} places", "start": "2020-01", "end": f"{2020 + years}-{1 + months:02d}", "seed": 1}
        (folder / "world.toml").write_text(to_toml({**head, "tables": tables, **settings}), encoding="utf-8")
        return sim.load(folder / "world.toml")


def _tables(
    folder: Path, n: int, kinds: int, regions: int, sizes: bool = True, leaders: int | None = None, plain: bool = False
) -> dict[str, str]:
    """Places scattered about the middle of their region, lognormal in size; a leader for every hundred places."""
    rng = np.random.default_rng(7)
    region = np.arange(n) * regions // n
    centre = np.column_stack([rng.uniform(45, 65, regions), rng.uniform(30, 130, regions)])
    at = centre[region] + rng.normal(0, 1, (n, 2))
    people = np.rint(np.exp(rng.normal(10.0, 1.0, n)) + 1000) if sizes else np.full(n, 50_000)
    total = np.bincount(region, weights=people, minlength=regions)
    _write(folder, "places", ("id", "name", "region", "population", "lat", "lon"), (
        (f"p{i:07d}", f"p{i}", f"r{region[i]:05d}", int(people[i]), round(at[i, 0], 5), round(at[i, 1], 5))
        for i in range(n)
    ))  # fmt: skip
    _write(folder, "regions", ("id", "name", "population", "urban_population", "grp_bln", "industry_bln"), (
        (f"r{r:05d}", f"r{r}", int(t), int(0.7 * t), round(t * 6e-4, 3), round(t * 3e-4, 3))
        for r, t in enumerate(total)
    ))  # fmt: skip
    technologies = _technologies(kinds, plain)
    _write(folder, "technologies", tuple(technologies[0]), (tuple(row.values()) for row in technologies))
    tables = {name: f"{name}.csv" for name in ("places", "regions", "technologies")}
    count = max(2, n // 100) if leaders is None else leaders
    if count:
        chosen = np.argsort(-people, kind="stable")[:count]
        held = [(f"p{i:07d}", technologies[k]["id"]) for i in chosen for k in rng.permutation(kinds)[: kinds // 2]]
        _write(folder, "portfolios", ("place", "technology"), held)
        tables["portfolios"] = "portfolios.csv"
    return tables


def _technologies(kinds: int, plain: bool) -> list[dict[str, str]]:
    """The first technologies of Russia's table; `plain`: at once, for good, without prerequisites or incidents."""
    path = shipped()["perm-krai"].parent / "tables" / "russia_technologies.csv"
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))[:kinds]
    if kinds == 1 or plain:
        rows = [{**row, **_PLAIN} for row in rows]
    return rows


def _write(folder: Path, name: str, head: Any, rows: Any) -> None:
    with open(folder / f"{name}.csv", "w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([head, *rows])
