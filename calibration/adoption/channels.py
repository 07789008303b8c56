"""Who listens to whom? The model's own weights from coordinates and people, or an edge list."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from calibration.adoption.places import Options, PlaceTable, rows_of
from calibration.words import counted
from sim.engine.network import Channel, channel_from, sparse_rows
from sim.engine.sphere import on_sphere
from sim.scenario.errors import InputError, Problem, shortened
from sim.scenario.tables import Column, read_table

EDGES = {
    "from": Column(),
    "to": Column(),
    "weight": Column("number", required=False, empty=True, low=0),
    "channel": Column(required=False, empty=True),
}
ALLOWED_CHANNELS = ("peers", "leaders")


def gravity(known: PlaceTable, asked: Options, notes: list[str]) -> tuple[Channel, Channel | None]:
    """The model's own weights: gravity among peers of a region, leaders of other regions."""
    n = len(known.names)
    everybody = np.arange(n)
    # equal weights at the limit of neighbours are cut by name, not by the order of the rows
    rank = np.argsort(np.argsort(known.names)).astype(np.int64)
    decay, size, neighbours = asked.distance_decay, asked.size_exponent, asked.neighbours
    located = np.isfinite(known.latitude) & np.isfinite(known.longitude)
    if not located.all():
        words = (
            "no coordinates and no network" if not located.any() else f"{(~located).sum()} places without coordinates"
        )
        notes.append(f"{words[0].upper()}{words[1:]}: everybody listens to all others of the region alike.")
        position, decay, neighbours = np.zeros((n, 3)), 0.0, n
        size = 0.0
    else:
        position = on_sphere(known.latitude, known.longitude)
    mass = np.maximum(known.population, 1.0) ** size
    regions = np.unique(known.region)
    alone = len(regions) == 1
    groups_peers, groups_leaders = [], []
    for region in regions:
        here = everybody[known.region == region]
        leaders = everybody[known.leader & ((known.region != region) | alone)]
        # in a single region a leader would be heard twice, as one and as a peer
        groups_peers.append((here, here[~known.leader[here]] if alone and len(leaders) else here))
        groups_leaders.append((here, leaders))
    if alone and known.leader.any():
        notes.append("There is one region: leaders are a channel of their own, peers are the others.")
    weights = (position, mass, rank, decay, neighbours)
    nothing = (np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))
    peers = channel_from(n, groups_peers, weights, nothing)
    return peers, channel_from(n, groups_leaders, weights, nothing) if known.leader.any() else None


def read_links(path: str | Path, known: PlaceTable, asked: Options, notes: list[str]) -> tuple[Channel, Channel | None]:
    """Channels from an edge list; the weights of what a place listens to are scaled to a sum of 1."""
    table = read_table(path, EDGES, extra="ignore")
    source, target = (rows_of(table.columns[key], known.names, table.path, table.lines, key) for key in ("from", "to"))
    channel = np.array([name or "peers" for name in table.columns["channel"]])
    weight = np.asarray(table.columns["weight"])
    weight = np.where(np.isfinite(weight), weight, 1.0)  # a list without weights: all alike
    problems = [
        Problem(
            table.path, int(table.lines[at]), "channel", f"{str(channel[at])!r} is unknown", ", ".join(ALLOWED_CHANNELS)
        )
        for at in np.flatnonzero(~np.isin(channel, ALLOWED_CHANNELS))
    ]
    if problems:
        raise InputError(shortened(problems))
    keep = (source != target) & (weight > 0)
    if not keep.all():
        notes.append(f"{counted((~keep).sum(), 'link')} of a place to itself, or of weight 0, left out.")
    source, target, weight, channel = source[keep], target[keep], weight[keep], channel[keep]
    if asked.undirected:
        source, target = np.r_[source, target], np.r_[target, source]
        weight, channel = np.r_[weight, weight], np.r_[channel, channel]
    found = [
        _row_shares(len(known.names), *(a[channel == name] for a in (source, target, weight)))
        for name in ALLOWED_CHANNELS
    ]
    deaf = len(known.names) - len(np.unique(target))
    if deaf:
        notes.append(
            f"{counted(deaf, 'place')} without anybody to listen to: an edge runs from who is copied to who listens."
        )
    return found[0], found[1] if (channel == "leaders").any() else None


def _row_shares(n: int, source: np.ndarray, target: np.ndarray, weight: np.ndarray) -> Channel:
    """A channel with repeated links added up and each listener's weights scaled to a sum of 1."""
    pair, at = np.unique(source * n + target, return_inverse=True)
    total = np.bincount(at, weights=weight, minlength=len(pair))
    source, target = pair // n, pair % n
    whole = np.bincount(target, weights=total, minlength=n)
    return sparse_rows(n, source, target, total / whole[target] if len(pair) else total)
