"""Which claims of Kahramanoglu, Isaev, Glezman and Fedoseeva (2023) hold? One function a claim, numbered as its table.

K's table of claims is validation/paper_claims.csv. Correspondence "differs from chance" below a p of 5 %.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from calibration.claims.evidence import (
    Answer,
    Evidence,
    at_end,
    chance,
    change,
    coverage_under,
    decided,
    open_question,
    spoken,
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


def projects(e: Evidence) -> Answer:
    """K02: more than 237 projects."""
    standard, scored = e.fact("smart_city_standard_cities"), e.fact("iq_index_cities_scored", "2021")
    return open_question(
        f"No second count. {standard['value']:.0f} cities and municipalities met the standard in {standard['date']}, "
        f"{scored['value']:.0f} cities were scored for {scored['date']}."
    )


def world_ranks(e: Evidence) -> dict[str, float]:
    """Rank in the Smart City Index 2021 of the cities that K's Table 1 prints."""
    rows = e.table("world_places.csv", ("id",), ("rank",))
    return {row["id"]: row["rank"] for row in rows if row["rank"] == row["rank"]}


def four_cities(e: Evidence) -> Answer:
    """K07: four ranks."""
    ranks, total = world_ranks(e), e.fact("sci_2021_cities_ranked")["value"]
    return open_question(
        f"The table prints {len(ranks)} of the {total:.0f} cities that the index ranked (its heading says top 100); "
        "their ranks have no second source here."
    )


def average_level(e: Evidence) -> Answer:
    """K08: the capitals are in the middle third."""
    ranks, total = world_ranks(e), e.fact("sci_2021_cities_ranked")["value"]
    capitals = [ranks["moscow"], ranks["ankara"]]
    middle = all(total / 3 < rank <= 2 * total / 3 for rank in capitals)
    return decided(
        middle,
        f"Ranks {capitals[0]:.0f} and {capitals[1]:.0f} of {total:.0f}: "
        f"{100 * capitals[0] / total:.0f} and {100 * capitals[1] / total:.0f} % down the list"
        f"{', in the middle third' if middle else ''}.",
    )


def capitals_by_2030(e: Evidence) -> Answer:
    """K09: both rise by 2030; the model knows the printed cities only, and technologies of four of them."""
    ranks = world_ranks(e)
    total = e.fact("sci_2021_cities_ranked")["value"]
    try:
        arm = e.world.baseline
    except InputError as error:
        return open_question(str(error.problems[0]))
    columns = [arm.places.index(name) for name in ranks]
    first, last = (index_at(arm, t)[:, columns] for t in (0, e.world.scenario.steps))
    before, after = ranked(-np.array(list(ranks.values()))), ranked(last)
    both = [list(ranks).index(name) for name in ("moscow", "ankara")]
    rises = np.asarray(after[:, both] < before[both])
    return open_question(
        f"{len(ranks)} of {total:.0f} are known here, technologies of {int((first[0] > 0).sum())}. Model: among the "
        f"{len(ranks)}, by its own index, chance to end above the {before[both[0]]:.0f}th and "
        f"{before[both[1]]:.0f}th place "
        f"they have in Table 1: Moscow {chance(rises[:, 0])}, Ankara {chance(rises[:, 1])}, both "
        f"{chance(rises[:, 0] & rises[:, 1])}. Moscow starts in place {ranked(first)[0, both[0]]:.0f} there, "
        "since the papers "
        "list its technologies and not its rivals': no forecast."
    )


def speed(e: Evidence) -> Answer:
    """K10: speed of digitalization of megacities."""
    points = {row["index_year"]: row["points_of_120"] for row in e.index_points if row["city"] == "Moscow"}
    first, last = min(points), max(points)
    return open_question(
        f"Moscow's IQ-city index went from {points[first]:.2f} ({first:.0f}) to {points[last]:.2f} ({last:.0f}) "
        "of 120, but "
        "the index was recomputed and its method changed: the years do not chain. Nothing for Ankara."
    )


def city_ranks(e: Evidence) -> Answer:
    """K11: ranks of cities beside other sources."""
    observed = {
        row["city"].casefold().replace(".", "").replace(" ", "-"): row["rank_among_cities_over_1_million"]
        for row in e.index_points
        if row["index_year"] == 2021
    }
    printed = {row["city"]: row["city_rank_2021"] for row in e.ranks}
    agree = sum(printed.get(city) == rank for city, rank in observed.items())
    return decided(
        agree == len(observed),
        f"{agree} of the {len(observed)} ranks that other sources give agree; {len(printed) - agree} of "
        f"{len(printed)} "
        "have no second source.",
    )


def portfolios(e: Evidence) -> Answer:
    """K14: technologies of the leaders."""
    rows = [
        row
        for row in e.table("perm_krai_portfolios.csv", ("place", "source"))
        if row["source"].startswith("K section 4")
    ]
    return open_question(
        f"{len(rows)} city-technology pairs in {len({row['place'] for row in rows})} cities, taken over as they "
        "are; no "
        "second source, and no date of adoption."
    )


def scaled(e: Evidence) -> Answer:
    """K15: from the region's cities to the region."""
    arm, scenario = e.perm.baseline, e.perm.scenario
    leaders = arm.shared.portfolio.any(axis=0)
    others = arm.focus & ~leaders
    share = 100 * arm.series(arm.share_weights(arm.counted, others))[:, -1]
    low, high = np.quantile(share, (0.05, 0.95))
    return open_question(
        f"No adoption dates. Model, if its assumed mechanisms hold: by {scenario.end:%Y-%m} the "
        f"{int(others.sum())} other "
        f"municipalities of Perm Krai operate {share.mean():.0f} % of the technologies ({low:.0f} to {high:.0f} "
        "in 90 % of "
        "replicates)."
    )


def platform(e: Evidence) -> Answer:
    """K16: one regional platform."""
    return open_question(f"No platform is observed. {coverage_under(e.perm, 'no-platforms', 'without platforms')}")


def centres(e: Evidence) -> Answer:
    """K18: leaders are regional centres."""
    regions = {row["id"]: row for row in e.table("russia_regions.csv", ("id",), ("lat", "lon"))}
    places = e.table("russia_places.csv", ("id", "region"), ("lat", "lon", "rank"))
    pilots = {row["place"] for row in e.table("russia_portfolios.csv", ("place", "source")) if "pilot" in row["source"]}

    def central(place: Mapping[str, Any]) -> bool:
        region = regions[place["region"]]
        city, centre = on_sphere([place["lat"], region["lat"]], [place["lon"], region["lon"]])
        return bool(kilometres(city, centre) < CENTRE_KM)

    leaders = [central(place) for place in places if place["rank"] == place["rank"]]
    known = [central(place) for place in places if place["id"] in pilots]
    return decided(
        2 * sum(leaders) > len(leaders),
        f"{sum(leaders)} of the {len(leaders)} leaders of Table 2; of the {len(known)} pilots of 2018 in their "
        "regions "
        f"{sum(known)}.",
    )


def _correspondences(e: Evidence) -> tuple[list[Correspondence], np.ndarray, np.ndarray]:
    """Spearman and Kendall of Table 2: all rows, and those where a city is not itself the region."""
    cities, regions = (np.array([row[key] for row in e.ranks]) for key in ("city_rank_2021", "region_rank_2021"))
    apart = np.array([row["region"] not in ("RU-MOW", "RU-SPE") for row in e.ranks])
    return [
        correspondence(cities[rows], regions[rows], name)
        for rows in (apart | True, apart)
        for name in ("spearman", "kendall")
    ], cities, regions  # fmt: skip


def most_regions(e: Evidence) -> Answer:
    """K19: ranks of regions correspond to those of their cities."""
    (rho, tau, rest, rest_tau), cities, regions = _correspondences(e)
    gap = np.abs(ranked(-regions) - ranked(-cities))
    return decided(
        rest.p < ALPHA,
        f"Spearman {_rank(rho)}, Kendall {_rank(tau)}. Without Moscow and St. Petersburg, where city and region "
        "are one: "
        f"{rest.value:.2f} (t approximation p {_t_test(rest):.2f}, permutation {rest.p:.2f}, 95 % "
        f"{_interval(rest)}), Kendall "
        f"{rest_tau.value:.2f} (p {rest_tau.p:.2f}). Ranked among the {rho.n}, {int((gap == 0).sum())} regions "
        "have the "
        f"place of their city, {int((gap <= 2).sum())} are within two places.",
    )


def _rank(found: Correspondence) -> str:
    test = f"p {found.p:.3f}"
    if found.name == "spearman":
        test = f"t approximation p {_t_test(found):.3f}, permutation {found.p:.3f}"
    return f"{found.value:.2f} ({test}, 95 % {_interval(found)})"


def _interval(found: Correspondence) -> str:
    return f"{found.low:.2f} to {found.high:.2f}".replace("-", "−")


def _t_test(found: Correspondence) -> float:
    """Two-sided p of Spearman's rho by the t approximation, as most programs print it."""
    from scipy.stats import t

    statistic = found.value * ((found.n - 2) / (1 - found.value**2)) ** 0.5
    return float(2 * t.sf(abs(statistic), found.n - 2))


def confirms(e: Evidence) -> Answer:
    """K20: the correspondence confirms that scaling is feasible."""
    _, _, rest, _ = _correspondences(e)[0]
    return decided(
        False,
        "Ranks of one year show no scaling: a city is part of its region, and a common cause would rank both alike. "
        f"Without the two cities that are regions, the correspondence could be chance (p {rest.p:.2f}).",
    )


def perm_tenth(e: Evidence) -> Answer:
    """K21: Perm Krai 10th."""
    rank = next(row["region_rank_2021"] for row in e.ranks if row["city"] == "perm")
    return decided(
        rank == 10,
        f"{rank:.0f}th in K's Table 2, of which no second source is here; of the five policies that K names for "
        "the rating "
        "none is digital.",
    )


def perm_twice(e: Evidence) -> Answer:
    """K22: Perm in the first ten twice."""
    ranks = {
        row["index_year"]: row["rank_among_cities_over_1_million"] for row in e.index_points if row["city"] == "Perm"
    }
    years = sorted(ranks)[-2:]
    held = len(years) == 2 and years[1] - years[0] == 1 and all(ranks[year] <= 10 for year in years)
    return decided(held, "; ".join(f"{year:.0f}: {ranks[year]:.0f}th" for year in years) + " (other sources).")


def pilots(e: Evidence) -> Answer:
    """K23: 18 pilots of 15 regions, Perm among them."""
    cities, regions = e.fact("smart_city_pilot_cities"), e.fact("smart_city_pilot_regions")
    perm = any(row["place"] == "PER-31" and "pilot" in row["source"]
               for row in e.table("perm_krai_portfolios.csv", ("place", "source")))  # fmt: skip
    outside = all(row["evidence"] == "both" for row in (cities, regions))
    return decided(
        (cities["value"], regions["value"], perm, outside) == (18, 15, True, True),
        f"{cities['value']:.0f} cities of {regions['value']:.0f} regions, with Perm: reports of April 2018 agree.",
    )


def _perm_places(scenario: Scenario) -> dict[str, float]:
    places = scenario.places
    return {
        name: float(people)
        for name, people, guide in zip(places.id, places.population, places.guide, strict=True)
        if not guide
    }


def sizes(e: Evidence) -> Answer:
    """K24: large, medium and small cities."""
    people = _perm_places(e.perm.scenario)
    known = [people[row["place"]] for row in e.members]
    count = {name: sum(low < size <= high for size in known) for name, low, high in SIZE_CLASSES}
    words = ", ".join(f"{number} {name}" for name, number in count.items())
    return decided(
        all(count.values()),
        f"Of the {len(known)} members that are known: {words} (over 250 000, over 50 000, others; by municipality).",
    )


def fourteen(e: Evidence) -> Answer:
    """K25: 14 members."""
    return open_question(
        f"Undated; no register found. {len(e.members)} members are known by name, "
        f"{sum(row['named_in_paper'] == 1 for row in e.members)} of them from K."
    )


def _towns(e: Evidence) -> int:
    return sum(row["region"] == "RU-PER" for row in e.table("russia_places.csv", ("region",)))


def most_cities(e: Evidence) -> Answer:
    """K26: most cities of the krai are rated."""
    rated = [row["place"] for row in e.members if row["in_smart_city_rating"] == 1]
    people = _perm_places(e.perm.scenario)
    share = sum(people[place] for place in rated) / sum(people.values())
    towns = _towns(e)
    return decided(
        2 * len(rated) > towns,
        f"With Perm {len(rated)} of the {towns} towns of the krai ({100 * len(rated) / towns:.0f} %), in "
        "municipalities with "
        f"{100 * share:.0f} % of its people. Cities above 100 000 are rated by default: that confirms no approach.",
    )


def _least_above(units: int, share: float = 0.52) -> int:
    return int(np.floor(share * units)) + 1


def more_than_half(e: Evidence) -> Answer:
    """K27: more than 52 %."""
    units = int(e.fact("perm_krai_municipal_units", "2023")["value"])
    counts = {n: _least_above(n) for n in (units, units - 1)}
    words = "; ".join(f"{k} of {n} is {100 * k / n:.1f} %" for n, k in counts.items())
    return open_question(
        f"No register found. {words} (without the closed town Zvyozdny): 22 or 23 members; the calibration uses it."
    )


def one_date(e: Evidence) -> Answer:
    """K28: 14 cannot be more than 52 %."""
    units = int(e.fact("perm_krai_municipal_units", "2023")["value"])
    largest = max(n for n in range(14, 200) if _least_above(n) <= 14)
    return decided(
        units <= largest,
        f"14 of {units} municipalities is {100 * 14 / units:.0f} %; 14 exceeds 52 % of at most {largest}, such as the "
        f"{_towns(e)} towns. The two figures are of different dates, or of different wholes.",
    )


def plan(e: Evidence) -> Answer:
    """K29: all by the end of 2023."""
    scenario = e.perm.scenario
    technology, instant = scenario.technologies.id.index("programme"), scenario.step_of("2024-01")
    members = int(e.perm.baseline.focus.sum())
    hits = {}
    for name in ("baseline", "no-mandate"):
        hits[name] = one(e.perm.arms[name], technology)[:, instant] > 1 - 0.5 / members
    return open_question(
        f"A plan; no register says what came of it. Model: chance that all {members} are in by 2024-01: "
        f"{chance(hits['baseline'])} with the order of the region, {chance(hits['no-mandate'])} without it."
    )


def guides(e: Evidence) -> Answer:
    """K31: guidance across regions."""
    words = coverage_under(e.perm, "no-guidance", "without guidance from other regions")
    return open_question(f"No adoption dates, so no observed guidance. {words}")


def sanctions(e: Evidence) -> Answer:
    """K32: sanctions constrain."""
    words = coverage_under(e.perm, "sanctions", "with sanctions from 2022-03 (60 % of foreign supply, assumed)")
    return open_question(f"No data on supplies. {words}")


def substitution(e: Evidence) -> Answer:
    """K34: import substitution."""
    without, with_it = change(e.perm, "sanctions"), change(e.perm, "sanctions-with-substitution")
    return open_question(
        f"A recommendation. Model, coverage of {at_end(e.perm.baseline).mean():.1f} %: sanctions "
        f"{spoken(without)} without "
        f"substitution, {spoken(with_it)} with 15 % a year (assumed)."
    )


def state_support(e: Evidence) -> Answer:
    """K36: state support of guidance."""
    return open_question(f"Not observed. {coverage_under(e.russia, 'no-state-support', 'without the federal pool')}")


CHECKS: Mapping[str, Callable[[Evidence], Answer]] = {
    "K02": projects, "K07": four_cities, "K08": average_level, "K09": capitals_by_2030, "K10": speed, "K11": city_ranks,
    "K14": portfolios, "K15": scaled, "K16": platform, "K18": centres, "K19": most_regions, "K20": confirms,
    "K21": perm_tenth, "K22": perm_twice, "K23": pilots, "K24": sizes, "K25": fourteen, "K26": most_cities,
    "K27": more_than_half, "K28": one_date, "K29": plan, "K31": guides, "K32": sanctions, "K34": substitution,
    "K36": state_support,
}  # fmt: skip
