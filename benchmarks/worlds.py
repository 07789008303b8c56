"""Which made-up countries are measured? Scenario files of any size, read as anybody's are."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import uptake
from sim.scenario.document import to_toml

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
PLAIN = {"lag": "0", "life": "", "requires": "", "immune": "1", "foreign_share": "0"}
"""A technology that operates at once and for good, and needs nothing."""


def simple(n: int, external: float, peers: float) -> uptake.Scenario:
    """One technology that spreads among n equal places without money; rates are a year."""
    diffusion = {**NEUTRAL["diffusion"], "external": external, "peers": peers}
    network = {"distance_decay": 1.0, "size_exponent": 0.0, "neighbours": 1}
    settings = {**NEUTRAL, "diffusion": diffusion, "network": network}
    return _world(n, 1, max(1, n // 1000), settings, sizes=False, leaders=0)


def money(n: int = 50, regions: int = 5) -> uptake.Scenario:
    """Hazard and money: gravity, leaders, heterogeneity, resistance; each place pays from its own budget."""
    shares = dict.fromkeys(("regional_pool", "federal_pool", "regional_share", "federal_share"), 0.0)
    finance = {"cost_level": 5.0, "own_share": 1.5e-4, **shares}
    return _world(n, KINDS, regions, {**NEUTRAL, "diffusion": {}, "finance": finance}, plain=True)


def full(n: int = 50, regions: int = 5, steps: int = STEPS) -> uptake.Scenario:
    """Every mechanism on: also pools, platforms, lags, sanctions, a mandate, incidents, inclusion, lives that end."""
    settings: dict[str, Any] = {
        "finance": {"cost_level": 5.0},
        "sanctions": {"from": "2022-03", "severity": 0.6, "substitution": 0.15},
        "mandates": [{"region": "r00000", "technology": "programme", "from": "2023-01", "rate": 3.5}],
    }
    return _world(n, KINDS, regions, settings, steps=steps)


def _world(
    n: int, kinds: int, regions: int, settings: dict[str, Any], steps: int = STEPS, **choices: Any
) -> uptake.Scenario:
    """Write a scenario's files and read them; `choices` go to the tables."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tables = _tables(folder, n, kinds, regions, **choices)
        years, months = divmod(steps, 12)
        head = {"title": f"{n} places", "start": "2020-01", "end": f"{2020 + years}-{1 + months:02d}", "seed": 1}
        (folder / "world.toml").write_text(to_toml({**head, "tables": tables, **settings}), encoding="utf-8")
        return uptake.load(folder / "world.toml")


def _tables(
    folder: Path, n: int, kinds: int, regions: int, sizes: bool = True, leaders: int | None = None, plain: bool = False
) -> dict[str, str]:
    """Places scattered about the middle of their region, lognormal in size; a leader for every hundred places."""
    rng = np.random.default_rng(7)
    region = np.arange(n) * regions // n
    centre = np.column_stack([rng.uniform(45, 65, regions), rng.uniform(30, 130, regions)])
    lat, lon = (centre[region] + rng.normal(0, 1, (n, 2))).round(5).T
    people = np.rint(np.exp(rng.normal(10.0, 1.0, n)) + 1000).astype(int) if sizes else np.full(n, 50_000)
    total = np.bincount(region, weights=people, minlength=regions)
    place_ids = np.array([f"p{i:07d}" for i in range(n)])
    region_ids = np.array([f"r{r:05d}" for r in range(regions)])
    technologies = _technologies(kinds, plain)
    tables = {
        "places": pd.DataFrame(
            {"id": place_ids, "name": place_ids, "region": region_ids[region], "population": people, "lat": lat,
             "lon": lon}
        ),
        "regions": pd.DataFrame(
            {"id": region_ids, "name": region_ids, "population": total.astype(int),
             "urban_population": (0.7 * total).astype(int), "grp_bln": (total * 6e-4).round(3),
             "industry_bln": (total * 3e-4).round(3)}
        ),
        "technologies": technologies,
    }  # fmt: skip
    count = max(2, n // 100) if leaders is None else leaders
    if count:
        chosen = np.argsort(-people, kind="stable")[:count]
        held = [(place_ids[i], technologies["id"][k]) for i in chosen for k in rng.permutation(kinds)[: kinds // 2]]
        tables["portfolios"] = pd.DataFrame(held, columns=["place", "technology"])
    for name, table in tables.items():
        table.to_csv(folder / f"{name}.csv", index=False)
    return {name: f"{name}.csv" for name in tables}


def _technologies(kinds: int, plain: bool) -> pd.DataFrame:
    """The first technologies of Russia's table; `plain`: at once, for good, without prerequisites or incidents."""
    path = uptake.shipped()["perm-krai"].parent / "tables" / "russia_technologies.csv"
    rows = pd.read_csv(path, dtype=str, keep_default_na=False).head(kinds)
    return rows.assign(**PLAIN) if kinds == 1 or plain else rows
