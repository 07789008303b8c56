"""Does the calibration to targets say what the targets say, and no more?"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from scipy import stats

import sim
from calibration.cli import calibrate as command
from calibration.targets import fit as targets
from calibration.targets import prior as priors
from calibration.targets import report
from calibration.targets import simulator as simulators
from calibration.targets.page import page
from sim.engine.columns import structure
from sim.engine.draws import generator
from sim.engine.rows import execute, rows_of
from sim.results.arm import Arm
from sim.scenario.scenario import Scenario
from tests.build import build

PERM = sim.load("perm-krai")
FIT = Path("scenarios/fits/perm-krai-targets.json")
HALF = {"technology": "k0000", "date": "2023-01", "count": [10, 12]}


def small(target: dict[str, object] | None = None, **settings: object) -> Scenario:
    """Twenty places tied evenly, one of which starts; one target."""
    diffusion = {"peers": 0.4, "external": 0.02}
    return build(
        20, 1, portfolio=[("p0000", "k0000")], diffusion=diffusion, targets={"half": target or HALF}, **settings
    )


@pytest.fixture(scope="module")
def fitted() -> targets.TargetsFit:
    return targets.calibrate(PERM, n=16_384, seed=3, threads=2)


def test_cut_scenario_gives_the_same_dates_as_the_whole():
    """Membership is adopted at the same instants by the same places, with or without the other technologies."""
    scenario = PERM.override({"parameters.draws": "point", "security.incident_rate": 0.3})
    task = simulators.simulator(scenario, to_end=True)
    assert len(task.scenario.technologies) == 1 < len(scenario.technologies)
    cut = task.overrides and dataclasses.replace(task, prior=priors.Prior((), *(np.empty(0) for _ in range(4))))
    rows = cut.rows(np.empty((8, 0)), np.arange(8))
    less = execute(task.shared, rows, 5, 1)
    shared = structure(scenario)
    whole = execute(shared, rows_of(scenario, 5, np.arange(8)), 5, 1)
    assert len(whole.outages) > 0  # the rest does happen in the whole scenario
    found = []
    for batch, number in ((less, 0), (whole, scenario.technologies.id.index("programme"))):
        chosen = batch.events["technology"] == number
        columns = (batch.event_rows[chosen], batch.events["place"][chosen], batch.events["adopted"][chosen])
        found.append(sorted(zip(*(column.tolist() for column in columns), strict=True)))
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"finance": {"cost_level": 5.0}}, "costs money"),
        ({"security": {"incident_rate": 0.1}}, "incidents reach"),
    ],
)
def test_a_scenario_is_simulated_whole_where_cutting_would_change_it(settings, reason):
    scenario = build(
        6, 2, portfolio=[("p0000", "k0000"), ("p0000", "k0001")], targets={"half": HALF | {"count": [3, 3]}},
        diffusion={"peers": 0.3}, **settings,
    )  # fmt: skip
    task = simulators.simulator(scenario)
    assert reason in task.exact_cut
    assert len(task.scenario.technologies) == 2


def test_a_leader_without_the_targeted_technology_stays_a_leader():
    scenario = build(6, 2, portfolio=[("p0000", "k0001")], targets={"half": HALF | {"count": [3, 3]}})
    assert "leaders" in simulators.simulator(scenario).exact_cut


def test_prior_has_its_median_at_the_value_assumed_and_its_ends_at_the_range():
    prior = simulators.simulator(PERM).prior
    ends = prior.values(np.repeat([[0.0], [0.5], [1.0 - 1e-12]], len(prior.keys), axis=1))
    np.testing.assert_allclose(ends[0], prior.low)
    np.testing.assert_allclose(ends[2], prior.high, rtol=1e-9)
    assert ends[1][prior.keys.index("diffusion.peers")] == PERM.diffusion.peers
    assert ends[1][prior.keys.index("mandates.0.rate")] == PERM.mandates[0].rate
    external = prior.keys.index("diffusion.external")
    quarter = prior.values(np.full((1, len(prior.keys)), 0.25))[0, external]
    assert quarter == pytest.approx(np.sqrt(prior.low[external] * PERM.diffusion.external))  # even in the logarithm


def test_distance_is_signed_and_counts_municipalities_at_the_date():
    aim = simulators.Aim("a", 0, 4, 6, 2, 2, "observed", True, "")
    series = np.array([[0, 1, 3, 9], [0, 9, 5, 0], [0, 0, 8, 0]], dtype=float)
    assert aim.distance(series).tolist() == [-1, 0, 2]
    before = dataclasses.replace(aim, first=0, last=3)
    assert before.distance(series).tolist() == [-1, 0, 2]
    assert before.distance(np.array([[0.0, 2, 7, 9], [0, 4, 9, 9]])).tolist() == [1, 0]


def test_share_targets_become_municipalities_and_undated_ones_end_before_their_date():
    scenario = small({"technology": "k0000", "share": [0.5, 0.6], "before": "2023-01"})
    aim = simulators.simulator(scenario).aims[0]
    assert (aim.low, aim.high) == (pytest.approx(10), pytest.approx(12))
    assert (aim.first, aim.last) == (0, scenario.step_of("2023-01-01") - 1)


def test_counts_are_those_of_the_results():
    """The same draw, run through the public run, has as many municipalities at the date."""
    task = simulators.simulator(PERM)
    unit = generator(1, "test").random((3, len(task.prior.keys)))
    counts = [round(float(v)) for v in _counts(task, unit)]
    for at, values in enumerate(task.prior.values(unit)):
        scenario = PERM.override(
            {"parameters.draws": "point", **dict(zip(task.prior.keys, values.tolist(), strict=True))}
        )
        arm = _one(scenario, at)
        assert arm.series(arm.measures()["programme"])[0, task.used[0].last] * 43 == pytest.approx(counts[at])


def _counts(task: simulators.Simulator, unit: np.ndarray) -> np.ndarray:
    zero = dataclasses.replace(task.used[0], low=0.0, high=0.0)
    return dataclasses.replace(task, aims=(zero,)).distances(unit, 0, 1, 1)[:, 0]


def _one(scenario: Scenario, replicate: int) -> Arm:
    rows, shared = rows_of(scenario, 1, np.array([replicate])), structure(scenario)
    return Arm("baseline", "", scenario, shared, rows, execute(shared, rows, 1, 1))


def test_rejection_keeps_exact_hits_and_widens_only_when_they_are_few():
    unit = np.linspace(0.01, 0.99, 99)[:, None]
    distance = np.round(20 * (unit - 0.5))
    exact = targets.accept(unit, distance, 3)
    assert exact.tolerance == 0 and (exact.distance == 0).all() and exact.hits == len(exact.raw)
    wide = targets.accept(unit, distance, 40)
    assert wide.tolerance > 0 and len(wide.raw) >= 40 and wide.weight.sum() == pytest.approx(1)


def test_regression_adjustment_finds_a_known_posterior_and_stays_inside():
    """The distance is 30 logit(u) and noise of sd 3: at 0 the posterior of logit(u) is nearly N(0, 0.1)."""
    chance = np.random.default_rng(2)
    unit = chance.random((200_000, 1))
    distance = 30 * np.log(unit / (1 - unit)) + chance.normal(0, 3, unit.shape)
    kept = targets.accept(unit, distance, 60_000)
    raw, logit = (np.log(x / (1 - x))[:, 0] for x in (kept.raw, kept.unit))
    assert raw.std() > 0.3  # without the adjustment it is far too wide
    assert kept.weight @ logit == pytest.approx(0, abs=0.01)
    assert np.sqrt(kept.weight @ logit**2) == pytest.approx(0.1, rel=0.1)
    assert ((kept.unit > 0) & (kept.unit < 1)).all()


def test_what_cannot_matter_learns_nothing_and_what_does_is_narrowed(fitted):
    """The mandate begins after the target's date, membership has no lag, and Perm, the leader, starts in it."""
    assert {"diffusion.peers", "diffusion.leaders"} == set(fitted.of("learnt"))
    assert {"mandates.0.rate", "diffusion.announced", "diffusion.leader_factor"} <= set(fitted.of("nothing"))


def test_the_plan_is_a_prediction_unless_asked_for(fitted):
    plan = report.as_json(fitted)["targets"]["all"]
    assert plan["used"] is False and plan["kind"] == "plan"
    assert any("A plan not used, so a prediction" in note for note in report.notes(fitted))
    asked = targets.calibrate(PERM, n=16_384, seed=3, with_plan=True, threads=2)
    after = report.as_json(asked)["targets"]["all"]
    assert after["used"] is True
    assert after["posterior_probability"] > plan["posterior_probability"] + 0.05
    assert "mandates.0.rate" in (*asked.of("learnt"), *asked.of("moved"))


def test_predictive_bands_narrow_and_meet_the_target(fitted):
    at = fitted.simulator.used[0].last
    width = fitted.bands[4] - fitted.bands[0]
    assert abs(fitted.bands[2, at] - 22.5) <= 2
    assert fitted.prior_bands[2, at] > 30
    assert width[0] == 0 and (np.diff(fitted.bands[2]) >= 0).all()


def test_shipped_fit_is_of_the_shipped_tables_and_ranges():
    plain = json.loads(FIT.read_text())
    task = simulators.simulator(PERM)
    inputs = {Path(name).name: sha for name, sha in PERM.inputs.items() if name.endswith(".csv")}
    assert plain["inputs"] == inputs
    assert list(plain["draws"]) == list(task.prior.keys)
    for key, low, high in zip(task.prior.keys, task.prior.low, task.prior.high, strict=True):
        values = np.array(plain["draws"][key])
        assert len(values) == 1000 and low <= values.min() < values.max() <= high
        assert plain["parameters"][key]["prior"] == [low, high]
    assert {name: target["used"] for name, target in plain["targets"].items()} == {
        "fourteen": False, "more-than-half": True, "all": False
    }  # fmt: skip


def test_perm_krai_reaches_the_observed_share_from_the_fit_alone():
    """The median of memberships at the end of 2022 is within one of 22 to 23 of 43 as the scenario is shipped."""
    results = sim.run(PERM, policy="none")
    counts = np.rint(43 * results.measure("programme")[:, PERM.step_of("2023-01-01")])
    assert 21 <= np.median(counts) <= 24
    assert PERM.parameters.draws == "draws" and PERM.technologies.benefit[0] == 1.0


@pytest.mark.slow
def test_shipped_fit_can_be_made_again(tmp_path):
    fit = targets.calibrate(PERM)
    report.write_fit(fit, tmp_path / "fit.json")
    again, shipped = (json.loads(path.read_text()) for path in (tmp_path / "fit.json", FIT))
    assert again["draws"] == shipped["draws"]


def test_fit_file_serves_a_scenario(fitted, tmp_path):
    (tmp_path / "fits").mkdir()
    report.write_fit(fitted, tmp_path / "fits" / "mine.json")
    file = tmp_path / "mine.toml"
    file.write_text('extends = "uptake:perm-krai"\n[parameters]\nfit = "fits/mine.json"\ndraws = "draws"\n')
    scenario = sim.load(file)
    assert scenario.parameter_fit is not None
    rows = rows_of(scenario, 1, np.arange(50)).parameters
    assert set(rows["peers"]) <= set(fitted.draws[:, fitted.simulator.prior.keys.index("diffusion.peers")])
    assert len(set(rows["peers"])) > 40


def _uniform(ranks: np.ndarray, draws: int, bins: int = 10) -> float:
    counts = np.bincount(ranks * bins // (draws + 1), minlength=bins)
    return float(stats.chisquare(counts).pvalue)


def test_ranks_of_known_truths_are_uniform():
    """Simulation-based calibration: an inference that is too narrow, too wide or biased fails."""
    task = simulators.simulator(small())
    only = [at for at, key in enumerate(task.prior.keys) if key in ("diffusion.peers", "diffusion.external")]
    prior = priors.Prior(*(_picked(getattr(task.prior, f.name), only) for f in dataclasses.fields(priors.Prior)))
    ranks = targets.simulated_ranks(dataclasses.replace(task, prior=prior), 8192, 300, seed=1)
    assert all(_uniform(column, 99) > 0.001 for column in ranks.T)
    halves = (ranks[:, 0] + 99) // 2  # what ranks would be if the posterior lay too low
    assert _uniform(halves, 99) < 1e-6


def _picked(values, only):
    return tuple(values[at] for at in only) if isinstance(values, tuple) else values[only]


@pytest.mark.slow
def test_ranks_of_known_truths_are_uniform_in_perm_krai():
    ranks = targets.simulated_ranks(simulators.simulator(PERM), 65_536, 2000, seed=1)
    assert min(_uniform(column, 99) for column in ranks.T) > 0.05 / ranks.shape[1]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["perm-krai", "--use", "fourten"], "'fourten' is not a target of this scenario"),
        (["perm-krai", "diffusion.pears=0:1"], "nearest: diffusion.peers"),
        (["perm-krai", "diffusion.peers=1:0.5"], "1:0.5 is not a range"),
        (["perm-krai", "diffusion.announced=0:2"], "2.0 is out of range"),
        (["kazakhstan"], "no targets"),
        (["perm-krai", "targets.more-than-half.use=false"], "no target is used"),
        (["perm-krai", "targets.more-than-half.date=2050-01"], "is outside"),
    ],
)
def test_wrong_input_is_a_line_and_exit_2(arguments, words):
    result = CliRunner().invoke(command, ["targets", *arguments], catch_exceptions=False)
    assert result.exit_code == 2
    assert words in result.output and "Traceback" not in result.output


def test_command_writes_fit_page_and_json(tmp_path):
    fit, html = tmp_path / "fit.json", tmp_path / "page.html"
    arguments = ["targets", "perm-krai", "diffusion.peers=0.05:0.5", "-n", "2000", "--keep", "20", "--json"]
    result = CliRunner().invoke(command, [*arguments, "-o", str(fit), "--page", str(html)], catch_exceptions=False)
    assert result.exit_code == 0
    plain = json.loads(result.stdout)
    assert plain["parameters"]["diffusion.peers"]["prior"] == [0.05, 0.5]
    assert {"targets", "parameters", "learnt", "learnt_nothing", "notes", "tolerance"} <= set(plain)
    assert len(json.loads(fit.read_text())["draws"]["diffusion.peers"]) == 20
    text = html.read_text()
    assert text.count("<svg") == 3 and "http" not in text.replace("http-equiv", "")


def test_page_escapes_what_people_write(fitted):
    named = dataclasses.replace(fitted, simulator=dataclasses.replace(fitted.simulator, scenario=dataclasses.replace(
        fitted.simulator.scenario, title="<script>"
    )))  # fmt: skip
    assert "<script>" not in page(named)
