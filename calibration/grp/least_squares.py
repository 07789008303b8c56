"""What does ordinary least squares give, for any number of regressors, and how far can it be trusted?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

COLLINEAR = 1e-10  # a column of which less than this share is left, given the others, is taken for collinear


@dataclass(frozen=True)
class Scale:
    """Centre and spread of the columns and of the response, so that units cost no digits."""

    centre: Array  # [k]
    spread: Array  # [k]
    response_centre: float
    response_spread: float

    @classmethod
    def of(cls, regressors: Array, response: Array) -> Scale:
        """Means and root mean squares about them; sums are exactly rounded, so alike on every machine."""
        pairs = [_centre_and_spread(column) for column in (*regressors.T, response)]
        centre, spread = np.array(pairs).T
        return cls(centre[:-1], spread[:-1], float(centre[-1]), float(spread[-1]))

    def design(self, regressors: Array) -> Array:
        """Columns 1, (x_1 - centre) / spread, ...: [n, k + 1]."""
        return np.column_stack([np.ones(len(regressors)), (regressors - self.centre) / self.spread])

    def target(self, response: Array) -> Array:
        """Response in units of its spread: [n]."""
        return (response - self.response_centre) / self.response_spread

    def back(self) -> Array:
        """Matrix [k + 1, k + 1] from scaled coefficients to coefficients of (1, x_1, ...), centre apart."""
        matrix = np.diag(self.response_spread / np.concatenate([[1.0], self.spread]))
        matrix[0, 1:] = -self.response_spread * self.centre / self.spread
        return matrix

    def coefficients(self, scaled: Array) -> Array:
        """Coefficients in the units of the table from scaled ones: [..., k + 1]."""
        slopes = self.response_spread * scaled[..., 1:] / self.spread
        constant = self.response_centre + self.response_spread * scaled[..., 0]
        for j, centre in enumerate(self.centre):  # one by one: the order of a sum decides its last digit
            constant = constant - slopes[..., j] * centre
        return np.concatenate([constant[..., None], slopes], axis=-1)


def _centre_and_spread(column: Array) -> tuple[float, float]:
    centre = math.fsum(column) / len(column)
    return centre, math.sqrt(math.fsum((column - centre) ** 2) / len(column))


def solve(regressors: Array, response: Array, weights: Array | None = None) -> Array:
    """Least-squares coefficients (constant first) for each row of weights: [B, k + 1]; NaN where collinear.

    regressors [n, k], response [n], weights [B, n] (counts of a bootstrap, zeros for rows left out; default:
    one row of ones). Scaled normal equations, summed row by row and eliminated without BLAS or LAPACK, whose
    last digits differ between processors: a fit file can be compared to the last digit anywhere.
    """
    rows = np.ones((1, len(response))) if weights is None else np.asarray(weights, float)
    scale = Scale.of(regressors, response)
    design, target = scale.design(regressors), scale.target(response)
    equations = np.zeros((len(rows), design.shape[1], design.shape[1] + 1))
    for row, weight in zip(np.column_stack([design, target]), rows.T, strict=True):
        equations += weight[:, None, None] * (row[:-1, None] * row)
    return scale.coefficients(_eliminate(equations))


def _eliminate(equations: Array) -> Array:
    """Gauss-Jordan on a stack of symmetric positive systems [B, p, p + 1]: solutions [B, p]."""
    size = equations.shape[1]
    diagonal = np.einsum("bii->bi", equations[:, :, :-1]).copy()
    for j in range(size):
        pivot = equations[:, j, j].copy()
        pivot[~(pivot > COLLINEAR * diagonal[:, j])] = np.nan
        equations[:, j] /= pivot[:, None]
        for i in range(size):
            if i != j:
                equations[:, i] -= equations[:, i, j, None] * equations[:, j]
    return equations[:, :, -1].copy()


def bootstrap(regressors: Array, response: Array, n: int, generator: np.random.Generator) -> tuple[Array, int]:
    """Pairs bootstrap: n joint draws [n, k + 1], and the number of collinear resamples drawn again."""
    draws = np.empty((0, regressors.shape[1] + 1))
    redrawn = 0
    while len(draws) < n:
        counts = _resample(len(response), n - len(draws), generator)
        solved = solve(regressors, response, counts)
        usable = np.isfinite(solved).all(axis=1)
        redrawn += int((~usable).sum())
        draws = np.concatenate([draws, solved[usable]])
    return draws, redrawn


def _resample(rows: int, n: int, generator: np.random.Generator) -> Array:
    """How often each row enters each of n resamples: [n, rows]."""
    picked = generator.integers(rows, size=(n, rows)) + rows * np.arange(n)[:, None]
    return np.bincount(picked.ravel(), minlength=n * rows).reshape(n, rows).astype(float)


def leave_one_out(regressors: Array, response: Array) -> Array:
    """Coefficients without each row in turn: [n, k + 1]; NaN where nothing is left to estimate one from."""
    return solve(regressors, response, 1.0 - np.eye(len(response)))


def predict(coefficients: Array, regressors: Array) -> Array:
    """Constant + slopes · columns, one set of coefficients for all rows or one for each: [n]."""
    sets = np.broadcast_to(coefficients, (len(regressors), regressors.shape[1] + 1))
    return sets[:, 0] + (sets[:, 1:] * regressors).sum(axis=1)


def expanded_interval(draws: Array, rows: int, level: float = 0.95) -> tuple[Array, Array]:
    """Low and high of each coefficient from its draws [n, k + 1]: expanded percentiles, Hesterberg (2015).

    Plain percentiles of a pairs bootstrap are too narrow by √((rows - k - 1) / rows) and by the normal for
    the t quantile; the tails are moved outwards by as much. Simulated, 95 % intervals of 20 and
    80 rows hold the truth in 94 to 97 % of cases with normal columns, in 93 to 97 % with skewed ones.
    """
    from scipy.stats import norm, t

    freedom = rows - draws.shape[1]
    tail = norm.cdf(t.ppf((1 - level) / 2, freedom) * math.sqrt(rows / freedom))
    low, high = np.quantile(draws, [tail, 1 - tail], axis=0)
    return low, high


@dataclass(frozen=True)
class Inference:
    """Errors and diagnostics of one regression; arrays over coefficients [k + 1] or rows [n]."""

    coefficients: Array
    standard_errors: Array
    hc3_standard_errors: Array
    r2: float
    adjusted_r2: float
    fitted: Array
    residuals: Array
    leverage: Array
    cooks_distance: Array
    studentized: Array
    tests: dict[str, dict[str, Any]]


def infer(regressors: Array, response: Array) -> Inference:
    """Classical and HC3 errors, influence and specification tests (statsmodels, on scaled columns).

    Everything but the errors is the same in any units; the errors are carried back by `Scale.back`.
    """
    import statsmodels.api as sm

    scale, coefficients = Scale.of(regressors, response), solve(regressors, response)[0]
    fitted = predict(coefficients, regressors)
    with np.errstate(all="ignore"):  # an exact fit has no errors: its ratios are NaN, not a fault
        result = sm.OLS(scale.target(response), scale.design(regressors)).fit(method="qr")
        influence = result.get_influence()
        return Inference(
            coefficients=coefficients,
            standard_errors=_carry_back(result.cov_params(), scale),
            hc3_standard_errors=_carry_back(result.get_robustcov_results("HC3").cov_params(), scale),
            r2=float(result.rsquared),
            adjusted_r2=float(result.rsquared_adj),
            fitted=fitted,
            residuals=response - fitted,
            leverage=influence.hat_matrix_diag,
            cooks_distance=influence.cooks_distance[0],
            studentized=influence.resid_studentized_external,
            tests={} if result.rsquared > 1 - 1e-12 else specification_tests(result),
        )


def _carry_back(covariance: Array, scale: Scale) -> Array:
    back = scale.back()
    return np.sqrt(np.diag(back @ covariance @ back.T))


def specification_tests(result: Any) -> dict[str, dict[str, Any]]:
    """Breusch-Pagan, White, RESET, Jarque-Bera and Shapiro-Wilk of a statsmodels result."""
    from scipy.stats import shapiro
    from statsmodels.stats import diagnostic, stattools

    residuals, design = result.resid, result.model.exog
    n, p = design.shape
    even, normal = "errors vary alike in every row", "errors are normal"
    tests = {
        "breusch_pagan": (*diagnostic.het_breuschpagan(residuals, design)[:2], even),
        "jarque_bera": (*stattools.jarque_bera(residuals)[:2], normal),
        "shapiro_wilk": (*shapiro(residuals), normal),
    }
    if n > p * (p + 1) // 2:  # the auxiliary regressions need more rows than columns
        tests["white"] = (*diagnostic.het_white(residuals, design)[:2], even)
    if n > p + 2:
        reset = diagnostic.linear_reset(result, power=3, use_f=True)
        tests["reset"] = (reset.fvalue, reset.pvalue, "the equation has the right form")
    return {
        name: {"statistic": float(statistic), "p": float(p_value), "null": null}
        for name, (statistic, p_value, null) in sorted(tests.items())
    }


def morans_i(values: Array, weights: Array, permutations: int, generator: np.random.Generator) -> tuple[float, float]:
    """Moran's I (1950) of values [n], weights [n, n] with rows of sum 1; two-sided permutation p value."""
    centred = values - values.mean()
    orders = generator.permuted(np.tile(np.arange(len(values)), (permutations, 1)), axis=1)
    shuffled = centred[orders]
    norm = float(centred @ centred)
    observed = float(centred @ weights @ centred) / norm
    simulated = ((shuffled @ weights) * shuffled).sum(axis=1) / norm
    expected = -1 / (len(values) - 1)
    extreme = np.abs(simulated - expected) >= abs(observed - expected) * (1 - 1e-12)
    return observed, float((1 + extreme.sum()) / (1 + permutations))
