"""What matters, and which policy is best across what we do not know? Analyses of figures over a design.

Every function takes plain arrays, so that it serves sweeps and anything else alike: `unit` float64[points, factors] are
positions in the unit cube, `figures` float64[points] means over replicates, or [points, replicates].
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from sim.studies.design import problem

if TYPE_CHECKING:
    import pandas as pd

RESAMPLES = 200
CONFIDENCE = 0.95
TAIL = 0.2
"""The part of a factor's range that counts as its low, and as its high end."""


def sobol_indices(names: Sequence[str], figures: np.ndarray, seed: int = 0) -> pd.DataFrame:
    """First and total Sobol indices with their bootstrap 95 % intervals, from figures over a Saltelli design.

    Columns: factor, first, first_low, first_high, total, total_low, total_high. `figures` float64[n (2 d + 2)] in the
    order of the design. Jansen's and Saltelli's estimators (Saltelli et al. 2010), by SALib. NaN where nothing varies.
    """
    import pandas as pd

    found = _salib(names, figures, seed)
    table: dict[str, Sequence[str] | np.ndarray] = {"factor": list(names)}
    for name, key in (("first", "S1"), ("total", "ST")):
        table |= {name: found[key], f"{name}_low": found[key] - found[f"{key}_conf"]}
        table |= {f"{name}_high": found[key] + found[f"{key}_conf"]}
    return pd.DataFrame(table)


def interactions(names: Sequence[str], figures: np.ndarray, seed: int = 0) -> pd.DataFrame:
    """Second-order Sobol indices: factor, other, second, low, high for each pair. `figures` as in `sobol_indices`."""
    import pandas as pd

    found = _salib(names, figures, seed)
    rows = []
    for a, name in enumerate(names):
        for b in range(a + 1, len(names)):
            index, half = found["S2"][a, b], found["S2_conf"][a, b]
            rows.append((name, names[b], index, index - half, index + half))
    return pd.DataFrame(rows, columns=["factor", "other", "second", "low", "high"])


def _salib(names: Sequence[str], figures: np.ndarray, seed: int) -> Mapping[str, np.ndarray]:
    """SALib's indices S1, ST float64[d] and S2 float64[d, d], each with its half-width; NaN where nothing varies.

    Raises ValueError where the figures are not those of a Saltelli design.
    """
    from SALib.analyze import sobol

    d = len(names)
    figures = np.asarray(figures, dtype=np.float64)
    if len(figures) % (2 * d + 2):
        raise ValueError(f"{len(figures)} figures are not a Saltelli design of {d} factors")
    # SALib would divide by a variance of 0, and one NaN would spread to every index unsaid
    if np.isnan(figures).any() or np.ptp(figures) == 0.0:
        nothing = np.full(d, np.nan)
        found = dict.fromkeys(("S1", "S1_conf", "ST", "ST_conf"), nothing)
        return found | dict.fromkeys(("S2", "S2_conf"), np.full((d, d), np.nan))
    generator = np.random.default_rng(seed)
    return dict(sobol.analyze(problem(d), figures, num_resamples=RESAMPLES, conf_level=CONFIDENCE, seed=generator))


def luck(figures: np.ndarray) -> dict[str, float]:
    """How much of a single run's variance is luck: `figures` [points, replicates].

    Returns `parameters` (variance of the means over points), `luck` (mean variance over replicates at a point) and
    `share` = luck / (parameters + luck). Replicates share their luck across points, so that little of it is in the
    means. Points where a replicate is missing are left out. NaN with one replicate.
    """
    figures = figures[~np.isnan(figures).any(axis=1)]
    points, replicates = figures.shape
    between = float(figures.mean(axis=1).var(ddof=1)) if points > 1 else np.nan
    within = float(figures.var(axis=1, ddof=1).mean()) if points and replicates > 1 else np.nan
    total = between + within
    return {"parameters": between, "luck": within, "share": within / total if total else np.nan}


def tornado(names: Sequence[str], unit: np.ndarray, figures: np.ndarray, tail: float = TAIL) -> pd.DataFrame:
    """Mean figure where a factor is in the lowest and in the highest part of its range, all others varying.

    Columns: factor, low, high, swing = high - low, and its 95 % interval swing_low, swing_high; largest swing first.
    """
    import pandas as pd

    rows = []
    for j, name in enumerate(names):
        column = unit[:, j]
        # an order statistic: levels of a list are not interpolated
        low, high = np.quantile(column, (tail, 1.0 - tail), method="inverted_cdf")
        below, above = figures[column <= low], figures[column >= high]
        # a run that failed takes its point out, not the factor
        below, above = below[~np.isnan(below)], above[~np.isnan(above)]
        error = np.sqrt(_square_error(below) + _square_error(above))
        swing = above.mean() - below.mean() if len(below) and len(above) else np.nan
        rows.append((name, below.mean() if len(below) else np.nan, above.mean() if len(above) else np.nan,
                     swing, swing - 1.96 * error, swing + 1.96 * error))  # fmt: skip
    table = pd.DataFrame(rows, columns=["factor", "low", "high", "swing", "swing_low", "swing_high"])
    return table.sort_values("swing", key=np.abs, ascending=False, ignore_index=True, kind="stable")


def _square_error(figures: np.ndarray) -> float:
    """The squared standard error of a mean."""
    return float(figures.var(ddof=1) / len(figures)) if len(figures) > 1 else np.nan


def regret(
    figures: Mapping[str, np.ndarray], more_is_better: bool = True, seed: int = 0, resamples: int = RESAMPLES
) -> pd.DataFrame:
    """Policies across worlds: how much worse each is than the best policy of the same world.

    `figures`: for each policy its figure at every point. Columns: policy, mean (figure), worst (figure), mean_regret
    with its 95 % interval regret_low, regret_high over worlds, regret_95 and largest_regret, best (share of worlds
    where it is among the best), robust (share of resampled sets of worlds in which its largest regret is smallest).
    The first row is the robust choice: smallest largest regret (Savage 1951), then smallest mean regret.
    """
    import pandas as pd

    names = list(figures)
    values = np.column_stack([np.asarray(figures[name], np.float64) for name in names])
    values = values[~np.isnan(values).any(axis=1)]
    if not len(values):
        return pd.DataFrame({"policy": names, "mean": np.nan, "largest_regret": np.nan})
    sign = 1.0 if more_is_better else -1.0
    # world by world, since all policies meet the same parameters and luck there
    losses = (sign * values).max(axis=1, keepdims=True) - sign * values
    error = 1.96 * losses.std(axis=0, ddof=1) / np.sqrt(len(losses)) if len(losses) > 1 else np.nan
    table = pd.DataFrame(
        {
            "policy": names,
            "mean": values.mean(axis=0),
            "worst": (sign * values).min(axis=0) * sign,
            "mean_regret": losses.mean(axis=0),
            "regret_low": np.maximum(losses.mean(axis=0) - error, 0.0),
            "regret_high": losses.mean(axis=0) + error,
            "regret_95": np.quantile(losses, 0.95, axis=0),
            "largest_regret": losses.max(axis=0),
            # shares carry rounding in their last bits
            "best": (losses <= 1e-12).mean(axis=0),
            "robust": _chosen(losses, seed, resamples),
        }
    )
    return table.sort_values(["largest_regret", "mean_regret"], ignore_index=True, kind="stable")


def _chosen(losses: np.ndarray, seed: int, resamples: int) -> np.ndarray:
    """How often each policy has the smallest largest regret when worlds are drawn anew; ties go to the smaller mean."""
    generator = np.random.default_rng(seed)
    times = np.zeros(losses.shape[1])
    # the largest regret rests on a single world: drawn anew, that world is often not there
    for _ in range(resamples):
        drawn = losses[generator.integers(0, len(losses), len(losses))]
        times[np.lexsort((drawn.mean(axis=0), drawn.max(axis=0)))[0]] += 1
    return times / resamples
