"""Which date is an instant, and which step does a date fall into? Months from the start, parts of them by days."""

from __future__ import annotations

import calendar
import datetime
import math

import numpy as np


def date_of(start: datetime.date, step: float, instant: int) -> np.datetime64:
    """The date of an instant, datetime64[D]: `start` and so many steps of `step` months; part of a month in days."""
    months = instant * step
    whole = math.floor(months + 1e-9)
    year, month = divmod(_month(start) + whole, 12)
    days = calendar.monthrange(year, month + 1)[1]
    day = 1 + int(max(months - whole, 0.0) * days + 1e-6)
    return np.datetime64(datetime.date(year, month + 1, day), "D")


def step_of(start: datetime.date, step: float, date: datetime.date | str | np.datetime64) -> int:
    """The last instant at or before a date; below 0 before the start. Raises ValueError for what is no date."""
    day = np.array(date, dtype="datetime64[D]").item()
    days = calendar.monthrange(day.year, day.month)[1]
    months = _month(day) - _month(start) + (day.day - 1) / days
    index = math.floor(months / step + 1e-9)
    # an instant within a month falls on a whole day, which can be before its exact place in the month
    return index + 1 if date_of(start, step, index + 1).item() <= day else index


def _month(date: datetime.date) -> int:
    return date.year * 12 + date.month - 1
