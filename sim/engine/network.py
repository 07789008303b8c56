"""Who listens to whom: gravity within a region, leaders across regions, regions among each other."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from sim.engine import rules
from sim.engine.compiling import entry_point, inner, part
from sim.engine.sphere import morton, on_sphere

if TYPE_CHECKING:
    from sim.scenario.scenario import Scenario

FAN_BITS = 3
"""A box of the spatial index holds 2**3 = 8 places or boxes."""
LINK = np.dtype([("weight", np.uint32), ("place", np.int32)])
"""A link of influence: its weight in units of 2**-31, and the place at its other end. Eight bytes, since a million
places have fifty million of them."""


class Channel(NamedTuple):
    """One channel of influence as sparse rows, in both directions; weights are whole multiples of 2**-31.

    Rows i of (start, inward) list whom i listens to, strongest first; rows j of (out_start, outward) list who listens
    to j. Shapes: start and out_start int64[n + 1], inward and outward LINK[links].
    """

    start: np.ndarray
    inward: np.ndarray
    out_start: np.ndarray
    outward: np.ndarray

    @property
    def neighbour(self) -> np.ndarray:
        """The places that are listened to, int32[links], by listener."""
        return self.inward["place"]

    @property
    def weight(self) -> np.ndarray:
        """The weights of `neighbour`, uint32[links]."""
        return self.inward["weight"]

    @property
    def inward_bounds(self) -> np.ndarray:
        """Where the rows of `inward` begin and end, int64[n, 2]."""
        return np.column_stack([self.start[:-1], self.start[1:]])

    @property
    def outward_bounds(self) -> np.ndarray:
        """Where the rows of `outward` begin and end, int64[n, 2]."""
        return np.column_stack([self.out_start[:-1], self.out_start[1:]])


@dataclass(frozen=True)
class Network:
    """The influence network of a scenario; `regions` int64[R, R]: weights between regions in units of 2**-31."""

    peers: Channel
    leaders: Channel
    regions: np.ndarray


def build(scenario: Scenario) -> Network:
    """The network of a scenario: largest weights in the region, leaders of other regions, regions to each other."""
    places, section = scenario.places, scenario.network_parameters
    region = np.asarray(places.region)
    rank = np.argsort(np.argsort(places.id)).astype(np.int64)
    position = on_sphere(places.latitude, places.longitude)
    mass = rules.mass(np.asarray(places.population, dtype=np.float64), section.size_exponent)
    listens = ~np.asarray(places.guide)

    leaders = np.flatnonzero(np.asarray(scenario.portfolio).any(axis=1))
    inside = [np.flatnonzero(region == r) for r in np.unique(region)]
    # one at a time: each region has other leaders, and a thousand such lists are long
    groups_peers = ((here[listens[here]], here) for here in inside)
    groups_leaders = ((here[listens[here]], leaders[region[leaders] != region[here[0]]]) for here in inside)
    gravity = (position, mass, rank, section.distance_decay, section.neighbours)
    explicit = _explicit_links(scenario)
    return Network(
        channel_from(len(region), groups_peers, gravity, explicit["peers"]),
        channel_from(len(region), groups_leaders, gravity, explicit["leaders"]),
        _between_regions(scenario, position),
    )


@entry_point
def strongest(listeners, candidates, boxes, first, reach, position, mass, rank, decay, chosen, weight):
    """For each listener the candidates of largest gravity weight, strongest first; ties by rank, itself excluded.

    `chosen` int32[listeners, m] and `weight` float64[listeners, m] are filled; unfilled places stay -1. `boxes` and
    `first`: see `boxes_of`. `reach`: see `rules.reach`; a candidate, or a box of them, farther than the root of reach *
    cut in a straight line, which is never longer than the arc, cannot be among the strongest. So a place compares some
    two hundred boxes and candidates, whether there are a thousand or ten thousand.
    """
    levels = len(first)
    for a in range(len(listeners)):
        i = listeners[a]
        filled, cut = 0, math.inf
        if a > 0:  # neighbours listen to nearly the same places: with those the cut is narrow from the start
            for j in chosen[a - 1]:
                if j >= 0 and j != i:
                    filled, cut = consider(i, j, filled, cut, position, mass, rank, decay, chosen[a], weight[a])
        at = 0
        while at < len(candidates):
            # the largest box that begins here and is out of reach is passed over whole
            size, level = 1 << (FAN_BITS * levels), levels - 1
            while level >= 0 and (at & (size - 1) or not beyond(position, i, boxes, first[level] + at // size, cut)):
                size >>= FAN_BITS
                level -= 1
            if level < 0:
                size = 1 << FAN_BITS
                for j in candidates[at : at + size]:
                    if j == i or chord(position, i, j) > reach[j] * cut:
                        continue
                    filled, cut = consider(i, j, filled, cut, position, mass, rank, decay, chosen[a], weight[a])
            at += size


@part
def chord(position, i, j):
    """The square of the straight line between two points on the unit sphere: without a root, as good to compare."""
    x = position[i, 0] - position[j, 0]
    y = position[i, 1] - position[j, 1]
    z = position[i, 2] - position[j, 2]
    return x * x + y * y + z * z


@part
def beyond(position, i, boxes, box, cut):
    """Whether nobody in a box can be among the strongest; `cut` is infinite until there are enough."""
    line = 0.0
    for axis in range(3):
        gap = max(0.0, boxes[box, axis] - position[i, axis], position[i, axis] - boxes[box, 3 + axis])
        line += gap * gap
    return cut < math.inf and line > boxes[box, 6] * cut


@inner
def consider(i, j, filled, cut, position, mass, rank, decay, chosen, weight):
    """Put candidate j among the strongest for listener i if it belongs there; returns how many there are, and the cut.

    `cut` is the square of the straight line at which a candidate of reach 1 would be as strong as the weakest of them.
    """
    count = len(chosen)
    for b in range(filled):
        if chosen[b] == j:
            return filled, cut
    pull = rules.influence(mass[j], rules.great_circle(math.sqrt(chord(position, i, j))), decay)
    at = filled
    while at > 0 and (pull > weight[at - 1] or (pull == weight[at - 1] and rank[j] < rank[chosen[at - 1]])):
        at -= 1
    if at == count:
        return filled, cut
    for b in range(min(filled, count - 1), at, -1):
        chosen[b] = chosen[b - 1]
        weight[b] = weight[b - 1]
    chosen[at] = j
    weight[at] = pull
    filled = min(filled + 1, count)
    return filled, rules.cut(weight[count - 1], decay) if filled == count else cut


def boxes_of(position: np.ndarray, reach: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A spatial index of points in the order of a space-filling curve: boxes around eight, around eight of those, ...

    Returns boxes float64[B, 7], lowest corner, highest corner and largest reach, and where each level begins in them.
    """
    low, high, far = position, position, reach
    levels: list[np.ndarray] = []
    first = [0]
    while not levels or len(low) > 1:
        starts = np.arange(0, len(low), 1 << FAN_BITS)
        low, high = np.minimum.reduceat(low, starts), np.maximum.reduceat(high, starts)
        far = np.maximum.reduceat(far, starts)
        levels.append(np.column_stack([low, high, far]))
        first.append(first[-1] + len(low))
    return np.concatenate(levels), np.array(first[:-1])


def channel_from(n: int, groups: Iterable, gravity: tuple, explicit: tuple) -> Channel:
    """Sparse rows from groups of (listeners, candidates), row-normalised, with explicit links taking their share."""
    position, mass, rank, decay, neighbours = gravity
    reach = rules.reach(mass, decay)
    # along the curve, candidates that are near in space are near in the list, and share a box
    curve = morton(np.degrees(np.arcsin(position[:, 2])), np.degrees(np.arctan2(position[:, 1], position[:, 0])))
    room = n * min(neighbours, n)
    source, target, share, used = np.empty(room, np.int32), np.empty(room, np.int32), np.empty(room), 0
    for listeners, heard in groups:
        candidates = heard[np.argsort(curve[heard], kind="stable")]
        width = min(neighbours, len(candidates))
        if width == 0 or len(listeners) == 0:
            continue
        boxes, first = boxes_of(position[candidates], reach[candidates])
        chosen = np.full((len(listeners), width), -1, dtype=np.int32)
        weight = np.zeros((len(listeners), width))
        gravity_of = (reach, position, mass, rank, float(decay))
        strongest(listeners, candidates, boxes, first, *gravity_of, chosen, weight)
        present = chosen >= 0  # a leader does not listen to itself, and may be left with one candidate less
        here = slice(used, used + int(present.sum()))
        source[here] = chosen[present]
        target[here] = np.repeat(listeners, present.sum(axis=1))
        weight /= np.where(present.any(axis=1), weight.sum(axis=1), 1.0)[:, None]
        share[here] = weight[present]
        used = here.stop
    return sparse_rows(n, *_with_explicit(n, source[:used], target[:used], share[:used], explicit, rank))


def _with_explicit(
    n: int,
    source: np.ndarray,
    target: np.ndarray,
    share: np.ndarray,
    explicit: tuple[np.ndarray, ...],
    rank: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Links of the table take the share they name; the gravity weights of the row share the rest."""
    given_source, given_target, given = explicit
    if len(given) == 0:
        return source, target, share
    named = set(zip(given_source.tolist(), given_target.tolist(), strict=True))
    keep = np.array([pair not in named for pair in zip(source.tolist(), target.tolist(), strict=True)], dtype=bool)
    source, target, share = source[keep], target[keep], share[keep]
    rest = 1.0 - np.bincount(given_target, weights=given, minlength=n)
    total = np.bincount(target, weights=share, minlength=n)
    share = share * rest[target] / total[target]
    source, target = np.r_[source, given_source], np.r_[target, given_target]
    share = np.r_[share, given]
    # rows are strongest first, whatever the order of the table, since guides are drawn along them
    order = np.lexsort((rank[source], -share, target))
    return source[order], target[order], share[order]


def whole(share: np.ndarray) -> np.ndarray:
    """Shares as whole multiples of 2**-31, int64: sums of them do not depend on the order of addition."""
    return np.floor(share / rules.EXPOSURE_UNIT + 0.5).astype(np.int64)


def sparse_rows(n: int, source: np.ndarray, target: np.ndarray, share: np.ndarray) -> Channel:
    """A channel from an edge list: `share` (summing to 1 or less for each target) of influence source -> target."""
    weight = whole(share).astype(np.uint32)

    def rows(here: np.ndarray, there: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        order = np.argsort(here, kind="stable")
        links = np.empty(len(order), LINK)
        links["weight"], links["place"] = weight[order], there[order]
        return np.r_[0, np.cumsum(np.bincount(here, minlength=n))].astype(np.int64), links

    return Channel(*rows(target, source), *rows(source, target))


def _explicit_links(scenario: Scenario) -> dict[str, tuple[np.ndarray, ...]]:
    """The links table by channel: (source, target, share)."""
    links, channel = scenario.links, np.asarray(scenario.links.channel)
    columns = [np.asarray(column) for column in (links.src, links.dst, links.weight)]
    return {name: tuple(column[channel == name] for column in columns) for name in ("peers", "leaders")}


def _between_regions(scenario: Scenario, position: np.ndarray) -> np.ndarray:
    """Weights between regions by size and distance of their largest places, rows normalised: int64[R, R]."""
    regions, section = scenario.regions, scenario.network_parameters
    count = len(regions.id)
    largest = np.full(count, -1)
    for i in np.argsort(scenario.places.population, kind="stable").tolist():  # the last one stays
        largest[scenario.places.region[i]] = i
    size = np.where(largest >= 0, np.nan_to_num(np.asarray(regions.population, dtype=np.float64)), 0.0)
    centre = position[np.maximum(largest, 0)]
    pull = np.empty((count, count))
    attract(centre, rules.mass(size, section.size_exponent), float(section.distance_decay), pull)
    pull[:, largest < 0] = 0.0
    np.fill_diagonal(pull, 0.0)
    total = np.zeros(count)
    for q in np.argsort(regions.id):  # floats, summed in the order of ids: that of the table must not matter
        total += pull[:, q]
    share = np.divide(pull, total[:, None], where=total[:, None] > 0, out=np.zeros_like(pull))
    return whole(share)


@entry_point
def attract(position, mass, decay, pull):
    """The gravity of each region's centre for each other's, in `pull` float64[R, R]: row listens to column."""
    for r in range(len(mass)):
        for q in range(len(mass)):
            pull[r, q] = rules.influence(mass[q], rules.great_circle(math.sqrt(chord(position, r, q))), decay)
