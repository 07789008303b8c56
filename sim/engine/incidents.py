"""What goes out of operation? Incidents with their outages and distrust, and technologies at the end of their life."""

import numpy as np

from sim.engine import draws, rules
from sim.engine.adoption import ALL, clock, mark, mark_all
from sim.engine.columns import (
    DOWN,
    NEVER,
    NOBODY,
    OPERATING,
    WAITING,
    cells,
    ends,
    events,
    following,
    municipalities,
    outages,
    places,
    remaining,
    spells,
    technologies,
)
from sim.engine.compiling import inner
from sim.engine.money import oblige
from sim.engine.operation import announce_operation, prefetch_event


@inner
def incident_clock(m, key, number):
    """What must pass, in expected incidents, before a place's incident of this number."""
    return draws.exponential(draws.cell_bits(draws.stream(m.run, draws.INCIDENT, key), np.uint64(0), number))


@inner
def incidents(m, t):
    """Outages end, distrust fades, and clocks of incidents run down."""
    if m.incident_rate <= 0.0 or m.exposed_technologies == 0:
        return
    for i in range(m.places_count):
        municipality = municipalities(m)[i]
        if not places(m)[i].member:
            continue
        if municipality.down_until == t:
            restore(m, i)
        if municipality.distrust_until == t:
            municipality.distrust_until = NEVER
            mark_all(m, i)
        share = municipality.exposed / m.exposed_technologies
        municipality.clock -= m.step * rules.incident_hazard(m.incident_rate, share, m.protection)
        if municipality.clock <= 0.0:
            strike(m, i, t)


@inner
def strike(m, i, t):
    """An incident: the technologies of place i are down for a while, and for two years people distrust such systems."""
    municipality = municipalities(m)[i]
    municipality.incidents += 1
    municipality.clock = incident_clock(m, places(m)[i].key, municipality.incidents)
    down = 0
    if m.outage > 0.0:
        down = max(1, rules.whole_steps(m.outage, m.step))
        municipality.down_until = t + down
        for k in range(m.technologies_count):
            if technologies(m)[k].exposed and cells(m)[k, i].status == OPERATING:
                cells(m)[k, i].status = DOWN
                announce_operation(m, k, i, -1, ALL)
    outage = outages(m)[m.outage_count]
    outage.place, outage.start, outage.stop = i, t + 1, min(t + 1 + down, m.steps + 1)
    m.outage_count += 1
    if m.distrust > 0.0:
        municipality.distrust_until = t + rules.whole_steps(rules.DISTRUST_YEARS, m.step)
        mark_all(m, i)


@inner
def restore(m, i):
    """The outage is over: what was down operates again."""
    municipalities(m)[i].down_until = NEVER
    for k in range(m.technologies_count):
        if cells(m)[k, i].status == DOWN:
            cells(m)[k, i].status = OPERATING
            announce_operation(m, k, i, 1, ALL)


@inner
def lapse(m, k, t):
    """Technologies at the end of their life lapse; the clock of the next spell starts."""
    at = ends(m)[k, t]
    while at != NOBODY:
        event = events(m)[at]
        at = following(m)[at]
        prefetch_event(m, at)
        i = np.int64(event.place)
        cell, spell = cells(m)[k, i], spells(m)[k, i]
        if m.cost_level > 0.0:
            oblige(m, k, i, -1)
        operating = cell.status == OPERATING
        cell.status = WAITING
        if operating:
            announce_operation(m, k, i, -1, ALL)
        event.ended = t + 1
        spell.number += 1
        m.waiting += 1
        remaining(m)[k, i] = clock(m, k, i, spell.number)
        mark(m, k, i)
