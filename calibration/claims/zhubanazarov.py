"""Which claims of Zhubanazarov, Ulakov and Yordanova (2025) hold? One function a claim, numbered as its table.

A relationship is strong where the correlation is at least 0.7 (half of the variance) whichever region is left out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from calibration.claims.evidence import (
    Answer,
    Evidence,
    at_end,
    change,
    coverage_under,
    decided,
    end_of,
    open_question,
    signed,
    spoken,
)
from calibration.grp import paper
from calibration.grp.fit import NAMES
from calibration.grp.least_squares import Array
from sim.report.words import grouped
from sim.results.effects import effect
from sim.results.measures import divide, product
from sim.results.ranks import correspondence

STRONG = 0.7
INDUSTRY, URBAN = 0, 1


def cities_or_regions(e: Evidence) -> Answer:
    """Z01: a model of the impact of urban economic development."""
    names = e.regression.regions.names
    cities = sum(name.endswith(" city") for name in names)
    return decided(
        2 * cities > len(names),
        f"The rows are {len(names) - cities} regions and {cities} cities, of one year: a comparison of regions, "
        "and no impact.",
    )


def urban_share(e: Evidence) -> Answer:
    """Z03: urban share of the world."""
    first, last = e.fact("urban_share_world", "2018")["value"], e.fact("urban_share_world", "2030")["value"]
    known = e.fact("urban_share_world_un_desa", "2018")["value"]
    return open_question(
        f"2018: the United Nations say {100 * known:.0f} %, which agrees; the projection for 2030 has no second "
        "source here. It "
        f"is a share ({signed(100 * (last - first))} points), not a number of people."
    )


def product_figures(e: Evidence) -> Answer:
    """Z04: GRP beside the Bureau's workbook."""
    name = "validation/kazakhstan_grp_check.csv"
    rows = e.table(name, ("name",), ("grp_2023_mln_tenge",))
    printed = dict(zip(e.regression.regions.names, e.regression.regions.y, strict=True))
    gaps = [abs(row["grp_2023_mln_tenge"] / 1e3 - printed[row["name"]]) for row in rows]
    return decided(
        max(gaps) <= 0.00501,
        f"All {len(gaps)} agree with the Bureau's workbook to the rounding (largest difference {max(gaps):.4f} "
        "bn tenge).",
    )


def industry_figures(e: Evidence) -> Answer:
    """Z05: industry beside the national total."""
    total, published = float(e.regression.regions.x[:, INDUSTRY].sum()), e.fact("kazakhstan_industrial_output")["value"]
    return open_question(
        f"No second source by region. The sum, {grouped(total)} bn tenge, is "
        f"{100 * (total / published - 1):.1f} % above the "
        f"national total first published, {grouped(published)}."
    )


def people_figures(e: Evidence) -> Answer:
    """Z06: urban population beside news figures."""
    printed = dict(zip(e.regression.regions.names, e.regression.regions.x[:, URBAN], strict=True))
    known = {name: e.fact(f"kazakhstan_population_{name.lower()}")["value"] for name in ("Almaty", "Astana")}
    agree = sum(printed[f"{name} city"] == value for name, value in known.items())
    return decided(
        agree == len(known),
        f"{agree} of the {len(known)} that news figures give agree exactly, at 1 January 2023; the other "
        f"{len(printed) - len(known)} have no second source.",
    )


def people_unit(e: Evidence) -> Answer:
    """Z07: thousand people."""
    total = float(e.regression.regions.x[:, URBAN].sum())
    almaty = e.fact("kazakhstan_population_almaty")["value"]
    return decided(
        almaty * 1000 == e.regression.regions.x[:, URBAN].max(),
        f"The figures are persons: {grouped(almaty)} live in Almaty. As thousands they would make "
        f"{grouped(total / 1e3)} million.",
    )


def rows(e: Evidence) -> Answer:
    """Z08: n = 20."""
    n = len(e.regression.regions)
    cities = sum(name.endswith(" city") for name in e.regression.regions.names)
    return decided(n == paper.PRINTED_SUMS["n"], f"{n}: {n - cities} regions and {cities} cities.")


def _printed(e: Evidence) -> dict[str, dict[str, float]]:
    comparison = paper.printed_comparison(e.regression)
    if comparison is None:
        raise ValueError("the table of regions is not Table 1 of the paper")
    return {row["what"]: row for row in comparison}


def sums(e: Evidence) -> Answer:
    """Z09: normal equations."""
    found = [row for what, row in _printed(e).items() if what.startswith("sum ")]
    worst = max(abs(row["relative_difference"]) for row in found)
    return decided(
        worst <= paper.AGREES, f"All {len(found)} agree with Table 1; largest relative difference {worst:.0e}."
    )


def coefficients(e: Evidence) -> Answer:
    """Z10: the fitted equation."""
    found = [_printed(e)[name] for name in NAMES]
    worst = max(abs(row["relative_difference"]) for row in found)
    ours = ", ".join(f"{name} = {row['ours']:.9g}" for name, row in zip(NAMES, found, strict=True)).replace("-", "−")
    return decided(
        worst <= paper.AGREES,
        f"The table gives {ours}; largest relative difference {worst:.0e}: six digits are good.",
    )


def industry_effect(e: Evidence) -> Answer:
    """Z11: one billion of industry."""
    fit = e.regression
    low, high = fit.interval["b1"]
    without = fit.regression.left_out[:, 1]
    row = int(np.argmax(np.abs(without - fit.coefficients["b1"])))
    return decided(
        False,
        f"{fit.coefficients['b1']:.2f} bn is how regions of one year differ (95 % bootstrap {signed(low, 2)} to "
        f"{signed(high, 2)}; {without[row]:.2f} without {fit.regions.names[row]}), not what a change brings; "
        "industry is part of "
        f"the product.",
    )


def people_effect(e: Evidence) -> Answer:
    """Z12: one million people."""
    fit = e.regression
    million = fit.coefficients["b2"] * 1e6
    low, high = (1e6 * value for value in fit.interval["b2"])
    return decided(
        math.isclose(million, 0.009, rel_tol=0.1),
        f"{grouped(million)} bn tenge (95 % bootstrap {grouped(low)} to {grouped(high)}): the unit is persons. "
        "And it is a "
        "difference between regions, not a gain of each.",
    )


def range_of_r(e: Evidence) -> Answer:
    """Z14: R between -1 and 1."""
    return decided(
        False,
        f"A multiple R is the root of R2 = {e.regression.regression.r2:.3f}: 0 to 1, without a sign. The slopes "
        "have the signs.",
    )


def pairwise(e: Evidence) -> Answer:
    """Z15: printed correlations."""
    found = [_printed(e)[f"correlation {key}"] for key in paper.PRINTED_CORRELATIONS]
    ours = ", ".join(f"{row['ours']:.4f}" for row in found).replace("-", "−")
    cut = all(math.trunc(100 * row["ours"]) == round(100 * row["printed"]) for row in found)
    return decided(
        all(round(row["ours"], 2) == row["printed"] for row in found),
        f"The table gives {ours}: {'truncated' if cut else 'wrong'}, not rounded.",
    )


def printed_r(e: Evidence) -> Answer:
    """Z16: R = 0.91."""
    ours = _printed(e)["R"]["ours"]
    from_printed = paper.multiple_correlation(paper.PRINTED_CORRELATIONS)
    return decided(
        round(ours, 2) == paper.PRINTED_R,
        f"The table gives {ours:.4f}; equation 5 with the truncated correlations {from_printed:.4f}.",
    )


def strong_positive(e: Evidence) -> Answer:
    """Z17: strong and positive."""
    fit = e.regression
    positive = [f"{name} in {100 * (fit.draws[:, j] > 0).mean():.0f} %" for j, name in enumerate(NAMES) if j]
    deciding = [fit.regions.names[row] for row in fit.deciders]
    return decided(
        False,
        f"R has no sign; the slopes are positive ({' and '.join(positive)} of bootstrap draws). R2 is "
        f"{fit.regression.r2:.2f} "
        f"within the table and {fit.errors['linear']['loo_R2']:.2f} for a region left out; "
        f"{', '.join(deciding)} decide.",
    )


def _pair(e: Evidence, column: int, words: str) -> Answer:
    """Whether a pairwise correlation with GRP is strong, whichever region is left out."""
    x, y, names = e.regression.regions.x[:, column], e.regression.regions.y, e.regression.regions.names
    left_out: Array = np.array([np.corrcoef(np.delete(x, i), np.delete(y, i))[0, 1] for i in range(len(y))])
    low, high = int(left_out.argmin()), int(left_out.argmax())
    return decided(
        bool(left_out.min() >= STRONG),
        f"r = {np.corrcoef(x, y)[0, 1]:.2f}{words}; without {names[low]} {left_out[low]:.2f}, without {names[high]} "
        f"{left_out[high]:.2f}.",
    )


def industry_close(e: Evidence) -> Answer:
    """Z19: product and industry."""
    share = np.corrcoef(e.regression.regions.x[:, INDUSTRY], e.regression.regions.y)[0, 1] ** 2
    return _pair(e, INDUSTRY, f", {100 * share:.0f} % of the variance, though industry is part of the product")


def people_close(e: Evidence) -> Answer:
    """Z20: product and urban population."""
    return _pair(e, URBAN, "")


def industry_and_people(e: Evidence) -> Answer:
    """Z21: industry and urban population."""
    ours = _printed(e)["correlation x1_x2"]["ours"]
    return decided(
        abs(ours) >= STRONG,
        f"Their correlation is {signed(ours, 2)}; 0.91 is the multiple R of the product on both.",
    )


def examples(e: Evidence) -> Answer:
    """Z23: eight examples."""
    listed = e.table("world_portfolios.csv", ("place", "technology", "source"))
    pairs = [row for row in listed if row["source"].startswith("Z Table 2")]
    cities = {row["place"] for row in pairs}
    return open_question(
        f"{len(pairs)} pairs in {len(cities)} places, taken over: no date, no outcome and nothing to compare "
        "with. For Minsk no "
        "technology is named, for Greece no city."
    )


def resolution(e: Evidence) -> Answer:
    """Z25: Resolution 269."""
    row = e.fact("kazakhstan_concept_resolution")
    return decided(
        (row["value"], row["date"]) == (269, "2023-03-28"), f"No. {row['value']:.0f} of {row['date']}: {row['source']}."
    )


def measures_facilitate(e: Evidence) -> Answer:
    """Z26: the programme."""
    words = coverage_under(e.kazakhstan, "no-programme", "without the programme's order (rate assumed)")
    return open_question(f"An expectation. {words}")


def progress(e: Evidence) -> Answer:
    """Z27: progress in large cities."""
    named = [
        row
        for row in e.table("kazakhstan_portfolios.csv", ("place", "source"))
        if row["source"].startswith("Z, leader")
    ]
    return open_question(
        f"{len(named)} city-technology pairs in {len({row['place'] for row in named})} cities, without dates: "
        "no progress can be "
        "measured."
    )


def hubs(e: Evidence) -> Answer:
    """Z28: hubs."""
    base, without = e.kazakhstan.baseline, e.kazakhstan.arms["no-hubs"]
    astana = base.shared.portfolio[:, base.places.index("astana")] & base.counted
    links = base.scenario.links
    hub = np.isin(base.places, [base.scenario.places.id[row] for row in links.dst])
    values = [100 * arm.series(arm.share_weights(astana, hub))[:, -1] for arm in (without, base)]
    return open_question(
        f"The cities are not named. Model, a hub in {int(hub.sum())} cities (assumed): the share of Astana's "
        "technologies that "
        f"they operate by {end_of(base.scenario)} is {values[1].mean():.0f} %, by the hubs "
        f"{spoken(effect(values[1], values[0]))}."
    )


def urban_growth(e: Evidence) -> Answer:
    """Z32: growth of the urban population."""
    return open_question(
        "Table 1 is one date, 1 January 2023: no growth. The model assumes none (economy.urban_growth = "
        f"{e.kazakhstan.scenario.economy.urban_growth:g})."
    )


def plans(e: Evidence) -> Answer:
    """Z34: quantitative plans."""
    fit = e.regression
    error = fit.errors["linear"]["loo_median_relative_error"]
    city = fit.coefficients["a"] + 200 * fit.coefficients["b1"] + 1e5 * fit.coefficients["b2"]
    return decided(
        error < 0.1 and city > 0,
        f"For a region left out it errs by {100 * error:.0f} % in the median; to a city of 100 000 people and "
        "200 bn of industry "
        f"it gives {grouped(city)} bn tenge. No plan is in it.",
    )


def productivity(e: Evidence) -> Answer:
    """Z35: population and productivity."""
    x = e.regression.regions.x
    per_head = x[:, INDUSTRY] / x[:, URBAN]
    r = correspondence(x[:, URBAN], per_head)
    together = float(np.corrcoef(x[:, INDUSTRY], x[:, URBAN])[0, 1])
    return decided(
        r.value > 0 and r.p < 0.05,
        f"Growth is not in the table. Between regions, urban population and industry: r = "
        f"{signed(together, 2)}; and industry for each urban inhabitant: Spearman "
        f"{signed(r.value, 2)} "
        f"(permutation p {r.p:.2f}).",
    )


def growth(e: Evidence) -> Answer:
    """Z36: economic growth."""
    scenario, values = e.kazakhstan.scenario, product(e.kazakhstan.baseline).sum(axis=1)
    base = float(np.nansum(scenario.regions.grp))
    gain = 100 * (values[:, -1] / base - 1)
    low, high = np.quantile(gain, (0.05, 0.95))
    return open_question(
        f"Nothing digital is in the equation. Model: product of {end_of(scenario)[:4]} {signed(gain.mean(), 2)} % "
        f"({signed(low, 2)} to {signed(high, 2)} in 90 % of replicates) on the base year, all of it the assumed "
        f"economy.industry_gain = {scenario.economy.industry_gain:g}."
    )


def barrier(e: Evidence) -> Answer:
    """Z38: investment is a barrier for small budgets."""
    slack, base = e.kazakhstan_slack.baseline, e.kazakhstan.baseline
    gains = {name: effect(at_end(slack, name), at_end(base, name)) for name in ("large", "medium", "small")}
    words = ", ".join(f"{name} {spoken(gain)}" for name, gain in gains.items())
    return open_question(f"No budgets here. Model, coverage by {end_of(base.scenario)} if nothing cost money: {words}.")


def partnership(e: Evidence) -> Answer:
    """Z39: public-private partnerships."""
    words = coverage_under(e.kazakhstan, "public-private-partnerships", "with 40 % private money (assumed)")
    return open_question(f"No outcomes are reported. {words}")


def operating_costs(e: Evidence) -> Answer:
    """Z40: operating costs."""
    listed = e.table("kazakhstan_technologies.csv", ("id", "segment"), ("running_cost", "saving"))
    kinds = [row for row in listed if row["segment"]]
    more = sum(row["saving"] > row["running_cost"] for row in kinds)
    return open_question(
        f"No cost figures in the paper. In the model savings are assumed: they exceed the running cost of {more} of "
        f"{len(kinds)} technologies."
    )


def protection(e: Evidence) -> Answer:
    """Z41: data protection."""
    words = coverage_under(e.kazakhstan, "data-protection", "with protection of 0.8 (assumed)")
    return open_question(f"A recommendation. {words}")


def equal_access(e: Evidence) -> Answer:
    """Z42: equal access."""
    base, arm = e.kazakhstan.baseline, e.kazakhstan.arms["inclusion"]
    last = e.kazakhstan.scenario.steps
    before, after = divide(base, last), divide(arm, last)
    gini = after["gini"] - before["gini"]
    error = 1.96 * gini.std(ddof=1) / math.sqrt(len(gini))
    worst = effect(100 * after["worst_decile"], 100 * before["worst_decile"])
    return open_question(
        "A recommendation. Model: with 80 % of the pools for the lower half, coverage "
        f"{spoken(change(e.kazakhstan, 'inclusion'))}, "
        f"of the lowest tenth {spoken(worst)}; Gini of {before['gini'].mean():.2f} {signed(gini.mean(), 3)} "
        f"({signed(gini.mean() - error, 3)} to {signed(gini.mean() + error, 3)})."
    )


CHECKS: Mapping[str, Callable[[Evidence], Answer]] = {
    "Z01": cities_or_regions, "Z03": urban_share, "Z04": product_figures, "Z05": industry_figures,
    "Z06": people_figures,
    "Z07": people_unit, "Z08": rows, "Z09": sums, "Z10": coefficients, "Z11": industry_effect, "Z12": people_effect,
    "Z14": range_of_r, "Z15": pairwise, "Z16": printed_r, "Z17": strong_positive, "Z19": industry_close,
    "Z20": people_close,
    "Z21": industry_and_people, "Z23": examples, "Z25": resolution, "Z26": measures_facilitate, "Z27": progress,
    "Z28": hubs, "Z32": urban_growth, "Z34": plans, "Z35": productivity, "Z36": growth, "Z38": barrier,
    "Z39": partnership, "Z40": operating_costs, "Z41": protection, "Z42": equal_access,
}  # fmt: skip
