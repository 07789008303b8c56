"""What is the answer of a run? Numbers and named cases, subject by subject; `answer.txt` says them in sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.engine.columns import FLOWS
from sim.report import words
from sim.report.findings import leading_guides, source_totals, technology_shares
from sim.report.names import measure_name, technology_name
from sim.results.effects import Case, PolicyEffect, effect, policy_effects, policy_prices, yardsticks
from sim.results.measures import (
    coverage,
    gini,
    has_economy,
    has_money,
    headline,
    one,
    product,
    public_money,
    table_years,
    technologies_at,
    yearly_instants,
)
from sim.results.targets import Verdict, verdicts

if TYPE_CHECKING:
    from sim.results.run import Results
    from sim.scenario.scenario import Scenario

EffectTable = Mapping[str, Sequence[PolicyEffect]]
"""Effects of all policies, in the order of the arms, by the key of their yardstick."""
Told = Iterator[tuple[str, dict[str, Any]]]
"""Subjects, each a macro of answer.txt, with the facts that it is told of."""


def answer(results: Results, table: EffectTable | None = None) -> list[str]:
    """The answer in sentences, each chosen by the figures it tells."""
    return [words.said("answer.txt", subject, facts) for subject, facts in told(results, table)]


def about(results: Results) -> str:
    """What was run, in a sentence."""
    scenario, arm = results.scenario, results.baseline
    return words.said("answer.txt", "about", {
        "regions": [scenario.regions.name[r] for r in arm.focus_regions], "members": int(arm.focus.sum()),
        "since": scenario.instant(0), "until": scenario.instant(scenario.steps), "policies": len(results.arms) - 1,
        "replicates": results.replicates, "seed": results.seed,
    })  # fmt: skip


def told(results: Results, table: EffectTable | None = None) -> Told:
    """Facts in the order of the report."""
    yield from _spread(results)
    yield from _targets(results)
    yield from _coverage(results)
    yield from _attribution(results)
    if len(results.arms) > 1:
        yield from _policies(results, policy_effects(results) if table is None else table)
    yield from _divide(results)
    yield from _money(results)
    yield from _product(results)


def middle(values: np.ndarray) -> dict[str, float]:
    """Mean and the ends of the band of 90 % of replicates."""
    low, high = np.quantile(values, (0.05, 0.95))
    return {"mean": float(values.mean()), "low": float(low), "high": float(high)}


def _spread(results: Results) -> Told:
    """How many have each technology in focus at the end, and when half of them had."""
    arm, scenario = results.baseline, results.scenario
    members = int(arm.focus.sum())
    for technology in headline(scenario):
        shares = one(arm, technology)
        yield "spread", {
            "name": technology_name(scenario, technology), "when": scenario.instant(scenario.steps),
            **how_many(shares[:, -1] * members, members), **_half(scenario, shares),
        }  # fmt: skip


def how_many(count: np.ndarray, members: int) -> dict[str, Any]:
    """How many municipalities have something, of counts by replicate; `everywhere`: share of replicates with all."""
    everywhere = float((count >= members - 1e-9).mean())
    return {"members": members, "everywhere": everywhere, **middle(count)}


def _half(scenario: Scenario, shares: np.ndarray) -> dict[str, Any]:
    """When half of the municipalities had it, of shares [replicates, T + 1]: the median where most replicates do."""
    reached = shares >= 0.5 - 1e-12
    often = float(reached.any(axis=1).mean())
    if often < 0.5:  # the median replicate never gets there
        return {"half": "seldom", "half_share": often}
    when = np.sort(np.where(reached.any(axis=1), reached.argmax(axis=1), scenario.steps + 1))
    median = int(when[(len(when) - 1) // 2])
    if median == 0:
        return {"half": "from the start"}
    return {"half": "dated", "half_date": scenario.instant(median)}


def _targets(results: Results) -> Told:
    """Each target beside the model: inside the band or not; plans by the chance of being met."""
    scenario, members = results.scenario, int(results.baseline.focus.sum())
    for verdict in verdicts(results):
        target = verdict.target
        yield "target", {
            "case": _case(verdict), "when": scenario.instant(verdict.instant), "chance": verdict.chance,
            "name": technology_name(scenario, scenario.technologies.id.index(target.technology)),
            "range": counted(verdict.low, verdict.high, members), "mean": verdict.mean * members,
            "low": verdict.q05 * members, "high": verdict.q95 * members,
            "fitted": fitted(scenario) and target.use and target.kind == "observed",
        }  # fmt: skip


def _case(verdict: Verdict) -> str:
    """What is to be said of a target."""
    if verdict.target.kind == "plan":
        return "planned"
    if verdict.target.date is None:
        return "some time before"
    if verdict.inside:
        return "inside"
    return "above" if verdict.low > verdict.q95 else "below"


def counted(low: float, high: float, members: int) -> tuple[int, int, int]:
    """The lowest and highest number that two shares mean, and of how many."""
    return round(low * members), round(high * members), members


def fitted(scenario: Scenario) -> bool:
    """Whether parameters are drawn from a fit to the targets."""
    return scenario.parameter_fit is not None and scenario.parameters.draws == "draws"


def _coverage(results: Results) -> Told:
    """How many technologies a municipality has at the end, and which spread furthest and least."""
    arm, scenario = results.baseline, results.scenario
    total, choice = int(arm.counted.sum()), np.flatnonzero(arm.counted)
    if not total:
        return
    shares = technology_shares(arm)[choice, -1]
    most, least = int(shares.argmax()), int(shares.argmin())
    yield "coverage", {
        "when": scenario.instant(scenario.steps), "total": total, **middle(coverage(arm)[:, -1] * total),
        "most": technology_name(scenario, choice[most]), "most_share": float(shares[most]),
        "least": technology_name(scenario, choice[least]), "least_share": float(shares[least]),
    }  # fmt: skip


def _attribution(results: Results) -> Told:
    """What adoptions are attributed to, and who guides most."""
    arm = results.baseline
    number = source_totals(arm)
    total, called = sum(number.values()), words.table()["source"]
    order = sorted(number, key=lambda name: -number[name])
    guided, guide, share = number.get("peers", 0.0) + number.get("leaders", 0.0), "", 0.0
    for place, peers, afar in leading_guides(arm, 1):
        guide, share = arm.scenario.places.name[place], (peers + afar) / guided
    yield "attribution", {
        "adoptions": total, "sources": {called[name]: number[name] / total for name in order}, "guide": guide,
        "guided": share,
    }  # fmt: skip


def _policies(results: Results, table: EffectTable) -> Told:
    """What the policies change, measure by measure; nothing is called a change whose interval includes zero."""
    for yardstick in yardsticks(results):
        if yardstick.key in table and yardstick.key not in ("small", "money", "grp"):
            facts = _sides(table[yardstick.key])
            yield "policies", {"measure": measure_name(results.scenario, yardstick).dated, **facts}
    prices = [(arm.title or arm.name, price) for arm, price in policy_prices(results)]
    better = [title for title, price in prices if price.case == Case.BETTER]
    if better:
        yield "better", {"titles": better}
    costs = sorted((pair for pair in prices if pair[1].case == Case.COSTS), key=lambda pair: pair[1].value)
    for title, price in costs[:1]:
        yield "price", {"count": len(costs), "title": title, "currency": results.scenario.currency, "price": price}


def _sides(rows: Sequence[PolicyEffect]) -> dict[str, Any]:
    """Policies that raise a measure and that lower it, the largest first, and titles of those that do neither."""
    ordered = sorted(rows, key=lambda row: -abs(row.mean))
    return {
        "count": len(rows), "raising": [row for row in ordered if row.sign > 0],
        "lowering": [row for row in ordered if row.sign < 0], "neither": [row.title for row in rows if row.sign == 0],
    }  # fmt: skip


def _divide(results: Results) -> Told:
    """Whether the divide widened or narrowed, from the first date at which there is anything to compare to the end."""
    arm, scenario = results.baseline, results.scenario
    dates = yearly_instants(scenario).tolist()[:-1]
    held = ((at, technologies_at(arm, at)[:, arm.focus]) for at in dates)
    # before there is anything, all are alike, and every start would look like a widening
    start = next(((at, counts) for at, counts in held if counts.any(axis=1).all()), None)
    if start is None or arm.focus.sum() < 2:
        return
    before = gini(start[1])
    after = gini(technologies_at(arm, scenario.steps)[:, arm.focus])
    change = effect(after, before)
    yield "divide", {
        "case": {1: "widens", -1: "narrows", 0: "unclear"}[change.sign],
        "before": float(np.median(before)), "since": scenario.instant(start[0]),
        "after": float(np.median(after)), "until": scenario.instant(scenario.steps),
    }  # fmt: skip


def _money(results: Results) -> Told:
    """Public money until the end, and how many adoptions wait for it."""
    arm, scenario = results.baseline, results.scenario
    if not has_money(scenario):
        yield "slack", {}
        return
    paid, gained = float(public_money(arm).mean()), coverage(arm)
    points = float(100 * (gained[:, -1] - gained[:, 0]).mean())
    waiting = arm.batch.ledgers[:, arm.focus_regions, -1, FLOWS.index("unpaid")].sum(axis=1).mean()
    yield "money", {
        "paid": paid, "currency": scenario.currency, "per_point": paid / points if points > 0 else None,
        "waiting": round(float(waiting), 1),
    }  # fmt: skip


def _product(results: Results) -> Told:
    """The product of the regions in focus at the end: a conditional projection, and of what."""
    arm, scenario = results.baseline, results.scenario
    if not has_economy(scenario):
        return
    base = float(np.asarray(arm.shared.regions["grp"])[arm.focus_regions].sum())
    economy = scenario.economy
    yield "product", {
        "year": table_years(scenario)[-1], "base_year": economy.base_year, "gain": 100 * economy.industry_gain,
        "alone": economy.industry_growth == economy.urban_growth == economy.volatility == 0,
        **middle(100 * (product(arm)[:, :, -1].sum(axis=1) / base - 1)),
    }  # fmt: skip
