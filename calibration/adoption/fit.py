"""How fast does something spread by itself, from peers and from leaders? Maximum likelihood from adoption dates.

Against the model's hazard stand a constant one, exp(x beta) p, and the model of Bass (1969) without network,
exp(x beta) (p + q F), F the share of the others that have it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import optimize, stats

from calibration.adoption.data import AdoptionData, walk
from calibration.adoption.likelihood import (
    EXTERNAL,
    LEADERS,
    MIXING,
    PEERS,
    SOURCES,
    Likelihood,
    Maximum,
    Sample,
    maximise,
    maximise_with_appeal,
    sample,
)
from sim.engine.draws import generator

CONSTANT, BASS = (EXTERNAL,), (EXTERNAL, MIXING)
FOLDS = 5
BOOTSTRAP = 1000
NEGLIGIBLE = 1e-3
"""A source whose likelihood ratio, or share of the adoptions, is below this is not missed."""
DIFFERENT = 2.0
"""Dispersion of technologies beyond which they are also given an appeal each."""
UNTOLD = 4.0
"""A standard error of a rate's logarithm beyond which the data do not tell it from another source."""


def _appeal(found: Sample, best: Maximum, dispersion: float) -> dict[str, float] | None:
    """Peers when technologies may differ in appeal: rate, likelihood ratio and p; None where they hardly differ."""
    if PEERS not in best.sources or not dispersion > DIFFERENT or len(np.unique(found.technology)) < FOLDS:
        return None
    whole, factor = maximise_with_appeal(found, best.sources, best.values)
    at = best.sources.index(PEERS)
    rest = tuple(source for source in best.sources if source != PEERS)
    without, _ = maximise_with_appeal(found, rest, np.delete(best.values, at))
    ratio = max(2 * (whole.value - without.value), 0.0)
    spread = float(np.log(factor[np.unique(found.technology)]).std())
    p = 0.5 * float(stats.chi2.sf(ratio, 1))  # half: a rate cannot lie below 0 (Self, Liang 1987)
    return {"peers": float(np.exp(whole.values[at])), "statistic": ratio, "p": p, "spread": spread}


@dataclass(frozen=True)
class ParameterEstimate:
    """A parameter with standard error and 95 % interval, from the information and from a bootstrap by technology."""

    name: str
    estimate: float
    se: float | None
    low: float
    high: float
    bootstrap_se: float | None = None
    bootstrap_low: float | None = None
    bootstrap_high: float | None = None


@dataclass(frozen=True)
class AdoptionFit:
    """Everything that is said about a table of adoption dates.

    `residuals`: waits between adoptions in expected adoptions, Exp(1) if the model holds. `observed` and `expected`
    float64[T]: adoptions in each interval. `dose` float64[bins, 4]: exposure to peers, years at risk (weighted with the
    multiplier), adoptions, and adoptions expected there. `dispersion`: variance of technologies' adoptions about what
    is expected, 1 if technologies differ by chance only; `appeal`: peers if technologies have an appeal of their own.
    """

    sample: Sample
    maximum: Maximum
    estimates: tuple[ParameterEstimate, ...]
    tests: dict[str, dict[str, float]]
    held_out: dict[str, dict[str, float] | None]
    residuals: np.ndarray
    residual_test: dict[str, float]
    observed: np.ndarray
    expected: np.ndarray
    dose: np.ndarray
    dispersion: float
    appeal: dict[str, float] | None
    seed: int

    @property
    def data(self) -> AdoptionData:
        """The tables."""
        return self.sample.data

    @property
    def resampled(self) -> bool:
        """Whether there were technologies enough for a bootstrap."""
        return any(row.bootstrap_se is not None for row in self.estimates)


def fit(data: AdoptionData, seed: int = 1) -> AdoptionFit:
    """Fit the hazard to adoption dates: estimates, tests, held-out scores, residuals."""
    found = sample(data)
    exposed = found.waited.sum(axis=(1, 2)) + found.exposure.sum(axis=0)
    sources = tuple(source for source in (EXTERNAL, PEERS, LEADERS) if exposed[source] > 0)
    best = maximise(found, sources)
    scores = _scores_by_technology(found, best)
    tests = _tests(found, best)
    estimates = _estimates(found, best, tests, scores, generator(seed, "adoption", "bootstrap"))
    residuals, observed, expected, dose, dispersion = _second_walk(
        found, best, generator(seed, "adoption", "residuals")
    )
    test = stats.kstest(residuals, "expon")
    return AdoptionFit(
        found, best, estimates, tests, _held_out(found, sources, generator(seed, "adoption", "folds")),
        residuals, {"statistic": float(test.statistic), "p": float(test.pvalue), "n": len(residuals)},
        observed, expected, dose, dispersion, _appeal(found, best, dispersion), seed,
    )  # fmt: skip


def _estimates(
    found: Sample,
    best: Maximum,
    tests: dict[str, dict[str, float]],
    scores: tuple[np.ndarray, np.ndarray] | None,
    chance: np.random.Generator,
) -> tuple[ParameterEstimate, ...]:
    """Rates on their own scale with intervals that stay positive; a rate at its limit of 0 has an upper bound only."""
    limits = [at for at in range(len(best.sources)) if _at_zero(found, best, at, tests)]
    inside = [at for at in range(len(best.values)) if at not in limits]
    error = np.full(len(best.values), np.nan)
    curvature, directions = np.linalg.eigh(best.information[np.ix_(inside, inside)])
    error[inside] = np.sqrt(directions**2 @ (1.0 / np.maximum(curvature, 1e-9)))  # flat directions stay uncertain
    drawn = _bootstrap(best, scores, inside, chance) if scores else None
    result = []
    for at, value in enumerate(best.values):
        if at >= len(best.sources):
            name, scale = found.data.covariate_names[at - len(best.sources)], found.data.scale[at - len(best.sources)]
            shown: Any = lambda v, scale=scale: v / scale  # noqa: E731
        else:
            name, shown = SOURCES[best.sources[at]], np.exp
        if at in limits:
            result.append(ParameterEstimate(name, 0.0, None, 0.0, _upper(found, best, at)))
            continue
        point = float(shown(value))
        if at < len(best.sources) and error[at] > UNTOLD:
            result.append(ParameterEstimate(name, point, None, 0.0, float("inf")))
            continue
        low, high = (float(shown(value + sign * 1.96 * error[at])) for sign in (-1, 1))
        se = point * error[at] if at < len(best.sources) else error[at] / scale
        extra: tuple[float, ...] = ()
        if drawn is not None:
            again = drawn[:, inside.index(at)] / (1.0 if at < len(best.sources) else scale)
            extra = (float(again.std(ddof=1)), *map(float, np.quantile(again, (0.025, 0.975))))
        result.append(ParameterEstimate(name, point, float(se), low, high, *extra))
    return tuple(result)


def _at_zero(found: Sample, best: Maximum, at: int, tests: dict[str, dict[str, float]]) -> bool:
    """Whether a source is at its limit of 0: hardly an adoption is owed to it, and it is not missed."""
    part = found.exposure[:, list(best.sources)] * np.exp(best.values[: len(best.sources)])
    owed = float((part[:, at] / np.maximum(part.sum(axis=1), 1e-300)).mean())
    if best.sources[at] == EXTERNAL:  # without it the first adoption of all could not be, so there is no test of it
        return owed < NEGLIGIBLE
    return owed < 0.01 and tests[SOURCES[best.sources[at]]]["statistic"] < NEGLIGIBLE


def _upper(found: Sample, best: Maximum, at: int) -> float:
    """The rate at which twice the log-likelihood has fallen by 2.71: a one-sided 95 % bound from the profile."""

    def fall(value: float) -> float:
        return 2 * (best.value - maximise(found, best.sources, start=best.values, fixed=(at, value)).value) - 2.706

    low, high = np.log(1e-6), np.log(1e3)
    return float(np.exp(optimize.brentq(fall, low, high, xtol=1e-3))) if fall(high) > 0 > fall(low) else float("inf")


def _scores_by_technology(found: Sample, best: Maximum) -> tuple[np.ndarray, np.ndarray] | None:
    """Gradient [K, d] and information [K, d, d] of each technology at the maximum; None for fewer than 5 of them."""
    kinds, n = found.waited.shape[1:]
    used = np.unique(found.technology)
    if len(used) < 5:
        return None
    size = len(best.sources)
    x, rates, effects = found.data.covariates, np.exp(best.values[:size]), best.values[size:]
    factor = np.exp(x @ effects)
    waiting = np.einsum("skn,s,n->kns", found.waited[list(best.sources)], rates, factor)
    part = found.exposure[:, list(best.sources)] * rates * (factor[found.place] * found.data.step)[:, None]
    whole = part.sum(axis=1)
    slope, bend = 1 / np.expm1(whole), -np.exp(-whole) / np.expm1(-whole) ** 2
    covariates = x[found.place]
    each = np.hstack([part, covariates * whole[:, None]])
    rest = np.concatenate([waiting.sum(axis=1), waiting.sum(axis=2) @ x], axis=1)
    gradient = np.zeros((kinds, each.shape[1]))
    np.add.at(gradient, found.technology, each * slope[:, None])
    outer = each[:, :, None] * each[:, None, :] * bend[:, None, None]
    design = np.concatenate(
        [np.broadcast_to(np.eye(size), (len(part), size, size)), covariates[:, None, :].repeat(size, 1)], axis=2
    )
    outer += np.einsum("as,asi,asj->aij", part * slope[:, None], design, design)
    hessian = np.zeros((kinds, *outer.shape[1:]))
    np.add.at(hessian, found.technology, outer)
    design = np.concatenate([np.broadcast_to(np.eye(size), (n, size, size)), x[:, None, :].repeat(size, 1)], axis=2)
    hessian -= np.einsum("kns,nsi,nsj->kij", waiting, design, design, optimize=True)
    return (gradient - rest)[used], -hessian[used]


def _bootstrap(
    best: Maximum, scores: tuple[np.ndarray, np.ndarray], inside: Sequence[int], chance: np.random.Generator
) -> np.ndarray:
    """Technologies drawn with replacement; one Newton step from the maximum for each resample: float64[B, inside].

    The step is taken in the rates themselves, in which the likelihood is concave, not in their logarithms.
    """
    size = len(best.sources)
    gradient, information = scores[0].copy(), scores[1].copy()
    values = np.r_[np.exp(best.values[:size]), best.values[size:]]
    scale = np.r_[values[:size], np.ones(len(values) - size)]
    information[:, range(size), range(size)] += gradient[:, :size]
    gradient, information = gradient / scale, information / np.outer(scale, scale)
    gradient, information = gradient[:, inside], information[:, inside][:, :, inside]
    count = len(gradient)
    weight = chance.multinomial(count, np.full(count, 1 / count), BOOTSTRAP).astype(float)
    inverse = np.linalg.pinv(np.einsum("bk,kij->bij", weight, information), 1e-10, hermitian=True)
    steps = np.einsum("bij,bj->bi", inverse, weight @ gradient)
    drawn = values[list(inside)] + steps
    return np.where(np.array(inside) < size, np.maximum(drawn, 0.0), drawn)


def _tests(found: Sample, best: Maximum) -> dict[str, dict[str, float]]:
    """Likelihood ratios against no peers, and no leaders; the null lies on the boundary (Self, Liang 1987)."""
    result = {}
    for source in best.sources[1:]:
        without = maximise(found, tuple(s for s in best.sources if s != source))
        ratio = max(2 * (best.value - without.value), 0.0)
        p = 0.5 * float(stats.chi2.sf(ratio, 1)) if ratio > 1e-9 else 1.0
        result[SOURCES[source]] = {"statistic": ratio, "p": p}
    return result


def _held_out(
    found: Sample, sources: tuple[int, ...], chance: np.random.Generator
) -> dict[str, dict[str, float] | None]:
    """Log score for each adoption held out, by technology and by place: this model, a constant hazard, and Bass."""
    models = {"network": sources, "constant": CONSTANT, "bass": BASS}
    warm = {name: maximise(found, model).values for name, model in models.items()}
    result: dict[str, dict[str, float] | None] = {}
    for unit, count in (("technology", found.waited.shape[1]), ("place", found.waited.shape[2])):
        used = np.unique(found.technology) if unit == "technology" else np.arange(count)
        if len(used) < FOLDS:
            result[f"by_{unit}"] = None
            continue
        fold = np.zeros(count, np.int64)
        fold[used] = chance.permutation(len(used)) % FOLDS
        scores = {name: np.zeros(count) for name in models}
        for at in range(FOLDS):
            weights = {f"of_{unit}": (fold != at).astype(float)}
            for name, model in models.items():
                values = maximise(found, model, start=warm[name], **weights).values
                ones = Likelihood(found, model, np.ones(0), np.ones(0))
                scores[name][fold == at] = ones.by_unit(values, unit)[fold == at]
        result[f"by_{unit}"] = _scored(scores, used, len(found))
    return result


def _scored(scores: dict[str, np.ndarray], used: np.ndarray, adoptions: int) -> dict[str, float]:
    """Scores for each adoption, and gains with standard errors over the units held out."""
    result = {name: float(values[used].sum() / adoptions) for name, values in scores.items()}
    for rival in ("constant", "bass"):
        gain = (scores["network"] - scores[rival])[used]
        result[f"gain_over_{rival}"] = float(gain.sum() / adoptions)
        result[f"gain_over_{rival}_se"] = float(gain.std(ddof=1) * np.sqrt(len(gain)) / adoptions)
    return result


def _second_walk(
    found: Sample, best: Maximum, chance: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, float]:
    """Residuals, adoptions observed and expected by interval, dose and response, and dispersion, at the maximum."""
    data = found.data
    kinds = len(data.technologies)
    rate = np.zeros(4)
    rate[list(best.sources)] = np.exp(best.values[: len(best.sources)])
    factor = np.exp(data.covariates @ best.values[len(best.sources) :]) * data.step
    mass, count = np.zeros((kinds, data.intervals)), np.zeros((kinds, data.intervals), np.int64)
    bins = np.linspace(0, max(float(found.exposure[:, PEERS].max()), 1e-9) * (1 + 1e-9), 11)
    dose = np.zeros((10, 4))
    for month in walk(data):
        whole = (rate[EXTERNAL] + rate[PEERS] * month.peers + rate[LEADERS] * month.leaders) * factor
        # an adopter is at risk for a part of the interval: its wait in expected adoptions is a truncated exponential
        within = -np.log1p(chance.random(int(month.adopts.sum())) * np.expm1(-whole[month.adopts]))
        lived = np.where(month.at_risk, whole, 0.0)
        lived[month.adopts] = within
        mass[month.kinds, month.t] = lived.sum(axis=1)
        count[month.kinds, month.t] = month.adopts.sum(axis=1)
        exposed = np.minimum(np.digitize(month.peers, bins) - 1, 9)
        time = np.where(month.at_risk, factor * np.where(whole > 0, lived / np.maximum(whole, 1e-300), 1.0), 0.0)
        for column, values in ((0, month.peers * time), (1, time), (2, month.adopts), (3, lived)):
            dose[:, column] += np.bincount(exposed.ravel(), np.asarray(values, dtype=float).ravel(), 10)
    used = mass.sum(axis=1) > 0
    difference = count[used].sum(axis=1) - mass[used].sum(axis=1)
    dispersion = (
        float((difference**2 / mass[used].sum(axis=1)).sum() / max(used.sum() - 1, 1)) if used.sum() > 1 else np.nan
    )
    return _waits(mass, count, chance), count.sum(axis=0).astype(float), mass.sum(axis=0), dose, dispersion


def _waits(mass: np.ndarray, count: np.ndarray, chance: np.random.Generator) -> np.ndarray:
    """Waits between adoptions on the clock of expected adoptions, all technologies end to end (Brown et al. 2002).

    mass, count [K, T]: adoptions expected and observed; returns [A]. Adoptions of one interval are put at random within
    its mass: on the clock they are uniform there, if the model holds.
    """
    ends = np.cumsum(mass)
    at = np.repeat(np.arange(mass.size), count.ravel())
    moments = ends[at] - chance.random(len(at)) * mass.ravel()[at]
    return np.diff(np.sort(moments), prepend=0.0)
