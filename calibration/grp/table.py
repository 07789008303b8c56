"""Which rows of a table can be fitted? Product, industry and urban population of regions, checked cell by cell."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from calibration.grp.least_squares import COLLINEAR, Array, standardised
from sim.scenario.errors import InputError, Problem
from sim.scenario.tables import Column, Table, read_table

COLUMNS = ("grp_bln", "industry_bln", "urban_population")
FEWEST, MOST = 5, 3000
"""Rows: three coefficients need more than three of them, and every pair of them is looked at."""


@dataclass(frozen=True, eq=False)
class RegionTable:
    """The rows of a table that enter the fit, in the order of the file.

    `y` [n] and `x` [n, 2] in `units`; `degrees` [n, 2], latitude and longitude, NaN where not given; `lines` of the
    file (the header is line 1). `left_out`: name and note of each row that `use_in_fit` leaves out.
    """

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


def read_regions(path: str | Path, columns: Sequence[str] = COLUMNS, units: Sequence[str] = ()) -> RegionTable:
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


def _chosen_rows(table: Table, columns: tuple[str, ...], name: Sequence[str], units: tuple[str, ...]) -> RegionTable:
    """Rows that `use_in_fit` does not leave out, under the first name that their cells give."""
    cells = table.columns
    keys = (*name, "name", "region", "id")
    rows = [next((cells[k][i] for k in keys if cells[k][i]), f"row {i + 1}") for i in range(len(table))]
    used = cells["use_in_fit"] != 0
    return RegionTable(
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


def _refuse_what_cannot_be_fitted(regions: RegionTable) -> None:
    """Each empty cell by its line, then what is wrong with the whole: rows, columns that are constant or collinear."""
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
            message = f"the column is constant ({values[0, j]:g})"
            raise InputError(regions.problem(None, key, message, "values that differ"))
    _refuse_collinear(regions, regions.x)


def _refuse_collinear(regions: RegionTable, x: Array) -> None:
    """Refuse two columns of which one follows from the other, in all rows or in all but one."""
    both, parts = f"{regions.columns[1]}, {regions.columns[2]}", standardised(x, regions.y)
    if not parts.full_rank:
        message = "the columns are collinear"
        raise InputError(regions.problem(None, both, message, "columns that differ in more than scale"))
    alone = np.flatnonzero(parts.leverage > 1 - COLLINEAR)
    if alone.size:
        message = "this row alone decides a coefficient: without it the columns are constant or collinear"
        raise InputError(regions.problem(int(alone[0]), both, message))


def logarithms(regions: RegionTable) -> tuple[Array, Array]:
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
    logs = np.log(values)
    _refuse_collinear(regions, logs[:, 1:])
    return logs[:, 1:], logs[:, 0]
