"""What is to be said about a GRP fit: printed figures beside ours, notes in words, JSON and the fit file."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from calibration.grp.fit import (
    FORMS,
    NAMES,
    Fit,
    correlations,
    fit,
    named,
    normal_equations,
    read_regions,
)
from calibration.grp.least_squares import solve
from sim.results.folder import write_whole

PRINTED_TABLE = (
    "4dc20237fec228dc439b481dcc3bca231c931acaae4ffa8d3348544661dba7b4"  # fingerprint of Table 1 of the paper
)

# Zhubanazarov, Ulakov, Yordanova (2025), equations 3, 4 and 5
PRINTED_SUMS = {
    "n": 20,
    "x1": 46991.79,
    "x2": 12209896,
    "y": 120561.1,
    "x1_x1": 203196078.21,
    "x1_x2": 27909288055.86,
    "y_x1": 387378636.14,
    "x2_x2": 11746456184968,
    "y_x2": 113113303367.45,
}
PRINTED_COEFFICIENTS = {"a": -2546.87344, "b1": 1.201164223, "b2": 0.009422989}
PRINTED_CORRELATIONS = {"y_x1": 0.44, "y_x2": 0.78, "x1_x2": -0.03}
PRINTED_R = 0.91
AGREES = 1e-6  # relative
FEW = 10
"""Below so many regions a fit of three coefficients says little, and tests, influence and forms say nothing."""


def is_printed_table(fit: Fit) -> bool:
    """Whether the rows are those of the paper's Table 1, in whatever order or file."""
    return fit.regions.fingerprint == PRINTED_TABLE


def printed_comparison(fit: Fit) -> list[dict[str, Any]] | None:
    """Each printed figure beside ours with the relative difference; None for any other table."""
    if not is_printed_table(fit):
        return None
    x, y = fit.regions.x, fit.regions.y
    ours = correlations(x, y)
    rows = [_beside(f"sum {key}", value, normal_equations(x, y)[key]) for key, value in PRINTED_SUMS.items()]
    rows += [_beside(key, value, named(solve(x, y)[0])[key]) for key, value in PRINTED_COEFFICIENTS.items()]
    rows += [_beside(f"correlation {key}", value, ours[key]) for key, value in PRINTED_CORRELATIONS.items()]
    rows.append(_beside("R", PRINTED_R, multiple_correlation(ours)))
    return rows


def _beside(what: str, printed: float, ours: float) -> dict[str, Any]:
    difference = (ours - printed) / abs(printed)
    return {
        "what": what,
        "printed": printed,
        "ours": ours,
        "relative_difference": difference,
        "agrees": abs(difference) <= AGREES,
    }


def multiple_correlation(r: dict[str, float]) -> float:
    """R from the three pairwise correlations: equation 5 of the paper."""
    explained = r["y_x1"] ** 2 + r["y_x2"] ** 2 - 2 * r["y_x1"] * r["y_x2"] * r["x1_x2"]
    return math.sqrt(explained / (1 - r["x1_x2"] ** 2))


def solution_of_printed_sums() -> dict[str, float]:
    """Coefficients that solve the printed normal equations (3)."""
    s = PRINTED_SUMS
    left = [[s["n"], s["x1"], s["x2"]], [s["x1"], s["x1_x1"], s["x1_x2"]], [s["x2"], s["x1_x2"], s["x2_x2"]]]
    return named(np.linalg.solve(np.array(left), np.array([s["y"], s["y_x1"], s["y_x2"]])))


def notes(fit: Fit) -> list[str]:
    """What a reader must know before using the figures, in words, each computed from the fit."""
    makers: list[Callable[[Fit], list[str]]] = [
        _meaning,
        _deciders,
        _printed_notes,
        _units_note,
        _not_for_places,
        _no_cause,
        _multiple_r,
        _choice,
        _uncertainty,
        _shape,
        _neighbours,
        _left_out,
    ]
    if len(fit.regions) < FEW:
        exact = [] if fit.inference.tests else [_uncertainty]
        makers = [_few, *exact, _meaning, _units_note, _not_for_places, _no_cause, _left_out]
    return [note for maker in makers for note in maker(fit)]


def _few(fit: Fit) -> list[str]:
    return [
        f"{len(fit.regions)} regions are too few: three coefficients take up most of what so few rows can tell, and "
        "the fit says little of other regions; lean neither on R2 nor on the intervals."
    ]


def deciders(fit: Fit) -> list[int]:
    """Rows whose Cook's distance exceeds 4 / n (Bollen and Jackman 1985), the largest first."""
    distance = fit.inference.cooks_distance
    rows = [int(row) for row in np.argsort(-distance) if distance[row] > 4 / len(distance)]
    return rows if np.isfinite(distance).all() else []


def _deciders(fit: Fit) -> list[str]:
    rows = deciders(fit)
    limit = f"4/n = {4 / len(fit.regions):.2f}"
    if not rows:
        return [f"No single region decides the slopes: no Cook's distance is above {limit}."]
    influence, shown = fit.inference, rows[:4]
    names = [fit.regions.names[row] for row in shown]
    figures = [
        f"{name} {influence.cooks_distance[row]:.2f} (leverage {influence.leverage[row]:.2f})"
        for name, row in zip(names, shown, strict=True)
    ]
    moved = [
        f"without {name} b1 is {figure(fit.form.left_out[row, 1])} and b2 {figure(fit.form.left_out[row, 2])}"
        for name, row in zip(names, shown, strict=True)
    ]
    rest = f"{len(rows) - len(shown)} more are" if len(rows) > len(shown) else "no other is"
    return [
        f"{join(names)} {'decides' if len(rows) == 1 else 'decide'} the slopes. Cook's distance: "
        f"{'; '.join(figures)}; {rest} above {limit}. With all regions b1 is "
        f"{figure(fit.coefficients['b1'])} and "
        f"b2 {figure(fit.coefficients['b2'])}; {'; '.join(moved)}."
    ]


def _printed_notes(fit: Fit) -> list[str]:
    comparison = printed_comparison(fit)
    if comparison is None:
        return []
    rows = {row["what"]: row for row in comparison}
    worst = max(abs(row["relative_difference"]) for what, row in rows.items() if what.startswith("sum "))
    apart = max(abs(rows[name]["relative_difference"]) for name in NAMES)
    solved = solution_of_printed_sums()
    again = max(abs(solved[name] / PRINTED_COEFFICIENTS[name] - 1) for name in NAMES)
    return [
        f"This is Table 1 of the paper. Its sums differ from the printed ones by {worst:.1g} at most, its "
        "coefficients "
        f"from the printed ones by {apart:.1g} (relative); the printed equations, solved, differ from the "
        "printed "
        f"solution by {again:.1g}: six digits are good.",
        _truncation(rows),
        _persons(fit),
    ]


def _truncation(rows: dict[str, dict[str, Any]]) -> str:
    pairs = [rows[f"correlation {key}"] for key in PRINTED_CORRELATIONS]
    cut = all(math.trunc(row["ours"] * 100) == round(row["printed"] * 100) for row in pairs)
    rounded = all(round(row["ours"], 2) == row["printed"] for row in pairs)
    how = "were truncated, not rounded" if cut and not rounded else "differ from the table's"
    ours, printed = (join([f"{row[key]:.{digits}f}" for row in pairs]) for key, digits in (("ours", 4), ("printed", 2)))
    return (
        f"The printed correlations {how}: the table gives {ours}, the paper prints {printed}. Equation 5 "
        "gives "
        f"{multiple_correlation(PRINTED_CORRELATIONS):.3f} from those, and {rows['R']['ours']:.4f} from the "
        "table."
    )


def _persons(fit: Fit) -> str:
    people = fit.regions.x[:, 1]
    slope = solve(fit.regions.x, fit.regions.y)[0][2]
    return (
        "The population unit is persons, though the header of the printed table says thousand people: read "
        "as "
        f"thousands, {grouped(people.sum() / 1e3)} million would live in its towns. So a million people "
        "more goes with "
        f"{grouped(slope * 1e6)} bn tenge, not with the 0.009 bn that the paper reads off."
    )


def _units_note(fit: Fit) -> list[str]:
    largest = fit.regions.x[:, 1].max()
    if largest >= 50_000:
        return []
    return [
        f"The largest urban population is {largest:g}: if the table counts thousands, b2 is for a thousand "
        "people, "
        "and scenarios, which count persons, cannot use this fit."
    ]


def _meaning(fit: Fit) -> list[str]:
    b1, b2 = fit.coefficients["b1"], fit.coefficients["b2"]
    unit, industry = (f" {text.replace('bln', 'bn')}" if text else "" for text in fit.regions.units[:2])
    if fit.form.name == "loglog":
        return [f"1 % more industry goes with {b1:.2g} % more GRP, 1 % more urban people with {b2:.2g} %."]
    return [
        f"Between regions, 1{industry} more of industry goes with {b1:.4g}{unit} more of GRP, and a million "
        f"urban people more with {grouped(b2 * 1e6)}{unit}."
    ]


def _not_for_places(fit: Fit) -> list[str]:
    place = fit.coefficients["a"] + fit.coefficients["b1"] * 200 + fit.coefficients["b2"] * 1e5
    if fit.form.name != "linear" or place >= 0 or _units_note(fit):
        return []
    unit, industry = (f" {text.replace('bln', 'bn')}" if text else "" for text in fit.regions.units[:2])
    return [
        f"The equation is for regions: a place of 100 000 people and 200{industry} of industry would be "
        f"given a product of {grouped(place)}{unit}. It must not be applied to a municipality."
    ]


def _no_cause(fit: Fit) -> list[str]:
    y, industry = fit.regions.y, fit.regions.x[:, 0]
    over = int((industry > y).sum())
    gross = (
        f" In {over} of {len(y)} rows industry exceeds GRP: there it is gross output, not value added." if over else ""
    )
    return [
        "Industry is part of GRP, so that part of the fit is an identity, and nothing digital is in the "
        "equation: it "
        "compares regions of one year, and says nothing of what a technology changes. Every effect on GRP "
        "that a "
        f"simulation derives from it is a conditional projection.{gross}"
    ]


def _multiple_r(fit: Fit) -> list[str]:
    own = "" if fit.form.name == "linear" else " (between logarithms)"
    return [
        f"R = {math.sqrt(max(fit.inference.r2, 0)):.4f}{own} is the square root of R2 = "
        f"{fit.inference.r2:.4f}. It lies "
        "between 0 and 1: a multiple R cannot be negative, and its sign says nothing of direction. For a "
        "region that "
        f"the fit has not seen, R2 is {fit.errors[fit.form.name]['loo_R2']:.3f} (leave-one-out, level of "
        "GRP)."
    ]


def _choice(fit: Fit) -> list[str]:
    errors = {name: fit.errors[name] for name in FORMS if name in fit.errors}
    if len(errors) < 2:
        return ["Some figure has no logarithm, so that the log-log form cannot be compared."]
    each = [
        f"the {spoken(name)} form errs by {grouped(row['loo_mean_absolute_error'])} on average, "
        f"{row['loo_median_relative_error']:.0%} in the median, "
        f"{grouped(row['loo_root_mean_square_error'])} in root "
        f"mean square, of which {_worst(fit, name)} alone makes {row['largest_share_of_squared_error']:.0%}"
        for name, row in errors.items()
    ]
    better, by_squares = (
        min(errors, key=lambda name: errors[name][key])
        for key in ("loo_mean_absolute_error", "loo_root_mean_square_error")
    )
    verdict = [
        f"Out of sample, in the units of GRP (log-log carried back with Duan's smearing), {'; '.join(each)}.",
        f"The {spoken(better)} form is better by the mean absolute error, which decides, since the squared "
        "error "
        "judges by one region.",
    ]
    if by_squares != better:
        verdict.append(f"By the squared error the {spoken(by_squares)} form would be.")
    if errors["linear"]["negative_predictions"]:
        verdict.append(
            f"The linear form predicts a negative product for {errors['linear']['negative_predictions']} regions."
        )
    chosen = "as the better" if fit.asked == "best" else "as asked"
    verdict.append(f"The {spoken(fit.form.name)} form is used, {chosen}.")
    return [" ".join(verdict), *_per_head(fit)]


def _worst(fit: Fit, form: str) -> str:
    return fit.regions.names[int(np.argmax(np.abs(fit.forms[form].predictions - fit.regions.y)))]


def _per_head(fit: Fit) -> list[str]:
    absolute = {name: row["loo_mean_absolute_error"] for name, row in fit.errors.items()}
    if min(absolute, key=lambda name: absolute[name]) != "per_head":
        return []
    row = fit.errors["per_head"]
    return [
        f"The form per urban inhabitant (y / x2 on x1 / x2) predicts better than both: it errs by "
        f"{grouped(row['loo_mean_absolute_error'])} on average and {row['loo_median_relative_error']:.0%} "
        "in the "
        "median. Scenarios know the linear and the log-log form."
    ]


def _uncertainty(fit: Fit) -> list[str]:
    if not fit.inference.tests:
        return ["The fit is exact: it has no errors, and tests say nothing."]
    errors, robust = fit.inference.standard_errors, fit.inference.hc3_standard_errors
    ratios = [f"{name} {robust[j] / errors[j]:.1f}" for j, name in enumerate(NAMES)]
    spans = [f"{name} {figure(low)} to {figure(high)}" for name, (low, high) in fit.interval.items()]
    below = [
        f"b{j} is not positive in {np.mean(fit.draws[:, j] <= 0):.1%}" for j in (1, 2) if (fit.draws[:, j] <= 0).any()
    ]
    share = f" Of the draws {' and '.join(below)}." if below else ""
    return [
        f"95 % bootstrap intervals: {'; '.join(spans)}.{share} Robust (HC3) errors are the classical ones "
        "times: "
        f"{', '.join(ratios)}."
    ]


def _shape(fit: Fit) -> list[str]:
    doubted = [
        f"{TESTS[name]} ({probability(test['p'])})" for name, test in fit.inference.tests.items() if test["p"] < 0.05
    ]
    if not doubted:
        return ["No specification test objects at 5 %."] if fit.inference.tests else []
    return [f"Tests that object at 5 %: {join(doubted)}. Classical errors are then not to be relied on."]


TESTS = {
    "breusch_pagan": "Breusch-Pagan",
    "white": "White",
    "reset": "RESET",
    "jarque_bera": "Jarque-Bera",
    "shapiro_wilk": "Shapiro-Wilk",
    "moran": "Moran's I",
}


def _neighbours(fit: Fit) -> list[str]:
    if fit.spatial is None:
        return []
    verdict = "are related" if fit.spatial["p"] < 0.05 else "show no relation"
    return [
        f"Residuals of neighbouring regions {verdict}: Moran's I is {fit.spatial['statistic']:.3f} "
        f"({probability(fit.spatial['p'])}, {fit.spatial['n']} regions with coordinates)."
    ]


def _left_out(fit: Fit) -> list[str]:
    rows = [f"{name} ({note})" if note else name for name, note in fit.regions.left_out]
    return [f"Left out by the table: {'; '.join(rows)}."] if rows else []


def join(words: list[str]) -> str:
    """`a, b and c`."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def grouped(value: float) -> str:
    """A whole number with its thousands apart: `9 423`."""
    return f"{value:,.0f}".replace(",", " ").replace("-", "\u2212")


def figure(value: float) -> str:
    """Three digits without exponent, thousands apart: `1.2`, `0.00942`, `−4 726`."""
    if abs(value) >= 1000:
        return grouped(value)
    return np.format_float_positional(value, 3, unique=False, fractional=False, trim="-").replace("-", "\u2212")


def probability(p: float) -> str:
    """`p = 0.03`, or `p < 0.001`."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}"


def spoken(form: str) -> str:
    """The name of a form in words."""
    return {"linear": "linear", "loglog": "log-log", "per_head": "per-head"}[form]


def in_words(fit: Fit) -> str:
    """The result as text for a terminal: coefficients, the printed figures beside ours, notes."""
    inference, result = fit.inference, as_json(fit)
    first = result["notes"][: int(len(fit.regions) < FEW)]
    lines = [
        *first,
        f"{fit.regions.path.name}: {EQUATIONS[fit.form.name]}, {len(fit.regions)} regions",
        f"{'':4}{'estimate':>16}{'error':>12}{'HC3 error':>12}   95 % bootstrap interval",
    ]
    for j, name in enumerate(NAMES):
        low, high = fit.interval[name]
        lines.append(
            f"{name:4}{inference.coefficients[j]:16.9g}{inference.standard_errors[j]:12.4g}"
            f"{inference.hc3_standard_errors[j]:12.4g}   {low:.4g} to {high:.4g}"
        )
    lines.append(f"R {result['R']:.4f}   R2 {result['R2']:.4f}   R2 out of sample {result['loo_R2']:.4f}")
    for row in result["printed"] or ():
        lines.append(
            f"{row['what']:18}printed {row['printed']:<18.15g} ours {row['ours']:<18.15g} "
            f"difference {row['relative_difference']:+.1e}{'' if row['agrees'] else '  differs'}"
        )
    return "\n".join([*lines, "", *(f"- {note}" for note in result["notes"][len(first) :])])


EQUATIONS = {"linear": "y = a + b1 x1 + b2 x2", "loglog": "log y = a + b1 log x1 + b2 log x2"}


def as_json(fit: Fit) -> dict[str, Any]:
    """The result: the stable keys of the interface first, then what goes beyond them; NaN becomes None."""
    inference, regions = fit.inference, fit.regions
    return _plain(
        {
            "form": fit.form.name,
            "n": len(regions),
            "coefficients": fit.coefficients,
            "standard_errors": named(inference.standard_errors),
            "hc3_standard_errors": named(inference.hc3_standard_errors),
            "R": math.sqrt(max(inference.r2, 0.0)),
            "R2": inference.r2,
            "correlations": fit.correlations,
            "influence": _influence(fit),
            "loo_R2": fit.errors[fit.form.name]["loo_R2"],
            "tests": inference.tests | ({"moran": fit.spatial} if fit.spatial else {}),
            "notes": notes(fit),
            "adjusted_R2": inference.adjusted_r2,
            "normal_equations": normal_equations(fit.form.x, fit.form.response),
            "printed": printed_comparison(fit),
            "forms": {
                name: {"coefficients": named(form.coefficients), **fit.errors[name]} for name, form in fit.forms.items()
            },
            "bootstrap": {
                "method": "pairs bootstrap",
                "seed": fit.seed,
                "n": len(fit.draws),
                "collinear_redrawn": fit.redrawn,
                "interval": "95 %, expanded percentiles",
                "intervals": fit.interval,
            },
            "columns": dict(zip(("y", "x1", "x2"), regions.columns, strict=True)),
            "units": dict(zip(("y", "x1", "x2"), regions.units, strict=True)),
            "left_out": [{"region": name, "note": note} for name, note in regions.left_out],
            "data": regions.path.name,
            "data_sha256": regions.sha256,
        }
    )


def _influence(fit: Fit) -> list[dict[str, Any]]:
    inference = fit.inference
    return [
        {
            "region": name,
            "leverage": float(inference.leverage[row]),
            "cooks_distance": float(inference.cooks_distance[row]),
            "studentized_residual": float(inference.studentized[row]),
            "observed": float(fit.form.response[row]),
            "fitted": float(inference.fitted[row]),
            "loo": named(fit.form.left_out[row]),
        }
        for row, name in enumerate(fit.regions.names)
    ]


def _plain(value: Any) -> Any:
    """The same without NaN and infinities, which JSON does not know."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def fit_file(fit: Fit, path: Path) -> dict[str, Any]:
    """What a fit file at `path` holds: data with hash, form, units, coefficients, draws, diagnostics, notes.

    The data's path is relative to the folder of the scenarios, the one above `fits`.
    """
    result = as_json(fit)
    home = path.resolve().parent
    home = home.parent if home.name == "fits" else home
    diagnostics = {
        key: result[key]
        for key in (
            "standard_errors",
            "hc3_standard_errors",
            "R",
            "R2",
            "adjusted_R2",
            "correlations",
            "loo_R2",
        )
    }
    diagnostics |= {key: result[key] for key in ("tests", "forms", "bootstrap")}
    return {
        "kind": "grp",
        "data": Path(os.path.relpath(fit.regions.path.resolve(), home)).as_posix(),
        "data_sha256": result["data_sha256"],
        "columns": result["columns"],
        "asked": fit.asked,
        "form": result["form"],
        "units": result["units"],
        "n": result["n"],
        "coefficients": result["coefficients"],
        "draws": {
            "method": "pairs bootstrap",
            "seed": fit.seed,
            "n": len(fit.draws),
            **{name: fit.draws[:, j].tolist() for j, name in enumerate(NAMES)},
        },
        "diagnostics": _short(diagnostics),
        "notes": result["notes"],
    }


def _short(value: Any) -> Any:
    """Floats to 6 digits: a diagnostic means no more, and processors differ in the last ones."""
    if isinstance(value, dict):
        return {key: _short(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_short(item) for item in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value


def write_fit(fit: Fit, path: Path) -> None:
    """Write the fit file, one key a line."""
    lines = [f"{json.dumps(k)}: {json.dumps(v, ensure_ascii=False)}" for k, v in fit_file(fit, path).items()]
    write_whole(path, "{\n" + ",\n".join(lines) + "\n}\n")


def refit(path: Path) -> dict[str, Any]:
    """What the fit file at `path` would hold if it were made again from its data."""
    old = json.loads(path.read_text(encoding="utf-8"))
    home = path.parent.parent if path.resolve().parent.name == "fits" else path.parent
    regions = read_regions(home / old["data"], list(old["columns"].values()), list(old["units"].values()))
    return fit_file(fit(regions, old["asked"], old["draws"]["seed"], old["draws"]["n"]), path)
