"""What goes out of operation? Incidents with their outages and distrust, and technologies at the end of their life."""

import numpy as np

from sim.engine import columns as c
from sim.engine import draws, rules
from sim.engine.adoption import ALL, clock, mark, mark_all
from sim.engine.compiling import inner
from sim.engine.money import oblige
from sim.engine.operation import announce_operation, prefetch_event


@inner
def incident_clock(m, key, number):
    """What must pass, in expected incidents, before a place's incident of this number."""
    return draws.exponential(draws.cell_bits(draws.stream(m.run, draws.INCIDENT, key), np.uint64(0), number))


@inner
def incidents(m, t):
    """Outages end, distrust fades, and clocks of incidents run down.

    A clock runs in expected incidents, as that of an adoption: its threshold is drawn once, whatever happens meanwhile.
    """
    if m.incident_rate <= 0.0 or m.exposed_technologies == 0:
        return
    for i in range(m.places_count):
        municipality = c.municipalities(m)[i]
        if not c.places(m)[i].member:
            continue
        if municipality.down_until == t:
            restore(m, i)
        if municipality.distrust_until == t:
            municipality.distrust_until = c.NEVER
            mark_all(m, i)
        hazard = rules.incident_hazard(m.incident_rate, municipality.exposed, m.exposed_technologies, m.protection)
        municipality.clock -= m.step * hazard
        if municipality.clock <= 0.0:
            strike(m, i, t)


@inner
def strike(m, i, t):
    """An incident: the technologies of place i are down for a while, and for two years people distrust such systems."""
    municipality = c.municipalities(m)[i]
    municipality.incidents += 1
    municipality.clock = incident_clock(m, c.places(m)[i].key, municipality.incidents)
    down = rules.outage_steps(m.outage, m.step)
    if down > 0:
        municipality.down_until = t + down
        for k in range(m.technologies_count):
            if c.technologies(m)[k].exposed and c.cells(m)[k, i].status == c.OPERATING:
                c.cells(m)[k, i].status = c.DOWN
                announce_operation(m, k, i, -1, ALL)
    outage = c.outages(m)[m.outage_count]
    outage.place, outage.start, outage.stop = i, t + 1, min(t + 1 + down, m.steps + 1)
    m.outage_count += 1
    if m.distrust > 0.0:
        municipality.distrust_until = t + int(rules.whole_steps(rules.DISTRUST_YEARS, m.step))
        mark_all(m, i)


@inner
def restore(m, i):
    """The outage is over: what was down operates again, at the end of the last outage where several overlap."""
    c.municipalities(m)[i].down_until = c.NEVER
    for k in range(m.technologies_count):
        if c.cells(m)[k, i].status == c.DOWN:
            c.cells(m)[k, i].status = c.OPERATING
            announce_operation(m, k, i, 1, ALL)


@inner
def lapse(m, k, t):
    """Technologies at the end of their life lapse; the clock of the next spell starts."""
    at = c.ends(m)[k, t]
    while at != c.NOBODY:
        event = c.events(m)[at]
        at = c.following(m)[at]
        prefetch_event(m, at)
        i = np.int64(event.place)
        cell, spell = c.cells(m)[k, i], c.spells(m)[k, i]
        if m.cost_level > 0.0:
            oblige(m, k, i, -1)
        operating = cell.status == c.OPERATING  # what is down is neither seen nor counted any more
        cell.status = c.WAITING
        if operating:
            announce_operation(m, k, i, -1, ALL)
        event.ended = t + 1
        spell.number += 1
        m.waiting += 1
        c.remaining(m)[k, i] = clock(m, k, i, spell.number)
        mark(m, k, i)
