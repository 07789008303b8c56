"""Is the regional product regression exact against the paper, NIST and hand, and honest about its errors?"""

import csv
import html
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from calibration.cli import calibrate
from calibration.grp import fit as grp
from calibration.grp import least_squares, paper
from calibration.grp import page as grp_page
from calibration.grp import report as grp_report
from calibration.grp.table import read_regions
from sim.report.words import figure

SCENARIOS = Path(__file__).parent.parent / "scenarios"
KAZAKHSTAN = SCENARIOS / "tables" / "kazakhstan_regions.csv"
RUSSIA = SCENARIOS / "tables" / "russia_regions.csv"
STABLE_KEYS = [
    "form",
    "n",
    "coefficients",
    "standard_errors",
    "hc3_standard_errors",
    "R",
    "R2",
    "correlations",
    "influence",
    "loo_R2",
    "tests",
    "notes",
]

# NIST StRD, Longley (1967): y, then six regressors; certified by NIST to 15 digits
# https://www.itl.nist.gov/div898/strd/lls/data/Longley.shtml
LONGLEY = np.array(
    [
        [60323, 83.0, 234289, 2356, 1590, 107608, 1947],
        [61122, 88.5, 259426, 2325, 1456, 108632, 1948],
        [60171, 88.2, 258054, 3682, 1616, 109773, 1949],
        [61187, 89.5, 284599, 3351, 1650, 110929, 1950],
        [63221, 96.2, 328975, 2099, 3099, 112075, 1951],
        [63639, 98.1, 346999, 1932, 3594, 113270, 1952],
        [64989, 99.0, 365385, 1870, 3547, 115094, 1953],
        [63761, 100.0, 363112, 3578, 3350, 116219, 1954],
        [66019, 101.2, 397469, 2904, 3048, 117388, 1955],
        [67857, 104.6, 419180, 2822, 2857, 118734, 1956],
        [68169, 108.4, 442769, 2936, 2798, 120445, 1957],
        [66513, 110.8, 444546, 4681, 2637, 121950, 1958],
        [68655, 112.6, 482704, 3813, 2552, 123366, 1959],
        [69564, 114.2, 502601, 3931, 2514, 125368, 1960],
        [69331, 115.7, 518173, 4806, 2572, 127852, 1961],
        [70551, 116.9, 554894, 4007, 2827, 130081, 1962],
    ]
)
CERTIFIED = [
    (-3482258.63459582, 890420.383607373),
    (15.0618722713733, 84.9149257747669),
    (-0.358191792925910e-01, 0.334910077722432e-01),
    (-2.02022980381683, 0.488399681651699),
    (-1.03322686717359, 0.214274163161675),
    (-0.511041056535807e-01, 0.226073200069370),
    (1829.15146461355, 455.478499142212),
]
CERTIFIED_R2 = 0.995479004577296

# Five rows whose fit can be worked by hand: a = 3, b1 = 1, b2 = 1/2, residuals -1/2 (four times) and 2
BY_HAND = [(1, -1, -1), (2, -1, 1), (3, 1, -1), (4, 1, 1), (5, 0, 0)]


def write_table(path: Path, rows, header=("name", "grp_bln", "industry_bln", "urban_population")) -> Path:
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([header, *rows])
    return path


def named_rows(rows):
    return [(f"Region {i}", *row) for i, row in enumerate(rows, 1)]


def simulated(generator, n, skewed=True):
    x = generator.normal(size=(n, 2))
    x = np.exp(0.8 * x) if skewed else x
    return x, 1 + x @ np.array([1.2, 0.9]) + generator.normal(size=n)


@pytest.fixture(scope="module")
def kazakhstan():
    return grp.fit(read_regions(KAZAKHSTAN, units=("bln KZT", "bln KZT", "persons")))


@pytest.fixture(scope="module")
def russia():
    return grp.fit(read_regions(RUSSIA), "best")


@pytest.fixture(scope="module")
def by_hand(tmp_path_factory):
    return grp.fit(read_regions(write_table(tmp_path_factory.mktemp("hand") / "t.csv", named_rows(BY_HAND))))


def run(*arguments):
    return CliRunner().invoke(calibrate, ["grp", *map(str, arguments)])


# --- agreement


def test_paper_coefficients_to_six_digits(kazakhstan):
    expected = {"a": -2546.87327, "b1": 1.20116395, "b2": 0.00942299110}
    for name, value in expected.items():
        assert kazakhstan.coefficients[name] == pytest.approx(value, rel=5e-9)
        assert kazakhstan.coefficients[name] == pytest.approx(paper.PRINTED_COEFFICIENTS[name], rel=5e-7)
    assert grp_report.as_json(kazakhstan)["R"] == pytest.approx(0.91929, abs=5e-6)


def test_printed_figures_stand_beside_ours(kazakhstan):
    rows = {row["what"]: row for row in paper.printed_comparison(kazakhstan)}
    assert len(rows) == 16
    assert {what for what, row in rows.items() if not row["agrees"]} == {
        "correlation y_x1",
        "correlation y_x2",
        "correlation x1_x2",
        "R",
    }
    assert rows["sum x2_x2"]["ours"] == 11746456184968
    assert rows["sum x1_x1"]["relative_difference"] == pytest.approx(3.0875e-7, rel=1e-3)
    assert rows["correlation x1_x2"]["ours"] == pytest.approx(-0.0390326, rel=1e-5)
    assert paper.multiple_correlation(paper.PRINTED_CORRELATIONS) == pytest.approx(0.90738, abs=1e-5)


def test_printed_table_is_known_by_its_figures_only(tmp_path, kazakhstan):
    regions = kazakhstan.regions
    rows = [(*cells, name) for name, *cells in zip(regions.names, regions.y, *regions.x.T, strict=True)]
    keys = ["grp_2023_bln_tenge", "industry_2023_bln_tenge", "towns"]
    turned = read_regions(write_table(tmp_path / "a.csv", rows[::-1], [*keys, "name"]), keys)
    assert turned.units == ("bln tenge", "bln tenge", "persons")
    again = grp.fit(turned)
    assert paper.is_printed_table(again)
    assert again.regression.coefficients == pytest.approx(kazakhstan.regression.coefficients, rel=1e-12)
    rows[3] = (rows[3][0] + 0.01, *rows[3][1:])
    other = grp.fit(read_regions(write_table(tmp_path / "b.csv", rows, [*keys, "name"]), keys))
    assert paper.printed_comparison(other) is None
    assert not any("paper prints" in note for note in grp_report.notes(other))


def test_nist_longley_to_eight_digits():
    result = least_squares.regress(LONGLEY[:, 1:], LONGLEY[:, 0])
    estimates, errors = np.array(CERTIFIED).T
    assert result.coefficients == pytest.approx(estimates, rel=1e-9)
    assert result.standard_errors == pytest.approx(errors, rel=1e-9)
    assert result.r2 == pytest.approx(CERTIFIED_R2, rel=1e-12)


def test_a_fit_worked_by_hand(by_hand):
    regression = by_hand.regression
    assert regression.coefficients == pytest.approx([3, 1, 0.5], abs=1e-14)
    assert regression.standard_errors == pytest.approx([0.5**0.5, 0.625**0.5, 0.625**0.5])  # s2 = 5 / 2
    # HC3: residuals / (1 - leverage) are -5/3 and 5/2; (X'X)^-1 is diag(1/5, 1/4, 1/4)
    hc3 = [np.sqrt(4 * (25 / 9) + 6.25) / 5, np.sqrt(4 * 25 / 9) / 4, np.sqrt(4 * 25 / 9) / 4]
    assert regression.hc3_standard_errors == pytest.approx(hc3)
    assert regression.leverage == pytest.approx([0.7, 0.7, 0.7, 0.7, 0.2])
    assert regression.cooks_distance[4] == pytest.approx(1 / 6)
    assert (regression.r2, regression.adjusted_r2) == pytest.approx((0.5, 0.0))
    assert by_hand.regression.left_out[4] == pytest.approx([2.5, 1, 0.5])
    assert by_hand.errors["linear"]["loo_R2"] == pytest.approx(1 - (4 * 25 / 9 + 6.25) / 10)
    assert by_hand.errors["linear"]["loo_mean_absolute_error"] == pytest.approx((4 * 5 / 3 + 2.5) / 5)


def test_statsmodels_agrees_on_unscaled_columns(kazakhstan):
    import statsmodels.api as sm
    from statsmodels.stats.diagnostic import het_breuschpagan, het_white, linear_reset

    regions, ours = kazakhstan.regions, kazakhstan.regression
    result = sm.OLS(regions.y, sm.add_constant(regions.x)).fit()
    influence = result.get_influence()
    assert ours.coefficients == pytest.approx(result.params, rel=1e-8)
    assert ours.standard_errors == pytest.approx(result.bse, rel=1e-8)
    assert ours.hc3_standard_errors == pytest.approx(result.HC3_se, rel=1e-8)
    assert ours.cooks_distance == pytest.approx(influence.cooks_distance[0], rel=1e-6)
    assert ours.studentized == pytest.approx(influence.resid_studentized_external, rel=1e-6)
    assert ours.tests["breusch_pagan"]["p"] == pytest.approx(het_breuschpagan(result.resid, result.model.exog)[1])
    assert ours.tests["white"]["p"] == pytest.approx(het_white(result.resid, result.model.exog)[1], rel=1e-4)
    assert ours.tests["reset"]["p"] == pytest.approx(linear_reset(result, use_f=True).pvalue, rel=1e-4)


# --- properties of the solver


def refitted(x, y, rows):
    design = np.column_stack([np.ones(len(rows)), x[rows]])
    return np.linalg.lstsq(design, y[rows], rcond=None)[0]


def test_draws_are_refits_on_resampled_rows():
    x, y = simulated(np.random.default_rng(5), 12)
    draws, redrawn = least_squares.bootstrap(x, y, 20, np.random.default_rng(6))
    assert redrawn == 0
    for rows, coefficients in zip(np.random.default_rng(6).integers(12, size=(20, 12)), draws, strict=True):
        assert coefficients == pytest.approx(refitted(x, y, rows), rel=1e-8)


def test_left_out_are_refits_without_a_row():
    x, y = simulated(np.random.default_rng(7), 9)
    for row, coefficients in enumerate(least_squares.regress(x, y).left_out):
        assert coefficients == pytest.approx(refitted(x, y, np.delete(np.arange(9), row)), rel=1e-8)


def test_units_change_coefficients_and_nothing_else(kazakhstan):
    x, y = kazakhstan.regions.x, kazakhstan.regions.y
    ours = least_squares.regress(x, y)
    other = least_squares.regress(x / [1, 1e6], y * 1e9)
    assert other.coefficients == pytest.approx(ours.coefficients * [1e9, 1e9, 1e15], rel=1e-12)
    assert other.hc3_standard_errors == pytest.approx(ours.hc3_standard_errors * [1e9, 1e9, 1e15], rel=1e-10)
    assert other.cooks_distance == pytest.approx(ours.cooks_distance, rel=1e-8)


def test_collinear_resamples_are_drawn_again():
    x = np.array([[0.0, 1], [0, 2], [0, 3], [0, 4], [1, 5], [1, 7]])
    draws, redrawn = least_squares.bootstrap(x, x @ [1, 2.0], 300, np.random.default_rng(1))
    assert redrawn > 0
    assert draws == pytest.approx(np.broadcast_to([0, 1, 2.0], (300, 3)), abs=1e-9)


def test_logarithms_recover_elasticities_and_predictions_are_smeared(tmp_path):
    generator = np.random.default_rng(7)
    x = np.exp(generator.normal(3, 1, size=(12, 2)))
    exact = read_regions(write_table(tmp_path / "a.csv", named_rows(np.column_stack([3 * x[:, 0] ** 0.5, x]))))
    assert grp.loglog(exact).regression.coefficients == pytest.approx([np.log(3), 0.5, 0], abs=1e-9)
    y = 3 * x[:, 0] ** 0.5 * np.exp(generator.normal(size=12) * 0.3)
    form = grp.loglog(read_regions(write_table(tmp_path / "b.csv", named_rows(np.column_stack([y, x])))))
    kept = np.arange(12) != 4
    design = np.column_stack([np.ones(12), np.log(x)])
    fit = np.linalg.lstsq(design[kept], np.log(y[kept]), rcond=None)[0]
    smearing = np.exp(np.log(y[kept]) - design[kept] @ fit).mean()
    assert form.predictions[4] == pytest.approx(smearing * np.exp(design[4] @ fit))


def test_per_head_form_predicts_products(tmp_path):
    rows = [(2 * u + 0.5 * x, x, u) for x, u in [(1, 4), (7, 2), (3, 9), (8, 5), (2, 6), (9, 1)]]
    form = grp.per_head(read_regions(write_table(tmp_path / "t.csv", named_rows(rows))))
    assert form.regression.coefficients == pytest.approx([2, 0.5])
    assert form.predictions == pytest.approx([row[0] for row in rows])


def test_morans_i_of_alternating_neighbours_is_minus_one():
    ring = np.array([[0, 1, 0, 1], [1, 0, 1, 0], [0, 1, 0, 1], [1, 0, 1, 0]]) / 2
    value, p = least_squares.morans_i(np.array([1.0, -1, 1, -1]), ring, 3000, np.random.default_rng(1))
    assert value == pytest.approx(-1)
    assert p == pytest.approx(1 / 3, abs=0.04)  # 8 of the 24 orders alternate


def coverage(generator, n, replicates, draws, skewed):
    """Share of 95 % intervals that hold the truth, by coefficient."""
    hits = np.zeros(3)
    for _ in range(replicates):
        x, y = simulated(generator, n, skewed)
        low, high = least_squares.expanded_interval(least_squares.bootstrap(x, y, draws, generator)[0], n)
        hits += (low < [1, 1.2, 0.9]) & (high > [1, 1.2, 0.9])
    return hits / replicates


def test_bootstrap_intervals_cover():
    share = coverage(np.random.default_rng(12), 25, 500, 400, skewed=False)
    assert (share > 0.95 - 3 * np.sqrt(0.95 * 0.05 / 500)).all()
    assert (share < 0.995).all()


@pytest.mark.slow
@pytest.mark.parametrize("n", [20, 80])
@pytest.mark.parametrize(("skewed", "loss"), [(False, 0), (True, 0.01)])  # skewed columns cost one point
def test_bootstrap_intervals_cover_closely(n, skewed, loss):
    share = coverage(np.random.default_rng(n), n, 3000, 800, skewed)
    assert (share > 0.95 - loss - 3 * np.sqrt(0.95 * 0.05 / 3000)).all()
    assert (share < 0.98).all()


# --- what is said


def test_json_has_the_stable_keys_first():
    result = run(KAZAKHSTAN, "--json", "--draws", 100)
    assert result.exit_code == 0
    found = json.loads(result.stdout, parse_constant=pytest.fail)
    assert list(found)[: len(STABLE_KEYS)] == STABLE_KEYS
    assert list(found["coefficients"]) == ["a", "b1", "b2"]
    assert {"region", "leverage", "cooks_distance", "loo"} <= set(found["influence"][0])
    assert list(found["influence"][0]["loo"]) == ["a", "b1", "b2"]
    assert len(found["influence"]) == found["n"] == 20


def test_kazakh_notes_say_what_must_be_known(kazakhstan):
    text = " ".join(grp_report.notes(kazakhstan))
    for fragment in (
        "Almaty city, Atyrau and Shymkent city decide the slopes",
        "printed correlations were truncated",
        "population unit is persons",
        "a million people more goes with 9 423 bn tenge",
        "Industry is part of GRP",
        "nothing digital is in the equation",
        "a multiple R cannot be negative",
        "−1 364 bn KZT",
    ):
        assert fragment in text


def test_russian_fit_takes_the_better_form_and_says_why(russia):
    linear, loglog = russia.errors["linear"], russia.errors["loglog"]
    assert russia.form.name == "loglog"
    assert loglog["loo_mean_absolute_error"] < linear["loo_mean_absolute_error"]
    assert loglog["loo_median_relative_error"] < linear["loo_median_relative_error"]
    text = " ".join(grp_report.notes(russia))
    assert "The log-log form is used, as the better." in text
    assert "By the squared error the linear form would be." in text
    assert f"negative product for {linear['negative_predictions']} regions" in text
    assert "Republic of Kalmykia (part of the shipments suppressed" in text
    assert paper.printed_comparison(russia) is None


def test_a_thousand_is_not_taken_for_persons_in_silence(by_hand):
    assert any("counts thousands" in note for note in grp_report.notes(by_hand))


def test_an_exact_fit_has_no_tests_and_plain_json(tmp_path):
    rows = [(1 + 2 * x + 3 * u, x, u) for x, u in [(1, 4), (7, 2), (3, 9), (8, 5), (2, 6)]]
    result = run(write_table(tmp_path / "t.csv", named_rows(rows)), "--json", "--draws", 100)
    found = json.loads(result.stdout, parse_constant=pytest.fail)
    assert found["R"] == pytest.approx(1)
    assert found["coefficients"] == pytest.approx({"a": 1, "b1": 2, "b2": 3})
    assert any("The fit is exact" in note for note in found["notes"])


def test_few_regions_are_said_to_say_little(tmp_path):
    found = run(write_table(tmp_path / "t.csv", GOOD), "--draws", 100).stdout
    assert found.startswith(f"{len(GOOD)} regions are too few: ")
    assert "decide" not in found and "form is" not in found and "Tests" not in found
    assert "must not be applied" in found or "identity" in found


def test_words_for_a_terminal():
    result = run(KAZAKHSTAN, "--draws", 100)
    assert "-2546.87327" in result.stdout
    assert "1.201164223" in result.stdout
    assert "decide the slopes" in result.stdout


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.2, "1.2"),
        (0.009422991, "0.00942"),
        (-4725.7, "−4\u00a0726"),
        (0, "0"),
        (-0.0479, "−0.0479"),
        (999.6, "1000"),
    ],
)
def test_figures_in_words(value, text):
    assert figure(value) == text


# --- refusals

GOOD = named_rows([(10, 1, 3), (20, 5, 2), (25, 7, 9), (40, 8, 6), (50, 12, 4), (61, 13, 8)])


def changed(row, column, value):
    rows = [list(cells) for cells in GOOD]
    rows[row][column] = value
    return rows


REFUSED = {
    "too few rows": (GOOD[:4], (), "4 rows are too few", "5 to 3000 rows"),
    "too many rows": (GOOD * 501, (), "3006 rows are too many", "5 to 3000 rows"),
    "constant column": ([(*r[:2], 5, r[3]) for r in GOOD], (), "industry_bln", "the column is constant (5)"),
    "constant product": ([(r[0], 5, *r[2:]) for r in GOOD], (), "grp_bln", "the column is constant (5)"),
    "collinear columns": ([(*r[:3], 2 * r[2] + 7) for r in GOOD], (), "urban_population", "are collinear"),
    "one row alone": (
        [(*r[:3], int(i == 2)) for i, r in enumerate(GOOD)],
        (),
        ":4:",
        "Region 3: this row alone",
    ),
    "missing value": (changed(2, 2, ""), (), ":4: industry_bln", "Region 3: is empty"),
    "not a number": (changed(2, 2, "nan"), (), ":4: industry_bln", "'nan' is not a number"),
    "infinite": (changed(1, 1, "1e999"), (), ":3: grp_bln", "too large"),
    "zero and logs": (
        changed(4, 3, 0),
        ("--form", "loglog"),
        ":6: urban_population",
        "Region 5: 0 has no logarithm",
    ),
    "negative and best": (
        changed(0, 1, -3),
        ("--form", "best"),
        ":2: grp_bln",
        "Region 1: -3 has no logarithm",
    ),
    "unknown column": (
        GOOD,
        ("--columns", "grp_bln,industri_bln,urban_population"),
        "industri_bln",
        "missing; allowed: such a column, or --columns with the table's own names",
    ),
}


@pytest.mark.parametrize("fault", REFUSED)
def test_refused_in_one_line_by_row_and_column(tmp_path, fault):
    rows, options, *fragments = REFUSED[fault]
    result = run(write_table(tmp_path / "t.csv", rows), *options)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    for fragment in ("t.csv:", *fragments):
        assert fragment in result.stderr


def test_zero_in_a_linear_fit_is_no_fault(tmp_path):
    result = run(write_table(tmp_path / "t.csv", changed(4, 3, 0)), "--json", "--draws", 100)
    assert result.exit_code == 0
    assert list(json.loads(result.stdout)["forms"]) == ["linear"]


def test_rows_not_in_use_are_left_out_with_their_note(tmp_path):
    header = ("name", "grp_bln", "industry_bln", "urban_population", "use_in_fit", "note")
    rows = [*((*row, "", "") for row in GOOD), ("Whole", "", "", "", 0, "counted twice")]
    regions = read_regions(write_table(tmp_path / "t.csv", rows, header))
    assert len(regions) == 6
    assert regions.left_out == (("Whole", "counted twice"),)


def test_a_table_that_is_not_there_and_a_folder_that_cannot_be_written(tmp_path):
    assert run(tmp_path / "none.csv").exit_code == 2
    result = run(KAZAKHSTAN, "--draws", 100, "-o", tmp_path / "none" / "fit.json")
    assert result.exit_code == 2
    assert "cannot be written" in result.stderr
    assert run(KAZAKHSTAN, "--columns", "a,b").exit_code == 2


# --- fit files and the page


def assert_close(one, other, where=""):
    """The same words, and numbers alike to a relative 1e-9: processors differ in the last digits."""
    if isinstance(one, dict):
        assert list(one) == list(other), where
        for key in one:
            assert_close(one[key], other[key], f"{where}.{key}")
    elif isinstance(one, list):
        assert len(one) == len(other), where
        for at, pair in enumerate(zip(one, other, strict=True)):
            assert_close(*pair, f"{where}[{at}]")
    elif isinstance(one, float):
        assert one == pytest.approx(other, rel=1e-9), where
    else:
        assert one == other, where


@pytest.mark.parametrize(
    ("name", "form", "table"), [("kazakhstan-2023", "linear", KAZAKHSTAN), ("russia-2021", "loglog", RUSSIA)]
)
def test_shipped_fits_are_made_again(name, form, table):
    path = SCENARIOS / "fits" / f"{name}.json"
    shipped = json.loads(path.read_text(encoding="utf-8"))
    assert (shipped["kind"], shipped["form"]) == ("grp", form)
    assert (path.parent.parent / shipped["data"]).resolve() == table.resolve()
    again = grp_report.refit(path)
    assert shipped["data_sha256"] == again["data_sha256"], "the table has changed: fit it again"
    assert_close(shipped, again)
    assert all(len(shipped["draws"][key]) == shipped["draws"]["n"] == 1000 for key in ("a", "b1", "b2"))


def test_draws_belong_to_their_seed(by_hand):
    again = grp.fit(by_hand.regions)
    other = grp.fit(by_hand.regions, seed=2)
    assert (again.draws == by_hand.draws).all()
    assert (other.draws != by_hand.draws).any()
    assert (other.regression.coefficients == by_hand.regression.coefficients).all()


def test_fit_files_name_their_data_relative_to_the_scenarios(tmp_path):
    (tmp_path / "fits").mkdir()
    (tmp_path / "tables").mkdir()
    table = write_table(tmp_path / "tables" / "t.csv", GOOD)
    result = run(table, "--draws", 100, "-o", tmp_path / "fits" / "f.json")
    assert result.exit_code == 0, result.stderr
    assert json.loads((tmp_path / "fits" / "f.json").read_text())["data"] == "tables/t.csv"
    assert [path.name for path in (tmp_path / "fits").iterdir()] == ["f.json"]


def test_page_is_one_file_with_every_name_and_no_address(tmp_path, kazakhstan):
    path = tmp_path / "page.html"
    assert run(KAZAKHSTAN, "--units", "bln KZT,bln KZT,persons", "--page", path).exit_code == 0
    text = path.read_text(encoding="utf-8").replace("\u00a0", " ")
    assert "http" not in text.replace("http-equiv", "") and "<script" not in text and "<img" not in text
    assert text.count("<svg") == 3
    labels = set(re.findall(r"<text[^>]*>([^<]*)</text>", text))
    assert {html.escape(name) for name in kazakhstan.regions.names} <= labels
    ids = re.findall(r'<(?:clipPath|path|g) id="([mp][0-9a-f]{8,})"', text)
    assert len(ids) == len(set(ids)) > 0
    for note in grp_report.notes(kazakhstan):
        assert html.escape(note, quote=False).replace("'", "&#39;") in text


@pytest.mark.parametrize("country", ["kazakhstan", "russia"])
def test_names_in_the_picture_do_not_touch(country, request):
    picture = grp_page.observed_and_fitted(request.getfixturevalue(country))
    texts = picture.axes[0].texts
    assert len(texts) >= 12
    boxes = [text.get_window_extent() for text in texts]
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


def test_help_needs_no_heavy_import():
    script = "import sys, calibration.cli; print({'numpy', 'statsmodels', 'matplotlib'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
