"""How likely are adoption dates under rates of the hazard, and which rates make them likeliest?

The hazard is the model's: exp(x beta) (p + q_n E^n + q_h E^h), a year, E the exposures of the engine. Exposures are
constant within an interval of the calendar, so that an adoption in it contributes log(1 - exp(-Lambda)) and waiting
through it -Lambda, exactly.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy import optimize

from calibration.adoption.data import AdoptionData, walk

SOURCES = ("external", "peers", "leaders", "mixing")
EXTERNAL, PEERS, LEADERS, MIXING = range(4)
APPEAL_ROUNDS = 40
"""Rounds after which rates and appeals are taken as they are; ten are the rule."""


@dataclass(frozen=True)
class Sample:
    """What the likelihood needs. `waited` float64[4, K, n]: exposure times years waited through, by source.

    For each adoption at risk: `technology`, `place`, `interval` int64[A] and `exposure` float64[A, 4].
    """

    data: AdoptionData
    waited: np.ndarray
    technology: np.ndarray
    place: np.ndarray
    interval: np.ndarray
    exposure: np.ndarray

    def __len__(self) -> int:
        return len(self.technology)


def sample(data: AdoptionData) -> Sample:
    """Go through the calendar once: exposure waited through, and exposure at each adoption."""
    kinds, n = data.when.shape
    waited = np.zeros((4, kinds, n))
    found = []
    for month in walk(data):
        waits = month.at_risk & ~month.adopts
        seen = (waits, waits * month.peers, waits * month.leaders, waits * month.mixed)
        for source, values in enumerate(seen):
            waited[source, month.kinds] += values * data.step
        row, place = np.nonzero(month.adopts)
        if len(row):
            at = (row, place)
            exposure = [np.ones(len(row)), month.peers[at], month.leaders[at], month.mixed[at]]
            found.append((month.kinds[row], place, np.full(len(row), month.t), np.column_stack(exposure)))
    columns = [np.concatenate(parts) for parts in zip(*found, strict=True)]
    return Sample(data, waited, *columns)


@dataclass(frozen=True)
class Likelihood:
    """Log-likelihood of some of the sources; technologies and places may carry weights (a bootstrap, a fold).

    Parameters are the logarithms of the sources' rates, then the covariates' effects (standardised).
    """

    sample: Sample
    sources: tuple[int, ...]
    of_technology: np.ndarray
    of_place: np.ndarray

    @cached_property
    def _waited(self) -> np.ndarray:
        """Exposure waited through, by place and source, float64[n, S]."""
        total = np.einsum("skn,k->ns", self.sample.waited[list(self.sources)], self.of_technology)
        return np.asarray(total * self.of_place[:, None])

    @cached_property
    def _adopted(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Exposure times years float64[A, S], covariates [A, C] and weights [A] of adoptions."""
        sample = self.sample
        weight = self.of_technology[sample.technology] * self.of_place[sample.place]
        keep = weight > 0
        exposure = sample.exposure[keep][:, list(self.sources)] * sample.data.step
        return exposure, sample.data.covariates[sample.place[keep]], weight[keep]

    def start(self) -> np.ndarray:
        """A guess: adoptions shared out evenly over the sources."""
        total = np.maximum(self._waited.sum(axis=0), 1e-9)
        count = max(self._adopted[2].sum(), 1.0)
        rates = np.log(count / (total + self._adopted[0].sum(axis=0)) / len(self.sources))
        return np.r_[rates, np.zeros(self.sample.data.covariates.shape[1])]

    def terms(self, values: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        """Log-likelihood, gradient and Hessian at the parameters."""
        size, x = len(self.sources), self.sample.data.covariates
        # the logarithm of a rate at its limit of 0 runs off; beyond -60 nothing changes but the risk of overflow
        rates, effects = np.exp(np.clip(values[:size], -60, 30)), values[size:]
        waiting = self._waited * rates * np.exp(x @ effects)[:, None]  # [n, S]
        exposure, covariates, weight = self._adopted
        part = exposure * rates * np.exp(covariates @ effects)[:, None]  # [A, S]
        whole = np.maximum(part.sum(axis=1), 1e-300)  # an adoption that no rate explains: unlikely, not a fault
        gone = -np.expm1(-whole)
        value = float(weight @ np.log(gone) - waiting.sum())
        slope = weight * np.exp(-whole) / gone
        bend = -weight * np.exp(-whole) / gone**2
        each = np.hstack([part, covariates * whole[:, None]])  # derivative of each adoption's Lambda
        at_rest = np.hstack([waiting.sum(axis=0), x.T @ waiting.sum(axis=1)])
        gradient = slope @ each - at_rest
        hessian = (each * bend[:, None]).T @ each
        hessian[:size, :size] += np.diag(slope @ part - waiting.sum(axis=0))
        cross = (part * slope[:, None]).T @ covariates - waiting.T @ x
        hessian[:size, size:] += cross
        hessian[size:, :size] += cross.T
        hessian[size:, size:] += (covariates * (slope * whole)[:, None]).T @ covariates
        hessian[size:, size:] -= (x * waiting.sum(axis=1)[:, None]).T @ x
        return value, gradient, hessian

    def by_unit(self, values: np.ndarray, unit: str) -> np.ndarray:
        """Log-likelihood of each technology or place, unweighted: float64[K] or float64[n]."""
        size, sample = len(self.sources), self.sample
        rates, factor = np.exp(values[:size]), np.exp(sample.data.covariates @ values[size:])
        waited = np.einsum("skn,s,n->kn", sample.waited[list(self.sources)], rates, factor)
        whole = sample.exposure[:, list(self.sources)] @ rates * factor[sample.place] * sample.data.step
        gain = np.log(-np.expm1(-np.maximum(whole, 1e-300)))
        if unit == "technology":
            return np.bincount(sample.technology, gain, sample.waited.shape[1]) - waited.sum(axis=1)
        return np.bincount(sample.place, gain, sample.waited.shape[2]) - waited.sum(axis=0)


@dataclass(frozen=True)
class Maximum:
    """The parameters at which a likelihood is largest, with its value, and the information there."""

    sources: tuple[int, ...]
    values: np.ndarray
    value: float
    information: np.ndarray


def maximise(
    sample: Sample,
    sources: tuple[int, ...],
    of_technology: np.ndarray | None = None,
    of_place: np.ndarray | None = None,
    start: np.ndarray | None = None,
    fixed: tuple[int, float] | None = None,
) -> Maximum:
    """Maximum likelihood by a trust region with exact derivatives; `fixed`: one parameter's place and value."""
    kinds, n = sample.waited.shape[1:]
    likelihood = Likelihood(
        sample,
        sources,
        np.ones(kinds) if of_technology is None else of_technology,
        np.ones(n) if of_place is None else of_place,
    )
    first = likelihood.start() if start is None else start
    free = np.array([at for at in range(len(first)) if not fixed or at != fixed[0]])
    whole = first.copy()
    if fixed:
        whole[fixed[0]] = fixed[1]
    known: dict[bytes, tuple[float, np.ndarray, np.ndarray]] = {}  # the optimiser asks for value and slopes apart

    def at(values: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        key = values.tobytes()
        if key not in known:
            known.clear()
            whole[free] = values
            known[key] = likelihood.terms(whole)
        return known[key]

    found = optimize.minimize(
        lambda v: -at(v)[0],
        first[free],
        jac=lambda v: -at(v)[1][free],
        hess=lambda v: -at(v)[2][np.ix_(free, free)],
        method="trust-exact",
        options={"gtol": 1e-6 * max(len(sample), 1), "maxiter": 200},
    )
    whole[free] = found.x
    value, _, hessian = likelihood.terms(whole)
    return Maximum(sources, whole.copy(), value, -hessian)


def maximise_with_appeal(sample: Sample, sources: tuple[int, ...], start: np.ndarray) -> tuple[Maximum, np.ndarray]:
    """Maximum likelihood where each technology has a factor of its own, float64[K]; those never adopted keep 1.

    Rates and factors are improved in turn; the factors by the EM step for grouped exponential waits.
    """
    kinds = sample.waited.shape[1]
    factor = np.ones(kinds)
    adopted = np.bincount(sample.technology, minlength=kinds)
    values, best = start, None
    for _ in range(APPEAL_ROUNDS):
        scaled = replace(
            sample,
            waited=sample.waited * factor[None, :, None],
            exposure=sample.exposure * factor[sample.technology][:, None],
        )
        best = maximise(scaled, sources, start=values)
        values = best.values
        pace = np.exp(values[: len(sources)])
        size = np.exp(sample.data.covariates @ values[len(sources) :])
        lived = np.einsum("skn,s,n->k", scaled.waited[list(sources)], pace, size)
        whole = scaled.exposure[:, list(sources)] @ pace * size[sample.place] * sample.data.step
        lived += np.bincount(sample.technology, 1.0 - whole / np.expm1(whole), kinds)
        better = np.where(adopted > 0, factor * adopted / np.maximum(lived, 1e-12), 1.0)
        # rates and appeals share one scale: the typical appeal is 1, so that rates stay those of the typical technology
        better /= np.exp(np.log(better[adopted > 0]).mean())
        moved = np.abs(np.log(better / factor))[adopted > 0].max()
        factor = np.where(adopted > 0, better, 1.0)
        if moved < 1e-3:
            break
    assert best is not None
    return best, factor
