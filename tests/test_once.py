"""No rule has a second copy: what decides stands in `sim/engine/rules.py`, and whoever needs it calls it there."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SUBMODELS = ("adoption", "money", "economy", "operation", "platforms", "incidents", "month", "exposures")
PLAIN = {0.0, 1.0, 1e30, 1e-9, 1000.0, 0.5, 2.0}
"""Numbers that are no parameter: neutral values, rounding, thousands of millions, bounds that decide nothing."""
MATHEMATICS = {"exp", "expm1", "log", "log1p", "pow", "sqrt", "sin", "cos", "arcsin", "asin", "arccos", "acos"}


def house() -> list[Path]:
    return sorted([*(ROOT / "sim").rglob("*.py"), *(ROOT / "calibration").rglob("*.py")])


def nodes(path: Path) -> Iterator[ast.AST]:
    return ast.walk(ast.parse(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("name", SUBMODELS)
def test_submodels_hold_no_equation(name: str) -> None:
    """Sums of money and counts, yes; powers, fractions, exponentials and numbers that mean something, no."""
    for node in nodes(ROOT / "sim" / "engine" / f"{name}.py"):
        where = f"{name}.py, line {getattr(node, 'lineno', 0)}"
        assert not isinstance(node, ast.BinOp) or not isinstance(node.op, ast.Pow | ast.Div), where
        assert not isinstance(node, ast.Attribute) or node.attr not in MATHEMATICS, where
        if isinstance(node, ast.Constant) and isinstance(node.value, float):
            assert node.value in PLAIN, where


@pytest.mark.parametrize(
    ("number", "home"),
    [(6371.0, "sphere.py"), (6371.0088, "sphere.py"), (120.0, "rules.py"), (0.7, "rules.py"), (10.0, "rules.py")],
)
def test_a_number_of_the_model_stands_in_one_place(number: float, home: str) -> None:
    """The radius of the Earth, the full index, what protection prevents, the shortest distance."""
    engine = ROOT / "sim" / "engine"
    looked_at = [path for path in house() if number > 100 or path.is_relative_to(engine)]
    found = {path.name for path in looked_at for node in nodes(path) if is_number(node, number)}
    assert found <= {home}


def is_number(node: ast.AST, number: float) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, float) and node.value == number


def test_great_circles_are_drawn_in_one_place() -> None:
    """Arc sines turn coordinates into distances; but for the angle of a point on its curve nobody else needs them."""
    allowed = {"sphere.py": 1, "network.py": 1}
    for path in house():
        named = [node.attr for node in nodes(path) if isinstance(node, ast.Attribute)]
        count = sum(name in ("arcsin", "asin", "arccos", "acos", "haversine") for name in named)
        assert count <= allowed.get(path.name, 0), path


SCRIPT = """
from sim.engine import rules
from sim.engine.compiling import compiled
rules.hazard_terms = compiled(lambda external, p, peers, h, leaders, g, platform: (0.0, 0.0, 9.0 * leaders, 0.0))
rules.influence = compiled(lambda mass, distance, decay: 1.0)
from build import build, simulate
from sim.engine.columns import LEADERS
sizes = [("a", 9e4), ("a", 1e4), ("a", 2e4), ("b", 1e6), ("b", 3e4), ("b", 4e4), ("b", 5e4), ("c", 7e4), ("c", 6e4)]
places = [{"id": f"p{n}", "region": r, "population": size, "lat": 5.0 * n} for n, (r, size) in enumerate(sizes)]
gravity = {"distance_decay": 1.0, "size_exponent": 1.0, "neighbours": 12}
leaders = [("p0", "k0000"), ("p1", "k0000"), ("p2", "k0000")]
world = build(places, 1, ["a", "b", "c"], leaders, diffusion={"external": 9.0}, network=gravity)
shared, _, batch = simulate(world, 20)
for channel in (shared.network.peers, shared.network.leaders):
    for row in range(len(channel.start) - 1):
        assert len(set(channel.weight[channel.start[row] : channel.start[row + 1]].tolist())) <= 1
assert shared.network.regions[shared.network.regions > 0].tolist() == [2**30] * 6
taken = batch.events[batch.events["source"] != 0]
assert len(taken) == 6 * 20 and (taken["source"] == LEADERS).all()
"""


def test_another_rule_in_its_place_changes_everybody_who_uses_it(tmp_path: Path) -> None:
    """Hazard and attribution follow other terms; peers, leaders and regions follow another gravity."""
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    # a cache of its own: machine code is found by what the files say, and these rules are in none
    environment = {**os.environ, "UPTAKE_CACHE": str(tmp_path), "PYTHONPATH": paths}
    subprocess.run([sys.executable, "-c", SCRIPT], check=True, env=environment, timeout=600)
