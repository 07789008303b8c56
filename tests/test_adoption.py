"""Does the fit to adoption dates find what made them, and say so when they say nothing?"""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from scipy import stats

from calibration.adoption import fit as adoption
from calibration.adoption import report
from calibration.adoption.data import NEVER, read, walk
from calibration.adoption.dates import parse_date
from calibration.adoption.likelihood import EXTERNAL, LEADERS, PEERS
from calibration.adoption.page import page
from calibration.adoption.places import Options
from calibration.cli import calibrate as command
from sim.engine.exposures import Exposures
from sim.engine.network import build as network_of
from sim.engine.rows import Simulation
from sim.scenario.errors import InputError
from tests.adoption_tables import TRUTH, table, world, write
from tests.build import build

FRAME = Options(start="2020-01", end="2026-01", neighbours=8, listed_only=True)
HEAD = ("place", "technology", "date")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("adoption")


@pytest.fixture(scope="module")
def truth(folder) -> adoption.AdoptionFit:
    """Forty places, sixty technologies, all three sources, from the engine."""
    return adoption.fit(read(*write(folder, world(40, 60, TRUTH)), None, FRAME))


# Exposure


def test_exposure_is_that_of_the_engine():
    """Cells filled from dates equal the engine's own after the same adoptions, to the last bit."""
    scenario = world(40, 5, {"peers": 0.5, "leaders": 0.3, "external": 0.05})
    running = Simulation(scenario, 3)
    running.advance(60)
    network = running.shared.network
    cells = Exposures(5, 40, network.peers, network.leaders)
    cells.begin(running.events["technology"], running.events["place"])
    peers, leaders = cells.of(np.arange(5))
    assert len(running.events) > 60
    np.testing.assert_array_equal(peers, running.state.exposures["peers"] * 2.0**-31)
    np.testing.assert_array_equal(leaders, running.state.exposures["leaders"] * 2.0**-31)


def test_network_of_tables_is_that_of_the_scenario(folder):
    """Gravity from places.csv gives the weights that the scenario has."""
    scenario = world(40, 1, TRUTH)
    data = read(*write(folder, scenario), None, FRAME)
    network = network_of(scenario)
    names = scenario.places.id
    guides = {name for name, guide in zip(scenario.places.id, scenario.places.guide, strict=True) if guide}
    for ours, theirs in ((data.peers, network.peers), (data.leaders, network.leaders)):
        found = {pair: w for pair, w in _pairs(ours, data.places) if pair[1] not in guides}
        expected = dict(_pairs(theirs, names))
        assert found == expected


def _pairs(channel, names):
    target = np.repeat(np.arange(len(names)), np.diff(channel.start))
    for source, listener, weight in zip(channel.neighbour, target, channel.weight, strict=True):
        yield (names[source], names[listener]), int(weight)


def test_exposure_looks_back_only(folder):
    """Who adopts in an interval is an example from the next one on."""
    events = [("a", "x", 2000), ("b", "x", 2002), ("c", "x", 2003), ("d", "x", ""), *_others()]
    edges = [("a", "b"), ("b", "c"), ("c", "d"), ("a", "d")]
    data = read(table(folder / "e.csv", HEAD, events), None, table(folder / "n.csv", ("from", "to"), edges))
    d = data.places.index("d")
    seen = {month.t: month.peers[0, d] for month in walk(data) if 0 in month.kinds}
    assert seen == {1: 0.5, 2: 0.5, 3: 0.5, 4: 1.0}


def _others():
    return [(name, kind, year) for kind in "yz" for name, year in zip("abcd", (2000, 2001, 2002, 2004), strict=True)]


# The likelihood


def test_likelihood_by_hand(folder):
    """Two followers of one leader: waiting -Lambda, adopting log(1 - exp(-Lambda)), exposure 1/1 and 1/2."""
    events = [("a", "x", 2000), ("b", "x", 2002), ("c", "x", ""), *_others()]
    edges = [("a", "b"), ("a", "c"), ("b", "c")]
    asked = Options(end="2004")
    data = read(table(folder / "h.csv", HEAD, events), None, table(folder / "hn.csv", ("from", "to"), edges), asked)
    found = adoption.sample(data)
    k = data.technologies.index("x")
    weight = (np.arange(3) == k).astype(float)
    only = np.array([name in "bc" for name in data.places], dtype=float)
    p, q = 0.1, 0.3
    value, _, _ = adoption.Likelihood(found, (EXTERNAL, PEERS), weight, only).terms(np.log([p, q]))
    b = -(p + q) + math.log(1 - math.exp(-(p + q)))  # waits 2001, adopts 2002
    c = -(p + q / 2) * 2 - (p + q) * 2  # half its neighbours through 2002, both in 2003 and 2004
    assert value == pytest.approx(b + c)


@pytest.mark.parametrize("sources", [(EXTERNAL,), (EXTERNAL, PEERS), (EXTERNAL, PEERS, LEADERS), (EXTERNAL, 3)])
def test_derivatives_are_those_of_the_likelihood(truth, sources):
    data = truth.data
    chance = np.random.default_rng(1)
    covariates = chance.normal(size=(len(data.places), 2))
    sample = adoption.Sample(
        _with(data, covariates), truth.sample.waited, truth.sample.technology, truth.sample.place,
        truth.sample.interval, truth.sample.exposure,
    )  # fmt: skip
    weights = (chance.integers(0, 3, 60).astype(float), chance.integers(0, 2, 40).astype(float))
    likelihood = adoption.Likelihood(sample, sources, *weights)
    at = np.r_[np.log([0.03, 0.4, 0.1][: len(sources)]), 0.3, -0.2]
    _, gradient, hessian = likelihood.terms(at)
    step = 1e-5
    for number, move in enumerate(np.eye(len(at)) * step):
        up, down = likelihood.terms(at + move), likelihood.terms(at - move)
        assert (up[0] - down[0]) / (2 * step) == pytest.approx(gradient[number], rel=1e-5, abs=1e-4)
        np.testing.assert_allclose((up[1] - down[1]) / (2 * step), hessian[number], rtol=1e-4, atol=1e-3)


def _with(data, covariates):
    from dataclasses import replace

    return replace(data, covariates=covariates, covariate_names=("u", "v"), scale=np.ones(2))


def test_sums_by_technology_and_by_place_are_the_likelihood(truth):
    whole = adoption.Likelihood(truth.sample, truth.maximum.sources, np.ones(60), np.ones(40))
    for unit in ("technology", "place"):
        assert whole.by_unit(truth.maximum.values, unit).sum() == pytest.approx(truth.maximum.value)


def test_bootstrap_agrees_with_refitting(truth):
    """One Newton step for each resample has the spread of full refits."""
    chance = np.random.default_rng(5)
    refits = []
    for _ in range(60):
        weight = chance.multinomial(60, np.full(60, 1 / 60)).astype(float)
        found = adoption.maximise(truth.sample, truth.maximum.sources, of_technology=weight, start=truth.maximum.values)
        refits.append(np.exp(found.values))
    spread = np.std(refits, axis=0, ddof=1)
    for row, deviation in zip(truth.estimates, spread, strict=True):
        assert row.bootstrap_se == pytest.approx(deviation, rel=0.35)


# Recovery


def test_truth_is_recovered(truth):
    assert [row.name for row in truth.estimates] == ["external", "peers", "leaders"]
    for row in truth.estimates:
        assert abs(row.estimate - TRUTH[row.name]) < 4 * row.se
        assert row.low < row.estimate < row.high
    assert truth.tests["peers"]["p"] < 1e-6 and truth.tests["leaders"]["p"] < 1e-3


def test_residuals_are_exponential_under_the_truth_and_not_otherwise(truth):
    assert truth.residual_test["p"] > 0.01
    assert truth.observed.sum() == pytest.approx(truth.expected.sum(), rel=0.01)
    assert truth.dispersion < 1.6
    wrong = adoption.maximise(truth.sample, (EXTERNAL,))
    residuals = adoption._second_walk(truth.sample, wrong, np.random.default_rng(1))[0]
    assert stats.kstest(residuals, "expon").pvalue < 0.01 or residuals.std() > 1.1


def test_held_out_places_and_technologies_are_predicted_best_by_the_network(truth):
    for score in truth.held_out.values():
        assert score["gain_over_constant"] > 2 * score["gain_over_constant_se"] > 0
        assert score["gain_over_bass"] > 0
    assert "predicted better by the network" in report.verdict(truth)


def test_without_peers_there_is_no_evidence_of_peers(folder):
    fit = adoption.fit(read(*write(folder, world(40, 40, {"external": 0.1})), None, FRAME))
    rates = {row.name: row for row in fit.estimates}
    assert rates["external"].estimate == pytest.approx(0.1, rel=0.15)
    assert rates["peers"].low < 0.02 and rates["peers"].high < 0.2
    assert fit.tests["peers"]["p"] > 0.05
    assert "no evidence" in report.verdict(fit)


def test_size_effect_is_recovered_as_covariate(folder):
    scenario = world(60, 40, {"external": 0.05, "peers": 0.3, "size_elasticity": 0.3}, guides=False)
    events, places = write(folder, scenario)
    fit = adoption.fit(
        read(events, places, None, Options(start="2020-01", end="2026-01", neighbours=8, covariates=("population",)))
    )
    effect = fit.estimates[-1]
    assert effect.name == "population" and effect.low < 0.3 < effect.high
    assert effect.se < 0.05


def _coverage(folder: Path, sets: int, places: int, technologies: int) -> tuple[dict[str, float], dict[str, float]]:
    """Relative bias of the mean estimate and coverage of 95 % intervals over data sets from the engine."""
    scenario = world(places, technologies, TRUTH)
    inside: dict[str, list[bool]] = {name: [] for name in TRUTH}
    found: dict[str, list[float]] = {name: [] for name in TRUTH}
    for replicate in range(sets):
        data = read(*write(folder, scenario, replicate), None, FRAME)
        sample = adoption.sample(data)
        best = adoption.maximise(sample, (EXTERNAL, PEERS, LEADERS))
        rows = adoption._estimates(sample, best, adoption._tests(sample, best), None, np.random.default_rng(0))
        for row in rows:
            inside[row.name].append(row.low <= TRUTH[row.name] <= row.high)
            found[row.name].append(row.estimate)
    bias = {name: float(np.mean(values)) / TRUTH[name] - 1 for name, values in found.items()}
    return bias, {name: float(np.mean(values)) for name, values in inside.items()}


def test_bias_and_coverage_in_short(folder):
    bias, coverage = _coverage(folder, 30, 30, 20)
    assert abs(bias["peers"]) < 0.08 and abs(bias["leaders"]) < 0.25
    assert min(coverage.values()) >= 0.8  # 30 sets: below 0.8 has probability 0.0003 at 0.95


@pytest.mark.slow
def test_bias_and_coverage(folder):
    """Over 300 data sets: coverage within 3 Monte Carlo errors of 95 %, bias below 5 %."""
    bias, coverage = _coverage(folder, 300, 40, 40)
    print(bias, coverage)
    assert max(map(abs, bias.values())) < 0.05
    assert all(0.91 <= share <= 0.99 for share in coverage.values())


@pytest.mark.slow
def test_test_of_peers_keeps_its_level(folder):
    """With no peers in truth the test at 5 % rejects in about 5 of 100 data sets."""
    scenario = world(30, 20, {"external": 0.1, "leaders": 0.1})
    rejected = []
    for replicate in range(200):
        sample = adoption.sample(read(*write(folder, scenario, replicate), None, FRAME))
        best = adoption.maximise(sample, (EXTERNAL, PEERS, LEADERS))
        rejected.append(adoption._tests(sample, best)["peers"]["p"] < 0.05)
    assert stats.binomtest(sum(rejected), len(rejected), 0.05).pvalue > 0.005


def test_technologies_of_different_appeal_do_not_pass_for_peers(folder):
    """Nobody looks at anybody, some technologies are wanted everywhere: one rate for all takes that for peers."""
    chance = np.random.default_rng(4)
    kinds = [{"id": f"k{i:02d}", "benefit": float(np.round(max(chance.normal(3, 1), 0), 3))} for i in range(60)]
    places = [{"id": f"p{i:02d}", "lat": float(55 + i / 9), "lon": float(50 + i % 7)} for i in range(40)]
    first = [("p00", kind["id"]) for kind in kinds]
    scenario = build(
        places, kinds, portfolio=first, diffusion={"external": 0.004, "benefit_weight": 1.0}, end="2026-01"
    )
    events, table_of_places = write(folder, scenario)
    plain = [line.rsplit(",", 1)[0] for line in table_of_places.read_text().splitlines()]  # without the column leader
    table_of_places.write_text("\n".join(plain) + "\n")
    fit = adoption.fit(read(events, table_of_places, None, FRAME))
    rate = next(row for row in fit.estimates if row.name == "peers")
    assert fit.dispersion > 3 and fit.tests["peers"]["p"] < 1e-6 and rate.estimate > 0.1
    assert fit.appeal["peers"] < 0.3 * rate.estimate
    assert fit.appeal["spread"] == pytest.approx(1.0, abs=0.3)


def test_appeal_leaves_true_peers_in_place(folder):
    chance = np.random.default_rng(5)
    kinds = [{"id": f"k{i:02d}", "benefit": float(np.round(chance.normal(3, 0.7), 3))} for i in range(60)]
    places = [{"id": f"p{i:02d}", "lat": float(55 + i / 9), "lon": float(50 + i % 7)} for i in range(40)]
    diffusion = {"external": 0.001, "peers": 0.02, "benefit_weight": 1.0}
    scenario = build(
        places, kinds, portfolio=[("p00", kind["id"]) for kind in kinds], diffusion=diffusion, end="2026-01",
        network={"distance_decay": 1.0, "size_exponent": 0.7, "neighbours": 8},
    )  # fmt: skip
    fit = adoption.fit(read(*write(folder, scenario), None, FRAME))
    assert fit.appeal["p"] < 1e-6
    typical = np.exp(np.mean([kind["benefit"] for kind in kinds]))  # rates are those of the typical technology
    assert fit.appeal["peers"] == pytest.approx(0.02 * typical, rel=0.3)


# Tables


@pytest.mark.parametrize(
    ("text", "years", "kind"),
    [
        ("2018", 2018.0, "year"),
        ("2018.25", 2018.25, "decimal"),
        ("2018-04", 2018.25, "month"),
        ("2018-04-01", 2018.25, "day"),
        ("2018-04-16", 2018.25 + 0.5 / 12, "day"),
        ("2016-02-29", 2016 + (1 + 28 / 29) / 12, "day"),
        ("2018-04-01T10:30", 2018.25, "day"),
        ("12", 12.0, "year"),
    ],
)
def test_dates_that_are_read(text, years, kind):
    parsed = parse_date(text)
    assert parsed is not None
    assert parsed == (pytest.approx(years), kind)


@pytest.mark.parametrize(
    "text", ["13/05/2001", "May 2001", "2018-13", "2018-02-30", "0000-01", "-5", "1e3", "20180", "n/a"]
)
def test_dates_that_are_refused(text):
    assert parse_date(text) is None


def test_years_and_months_together_are_years(folder):
    rows = [("a", "x", 2000), ("b", "x", "2001-07"), *[(f"c{i}", "x", 2002) for i in range(5)]]
    data = read(table(folder / "mixed.csv", HEAD, rows))
    assert data.step == 1.0 and any("taken as years" in note for note in data.notes)


STATES = [(f"s{i}", "x", 2000 + i) for i in range(8)]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([("a", "x", "soon")], ":2: date: 'soon' is not a date; allowed: 2018-04-01"),
        ([*STATES, ("s1", "x", 2003)], ":10: place: 's1' and 'x' are in line 3 too"),
        ([("a", "x", ""), ("b", "x", "")], "no place has adopted anything"),
        ([("a", "x", 2000), ("b", "x", 2000)], "all adoptions are at the same time"),
        ([("a", "x", 2000), ("b", "x", 2001)], "only 1 adoption after the first date"),
        ([("", "x", 2000)], ":2: place"),
    ],
)
def test_odd_events_are_refused_in_a_line(folder, rows, words):
    with pytest.raises(InputError) as error:
        read(table(folder / "odd.csv", HEAD, rows))
    assert words in str(error.value)


def test_a_place_missing_from_the_table_is_said_once(folder):
    rows = [("s0", "x", 2000), ("s9", "x", 2001), ("s9", "y", 2002), ("s9", "z", 2003), ("s8", "x", 2002)]
    with pytest.raises(InputError) as error:
        read(table(folder / "ev.csv", HEAD, rows), table(folder / "pl.csv", ("place", "lat", "lon"), [("s0", 1, 1)]))
    first, second = str(error.value).splitlines()
    assert ":3: place: 's9' is not in the table of places (3 rows)" in first
    assert ":6: place: 's8' is not in the table of places" in second and "rows" not in second


@pytest.mark.parametrize(
    ("head", "rows", "words"),
    [
        (("place", "lat", "lon"), [("s0", 1, 1)], "'s1' is not in the table of places"),
        (("place", "lat", "lon"), [("s0", 1, 1), ("s0", 2, 2)], "'s0' is in line 2 too"),
        (("place", "lat", "lon"), [("s0", 95, 1)], "lat"),
        (("name", "lat", "lon"), [("s0", 5, 1)], "is empty"),
    ],
)
def test_odd_places_are_refused_in_a_line(folder, head, rows, words):
    with pytest.raises(InputError) as error:
        read(table(folder / "ok.csv", HEAD, STATES), table(folder / "pl.csv", head, rows))
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([("s0", "s99", 1, "peers")], ":2: to: 's99' is not in the table"),
        ([("s0", "s1", -1, "peers")], "weight"),
        ([("s0", "s1", 1, "friends")], "'friends' is unknown; allowed: peers, leaders"),
    ],
)
def test_odd_links_are_refused_in_a_line(folder, rows, words):
    with pytest.raises(InputError) as error:
        read(
            table(folder / "ok.csv", HEAD, STATES),
            None,
            table(folder / "l.csv", ("from", "to", "weight", "channel"), rows),
        )
    assert words in str(error.value)


def test_an_end_before_the_start_is_refused(folder):
    with pytest.raises(InputError) as error:
        read(table(folder / "ok.csv", HEAD, STATES), None, None, Options(end="1990"))
    assert "the end of observation is not after its start" in str(error.value)


def test_the_same_score_is_not_called_worse(folder):
    """Without a network everybody listens to everybody: that is Bass, and neither predicts better."""
    rows = [(f"f{i:03d}", "x", 1990 + int(12 * (1 - (1 - i / 90) ** 0.5))) for i in range(90)]
    fit = adoption.fit(read(table(folder / "mixed_up.csv", HEAD, rows)))
    assert abs(fit.held_out["by_place"]["gain_over_bass"]) < 1e-3
    assert "predicts what was held out better" not in report.verdict(fit)


def test_covariates_must_vary_and_exist(folder):
    events = table(folder / "ok.csv", HEAD, STATES)
    places = table(folder / "c.csv", ("place", "flat"), [(name, 1) for name, _, _ in STATES])
    for names, words in ((("flat",), "is the same in all places"), (("income",), "income")):
        with pytest.raises(InputError) as error:
            read(events, places, None, Options(covariates=names))
        assert words in str(error.value)


def test_dates_of_states_and_policies(folder):
    """Fifty states, years, only adoptions listed: places from the events, the rest not adopted, a note on it."""
    scenario = world(50, 40, {"external": 0.02, "peers": 0.3}, guides=False, end="2050-01")
    events, _ = write(folder, scenario, year_dates=True)
    rows = [line.split(",") for line in events.read_text().splitlines()[1:]]
    listed = table(folder / "states.csv", HEAD, [row for row in rows if row[2]])
    data = read(listed)
    assert data.step == 1.0 and len(data.places) == 50 and len(data.technologies) == 40
    assert (data.when == NEVER).sum() == sum(not row[2] for row in rows)
    fit = adoption.fit(data)
    assert fit.tests["peers"]["p"] < 0.001
    notes = " ".join(report.notes(fit))
    assert "are not in the table" in notes and "Dates are years" in notes and "No coordinates" in notes


def test_one_technology_has_no_bootstrap_and_says_so(folder):
    scenario = world(150, 1, {"external": 0.05, "peers": 0.8}, guides=False)
    fit = adoption.fit(read(*write(folder, scenario), None, FRAME))
    assert fit.held_out["by_technology"] is None and fit.held_out["by_place"] is not None
    assert all(row.bootstrap_se is None for row in fit.estimates)
    assert any("no bootstrap by technology" in note for note in report.notes(fit))
    assert "bootstrap" not in report.summary(fit).partition("\n\n")[0]
    assert "bootstrap error" not in page(fit)


def test_edge_list_with_months(folder):
    """Rates along an edge list are recovered when the scenario's own network is written as one."""
    scenario = world(80, 12, {"external": 0.03, "peers": 0.6}, guides=False)
    events, places = write(folder, scenario)
    by_gravity = adoption.fit(read(events, places, None, FRAME))
    data = read(events, places, None, FRAME)
    edges = [(*pair, weight) for pair, weight in _pairs(data.peers, data.places)]
    links = table(folder / "edges.csv", ("from", "to", "weight"), edges)
    by_edges = adoption.fit(read(events, None, links, FRAME))
    one, other = ({row.name: row.estimate for row in fit.estimates} for fit in (by_gravity, by_edges))
    assert one["peers"] == pytest.approx(other["peers"], rel=1e-4)
    # the one leader of the table of places had everything from the start: an external rate by another name
    assert one["external"] + one["leaders"] == pytest.approx(other["external"], rel=1e-3)


def test_sources_that_the_data_cannot_tell_apart_are_named(folder):
    """Leaders that all had everything from the start: their exposure is 1 throughout, like the external rate."""
    places = [{"id": f"p{i}", "region": "r", "lat": 50 + i / 10, "lon": 50.0} for i in range(20)]
    places += [{"id": f"g{i}", "region": "s", "lat": 53 + i / 10, "lon": 53.0, "role": "guide"} for i in range(3)]
    kinds = [f"k{i}" for i in range(10)]
    first = [(place, kind) for kind in kinds for place in ("p0", "g0", "g1", "g2")]
    scenario = build(
        places, kinds, ("r", "s"), first, diffusion={"external": 0.05, "leaders": 0.1, "peers": 0.3}, end="2026-01"
    )
    fit = adoption.fit(read(*write(folder, scenario), None, FRAME))
    assert any("do not tell apart: external and leaders" in note for note in report.notes(fit))
    assert report.as_json(fit)["parameters"]["leaders"]["high"] is None


def test_a_source_at_its_limit_has_an_upper_bound_only(folder):
    """A chain in which everybody follows the neighbour who has it: nothing is left for the external rate."""
    rows = [(f"t{i:02d}", "x", 2000 + i) for i in range(15)] + [("u", "x", ""), ("v", "x", "")]
    edges = [(f"t{i:02d}", f"t{i + 1:02d}") for i in range(14)] + [("u", "v"), ("v", "u")]
    links = table(folder / "chain.csv", ("from", "to"), edges)
    fit = adoption.fit(read(table(folder / "chained.csv", HEAD, rows), None, links))
    external = fit.estimates[0]
    assert external.estimate == 0 and external.low == 0 and external.se is None
    # nobody of 2 + 13 + 12 + ... waiting years was owed to it: the 95 % bound is near 1.35 / years (half of chi-square)
    years = fit.sample.waited[0].sum()
    assert 1.0 / years < external.high < 1.6 / years


# The command


def test_command_prints_stable_keys_and_writes_a_page(folder):
    events, places = write(folder, world(40, 20, TRUTH))
    html, kept = folder / "page.html", folder / "fit.json"
    arguments = ["adoption", str(events), "--places", str(places), "--json", "--page", str(html), "-o", str(kept)]
    result = CliRunner().invoke(command, [*arguments, "--listed-only"], catch_exceptions=False)
    assert result.exit_code == 0
    plain = json.loads(result.stdout)
    assert plain == json.loads(kept.read_text())
    assert {"n_places", "n_technologies", "parameters", "tests", "held_out"} <= set(plain)
    assert {"estimate", "se", "low", "high"} <= set(plain["parameters"]["peers"])
    text = html.read_text()
    assert text.count("<svg") == 4 and "http" not in text.replace("http-equiv", "") and "NaN" not in text


def test_command_refuses_in_a_line(folder):
    missing = CliRunner().invoke(command, ["adoption", str(folder / "evnts.csv")], catch_exceptions=False)
    assert missing.exit_code == 2 and "no such file" in missing.output
    odd = table(folder / "bad.csv", ("town", "technology", "date"), [("a", "x", 2000)])
    result = CliRunner().invoke(command, ["adoption", str(odd)], catch_exceptions=False)
    assert result.exit_code == 2 and "the column is missing" in result.output
    events = table(folder / "ok.csv", HEAD, STATES)
    result = CliRunner().invoke(command, ["adoption", str(events), "--end", "later"], catch_exceptions=False)
    assert result.exit_code == 2 and "'later' is not a date" in result.output


def test_page_says_what_the_fit_says(truth):
    text = page(truth)
    assert report.verdict(truth).split(";")[0] in text.replace("&lt;", "<")


def test_one_date_of_another_kind_is_refused(tmp_path):
    rows = [f"p{i},k,{2010 + i}-03" for i in range(6)] + ["p7,k,05.2016"]
    path = tmp_path / "events.csv"
    path.write_text("\n".join(["place,technology,date", *rows]), encoding="utf-8")
    result = CliRunner().invoke(command, ["adoption", str(path)], catch_exceptions=False)
    assert result.exit_code == 2
    assert "events.csv:8: date: '05.2016' is another kind of date" in result.output
