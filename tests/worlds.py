"""What may a small scenario look like? Random ones with every mechanism on, from a seed."""

from __future__ import annotations

from typing import Any

import numpy as np
from build import build, linear_fit

from sim.scenario.places import SEGMENTS
from sim.scenario.scenario import Scenario


def random_world(seed: int, **changes: Any) -> Scenario:
    """A small random scenario: several regions, all mechanisms, sometimes guides, links, log-log product, odd steps."""
    rng = np.random.default_rng(seed)

    def chance(probability: float) -> bool:
        return bool(rng.random() < probability)

    def among(*values: Any) -> Any:
        return values[int(rng.integers(len(values)))]

    regions = [
        {
            "id": f"region{r}", "population": float(rng.integers(0, 900_000)), "grp_bln": float(rng.uniform(50, 900)),
            "urban_population": float(rng.uniform(1e5, 2e6)), "industry_bln": float(rng.uniform(10, 500)),
        }
        for r in range(int(rng.integers(1, 4)))
    ]  # fmt: skip
    places = [
        {
            "id": f"place{i}-{rng.integers(1000)}", "region": f"region{i % len(regions)}",
            "population": float(np.rint(np.exp(rng.uniform(7, 13.5)))), "lat": float(rng.uniform(50, 60)),
            "lon": float(rng.uniform(50, 62)), "role": "guide" if i > 1 and chance(0.15) else "member",
            "divide": float(rng.random()) if chance(0.3) else None,
            "resistance": float(rng.random()) if chance(0.3) else None,
        }
        for i in range(int(rng.integers(2, 9)))
    ]  # fmt: skip
    regions = [region for region in regions if any(place["region"] == region["id"] for place in places)]
    kinds = [
        {
            "id": f"tech{k}", "domain": among("energy", "transport"), "segment": among("", *SEGMENTS),
            "cost": among(0.0, 0.5, 1.0, 2.0), "complexity": float(rng.uniform(0, 0.8)),
            "benefit": float(rng.uniform(0, 1.5)), "foreign_share": float(rng.random()), "lag": among(0.0, 0.25, 1.0),
            "life": among(None, 1.0, 2.5), "privacy": float(rng.uniform(0, 0.6)),
            "running_cost": float(rng.uniform(0, 0.4)), "saving": float(rng.uniform(0, 0.3)),
            "requires": ";".join(f"tech{j}" for j in range(k) if chance(0.3)), "immune": int(chance(0.3)),
        }
        for k in range(int(rng.integers(1, 5)))
    ]  # fmt: skip
    cells = [(place["id"], kind["id"]) for place in places for kind in kinds]
    links = []
    for source in places:
        for target in places:
            if source["id"] != target["id"] and target["role"] == "member" and chance(0.06):
                channel = "peers" if source["region"] == target["region"] else "leaders"
                links.append((source["id"], target["id"], channel, float(rng.uniform(0, 0.15))))
    settings: dict[str, Any] = {
        "end": "2027-01",
        "step": among(1.0, 1.0, 1.0, 0.5, 3.0),
        "diffusion": {
            "external": float(rng.uniform(0, 0.2)), "leader_factor": float(rng.uniform(1, 4)),
            "peers": float(rng.uniform(0, 3)), "leaders": float(rng.uniform(0, 2)),
            "announced": among(0.0, 0.25, float(rng.random()), 1.0), "benefit_weight": float(rng.uniform(0, 1.5)),
            "heterogeneity": float(rng.uniform(0, 1)), "size_elasticity": float(rng.uniform(0, 0.6)),
            "resistance": float(rng.random()), "divide": float(rng.random()),
        },
        "network": {
            "distance_decay": float(rng.uniform(0, 2)), "size_exponent": float(rng.uniform(0, 1.5)),
            "neighbours": int(rng.integers(1, 8)),
        },
        "platform": {
            "threshold": float(rng.uniform(0.2, 0.9)), "cost_cut": float(rng.random()),
            "rate": float(rng.uniform(0, 1)), "spillover": float(rng.uniform(0, 0.4)),
        },
        "finance": {
            "cost_level": among(0.0, 0.3, 3.0, 3.0, 20.0), "own_share": float(rng.uniform(1e-5, 5e-4)),
            "regional_pool": float(rng.uniform(0, 1)), "federal_pool": float(rng.uniform(0, 0.5)),
            "regional_share": float(rng.uniform(0, 0.6)), "federal_share": float(rng.uniform(0, 0.4)),
            "private_share": among(0.0, float(rng.uniform(0, 0.7))), "private_fee": float(rng.uniform(0, 0.3)),
            "supply_premium": float(rng.random()), "renewal": float(rng.uniform(0.1, 1)),
        },
        "sanctions": {"from": among("2019-06", "2022-03", "2024-01"), "severity": float(rng.random()),
                      "substitution": float(rng.uniform(0, 0.5))},
        "security": {"incident_rate": among(0.0, 0.3, 1.5), "outage": among(0.0, 0.1, 0.5, 1.2),
                     "distrust": among(0.0, float(rng.random()))},
        "policy": {"protection": float(rng.random()), "protection_cost": float(rng.random()),
                   "inclusion": among(0.0, float(rng.random()))},
        "economy": {"base_year": int(rng.integers(2017, 2024)), "volatility": among(0.0, 0.1),
                    "industry_growth": float(rng.uniform(-0.02, 0.05)), "urban_growth": float(rng.uniform(-0.01, 0.02)),
                    "industry_gain": float(rng.uniform(0, 0.5))},
        "mandates": [
            {"region": region["id"], "technology": kinds[0]["id"], "from": among("2019-01", "2021-05"),
             "rate": float(rng.uniform(0.2, 4)), **among({}, {"until": "2022-07"})}
            for region in regions if chance(0.5) and any(
                place["role"] == "member" for place in places if place["region"] == region["id"])
        ],
    }  # fmt: skip
    return build(
        places, kinds, regions,
        portfolio=[cell for cell in cells if chance(0.15)],
        links=links,
        specialization=[("region0", "energy", 1.3)] if any(kind["domain"] == "energy" for kind in kinds) else [],
        fit=linear_fit(float(rng.uniform(0, 2)), among(0.0, 1e-4), form=among("linear", "loglog"))
        if chance(0.6) else None,
        **{**settings, **changes},
    )  # fmt: skip
