"""What do places see of others when it is known who began what, and when? The engine's push, for dates as data."""

from __future__ import annotations

import numpy as np

from sim.engine.adoption import ALL, push
from sim.engine.columns import RECORD, Columns, allocate
from sim.engine.compiling import entry_point
from sim.engine.network import Channel, sparse_rows
from sim.engine.rules import EXPOSURE_UNIT


@entry_point
def _push(record, technology, place):
    for at in range(len(place)):
        push(record[0], technology[at], place[at], 1, ALL)


class Exposures:
    """Exposures of K technologies at n places along given channels, from beginnings that are told one after another.

    `peers` and `leaders` are channels as `network.channel_from` or `network.sparse_rows` make them, in the caller's own
    numbering of places; None: nobody.
    """

    def __init__(self, technologies: int, places: int, peers: Channel | None, leaders: Channel | None) -> None:
        record = np.zeros(1, RECORD)
        record["technologies_count"], record["places_count"] = technologies, places
        columns = allocate(record, ("places", "cells", "exposures", "offers", "stale"))
        nobody = sparse_rows(places, *(np.empty(0, kind) for kind in (np.int64, np.int64, np.float64)))
        for name, channel in (("peers_out", peers or nobody), ("leaders_out", leaders or nobody)):
            columns["places"][name], columns[name] = channel.outward_bounds, channel.outward
        self._columns = Columns(columns, record)
        self._columns.address()

    def begin(self, technology: np.ndarray, place: np.ndarray) -> None:
        """Let places begin to operate technologies: whole numbers [starts], technology beside place."""
        _push(self._columns.record, technology.astype(np.int64), place.astype(np.int64))

    def of(self, technologies: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Exposure to peers and to leaders, float64[len(technologies), n] each, shares from 0 to 1."""
        seen = self._columns.exposures[technologies]
        return seen["peers"] * EXPOSURE_UNIT, seen["leaders"] * EXPOSURE_UNIT
