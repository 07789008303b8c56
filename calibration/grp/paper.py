"""What does the paper print, and what do its own figures give? Zhubanazarov, Ulakov, Yordanova (2025)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from calibration.grp.fit import NAMES, GrpFit, correlations, named, normal_equations

PRINTED_TABLE = "4dc20237fec228dc439b481dcc3bca231c931acaae4ffa8d3348544661dba7b4"
"""Fingerprint of Table 1 of the paper: its figures make it known, in whatever order or file."""
PRINTED_SUMS = {
    "n": 20, "x1": 46991.79, "x2": 12209896, "y": 120561.1, "x1_x1": 203196078.21, "x1_x2": 27909288055.86,
    "y_x1": 387378636.14, "x2_x2": 11746456184968, "y_x2": 113113303367.45,
}  # fmt: skip
"""Equation 3."""
PRINTED_COEFFICIENTS = {"a": -2546.87344, "b1": 1.201164223, "b2": 0.009422989}
"""Equation 4."""
PRINTED_CORRELATIONS = {"y_x1": 0.44, "y_x2": 0.78, "x1_x2": -0.03}
PRINTED_R = 0.91
"""Equation 5, with the correlations that go into it."""
AGREES = 1e-6
"""Relative difference up to which a figure is the printed one: print has about so many digits."""


def is_printed_table(fit: GrpFit) -> bool:
    """Whether the rows are those of the paper's Table 1."""
    return fit.regions.fingerprint == PRINTED_TABLE


def printed_comparison(fit: GrpFit) -> list[dict[str, Any]] | None:
    """Each printed figure beside ours with the relative difference; None for any other table."""
    if not is_printed_table(fit):
        return None
    x, y = fit.regions.x, fit.regions.y
    sums, ours = normal_equations(x, y), correlations(x, y)
    coefficients = named(fit.forms["linear"].regression.coefficients)
    return [
        *(_beside(f"sum {key}", value, sums[key]) for key, value in PRINTED_SUMS.items()),
        *(_beside(key, value, coefficients[key]) for key, value in PRINTED_COEFFICIENTS.items()),
        *(_beside(f"correlation {key}", value, ours[key]) for key, value in PRINTED_CORRELATIONS.items()),
        _beside("R", PRINTED_R, multiple_correlation(ours)),
    ]


def _beside(what: str, printed: float, ours: float) -> dict[str, Any]:
    difference = (ours - printed) / abs(printed)
    return {
        "what": what, "printed": printed, "ours": ours, "relative_difference": difference,
        "agrees": abs(difference) <= AGREES,
    }  # fmt: skip


def multiple_correlation(r: dict[str, float]) -> float:
    """R from the three pairwise correlations: equation 5 of the paper."""
    explained = r["y_x1"] ** 2 + r["y_x2"] ** 2 - 2 * r["y_x1"] * r["y_x2"] * r["x1_x2"]
    return math.sqrt(explained / (1 - r["x1_x2"] ** 2))


def solution_of_printed_sums() -> dict[str, float]:
    """Coefficients that solve the printed normal equations (3)."""
    s = PRINTED_SUMS
    left = [[s["n"], s["x1"], s["x2"]], [s["x1"], s["x1_x1"], s["x1_x2"]], [s["x2"], s["x1_x2"], s["x2_x2"]]]
    return named(np.linalg.solve(np.array(left), np.array([s["y"], s["y_x1"], s["y_x2"]])))


def replication(fit: GrpFit) -> dict[str, Any] | None:
    """How well the printed figures hold: largest relative differences, and the correlations; None for other tables.

    `sums`, `coefficients`: of Table 1 from print; `solved`: of the printed equations' solution from the printed one.
    """
    comparison = printed_comparison(fit)
    if comparison is None:
        return None
    rows, solved = {row["what"]: row for row in comparison}, solution_of_printed_sums()
    pairs = [rows[f"correlation {key}"] for key in PRINTED_CORRELATIONS]
    cut = all(math.trunc(row["ours"] * 100) == round(row["printed"] * 100) for row in pairs)
    return {
        "sums": max(abs(row["relative_difference"]) for what, row in rows.items() if what.startswith("sum ")),
        "coefficients": max(abs(rows[name]["relative_difference"]) for name in NAMES),
        "solved": max(abs(solved[name] / PRINTED_COEFFICIENTS[name] - 1) for name in NAMES),
        "correlations": pairs,
        "truncated": cut and not all(round(row["ours"], 2) == row["printed"] for row in pairs),
        "r_of_printed": multiple_correlation(PRINTED_CORRELATIONS),
        "r": rows["R"]["ours"],
        "people": float(fit.regions.x[:, 1].sum()),
        "for_a_million": 1e6 * float(fit.forms["linear"].regression.coefficients[2]),
    }
