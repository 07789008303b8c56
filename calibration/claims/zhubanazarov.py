"""Which claims of Zhubanazarov, Ulakov and Yordanova (2025) hold? One function a claim, numbered as its table.

A relationship is strong where the correlation is at least 0.7 (half of the variance) whichever region is left out. What
is said of each stands in `claims.txt`; here stand the numbers, and which verdict follows from them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from calibration.claims.evidence import (
    Decision,
    Evidence,
    at_end,
    change,
    decided,
    end_of,
    open_question,
    under,
)
from calibration.grp import paper
from calibration.grp.fit import NAMES
from sim.results.effects import effect
from sim.results.measures import divide, product
from sim.results.ranks import correspondence

STRONG = 0.7
INDUSTRY, URBAN = 0, 1


def _rows(e: Evidence) -> dict[str, int]:
    """Rows of Table 1, and how many of them are cities."""
    names = e.regression.regions.names
    return {"rows": len(names), "cities": sum(name.endswith(" city") for name in names)}


def cities_or_regions(e: Evidence) -> Decision:
    """Z01: a model of the impact of urban economic development."""
    found = _rows(e)
    return decided(2 * found["cities"] > found["rows"], **found)


def urban_share(e: Evidence) -> Decision:
    """Z03: urban share of the world."""
    first, last = (e.fact("urban_share_world", year)["value"] for year in ("2018", "2030"))
    return open_question(known=e.fact("urban_share_world_un_desa", "2018")["value"], rise=last - first)


def product_figures(e: Evidence) -> Decision:
    """Z04: GRP beside the Bureau's workbook, in which millions stand."""
    rows = e.table("validation/kazakhstan_grp_check.csv", ("name",), ("grp_2023_mln_tenge",))
    printed = dict(zip(e.regression.regions.names, e.regression.regions.y, strict=True))
    largest = max(abs(row["grp_2023_mln_tenge"] / 1e3 - printed[row["name"]]) for row in rows)
    return decided(largest <= 0.00501, rows=len(rows), largest=largest)  # half of the last digit printed, and rounding


def industry_figures(e: Evidence) -> Decision:
    """Z05: industry beside the national total."""
    total = float(e.regression.regions.x[:, INDUSTRY].sum())
    return open_question(total=total, published=e.fact("kazakhstan_industrial_output")["value"])


def people_figures(e: Evidence) -> Decision:
    """Z06: urban population beside news figures."""
    printed = dict(zip(e.regression.regions.names, e.regression.regions.x[:, URBAN], strict=True))
    known = {name: e.fact(f"kazakhstan_population_{name.lower()}")["value"] for name in ("Almaty", "Astana")}
    agree = sum(printed[f"{name} city"] == value for name, value in known.items())
    return decided(agree == len(known), agree=agree, known=len(known), others=len(printed) - len(known))


def people_unit(e: Evidence) -> Decision:
    """Z07: thousand people."""
    people, almaty = e.regression.regions.x[:, URBAN], e.fact("kazakhstan_population_almaty")["value"]
    return decided(almaty * 1000 == people.max(), almaty=almaty, total=float(people.sum()))


def rows(e: Evidence) -> Decision:
    """Z08: n = 20."""
    found = _rows(e)
    return decided(found["rows"] == paper.PRINTED_SUMS["n"], **found)


def _printed(e: Evidence) -> dict[str, dict[str, float]]:
    """Printed figures beside ours, by what they are."""
    comparison = paper.printed_comparison(e.regression)
    if comparison is None:
        raise ValueError("the table of regions is not Table 1 of the paper")
    return {row["what"]: row for row in comparison}


def sums(e: Evidence) -> Decision:
    """Z09: normal equations."""
    found = [abs(row["relative_difference"]) for what, row in _printed(e).items() if what.startswith("sum ")]
    return decided(max(found) <= paper.AGREES, sums=len(found), worst=max(found))


def coefficients(e: Evidence) -> Decision:
    """Z10: the fitted equation."""
    found = {name: _printed(e)[name] for name in NAMES}
    worst = max(abs(row["relative_difference"]) for row in found.values())
    return decided(worst <= paper.AGREES, ours={name: row["ours"] for name, row in found.items()}, worst=worst)


def industry_effect(e: Evidence) -> Decision:
    """Z11: one billion of industry. A comparison of regions of one year cannot support what a change would bring."""
    fit = e.regression
    slope, without = fit.coefficients["b1"], fit.regression.left_out[:, 1]
    row, (low, high) = int(np.argmax(np.abs(without - slope))), fit.interval["b1"]
    return decided(False, slope=slope, low=low, high=high, without=without[row], region=fit.regions.names[row])


def people_effect(e: Evidence) -> Decision:
    """Z12: one million people."""
    million = 1e6 * e.regression.coefficients["b2"]
    low, high = (1e6 * value for value in e.regression.interval["b2"])
    return decided(math.isclose(million, 0.009, rel_tol=0.1), million=million, low=low, high=high)


def range_of_r(e: Evidence) -> Decision:
    """Z14: R between -1 and 1."""
    return decided(False, r2=e.regression.regression.r2)


def pairwise(e: Evidence) -> Decision:
    """Z15: printed correlations."""
    found = [_printed(e)[f"correlation {key}"] for key in paper.PRINTED_CORRELATIONS]
    cut = all(math.trunc(100 * row["ours"]) == round(100 * row["printed"]) for row in found)
    right = all(round(row["ours"], 2) == row["printed"] for row in found)
    return decided(right, ours=[row["ours"] for row in found], truncated=cut)


def printed_r(e: Evidence) -> Decision:
    """Z16: R = 0.91."""
    ours = _printed(e)["R"]["ours"]
    of_printed = paper.multiple_correlation(paper.PRINTED_CORRELATIONS)
    return decided(round(ours, 2) == paper.PRINTED_R, ours=ours, of_printed=of_printed)


def strong_positive(e: Evidence) -> Decision:
    """Z17: strong and positive. R cannot be positive or negative, so that no data could support it."""
    fit = e.regression
    _, b1, b2 = (fit.draws > 0).mean(axis=0)
    deciding = [fit.regions.names[row] for row in fit.deciders]
    return decided(False, b1=b1, b2=b2, r2=fit.regression.r2, unseen=fit.errors["linear"]["loo_R2"], deciding=deciding)


def pair_with(column: int) -> Callable[[Evidence], Decision]:
    """Z19, Z20: whether a pairwise correlation with GRP is strong, whichever region is left out."""

    def check(e: Evidence) -> Decision:
        x, y, names = e.regression.regions.x[:, column], e.regression.regions.y, e.regression.regions.names
        without = {name: float(np.corrcoef(np.delete(x, at), np.delete(y, at))[0, 1]) for at, name in enumerate(names)}
        ends = sorted(without.items(), key=lambda item: item[1])
        strong = ends[0][1] >= STRONG
        return decided(strong, r=float(np.corrcoef(x, y)[0, 1]), lowest=ends[0], highest=ends[-1])

    return check


def industry_and_people(e: Evidence) -> Decision:
    """Z21: industry and urban population."""
    ours = _printed(e)["correlation x1_x2"]["ours"]
    return decided(abs(ours) >= STRONG, ours=ours)


def _pairs(e: Evidence, table: str, source: str) -> list[str]:
    """Places of a table of portfolios, one for each pair that it has from a source."""
    rows = e.table(table, ("place", "source"))
    return [row["place"] for row in rows if row["source"].startswith(source)]


def examples(e: Evidence) -> Decision:
    """Z23: eight examples."""
    places = _pairs(e, "world_portfolios.csv", "Z Table 2")
    return open_question(pairs=len(places), places=len(set(places)))


def resolution(e: Evidence) -> Decision:
    """Z25: Resolution 269."""
    fact = e.fact("kazakhstan_concept_resolution")
    return decided((fact["value"], fact["date"]) == (269, "2023-03-28"), fact=fact)


def progress(e: Evidence) -> Decision:
    """Z27: progress in large cities."""
    places = _pairs(e, "kazakhstan_portfolios.csv", "Z, leader")
    return open_question(pairs=len(places), cities=len(set(places)))


def hubs(e: Evidence) -> Decision:
    """Z28: hubs."""
    base, without = e.kazakhstan.baseline, e.kazakhstan.arms["no-hubs"]
    astana = base.shared.portfolio[:, base.places.index("astana")] & base.counted
    hub = np.isin(base.places, [base.scenario.places.id[row] for row in base.scenario.links.dst])
    before, after = (100 * arm.series(arm.share_weights(astana, hub))[:, -1] for arm in (without, base))
    return open_question(
        hubs=int(hub.sum()), end=end_of(base.scenario), share=after.mean(), change=effect(after, before)
    )


def urban_growth(e: Evidence) -> Decision:
    """Z32: growth of the urban population."""
    return open_question(growth=e.kazakhstan.scenario.economy.urban_growth)


def plans(e: Evidence) -> Decision:
    """Z34: quantitative plans, for which it would have to err little and to give a city a product."""
    error, given = e.regression.errors["linear"]["loo_median_relative_error"], e.regression.coefficients
    city = given["a"] + 200 * given["b1"] + 1e5 * given["b2"]
    return decided(error < 0.1 and city > 0, error=error, city=city)


def productivity(e: Evidence) -> Decision:
    """Z35: population and productivity."""
    industry, people = e.regression.regions.x.T
    per_head = correspondence(people, industry / people)
    together = float(np.corrcoef(industry, people)[0, 1])
    return decided(per_head.value > 0 and per_head.p < 0.05, together=together, per_head=per_head)


def growth(e: Evidence) -> Decision:
    """Z36: economic growth."""
    scenario, values = e.kazakhstan.scenario, product(e.kazakhstan.baseline).sum(axis=1)
    gain = 100 * (values[:, -1] / float(np.nansum(scenario.regions.grp)) - 1)
    low, high = np.quantile(gain, (0.05, 0.95))
    return open_question(
        year=end_of(scenario)[:4], mean=gain.mean(), low=low, high=high, gain=scenario.economy.industry_gain
    )


def barrier(e: Evidence) -> Decision:
    """Z38: investment is a barrier for small budgets."""
    slack, base = e.kazakhstan_slack.baseline, e.kazakhstan.baseline
    gains = {name: effect(at_end(slack, name), at_end(base, name)) for name in ("large", "medium", "small")}
    return open_question(end=end_of(base.scenario), gains=gains)


def operating_costs(e: Evidence) -> Decision:
    """Z40: operating costs."""
    listed = e.table("kazakhstan_technologies.csv", ("id", "segment"), ("running_cost", "saving"))
    kinds = [row for row in listed if row["segment"]]
    return open_question(more=sum(row["saving"] > row["running_cost"] for row in kinds), kinds=len(kinds))


def equal_access(e: Evidence) -> Decision:
    """Z42: equal access."""
    last = e.kazakhstan.scenario.steps
    before, after = (divide(arm, last) for arm in (e.kazakhstan.baseline, e.kazakhstan.arms["inclusion"]))
    gini = after["gini"] - before["gini"]
    half = 1.96 * gini.std(ddof=1) / math.sqrt(len(gini))
    moved: dict[str, Any] = {"mean": gini.mean(), "low": gini.mean() - half, "high": gini.mean() + half}
    worst = effect(100 * after["worst_decile"], 100 * before["worst_decile"])
    return open_question(
        change=change(e.kazakhstan, "inclusion"), worst=worst, gini=before["gini"].mean(), gini_change=moved
    )


CHECKS: Mapping[str, Callable[[Evidence], Decision]] = {
    "Z01": cities_or_regions, "Z03": urban_share, "Z04": product_figures, "Z05": industry_figures,
    "Z06": people_figures, "Z07": people_unit, "Z08": rows, "Z09": sums, "Z10": coefficients, "Z11": industry_effect,
    "Z12": people_effect, "Z14": range_of_r, "Z15": pairwise, "Z16": printed_r, "Z17": strong_positive,
    "Z19": pair_with(INDUSTRY), "Z20": pair_with(URBAN), "Z21": industry_and_people, "Z23": examples,
    "Z25": resolution, "Z26": under("no-programme", "kazakhstan"), "Z27": progress, "Z28": hubs, "Z32": urban_growth,
    "Z34": plans, "Z35": productivity, "Z36": growth, "Z38": barrier,
    "Z39": under("public-private-partnerships", "kazakhstan"), "Z40": operating_costs,
    "Z41": under("data-protection", "kazakhstan"), "Z42": equal_access,
}  # fmt: skip
