"""What is to be said about a GRP fit? Notes, text for a terminal, JSON, and the fit file that a scenario names."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

import numpy as np

from calibration import files, words
from calibration.grp.fit import FORMS, NAMES, GrpFit, correlations, fit, named, normal_equations
from calibration.grp.paper import printed_comparison, replication
from calibration.grp.table import read_regions

FEW = 10
"""Below so many regions a fit of three coefficients says little, and tests, influence and forms say nothing."""
EQUATIONS = {"linear": "y = a + b1 x1 + b2 x2", "loglog": "log y = a + b1 log x1 + b2 log x2"}
TESTS = {
    "breusch_pagan": "Breusch-Pagan",
    "white": "White",
    "reset": "RESET",
    "jarque_bera": "Jarque-Bera",
    "shapiro_wilk": "Shapiro-Wilk",
    "moran": "Moran's I",
}


def notes(fit: GrpFit) -> list[str]:
    """What a reader must know before using the figures, in words, each computed from the fit."""
    unit, industry = (f" {text.replace('bln', 'bn')}" if text else "" for text in fit.regions.units[:2])
    choice = {name: fit.errors[name] for name in FORMS if name in fit.errors}
    best = {key: min(choice, key=lambda name: choice[name][key])
            for key in ("loo_mean_absolute_error", "loo_root_mean_square_error")}  # fmt: skip
    return words.notes(
        "grp.txt",
        fit=fit,
        few=len(fit.regions) < FEW,
        unit=unit,
        industry=industry,
        paper=replication(fit),
        r=multiple_r(fit),
        over=int((fit.regions.x[:, 0] > fit.regions.y).sum()),
        largest=float(fit.regions.x[:, 1].max()),
        deciding=[fit.regions.names[row] for row in fit.deciders[:4]],
        choice=choice,
        better=best["loo_mean_absolute_error"],
        by_squares=best["loo_root_mean_square_error"],
        best=min(fit.errors, key=lambda name: fit.errors[name]["loo_mean_absolute_error"]),
        worst={name: fit.regions.names[int(np.argmax(np.abs(fit.forms[name].predictions - fit.regions.y)))]
               for name in choice},
        not_positive=(fit.draws <= 0).mean(axis=0),
        doubted=[name for name, test in fit.regression.tests.items() if test["p"] < 0.05],
        called=TESTS,
    )  # fmt: skip


def multiple_r(fit: GrpFit) -> float:
    """The root of R2, which rounding may put below 0."""
    return math.sqrt(max(fit.regression.r2, 0.0))


def summary(fit: GrpFit) -> str:
    """The result as text for a terminal: coefficients, the printed figures beside ours, notes."""
    regression, result = fit.regression, as_json(fit)
    first = result["notes"][: int(len(fit.regions) < FEW)]
    lines = [
        *first,
        f"{fit.regions.path.name}: {EQUATIONS[fit.form.name]}, {len(fit.regions)} regions",
        f"{'':4}{'estimate':>16}{'error':>12}{'HC3 error':>12}   95 % bootstrap interval",
    ]
    for j, name in enumerate(NAMES):
        low, high = fit.interval[name]
        lines.append(
            f"{name:4}{regression.coefficients[j]:16.9g}{regression.standard_errors[j]:12.4g}"
            f"{regression.hc3_standard_errors[j]:12.4g}   {low:.4g} to {high:.4g}"
        )
    lines.append(f"R {result['R']:.4f}   R2 {result['R2']:.4f}   R2 out of sample {result['loo_R2']:.4f}")
    for row in result["printed"] or ():
        lines.append(
            f"{row['what']:18}printed {row['printed']:<18.15g} ours {row['ours']:<18.15g} "
            f"difference {row['relative_difference']:+.1e}{'' if row['agrees'] else '  differs'}"
        )
    return "\n".join([*lines, "", *(f"- {note}" for note in result["notes"][len(first) :])])


def as_json(fit: GrpFit) -> dict[str, Any]:
    """The result: the stable keys of the interface first, then what goes beyond them; NaN becomes None."""
    regression, regions = fit.regression, fit.regions
    result = {
        "form": fit.form.name,
        "n": len(regions),
        "coefficients": fit.coefficients,
        "standard_errors": named(regression.standard_errors),
        "hc3_standard_errors": named(regression.hc3_standard_errors),
        "R": multiple_r(fit),
        "R2": regression.r2,
        "correlations": correlations(fit.form.x, fit.form.response),
        "influence": _influence(fit),
        "loo_R2": fit.errors[fit.form.name]["loo_R2"],
        "tests": regression.tests | ({"moran": fit.spatial} if fit.spatial else {}),
        "notes": notes(fit),
        "adjusted_R2": regression.adjusted_r2,
        "normal_equations": normal_equations(fit.form.x, fit.form.response),
        "printed": printed_comparison(fit),
        "forms": {
            name: {"coefficients": named(form.regression.coefficients), **fit.errors[name]}
            for name, form in fit.forms.items()
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
    found: dict[str, Any] = files.plain(result)
    return found


def _influence(fit: GrpFit) -> list[dict[str, Any]]:
    """Each region's part in the fit."""
    regression = fit.regression
    return [
        {
            "region": name,
            "leverage": float(regression.leverage[row]),
            "cooks_distance": float(regression.cooks_distance[row]),
            "studentized_residual": float(regression.studentized[row]),
            "observed": float(fit.form.response[row]),
            "fitted": float(regression.fitted[row]),
            "loo": named(regression.left_out[row]),
        }
        for row, name in enumerate(fit.regions.names)
    ]


DIAGNOSTICS = (
    "standard_errors", "hc3_standard_errors", "R", "R2", "adjusted_R2", "correlations", "loo_R2", "tests", "forms",
    "bootstrap",
)  # fmt: skip


def fit_file(fit: GrpFit, path: Path) -> dict[str, Any]:
    """What a fit file at `path` holds: data with hash, form, units, coefficients, draws, diagnostics, notes.

    The data's path is relative to the folder of the scenarios, the one above `fits`.
    """
    result = as_json(fit)
    draws = {name: fit.draws[:, j].tolist() for j, name in enumerate(NAMES)}
    return {
        "kind": "grp",
        "data": Path(os.path.relpath(fit.regions.path.resolve(), _home(path))).as_posix(),
        "data_sha256": result["data_sha256"],
        "columns": result["columns"],
        "asked": fit.asked,
        "form": result["form"],
        "units": result["units"],
        "n": result["n"],
        "coefficients": result["coefficients"],
        "draws": {"method": "pairs bootstrap", "seed": fit.seed, "n": len(fit.draws), **draws},
        "diagnostics": files.rounded({key: result[key] for key in DIAGNOSTICS}, 6),
        "notes": result["notes"],
    }


def _home(path: Path) -> Path:
    """The folder of the scenarios that a fit file belongs to."""
    folder = path.resolve().parent
    return folder.parent if folder.name == "fits" else folder


def write_fit(fit: GrpFit, path: Path) -> None:
    """Write the fit file that a scenario names in `economy.fit`. Raises InputError where it cannot be written."""
    files.write_fit_file(path, fit_file(fit, path))


def refit(path: Path) -> dict[str, Any]:
    """What the fit file at `path` would hold if it were made again from its data."""
    old = json.loads(path.read_text(encoding="utf-8"))
    regions = read_regions(_home(path) / old["data"], list(old["columns"].values()), list(old["units"].values()))
    return fit_file(fit(regions, old["asked"], old["draws"]["seed"], old["draws"]["n"]), path)
