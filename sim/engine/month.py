"""What happens in a month, and in many: the only place that loops over municipalities, technologies and time.

A month applies the rules in the order of docs/odd.md, see `month`: economy, money, wants, payment, operation,
platforms, incidents and obsolescence, record. Exposure is pushed: it changes only when somebody starts or stops
operating, and only then are the rates of those who listen worked out anew. A month without events is one pass over
the waiting cells, remaining -= rate * supply.

Names: i and j are places, k a technology, r a region, t a step; `shared` is a Structure's record, `state` a State's
record, `row` one row of PARAMETERS, `decrees` its MANDATES, `run` the key of its draws. Numbers of places are int64
everywhere, since a function is compiled anew for each kind of whole number.
"""

from __future__ import annotations

import math

import numpy as np

from sim.engine import draws, rules
from sim.engine.columns import (
    ACTION,
    CLOSED,
    DOWN,
    EXTERNAL,
    INITIAL,
    INSTALLING,
    LEADERS,
    MANDATE,
    MINOR_UNITS,
    NEVER,
    OPERATING,
    PEERS,
    PLATFORM,
    WAITING,
    WANTED,
    all_rates,
    all_remaining,
    areas,
    calendar,
    cells,
    ends,
    events,
    fit,
    following,
    leaders_in,
    leaders_out,
    ledger,
    lines,
    outages,
    payments,
    peers_in,
    peers_out,
    places,
    plates,
    portfolio,
    purses,
    queue_of,
    rates,
    region_links,
    regions,
    remaining,
    seen,
    since_base,
    spare,
    spells,
    stale,
    starts,
    table,
    tally,
    technologies,
    towns,
    unlocks,
    wants,
)
from sim.engine.compiling import entry_point, inner, part, prefetch

(
    OWN_INFLOW, REGIONAL_INFLOW, FEDERAL_INFLOW, GRANTED, SAVED, OWN_SPENT, REGIONAL_SPENT, FEDERAL_SPENT,
    PRIVATE_SPENT, RUNNING_PAID, FEES_PAID, ARREARS, BALANCE, UNPAID,
) = range(14)  # fmt: skip
NOBODY = -1
OPEN, OPENING = 1, 2
DISTRUST_YEARS = 2.0
HIGHEST_RATE = 1e30
ALL, ANNOUNCED, REST = 0, 1, 2
BEFORE, WANTS, AFTER = 1, 2, 4
WHOLE = BEFORE | WANTS | AFTER
BLOCK = 64
AHEAD = 12
"""So many items ahead a loop asks for memory: about what it computes in the time that memory takes to answer."""


# The month


@inner
def month(shared, row, decrees, run, state, t, stage, first, last):
    """One step; statuses at the end of the step before decide, so that the order of places cannot matter.

    `stage`: the whole step, or a part of it, so that threads can share the wants of a large country: technologies
    `first` to `last` - 1 look at nothing that another one changes then.
    """
    money_binds = row.cost_level > 0.0
    if stage & BEFORE:
        economy(shared, row, run, state, t)
        if money_binds:
            budgets(shared, state, t)
        supply(shared, row, state, t)
    if stage & WANTS:
        for k in range(first, last):
            prepare(shared, row, decrees, state, k, t)
        want(shared, row, decrees, run, state, first, last, t)
    if not stage & AFTER:
        return
    if money_binds:
        queue(shared, row, run, state, t)
        pay(shared, row, state, t)
    else:
        adopt_all(shared, row, state, t)
    for k in range(shared.kinds):
        if starts(state)[k, t] != NOBODY:
            operate(shared, row, state, k, t)
    platforms(shared, row, state)
    incidents(shared, row, run, state, t)
    for k in range(shared.kinds):
        if ends(state)[k, t] != NOBODY:
            lapse(shared, row, run, state, k, t)
    if money_binds:
        record(shared, state, t)


# Start


@inner
def begin(shared, row, run, state):
    """The state at the start: initial portfolios operate, at ages drawn from their lives; other clocks are set."""
    clear(shared, state)
    settle(shared, row, run, state)
    for k in range(shared.kinds):
        endow(shared, row, run, state, k)
    for k in range(shared.kinds):
        lines(state)[k].stale = 0
        for i in range(shared.places_count):
            cells(state)[k, i].stale = 0
            if cells(state)[k, i].status == WAITING:
                rates(state)[k, i] = rate(shared, row, state, k, i)
    platforms(shared, row, state)
    for r in range(shared.regions_count):
        areas(state)[r].start_share = share_operating(shared, state, r)


@inner
def clear(shared, state):
    """Wipe what the row before left."""
    state.waiting = state.queued = state.federal = state.federal_inflow = 0
    for k in range(state.kinds):
        line, needed = lines(state)[k], technologies(shared)[k].requires
        line.supply, line.stale, line.wants, line.unsettled = 1.0, 0, 0, 1
        starts(state)[k, :] = NOBODY
        ends(state)[k, :] = NOBODY
        for i in range(state.places_count):
            cell = cells(state)[k, i]
            cell.status, cell.stale, cell.lacking = CLOSED, 0, needed[1] - needed[0]
            seen(state)[k, i].peers = seen(state)[k, i].leaders = 0
            spells(state)[k, i].number = 0
        for r in range(state.regions_count):
            plates(state)[k, r].operating = 0
            plates(state)[k, r].platform = 0
    for r in range(state.regions_count):
        area = areas(state)[r]
        area.pool = area.reserve = area.pool_inflow = area.reserve_inflow = area.median = 0
        tally(state)[r, :] = 0
    table(state)[:] = math.nan
    ledger(state)[:] = 0


@inner
def settle(shared, row, run, state):
    """Each place's capacity, empty purse and first incident clock."""
    for i in range(shared.places_count):
        place, town, purse = places(shared)[i], towns(state)[i], purses(state)[i]
        size = place.population / row.reference_population
        luck = draws.normal(draws.stream(run, draws.CAPACITY, place.key))
        town.capacity = rules.capacity(luck, row.heterogeneity, size, row.size_elasticity)
        town.divide = row.divide if math.isnan(place.divide) else place.divide
        town.resistance = row.resistance if math.isnan(place.resistance) else place.resistance
        town.external = rules.external_rate(row.external, row.leader_factor, place.leader)
        town.region = place.region
        town.size = size**row.cost_elasticity
        town.clock = incident_clock(run, place.key, 0)
        town.incidents = town.exposed = town.counted = 0
        town.distrust_until = town.down_until = NEVER
        tally(state)[place.region, 0] += place.member
        purse.balance = purse.arrears = purse.inflow = purse.running = purse.fee = purse.saving = 0
        purse.due = purse.fee_due = purse.saved = 0


@inner
def incident_clock(run, key, number):
    """What must pass, in expected incidents, before a place's incident of this number."""
    return draws.exponential(draws.cell_bits(draws.stream(run, draws.INCIDENT, key), np.uint64(0), number))


@inner
def endow(shared, row, run, state, k):
    """Initial portfolios operate from the start; the clocks of the others are set."""
    clocks, paces = remaining(state)[k], rates(state)[k]
    for i in range(shared.places_count):
        cell = cells(state)[k, i]
        paces[i] = 0.0
        clocks[i] = math.inf
        if portfolio(shared)[k, i]:
            at = add_event(state, k, i, NEVER, NEVER, INITIAL, NOBODY)
            events(state)[at].operating = 0
            start_operation(shared, row, state, k, i, ALL)
            schedule_end(shared, state, k, i, end_of_initial(shared, run, k, i))
        elif places(shared)[i].member:
            cell.status = WAITING
            spells(state)[k, i].number = 1
            state.waiting += 1
            clocks[i] = clock(shared, run, k, i, 1)


@inner
def end_of_initial(shared, run, k, i):
    """The instant at which a technology that was there from the start ends: its age is uniform on [0, life)."""
    life = technologies(shared)[k].life
    bits = draws.cell_bits(draws.stream(run, draws.AGE, places(shared)[i].key), technologies(shared)[k].key, 0)
    return life - int(draws.uniform(bits) * life)


@inner
def schedule_end(shared, state, k, i, instant):
    """Put the end of a technology's life on the calendar. Guides keep their portfolios."""
    if technologies(shared)[k].life > 0 and places(shared)[i].member and instant <= shared.steps:
        number = spells(state)[k, i].event
        following(state)[number] = ends(state)[k, instant - 1]
        ends(state)[k, instant - 1] = number


@inner
def clock(shared, run, k, i, spell):
    """The threshold of a cell's clock: a standard exponential keyed by municipality, technology and spell."""
    bits = draws.stream(run, draws.CLOCK, places(shared)[i].key)
    return draws.exponential(draws.cell_bits(bits, technologies(shared)[k].key, spell))


# Exposure and rates


@inner
def multiplier(shared, row, state, k, i):
    """M of a cell as it stands: capacity and attractiveness."""
    tech, town = technologies(shared)[k], towns(state)[i]
    value = rules.attractiveness(
        tech.benefit,
        fit(shared)[k, town.region],
        town.divide,
        row.inclusion,
        tech.privacy,
        row.protection,
        town.resistance + row.distrust if town.distrust_until != NEVER else town.resistance,
        seen(state)[k, i].peers * rules.EXPOSURE_UNIT,
        tech.complexity,
        plates(state)[k, town.region].platform,
    )
    return rules.multiplier(town.capacity, row.benefit_weight, value)


@inner
def rate(shared, row, state, k, i):
    """What a step takes off the clock of a waiting cell, before supply and mandate."""
    exposure, town = seen(state)[k, i], towns(state)[i]
    if cells(state)[k, i].lacking:
        return 0.0
    hazard = rules.hazard(
        multiplier(shared, row, state, k, i),
        town.external,
        row.peers,
        exposure.peers * rules.EXPOSURE_UNIT,
        row.leaders,
        exposure.leaders * rules.EXPOSURE_UNIT,
        row.platform_rate,
        plates(state)[k, town.region].platform,
    )
    # beyond 32-bit numbers a rate would be infinite, and without supply not a number
    return min(shared.step * hazard, HIGHEST_RATE)


@inner
def note(cell, line, noted, i):
    """Note that the rate of place i's cell must be worked out anew, if it is waiting."""
    if cell.status == WAITING and not cell.stale:
        cell.stale = 1
        noted[line.stale] = i
        line.stale += 1


@inner
def mark(state, k, i):
    """Note that the rate of a cell must be worked out anew."""
    note(cells(state)[k, i], lines(state)[k], stale(state)[k], i)


@inner
def mark_all(state, i):
    """The rates of all that place i waits for have changed."""
    for k in range(state.kinds):
        mark(state, k, i)


@inner
def refresh(shared, row, state, k):
    """Work out the rates that have gone stale."""
    line, noted, own, paces = lines(state)[k], stale(state)[k], cells(state)[k], rates(state)[k]
    exposure, people = seen(state)[k], towns(state)
    for at in range(line.stale):
        ahead = noted[min(at + AHEAD, line.stale - 1)]
        prefetch(people, ahead)
        prefetch(paces, ahead)
        prefetch(own, ahead)
        prefetch(exposure, ahead)
        i = np.int64(noted[at])
        own[i].stale = 0
        if own[i].status == WAITING:
            paces[i] = rate(shared, row, state, k, i)
    line.stale = 0


@inner
def part_of(weight, part, announced):
    """The part of a link's weight that a change concerns: all, what is announced, or the rest."""
    if part == ALL:
        return weight
    seen = rules.announced_weight(weight, announced)
    return seen if part == ANNOUNCED else weight - seen


@inner
def push(shared, row, state, k, j, sign, part):
    """Add (sign 1) or take away (-1) place j's influence with those who listen to it, and mark them stale."""
    place = places(shared)[j]
    # found once, not for every link: stores in the loop could change any address, as far as the compiler knows
    own, exposure, line, noted = cells(state)[k], seen(state)[k], lines(state)[k], stale(state)[k]
    channel = peers_out(shared)
    for at in range(place.peers_out[0], place.peers_out[1]):
        link = channel[at]
        exposure[link.place].peers += sign * part_of(link.weight, part, row.announced)
        note(own[link.place], line, noted, np.int64(link.place))
    channel = leaders_out(shared)
    for at in range(place.leaders_out[0], place.leaders_out[1]):
        link = channel[at]
        exposure[link.place].leaders += sign * part_of(link.weight, part, row.announced)
        note(own[link.place], line, noted, np.int64(link.place))


# Economy and money


@inner
def share_operating(shared, state, r):
    """S_r: population-weighted share of technologies operating; people of no place here count as without."""
    region = regions(shared)[r]
    if shared.counted_kinds == 0 or region.population == 0:
        return 0.0
    people = 0
    for i in range(region.start, region.stop):
        people += places(shared)[i].population * towns(state)[i].counted
    return people / (shared.counted_kinds * region.population)


@inner
def economy(shared, row, run, state, t):
    """When a year begins, its regional products, and the budgets that follow from them."""
    if not calendar(shared)[t].opens:
        return
    y = calendar(shared)[t].year
    years = since_base(shared)[y]
    shock = 1.0
    if row.volatility > 0.0:
        luck = draws.normal(draws.stream(run, draws.YEAR, np.uint64(shared.first_year + y)))
        shock = rules.yearly_shock(luck, row.volatility)
    total = 0
    for r in range(shared.regions_count):
        product = region_economy(shared, row, state, r, y, years, shock)
        if row.cost_level > 0.0:
            total += region_budgets(shared, row, state, r, product)
    state.federal_inflow = int(total * row.federal_pool)


@inner
def region_economy(shared, row, state, r, y, years, shock):
    """One region's row of the yearly table; returns its GRP, billions a year."""
    region = regions(shared)[r]
    share = share_operating(shared, state, r)
    x = rules.industry(
        region.industry, row.industry_growth, years, row.industry_gain, share, areas(state)[r].start_share, shock
    )
    u = region.urban * (1.0 + row.urban_growth) ** years
    product = region.grp
    if row.loglog > 0.0:
        product = rules.product_loglog(region.grp, row.b1, x, region.industry, row.b2, u, region.urban)
    elif row.b1 != 0.0 or row.b2 != 0.0:
        product = rules.product_linear(region.grp, row.b1, x, region.industry, row.b2, u, region.urban)
    line = table(state)[r, y]
    line[0], line[1], line[2], line[3] = product, x, u, share
    return max(product, 0.0)


@inner
def region_budgets(shared, row, state, r, product):
    """Inflows a step of a region's municipalities and its pool, from its GRP in billions; returns the former's sum."""
    region, area = regions(shared)[r], areas(state)[r]
    total = 0
    for i in range(region.start, region.stop):
        place = places(shared)[i]
        if place.member:
            yearly = rules.own_budget(row.own_share, 1000.0 * product, place.population, region.population)
            purses(state)[i].inflow = whole(yearly * shared.step)
            total += purses(state)[i].inflow
    pool = int(total * row.regional_pool)
    area.reserve_inflow = int(pool * row.inclusion)
    area.pool_inflow = pool - area.reserve_inflow
    return total


@inner
def whole(millions):
    """Millions as whole minor units, rounded."""
    return int(math.floor(millions * MINOR_UNITS + 0.5))


@inner
def budgets(shared, state, t):
    """Money flows in, running costs and fees go out; what cannot be paid is arrears, never a negative balance."""
    y = calendar(shared)[t].year
    state.federal += state.federal_inflow
    ledger(state)[shared.regions_count, y, FEDERAL_INFLOW] += state.federal_inflow
    for r in range(shared.regions_count):
        area, flows = areas(state)[r], ledger(state)[r, y]
        area.pool += area.pool_inflow
        area.reserve += area.reserve_inflow
        flows[REGIONAL_INFLOW] += area.pool_inflow + area.reserve_inflow
        inflow = saved = fees = running = 0
        for i in range(regions(shared)[r].start, regions(shared)[r].stop):
            purse = purses(state)[i]
            paid = keep_house(purse)
            inflow += purse.inflow
            saved += purse.saved
            fees += min(purse.fee_due, paid)
            running += paid - min(purse.fee_due, paid)
        flows[OWN_INFLOW] += inflow
        flows[SAVED] += saved
        flows[FEES_PAID] += fees
        flows[RUNNING_PAID] += running


@inner
def keep_house(purse):
    """One municipality's inflow, savings, running costs, fees and arrears of a step; returns what it paid."""
    available = purse.balance + purse.inflow + purse.saved
    due = purse.due + purse.arrears
    paid = min(available, due)
    purse.balance = available - paid
    purse.arrears = due - paid
    return paid


@inner
def cost_of(shared, row, state, k, i):
    """What technology k costs place i now, whole minor units."""
    return price(shared, row, state, k, i, lines(state)[k].supply, plates(state)[k, places(shared)[i].region].platform)


@inner
def price(shared, row, state, k, i, supply, platform):
    """What technology k would cost place i, whole minor units; from the second time on it is renewed at a part."""
    millions = rules.full_cost(
        technologies(shared)[k].cost,
        row.cost_level,
        towns(state)[i].size,
        row.platform_cost_cut * platform,
        row.supply_premium,
        supply,
        row.protection_cost * row.protection,
    )
    first = 0 if portfolio(shared)[k, i] else 1
    return whole(millions * row.renewal if spells(state)[k, i].number > first else millions)


# Wants


@inner
def supply(shared, row, state, t):
    """This step's supply of each technology."""
    if row.severity <= 0.0 or t < row.sanctions_from:
        return
    years = (t - row.sanctions_from) * shared.step
    for k in range(shared.kinds):
        foreign = technologies(shared)[k].foreign_share
        lines(state)[k].supply = rules.supply(foreign, row.severity, row.substitution, years)


@part
def prepare(shared, row, decrees, state, k, t):
    """Rates of technology k as of now, and what mandates take off its clocks."""
    line = lines(state)[k]
    line.wants = 0
    if line.stale > 0:
        refresh(shared, row, state, k)
    for m in range(len(decrees)):
        if decrees[m].technology == k and decrees[m].start <= t < decrees[m].stop:
            obey(shared, state, k, decrees[m].region, decrees[m].rate * shared.step)


@inner
def want(shared, row, decrees, run, state, first, last, t):
    """Clocks run down at the hazard, technologies of the same supply together; at zero the technology is wanted."""
    here = first * shared.places_count
    for k in range(first, last):
        if k + 1 == last or lines(state)[k + 1].supply != lines(state)[k].supply:
            beyond = (k + 1) * shared.places_count
            for start in range(here, beyond, BLOCK):
                stop = min(start + BLOCK, beyond)
                if age(all_remaining(state), all_rates(state), start, stop, np.float32(lines(state)[k].supply)) > 0:
                    collect(state, start, stop)
            here = beyond
    for k in range(first, last):
        reasons(shared, row, decrees, run, state, k, t)


@inner
def age(clocks, paces, start, stop, factor):
    """The pass over the waiting cells: remaining -= rate * supply; returns how many clocks have run out."""
    due = np.int32(0)
    for at in range(start, stop):
        left = clocks[at] - paces[at] * factor
        clocks[at] = left
        due = np.int32(due + (left <= np.float32(0.0)))
    return due


@inner
def obey(shared, state, k, r, toll):
    """A mandate takes its toll off the clocks of its region, where the prerequisites operate."""
    clocks = remaining(state)[k]
    for i in range(regions(shared)[r].start, regions(shared)[r].stop):
        if cells(state)[k, i].status == WAITING and not cells(state)[k, i].lacking:
            clocks[i] -= np.float32(toll)


@inner
def collect(state, start, stop):
    """Those whose clock has run out want the technology."""
    clocks = all_remaining(state)
    for at in range(start, stop):
        if clocks[at] <= np.float32(0.0):
            k = at // state.places_count
            i = at - k * state.places_count
            line = lines(state)[k]
            wants(state)[k, line.wants].place = i
            line.wants += 1
            clocks[at] = math.inf
            rates(state)[k, i] = 0.0
            cells(state)[k, i].status = WANTED


@inner
def reasons(shared, row, decrees, run, state, k, t):
    """Each place that wants a technology wants it for a reason of its own."""
    entries, count, exposure, number = wants(state)[k], lines(state)[k].wants, seen(state)[k], spells(state)[k]
    everybody, people, peers, leaders = places(shared), towns(state), peers_in(shared), leaders_in(shared)
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
        entry.source, entry.guide = attribute(shared, row, decrees, run, state, k, np.int64(entry.place), t)


@inner
def mandated(shared, decrees, k, i, t):
    """The mandates' rate on a cell at step t, 1/year."""
    total = 0.0
    for m in range(len(decrees)):
        decree = decrees[m]
        here = decree.technology == k and decree.region == places(shared)[i].region
        if here and decree.start <= t < decree.stop:
            total += decree.rate
    return total


@inner
def attribute(shared, row, decrees, run, state, k, i, t):
    """The source of an adoption, and its guide, drawn in proportion to the terms of the hazard."""
    exposure, place, town, key = seen(state)[k, i], places(shared)[i], towns(state)[i], technologies(shared)[k].key
    pace = 0.0 if cells(state)[k, i].lacking else multiplier(shared, row, state, k, i) * lines(state)[k].supply
    peers = pace * row.peers * exposure.peers * rules.EXPOSURE_UNIT
    leaders = pace * row.leaders * exposure.leaders * rules.EXPOSURE_UNIT
    platform = pace * row.platform_rate * plates(state)[k, town.region].platform
    decree = mandated(shared, decrees, k, i, t)
    outside = pace * town.external
    spell = spells(state)[k, i].number
    luck = draws.uniform(draws.cell_bits(draws.stream(run, draws.SOURCE, place.key), key, spell))
    pick = draws.uniform(draws.cell_bits(draws.stream(run, draws.GUIDE, place.key), key, spell))
    luck *= peers + leaders + platform + decree + outside
    if luck < peers:
        return PEERS, guide(peers_in(shared), place.peers_in, state, k, pick * exposure.peers, row.announced)
    luck -= peers
    if luck < leaders:
        return LEADERS, guide(leaders_in(shared), place.leaders_in, state, k, pick * exposure.leaders, row.announced)
    luck -= leaders
    if luck < platform:
        return PLATFORM, NOBODY
    if luck < platform + decree:
        return MANDATE, NOBODY
    return EXTERNAL, NOBODY


@inner
def guide(channel, bounds, state, k, target, announced):
    """The place whose part of the exposure holds the point `target`; parts are laid end to end, strongest first."""
    passed = 0
    last = NOBODY
    for at in range(bounds[0], bounds[1]):
        link = channel[at]
        status = cells(state)[k, link.place].status
        if status == OPERATING:
            passed += link.weight
        elif status == INSTALLING:
            passed += rules.announced_weight(link.weight, announced)
        else:
            continue
        last = link.place
        if passed > target:
            break
    return last


# Payment and adoption


@inner
def add_event(state, k, i, wanted, adopted, source, guide):
    """Append an adoption to the list of events; returns its number."""
    at = state.event_count
    state.event_count = at + 1
    event = events(state)[at]
    spell = spells(state)[k, i]
    spell.event = at
    event.place, event.technology, event.spell = i, k, spell.number
    event.wanted, event.adopted = wanted, adopted
    event.operating = event.ended = NEVER
    event.source, event.guide = source, guide
    if state.paid:
        payment = payments(state)[at]
        payment.own = payment.regional = payment.federal = payment.private = 0
    return at


@inner
def adopt(shared, row, state, k, i, wanted, t, source, guide):
    """Place i adopts technology k in step t: announced now, operating after the lag. Returns the event's number."""
    lag = technologies(shared)[k].lag
    at = add_event(state, k, i, wanted, t + 1, source, guide)
    cells(state)[k, i].status = INSTALLING
    state.waiting -= 1
    if lag > 0 and row.announced > 0.0:
        push(shared, row, state, k, i, 1, ANNOUNCED)
    if 0 <= t + lag < shared.steps:
        following(state)[at] = starts(state)[k, t + lag]
        starts(state)[k, t + lag] = at
    return at


@inner
def adopt_all(shared, row, state, t):
    """Where money is slack, whoever wants adopts."""
    for k in range(shared.kinds):
        for at in range(lines(state)[k].wants):
            entry = wants(state)[k, at]
            adopt(shared, row, state, k, np.int64(entry.place), t + 1, t, entry.source, entry.guide)


@inner
def queue(shared, row, run, state, t):
    """Put this step's wants into the queue: in order of benefit for cost, then month, then a keyed tie."""
    new = 0
    for k in range(shared.kinds):
        for at in range(lines(state)[k].wants):
            wish, entry = wants(state)[k, at], spare(state)[new]
            i = np.int64(wish.place)
            bits = draws.stream(run, draws.TIE, places(shared)[i].key)
            entry.place, entry.technology = i, k
            entry.value = rules.priority(technologies(shared)[k].benefit, cost_of(shared, row, state, k, i))
            entry.tie = draws.cell_bits(bits, technologies(shared)[k].key, spells(state)[k, i].number)
            entry.wanted, entry.source, entry.guide = t + 1, wish.source, wish.guide
            entry.least = least_own(shared, row, state, k, i, wish.source)
            new += 1
    if new > 0:
        sort(spare(state), new)
        merge(queue_of(state), state.queued, spare(state), new)
        state.queued += new


@inner
def least_own(shared, row, state, k, i, source):
    """What place i must hold at the least to pay for technology k: at full supply, on a platform, from full pools.

    A little less, for rounding: below it the entry need not be looked at.
    """
    cost = price(shared, row, state, k, i, 1.0, 1)
    public = cost - rules.private_part(cost, row.private_share)
    shares = row.regional_share + (row.federal_share if source in (LEADERS, PLATFORM) else 0.0)
    return int(public * (1.0 - shares) * (1.0 - 1e-9)) - 4


@inner
def before(a, b):
    """Whether queue entry a is served before entry b."""
    if a.value != b.value:
        return a.value > b.value
    if a.wanted != b.wanted:
        return a.wanted < b.wanted
    return a.tie < b.tie


@inner
def move(entries, to, source, at):
    """Copy entry `at` of `source` to `to` of `entries`."""
    old, new = source[at], entries[to]
    new.value, new.tie, new.place, new.technology = old.value, old.tie, old.place, old.technology
    new.least = old.least
    new.guide, new.wanted, new.source = old.guide, old.wanted, old.source


@inner
def sort(entries, count):
    """Put the first `count` entries in order of service: heap sort, in place, with room for one more behind them."""
    for start in range(count // 2 - 1, -1, -1):
        sift(entries, start, count)
    for end in range(count - 1, 0, -1):
        swap(entries, 0, end)
        sift(entries, 0, end)


@inner
def swap(entries, a, b):
    """Exchange two entries, by way of the last one."""
    hand = len(entries) - 1
    move(entries, hand, entries, a)
    move(entries, a, entries, b)
    move(entries, b, entries, hand)


@inner
def sift(entries, root, end):
    """Let an entry sink to its place in a heap whose root is served last."""
    while 2 * root + 1 < end:
        child = 2 * root + 1
        if child + 1 < end and before(entries[child], entries[child + 1]):
            child += 1
        if not before(entries[root], entries[child]):
            return
        swap(entries, root, child)
        root = child


@inner
def merge(entries, old, added, new):
    """Merge `new` sorted entries into `old` sorted ones, from the back."""
    at, a, b = old + new - 1, old - 1, new - 1
    while b >= 0:
        if a >= 0 and before(added[b], entries[a]):
            move(entries, at, entries, a)
            a -= 1
        else:
            move(entries, at, added, b)
            b -= 1
        at -= 1


@inner
def pay(shared, row, state, t):
    """Serve the queue: whoever can pay adopts, whoever cannot is passed over and waits."""
    if row.inclusion > 0.0 and state.queued > 0:
        medians(shared, state)
    entries = queue_of(state)
    kept = 0
    for at in range(state.queued):
        prefetch(purses(state), entries[min(at + AHEAD, state.queued - 1)].place)
        poor = purses(state)[entries[at].place].balance < entries[at].least
        if poor or not served(shared, row, state, entries[at], t):
            if kept < at:
                move(entries, kept, entries, at)
            kept += 1
    state.queued = kept


@inner
def served(shared, row, state, entry, t):
    """Pay for one entry if its place can, each pool giving the smaller of its share and its balance, and adopt."""
    i, k = np.int64(entry.place), np.int64(entry.technology)
    town, purse = towns(state)[i], purses(state)[i]
    r = town.region
    cost = cost_of(shared, row, state, k, i)
    private = rules.private_part(cost, row.private_share)
    public = cost - private
    area = areas(state)[r]
    reserve = area.reserve if town.counted <= area.median else 0
    regional = rules.co_financed(public, row.regional_share, reserve + area.pool)
    federal = 0
    if entry.source in (LEADERS, PLATFORM):
        federal = rules.co_financed(public, row.federal_share, state.federal)
    own = public - regional - federal
    if purse.balance < own:
        return False
    from_reserve = min(regional, reserve)
    area.reserve -= from_reserve
    area.pool -= regional - from_reserve
    state.federal -= federal
    purse.balance -= own
    event = adopt(shared, row, state, k, i, np.int64(entry.wanted), t, entry.source, entry.guide)
    receipt(state, event, ledger(state)[r, calendar(shared)[t].year], own, regional, federal, private)
    return True


@inner
def receipt(state, event, flows, own, regional, federal, private):
    """Write who paid beside the event and into the ledger."""
    payment = payments(state)[event]
    payment.own, payment.regional, payment.federal, payment.private = own, regional, federal, private
    flows[OWN_SPENT] += own
    flows[REGIONAL_SPENT] += regional
    flows[FEDERAL_SPENT] += federal
    flows[PRIVATE_SPENT] += private


@inner
def medians(shared, state):
    """The median number of technologies operating in each region's municipalities (the lower one of two)."""
    for r in range(shared.regions_count):
        half = (regions(shared)[r].members + 1) // 2
        level, within = 0, tally(state)[r, 0]
        while within < half:
            level += 1
            within += tally(state)[r, level]
        areas(state)[r].median = level


# Operation


@inner
def operate(shared, row, state, k, t):
    """Technologies whose lag is over start to operate."""
    at = starts(state)[k, t]
    tech = technologies(shared)[k]
    part = REST if tech.lag > 0 and row.announced > 0.0 else ALL
    while at != NOBODY:
        event = events(state)[at]
        at = following(state)[at]
        expect(shared, state, at)
        event.operating = t + 1
        i = np.int64(event.place)
        start_operation(shared, row, state, k, i, part)
        schedule_end(shared, state, k, i, t + 1 + tech.life)


@inner
def expect(shared, state, at):
    """Ask the memory for what the next events of a day need: the place and listeners of one, the place of the other."""
    if at != NOBODY:
        place = events(state)[at].place
        prefetch(towns(state), place)
        prefetch(peers_out(shared), places(shared)[place].peers_out[0])
        if following(state)[at] != NOBODY:
            prefetch(places(shared), events(state)[following(state)[at]].place)


@inner
def start_operation(shared, row, state, k, i, part):
    """Technology k operates at place i from now on: it is seen, counted and paid for."""
    cells(state)[k, i].status = OPERATING
    show(shared, row, state, k, i, 1, part)
    if row.cost_level > 0.0 and places(shared)[i].member:
        oblige(shared, row, state, k, i, 1)


@inner
def show(shared, row, state, k, i, sign, part):
    """A technology comes into operation (sign 1) or goes out of it (-1), for all whom that concerns."""
    tech, place, town = technologies(shared)[k], places(shared)[i], towns(state)[i]
    push(shared, row, state, k, i, sign, part)
    plates(state)[k, place.region].operating += sign * place.member
    lines(state)[k].unsettled = 1
    town.exposed += sign * tech.exposed
    tally(state)[place.region, town.counted] -= place.member
    town.counted += sign * tech.counted
    tally(state)[place.region, town.counted] += place.member
    for at in range(tech.unlocks[0], tech.unlocks[1]):
        other = np.int64(unlocks(shared)[at])
        cells(state)[other, i].lacking -= sign
        mark(state, other, i)


@inner
def oblige(shared, row, state, k, i, sign):
    """Begin (sign 1) or end (-1) what operation obliges place i to pay a year, and what it saves.

    Shares of what the technology cost; where it was there at the start, of its price without platform and scarcity.
    """
    tech, purse, event = technologies(shared)[k], purses(state)[i], spells(state)[k, i].event
    payment = payments(state)[event]
    cost = payment.own + payment.regional + payment.federal + payment.private
    if events(state)[event].source == INITIAL:
        cost = whole(tech.cost * row.cost_level * towns(state)[i].size)
    purse.running += sign * int(cost * tech.running)
    purse.fee += sign * int(payment.private * row.private_fee)
    purse.saving += sign * int(cost * tech.saving)
    purse.fee_due, purse.saved = int(purse.fee * shared.step), int(purse.saving * shared.step)
    purse.due = int(purse.running * shared.step) + purse.fee_due


@inner
def platforms(shared, row, state):
    """Platforms open for good where enough municipalities operate a technology, helped by linked regions with one."""
    for k in range(shared.kinds):
        if not lines(state)[k].unsettled:
            continue
        lines(state)[k].unsettled = 0
        for r in range(shared.regions_count):
            plate, members = plates(state)[k, r], regions(shared)[r].members
            if plate.platform or members < 2:
                continue
            linked = partners(shared, state, k, r) if row.platform_spillover > 0.0 else 0.0
            if rules.platform_opens(plate.operating, members, row.platform_spillover, linked, row.platform_threshold):
                plate.platform = OPENING
        for r in range(shared.regions_count):
            if plates(state)[k, r].platform == OPENING:
                plates(state)[k, r].platform = OPEN
                lines(state)[k].unsettled = 1
                for i in range(regions(shared)[r].start, regions(shared)[r].stop):
                    mark(state, k, i)


@inner
def partners(shared, state, k, r):
    """The weighted share of linked regions in which technology k was a platform before this step."""
    linked = 0
    for q in range(shared.regions_count):
        if plates(state)[k, q].platform == OPEN:
            linked += region_links(shared)[r, q]
    return linked * rules.EXPOSURE_UNIT


# Incidents and obsolescence


@inner
def incidents(shared, row, run, state, t):
    """Outages end, distrust fades, and clocks of incidents run down."""
    if row.incident_rate <= 0.0 or shared.exposed_kinds == 0:
        return
    for i in range(shared.places_count):
        town = towns(state)[i]
        if not places(shared)[i].member:
            continue
        if town.down_until == t:
            restore(shared, row, state, i)
        if town.distrust_until == t:
            town.distrust_until = NEVER
            mark_all(state, i)
        share = town.exposed / shared.exposed_kinds
        town.clock -= shared.step * rules.incident_hazard(row.incident_rate, share, row.protection)
        if town.clock <= 0.0:
            strike(shared, row, run, state, i, t)


@inner
def strike(shared, row, run, state, i, t):
    """An incident: the technologies of place i are down for a while, and for two years people distrust such systems."""
    town = towns(state)[i]
    town.incidents += 1
    town.clock = incident_clock(run, places(shared)[i].key, town.incidents)
    down = 0
    if row.outage > 0.0:
        down = max(1, int(math.floor(row.outage / shared.step + 0.5)))
        town.down_until = t + down
        for k in range(shared.kinds):
            if technologies(shared)[k].exposed and cells(state)[k, i].status == OPERATING:
                cells(state)[k, i].status = DOWN
                show(shared, row, state, k, i, -1, ALL)
    outage = outages(state)[state.outage_count]
    outage.place, outage.start, outage.stop = i, t + 1, min(t + 1 + down, shared.steps + 1)
    state.outage_count += 1
    if row.distrust > 0.0:
        town.distrust_until = t + int(math.floor(DISTRUST_YEARS / shared.step + 0.5))
        mark_all(state, i)


@inner
def restore(shared, row, state, i):
    """The outage is over: what was down operates again."""
    towns(state)[i].down_until = NEVER
    for k in range(shared.kinds):
        if cells(state)[k, i].status == DOWN:
            cells(state)[k, i].status = OPERATING
            show(shared, row, state, k, i, 1, ALL)


@inner
def lapse(shared, row, run, state, k, t):
    """Technologies at the end of their life lapse; the clock of the next spell starts."""
    at = ends(state)[k, t]
    while at != NOBODY:
        event = events(state)[at]
        at = following(state)[at]
        expect(shared, state, at)
        i = np.int64(event.place)
        cell, spell = cells(state)[k, i], spells(state)[k, i]
        if row.cost_level > 0.0:
            oblige(shared, row, state, k, i, -1)
        operating = cell.status == OPERATING
        cell.status = WAITING
        if operating:
            show(shared, row, state, k, i, -1, ALL)
        event.ended = t + 1
        spell.number += 1
        state.waiting += 1
        remaining(state)[k, i] = clock(shared, run, k, i, spell.number)
        mark(state, k, i)


# Record


@inner
def record(shared, state, t):
    """At the end of a year, and of the run: what is owed, held and waited for."""
    y = calendar(shared)[t].year
    if t + 1 < shared.steps and not calendar(shared)[t + 1].opens:
        return
    for r in range(shared.regions_count):
        flows = ledger(state)[r, y]
        flows[BALANCE] = areas(state)[r].pool + areas(state)[r].reserve
        for i in range(regions(shared)[r].start, regions(shared)[r].stop):
            flows[ARREARS] += purses(state)[i].arrears
            flows[BALANCE] += purses(state)[i].balance
    ledger(state)[shared.regions_count, y, BALANCE] = state.federal
    for at in range(state.queued):
        r = places(shared)[queue_of(state)[at].place].region
        ledger(state)[r, y, UNPAID] += 1


# What Python calls


@inner
def copy(target, source):
    """Copy an array of three dimensions; plain assignment would allocate, which compiled code here never does."""
    for a in range(source.shape[0]):
        for b in range(source.shape[1]):
            for c in range(source.shape[2]):
                target[a, b, c] = source[a, b, c]


@inner
def room(shared, state):
    """Whether the lists of events can take all that a step may add."""
    enough = state.event_count + state.waiting <= state.event_room
    return enough and state.outage_count + shared.places_count <= state.outage_room


@entry_point
def run_rows(
    shared, rows, decrees, seed, replicates, state, ends, tables, ledgers, progress, until, stage, first, last
):
    """Run rows one after another, each to step `until`, into one list of events.

    `progress` int64[2] holds the row and step to go on from, step -1 before the start. `decrees` MANDATES[rows, M];
    `ends` int64[rows, 2] receives the number of events and outages after each row, `tables` and `ledgers` its yearly
    tables. `stage`, `first` and `last`: see `month`. Returns whether all is done; if not, the lists of events must
    grow, and the same call goes on.
    """
    common, now = shared[0], state[0]
    while progress[0] < len(rows):
        number = progress[0]
        run = draws.run_key(seed, replicates[number])
        if progress[1] < 0:
            if now.event_count + common.kinds * common.places_count > now.event_room:
                return False
            begin(common, rows[number], run, now)
            progress[1] = 0
        while progress[1] < until:
            if not room(common, now):
                return False
            month(common, rows[number], decrees[number], run, now, progress[1], stage, first, last)
            progress[1] += 1
        if stage & AFTER:
            ends[number, 0], ends[number, 1] = now.event_count, now.outage_count
            copy(tables[number], table(now))
            copy(ledgers[number], ledger(now))
        progress[0], progress[1] = number + 1, -1
    return True


@entry_point
def equip(shared, rows, number, state, k, i, t):
    """An experimenter's action at instant t: place i gets technology k, which operates after its lag; nobody pays.

    Returns False when the place has it already, or is installing it.
    """
    common, now, row = shared[0], state[0], rows[number]
    cell = cells(now)[k, i]
    if cell.status in (INSTALLING, OPERATING, DOWN):
        return False
    if cell.status == WANTED:
        forget(now, k, i)
    if cell.status == CLOSED:
        now.waiting += 1
    remaining(now)[k, i] = math.inf
    rates(now)[k, i] = 0.0
    adopt(common, row, now, k, i, t, t - 1, ACTION, NOBODY)
    if technologies(common)[k].lag == 0:
        events(now)[spells(now)[k, i].event].operating = t
        start_operation(common, row, now, k, i, ALL)
        schedule_end(common, now, k, i, t + technologies(common)[k].life)
    return True


@inner
def forget(state, k, i):
    """Take a cell out of the queue."""
    entries = queue_of(state)
    kept = 0
    for at in range(state.queued):
        if entries[at].place != i or entries[at].technology != k:
            move(entries, kept, entries, at)
            kept += 1
    state.queued = kept
