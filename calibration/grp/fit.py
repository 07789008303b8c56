"""How does gross regional product go with industry and urban population, and how fragile is that fit?

The equation of Zhubanazarov, Ulakov and Yordanova (2025): y = a + b1 x1 + b2 x2, or the same between
logarithms.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from calibration.grp import least_squares
from calibration.grp.least_squares import Array, predict, solve
from sim.engine.draws import generator
from sim.engine.sphere import kilometres, on_sphere
from sim.scenario.errors import InputError, Problem
from sim.scenario.tables import Column, Table, read_table

COLUMNS = ("grp_bln", "industry_bln", "urban_population")
FORMS = ("linear", "loglog")
NAMES = ("a", "b1", "b2")
DRAWS = 1000
FEWEST, MOST = 5, 3000  # rows; every pair of them is looked at
PERMUTATIONS = 9999
NEAREST = 10.0  # kilometres: two main cities are taken to be at least so far apart


@dataclass(frozen=True, eq=False)
class Regions:
    """The rows of a table that enter the fit: y [n], x [n, 2], degrees [n, 2] (NaN where not given)."""

    path: Path
    sha256: str
    columns: tuple[str, str, str]
    units: tuple[str, str, str]
    names: tuple[str, ...]
    lines: tuple[int, ...]
    y: Array
    x: Array
    degrees: Array
    left_out: tuple[tuple[str, str], ...]

    def __len__(self) -> int:
        return len(self.names)

    def problem(self, row: int | None, column: str, message: str, allowed: str = "") -> Problem:
        """A fault of one cell, or of a whole column where row is None."""
        text = message if row is None else f"{self.names[row]}: {message}"
        return Problem(str(self.path), 1 if row is None else self.lines[row], column, text, allowed)

    @cached_property
    def fingerprint(self) -> str:
        """A hash of the figures alone, whatever the order of the rows and the names of the columns."""
        rows = sorted(f"{y:.2f} {x1:.2f} {x2:.0f}" for y, (x1, x2) in zip(self.y, self.x, strict=True))
        return hashlib.sha256("\n".join(rows).encode()).hexdigest()


def read_regions(path: str | Path, columns: Sequence[str] = COLUMNS, units: Sequence[str] = ()) -> Regions:
    """Read the three columns (and `name`, `lat`, `lon`, `use_in_fit`, `note` where there) of any table.

    columns: y, x1, x2 and, if it is not `name`, `region` or `id`, the column of names. units: of y, x1, x2.
    Raises InputError for missing values, constant or collinear columns and too few rows.
    """
    number = Column("number", empty=True)
    optional = Column(required=False, empty=True)
    wanted = dict.fromkeys(columns[:3], number)
    wanted |= {key: Column() for key in columns[3:4]}
    wanted |= {key: optional for key in ("name", "region", "id", "note") if key not in wanted}
    wanted |= {"lat": Column("number", False, True, -90, 90), "lon": Column("number", False, True, -180, 180)}
    wanted |= {"use_in_fit": Column("integer", False, True, 0, 1)}
    try:
        table = read_table(path, wanted, extra="ignore")
    except InputError as error:
        names = "such a column, or --columns with the table's own names for y, x1, x2"
        raise InputError(replace(p, allowed=names) if "missing" in p.message else p for p in error.problems) from None
    regions = _chosen_rows(table, tuple(columns[:3]), columns[3:4], tuple(units) or _units(columns[:3]))
    _refuse_what_cannot_be_fitted(regions)
    return regions


def _units(columns: Sequence[str]) -> tuple[str, ...]:
    """Units that the names of the columns tell: `grp_2023_bln_tenge` is in `bln tenge`."""
    words = [column.rpartition("_bln")[1:] for column in columns[:2]]
    return (*(f"bln {after.strip('_')}".strip() if mark else "" for mark, after in words), "persons")


def _chosen_rows(table: Table, columns: tuple[str, ...], name: Sequence[str], units: tuple[str, ...]) -> Regions:
    cells = table.columns
    keys = (*name, "name", "region", "id")
    rows = [next((cells[k][i] for k in keys if cells[k][i]), f"row {i + 1}") for i in range(len(table))]
    used = cells["use_in_fit"] != 0
    return Regions(
        path=Path(table.path),
        sha256=table.sha256,
        columns=columns,  # type: ignore[arg-type]
        units=units,  # type: ignore[arg-type]
        names=tuple(row for row, use in zip(rows, used, strict=True) if use),
        lines=tuple(int(line) for line in table.lines[used]),
        y=cells[columns[0]][used],
        x=np.column_stack([cells[key][used] for key in columns[1:]]),
        degrees=np.column_stack([cells["lat"][used], cells["lon"][used]]),
        left_out=tuple((rows[i], cells["note"][i]) for i in np.flatnonzero(~used)),
    )


def _refuse_what_cannot_be_fitted(regions: Regions) -> None:
    values = np.column_stack([regions.y, regions.x])
    empty = [
        regions.problem(int(row), regions.columns[j], "is empty", "a number, or 0 in use_in_fit to leave the row out")
        for row, j in np.argwhere(~np.isfinite(values))
    ]
    if empty:
        raise InputError(empty)
    if not FEWEST <= len(regions) <= MOST:
        many = "few for three coefficients" if len(regions) < FEWEST else "many for a table of regions"
        message = f"{len(regions)} rows are too {many}"
        raise InputError(regions.problem(None, "", message, f"{FEWEST} to {MOST} rows"))
    for j, key in enumerate(regions.columns):
        if np.ptp(values[:, j]) == 0:
            raise InputError(
                regions.problem(None, key, f"the column is constant ({values[0, j]:g})", "values that differ")
            )
    _refuse_collinear(regions, regions.x)


def _refuse_collinear(regions: Regions, x: Array) -> None:
    """Refuse two columns of which one follows from the other, in all rows or in all but one."""
    both = f"{regions.columns[1]}, {regions.columns[2]}"
    if not np.isfinite(solve(x, regions.y)).all():
        raise InputError(
            regions.problem(None, both, "the columns are collinear", "columns that differ in more than scale")
        )
    alone = np.flatnonzero(~np.isfinite(least_squares.leave_one_out(x, regions.y)).all(axis=1))
    if alone.size:
        message = "this row alone decides a coefficient: without it the columns are constant or collinear"
        raise InputError(regions.problem(int(alone[0]), both, message))


def logarithms(regions: Regions) -> tuple[Array, Array]:
    """log x [n, 2] and log y [n]. Raises InputError naming each value that has no logarithm."""
    values = np.column_stack([regions.y, regions.x])
    faults = [
        regions.problem(
            int(row), regions.columns[j], f"{values[row, j]:g} has no logarithm", "above 0, or --form linear"
        )
        for row, j in np.argwhere(values <= 0)
    ]
    if faults:
        raise InputError(faults)
    logs = np.array([[math.log(value) for value in row] for row in values])  # math.log: alike on every processor
    _refuse_collinear(regions, logs[:, 1:])
    return logs[:, 1:], logs[:, 0]


@dataclass(frozen=True, eq=False)
class Form:
    """One form of the equation and its predictions of y, in the units of y, for rows it has not seen."""

    name: str
    x: Array
    response: Array
    coefficients: Array
    left_out: Array  # coefficients without each row in turn [n, k + 1]
    predictions: Array  # of each row's y by the fit without it [n]


def linear(regions: Regions) -> Form:
    """y = a + b1 x1 + b2 x2: equation 1 of the paper."""
    left_out = least_squares.leave_one_out(regions.x, regions.y)
    coefficients = solve(regions.x, regions.y)[0]
    return Form("linear", regions.x, regions.y, coefficients, left_out, predict(left_out, regions.x))


def loglog(regions: Regions) -> Form:
    """log y = a + b1 log x1 + b2 log x2; predictions carried back with the smearing factor of Duan (1983)."""
    x, response = logarithms(regions)
    left_out = least_squares.leave_one_out(x, response)
    n = len(response)
    residuals = response - (left_out[:, :1] + left_out[:, 1:] @ x.T)  # [row left out, row]
    smearing = (np.exp(residuals).sum(axis=1) - np.exp(np.diag(residuals))) / (n - 1)
    return Form("loglog", x, response, solve(x, response)[0], left_out, smearing * np.exp(predict(left_out, x)))


def per_head(regions: Regions) -> Form:
    """y / x2 = a + b1 x1 / x2: the equation for one urban inhabitant; predictions times x2."""
    head = regions.x[:, 1]
    x, response = (regions.x[:, 0] / head)[:, None], regions.y / head
    left_out = least_squares.leave_one_out(x, response)
    return Form("per_head", x, response, solve(x, response)[0], left_out, head * predict(left_out, x))


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


def forms_of(regions: Regions) -> dict[str, Form]:
    """The three forms, without those that the figures do not allow."""
    forms = {"linear": linear(regions)}
    if (regions.x > 0).all() and (regions.y > 0).all():
        for name, make in (("loglog", loglog), ("per_head", per_head)):
            form = make(regions)
            if np.isfinite(form.left_out).all():
                forms[name] = form
    return forms


@dataclass(frozen=True, eq=False)
class Fit:
    """A fitted equation with all that is known of its errors."""

    regions: Regions
    form: Form
    asked: str
    seed: int
    inference: least_squares.Inference
    draws: Array  # [n, 3]
    redrawn: int
    forms: Mapping[str, Form]
    spatial: Mapping[str, Any] | None

    @property
    def coefficients(self) -> dict[str, float]:
        """a, b1, b2 in the units of the table (of logarithms for the log-log form)."""
        return named(self.form.coefficients)

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
    def correlations(self) -> dict[str, float]:
        """Pairwise correlations in the form's own scale."""
        return correlations(self.form.x, self.form.response)


def named(coefficients: Array) -> dict[str, float]:
    """A row of coefficients by name."""
    return dict(zip(NAMES, map(float, coefficients), strict=False))


def correlations(x: Array, y: Array) -> dict[str, float]:
    """Pairwise correlations of y, x1 and x2."""
    matrix = np.corrcoef([y, *x.T])
    return {"y_x1": float(matrix[0, 1]), "y_x2": float(matrix[0, 2]), "x1_x2": float(matrix[1, 2])}


def fit(regions: Regions, form: str = "linear", seed: int = 1, draws: int = DRAWS) -> Fit:
    """Fit one form, `best` being the one with the smaller mean absolute leave-one-out error of y.

    Absolute, not squared: squared errors of places so unequal are those of the one or two largest.
    """
    if form != "linear":
        logarithms(regions)  # refuses by name what has no logarithm
    forms = forms_of(regions)
    errors = {name: out_of_sample(forms[name], regions.y) for name in FORMS if name in forms}
    chosen = min(errors, key=lambda name: errors[name]["loo_mean_absolute_error"]) if form == "best" else form
    used = forms[chosen]
    inference = least_squares.infer(used.x, used.response)
    joint, redrawn = least_squares.bootstrap(used.x, used.response, draws, generator(seed, "grp", "bootstrap"))
    spatial = spatial_dependence(regions, inference.residuals, generator(seed, "grp", "moran"))
    return Fit(regions, used, form, seed, inference, joint, redrawn, forms, spatial)


def spatial_dependence(regions: Regions, residuals: Array, chance: np.random.Generator) -> dict[str, Any] | None:
    """Moran's I of the residuals, weights 1 / distance, where at least five rows have coordinates."""
    known = np.isfinite(regions.degrees).all(axis=1)
    if known.sum() < 5 or np.ptp(residuals[known]) == 0:
        return None
    points = on_sphere(*regions.degrees[known].T)
    distance = np.maximum(kilometres(points[:, None], points), NEAREST)
    weights = 1 / distance
    np.fill_diagonal(weights, 0)
    weights /= weights.sum(axis=1, keepdims=True)
    observed, p_value = least_squares.morans_i(residuals[known], weights, PERMUTATIONS, chance)
    null = "residuals of neighbours are unrelated"
    return {
        "statistic": observed,
        "p": p_value,
        "null": null,
        "n": int(known.sum()),
        "permutations": PERMUTATIONS,
    }


def normal_equations(x: Array, y: Array) -> dict[str, float]:
    """The sums of the normal equations (2 and 3 of the paper), each exactly rounded."""
    x1, x2 = x.T
    terms = {
        "y": y,
        "x1": x1,
        "x2": x2,
        "x1_x1": x1 * x1,
        "x1_x2": x1 * x2,
        "x2_x2": x2 * x2,
        "y_x1": y * x1,
        "y_x2": y * x2,
    }
    return {"n": len(y)} | {name: math.fsum(values) for name, values in terms.items()}
