"""What do the events of a run say? The figures that only pictures and report show, over replicates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.engine.columns import SOURCES
from sim.results.arm import Arm
from sim.results.measures import yearly_instants

TIERS = ("own_spent", "regional_spent", "federal_spent", "private_spent", "running_paid", "fees_paid")
"""Flows of the ledger that pay for adoptions and for what operates; all but `private_spent` are public money."""


def technology_shares(arm: Arm) -> np.ndarray:
    """Mean share of focus municipalities operating each technology, float64[K, T + 1]."""
    spans = arm.spans.where(arm.focus[arm.spans.place])
    number = spans.changes(spans.technology, len(arm.counted), arm.scenario.steps) / max(len(arm.rows), 1)
    return number / max(int(arm.focus.sum()), 1)


@dataclass(frozen=True)
class Fall:
    """A place that operates fewer technologies at instant `low` than at `high` before it, means over replicates."""

    place: int
    high: int
    low: int
    before: float
    after: float


def falls(arm: Arm) -> list[Fall]:
    """Leaders in focus (they have something at the start) whose number falls as technologies wear out, most first.

    Numbers at yearly instants; a fall that one decimal does not show is none.
    """
    had = arm.shared.portfolio.astype(bool) & arm.counted[:, None] & arm.focus
    leaders = np.flatnonzero(had.any(axis=0))
    number = np.full(len(arm.focus), -1)
    number[leaders] = np.arange(len(leaders))
    spans = arm.spans.where((number[arm.spans.place] >= 0) & arm.counted[arm.spans.technology])
    dates = yearly_instants(arm.scenario)
    found = []
    held = spans.changes(number[spans.place], len(leaders), arm.scenario.steps)[:, dates] / max(len(arm.rows), 1)
    for place, series in zip(leaders, held, strict=True):
        low = int((np.maximum.accumulate(series) - series).argmax())
        high = int(series[: low + 1].argmax())
        if series[high] - series[low] < 0.1:
            continue
        ended = arm.batch.events["ended"][arm.batch.events["place"] == place]
        if ((ended > dates[high]) & (ended <= dates[low])).any():
            found.append(Fall(int(place), int(dates[high]), int(dates[low]), float(series[high]), float(series[low])))
    return sorted(found, key=lambda fall: fall.after - fall.before)


def first_operating(arm: Arm) -> np.ndarray:
    """Instant of first operation in steps, float64[replicates, n, K]; infinite where it never comes."""
    events, rows = arm.batch.events, arm.batch.event_rows
    kinds, count = arm.shared.portfolio.shape
    first = np.full((len(arm.rows), count, kinds), np.inf)
    came = events["operating"] >= 0
    events, rows = events[came], rows[came]
    np.minimum.at(first, (rows, events["place"], events["technology"]), events["operating"].astype(float))
    return first


def when_operating(first: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Share of replicates (first axis) in which it ever operates, and the median instant of those; infinite if none."""
    ordered = np.sort(first, axis=0)
    number = np.isfinite(ordered).sum(axis=0)
    middle = np.take_along_axis(ordered, np.maximum((number - 1) // 2, 0)[None], axis=0)[0]
    return number / len(first), middle


@dataclass(frozen=True)
class Guidance:
    """What guided one place's adoptions of a technology: the chance of each guide and channel, and when it came."""

    guide: np.ndarray
    adopter: np.ndarray
    source: np.ndarray
    chance: np.ndarray


def guidance(arm: Arm, technology: int) -> Guidance:
    """Chance over replicates that a place's first adoption of a technology is attributed to each guide, by channel."""
    events = arm.batch.events
    chosen = events[(events["technology"] == technology) & (events["guide"] >= 0) & (events["spell"] == 1)]
    count = len(arm.focus)
    key = (chosen["source"].astype(np.int64) * count + chosen["guide"]) * count + chosen["place"]
    pairs, number = np.unique(key, return_counts=True)
    rest, adopter = np.divmod(pairs, count)
    source, guide = np.divmod(rest, count)
    return Guidance(guide, adopter, source, number / len(arm.rows))


def source_totals(arm: Arm) -> dict[str, float]:
    """Mean number of adoptions a replicate by source, initial portfolios and guides' own left out."""
    number = np.bincount(arm.batch.events["source"], minlength=len(SOURCES)) / len(arm.rows)
    return {name: float(number[at]) for at, name in enumerate(SOURCES) if at and number[at] > 0}


def leading_guides(arm: Arm, most: int = 10) -> list[tuple[int, float, float]]:
    """Places that guide most: (place, adoptions a replicate through peers, through leaders of other regions)."""
    events = arm.batch.events
    guided = events[events["guide"] >= 0]
    through = [
        np.bincount(guided["guide"][guided["source"] == SOURCES.index(name)], minlength=len(arm.focus)) / len(arm.rows)
        for name in ("peers", "leaders")
    ]
    order = np.argsort(-(through[0] + through[1]), kind="stable")[:most]
    return [(int(i), float(through[0][i]), float(through[1][i])) for i in order if through[0][i] + through[1][i] > 0]
