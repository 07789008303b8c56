"""When was something adopted? Dates as people write them, on a calendar of equal intervals."""

from __future__ import annotations

import calendar
import re
from collections.abc import Sequence

import numpy as np

from calibration.adoption.places import Options
from sim.scenario.errors import InputError, Problem, refused, shortened

DATE_WORDS = "2018-04-01, 2018-04, 2018 or 2018.25; nothing: not adopted by the end"
EARLIEST = 1000
"""The first year that is taken for one of our calendar; smaller numbers are years since some start."""


def read_dates(
    texts: Sequence[str], file: str, lines: np.ndarray, step: float | None, notes: list[str]
) -> tuple[np.ndarray, float]:
    """Dates in years (NaN: none), and the calendar's step in years: a year if any date is but a year, else a month."""
    values, kinds, problems = np.full(len(texts), np.nan), set(), []
    for at, text in enumerate(texts):
        if not text:
            continue
        parsed = parse_date(text)
        if parsed is None:
            problems.append(Problem(file, int(lines[at]), "date", f"{text!r} is not a date", DATE_WORDS))
        else:
            values[at] = parsed[0]
            kinds.add(parsed[1])
    early, late = values < EARLIEST, values >= EARLIEST
    if early.any() and late.any():
        wrong = np.flatnonzero(early if early.sum() <= late.sum() else late)
        allowed = f"all dates in years of our calendar, from {EARLIEST}, or all in years since some start"
        problems += [
            Problem(file, int(lines[at]), "date", f"{texts[at]!r} is another kind of date than the others", allowed)
            for at in wrong.tolist()
        ]
    if problems:
        raise InputError(shortened(problems))
    if not kinds:
        raise InputError(Problem(file, 1, "date", "no place has adopted anything", DATE_WORDS))
    if step is None:
        step = 12.0 if kinds == {"year"} or ("year" in kinds and "decimal" not in kinds) else 1.0
        if len(kinds) > 1 and step == 12:
            notes.append("Some dates are years and others finer: all are taken as years.")
    if np.nanmax(values) < EARLIEST:
        notes.append("Dates look like numbers of years since some start; rates are per such a unit.")
    return values, step / 12.0


def parse_date(text: str) -> tuple[float, str] | None:
    """A date in years, and what it is (day, month, year, decimal); None for anything else."""
    text = text.strip()
    iso = re.fullmatch(r"(\d{4})-(\d\d)(?:-(\d\d))?(?:[T ].*)?", text, re.ASCII)
    if iso:
        year, month, day = int(iso[1]), int(iso[2]), int(iso[3] or 1)
        if not (year >= 1 and 1 <= month <= 12 and 1 <= day <= calendar.monthrange(year, month)[1]):
            return None
        length = calendar.monthrange(year, month)[1]
        return year + (month - 1 + (day - 1) / length) / 12, "day" if iso[3] else "month"
    if re.fullmatch(r"\d{1,4}(\.\d+)?", text, re.ASCII):
        return float(text), "decimal" if "." in text else "year"
    return None


def interval_of(dates: np.ndarray, step: float) -> np.ndarray:
    """The interval of the calendar, counted from year 0, in which each date (years) lies: int64 of the same shape."""
    # the first day of a month is a sum of twelfths, which rounding must not put into the month before
    return np.floor(dates / step + 1e-6).astype(np.int64)


def frame_of(dates: np.ndarray, step: float, asked: Options, file: str) -> tuple[int, int, int]:
    """First interval of the calendar, and start and end of observation counted from it."""
    found = interval_of(dates[np.isfinite(dates)], step)
    limits = []
    for option, text, default in (("--start", asked.start, found.min()), ("--end", asked.end, found.max())):
        parsed = parse_date(text) if text else (0.0, "")
        if parsed is None:
            raise refused(option, f"{text!r} is not a date", "2018-04-01, 2018-04, 2018 or 2018.25")
        limits.append(int(interval_of(np.array([parsed[0]]), step)[0]) if text else int(default))
    if limits[1] <= limits[0] and (asked.start or asked.end):
        raise refused("--end", "the end of observation is not after its start", "a later date")
    if limits[1] <= limits[0]:
        raise InputError(
            Problem(file, 0, "date", "all adoptions are at the same time", "adoptions after the first date")
        )
    return limits[0], 0, limits[1] - limits[0]
