from __future__ import annotations

import numpy as np
import pytest
from build import build, linear_fit

from sim.results.measures import product
from sim.results.run import run
from sim.results.uncertainty import variance_split, varying


def _product(arm):
    return product(arm)[:, :, -1].sum(axis=1)


def _results(coefficients: str, replicates: int = 120, **settings):
    scenario = build(
        places=10, technologies=2, diffusion={"external": 0.1}, fit=linear_fit(draws=200),
        economy={"coefficients": coefficients, "industry_gain": 0.05}, **settings,
    )  # fmt: skip
    return run(scenario, replicates=replicates, seed=2)


def test_only_luck_without_draws():
    results = _results("point", 10)
    assert varying(results.baseline) == ["luck"]
    assert variance_split(results, {"grp": _product})["grp"].shares == {"luck": 1.0}


def test_coefficients_are_all_where_everybody_has_everything_from_the_start_of_growth():
    results = _results("draws", portfolio=())
    certain = build(
        places=10, technologies=1, portfolio=[(f"p{n:04d}", "k0000") for n in range(10)], fit=linear_fit(draws=200),
        economy={"coefficients": "draws", "industry_growth": 0.02},
    )  # fmt: skip
    split = variance_split(run(certain, replicates=120, seed=2), {"grp": _product})["grp"]
    assert split.shares["coefficients"] == pytest.approx(1.0, abs=1e-9)
    assert split.shares["luck"] == pytest.approx(0.0, abs=4 / 120**0.5)
    both = variance_split(results, {"grp": _product})["grp"]
    assert sum(both.shares.values()) == pytest.approx(1.0)
    assert min(both.shares.values()) >= 0


def test_parts_of_a_sum_of_two_are_their_variances():
    results = _results("draws", 200)
    generator = np.random.default_rng(1)
    luck = generator.normal(0.0, 1.0, 1000)

    def measure(arm):  # b1 is uniform from -2.4 to 3.6: variance 3; the replicate's own number has variance 1
        return arm.rows.parameters["b1"] / np.sqrt(3.0) + luck[arm.rows.replicates]

    shares = variance_split(results, {"sum": measure}, most=200)["sum"].shares
    assert shares["coefficients"] == pytest.approx(0.5, abs=0.2)
    assert shares["luck"] == pytest.approx(0.5, abs=0.2)
