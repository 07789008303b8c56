"""What changes when a technology starts to operate, or stops? It is seen, counted, unlocks others and is paid for.

A file of its own, since incidents and the end of life undo what the end of the lag has done.
"""

import numpy as np

from sim.engine import columns as c
from sim.engine.adoption import ALL, REST, mark, push
from sim.engine.compiling import inner, prefetch
from sim.engine.money import oblige


@inner
def operate(m, k, t):
    """Technologies whose lag is over start to operate."""
    at = c.starts(m)[k, t]
    tech = c.technologies(m)[k]
    part = REST if tech.lag > 0 and m.announced > 0.0 else ALL
    while at != c.NOBODY:
        event = c.events(m)[at]
        at = c.following(m)[at]
        prefetch_event(m, at)
        event.operating = t + 1
        i = np.int64(event.place)
        start_operation(m, k, i, part)
        schedule_end(m, k, i, t + 1 + tech.life)


@inner
def prefetch_event(m, at):
    """Ask the memory for what the next events of a day need: the place and listeners of one, the place of the other."""
    if at != c.NOBODY:
        place = c.events(m)[at].place
        prefetch(c.municipalities(m), place)
        prefetch(c.peers_out(m), c.places(m)[place].peers_out[0])
        if c.following(m)[at] != c.NOBODY:
            prefetch(c.places(m), c.events(m)[c.following(m)[at]].place)


@inner
def start_operation(m, k, i, part):
    """Technology k operates at place i from now on: it is seen, counted and paid for."""
    c.cells(m)[k, i].status = c.OPERATING
    announce_operation(m, k, i, 1, part)
    if m.cost_level > 0.0 and c.places(m)[i].member:
        oblige(m, k, i, 1)


@inner
def announce_operation(m, k, i, sign, part):
    """A technology comes into operation (sign 1) or goes out of it (-1), for all whom that concerns."""
    tech, place, municipality = c.technologies(m)[k], c.places(m)[i], c.municipalities(m)[i]
    push(m, k, i, sign, part)
    # guides are looked at, but neither platforms nor medians count them: `member` is 0 for them
    c.platforms(m)[k, place.region].operating += sign * place.member
    c.offers(m)[k].unsettled = 1
    municipality.exposed += sign * tech.exposed  # kept, so that shares operating need no pass over cells
    c.operating_counts(m)[place.region, municipality.counted] -= place.member
    municipality.counted += sign * tech.counted
    c.operating_counts(m)[place.region, municipality.counted] += place.member
    for at in range(tech.unlocks[0], tech.unlocks[1]):
        other = np.int64(c.unlocks(m)[at])
        c.cells(m)[other, i].lacking -= sign
        mark(m, other, i)


@inner
def schedule_end(m, k, i, instant):
    """Put the end of a technology's life on the calendar. Guides keep their portfolios."""
    if c.technologies(m)[k].life > 0 and c.places(m)[i].member and instant <= m.steps:
        number = c.spells(m)[k, i].event
        c.following(m)[number] = c.ends(m)[k, instant - 1]
        c.ends(m)[k, instant - 1] = number
