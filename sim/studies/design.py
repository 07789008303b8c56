"""Which parameter vectors shall a study try? Factors, and grid, Latin hypercube and Sobol designs over them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sim.scenario.document import parse_override
from sim.scenario.errors import InputError, Problem, nearest, refused, unknown
from sim.scenario.scenario import Scenario
from sim.scenario.schema import POLICY_KEYS, field_of, parameter_row, parameter_table, section_at

DESIGNS = ("grid", "lhs", "sobol")
GRID_LEVELS = 5
POINTS = 256
LARGEST_DESIGN = 10_000_000
"""Points; a design is held in memory as a whole."""
FIT = "fit"
VARIABLE = (*POLICY_KEYS, "parameters")
"""Sections whose keys may vary; others, such as the end or the seed, are the same for a whole study."""


@dataclass(frozen=True)
class Factor:
    """One thing that a study varies: a dotted key, or several that take a joint draw of a fit.

    Either `levels` (a list of values; of tuples where there are several keys) or a range `low` to `high`, on a
    logarithmic scale where `log`.
    """

    keys: tuple[str, ...]
    levels: tuple[Any, ...] = ()
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    whole: bool = False

    @property
    def name(self) -> str:
        """The key, or what its keys have in common."""
        return self.keys[0] if len(self.keys) == 1 else FIT

    def values(self, unit: np.ndarray) -> list[Any]:
        """Values at positions `unit` in [0, 1]: along the range, or the level there."""
        if self.levels:
            at = np.minimum((np.asarray(unit) * len(self.levels)).astype(int), len(self.levels) - 1)
            return [self.levels[i] for i in at]
        if self.log:
            found = np.exp(math.log(self.low) + np.asarray(unit) * (math.log(self.high) - math.log(self.low)))
        else:
            found = self.low + np.asarray(unit) * (self.high - self.low)
        found = np.clip(found, self.low, self.high)  # the exponential of a logarithm may be a bit too large
        return [round(x) for x in found] if self.whole else [float(x) for x in found]

    def grid(self, levels: int) -> list[Any]:
        """All levels, or so many evenly spaced values of the range; whole numbers once each."""
        if self.levels:
            return list(self.levels)
        return list(dict.fromkeys(self.values(np.linspace(0.0, 1.0, levels))))

    def plain(self) -> dict[str, Any]:
        """The factor as JSON."""
        if self.levels:
            return {"keys": list(self.keys), "levels": list(self.levels)}
        return {"keys": list(self.keys), "low": self.low, "high": self.high, "log": self.log, "whole": self.whole}


def factor_from(plain: Mapping[str, Any]) -> Factor:
    """The factor that `Factor.plain` told."""
    keys = tuple(plain["keys"])
    if "levels" in plain:
        # JSON knows no tuples
        joint = len(keys) > 1
        return Factor(keys, tuple(tuple(x) if joint else x for x in plain["levels"]))
    return Factor(keys, (), plain["low"], plain["high"], plain["log"], plain["whole"])


def parse_factor(text: str) -> tuple[str, Any]:
    """`key`, `key=fit`, `key=a,b`, `key=lo:hi` or `key=lo:hi:log` as a key and a value for `factors_of`."""
    if "=" not in text:
        return text, None
    key, _, value = text.partition("=")
    parts = value.split(":")
    if len(parts) in (2, 3) and (len(parts) == 2 or parts[2] == "log"):
        try:
            low, high = float(parts[0]), float(parts[1])
        except ValueError:
            raise refused(key, f"{value!r} is not a range", "low:high or low:high:log") from None
        return key, (low, high, "log") if len(parts) == 3 else (low, high)
    if value == FIT:
        return key, FIT
    return key, [parse_override(f"{key}={piece}")[1] for piece in value.split(",")]


def factors_of(scenario: Scenario, given: Mapping[str, Any]) -> tuple[Factor, ...]:
    """Factors from a mapping of dotted key to (low, high), (low, high, "log"), a list, None or "fit".

    None takes the plausible range of the parameter table; "fit" the joint draws of the scenario's `parameters.fit`.
    Raises InputError with every problem found.
    """
    problems: list[Problem] = []
    factors: list[Factor] = []
    joint = [key for key, spec in given.items() if isinstance(spec, str) and spec == FIT]
    for key, spec in given.items():
        try:
            if key.partition(".")[0] not in VARIABLE:
                allowed = ", ".join(VARIABLE)
                raise refused(key, "cannot be varied in a study", allowed, nearest(key, _known_keys()))
            factor = _joint(scenario, joint) if key in joint else _factor(scenario, key, spec)
            if factor not in factors:
                factors.append(factor)
                if len(factor.keys) == 1:  # joint draws were checked when their fit was read
                    ends = [round(end) if factor.whole else end for end in (factor.low, factor.high)]
                    for value in factor.levels or ends:
                        scenario.override({key: value})
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError(dict.fromkeys(problems))
    if not factors:
        raise refused("factors", "there is nothing to vary", "at least one key, such as diffusion.peers=0.1:0.6")
    return tuple(factors)


def _known_keys() -> list[str]:
    return [parameter.key for parameter in parameter_table()]


def _factor(scenario: Scenario, key: str, spec: Any) -> Factor:
    """The factor of one key that is no draw of a fit. Raises InputError for what is neither a range nor a list."""
    if spec is None:
        spec = plausible(scenario, key)
    if isinstance(spec, tuple) and len(spec) in (2, 3) and (len(spec) == 2 or spec[2] == "log"):
        return _range(key, spec[0], spec[1], len(spec) == 3)
    if isinstance(spec, list | tuple | np.ndarray) and len(spec):
        levels = [x.item() if isinstance(x, np.generic) else x for x in spec]
        if len({repr(x) for x in levels}) < len(levels):  # repr, since 1 and True are equal
            raise refused(key, "a value is there twice", "each value once")
        return Factor((key,), tuple(levels))
    # a tuple of two numbers was a range above; [a, b] are two levels
    raise refused(key, f"{spec!r} is neither a range nor a list", "(low, high), (low, high, 'log') or [a, b, ...]")


def _range(key: str, low: Any, high: Any, log: bool) -> Factor:
    """A factor along a range. Raises InputError for what is no range."""
    if not all(isinstance(x, int | float | np.number) and math.isfinite(x) for x in (low, high)):
        raise refused(key, f"{low!r} to {high!r} is not a range", "two numbers")
    if not low < high:
        raise refused(key, f"{low:g}:{high:g} is not a range", "low below high")
    if log and low <= 0:
        raise refused(key, f"a logarithmic range cannot begin at {low:g}", "low above 0")
    return Factor((key,), (), float(low), float(high), log, is_whole(key))


def plausible(scenario: Scenario, key: str) -> tuple[float, float]:
    """The plausible range of a key in the parameter table. Raises InputError where there is none."""
    row = parameter_row(key)
    if row is None:
        raise refused(key, "unknown key", "a dotted key of the scenario", nearest(key, _known_keys()))
    found = row.range_at(value_of(scenario, key) if row.times else None)
    if found is None:
        why = "is 0 here, and its plausible range is a multiple" if row.times else "has no plausible range"
        raise refused(key, why, "key=low:high or key=a,b")
    return float(found[0]), float(found[1])


def is_whole(key: str) -> bool:
    """Whether a key holds whole numbers."""
    path: tuple[Any, ...] = tuple(int(part) if part.isdigit() else part for part in key.split("."))
    section = section_at(path[:-1])
    field = field_of(section, path[-1]) if section else None
    return field is not None and field.annotation in (int, int | None)


def _joint(scenario: Scenario, keys: Sequence[str]) -> Factor:
    """The joint draws of the scenario's fit for some of its keys, in the order of the first."""
    fit = scenario.parameter_fit
    known = list(fit.draws) if fit is not None else []
    for key in keys:
        if fit is None or key not in known:
            allowed = ", ".join(known) or "a scenario with parameters.fit"
            raise refused(key, "the scenario has no fit with draws of this key", allowed, nearest(key, known))
    assert fit is not None
    # in the order of the first key, so that positions in the unit cube mean something: low to high
    rows = sorted(zip(*(fit.draws[key].tolist() for key in keys), strict=True))
    return Factor(tuple(keys), tuple(rows) if len(keys) > 1 else tuple(row[0] for row in rows))


def value_of(scenario: Scenario, key: str) -> Any:
    """What a scenario has for a dotted key; None where there is nothing, such as a mandate that a policy takes away."""
    try:
        return scenario[key]
    except InputError:
        return None


@dataclass(frozen=True)
class Design:
    """Parameter vectors: `unit` float64[points, factors] in [0, 1], and the `values` of each key, a list as long."""

    kind: str
    n: int
    unit: np.ndarray
    values: dict[str, list[Any]]

    def __len__(self) -> int:
        return len(self.unit)

    def point(self, number: int) -> dict[str, Any]:
        """One parameter vector: key and value."""
        return {key: values[number] for key, values in self.values.items()}


def design_of(factors: Sequence[Factor], kind: str = "sobol", n: int | None = None, seed: int = 0) -> Design:
    """A design over the factors.

    `grid`: every combination, `n` levels a range (5). `lhs`: a Latin hypercube of `n` points (256). `sobol`: Saltelli's
    design of n (2 d + 2) points for d factors, from a scrambled Sobol sequence; n is a power of 2 (256).
    """
    if kind not in DESIGNS:
        raise InputError(unknown(kind, "a design", DESIGNS, "", "design"))
    n = (GRID_LEVELS if kind == "grid" else POINTS) if n is None else int(n)
    if n < 2:
        raise refused("n", f"{n} is too small", "2 or more")
    points = {"grid": n, "lhs": n, "sobol": n * (2 * len(factors) + 2)}[kind]
    if points > LARGEST_DESIGN:
        raise refused("n", f"the design would have {points} points or more", f"up to {LARGEST_DESIGN}")
    if kind == "grid":
        return _grid(factors, n)
    if kind == "sobol" and n & (n - 1):
        raise refused("n", f"{n} is not a power of 2, which Sobol's sequence needs", f"{1 << n.bit_length()}")
    unit = _hypercube(len(factors), n, seed) if kind == "lhs" else _saltelli(len(factors), n, seed)
    columns = [factor.values(unit[:, j]) for j, factor in enumerate(factors)]
    return Design(kind, n, unit, _by_key(factors, columns))


def _grid(factors: Sequence[Factor], n: int) -> Design:
    """Every combination of levels, the last factor fastest. Raises InputError where they are too many."""
    axes = [factor.grid(n) for factor in factors]
    size = math.prod(len(axis) for axis in axes)  # before anything as large is made
    if size > LARGEST_DESIGN:
        raise refused("n", f"the grid would have {size} points", f"up to {LARGEST_DESIGN}; or --design lhs")
    picks = np.array(list(itertools.product(*(range(len(axis)) for axis in axes))))
    unit = picks / np.maximum([len(axis) - 1 for axis in axes], 1)
    columns = [[axis[i] for i in picks[:, j]] for j, axis in enumerate(axes)]
    return Design("grid", n, unit, _by_key(factors, columns))


def _by_key(factors: Sequence[Factor], columns: Sequence[list[Any]]) -> dict[str, list[Any]]:
    """Values of each key, from those of each factor: joint draws are taken apart."""
    values: dict[str, list[Any]] = {}
    for factor, column in zip(factors, columns, strict=True):
        if len(factor.keys) == 1:
            values[factor.name] = column
        else:
            values |= {key: [row[j] for row in column] for j, key in enumerate(factor.keys)}
    return values


def _hypercube(dimensions: int, n: int, seed: int) -> np.ndarray:
    """A Latin hypercube (McKay, Beckman and Conover 1979), float64[n, dimensions]."""
    from scipy.stats import qmc

    return np.asarray(qmc.LatinHypercube(dimensions, seed=np.random.default_rng(seed)).random(n))


def _saltelli(dimensions: int, n: int, seed: int) -> np.ndarray:
    """Saltelli's (2002) design for first, second and total indices, float64[n (2 d + 2), d]."""
    from SALib.sample import sobol

    return np.asarray(sobol.sample(problem(dimensions), n, calc_second_order=True, seed=seed % 2**32))


def problem(dimensions: int) -> dict[str, Any]:
    """SALib's name for the unit cube: ranges are ours, so that a logarithmic one is sampled along its logarithm."""
    return {
        "num_vars": dimensions,
        "names": [f"x{j}" for j in range(dimensions)],
        "bounds": [[0.0, 1.0]] * dimensions,
    }
