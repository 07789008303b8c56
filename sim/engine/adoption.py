"""Who wants a technology, why, and who is seen to have it: exposure, hazards, clocks, wants, attribution.

Exposure is pushed: it changes only when somebody starts or stops operating, and only then are the rates of those who
listen worked out anew. A month without events is one pass over the waiting cells, remaining -= rate * supply.

Names, here and in the files beside: `m` is the record (`columns.RECORD`), i and j are places, k a technology, r a
region, t a step. Numbers of places are int64 everywhere, since a function is compiled anew for each kind of whole
number: hence `np.int64(...)` around what a column holds in four bytes.
"""

import math

import numpy as np

from sim.engine import columns as c
from sim.engine import draws, rules
from sim.engine.compiling import inner, part, prefetch

HIGHEST_RATE = 1e30
"""Beyond 32-bit numbers a rate would be infinite, and without supply not a number."""
ALL, ANNOUNCED, REST = range(3)
"""The part of an influence that begins or ends: all of it, what is felt between adoption and operation, or the rest."""
BLOCK = 64
"""Cells whose clocks run down together before anybody looks whether one has run out: a vectorised loop."""
AHEAD = 12
"""So many items ahead a loop asks for memory: about what it computes in the time that memory takes to answer."""


# Exposure and rates


@inner
def multiplier(m, k, i):
    """M of a cell as it stands: capacity and attractiveness."""
    tech, municipality = c.technologies(m)[k], c.municipalities(m)[i]
    resistance = rules.resistance(municipality.resistance, m.distrust, municipality.distrust_until != c.NEVER)
    peers, platform = c.exposures(m)[k, i].peers * rules.EXPOSURE_UNIT, c.platforms(m)[k, municipality.region].platform
    value = rules.attractiveness(
        tech.benefit, c.fit(m)[k, municipality.region], municipality.divide, m.inclusion, tech.privacy, m.protection,
        resistance, peers, tech.complexity, platform,
    )  # fmt: skip
    return rules.multiplier(municipality.capacity, m.benefit_weight, value)


@inner
def terms(m, k, i):
    """The sources of a cell's hazard, see `rules.hazard_terms`."""
    exposure, municipality = c.exposures(m)[k, i], c.municipalities(m)[i]
    peers, leaders = exposure.peers * rules.EXPOSURE_UNIT, exposure.leaders * rules.EXPOSURE_UNIT
    platform = c.platforms(m)[k, municipality.region].platform
    return rules.hazard_terms(municipality.external, m.peers, peers, m.leaders, leaders, m.platform_rate, platform)


@inner
def rate(m, k, i):
    """What a step takes off the clock of a waiting cell, before supply and mandate."""
    if c.cells(m)[k, i].lacking:
        return 0.0
    hazard = rules.hazard(multiplier(m, k, i), terms(m, k, i))
    return min(m.step * hazard, HIGHEST_RATE)


@inner
def note_stale(cell, offer, noted, i):
    """Note that the rate of place i's cell must be worked out anew, if it is waiting.

    Worked out once, before it is needed, however many of those it listens to begin or end meanwhile.
    """
    if cell.status == c.WAITING and not cell.stale:
        cell.stale = 1
        noted[offer.stale] = i
        offer.stale += 1


@inner
def mark(m, k, i):
    """Note that the rate of a cell must be worked out anew."""
    note_stale(c.cells(m)[k, i], c.offers(m)[k], c.stale(m)[k], i)


@inner
def mark_all(m, i):
    """The rates of all that place i waits for have changed."""
    for k in range(m.technologies_count):
        mark(m, k, i)


@inner
def refresh(m, k):
    """Work out the rates that have gone stale."""
    offer, noted, own, paces = c.offers(m)[k], c.stale(m)[k], c.cells(m)[k], c.rates(m)[k]
    exposure, people = c.exposures(m)[k], c.municipalities(m)
    for at in range(offer.stale):
        ahead = noted[min(at + AHEAD, offer.stale - 1)]
        prefetch(people, ahead)
        prefetch(paces, ahead)
        prefetch(own, ahead)
        prefetch(exposure, ahead)
        i = np.int64(noted[at])
        own[i].stale = 0
        if own[i].status == c.WAITING:
            paces[i] = rate(m, k, i)
    offer.stale = 0


@inner
def part_of(weight, part, announced):
    """The part of a link's weight that a change concerns, whole, so that parts add up to it."""
    if part == ALL:
        return weight
    early = rules.announced_weight(weight, announced)
    return early if part == ANNOUNCED else weight - early


@inner
def push(m, k, j, sign, part):
    """Add (sign 1) or take away (-1) place j's influence with those who listen to it, and mark them stale."""
    place = c.places(m)[j]
    # found once, not for every link: stores in the loop could change any address, as far as the compiler knows
    own, exposure, offer, noted = c.cells(m)[k], c.exposures(m)[k], c.offers(m)[k], c.stale(m)[k]
    channel = c.peers_out(m)
    for at in range(place.peers_out[0], place.peers_out[1]):
        link = channel[at]
        exposure[link.place].peers += sign * part_of(link.weight, part, m.announced)
        note_stale(own[link.place], offer, noted, np.int64(link.place))
    channel = c.leaders_out(m)
    for at in range(place.leaders_out[0], place.leaders_out[1]):
        link = channel[at]
        exposure[link.place].leaders += sign * part_of(link.weight, part, m.announced)
        note_stale(own[link.place], offer, noted, np.int64(link.place))


# Clocks and wants


@inner
def clock(m, k, i, spell):
    """The threshold of a cell's clock: a standard exponential keyed by municipality, technology and spell."""
    bits = draws.stream(m.run, draws.CLOCK, c.places(m)[i].key)
    return draws.exponential(draws.cell_bits(bits, c.technologies(m)[k].key, spell))


@inner
def supply(m, t):
    """This step's supply of each technology.

    Kept apart from the rates: it changes every step for all, rates only where something has happened.
    """
    if m.severity <= 0.0 or t < m.sanctions_from:
        return
    years = (t - m.sanctions_from) * m.step
    for k in range(m.technologies_count):
        foreign = c.technologies(m)[k].foreign_share
        c.offers(m)[k].supply = rules.supply(foreign, m.severity, m.substitution, years)


@part
def bring_up_to_date(m, k, t):
    """Rates of technology k as of now, and what mandates take off its clocks."""
    offer = c.offers(m)[k]
    offer.wants = 0
    if offer.stale > 0:
        refresh(m, k)
    for d in range(m.mandates_count):
        mandate = c.mandates(m)[d]
        if in_force(mandate, k, t):
            run_down(m, k, mandate.region, mandate.rate * m.step)


@inner
def in_force(mandate, k, t):
    """Whether a mandate is about technology k and in force in step t."""
    return mandate.technology == k and mandate.start <= t < mandate.stop


@inner
def run_clocks(m, first, last, t):
    """Clocks run down at the hazard; at zero the technology is wanted."""
    # technologies of the same supply in one pass over one list, which the compiler takes sixteen cells at a time
    here = first * m.places_count
    for k in range(first, last):
        if k + 1 == last or c.offers(m)[k + 1].supply != c.offers(m)[k].supply:
            beyond = (k + 1) * m.places_count
            for start in range(here, beyond, BLOCK):
                stop = min(start + BLOCK, beyond)
                if age(c.all_remaining(m), c.all_rates(m), start, stop, np.float32(c.offers(m)[k].supply)) > 0:
                    collect(m, start, stop)
            here = beyond
    for k in range(first, last):
        reasons(m, k, t)


@inner
def age(clocks, paces, start, stop, factor):
    """The pass over the waiting cells: remaining -= rate * supply; returns how many clocks have run out.

    All in 32 bits, as many to a vector as may be: against 64 bits one cell in 70 000 changes its month. Cells that do
    not wait have an infinite clock and rate 0, so that nobody asks.
    """
    due = np.int32(0)
    for at in range(start, stop):
        left = clocks[at] - paces[at] * factor
        clocks[at] = left
        due = np.int32(due + (left <= np.float32(0.0)))
    return due


@inner
def run_down(m, k, r, toll):
    """A mandate takes its toll off the clocks of its region, where the prerequisites operate."""
    clocks = c.remaining(m)[k]
    # by hand and not through the rates: a mandate knows neither multiplier nor supply
    for i in range(c.regions(m)[r].start, c.regions(m)[r].stop):
        if c.cells(m)[k, i].status == c.WAITING and not c.cells(m)[k, i].lacking:
            clocks[i] -= np.float32(toll)


@inner
def collect(m, start, stop):
    """Those whose clock has run out want the technology."""
    clocks = c.all_remaining(m)
    for at in range(start, stop):
        if clocks[at] <= np.float32(0.0):
            k = at // m.places_count
            i = at - k * m.places_count
            offer = c.offers(m)[k]
            c.wants(m)[k, offer.wants].place = i
            offer.wants += 1
            clocks[at] = math.inf
            c.rates(m)[k, i] = 0.0
            c.cells(m)[k, i].status = c.WANTED


# Attribution


@inner
def reasons(m, k, t):
    """Each place that wants a technology wants it for a reason of its own.

    In a loop of its own, after all clocks: what the next places need is known, and asked for ahead.
    """
    entries, count, exposure, number = c.wants(m)[k], c.offers(m)[k].wants, c.exposures(m)[k], c.spells(m)[k]
    everybody, people, peers, leaders = c.places(m), c.municipalities(m), c.peers_in(m), c.leaders_in(m)
    for at in range(count):
        i = entries[min(at + 2 * AHEAD, count - 1)].place
        prefetch(everybody, i)
        prefetch(people, i)
        prefetch(exposure, i)
        prefetch(number, i)
        place = everybody[entries[min(at + AHEAD, count - 1)].place]
        prefetch(peers, place.peers_in[0])
        prefetch(leaders, place.leaders_in[0])
        entry = entries[at]
        entry.source, entry.guide = attribute(m, k, np.int64(entry.place), t)


@inner
def mandated_rate(m, k, i, t):
    """The mandates' rate on a cell at step t, 1/year."""
    total = 0.0
    for d in range(m.mandates_count):
        mandate = c.mandates(m)[d]
        if in_force(mandate, k, t) and mandate.region == c.places(m)[i].region:
            total += mandate.rate
    return total


@inner
def attribute(m, k, i, t):
    """The source of an adoption, and its guide, drawn in proportion to the terms of the hazard.

    Sources are laid end to end, peers first, and the keyed uniform number falls on one of them. It is the model's
    attribution, and no evidence of who convinced whom.
    """
    exposure, place, key = c.exposures(m)[k, i], c.places(m)[i], c.technologies(m)[k].key
    pace = 0.0 if c.cells(m)[k, i].lacking else multiplier(m, k, i) * c.offers(m)[k].supply
    external, peers, leaders, platform = terms(m, k, i)
    external, peers, leaders, platform = pace * external, pace * peers, pace * leaders, pace * platform
    mandate = mandated_rate(m, k, i, t)
    spell = c.spells(m)[k, i].number
    luck = draws.uniform(draws.cell_bits(draws.stream(m.run, draws.SOURCE, place.key), key, spell))
    point = draws.uniform(draws.cell_bits(draws.stream(m.run, draws.GUIDE, place.key), key, spell))
    luck *= peers + leaders + platform + mandate + external  # in this order for good: another one moves events
    if luck < peers:
        return c.PEERS, guide(c.peers_in(m), place.peers_in, m, k, point * exposure.peers)
    luck -= peers
    if luck < leaders:
        return c.LEADERS, guide(c.leaders_in(m), place.leaders_in, m, k, point * exposure.leaders)
    luck -= leaders
    if luck < platform:
        return c.PLATFORM, c.NOBODY
    if luck < platform + mandate:
        return c.MANDATE, c.NOBODY
    return c.EXTERNAL, c.NOBODY


@inner
def guide(channel, bounds, m, k, target):
    """The place whose part of the exposure holds the point `target`; parts are laid end to end, strongest first.

    Whole numbers, so that the parts end exactly where the exposure does.
    """
    passed = 0
    last = c.NOBODY
    for at in range(bounds[0], bounds[1]):
        link = channel[at]
        status = c.cells(m)[k, link.place].status
        if status == c.OPERATING:
            passed += link.weight
        elif status == c.INSTALLING:
            passed += rules.announced_weight(link.weight, m.announced)
        else:
            continue
        last = link.place
        if passed > target:
            break
    return last


# Adoption


@inner
def add_event(m, k, i, wanted, adopted, source, guide):
    """Append an adoption to the list of events; returns its number."""
    at = m.event_count
    m.event_count = at + 1
    event = c.events(m)[at]
    spell = c.spells(m)[k, i]
    spell.event = at
    event.place, event.technology, event.spell = i, k, spell.number
    event.wanted, event.adopted = wanted, adopted
    event.operating = event.ended = c.NEVER
    event.source, event.guide = source, guide
    if m.paid:
        payment = c.payments(m)[at]
        payment.own = payment.regional = payment.federal = payment.private = 0
    return at


@inner
def adopt(m, k, i, wanted, t, source, guide):
    """Place i adopts technology k in step t: announced now, operating after the lag. Returns the event's number."""
    lag = c.technologies(m)[k].lag
    at = add_event(m, k, i, wanted, t + 1, source, guide)
    c.cells(m)[k, i].status = c.INSTALLING
    m.waiting -= 1
    if lag > 0 and m.announced > 0.0:  # else nothing is felt before operation, and then all at once
        push(m, k, i, 1, ANNOUNCED)
    if 0 <= t + lag < m.steps:  # a link before the day's first event: days cost nothing but their first
        c.following(m)[at] = c.starts(m)[k, t + lag]
        c.starts(m)[k, t + lag] = at
    return at


@inner
def adopt_all(m, t):
    """Where money is slack, whoever wants adopts."""
    for k in range(m.technologies_count):
        for at in range(c.offers(m)[k].wants):
            entry = c.wants(m)[k, at]
            adopt(m, k, np.int64(entry.place), t + 1, t, entry.source, entry.guide)
