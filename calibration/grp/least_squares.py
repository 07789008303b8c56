"""What does ordinary least squares give, for any number of regressors, and how far can it be trusted?

statsmodels does the fitting and the tests. Every regression is done on columns of mean 0 and spread 1 and carried back:
products in thousands and people in millions side by side would cost half of the digits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

COLLINEAR = 1e-10
"""A direction in which the columns vary by less than this share, in squares, is taken for none."""
EXACT = 1e-12
"""Residuals of a smaller share of the variance are rounding, of which no test can be made."""


class Standardised(NamedTuple):
    """Columns of mean 0 and spread 1, and the way back to the units of the table."""

    design: Array  # 1, x_1, x_2 ... [n, k + 1]
    target: Array  # [n]
    back: Array  # from coefficients of `design` to those of the table, without `centre` [k + 1, k + 1]
    centre: float  # mean of the response

    def coefficients(self, scaled: Array) -> Array:
        """Coefficients in the units of the table, constant first, from those of `design`: [..., k + 1]."""
        found = scaled @ self.back.T
        found[..., 0] += self.centre
        return found

    @property
    def full_rank(self) -> bool:
        """Whether no column follows from the others."""
        return bool(np.linalg.matrix_rank(self.design, rtol=math.sqrt(COLLINEAR)) == self.design.shape[1])

    @property
    def leverage(self) -> Array:
        """How far each row decides its own fitted value, 0 to 1: [n]."""
        return np.asarray((np.linalg.qr(self.design)[0] ** 2).sum(axis=1))


def standardised(regressors: Array, response: Array) -> Standardised:
    """Regressors [n, k] and response [n] without units."""
    values = np.column_stack([regressors, response])
    centre, spread = values.mean(axis=0), values.std(axis=0)
    spread[np.ptp(values, axis=0) == 0] = 1.0  # a constant column has a spread of rounding errors, or none
    scaled = (values - centre) / spread
    back = np.diag(spread[-1] / np.r_[1.0, spread[:-1]])
    back[0, 1:] = -spread[-1] * centre[:-1] / spread[:-1]
    return Standardised(np.column_stack([np.ones(len(values)), scaled[:, :-1]]), scaled[:, -1], back, float(centre[-1]))


@dataclass(frozen=True, eq=False)
class Regression:
    """Estimates, errors and diagnostics; arrays over coefficients [k + 1], constant first, or rows [n].

    `left_out` [n, k + 1]: coefficients without each row in turn; NaN where nothing is left to estimate one from.
    """

    coefficients: Array
    standard_errors: Array
    hc3_standard_errors: Array
    left_out: Array
    r2: float
    adjusted_r2: float
    fitted: Array
    residuals: Array
    leverage: Array
    cooks_distance: Array
    studentized: Array
    tests: dict[str, dict[str, Any]]


def regress(regressors: Array, response: Array) -> Regression:
    """Least squares of a response [n] on regressors [n, k] and a constant, with classical and HC3 errors."""
    import statsmodels.api as sm

    parts = standardised(regressors, response)
    with np.errstate(all="ignore"):  # an exact fit has no errors: its ratios are NaN, not a fault
        result = sm.OLS(parts.target, parts.design).fit()
        influence = result.get_influence()
        leverage = influence.hat_matrix_diag
        # a row of leverage 1 is met exactly whatever it says: without it one coefficient is free
        kept = np.where(leverage < 1 - COLLINEAR, 1 - leverage, np.nan)
        left_out = result.params - (result.model.pinv_wexog * (result.resid / kept)).T
        coefficients = parts.coefficients(result.params)
        fitted = coefficients[0] + regressors @ coefficients[1:]
        robust = result.get_robustcov_results("HC3")
        return Regression(
            coefficients=coefficients,
            standard_errors=np.sqrt(np.diag(result.cov_params(r_matrix=parts.back))),
            hc3_standard_errors=np.sqrt(np.diag(robust.cov_params(r_matrix=parts.back))),
            left_out=parts.coefficients(left_out),
            r2=float(result.rsquared),
            adjusted_r2=float(result.rsquared_adj),
            fitted=fitted,
            residuals=response - fitted,
            leverage=leverage,
            cooks_distance=influence.cooks_distance[0],
            studentized=influence.resid_studentized_external,
            tests=specification_tests(result) if result.rsquared < 1 - EXACT else {},
        )


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


def predict(coefficients: Array, regressors: Array) -> Array:
    """Constant + slopes · columns, one set of coefficients for all rows or one for each: [n]."""
    sets = np.broadcast_to(coefficients, (len(regressors), regressors.shape[1] + 1))
    return sets[:, 0] + (sets[:, 1:] * regressors).sum(axis=1)


def bootstrap(regressors: Array, response: Array, n: int, chance: np.random.Generator) -> tuple[Array, int]:
    """Pairs bootstrap: n joint draws [n, k + 1], and the number of collinear resamples drawn again.

    Not `scipy.stats.bootstrap`, which keeps a resample from which no slope can be told. A resample is told by how often
    each row is in it, so that its normal equations are a weighted sum, and all of them are solved at once.
    """
    parts = standardised(regressors, response)
    rows, size = parts.design.shape
    products = np.einsum("ni,nj->nij", parts.design, np.column_stack([parts.design, parts.target]))
    draws, redrawn = np.empty((0, size)), 0
    while len(draws) < n:
        wanted = n - len(draws)
        picked = chance.integers(rows, size=(wanted, rows)) + rows * np.arange(wanted)[:, None]
        counts = np.bincount(picked.ravel(), minlength=wanted * rows).reshape(wanted, rows)
        equations = np.tensordot(counts.astype(float), products, 1)
        usable = np.linalg.matrix_rank(equations[:, :, :-1], rtol=COLLINEAR, hermitian=True) == size
        solved = np.linalg.solve(equations[usable, :, :-1], equations[usable, :, -1:])[:, :, 0]
        redrawn += int((~usable).sum())
        draws = np.concatenate([draws, parts.coefficients(solved)])
    return draws, redrawn


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


def morans_i(values: Array, weights: Array, permutations: int, chance: np.random.Generator) -> tuple[float, float]:
    """Moran's I (1950) of values [n], weights [n, n] with rows of sum 1; two-sided permutation p value."""
    centred = values - values.mean()
    shuffled = chance.permuted(np.tile(centred, (permutations, 1)), axis=1)
    norm = float(centred @ centred)
    observed = float(centred @ weights @ centred) / norm
    simulated = ((shuffled @ weights) * shuffled).sum(axis=1) / norm
    expected = -1 / (len(values) - 1)
    # the same order, summed in another one, is as extreme as what was observed
    extreme = np.abs(simulated - expected) >= abs(observed - expected) * (1 - 1e-12)
    return observed, float((1 + extreme.sum()) / (1 + permutations))
