"""The pictures of shocks: computed from paired runs, and with the sign that the mechanism has."""

from pathlib import Path

import numpy as np
import pytest
from scripts import loaded

PATH = Path(__file__).parents[1] / "docs" / "studies" / "shocks.py"


@pytest.fixture(scope="module")
def shocks():
    return loaded(PATH)


def test_each_shock_has_a_panel_and_its_sign(shocks):
    found = shocks.effects("perm-krai", 20)
    assert len(found) == 5
    for title, (times, difference, _) in found.items():
        assert difference.shape == (20, len(times))
        if not title.startswith("Common"):
            assert (difference[:, 0] == 0).all()
            assert difference[:, -1].mean() < 0
    hard, eased = (found[title][1][:, -1].mean() for title in list(found)[:2])
    assert hard < eased
    rough = found["Common yearly shock (volatility 0.05)"][1]
    assert 1 < np.std(rough) < 8
    assert len(shocks.picture(found).axes) == 6


def test_without_wear_nothing_ends(shocks):
    import sim

    scenario = shocks.without_wear(sim.load("perm-krai"))
    assert np.isinf(scenario.technologies.life).all()
    assert (sim.run(scenario, 3, policy="none").baseline.batch.events["ended"] < 0).all()
