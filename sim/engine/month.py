"""What happens in a month, and in many: the submodels in the order of docs/odd.md, the start, and rows of a batch."""

import math

from sim.engine import columns as c
from sim.engine import draws, rules
from sim.engine.adoption import ALL, add_event, adopt, adopt_all, bring_up_to_date, clock, rate, run_clocks, supply
from sim.engine.compiling import entry_point, inner
from sim.engine.economy import open_year, share_operating
from sim.engine.incidents import incident_clock, incidents, lapse
from sim.engine.money import cash_flow, enqueue, forget, pay
from sim.engine.operation import operate, schedule_end, start_operation
from sim.engine.platforms import open_platforms

WHOLE, BEFORE, WANTS, AFTER = range(4)
"""What of a month is to be run: all of it, or the part before wants, the wants, or the part after them."""


# The month


@inner
def before(m, t):
    """What comes before wants: a year's economy, money in and out, supply."""
    open_year(m, t)
    if m.cost_level > 0.0:
        cash_flow(m, t)
    supply(m, t)


@inner
def wants(m, first, last, t):
    """Clocks of technologies `first` to `last` - 1: they look at nothing that another one changes meanwhile."""
    for k in range(first, last):
        bring_up_to_date(m, k, t)
    run_clocks(m, first, last, t)


@inner
def after(m, t):
    """What follows from wants: payment and adoption, operation, platforms, incidents, ends of life, the record."""
    if m.cost_level > 0.0:
        enqueue(m, t)
        pay(m, t)
    else:
        adopt_all(m, t)
    for k in range(m.technologies_count):
        if c.starts(m)[k, t] != c.NOBODY:
            operate(m, k, t)
    open_platforms(m)
    incidents(m, t)
    for k in range(m.technologies_count):
        if c.ends(m)[k, t] != c.NOBODY:
            lapse(m, k, t)
    if m.cost_level > 0.0:
        close_year(m, t)


@inner
def month(m, t, part, first, last):
    """One step; statuses at the end of the step before decide, so that the order of places cannot matter.

    `part` is the whole, or one of the three parts, so that threads can share the wants of a large country.
    """
    if part in (WHOLE, BEFORE):
        before(m, t)
    if part in (WHOLE, WANTS):
        wants(m, first, last, t)
    if part in (WHOLE, AFTER):
        after(m, t)


# The start


@inner
def begin(m):
    """The state at the start: initial portfolios operate, at ages drawn from their lives; other clocks are set."""
    wipe(m)  # workspaces are used again
    set_up_municipalities(m)
    for k in range(m.technologies_count):
        endow(m, k)
    for k in range(m.technologies_count):
        c.offers(m)[k].stale = 0  # every rate is worked out here, and none a second time for having gone stale
        for i in range(m.places_count):
            c.cells(m)[k, i].stale = 0
            if c.cells(m)[k, i].status == c.WAITING:
                c.rates(m)[k, i] = rate(m, k, i)
    open_platforms(m)
    for r in range(m.regions_count):
        c.funds(m)[r].start_share = share_operating(m, r)


@inner
def wipe(m):
    """Wipe what the row before left."""
    m.waiting = m.queued = m.federal = m.federal_inflow = 0
    for k in range(m.technologies_count):
        offer, needed = c.offers(m)[k], c.technologies(m)[k].requires
        offer.supply, offer.stale, offer.wants, offer.unsettled = 1.0, 0, 0, 1
        c.starts(m)[k, :] = c.NOBODY
        c.ends(m)[k, :] = c.NOBODY
        for i in range(m.places_count):
            cell = c.cells(m)[k, i]
            cell.status, cell.stale, cell.lacking = c.CLOSED, 0, needed[1] - needed[0]
            c.exposures(m)[k, i].peers = c.exposures(m)[k, i].leaders = 0
            c.spells(m)[k, i].number = 0
        for r in range(m.regions_count):
            c.platforms(m)[k, r].operating = 0
            c.platforms(m)[k, r].platform = 0
    for r in range(m.regions_count):
        fund = c.funds(m)[r]
        fund.pool = fund.reserve = fund.pool_inflow = fund.reserve_inflow = fund.median = 0
        c.operating_counts(m)[r, :] = 0
    c.yearly(m)[:] = math.nan  # years that are not reached stay unknown
    c.ledger(m)[:] = 0


@inner
def set_up_municipalities(m):
    """Each place's capacity, empty budget and first incident clock."""
    for i in range(m.places_count):
        place, municipality, budget = c.places(m)[i], c.municipalities(m)[i], c.budgets(m)[i]
        size = rules.relative_size(place.population, m.reference_population)
        luck = draws.normal(draws.stream(m.run, draws.CAPACITY, place.key))
        municipality.capacity = rules.capacity(luck, m.heterogeneity, size, m.size_elasticity)
        municipality.divide = m.divide if math.isnan(place.divide) else place.divide
        municipality.resistance = m.resistance if math.isnan(place.resistance) else place.resistance
        municipality.external = rules.external_rate(m.external, m.leader_factor, place.leader)
        municipality.region = place.region  # again, beside what a hazard needs
        municipality.size = rules.size_factor(size, m.cost_elasticity)
        municipality.clock = incident_clock(m, place.key, 0)
        municipality.incidents = municipality.exposed = municipality.counted = 0
        municipality.distrust_until = municipality.down_until = c.NEVER
        c.operating_counts(m)[place.region, 0] += place.member
        budget.balance = budget.arrears = budget.inflow = budget.running = budget.fee = budget.saving = 0
        budget.due = budget.fee_due = budget.saved = 0


@inner
def endow(m, k):
    """Initial portfolios operate from the start, whether their prerequisites do or not; the other clocks are set."""
    clocks, paces = c.remaining(m)[k], c.rates(m)[k]
    for i in range(m.places_count):
        cell = c.cells(m)[k, i]
        paces[i] = 0.0
        clocks[i] = math.inf  # what does not wait never comes due
        if c.portfolio(m)[k, i]:
            at = add_event(m, k, i, c.NEVER, c.NEVER, c.INITIAL, c.NOBODY)
            c.events(m)[at].operating = 0
            start_operation(m, k, i, ALL)
            schedule_end(m, k, i, end_of_initial(m, k, i))
        elif c.places(m)[i].member:
            cell.status = c.WAITING
            c.spells(m)[k, i].number = 1
            m.waiting += 1
            clocks[i] = clock(m, k, i, 1)


@inner
def end_of_initial(m, k, i):
    """The instant at which a technology that was there from the start ends: its age is uniform on [0, life)."""
    life = c.technologies(m)[k].life
    bits = draws.cell_bits(draws.stream(m.run, draws.AGE, c.places(m)[i].key), c.technologies(m)[k].key, 0)
    return rules.remaining_life(life, draws.uniform(bits))


# The end of a year


@inner
def close_year(m, t):
    """At the end of a year, and of the run: what is owed, held and waited for."""
    y = c.calendar(m)[t].year
    if t + 1 < m.steps and not c.calendar(m)[t + 1].opens:
        return
    for r in range(m.regions_count):
        flows = c.ledger(m)[r, y]
        flows[c.BALANCE] = c.funds(m)[r].pool + c.funds(m)[r].reserve
        for i in range(c.regions(m)[r].start, c.regions(m)[r].stop):
            flows[c.ARREARS] += c.budgets(m)[i].arrears
            flows[c.BALANCE] += c.budgets(m)[i].balance
    c.ledger(m)[m.regions_count, y, c.BALANCE] = m.federal
    for at in range(m.queued):
        r = c.places(m)[c.queue(m)[at].place].region
        c.ledger(m)[r, y, c.UNPAID] += 1


# What Python calls


@inner
def room(m):
    """Whether the lists of events can take all that a step may add."""
    enough = m.event_count + m.waiting + m.equips_count <= m.event_room
    return enough and m.outage_count + m.places_count <= m.outage_room


@entry_point
def run_rows(
    record, rows, mandates, equips, seed, replicates, ends, tables, ledgers, progress, until, part, first, last
):
    """Run rows one after another, each to step `until`, into one list of events.

    `record` RECORD[1]; `rows` float64[rows, P] are PARAMETERS, `mandates` MANDATES[rows, M], `equips` EQUIPS[E] for all
    rows; `tables` float64[rows, R, Y, 4] and `ledgers` int64[rows, R + 1, Y, 14] are written where they are. `ends`
    int64[rows, 2] receives the number of events and outages after each row. `progress` int64[2] holds the row and step
    to go on from, step -1 before the start. `part`, `first` and `last`: see `month`. Returns whether all is done; if
    not, the lists of events must grow, and the same call goes on.
    """
    # one function that Python calls, for all that it asks: each further one would compile the whole engine once more
    m = record[0]
    m.equips, m.equips_count = equips.ctypes.data, len(equips)
    while progress[0] < len(rows):
        number = progress[0]
        m.run = draws.run_key(seed, replicates[number])
        m.mandates, m.mandates_count = mandates[number].ctypes.data, mandates.shape[1]
        m.yearly, m.ledger = tables[number].ctypes.data, ledgers[number].ctypes.data
        own = c.parameters(m)  # the first fields of the record itself
        for at in range(len(own)):
            own[at] = rows[number, at]
        if progress[1] < 0:
            if m.event_count + m.technologies_count * m.places_count > m.event_room:
                return False
            begin(m)
            progress[1] = 0
        while progress[1] < until:
            if part in (WHOLE, BEFORE):  # the room found then is enough for the whole month
                if not room(m):
                    return False
                equip_at(m, progress[1])
            month(m, progress[1], part, first, last)
            progress[1] += 1
        if part in (WHOLE, AFTER):
            ends[number, 0], ends[number, 1] = m.event_count, m.outage_count
        progress[0], progress[1] = number + 1, -1
    return True


@inner
def equip_at(m, t):
    """What the table of equips gives at instant t."""
    for e in range(m.equips_count):
        given = c.equips(m)[e]
        if given.instant == t:
            give(m, given.technology, given.place, t)


@inner
def give(m, k, i, t):
    """An experimenter's action: place i gets technology k, which operates after its lag; nobody pays.

    Returns False where the place has it already.
    """
    cell = c.cells(m)[k, i]
    if cell.status in (c.INSTALLING, c.OPERATING, c.DOWN):
        return False
    if cell.status == c.WANTED:
        forget(m, k, i)
    if cell.status == c.CLOSED:  # a guide, which never waited: `adopt` takes one off
        m.waiting += 1
    c.remaining(m)[k, i] = math.inf
    c.rates(m)[k, i] = 0.0
    adopt(m, k, i, t, t - 1, c.ACTION, c.NOBODY)
    if c.technologies(m)[k].lag == 0:
        c.events(m)[c.spells(m)[k, i].event].operating = t
        start_operation(m, k, i, ALL)
        schedule_end(m, k, i, t + c.technologies(m)[k].life)
    return True


@entry_point
def equip(record, k, i, t):
    """`give` by hand, at the instant t that is reached."""
    return give(record[0], k, i, t)
