"""What can be paid? Budgets of three tiers (K), prices, and a queue in order of benefit for cost; whole minor units."""

import math

import numpy as np

from sim.engine import columns as c
from sim.engine import draws, rules
from sim.engine.adoption import AHEAD, adopt
from sim.engine.compiling import inner, prefetch

# Budgets


@inner
def whole_units(millions):
    """Millions as whole minor units, rounded."""
    return int(math.floor(millions * c.MINOR_UNITS + 0.5))


@inner
def region_budgets(m, r, product):
    """Inflows a step of a region's municipalities and its pool, from its GRP in billions; returns the former's sum."""
    region, fund = c.regions(m)[r], c.funds(m)[r]
    total = 0
    for i in range(region.start, region.stop):
        place = c.places(m)[i]
        if place.member:
            yearly = rules.own_budget(m.own_share, 1000.0 * product, place.population, region.population)
            c.budgets(m)[i].inflow = whole_units(yearly * m.step)
            total += c.budgets(m)[i].inflow
    pool = rules.part(total, m.regional_pool)
    fund.reserve_inflow = rules.part(pool, m.inclusion)
    fund.pool_inflow = pool - fund.reserve_inflow
    return total


@inner
def cash_flow(m, t):
    """Money flows in, running costs and fees go out; what cannot be paid is arrears, never a negative balance."""
    y = c.calendar(m)[t].year
    m.federal += m.federal_inflow
    c.ledger(m)[m.regions_count, y, c.FEDERAL_INFLOW] += m.federal_inflow
    for r in range(m.regions_count):
        fund, flows = c.funds(m)[r], c.ledger(m)[r, y]
        fund.pool += fund.pool_inflow
        fund.reserve += fund.reserve_inflow
        flows[c.REGIONAL_INFLOW] += fund.pool_inflow + fund.reserve_inflow
        inflow = saved = fees = running = 0  # summed here: in the loop the ledger would be written for every place
        for i in range(c.regions(m)[r].start, c.regions(m)[r].stop):
            budget = c.budgets(m)[i]
            paid = settle_accounts(budget)
            inflow += budget.inflow
            saved += budget.saved
            fees += min(budget.fee_due, paid)  # where not all can be paid, fees first
            running += paid - min(budget.fee_due, paid)
        flows[c.OWN_INFLOW] += inflow
        flows[c.SAVED] += saved
        flows[c.FEES_PAID] += fees
        flows[c.RUNNING_PAID] += running


@inner
def settle_accounts(budget):
    """One municipality's inflow, savings, running costs, fees and arrears of a step; returns what it paid."""
    available = budget.balance + budget.inflow + budget.saved
    due = budget.due + budget.arrears
    paid = min(available, due)
    budget.balance = available - paid
    budget.arrears = due - paid
    return paid


# Prices


@inner
def cost_of(m, k, i):
    """What technology k costs place i now, whole minor units."""
    return price(m, k, i, c.offers(m)[k].supply, c.platforms(m)[k, c.places(m)[i].region].platform)


@inner
def price(m, k, i, supply, platform):
    """What technology k would cost place i, whole minor units; from the second time on it is renewed at a part."""
    relative, size = c.technologies(m)[k].cost, c.municipalities(m)[i].size
    cut, protection = m.platform_cost_cut * platform, m.protection_cost * m.protection
    millions = rules.full_cost(relative, m.cost_level, size, cut, m.supply_premium, supply, protection)
    first = 0 if c.portfolio(m)[k, i] else 1
    return whole_units(millions * m.renewal if c.spells(m)[k, i].number > first else millions)


# The queue


@inner
def enqueue(m, t):
    """Put this step's wants into the queue: in order of benefit for cost, then month, then a keyed tie."""
    new = 0
    for k in range(m.technologies_count):
        for at in range(c.offers(m)[k].wants):
            wish, entry = c.wants(m)[k, at], c.spare(m)[new]
            i = np.int64(wish.place)
            bits = draws.stream(m.run, draws.TIE, c.places(m)[i].key)
            entry.place, entry.technology = i, k
            entry.value = rules.priority(c.technologies(m)[k].benefit, cost_of(m, k, i))
            entry.tie = draws.cell_bits(bits, c.technologies(m)[k].key, c.spells(m)[k, i].number)
            entry.wanted, entry.source, entry.guide = t + 1, wish.source, wish.guide
            entry.least = least_own(m, k, i, wish.source)
            new += 1
    if new > 0:
        sort(c.spare(m), new)
        merge(c.queue(m), m.queued, c.spare(m), new)
        m.queued += new


@inner
def least_own(m, k, i, source):
    """What place i must hold at the least to pay for technology k: at full supply, on a platform, from full pools.

    Below it the entry need not be looked at, and most of a long queue is not: its price is not worked out each step.
    """
    cost = price(m, k, i, 1.0, 1)
    own = payers(m, source, cost, cost, cost)[0]
    return int(own * (1.0 - 1e-9)) - 4  # a little less: prices and parts are rounded each for itself


@inner
def served_before(a, b):
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
    # field by field: to assign a whole record is not compiled
    new.value, new.tie, new.place, new.technology = old.value, old.tie, old.place, old.technology
    new.guide, new.wanted, new.source, new.least = old.guide, old.wanted, old.source, old.least


@inner
def sort(entries, count):
    """Put the first `count` entries in order of service: Shell's sort, in place, by way of the entry behind them all.

    NumPy's would need memory, which compiled code here never takes.
    """
    hand = len(entries) - 1
    gap = count
    while gap > 1:
        gap = max(1, gap * 5 // 11)  # the ratio that Gonnet and Baeza-Yates (1991) found to be good
        for start in range(gap, count):
            move(entries, hand, entries, start)
            at = start
            while at >= gap and served_before(entries[hand], entries[at - gap]):
                move(entries, at, entries, at - gap)
                at -= gap
            move(entries, at, entries, hand)


@inner
def merge(entries, old, added, new):
    """Merge `new` sorted entries into `old` sorted ones, from the back, where there is room."""
    at, a, b = old + new - 1, old - 1, new - 1
    while b >= 0:
        if a >= 0 and served_before(added[b], entries[a]):
            move(entries, at, entries, a)
            a -= 1
        else:
            move(entries, at, added, b)
            b -= 1
        at -= 1


@inner
def forget(m, k, i):
    """Take a cell out of the queue."""
    entries = c.queue(m)
    kept = 0
    for at in range(m.queued):
        if entries[at].place != i or entries[at].technology != k:
            move(entries, kept, entries, at)
            kept += 1
    m.queued = kept


# Payment


@inner
def pay(m, t):
    """Serve the queue: whoever can pay adopts, whoever cannot is passed over and waits."""
    if m.inclusion > 0.0 and m.queued > 0:
        medians(m)
    entries = c.queue(m)
    kept = 0
    for at in range(m.queued):
        prefetch(c.budgets(m), entries[min(at + AHEAD, m.queued - 1)].place)
        poor = c.budgets(m)[entries[at].place].balance < entries[at].least
        if poor or not served(m, entries[at], t):
            if kept < at:
                move(entries, kept, entries, at)
            kept += 1
    m.queued = kept


@inner
def payers(m, source, cost, regional_balance, federal_balance):
    """Who pays a cost: own, regional, federal and private part, see `rules.payers`."""
    federal_share = rules.federal_share(m.federal_share, source in (c.LEADERS, c.PLATFORM))
    return rules.payers(cost, m.private_share, m.regional_share, regional_balance, federal_share, federal_balance)


@inner
def served(m, entry, t):
    """Pay for one entry if its place can, each pool giving the smaller of its share and its balance, and adopt."""
    i, k = np.int64(entry.place), np.int64(entry.technology)
    municipality, budget = c.municipalities(m)[i], c.budgets(m)[i]
    fund = c.funds(m)[municipality.region]
    reserve = rules.open_reserve(fund.reserve, municipality.counted, fund.median)
    paid = payers(m, entry.source, cost_of(m, k, i), reserve + fund.pool, m.federal)
    own, regional, federal, _ = paid
    if budget.balance < own:
        return False
    from_reserve = min(regional, reserve)
    fund.reserve -= from_reserve
    fund.pool -= regional - from_reserve
    m.federal -= federal
    budget.balance -= own
    event = adopt(m, k, i, np.int64(entry.wanted), t, entry.source, entry.guide)
    receipt(c.payments(m)[event], c.ledger(m)[municipality.region, c.calendar(m)[t].year], paid)
    return True


@inner
def receipt(payment, flows, paid):
    """Write who paid beside the event and into the ledger."""
    own, regional, federal, private = paid
    payment.own, payment.regional, payment.federal, payment.private = own, regional, federal, private
    flows[c.OWN_SPENT] += own
    flows[c.REGIONAL_SPENT] += regional
    flows[c.FEDERAL_SPENT] += federal
    flows[c.PRIVATE_SPENT] += private


@inner
def medians(m):
    """The median number of technologies operating in each region's municipalities (the lower one of two).

    From counts that are kept, without sorting: it is asked for every step.
    """
    for r in range(m.regions_count):
        half = (c.regions(m)[r].members + 1) // 2
        level, within = 0, c.operating_counts(m)[r, 0]
        while within < half:
            level += 1
            within += c.operating_counts(m)[r, level]
        c.funds(m)[r].median = level


@inner
def oblige(m, k, i, sign):
    """Begin (sign 1) or end (-1) what operation obliges place i to pay a year, and what it saves.

    Shares of what the technology cost; where it was there at the start, of its price without platform and scarcity.
    """
    tech, budget, event = c.technologies(m)[k], c.budgets(m)[i], c.spells(m)[k, i].event
    payment = c.payments(m)[event]
    cost = payment.own + payment.regional + payment.federal + payment.private
    if c.events(m)[event].source == c.INITIAL:
        cost = whole_units(tech.cost * m.cost_level * c.municipalities(m)[i].size)
    budget.running += sign * rules.part(cost, tech.running)
    budget.fee += sign * rules.part(payment.private, m.private_fee)
    budget.saving += sign * rules.part(cost, tech.saving)
    budget.fee_due, budget.saved = rules.part(budget.fee, m.step), rules.part(budget.saving, m.step)
    budget.due = rules.part(budget.running, m.step) + budget.fee_due
