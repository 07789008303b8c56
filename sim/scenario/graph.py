"""The network of a scenario for other programs: as a graph of networkx, or as GraphML."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import networkx

    from sim.scenario.scenario import Scenario


def to_networkx(scenario: Scenario) -> networkx.DiGraph:
    """The network as a DiGraph: municipalities and regions as nodes; edges carry `channel` and `weight` (row shares).

    An edge runs from the place that is copied to the place that listens; channels are peers, leaders and regions.
    """
    import networkx

    from sim.engine.network import build
    from sim.engine.rules import EXPOSURE_UNIT

    net, places, regions = build(scenario), scenario.places, scenario.regions
    graph = networkx.DiGraph(title=scenario.title)
    for i, name in enumerate(places.id):
        graph.add_node(
            name,
            kind="guide" if places.guide[i] else "municipality",
            name=places.name[i],
            region=regions.id[places.region[i]],
            population=float(places.population[i]),
            latitude=float(places.latitude[i]),
            longitude=float(places.longitude[i]),
        )
    for row, name in enumerate(regions.id):
        people = float(regions.population[row])
        graph.add_node(f"region:{name}", kind="region", name=regions.name[row], population=people)
    for channel, links in (("peers", net.peers), ("leaders", net.leaders)):
        target = np.repeat(np.arange(len(places.id)), np.diff(links.start))
        for j, listener, weight in zip(links.neighbour, target, links.weight, strict=True):
            graph.add_edge(places.id[j], places.id[listener], channel=channel, weight=float(weight * EXPOSURE_UNIT))
    for row, other in np.argwhere(net.regions).tolist():
        weight = float(net.regions[row, other] * EXPOSURE_UNIT)
        graph.add_edge(f"region:{regions.id[other]}", f"region:{regions.id[row]}", channel="regions", weight=weight)
    return graph


def write_graphml(scenario: Scenario, path: str | Path) -> None:
    """Write the network as GraphML, which Gephi, igraph, Cytoscape and R read."""
    import networkx

    networkx.write_graphml(to_networkx(scenario), str(path))
