"""Which claims of Kahramanoglu, Isaev, Glezman and Fedoseeva (2023) hold? One function a claim, numbered as its table.

K's table of claims is validation/paper_claims.csv. Correspondence "differs from chance" below a p of 5 %. What is said
of each stands in `claims.txt`; here stand the numbers, and which verdict follows from them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from calibration.claims.evidence import (
    Decision,
    Evidence,
    at_end,
    chance,
    change,
    decided,
    end_of,
    open_question,
    under,
)
from sim.engine.sphere import kilometres, on_sphere
from sim.results.arm import SIZE_CLASSES
from sim.results.measures import index_at, one
from sim.results.ranks import Correspondence, correspondence
from sim.results.ranks import ranks as ranked
from sim.scenario.errors import InputError
from sim.scenario.scenario import Scenario

ALPHA = 0.05
CENTRE_KM = 20.0
"""A city whose point is nearer than this to that of its region's capital is the capital."""
MEMBERS = 14
MORE_THAN = 0.52
"""K's two figures for the project: members, and the share of municipalities that they are more than."""


def projects(e: Evidence) -> Decision:
    """K02: more than 237 projects."""
    return open_question(standard=e.fact("smart_city_standard_cities"), scored=e.fact("iq_index_cities_scored", "2021"))


def world_ranks(e: Evidence) -> dict[str, float]:
    """Rank in the Smart City Index 2021 of the cities that K's Table 1 prints."""
    rows = e.table("world_places.csv", ("id",), ("rank",))
    return {row["id"]: row["rank"] for row in rows if np.isfinite(row["rank"])}


def four_cities(e: Evidence) -> Decision:
    """K07: four ranks."""
    return open_question(printed=len(world_ranks(e)), total=e.fact("sci_2021_cities_ranked")["value"])


def average_level(e: Evidence) -> Decision:
    """K08: the capitals are in the middle third."""
    ranks, total = world_ranks(e), e.fact("sci_2021_cities_ranked")["value"]
    capitals = {name: ranks[name] for name in ("moscow", "ankara")}
    middle = all(total / 3 < rank <= 2 * total / 3 for rank in capitals.values())
    return decided(middle, middle=middle, total=total, **capitals)


def capitals_by_2030(e: Evidence) -> Decision:
    """K09: both rise by 2030; the model knows the printed cities only, and technologies of four of them."""
    ranks = world_ranks(e)
    try:
        arm = e.world.baseline
    except InputError as error:
        return open_question(missing=str(error.problems[0]))
    columns = [arm.places.index(name) for name in ranks]
    first, last = (index_at(arm, t)[:, columns] for t in (0, e.world.scenario.steps))
    before, after = ranked(-np.array(list(ranks.values()))), ranked(last)
    both = [list(ranks).index(name) for name in ("moscow", "ankara")]
    rises = np.asarray(after[:, both] < before[both])
    return open_question(
        missing="",
        known_here=len(ranks),
        total=e.fact("sci_2021_cities_ranked")["value"],
        equipped=int((first[0] > 0).sum()),
        before=before[both],
        moscow=chance(rises[:, 0]),
        ankara=chance(rises[:, 1]),
        both=chance(rises[:, 0] & rises[:, 1]),
        start=ranked(first)[0, both[0]],
    )


def speed(e: Evidence) -> Decision:
    """K10: speed of digitalization of megacities."""
    found = sorted((row["index_year"], row["points_of_120"]) for row in e.index_points if row["city"] == "Moscow")
    return open_question(first=found[0], last=found[-1])


def city_ranks(e: Evidence) -> Decision:
    """K11: ranks of cities beside other sources."""
    observed = {
        row["city"].casefold().replace(".", "").replace(" ", "-"): row["rank_among_cities_over_1_million"]
        for row in e.index_points
        if row["index_year"] == 2021
    }
    printed = {row["city"]: row["city_rank_2021"] for row in e.ranks}
    agree = sum(printed.get(city) == rank for city, rank in observed.items())
    return decided(agree == len(observed), agree=agree, observed=len(observed), printed=len(printed))


def portfolios(e: Evidence) -> Decision:
    """K14: technologies of the leaders."""
    rows = e.table("perm_krai_portfolios.csv", ("place", "source"))
    places = [row["place"] for row in rows if row["source"].startswith("K section 4")]
    return open_question(pairs=len(places), cities=len(set(places)))


def scaled(e: Evidence) -> Decision:
    """K15: from the region's cities to the region."""
    arm = e.perm.baseline
    others = arm.focus & ~arm.shared.portfolio.any(axis=0)
    share = 100 * arm.series(arm.share_weights(arm.counted, others))[:, -1]
    low, high = np.quantile(share, (0.05, 0.95))
    return open_question(end=end_of(e.perm.scenario), others=int(others.sum()), mean=share.mean(), low=low, high=high)


def centres(e: Evidence) -> Decision:
    """K18: leaders are regional centres."""
    regions = {row["id"]: row for row in e.table("russia_regions.csv", ("id",), ("lat", "lon"))}
    places = e.table("russia_places.csv", ("id", "region"), ("lat", "lon", "rank"))
    pilots = {row["place"] for row in e.table("russia_portfolios.csv", ("place", "source")) if "pilot" in row["source"]}

    def central(place: Mapping[str, Any]) -> bool:
        region = regions[place["region"]]
        city, centre = on_sphere([place["lat"], region["lat"]], [place["lon"], region["lon"]])
        return bool(kilometres(city, centre) < CENTRE_KM)

    leaders = [central(place) for place in places if np.isfinite(place["rank"])]
    known = [central(place) for place in places if place["id"] in pilots]
    return decided(
        2 * sum(leaders) > len(leaders),
        central=sum(leaders), leaders=len(leaders), pilots=len(known), central_pilots=sum(known),
    )  # fmt: skip


def _correspondences(e: Evidence) -> tuple[list[Correspondence], np.ndarray, np.ndarray]:
    """Spearman and Kendall of Table 2: all rows, and those where a city is not itself the region."""
    cities, regions = (np.array([row[key] for row in e.ranks]) for key in ("city_rank_2021", "region_rank_2021"))
    apart = np.array([row["region"] not in ("RU-MOW", "RU-SPE") for row in e.ranks])
    return [
        correspondence(cities[rows], regions[rows], name)
        for rows in (apart | True, apart)
        for name in ("spearman", "kendall")
    ], cities, regions  # fmt: skip


def most_regions(e: Evidence) -> Decision:
    """K19: ranks of regions correspond to those of their cities."""
    (rho, tau, rest, rest_tau), cities, regions = _correspondences(e)
    gap = np.abs(ranked(-regions) - ranked(-cities))
    return decided(
        rest.p < ALPHA,
        rho=rho, tau=tau, rest=rest, rest_tau=rest_tau, rho_p=_t_test(rho), rest_p=_t_test(rest),
        same=int((gap == 0).sum()), near=int((gap <= 2).sum()),
    )  # fmt: skip


def _t_test(found: Correspondence) -> float:
    """Two-sided p of Spearman's rho by the t approximation, as most programs print it."""
    from scipy.stats import t

    statistic = found.value * ((found.n - 2) / (1 - found.value**2)) ** 0.5
    return float(2 * t.sf(abs(statistic), found.n - 2))


def confirms(e: Evidence) -> Decision:
    """K20: the correspondence confirms that scaling is feasible."""
    return decided(False, p=_correspondences(e)[0][2].p)


def perm_tenth(e: Evidence) -> Decision:
    """K21: Perm Krai 10th."""
    rank = next(row["region_rank_2021"] for row in e.ranks if row["city"] == "perm")
    return decided(rank == 10, rank=rank)


def perm_twice(e: Evidence) -> Decision:
    """K22: Perm in the first ten twice."""
    ranks = sorted(
        (row["index_year"], row["rank_among_cities_over_1_million"]) for row in e.index_points if row["city"] == "Perm"
    )[-2:]
    in_a_row = len(ranks) == 2 and ranks[1][0] - ranks[0][0] == 1
    return decided(in_a_row and all(rank <= 10 for _, rank in ranks), ranks=ranks)


def pilots(e: Evidence) -> Decision:
    """K23: 18 pilots of 15 regions, Perm among them."""
    cities, regions = e.fact("smart_city_pilot_cities"), e.fact("smart_city_pilot_regions")
    rows = e.table("perm_krai_portfolios.csv", ("place", "source"))
    perm = any(row["place"] == "PER-31" and "pilot" in row["source"] for row in rows)
    outside = all(row["evidence"] == "both" for row in (cities, regions))  # not from the paper alone
    found = (cities["value"], regions["value"], perm, outside) == (18, 15, True, True)
    return decided(found, cities=cities["value"], regions=regions["value"])


def _people(scenario: Scenario) -> dict[str, float]:
    """Population of each municipality."""
    places = scenario.places
    rows = zip(places.id, places.population, places.guide, strict=True)
    return {name: float(people) for name, people, guide in rows if not guide}


def sizes(e: Evidence) -> Decision:
    """K24: large, medium and small cities."""
    people = _people(e.perm.scenario)
    known = [people[row["place"]] for row in e.members]
    count = {name: sum(low < size <= high for size in known) for name, low, high in SIZE_CLASSES}
    return decided(all(count.values()), known=len(known), sizes=count)


def fourteen(e: Evidence) -> Decision:
    """K25: 14 members."""
    return open_question(known=len(e.members), named=sum(row["named_in_paper"] == 1 for row in e.members))


def _towns(e: Evidence) -> int:
    return sum(row["region"] == "RU-PER" for row in e.table("russia_places.csv", ("region",)))


def most_cities(e: Evidence) -> Decision:
    """K26: most cities of the krai are rated."""
    rated = [row["place"] for row in e.members if row["in_smart_city_rating"] == 1]
    people, towns = _people(e.perm.scenario), _towns(e)
    share = sum(people[place] for place in rated) / sum(people.values())
    return decided(2 * len(rated) > towns, rated=len(rated), towns=towns, people=share)


def _least_above(units: int) -> int:
    """The smallest number of members that is more than 52 % of so many municipalities."""
    return int(np.floor(MORE_THAN * units)) + 1


def more_than_half(e: Evidence) -> Decision:
    """K27: more than 52 %, with the closed town of Zvyozdny and without."""
    units = int(e.fact("perm_krai_municipal_units", "2023")["value"])
    return open_question(least=[(n, _least_above(n)) for n in (units, units - 1)])


def one_date(e: Evidence) -> Decision:
    """K28: 14 cannot be more than 52 %."""
    units = int(e.fact("perm_krai_municipal_units", "2023")["value"])
    largest = max(n for n in range(MEMBERS, 200) if _least_above(n) <= MEMBERS)
    return decided(units <= largest, units=units, largest=largest, towns=_towns(e))


def plan(e: Evidence) -> Decision:
    """K29: all by the end of 2023."""
    scenario, members = e.perm.scenario, int(e.perm.baseline.focus.sum())
    technology, instant = scenario.technologies.id.index("programme"), scenario.step_of("2024-01")
    ordered, free = (
        # a share of all but half a member is all of them, whatever rounding has left of 1
        chance(one(e.perm.arms[name], technology)[:, instant] > 1 - 0.5 / members)
        for name in ("baseline", "no-mandate")
    )
    return open_question(members=members, ordered=ordered, free=free)


def substitution(e: Evidence) -> Decision:
    """K34: import substitution."""
    without, substituted = (change(e.perm, name) for name in ("sanctions", "sanctions-with-substitution"))
    return open_question(coverage=at_end(e.perm.baseline).mean(), without=without, substituted=substituted)


CHECKS: Mapping[str, Callable[[Evidence], Decision]] = {
    "K02": projects, "K07": four_cities, "K08": average_level, "K09": capitals_by_2030, "K10": speed, "K11": city_ranks,
    "K14": portfolios, "K15": scaled, "K16": under("no-platforms", "perm"), "K18": centres, "K19": most_regions,
    "K20": confirms, "K21": perm_tenth, "K22": perm_twice, "K23": pilots, "K24": sizes, "K25": fourteen,
    "K26": most_cities, "K27": more_than_half, "K28": one_date, "K29": plan, "K31": under("no-guidance", "perm"),
    "K32": under("sanctions", "perm"), "K34": substitution, "K36": under("no-state-support", "russia"),
}  # fmt: skip
