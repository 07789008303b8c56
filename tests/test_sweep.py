"""Do sweeps compute what they say, lose nothing, and analyse it rightly?"""

from __future__ import annotations

import inspect
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from build import build
from worlds import random_world

import sim
from sim.engine.rows import execute, rows_of, structures
from sim.results.arm import Arm
from sim.results.folder import check
from sim.results.measures import PUBLIC, Measures, chosen_measures, default_measures, flow, measure_names, public_money
from sim.results.run import run
from sim.scenario.errors import InputError
from sim.scenario.scenario import Scenario
from sim.studies import analysis as sensitivity
from sim.studies import execution
from sim.studies import sweep as sweeps
from sim.studies.design import Factor, design_of, factors_of, is_whole, parse_factor, plausible
from sim.studies.study import Study, study_from, study_of
from sim.studies.tasks import attempt, frame_from

sys.path.insert(0, str(Path(__file__).parent / "robustness"))
import kill_sweep

MONEY = {"cost_level": 3.0, "own_share": 3e-4, "regional_pool": 0.3, "federal_pool": 0.1, "regional_share": 0.3,
         "federal_share": 0.2, "private_share": 0.2}  # fmt: skip
POLICIES = {"apart": {"diffusion.peers": 0.0}, "linked": {"network.neighbours": 1}}
RANGES = {"diffusion.peers": (0.1, 2.0), "finance.own_share": (1e-5, 1e-3, "log"), "network.neighbours": [1, 3]}


def world(**changes: Any) -> Scenario:
    return random_world(5, finance=MONEY, policies=POLICIES, replicates=8, **changes)


def small_study(**options: Any) -> Study:
    settings = {"design": "lhs", "n": 6, "replicates": 3, "policies": "all", **options}
    return study_of(world(), RANGES, **settings)


def finals(folder: Path) -> dict[str, bytes]:
    names = [*kill_sweep.FINAL, *(f"tables/{path.name}" for path in (folder / "tables").glob("*"))]
    return {name: (folder / name).read_bytes() for name in names}


# Figures


@pytest.mark.parametrize("seed", range(12))
def test_figures_agree_with_the_results_of_a_run(seed: int) -> None:
    scenario = random_world(seed)
    found = run(scenario, 6, seed=2, policy="none", threads=1)
    arm = found.baseline
    measures = chosen_measures(scenario, measure_names(scenario), ["2021-01", "2022-09", "2027-01"])
    figures = measures.reduce(scenario, arm.shared, arm.batch).reshape(6, 3, -1)
    for j, name in enumerate(measures.names):
        if name in arm.measures():
            expected = arm.series(arm.measures()[name])[:, list(measures.instants)]
            np.testing.assert_allclose(figures[:, :, j], expected, atol=1e-9, err_msg=name)
    yearly = found.regions[found.regions["region"].isin(scenario.focus)].groupby("replicate")
    if "spending" in measures.names:
        sums, at = yearly.sum(numeric_only=True), {name: measures.names.index(name) for name in ("public", "spending")}
        public = sums[["own_spent", "regional_spent", "federal_spent", "running_paid", "fees_paid"]].sum(axis=1)
        np.testing.assert_allclose(figures[:, 2, at["public"]], public, atol=1e-6)
        np.testing.assert_allclose(figures[:, 2, at["public"]], public_money(arm), atol=1e-6)
        everything = public - sums["fees_paid"] + sums["private_spent"]
        np.testing.assert_allclose(figures[:, 2, at["spending"]], everything, atol=1e-6)
        paid = flow(arm, *PUBLIC)  # 2021-01 is the end of the first year, 2022-09 within the third
        np.testing.assert_allclose(figures[:, 0, at["public"]], paid[:, 0], atol=1e-6)
        third = measures.instants[1] * scenario.step / 12 - 2
        assert 0 < third < 1
        expected = paid[:, 0] + paid[:, 1] + third * paid[:, 2]
        np.testing.assert_allclose(figures[:, 1, at["public"]], expected, atol=1e-6)


def test_outages_reach_the_figures() -> None:
    scenario = random_world(
        5, security={"incident_rate": 3.0, "outage": 2.0, "distrust": 0.0}, finance={"cost_level": 0.0}
    )
    found = run(scenario, 20, seed=1, policy="none", threads=1)
    arm = found.baseline
    assert len(arm.batch.outages)
    instants = tuple(range(scenario.steps + 1))
    figures = Measures(("coverage",), instants).reduce(scenario, arm.shared, arm.batch)
    np.testing.assert_allclose(figures, arm.series(arm.measures()["coverage"]), atol=1e-9)


def test_every_run_is_the_run_of_the_scenario_with_its_overrides() -> None:
    study = small_study()
    figures = study.frame.compute(study.task(np.arange(len(study))), threads=2)
    points, arms, replicates = study.split(np.arange(len(study)))
    for number in range(0, len(study), 5):
        scenario = study.scenario.override(study.design.point(int(points[number]))).arm(study.arms[arms[number]])
        (shared,) = structures([scenario])
        batch = execute(shared, rows_of(scenario, study.seed, replicates[number : number + 1]), study.seed, 1)
        alone = study.measures.reduce(scenario, shared, batch)[0]
        np.testing.assert_array_equal(figures[number], alone)


def test_a_policy_goes_over_what_the_study_varies() -> None:
    study = small_study()
    assert study.frame.overruled == {("apart", "diffusion.peers")}
    found = sweeps.run_study(study)
    assert np.ptp(found.means("coverage")) > 0


def test_mandates_are_varied_only_where_they_are() -> None:
    mandates = [{"region": "region0", "technology": "tech0", "from": "2019-01", "rate": 1.0}]
    scenario = random_world(5, mandates=mandates, policies={"none-ordered": {"mandates": []}})
    study = study_of(scenario, {"mandates.0.rate": (0.1, 9.0)}, "lhs", 8, 2, "all")
    assert study.frame.overruled == {("none-ordered", "mandates.0.rate")}
    found = sweeps.run_study(study)
    assert (np.ptp(found.figures.reshape(8, 2, 2, -1)[:, 1], axis=0) == 0).all()


def test_common_random_numbers_across_points_and_arms() -> None:
    scenario = world()
    study = study_of(scenario, {"sanctions.severity": [0.2, 0.200000001]}, "grid", 2, 4, "none")
    found = sweeps.run_study(study)
    first, second = found.values("coverage").reshape(2, 4)
    np.testing.assert_array_equal(first, second)
    assert len(set(first)) > 1


# Factors and designs


@pytest.mark.parametrize(
    ("text", "key", "spec"),
    [
        ("diffusion.peers", "diffusion.peers", None),
        ("diffusion.peers=0.1:0.6", "diffusion.peers", (0.1, 0.6)),
        ("diffusion.peers=0.1:0.6:log", "diffusion.peers", (0.1, 0.6, "log")),
        ("diffusion.peers=0.1,0.6", "diffusion.peers", [0.1, 0.6]),
        ("economy.coefficients=point,draws", "economy.coefficients", ["point", "draws"]),
        ("sanctions.from=2022-03,2023-03", "sanctions.from", ["2022-03", "2023-03"]),
        ("diffusion.peers=fit", "diffusion.peers", "fit"),
    ],
)
def test_factors_of_the_command_line(text: str, key: str, spec: Any) -> None:
    assert parse_factor(text) == (key, spec)


@pytest.mark.parametrize(
    ("given", "part"),
    [
        ({"diffusion.pears": None}, "diffusion.peers"),
        ({"diffusion.peers": (1.0, 0.5)}, "low below high"),
        ({"diffusion.peers": (-1.0, 0.5)}, "out of range"),
        ({"diffusion.peers": (0.0, 0.5, "log")}, "low above 0"),
        ({"diffusion.peers": (float("nan"), 0.5)}, "two numbers"),
        ({"diffusion.peers": [0.5, 0.5]}, "twice"),
        ({"diffusion.peers": []}, "neither a range nor a list"),
        ({"diffusion.peers": "fit"}, "no fit"),
        ({"network.neighbours": [2.5]}, "whole number"),
        ({"end": ["2026-01", "2027-01"]}, "cannot be varied"),
        ({"finance.reference_population": None}, "no plausible range"),
        ({"mandates.rate": (1.0, 2.0)}, "a section is not a list"),
        ({"diffusion.peers.high": (1.0, 2.0)}, "a section is not a number"),
        ({}, "nothing to vary"),
    ],
)
def test_wrong_factors_are_refused_in_one_line(given: dict[str, Any], part: str) -> None:
    with pytest.raises(InputError) as caught:
        factors_of(world(), given)
    assert part in str(caught.value)
    assert "\n" not in str(caught.value)


def test_elements_of_an_empty_list_cannot_be_varied() -> None:
    with pytest.raises(InputError, match="mandates: there is no element 0: the list is empty; allowed: a list, or"):
        factors_of(build(3), {"mandates.0.rate": None})


def test_the_plausible_range_is_that_of_the_parameter_table() -> None:
    assert plausible(world(), "diffusion.peers") == (0.05, 1.0)
    assert plausible(world(), "mandates.3.rate") == plausible(world(), "mandates.0.rate") == (1.0, 6.0)
    assert plausible(world(), "finance.cost_level") == (0.5 * MONEY["cost_level"], 4 * MONEY["cost_level"])
    with pytest.raises(InputError, match="is 0 here"):
        plausible(random_world(5, finance={"cost_level": 0.0}), "finance.cost_level")
    assert is_whole("network.neighbours")
    assert not is_whole("diffusion.peers")


def test_designs() -> None:
    factors = factors_of(world(), RANGES)
    hypercube = design_of(factors, "lhs", 10, 3)
    for j in range(3):
        assert sorted((hypercube.unit[:, j] * 10).astype(int)) == list(range(10))
    assert all(1e-5 <= value <= 1e-3 for value in hypercube.values["finance.own_share"])
    middle = np.median(design_of(factors, "lhs", 1001, 3).values["finance.own_share"])
    assert middle == pytest.approx(1e-4, rel=0.01)
    assert len(design_of(factors, "sobol", 8, 1)) == 8 * (2 * 3 + 2)
    grid = design_of(factors, "grid", 4)
    assert len({tuple(grid.point(i).values()) for i in range(len(grid))}) == len(grid) == 4 * 4 * 2
    assert design_of(factors, "sobol", 8, 1).values == design_of(factors, "sobol", 8, 1).values
    assert design_of(factors, "lhs", 8, 1).values != design_of(factors, "lhs", 8, 2).values
    with pytest.raises(InputError, match="power of 2"):
        design_of(factors, "sobol", 100)


def test_whole_numbers_stay_whole() -> None:
    (factor,) = factors_of(world(), {"network.neighbours": (2, 5)})
    assert factor.grid(20) == [2, 3, 4, 5]
    assert all(isinstance(value, int) for value in factor.values(np.linspace(0, 1, 7)))


def test_impossible_points_are_listed_and_the_rest_is_done(tmp_path: Path) -> None:
    shares = {"finance.regional_share": (0.1, 0.7), "finance.federal_share": (0.1, 0.7)}
    study = study_of(world(), shares, "grid", 3, 2)
    found = sweeps.run_study(study, tmp_path / "s")
    over = found.runs["finance.regional_share"] + found.runs["finance.federal_share"] > 1
    assert over.any()
    np.testing.assert_array_equal(~found.done, over)
    assert len(found.failed) == over.sum()
    assert found.failed["fault"].str.contains("more than the whole cost").all()
    assert (tmp_path / "s" / "STATUS").read_text() == "partial\n"


# Parts, resuming, executors


def failing(monkeypatch: pytest.MonkeyPatch, replicate: int) -> None:
    """Let every run of one replicate raise."""

    def some_fail(shared: Any, rows: Any, *others: Any) -> Any:
        if (rows.replicates == replicate).any():
            raise FloatingPointError("it always fails")
        return execute(shared, rows, *others)

    monkeypatch.setattr("sim.studies.tasks.execute", some_fail)


def test_a_run_that_always_fails_is_listed_and_the_rest_finishes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = small_study()
    whole = sweeps.run_study(study)
    failing(monkeypatch, 1)
    found = sweeps.run_study(study, tmp_path / "s")
    hit = found.runs["replicate"].to_numpy() == 1
    np.testing.assert_array_equal(found.done, ~hit)
    np.testing.assert_array_equal(found.figures[~hit], whole.figures[~hit])
    assert set(found.failed["fault"]) == {"FloatingPointError: it always fails"}
    assert "diffusion.peers" in (tmp_path / "s" / "failed.csv").read_text()
    monkeypatch.undo()
    again = sweeps.run_study(study, tmp_path / "s", resume=True)
    np.testing.assert_array_equal(again.figures, whole.figures)
    assert not (tmp_path / "s" / "failed.csv").exists()
    assert (tmp_path / "s" / "STATUS").read_text() == "complete\n"


def test_a_fault_of_every_run_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any) -> Any:
        raise FloatingPointError("broken")

    monkeypatch.setattr("sim.studies.tasks.execute", fails)
    with pytest.raises(FloatingPointError):
        sweeps.run_study(small_study())


def test_interrupted_and_resumed_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execution, "PART_SECONDS", 0.001)
    study = small_study(n=12)
    sweeps.run_study(study, tmp_path / "whole", threads=1)

    def stop(done: int, total: int) -> None:
        if done > total // 3:
            raise KeyboardInterrupt

    with pytest.raises(execution.Interrupted) as caught:
        sweeps.run_study(study, tmp_path / "parts", threads=2, progress=stop)
    assert f"--resume {tmp_path / 'parts'}" in caught.value.how_to_resume
    kept = len(list((tmp_path / "parts" / "parts").glob("*.parquet")))
    assert kept
    (tmp_path / "parts" / "parts" / "x.parquet.1.tmp").write_bytes(b"half")
    computed = []
    compute = type(study.frame).compute
    monkeypatch.setattr(
        type(study.frame), "compute", lambda self, task, *a: (computed.append(len(task)), compute(self, task, *a))[1]
    )
    sweeps.run_study(small_study(n=12), tmp_path / "parts", resume=True, threads=2)
    assert finals(tmp_path / "parts") == finals(tmp_path / "whole")
    assert not list((tmp_path / "parts").rglob("*.tmp"))
    assert check(tmp_path / "parts") == []


def test_resuming_computes_only_what_is_missing(tmp_path: Path) -> None:
    study = small_study()
    sweeps.run_study(study, tmp_path / "s")
    seen: list[tuple[int, int]] = []
    before = finals(tmp_path / "s")
    sweeps.run_study(study, tmp_path / "s", resume=True, progress=lambda done, total: seen.append((done, total)))
    assert seen == []
    assert finals(tmp_path / "s") == before


def test_a_folder_of_another_study_is_refused(tmp_path: Path) -> None:
    sweeps.run_study(small_study(), tmp_path / "s")
    with pytest.raises(InputError, match="exists already"):
        sweeps.run_study(small_study(), tmp_path / "s")
    with pytest.raises(InputError, match="another study"):
        sweeps.run_study(small_study(n=7), tmp_path / "s", resume=True)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.tex").write_text("years of work")
    with pytest.raises(InputError, match="not a sweep"):
        sweeps.run_study(small_study(), tmp_path / "other")
    assert [path.name for path in (tmp_path / "other").iterdir()] == ["thesis.tex"]


def test_a_damaged_part_is_named(tmp_path: Path) -> None:
    (tmp_path / "s" / "parts").mkdir(parents=True)
    (tmp_path / "s" / "parts" / "a-1.parquet").write_bytes(b"PAR1 nothing")
    with pytest.raises(InputError, match=r"a-1\.parquet.*delete it"):
        sweeps.run_study(small_study(), tmp_path / "s")


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def wait(done: int, total: int) -> None:
        begun.set()
        go_on.wait(30)

    thread = threading.Thread(target=lambda: sweeps.run_study(small_study(), tmp_path / "s", progress=wait))
    thread.start()
    try:
        assert begun.wait(60)
        with pytest.raises(InputError, match="another process is writing"):
            sweeps.run_study(small_study(), tmp_path / "s", resume=True)
    finally:
        go_on.set()
        thread.join()
    sweeps.run_study(small_study(), tmp_path / "s", resume=True)


@pytest.fixture(params=["threads", "processes"])
def executor(request: pytest.FixtureRequest) -> Iterator[Executor]:
    kinds: dict[str, Any] = {
        "threads": lambda: ThreadPoolExecutor(2),
        "processes": lambda: ProcessPoolExecutor(2, get_context("spawn")),
    }
    with kinds[request.param]() as pool:
        yield pool


def test_executors_give_the_same_bytes(tmp_path: Path, executor: Executor, monkeypatch: pytest.MonkeyPatch) -> None:
    sweeps.run_study(small_study(), tmp_path / "one", threads=1)
    monkeypatch.setattr(execution, "PART_SECONDS", 0.01)
    sweeps.run_study(small_study(), tmp_path / "other", executor=executor)
    assert finals(tmp_path / "one") == finals(tmp_path / "other")


class Losing(ThreadPoolExecutor):
    """An executor that loses every task with a certain run in it, as where a run kills its worker."""

    def submit(self, function: Any, /, payload: str, task: Any) -> Any:
        def lost() -> Any:
            if ((task.replicates == 0) & (task.arms == 1)).any():
                raise OSError("the worker died")
            return function(payload, task)

        return super().submit(lost)


def test_tasks_lost_by_an_executor_are_halved_until_only_their_runs_fail() -> None:
    study = small_study()
    with Losing(2) as pool:
        found = sweeps.run_study(study, executor=pool)
    hit = (found.runs["replicate"] == 0) & (found.runs["policy"] == "apart")
    np.testing.assert_array_equal(found.done, ~hit)
    assert set(found.failed["fault"]) == {"OSError: the worker died"}


def test_a_study_reads_back_from_its_texts() -> None:
    study = small_study()
    plain = json.loads(json.dumps(study.plain()))
    again = study_from(plain, Scenario.from_resolved(json.loads(json.dumps(study.scenario.resolved()))))
    assert (again.ids, again.plain()) == (study.ids, study.plain())
    task = study.task(np.arange(7))
    np.testing.assert_array_equal(frame_from(study.frame.payload()).compute(task), study.frame.compute(task))


def test_points_that_coincide_are_all_filled(tmp_path: Path) -> None:
    study = study_of(world(), {"network.neighbours": [1, 3]}, "lhs", 8, 2)
    assert len(set(study.ids)) == 4
    found = sweeps.run_study(study, tmp_path / "s")
    np.testing.assert_array_equal(sweeps.read_sweep(tmp_path / "s").figures, found.figures)


def test_ids_tell_what_is_computed() -> None:
    ids = small_study().ids
    assert len(set(ids)) == len(ids)
    assert ids == small_study().ids
    assert not set(ids) & set(small_study(seed=9).ids)
    other = study_of(world(end="2026-01"), RANGES, "lhs", 6, 3, "all")
    assert not set(ids) & set(other.ids)


def test_rerun_finds_a_changed_figure(tmp_path: Path) -> None:
    found = sweeps.run_study(small_study(), tmp_path / "s")
    assert sweeps.rerun(tmp_path / "s", len(found.study)) == []
    import pandas as pd

    path = tmp_path / "s" / "outcomes.parquet"
    table = pd.read_parquet(path)
    table.iloc[4, 1] += 1e-12
    table.to_parquet(path, index=False)
    assert sweeps.rerun(tmp_path / "s", len(found.study)) == [
        f"run {found.study.ids[4]}: other figures than those saved"
    ]


@pytest.mark.slow
def test_killed_and_resumed_is_the_same() -> None:
    kills, _ = kill_sweep.disturbed(5, 300, 0.1, 3)
    assert kills == 5


@pytest.mark.slow
def test_workers_of_a_cluster_may_be_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed", reason="the extra `cluster` is not installed")
    import kill_worker

    monkeypatch.setattr(execution, "PART_SECONDS", 0.2)
    killed, same = kill_worker.killed_while_running(tmp_path, 1500, 2, 1)
    assert same
    assert killed


def test_without_a_cluster_it_says_so() -> None:
    pytest.importorskip("distributed", reason="the extra `cluster` is not installed")
    with pytest.raises(InputError, match="no Dask scheduler"), execution.cluster("tcp://127.0.0.1:1"):
        pass


# Analyses


def ishigami(points: dict[str, list[float]]) -> np.ndarray:
    x, y, z = (np.array(points[key]) for key in ("x", "y", "z"))
    return np.sin(x) + 7.0 * np.sin(y) ** 2 + 0.1 * z**4 * np.sin(x)


def ishigami_indices() -> tuple[list[float], list[float], float]:
    """First and total indices, and the second one of x and z, from the integrals (Ishigami and Homma 1990)."""
    a, b = 7.0, 0.1
    alone = [0.5 * (1 + b * np.pi**4 / 5) ** 2, a**2 / 8, 0.0]
    together = b**2 * np.pi**8 * (1 / 18 - 1 / 50)
    total = sum(alone) + together
    return (
        [v / total for v in alone],
        [(alone[0] + together) / total, alone[1] / total, together / total],
        together / total,
    )


def test_sobol_indices_of_ishigami() -> None:
    factors = [Factor((key,), (), -np.pi, np.pi) for key in "xyz"]
    design = design_of(factors, "sobol", 4096, 3)
    figures = ishigami(design.values)
    table = sensitivity.sobol_indices(["x", "y", "z"], figures)
    first, total, second = ishigami_indices()
    np.testing.assert_allclose(table["first"], first, atol=0.02)
    np.testing.assert_allclose(table["total"], total, atol=0.02)
    assert ((table["first_low"] <= first) & (first <= table["first_high"])).all()
    pairs = sensitivity.interactions(["x", "y", "z"], figures).set_index(["factor", "other"])["second"]
    np.testing.assert_allclose([pairs["x", "z"], pairs["x", "y"], pairs["y", "z"]], [second, 0, 0], atol=0.03)


def test_sobol_indices_of_what_does_not_vary_are_empty() -> None:
    table = sensitivity.sobol_indices(["a", "b"], np.ones(8 * 6))
    assert table[["first", "total"]].isna().all().all()
    with pytest.raises(ValueError, match="not a Saltelli design"):
        sensitivity.sobol_indices(["a", "b"], np.ones(47))


def test_luck_and_parameters_are_told_apart() -> None:
    rng = np.random.default_rng(1)
    between, within = rng.normal(0, 2.0, (4000, 1)), rng.normal(0, 1.0, (4000, 5))
    found = sensitivity.luck(between + within)
    assert found["luck"] == pytest.approx(1.0, rel=0.05)
    common = sensitivity.luck(between + within[:1])
    assert common["parameters"] == pytest.approx(4.0, rel=0.1)
    assert np.isnan(sensitivity.luck(between)["luck"])


def test_tornado_of_a_sum() -> None:
    unit = np.random.default_rng(2).random((5000, 3))
    figures = 1.0 * unit[:, 0] - 3.0 * unit[:, 1]
    table = sensitivity.tornado(["a", "b", "c"], unit, figures).set_index("factor")
    assert list(table.index) == ["b", "a", "c"]
    # the means of the lowest and the highest fifth are 0.1 and 0.9
    assert table.loc["a", "swing"] == pytest.approx(0.8, abs=0.08)
    assert table.loc["b", "swing"] == pytest.approx(-2.4, abs=0.08)
    assert table.loc["c", "swing_low"] < 0 < table.loc["c", "swing_high"]


def test_regret_by_hand() -> None:
    table = sensitivity.regret(
        {"bold": np.array([10.0, 0.0]), "steady": np.array([6.0, 4.0]), "idle": np.array([0.0, 3.0])}
    )
    assert table.loc[2, "policy"] == "idle"
    found = table.set_index("policy")
    assert found["largest_regret"].to_dict() == {"bold": 4.0, "steady": 4.0, "idle": 10.0}
    assert found["mean_regret"].to_dict() == {"bold": 2.0, "steady": 2.0, "idle": 5.5}
    assert found["best"].to_dict() == {"bold": 0.5, "steady": 0.5, "idle": 0.0}
    cheap = sensitivity.regret({"a": np.array([10.0, 1.0]), "b": np.array([5.0, 2.0])}, more_is_better=False)
    assert list(cheap["policy"]) == ["b", "a"]
    assert list(cheap["largest_regret"]) == [1.0, 5.0]
    assert list(cheap["worst"]) == [5.0, 10.0]


def test_a_sweep_and_its_tables(tmp_path: Path) -> None:
    found = sim.sweep(world(), RANGES, n=8, replicates=2, policies="all", folder=tmp_path / "s")
    assert len(found.outcomes) == 8 * 8 * 3 * 2
    assert set(found.sobol()["factor"]) == set(RANGES)
    assert found.column("coverage") == "coverage 2027-01"
    experiments, outcomes = found.experiments, found.outcomes_for_ema()
    assert len(experiments) == len(outcomes["coverage 2027-01"]) == 64 * 3
    table = found.outcomes
    for at in (0, 77, 150):
        point, policy = at // 3, experiments.loc[at, "policy"]
        expected = table[(table["point"] == point) & (table["policy"] == policy)]["coverage 2027-01"].mean()
        assert outcomes["coverage 2027-01"][at] == pytest.approx(expected, abs=1e-15)
        assert experiments.loc[at, "diffusion.peers"] == found.design.loc[point, "diffusion.peers"]
    again = sweeps.read_sweep(tmp_path / "s")
    np.testing.assert_array_equal(again.figures, found.figures)
    with pytest.raises(InputError, match="not a measure"):
        found.sobol("coverag")
    with pytest.raises(InputError, match="not a policy"):
        found.means("coverage", "aprat")


def test_only_a_sobol_design_has_sobol_indices() -> None:
    found = sweeps.run_study(small_study())
    with pytest.raises(InputError, match="no Sobol indices"):
        found.sobol()
    assert set(found.tornado()["factor"]) == set(RANGES)


def test_targets_are_measured_at_their_dates() -> None:
    scenario = sim.load("perm-krai")
    measures = default_measures(scenario)
    assert "programme" in measures.names
    assert "programme 2024-01" in measures.columns(scenario)


def test_estimate_counts_runs() -> None:
    told = execution.estimate(small_study(), threads=1)
    assert (told.runs, told.points, told.policies, told.replicates) == (6 * 3 * 3, 6, 3, 3)
    assert told.seconds > 0


# Command line


def command(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sim", *words], capture_output=True, text=True, cwd=folder, check=False
    )


def test_the_command(tmp_path: Path) -> None:
    (tmp_path / "world.json").write_text(json.dumps(world().resolved()))
    words = ("sweep", "world.json", "diffusion.peers=0.1:1", "security.outage=0.1,1", "policies=apart", "-n", "4")
    dry = command(*words, "--dry-run", folder=tmp_path)
    assert "192 runs: 24 points, 2 policy arms, 4 replicates" in dry.stdout, dry.stderr
    done = command(*words, "-o", "out", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "What matters" in done.stdout
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    words = " ".join(page.split())
    assert "most: influence of peers in the region (diffusion.peers); then technologies down after" in words
    assert "<table>" in page and '<table class="figures">' in page  # words to the left, figures to the right
    assert not (tmp_path / "out" / "figures" / "interactions.svg").exists()  # of two factors they are the rest
    assert command("report", "out", folder=tmp_path).stdout == "report.html\n"
    assert "http" not in page.replace("http://www.w3.org", "").replace("http-equiv", "")
    again = command("sweep", "--resume", "out", "--json", folder=tmp_path)
    assert json.loads(again.stdout)["runs"] == 192, again.stderr
    wrong = command("sweep", "world.json", "diffusion.pears", folder=tmp_path)
    assert (wrong.returncode, wrong.stderr.count("\n")) == (2, 1)
    assert "diffusion.peers" in wrong.stderr


def test_failed_runs_end_with_3(tmp_path: Path) -> None:
    (tmp_path / "world.json").write_text(json.dumps(world().resolved()))
    shares = ("finance.regional_share=0.1,0.7", "finance.federal_share=0.1,0.7")
    done = command("sweep", "world.json", *shares, "--design", "grid", "-o", "out", folder=tmp_path)
    assert done.returncode == 3, done.stderr
    assert "10 runs failed" in done.stderr


def test_attempt_names_rows_of_the_task() -> None:
    study = small_study()
    task = study.task(np.arange(6))
    assert attempt(study.frame, task).faults == {}


def test_arms_without_runs_have_measures() -> None:
    scenario = world()
    arm = Arm.bare(scenario, structures([scenario])[0])
    assert isinstance(arm, Arm)
    assert set(arm.measures()) <= set(measure_names(scenario))


@pytest.mark.skipif(sys.platform == "win32", reason="sends the signal of Ctrl-C")
def test_ctrl_c_says_how_to_go_on(tmp_path: Path) -> None:
    (tmp_path / "world.json").write_text(json.dumps(world().resolved()))
    words = [sys.executable, "-m", "sim", "sweep", "world.json", "diffusion.peers", "--design", "lhs", "-n", "100000"]
    child = subprocess.Popen([*words, "-o", "out"], cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    while child.poll() is None and not list((tmp_path / "out" / "parts").glob("*.parquet")):
        time.sleep(0.05)
    child.send_signal(signal.SIGINT)
    _, told = child.communicate(timeout=120)
    assert child.returncode == 130
    assert "go on with: uptake sweep --resume out" in told
    assert "Traceback" not in told


def test_scenario_discovery_takes_the_frames() -> None:
    prim = pytest.importorskip("ema_workbench.analysis.prim", reason="the extra `discovery` is not installed")
    study = study_of(world(), {"diffusion.peers": (0.0, 4.0), "sanctions.severity": (0.0, 1.0)}, "lhs", 100, 2)
    found = sweeps.run_study(study)
    coverage = found.outcomes_for_ema()["coverage 2027-01"]
    high = coverage > np.median(coverage)
    needed = inspect.signature(prim.Prim).parameters.keys() & {"threshold"}  # version 2 wants it, version 3 refuses it
    box = prim.Prim(found.experiments.drop(columns="policy"), high, **dict.fromkeys(needed, 0.5)).find_box()
    assert box.peeling_trajectory["density"].max() > high.mean()
