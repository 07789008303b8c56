"""What does a region produce? Its yearly GRP from industry, urban population and adoption, and budgets that follow."""

import numpy as np

from sim.engine import columns as c
from sim.engine import draws, rules
from sim.engine.compiling import inner
from sim.engine.money import region_budgets


@inner
def share_operating(m, r):
    """S_r as it stands: the population-weighted share of counted technologies operating."""
    region, people = c.regions(m)[r], 0
    for i in range(region.start, region.stop):
        people += c.places(m)[i].population * c.municipalities(m)[i].counted
    return rules.share_operating(people, m.counted_technologies, region.population)


@inner
def open_year(m, t):
    """When a year begins, its regional products, and the budgets that follow from them."""
    if not c.calendar(m)[t].opens:
        return
    y = c.calendar(m)[t].year  # counted from the first
    years = c.since_base(m)[y]
    shock = 1.0
    if m.volatility > 0.0:
        # keyed by the calendar year: the same shock wherever the run begins
        luck = draws.normal(draws.stream(m.run, draws.YEAR, np.uint64(m.first_year + y)))
        shock = rules.yearly_shock(luck, m.volatility)
    total = 0
    for r in range(m.regions_count):
        product = region_economy(m, r, y, years, shock)
        if m.cost_level > 0.0:
            total += region_budgets(m, r, product)
    m.federal_inflow = rules.part(total, m.federal_pool)


@inner
def region_economy(m, r, y, years, shock):
    """One region's row of the yearly table; returns its GRP, billions a year."""
    region = c.regions(m)[r]
    share = share_operating(m, r)
    x = rules.industry(
        region.industry, m.industry_growth, years, m.industry_gain, share, c.funds(m)[r].start_share, shock
    )
    u = rules.urban(region.urban, m.urban_growth, years)
    product = region.grp
    if m.loglog > 0.0:
        product = rules.product_loglog(region.grp, m.b1, x, region.industry, m.b2, u, region.urban)
    elif m.b1 != 0.0 or m.b2 != 0.0:  # without a fit the product stays the table's
        product = rules.product_linear(region.grp, m.b1, x, region.industry, m.b2, u, region.urban)
    row = c.yearly(m)[r, y]
    row[0], row[1], row[2], row[3] = product, x, u, share
    return product
