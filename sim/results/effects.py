"""What does a policy change, and what does it cost? One paired effect and one price for the whole house.

The run's terminal, its report, `compare`, sweeps and the claims all ask here, so that they say the same of the same
runs. An interval here is that of the Monte Carlo mean: how well so many replicates tell it, and not what is unknown
about the world; the 5 to 95 % range is over replicates.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

from sim.results.arm import BASELINE, Arm
from sim.results.measures import coverage, has_economy, has_money, one, product, public_money
from sim.results.targets import verdicts

if TYPE_CHECKING:
    from sim.results.run import Results

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Effect:
    """A mean difference from the baseline; `paired` where both sides met the same luck, replicate for replicate.

    `low` and `high` bound the Monte Carlo mean with 95 % confidence, for `comparisons` such intervals at once; `q05`
    and `q95` are the spread of the differences over replicates (NaN where they are not paired).
    """

    mean: float
    low: float
    high: float
    q05: float
    q95: float
    paired: bool = True
    comparisons: int = 1

    @property
    def sign(self) -> int:
        """1 or -1 where the interval lies on one side of zero, else 0: it cannot be told."""
        return 1 if self.low > 0 else -1 if self.high < 0 else 0


def effect(values: np.ndarray, base: np.ndarray, paired: bool = True, comparisons: int = 1) -> Effect:
    """The effect of a policy from its values and the baseline's, float64[replicates] each.

    Student's t on the differences, or after Welch (1947) where luck is not shared. With `comparisons` above 1 the
    interval is wider (Bonferroni), so that all of them hold at once with 95 %. NaN limits with a single replicate.
    """
    q05 = q95 = np.nan
    if paired:
        values, base = in_common(values, base)
        apart = values - base
        mean, error, freedom = apart.mean(), _standard_error(apart), len(apart) - 1.0
        q05, q95 = np.quantile(apart, (0.05, 0.95))
    else:
        mean, parts = values.mean() - base.mean(), [_standard_error(side) ** 2 for side in (values, base)]
        # luck is not shared, so that both sides' variances add; the freedom is Welch's, who lets them differ
        error = np.sqrt(sum(parts))
        scatter = sum(part**2 / max(len(side) - 1, 1) for part, side in zip(parts, (values, base), strict=True))
        freedom = error**4 / scatter if scatter > 0 else float(len(values) + len(base) - 2)
    half = _quantile_of_t(1.0 - (1.0 - CONFIDENCE) / (2 * comparisons), max(freedom, 1.0)) * error
    return Effect(float(mean), float(mean - half), float(mean + half), float(q05), float(q95), paired, comparisons)


def in_common(values: np.ndarray, base: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The replicates that both sides have: the first ones."""
    count = min(len(values), len(base))
    return values[:count], base[:count]


def _standard_error(values: np.ndarray) -> float:
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else np.nan


def _quantile_of_t(probability: float, freedom: float) -> float:
    from scipy.special import stdtrit  # scipy.stats takes half a second to import

    return float(stdtrit(freedom, probability))


# Prices


class Case(StrEnum):
    """How a policy's effects on coverage and on public money stand to each other."""

    COSTS = "costs"
    """More coverage and more money: a price for each further point."""
    SAVES = "saves"
    """Less coverage and less money: what is saved for each point lost, and no price of a gain."""
    BETTER = "better"
    """More coverage, and not clearly more money."""
    WORSE = "worse"
    """Less coverage, and not clearly less money."""
    UNTOLD = "cannot be told"
    """The effect on coverage cannot be told from none."""


@dataclass(frozen=True)
class Price:
    """Public money for a percentage point of coverage: `value` with its 95 % interval where the case has one, else NaN.

    `points` and `money` are the two effects: percentage points, millions.
    """

    case: Case
    points: Effect
    money: Effect
    value: float = float("nan")
    low: float = float("nan")
    high: float = float("nan")


def price(points: tuple[np.ndarray, np.ndarray], money: tuple[np.ndarray, np.ndarray], paired: bool = True) -> Price:
    """Millions for each percentage point, from the policy's and the baseline's values, float64[replicates] each.

    The interval is that of a ratio of means (delta method), 95 %.
    """
    gain, cost = effect(*points, paired), effect(*money, paired)
    if gain.sign == 0:
        return Price(Case.UNTOLD, gain, cost)
    if gain.sign != cost.sign:
        return Price(Case.BETTER if gain.sign > 0 else Case.WORSE, gain, cost)
    # a ratio of means, not a mean of ratios: single replicates with hardly any gain would decide that
    ratio = cost.mean / gain.mean
    residual = effect(money[0] - ratio * points[0], money[1] - ratio * points[1], paired)
    half = (residual.high - residual.low) / 2 / abs(gain.mean)
    return Price(Case.COSTS if gain.sign > 0 else Case.SAVES, gain, cost, ratio, ratio - half, ratio + half)


# The policies of a run


@dataclass(frozen=True)
class Yardstick:
    """What policies are compared by: a measure at an instant (of money: until then), and the decimals to show.

    `technology`: its number, where the share of one technology is meant. Money in millions, the product in per cent of
    the baseline's, all else in percentage points.
    """

    key: str
    instant: int
    digits: int
    technology: int | None = None


@dataclass(frozen=True)
class PolicyEffect(Effect):
    """A policy's effect on a yardstick, with the policy's name and title."""

    policy: str = ""
    title: str = ""
    yardstick: str = ""


def yardsticks(results: Results) -> list[Yardstick]:
    """What the policies of this scenario are compared by: targeted technologies, coverage, money, product."""
    scenario, ids = results.scenario, results.scenario.technologies.id
    last = scenario.steps
    found = [Yardstick(f"{ids[k]}@{instant}", instant, 1, k) for k, instant in _decisive(results)]
    found.append(Yardstick("coverage", last, 1))
    if "small" in results.baseline.measures():
        found.append(Yardstick("small", last, 1))
    if has_money(scenario):
        found.append(Yardstick("money", last, 0))
    if has_economy(scenario):
        found.append(Yardstick("grp", last, 3))
    return found


def _decisive(results: Results) -> list[tuple[int, int]]:
    """Targeted technologies, each with the latest instant before the end that a target is about; at most two."""
    latest: dict[int, int] = {}
    for verdict in verdicts(results):
        technology = results.scenario.technologies.id.index(verdict.target.technology)
        latest[technology] = max(latest.get(technology, 0), verdict.instant)
    return list(latest.items())[:2]


def _values(arm: Arm, yardstick: Yardstick) -> np.ndarray:
    """A yardstick by replicate, float64[replicates]."""
    if yardstick.key == "money":
        return public_money(arm)
    if yardstick.key == "grp":
        return np.asarray(product(arm)[:, :, -1].sum(axis=1))
    if yardstick.technology is not None:
        return 100 * one(arm, yardstick.technology)[:, yardstick.instant]
    return 100 * arm.series(arm.measures()[yardstick.key])[:, -1]


def policy_effects(results: Results) -> dict[str, list[PolicyEffect]]:
    """Every policy's effect on every yardstick, by yardstick; in percent of the baseline for the product."""
    found: dict[str, list[PolicyEffect]] = {}
    for yardstick in yardsticks(results):
        key, base = yardstick.key, _values(results.baseline, yardstick)
        found[key] = []
        for arm in policies(results):
            values = _values(arm, yardstick)
            sides = (100 * (values / base - 1), np.zeros(len(base))) if key == "grp" else (values, base)
            found[key].append(
                PolicyEffect(**vars(effect(*sides)), policy=arm.name, title=arm.title or arm.name, yardstick=key)
            )
    return found


def policies(results: Results) -> Iterator[Arm]:
    """The arms of a run beside its baseline."""
    return (arm for name, arm in results.arms.items() if name != BASELINE)


def policy_prices(results: Results) -> list[tuple[Arm, Price]]:
    """Each policy's public money for a percentage point of coverage at the end; empty where nothing costs money."""
    if not has_money(results.scenario):
        return []
    base = results.baseline
    points, money = 100 * coverage(base)[:, -1], public_money(base)
    return [(arm, price((100 * coverage(arm)[:, -1], points), (public_money(arm), money))) for arm in policies(results)]
