"""How does gross regional product go with industry and urban population, and how fragile is that fit?

The equation of Zhubanazarov, Ulakov and Yordanova (2025): y = a + b1 x1 + b2 x2, or the same between
logarithms.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from calibration.grp import least_squares
from calibration.grp.least_squares import Array, Regression, predict, regress
from calibration.grp.table import RegionTable, logarithms
from sim.engine.draws import generator
from sim.engine.sphere import kilometres, on_sphere

FORMS = ("linear", "loglog")
"""Forms that a scenario knows; the form per head is shown beside them."""
NAMES = ("a", "b1", "b2")
DRAWS = 1000
PERMUTATIONS = 9999
NEAREST = 10.0
"""Kilometres: two main cities are taken to be at least so far apart, or a pair would outweigh the country."""


@dataclass(frozen=True, eq=False)
class Form:
    """One form of the equation: `x` [n, k], `response` [n], and `predictions` [n] of y for rows not seen."""

    name: str
    x: Array
    response: Array
    regression: Regression
    predictions: Array


def linear(regions: RegionTable) -> Form:
    """y = a + b1 x1 + b2 x2: equation 1 of the paper."""
    found = regress(regions.x, regions.y)
    return Form("linear", regions.x, regions.y, found, predict(found.left_out, regions.x))


def loglog(regions: RegionTable) -> Form:
    """log y = a + b1 log x1 + b2 log x2; predictions carried back with the smearing factor of Duan (1983)."""
    x, response = logarithms(regions)
    found, n = regress(x, response), len(response)
    residuals = response - (found.left_out[:, :1] + found.left_out[:, 1:] @ x.T)  # [row left out, row]
    # the row left out has no part in the factor that its own prediction is smeared with
    smearing = (np.exp(residuals).sum(axis=1) - np.exp(np.diag(residuals))) / (n - 1)
    return Form("loglog", x, response, found, smearing * np.exp(predict(found.left_out, x)))


def per_head(regions: RegionTable) -> Form:
    """y / x2 = a + b1 x1 / x2: the equation for one urban inhabitant; predictions times x2."""
    head = regions.x[:, 1]
    x, response = (regions.x[:, 0] / head)[:, None], regions.y / head
    found = regress(x, response)
    return Form("per_head", x, response, found, head * predict(found.left_out, x))


def out_of_sample(form: Form, y: Array) -> dict[str, float | int]:
    """Leave-one-out errors on the scale of y, to compare forms; R2 = 1 - PRESS / total squares."""
    errors = form.predictions - y
    squares = errors**2
    return {
        "loo_R2": float(1 - squares.sum() / ((y - y.mean()) ** 2).sum()),
        "loo_root_mean_square_error": float(np.sqrt(squares.mean())),
        "loo_mean_absolute_error": float(np.abs(errors).mean()),
        "loo_median_relative_error": float(np.median(np.abs(errors / y))) if (y != 0).all() else math.nan,
        "largest_share_of_squared_error": float(squares.max() / squares.sum()) if squares.any() else math.nan,
        "negative_predictions": int((form.predictions < 0).sum()),
    }


def forms_of(regions: RegionTable) -> dict[str, Form]:
    """The three forms, without those that the figures do not allow."""
    forms = {"linear": linear(regions)}
    if (regions.x > 0).all() and (regions.y > 0).all():
        for name, make in (("loglog", loglog), ("per_head", per_head)):
            form = make(regions)
            if np.isfinite(form.regression.left_out).all():
                forms[name] = form
    return forms


@dataclass(frozen=True, eq=False)
class GrpFit:
    """A fitted equation with all that is known of its errors.

    `asked`: the form asked for, or `best`. `draws` [n, 3]: joint bootstrap draws of the coefficients; `redrawn`: how
    many resamples were collinear. `spatial`: Moran's I, where there are coordinates.
    """

    regions: RegionTable
    form: Form
    asked: str
    seed: int
    draws: Array
    redrawn: int
    forms: Mapping[str, Form]
    spatial: Mapping[str, Any] | None

    @property
    def regression(self) -> Regression:
        """The form used, with its errors and diagnostics."""
        return self.form.regression

    @property
    def coefficients(self) -> dict[str, float]:
        """a, b1, b2 in the units of the table (of logarithms for the log-log form)."""
        return named(self.regression.coefficients)

    @cached_property
    def errors(self) -> dict[str, dict[str, float | int]]:
        """Leave-one-out errors by form."""
        return {name: out_of_sample(form, self.regions.y) for name, form in self.forms.items()}

    @cached_property
    def interval(self) -> dict[str, list[float]]:
        """95 % bootstrap interval of each coefficient."""
        low, high = least_squares.expanded_interval(self.draws, len(self.regions))
        return {name: [float(low[j]), float(high[j])] for j, name in enumerate(NAMES)}

    @cached_property
    def deciders(self) -> list[int]:
        """Rows whose Cook's distance exceeds 4 / n (Bollen and Jackman 1985), the largest first."""
        distance = self.regression.cooks_distance
        rows = [int(row) for row in np.argsort(-distance) if distance[row] > 4 / len(distance)]
        return rows if np.isfinite(distance).all() else []


def named(coefficients: Array) -> dict[str, float]:
    """A row of coefficients by name."""
    return dict(zip(NAMES, map(float, coefficients), strict=False))


def correlations(x: Array, y: Array) -> dict[str, float]:
    """Pairwise correlations of y, x1 and x2."""
    matrix = np.corrcoef([y, *x.T])
    return {"y_x1": float(matrix[0, 1]), "y_x2": float(matrix[0, 2]), "x1_x2": float(matrix[1, 2])}


def normal_equations(x: Array, y: Array) -> dict[str, float]:
    """The sums of the normal equations (2 and 3 of the paper), each exactly rounded, to be held against print."""
    x1, x2 = x.T
    terms = {
        "y": y, "x1": x1, "x2": x2, "x1_x1": x1 * x1, "x1_x2": x1 * x2, "x2_x2": x2 * x2, "y_x1": y * x1, "y_x2": y * x2
    }  # fmt: skip
    return {"n": len(y)} | {name: math.fsum(values) for name, values in terms.items()}


def fit(regions: RegionTable, form: str = "linear", seed: int = 1, draws: int = DRAWS) -> GrpFit:
    """Fit one form, `best` being the one with the smaller mean absolute leave-one-out error of y.

    Absolute, not squared: squared errors of places so unequal are those of the one or two largest.
    """
    if form != "linear":
        logarithms(regions)  # refuses by name what has no logarithm
    forms = forms_of(regions)
    errors = {name: out_of_sample(forms[name], regions.y) for name in FORMS if name in forms}
    chosen = min(errors, key=lambda name: errors[name]["loo_mean_absolute_error"]) if form == "best" else form
    used = forms[chosen]
    # bootstrap and permutations have streams of their own: asking for more draws leaves Moran's p as it was
    joint, redrawn = least_squares.bootstrap(used.x, used.response, draws, generator(seed, "grp", "bootstrap"))
    spatial = spatial_dependence(regions, used.regression.residuals, generator(seed, "grp", "moran"))
    return GrpFit(regions, used, form, seed, joint, redrawn, forms, spatial)


def spatial_dependence(regions: RegionTable, residuals: Array, chance: np.random.Generator) -> dict[str, Any] | None:
    """Moran's I of the residuals, weights 1 / distance, where at least five rows have coordinates."""
    known = np.isfinite(regions.degrees).all(axis=1)
    if known.sum() < 5 or np.ptp(residuals[known]) == 0:
        return None
    points = on_sphere(*regions.degrees[known].T)
    weights = 1 / np.maximum(kilometres(points[:, None], points), NEAREST)
    np.fill_diagonal(weights, 0)
    weights /= weights.sum(axis=1, keepdims=True)
    observed, p_value = least_squares.morans_i(residuals[known], weights, PERMUTATIONS, chance)
    return {
        "statistic": observed,
        "p": p_value,
        "null": "residuals of neighbours are unrelated",
        "n": int(known.sum()),
        "permutations": PERMUTATIONS,
    }
