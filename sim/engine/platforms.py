"""When does a region make a technology its platform? Solutions of its cities joined in one (K: the smart region)."""

from sim.engine import columns as c
from sim.engine import rules
from sim.engine.adoption import mark
from sim.engine.compiling import inner

OPEN, OPENING = 1, 2


@inner
def open_platforms(m):
    """Platforms open for good where enough municipalities operate a technology, helped by linked regions with one."""
    for k in range(m.technologies_count):
        if not c.offers(m)[k].unsettled:
            continue
        c.offers(m)[k].unsettled = 0
        for r in range(m.regions_count):
            platform = c.platforms(m)[k, r]
            # partners are counted only where they could decide: what they add is a share, at most 1 but for rounding
            if not platform.platform and opens(m, k, r, 2.0) and opens(m, k, r, partners(m, k, r)):
                platform.platform = OPENING
        for r in range(m.regions_count):
            if c.platforms(m)[k, r].platform == OPENING:
                c.platforms(m)[k, r].platform = OPEN
                c.offers(m)[k].unsettled = 1
                for i in range(c.regions(m)[r].start, c.regions(m)[r].stop):
                    mark(m, k, i)


@inner
def opens(m, k, r, linked):
    """Whether region r makes technology k a platform when the share `linked` of its partners has; see the rule."""
    operating, members = c.platforms(m)[k, r].operating, c.regions(m)[r].members
    return rules.platform_opens(operating, members, m.platform_spillover, linked, m.platform_threshold)


@inner
def partners(m, k, r):
    """The weighted share of linked regions in which technology k was a platform before this step."""
    linked = 0
    for q in range(m.regions_count):
        if c.platforms(m)[k, q].platform == OPEN:
            linked += c.region_links(m)[r, q]
    return linked * rules.EXPOSURE_UNIT
