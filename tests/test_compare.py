"""Are runs compared rightly: paired where luck is shared, with intervals that hold together?"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from worlds import random_world

from sim.report.policies import effect_rows
from sim.results import folder
from sim.results.effects import Case, effect, policy_effects, policy_prices, price, yardsticks
from sim.results.run import Results, run
from sim.scenario.errors import InputError
from sim.scenario.scenario import load
from sim.studies.compare import Comparison, Entry, compare, compare_folders, comparison_figure

MONEY = {"cost_level": 3.0, "own_share": 3e-4, "regional_pool": 0.3}


def made(seed: int = 1, replicates: int = 20, policy: Any = "none", **changes: Any) -> Results:
    settings = {"finance": MONEY, "policies": {"apart": {"title": "Alone", "diffusion.peers": 0.0}}, **changes}
    return run(random_world(5, **settings), replicates, seed, policy, threads=1)


def test_paired_difference_by_hand() -> None:
    values, base = np.array([3.0, 5.0, 4.0]), np.array([1.0, 2.0, 3.0])
    found = effect(values, base)
    # differences 2, 3, 1: mean 2, standard error 1 / sqrt(3); t(0.975, 2) = 4.3027
    assert (found.mean, found.paired) == (2.0, True)
    assert found.high - 2.0 == pytest.approx(4.3027 / np.sqrt(3), rel=1e-4)
    # Bonferroni for 5: t(1 - 0.025 / 5, 2) = 9.9248
    assert effect(values, base, comparisons=5).high - 2.0 == pytest.approx(9.9248 / np.sqrt(3), rel=1e-4)


def test_unpaired_difference_is_welch() -> None:
    from scipy.stats import ttest_ind

    rng = np.random.default_rng(1)
    values, base = rng.normal(1, 2, 30), rng.normal(0, 1, 12)
    found = effect(values, base, paired=False)
    expected = ttest_ind(values, base, equal_var=False).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_intervals_hold_together() -> None:
    rng = np.random.default_rng(4)
    together = apart = 0
    for _ in range(400):
        base = rng.normal(0, 1, 15)
        arms = rng.normal(0, 1, (8, 15))
        together += all(found.low <= 0 <= found.high for found in (effect(arm, base, comparisons=8) for arm in arms))
        apart += all(found.low <= 0 <= found.high for found in (effect(arm, base) for arm in arms))
    assert together / 400 > 0.93
    assert apart / 400 < 0.85


def test_arms_and_runs_side_by_side() -> None:
    runs = {"a": made(policy="all"), "b": made(diffusion={"peers": 3.0}, replicates=12), "c": made(seed=2)}
    found = compare(runs)
    assert [entry.name for entry in found.entries] == ["a: apart", "b", "c"]
    assert found.unpaired == ("c",)
    table = found.table().set_index(["name", "measure", "date"])
    base, other = (runs[name].measure("coverage") for name in "ab")
    row = table.loc[("b", "coverage", "2027-01")]
    assert row["difference"] == pytest.approx((other[:, -1] - base[:12, -1]).mean())
    assert row["mean"] - row["baseline"] == pytest.approx(row["difference"])
    assert row["replicates"] == 12
    assert bool(row["paired"])
    assert not table.loc[("c", "coverage", "2027-01"), "paired"]
    apart = runs["a"].measure("coverage", "apart")
    assert table.loc[("a: apart", "coverage", "2027-01"), "mean"] == pytest.approx(apart[:, -1].mean())


def test_a_run_compared_with_itself_is_no_different() -> None:
    again = compare({"one": made(), "two": made()})
    assert (again.table()[["difference", "low", "high"]] == 0).all().all()
    assert again.cost_effectiveness()["per_point"].isna().all()


def flat(name: str, points: np.ndarray, millions: np.ndarray, seed: int = 1) -> Entry:
    return Entry(name, name, name, "baseline", seed, np.column_stack([points, millions]))


def test_cost_of_a_point_by_hand() -> None:
    rng = np.random.default_rng(3)
    luck = rng.normal(0, 0.05, 200)
    more = 0.1 + rng.normal(0, 0.01, 200)
    base = flat("base", luck, 100 + 10 * luck)
    dear = flat("dear", luck + more, 100 + 10 * luck + 500 * more)
    same = flat("same", luck + rng.normal(0, 0.01, 200), 100 + 10 * luck + rng.normal(0, 9, 200))
    found = Comparison(base, (dear, same), (("coverage", "2027-01"), ("public", "2027-01")), "")
    costs = found.cost_effectiveness().set_index("name")
    assert costs.loc["dear", "per_point"] == pytest.approx(5.0)
    assert costs.loc["dear", "low"] <= 5.0 + 1e-9
    assert costs.loc["dear", "points"] == pytest.approx(100 * more.mean())
    assert np.isnan(costs.loc["same", "per_point"])


def test_compare_says_of_every_policy_what_the_run_and_its_report_say() -> None:
    results = run(load("perm-krai"), replicates=8, seed=3)
    found = compare({"run": results})
    date = found.columns[-1][1]
    table = found.table().set_index(["policy", "measure", "date"])
    told = results.effects().set_index(["policy", "measure", "date"])
    costs = found.cost_effectiveness()
    costs = costs[costs["date"] == date].set_index("name")
    shown = policy_effects(results)["coverage"]
    assert len(shown) == len(results.arms) - 1
    for row in shown:
        beside = table.loc[(row.policy, "coverage", date)]
        assert (row.mean, row.low, row.high) == pytest.approx(
            tuple(100 * beside[["difference", "low", "high"]]), abs=1e-9
        )
        here = told.loc[(row.policy, "coverage", results.instants[-1])]
        assert (row.mean, row.low, row.high) == pytest.approx(tuple(100 * here[["mean", "low", "high"]]), abs=1e-9)
    for arm, paid in policy_prices(results):
        beside = costs.loc[arm.name]
        assert beside["case"] == paid.case
        assert (paid.value, paid.low, paid.high) == pytest.approx(
            tuple(beside[["per_point", "low", "high"]]), nan_ok=True, rel=1e-6
        )
        if paid.points.mean < 0:
            assert paid.case != Case.COSTS, "a policy that lowers coverage has no price of a further point"


def test_terminal_comparison_and_page_print_the_same_of_every_policy() -> None:
    results = run(load("perm-krai"), replicates=8, seed=3)
    terminal, comparison = results.summary(), compare({"run": results}).summary()
    table = policy_effects(results)
    told = effect_rows(results, table)
    at = [head.key for head in yardsticks(results) if table.get(head.key)].index("coverage")
    assert "95 % interval of the mean" in terminal and "95 % intervals of the mean" in comparison
    for row, cells in zip(table["coverage"], told["rows"], strict=True):
        assert f"{row.mean:+8.1f}  ({row.low:+.1f} to {row.high:+.1f})  {row.policy}" in terminal
        assert f"{row.mean:+.2f}  ({row.low:+.2f} to {row.high:+.2f})  {row.title}" in comparison
        assert cells[at][0] == row
    listed, heads = {}, {"Costs": Case.COSTS, "Saves": Case.SAVES, "Better": Case.BETTER, "Worse": Case.WORSE}
    for block in comparison.split("\n\n"):
        case = {**heads, "Cannot be told": Case.UNTOLD}.get(block.split(":")[0].split(",")[0])
        listed |= dict.fromkeys(block.splitlines()[1:], case) if case else {}
    prices = policy_prices(results)
    assert len(listed) == len(prices)
    for arm, paid in prices:
        assert [case for line, case in listed.items() if line.endswith(arm.title)] == [paid.case]


@given(gain=st.floats(-5, 5), cost=st.floats(-50, 50), noise=st.floats(0.0, 5.0))
def test_every_pair_of_effects_is_one_of_the_five_cases(gain: float, cost: float, noise: float) -> None:
    luck = np.random.default_rng(1).normal(0, 1, 20)
    found = price((gain + noise * luck, np.zeros(20)), (cost + noise * luck[::-1], np.zeros(20)))
    signs = {
        Case.COSTS: {(1, 1)}, Case.SAVES: {(-1, -1)}, Case.BETTER: {(1, 0), (1, -1)}, Case.WORSE: {(-1, 0), (-1, 1)},
        Case.UNTOLD: {(0, -1), (0, 0), (0, 1)},
    }  # fmt: skip
    assert (found.points.sign, found.money.sign) in signs[found.case]
    assert np.isnan(found.value) == (found.case not in (Case.COSTS, Case.SAVES))


def test_folders_are_compared_as_their_runs(tmp_path: Path) -> None:
    runs = {"a": made(policy="all"), "b": made(diffusion={"peers": 3.0})}
    for name, results in runs.items():
        folder.save(results, tmp_path / name)
    saved = compare_folders([tmp_path / "a", tmp_path / "b"], tmp_path / "b")
    direct = compare(runs, "b")
    assert saved.base.name == direct.base.name == "b"
    columns = ["mean", "difference", "low", "high"]
    np.testing.assert_allclose(saved.table()[columns], direct.table()[columns], rtol=1e-6, atol=1e-7)
    assert len(comparison_figure(saved).axes) == len({name for name, _ in saved.columns})


def test_wrong_comparisons_are_refused(tmp_path: Path) -> None:
    one = made()
    with pytest.raises(InputError, match="nothing to compare"):
        compare({"a": one})
    with pytest.raises(InputError, match="is not one of the runs"):
        compare({"a": one, "b": one}, "c")
    with pytest.raises(InputError, match="not a measure of all"):
        compare({"a": one, "b": one}, None, ["coverag"])
    with pytest.raises(InputError, match="no such folder"):
        compare_folders([tmp_path / "x", tmp_path / "y"])


def test_money_of_different_currencies_is_not_compared() -> None:
    found = compare({"a": made(currency="RUB"), "b": made(currency="KZT")})
    assert "spending" not in {name for name, _ in found.columns}
    with pytest.raises(InputError, match="not a measure of all"):
        compare({"a": made(currency="RUB"), "b": made(currency="KZT")}, None, ["spending"])


def test_the_command(tmp_path: Path) -> None:
    folder.save(made(policy="all"), tmp_path / "a")
    folder.save(made(seed=2), tmp_path / "b")
    words = [sys.executable, "-m", "sim", "compare", "a", "b", "--measure", "coverage"]
    told = subprocess.run([*words, "-o", "out"], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert told.returncode == 0, told.stderr
    assert "not paired" in told.stdout
    found = compare_folders([tmp_path / "a", tmp_path / "b"])
    row = found.table().set_index(["name", "measure", "date"]).loc[("a: apart", "coverage", "2027-01")]
    lines = told.stdout.splitlines()
    assert f"coverage, percentage points (there {100 * row['baseline']:.4g} %)" in lines
    low, high = 100 * row["low"], 100 * row["high"]
    assert f"{100 * row['difference']:+12.2f}  ({low:+.2f} to {high:+.2f})  a: Alone" in lines
    assert lines[0].startswith("Differences from a: Baseline, 2027-01")
    assert {path.name for path in (tmp_path / "out").iterdir()} >= {
        "comparison.csv",
        "comparison.svg",
        "comparison.png",
    }
    machine = subprocess.run([*words, "--json"], capture_output=True, text=True, cwd=tmp_path, check=True)
    assert {row["name"] for row in json.loads(machine.stdout)["table"]} == {"a: apart", "b"}
