"""What operates when, in every replicate of a policy arm, and what is counted of it?"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from sim.engine import rules
from sim.engine.columns import Structure
from sim.engine.compiling import entry_point, inner
from sim.engine.rows import Batch, Rows
from sim.scenario.places import SEGMENTS
from sim.scenario.scenario import Scenario

BASELINE = "baseline"
SIZE_CLASSES = (("large", 250_000.0, np.inf), ("medium", 50_000.0, 250_000.0), ("small", 0.0, 50_000.0))
"""Large, medium and small cities by population (more than the first figure, up to the second)."""


@entry_point
def _spans(
    events: np.ndarray,
    outages: np.ndarray,
    ends: np.ndarray,
    exposed: np.ndarray,
    never: int,
    latest: np.ndarray,
    following: np.ndarray,
    spans: np.ndarray,
) -> int:
    """Fill `spans` int32[6, :] (row, place, technology, start, stop, sign), as far as they go; returns their number.

    `exposed` bool[n, K]; `latest` int64[n] and `following` int64[outages] are room to work in, -1 at first. Outages of
    a row are in order of time. What operates when an outage begins is down until it ends or the next one begins.
    """
    count = first_event = first_outage = 0
    for row in range(len(ends)):
        for o in range(ends[row, 1] - 1, first_outage - 1, -1):
            following[o] = latest[outages[o].place]
            latest[outages[o].place] = o
        for e in range(first_event, ends[row, 0]):
            event = events[e]
            if event.operating < 0:
                continue
            i, k = np.int64(event.place), np.int64(event.technology)
            stop = never if event.ended < 0 else np.int64(event.ended)
            count = _add(spans, count, row, i, k, event.operating, stop, 1)
            o = latest[i] if exposed[i, k] else -1
            while o >= 0:
                begins, over, o = np.int64(outages[o].start), np.int64(outages[o].stop), following[o]
                if o >= 0:
                    over = min(over, np.int64(outages[o].start))
                if event.operating <= begins < stop:
                    count = _add(spans, count, row, i, k, begins, min(over, stop), -1)
        for o in range(first_outage, ends[row, 1]):
            latest[outages[o].place] = -1
        first_event, first_outage = ends[row, 0], ends[row, 1]
    return count


@inner
def _add(spans: np.ndarray, at: int, row: int, place: int, technology: int, start: int, stop: int, sign: int) -> int:
    if at < spans.shape[1]:
        spans[0, at], spans[1, at], spans[2, at] = row, place, technology
        spans[3, at], spans[4, at], spans[5, at] = start, stop, sign
    return at + 1


@entry_point
def _sums(spans: np.ndarray, instants: np.ndarray, weights: np.ndarray, sums: np.ndarray) -> None:
    """Add what operates at each instant into `sums` float64[rows, D, M]; `weights` float64[n, K, M]."""
    for at in range(spans.shape[1]):
        row, i, k = spans[0, at], spans[1, at], spans[2, at]
        for d in range(len(instants)):
            if spans[3, at] <= instants[d] < spans[4, at]:
                for measure in range(weights.shape[2]):
                    sums[row, d, measure] += spans[5, at] * weights[i, k, measure]


@dataclass(frozen=True)
class Spans:
    """When technologies operate: `table` int32[6, spans], whose rows are the properties.

    From instant `start` to before `stop` (steps); `sign` is 1, or -1 where an outage interrupts, so that sums with the
    sign as a factor count what operates. `row` is the replicate's row in the batch; places are canonical.
    """

    table: np.ndarray

    row = property(lambda self: self.table[0])
    place = property(lambda self: self.table[1])
    technology = property(lambda self: self.table[2])
    start = property(lambda self: self.table[3])
    stop = property(lambda self: self.table[4])
    sign = property(lambda self: self.table[5])

    @staticmethod
    def of(batch: Batch, shared: Structure) -> Spans:
        """The spans of a batch, outages taken out: the one place that says what operates when."""
        # guides are only looked at: nothing befalls them
        exposed = np.outer(shared.places["member"] == 1, shared.technologies["exposed"] == 1)
        never = len(shared.calendar) + 1
        # room for what is usual; where outages hit more, the first pass counts and the second has enough
        table = np.empty((6, len(batch.events) + 4 * len(batch.outages)), np.int32)
        while True:
            room = np.full(len(exposed), -1), np.full(len(batch.outages), -1)
            found = _spans(batch.events, batch.outages, batch.ends, exposed, never, *room, table)
            if found <= table.shape[1]:
                return Spans(table[:, :found])
            table = np.empty((6, found), np.int32)

    def where(self, chosen: np.ndarray) -> Spans:
        """The spans of a mask, or of numbers."""
        return Spans(self.table[:, chosen])

    def at(self, instant: int) -> Spans:
        """The spans that an instant lies in."""
        return self.where((self.start <= instant) & (self.stop > instant))

    def sums(self, rows: int, instants: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Weighted sums of what operates, float64[rows, D, M], at instants int64[D]; weights float64[n, K, M]."""
        sums = np.zeros((rows, len(instants), weights.shape[2]))
        _sums(self.table, np.asarray(instants, np.int64), np.ascontiguousarray(weights), sums)
        return whole_zeros(sums)

    def changes(self, group: np.ndarray, groups: int, steps: int, weight: Any = None) -> np.ndarray:
        """What operates by group of spans and instant, float64[groups, T + 1]; `weight` [spans], default 1."""
        width = steps + 2
        key, weight = group.astype(np.int64) * width, self.sign if weight is None else weight * self.sign
        # what begins less what ends at each instant, summed up: one pass, however many instants there are
        change = np.bincount(key + self.start, weights=weight, minlength=groups * width)
        change -= np.bincount(key + self.stop, weights=weight, minlength=groups * width)
        return np.cumsum(change.reshape(groups, width), axis=1)[:, :-1]


def whole_zeros(values: np.ndarray) -> np.ndarray:
    """Sums of many equal fractions leave 1e-16 behind, which would read as an effect: rounded away, and no -0."""
    return np.round(values, 12) + 0.0


@dataclass(frozen=True)
class Arm:
    """One policy arm: its scenario, and what the engine gave for all replicates."""

    name: str
    title: str
    scenario: Scenario
    shared: Structure
    rows: Rows
    batch: Batch

    @staticmethod
    def bare(scenario: Scenario, shared: Structure, name: str = BASELINE) -> Arm:
        """An arm without runs: which places and technologies count, and with what weight in which measure."""
        none = np.zeros(0)
        return Arm(name, name, scenario, shared, Rows(none, none, none), Batch(*(none for _ in range(6))))

    @property
    def places(self) -> tuple[str, ...]:
        """Ids of places in canonical order."""
        return self.scenario.places.id

    @cached_property
    def focus(self) -> np.ndarray:
        """Which places (canonical) are municipalities of the focus regions: bool[n]."""
        inside = np.isin(self.shared.places["region"], self.scenario.focus_rows)
        return inside & (self.shared.places["member"] == 1)

    @cached_property
    def focus_regions(self) -> np.ndarray:
        """Numbers of the regions that have a municipality in focus."""
        return np.unique(self.shared.places["region"][self.focus])

    @cached_property
    def counted(self) -> np.ndarray:
        """Which technologies count in coverage and indices (programme membership does not): bool[K]."""
        return np.asarray(self.shared.technologies["counted"] == 1)

    @cached_property
    def spans(self) -> Spans:
        """When what operates where, outages taken out."""
        return Spans.of(self.batch, self.shared)

    @cached_property
    def _spans_of(self) -> list[Spans]:
        """The spans of each technology, in their order: most series are about one."""
        order = np.argsort(self.spans.technology, kind="stable")
        number = np.bincount(self.spans.technology, minlength=len(self.counted))
        return [self.spans.where(part) for part in np.split(order, np.cumsum(number)[:-1])]

    def series(self, weights: np.ndarray) -> np.ndarray:
        """Weighted count of what operates, by replicate and instant: float64[replicates, T + 1]. weights [n, K]."""
        # a series about one technology, as most are, looks at its spans alone
        weighted = np.flatnonzero(weights.any(axis=0))
        spans = self._spans_of[weighted[0]] if len(weighted) == 1 else self.spans
        weight = weights[spans.place, spans.technology]
        chosen = weight != 0
        spans, weight = spans.where(chosen), weight[chosen]
        return whole_zeros(spans.changes(spans.row, len(self.rows), self.scenario.steps, weight))

    def at_places(self, instant: int, by_technology: np.ndarray) -> np.ndarray:
        """What operates at each place at an instant, weighted by technology [K]: float64[replicates, n] (canonical)."""
        now, count = self.spans.at(instant), len(self.focus)
        key = now.row.astype(np.int64) * count + now.place
        weights = by_technology[now.technology] * now.sign
        return np.bincount(key, weights=weights, minlength=len(self.rows) * count).reshape(-1, count)

    def holdings(self, instant: int) -> np.ndarray:
        """What operates at an instant: bool[replicates, K, n] (places canonical)."""
        kinds, count = self.shared.portfolio.shape
        now, held = self.spans.at(instant), np.zeros((len(self.rows), kinds, count), np.int8)
        np.add.at(held, (now.row, now.technology, now.place), now.sign)
        return held > 0

    def share_weights(self, technologies: np.ndarray, places: np.ndarray | None = None) -> np.ndarray:
        """Weights [n, K] that make `series` the share of (place, technology) pairs operating."""
        chosen = self.focus if places is None else places
        weights = np.outer(chosen, technologies).astype(np.float64)
        return weights / max(weights.sum(), 1.0)

    @cached_property
    def index_by_technology(self) -> np.ndarray:
        """What each technology adds to the IQ-city index of a place, float64[K]: it is linear in what operates."""
        segment = np.array(self.scenario.technologies.segment)
        belongs = np.array([segment == name for name in SEGMENTS], dtype=np.float64)
        return np.asarray(rules.iq_index(belongs.T, belongs.sum(axis=1)))

    def measures(self) -> dict[str, np.ndarray]:
        """The main series by name, weights [n, K] for `series`: coverage, people served, sizes, each technology."""
        size = self.shared.places["population"]
        people = np.where(self.focus, size, 0) / max(float(size[self.focus].sum()), 1.0)
        found = {
            "coverage": self.share_weights(self.counted),
            "people": np.outer(people, self.counted / max(self.counted.sum(), 1)),
            "index": np.outer(people, self.index_by_technology),
        }
        for name, low, high in SIZE_CLASSES:
            group = self.focus & (size > low) & (size <= high)
            if group.any():
                found[name] = self.share_weights(self.counted, group)
        for k, technology in enumerate(self.scenario.technologies.id):
            found[technology] = self.share_weights(np.arange(len(self.counted)) == k)
        return found
