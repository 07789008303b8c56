"""What a municipality, a region and the federal level do: arithmetic for one place and one technology.

Every equation of the model stands here and nowhere else, so that another file of these names could stand in for this
one; the submodels call it as `rules.hazard` and so on. No state, no loop, no chance, no file. K is Kahramanoglu et al.
2023, Z is Zhubanazarov et al. 2025; symbols are those of docs/odd.md. Times are in years, rates a year, money in
millions unless a docstring says otherwise. Every rule has a neutral value that switches it off.
"""

import math

import numpy as np

from sim.engine import sphere
from sim.engine.compiling import compiled, everywhere

EARTH_RADIUS = sphere.EARTH_RADIUS
SHORTEST_DISTANCE = 10.0
"""Kilometres that any two places are apart at the least: Perm and Permsky share a point."""
EXPOSURE_UNIT = 2.0**-31
"""What exposures are whole multiples of: a sum of floats would leave a residue when an influence is taken back."""
DISTRUST_YEARS = 2.0
"""How long an incident makes people distrust digital services, years (assumed)."""
PROTECTION_EFFECT = 0.7
"""The part of incidents that full data protection prevents (assumed)."""
great_circle = compiled(sphere.great_circle)


# Time


@everywhere
def whole_steps(years, step):
    """A span of years, a number or an array, in whole steps of `step` years: the nearest number, or the even one."""
    return np.rint(years / step)


@everywhere
def lifetime(life, step):
    """Steps from operation to the end of life: one at the least."""
    return np.maximum(whole_steps(life, step), 1.0)


@compiled
def outage_steps(outage, step):
    """Steps for which an incident takes technologies down: at least one, unless there are no outages."""
    return max(1, int(whole_steps(outage, step))) if outage > 0.0 else 0


@compiled
def remaining_life(life, uniform):
    """Steps that a technology there from the start has left: its age is uniform on [0, life)."""
    return life - int(uniform * life)


# Adoption


@compiled
def relative_size(population, reference):
    """N / N_ref: how many times the reference population a place has."""
    return population / reference


@compiled
def capacity(normal, variation, size, elasticity):
    """A place's capacity a = xi * size**zeta; xi lognormal with mean 1 and coefficient of variation `variation`."""
    variance = math.log1p(variation * variation)
    return math.exp(math.sqrt(variance) * normal - 0.5 * variance) * size**elasticity


@compiled
def attractiveness(benefit, fit, divide, inclusion, privacy, protection, resistance, exposure, complexity, platform):
    """V: benefit reached, less privacy concerns, resistance and complexity (dimensionless; Z Table 3).

    Resistance fades as peers are seen to operate; a regional platform takes the complexity away (K: one platform).
    """
    reached = benefit * fit * (1.0 - divide * (1.0 - inclusion))
    return reached - privacy * (1.0 - protection) - resistance * (1.0 - exposure) - complexity * (1.0 - platform)


@compiled
def multiplier(capacity, benefit_weight, attractiveness):
    """M = a exp(beta V): how much faster than the reference a place takes up a technology it may have."""
    return capacity * math.exp(benefit_weight * attractiveness)


@compiled
def external_rate(external, leader_factor, is_leader):
    """p, 1/year: adoption without example; a leader, who has adopted before, is `leader_factor` times as ready."""
    return external * leader_factor if is_leader else external


@compiled
def resistance(resistance, distrust, distrusts):
    """A place's resistance to what is new, in units of V; an incident raises it while people distrust such systems."""
    return resistance + distrust if distrusts else resistance


@compiled
def hazard_terms(external, peers, peer_exposure, leaders, leader_exposure, platform_rate, platform):
    """The four sources of a hazard, 1/year: external, peers, leaders, platform (after Bass 1969, over a network).

    Peers are municipalities of the region, leaders those of other regions (K: guides for other regions). A mandate is
    a fifth source, which no multiplier and no supply touches.
    """
    return external, peers * peer_exposure, leaders * leader_exposure, platform_rate * platform


@compiled
def hazard(multiplier, terms):
    """Adoption hazard, 1/year, before supply and mandate: M times the sum of `hazard_terms`."""
    external, peers, leaders, platform = terms
    return multiplier * (external + peers + leaders + platform)


@compiled
def supply(foreign_share, severity, substitution, years):
    """The share of normal supply, `years` after sanctions began: they hit the foreign share; substitution wears it off.

    K names both sides: restricted supplies and import substitution. Before sanctions `years` is negative: 1.
    """
    if years < 0.0:
        return 1.0
    return 1.0 - severity * foreign_share * math.exp(-substitution * years)


# Influence


def mass(population, size_exponent):
    """N**kappa of places, numbers or arrays: worked out once, before anybody is weighed."""
    return population**size_exponent


@compiled
def influence(mass, distance, distance_decay):
    """Gravity weight N**kappa d**-gamma of a place of `mass` N**kappa, `distance` km away, at least 10 km."""
    return mass * max(distance, SHORTEST_DISTANCE) ** -distance_decay


# The next two say how far a search must look. They follow from `influence`, and change with it.


def reach(mass, distance_decay):
    """The square of how much farther than a place of mass 1 one of `mass` has the same influence; arrays too."""
    with np.errstate(over="ignore"):  # an infinite reach rules nobody out, which is right
        return mass ** (2.0 / distance_decay) if distance_decay > 0.0 else np.full(len(mass), math.inf)


@compiled
def cut(weight, distance_decay):
    """The square of the arc, on a sphere of radius 1, at which a place of reach 1 has the influence `weight`.

    A little more, for rounding: a place farther than the root of reach * cut has less. Without decay nobody is too far.
    """
    if distance_decay <= 0.0:
        return math.inf
    return weight ** (-2.0 / distance_decay) / (EARTH_RADIUS * EARTH_RADIUS) * (1.0 + 1e-9)


@compiled
def announced_weight(weight, announced):
    """Influence (in units of 2**-31) between adoption and operation, whole so that taking it back leaves nothing."""
    return int(weight * announced)


@compiled
def platform_opens(operating, members, spillover, linked, threshold):
    """Whether a region makes a technology a platform: its own share plus what spills over from linked regions.

    `operating` of `members` municipalities have it; `linked` is the weighted share of partner regions with the platform
    (K: the smart region). A region of one municipality has nothing to join.
    """
    return members > 1 and operating / members + spillover * linked >= threshold


# Money: three tiers (K), whole minor units of the currency where a docstring says so


@compiled
def own_budget(own_share, product, population, regional_population):
    """A municipality's own digital budget, millions a year: its head-count share of a share of GRP (in millions).

    A negative product, which an equation fitted elsewhere may give, is no budget.
    """
    return own_share * max(product, 0.0) * population / regional_population


@compiled
def size_factor(relative_size, elasticity):
    """(N / N_ref)**epsilon: infrastructure costs a larger place less a head (sublinear scaling)."""
    return relative_size**elasticity


@compiled
def full_cost(relative_cost, cost_level, size_factor, platform_cut, premium, supply, protection_cost):
    """Cost of a technology for a place, millions: dearer when scarce, cheaper on a platform.

    `platform_cut` is the part that a platform saves (0 without one), `protection_cost` the part that data protection
    adds.
    """
    scaled = relative_cost * cost_level * size_factor
    return scaled * (1.0 - platform_cut) * (1.0 + premium * (1.0 - supply)) * (1.0 + protection_cost)


@compiled
def part(amount, share):
    """A share of an amount, whole minor units rounded down: pools, private parts, fees, running costs, savings."""
    return int(amount * share)


@compiled
def co_financed(public, share, balance):
    """What a pool pays of a public cost, whole minor units: the smaller of its share and its balance."""
    return min(part(public, share), balance)


@compiled
def federal_share(share, guided):
    """The federal share of a public cost: only where a leader elsewhere or a platform is the source.

    K: "center of competence ... with the support of the state".
    """
    return share if guided else 0.0


@compiled
def payers(cost, private_share, regional_share, regional_balance, federal_share, federal_balance):
    """Who pays a cost, whole minor units: own, regional, federal and private part.

    A private partner pays its share of the whole (Z: public-private partnerships), each pool what it can of the rest,
    and the municipality the remainder.
    """
    private = part(cost, private_share)
    public = cost - private
    regional = co_financed(public, regional_share, regional_balance)
    federal = co_financed(public, federal_share, federal_balance)
    return public - regional - federal, regional, federal, private


@compiled
def open_reserve(reserve, operating, median):
    """What a municipality may draw from its region's reserve: all if it has at most the regional median operating."""
    return reserve if operating <= median else 0


@compiled
def priority(benefit, cost):
    """Who is served first when money binds: benefit for each unit of cost; what costs nothing comes first."""
    return benefit / cost if cost > 0.0 else math.inf


# Economy (Z, equation 4, through the calibration)


@compiled
def share_operating(people, technologies, population):
    """S_r: people times technologies operating where they live, as a share of all; people of no place are without."""
    return people / (technologies * population) if technologies > 0 and population > 0 else 0.0


@compiled
def industry(base, growth, years, gain, share, share_at_start, shock):
    """Industrial output X_r(t): trend, what adoption adds, and the year's common shock (a factor of mean 1)."""
    return base * (1.0 + growth) ** years * (1.0 + gain * (share - share_at_start)) * shock


@compiled
def urban(base, growth, years):
    """Urban population U_r(t), persons."""
    return base * (1.0 + growth) ** years


@compiled
def product_linear(base, b1, industry, base_industry, b2, urban, base_urban):
    """GRP by Z's equation 4 with the region's residual held fixed: exact in the base year for any coefficients."""
    return base + b1 * (industry - base_industry) + b2 * (urban - base_urban)


@compiled
def product_loglog(base, b1, industry, base_industry, b2, urban, base_urban):
    """GRP where the regression was fitted in logarithms: b1 and b2 are elasticities."""
    return base * (industry / base_industry) ** b1 * (urban / base_urban) ** b2


@compiled
def yearly_shock(normal, volatility):
    """The common shock of a year: a lognormal factor of mean 1 and logarithmic standard deviation `volatility`."""
    return math.exp(volatility * normal - 0.5 * volatility * volatility)


# Incidents and the index


@compiled
def incident_hazard(rate, operating, exposed, protection):
    """Incidents a year on a municipality: the more it depends on digital systems, the less it protects them (Z).

    `operating` of the `exposed` technologies, those that incidents can take down, operate there.
    """
    return rate * (operating / exposed) * (1.0 - PROTECTION_EFFECT * protection)


def iq_index(operating, total):
    """IQ-city index, 0 to 120: 120 times the mean over segments of the share of a segment's technologies operating.

    Our definition (the ministry's weights are not public here). `operating` and `total` are counts for each segment,
    arrays [..., segments]; segments without a technology are left out of the mean.
    """
    present = total > 0
    return 120.0 * (operating[..., present] / total[present]).mean(axis=-1)
