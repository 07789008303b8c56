"""What a municipality, a region and the federal level do: arithmetic for one place and one technology.

No state, no loop, no chance, no file: the engine alone loops. K is Kahramanoglu et al. 2023, Z is Zhubanazarov et al.
2025; symbols are those of docs/odd.md. Times are in years, rates a year, money in millions unless a docstring says
otherwise. Every rule has a neutral value that switches it off.
"""

import math

from sim.engine import sphere
from sim.engine.compiling import compiled

SHORTEST_DISTANCE = 10.0
"""Kilometres that any two places are apart at the least: Perm and Permsky share a point."""
EXPOSURE_UNIT = 2.0**-31
"""What exposures are whole multiples of: a sum of floats would leave a residue when an influence is taken back."""
DISTRUST_YEARS = 2.0
"""How long an incident makes people distrust digital services, years (assumed)."""
PROTECTION_EFFECT = 0.7
"""The part of incidents that full data protection prevents (assumed)."""
great_circle = compiled(sphere.great_circle)


# Adoption


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


@compiled
def influence(mass, distance, size_exponent, distance_decay):
    """Gravity weight N**kappa d**-gamma of a place of `mass` persons, `distance` km away, at least 10 km."""
    return mass**size_exponent * max(distance, SHORTEST_DISTANCE) ** -distance_decay


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
    """A municipality's own digital budget, millions a year: its head-count share of a share of GRP (in millions)."""
    return own_share * product * population / regional_population


@compiled
def full_cost(relative_cost, cost_level, size_factor, platform_cut, premium, supply, protection_cost):
    """Cost of a technology for a place, millions: dearer when scarce, cheaper on a platform.

    `size_factor` is (N / N_ref)**epsilon, sublinear infrastructure scaling; `platform_cut` the part a platform saves
    (0 without one), `protection_cost` the part that data protection adds.
    """
    scaled = relative_cost * cost_level * size_factor
    return scaled * (1.0 - platform_cut) * (1.0 + premium * (1.0 - supply)) * (1.0 + protection_cost)


@compiled
def part(amount, share):
    """A share of an amount, whole minor units, the rest left where it is: private part, pools, fees, running costs."""
    return int(amount * share)


@compiled
def co_financed(public, share, balance):
    """What a pool pays of a public cost, whole minor units: the smaller of its share and its balance."""
    return min(part(public, share), balance)


@compiled
def priority(benefit, cost):
    """Who is served first when money binds: benefit for each unit of cost; what costs nothing comes first."""
    return benefit / cost if cost > 0.0 else math.inf


# Economy (Z, equation 4, through the calibration)


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
def incident_hazard(rate, share_operating, protection):
    """Incidents a year on a municipality: the more it depends on digital systems, the less it protects them (Z)."""
    return rate * share_operating * (1.0 - PROTECTION_EFFECT * protection)


@compiled
def whole_steps(years, step):
    """A span of years in whole steps of `step` years, rounded."""
    return int(math.floor(years / step + 0.5))


@compiled
def remaining_life(life, uniform):
    """Steps that a technology there from the start has left: its age is uniform on [0, life)."""
    return life - int(uniform * life)


def iq_index(operating, total):
    """IQ-city index, 0 to 120: 120 times the mean over segments of the share of a segment's technologies operating.

    Our definition (the ministry's weights are not public here). `operating` and `total` are counts for each segment,
    arrays [..., segments]; segments without a technology are left out of the mean.
    """
    present = total > 0
    return 120.0 * (operating[..., present] / total[present]).mean(axis=-1)
