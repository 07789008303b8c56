"""What does a fit file say? The regression of regional product, and draws of parameters fitted to targets."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from sim.scenario.errors import InputError, Problem, nearest
from sim.scenario.schema import keys_of, limits_of, section_at
from sim.scenario.tables import read_file

JSON_LIMIT = 256 * 2**20


class _FitFile(BaseModel):
    """What every fit file says; the calibration may write more."""

    model_config = ConfigDict(strict=True, extra="ignore", allow_inf_nan=False, frozen=True)
    kind: str


class _Coefficients(_FitFile):
    kind: str = ""
    a: float
    b1: float
    b2: float


class _CoefficientDraws(_FitFile):
    kind: str = ""
    a: list[float]
    b1: list[float]
    b2: list[float]


class _GrpFile(_FitFile):
    kind: Literal["grp"]
    form: Literal["linear", "loglog"]
    n: int = 0
    coefficients: _Coefficients
    draws: _CoefficientDraws | None = None


class _TargetsFile(_FitFile):
    kind: Literal["targets"]
    draws: dict[str, list[float]]


@dataclass(frozen=True, eq=False)
class Fit:
    """The regression of gross regional product: a + b1 industry + b2 urban population, or so of logarithms.

    `draws`: joint draws of a, b1 and b2, float64[draws] each; empty where the file has none.
    """

    form: str
    n: int
    a: float
    b1: float
    b2: float
    draws: Mapping[str, np.ndarray]
    path: str
    sha256: str

    @property
    def coefficients(self) -> dict[str, float]:
        """The point estimate by name."""
        return {"a": self.a, "b1": self.b1, "b2": self.b2}


@dataclass(frozen=True, eq=False)
class ParameterFit:
    """Joint draws of parameters by dotted key, float64[draws] each."""

    draws: Mapping[str, np.ndarray]
    path: str
    sha256: str


# Reading


def read_json(path: Path, limit: int = JSON_LIMIT) -> tuple[Any, str]:
    """What a JSON file of at most `limit` bytes holds, and its SHA-256."""

    def refuse(text: str) -> None:
        raise ValueError(f"{text} is not a number")

    data = read_file(path, limit)
    try:
        return json.loads(data.decode("utf-8"), parse_constant=refuse), hashlib.sha256(data).hexdigest()
    except json.JSONDecodeError as error:
        raise InputError(Problem(str(path), error.lineno, "", f"is not JSON: {error.msg}")) from None
    except (ValueError, RecursionError) as error:
        raise InputError(Problem(str(path), 0, "", f"is not JSON: {error}")) from None


def _validated(model: type[_FitFile], values: Any, name: str) -> Any:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise InputError(
            Problem(name, 0, ".".join(map(str, fault["loc"])), f"the fit file is not sound: {fault['msg']}")
            for fault in error.errors(include_url=False)
        ) from None


def grp_fit(values: Any, name: str, sha256: str) -> Fit:
    """The regression that a fit file holds. Raises InputError in the name of the file."""
    file = _validated(_GrpFile, values, name)
    draws = _draws({key: getattr(file.draws, key) for key in ("a", "b1", "b2")} if file.draws else {}, name)
    point = file.coefficients
    return Fit(file.form, file.n, point.a, point.b1, point.b2, draws, name, sha256)


def parameter_fit(values: Any, name: str, sha256: str) -> ParameterFit:
    """The draws that a fit file holds. Raises InputError in the name of the file."""
    draws = _draws(_validated(_TargetsFile, values, name).draws, name)
    _check_limits(draws, name)
    return ParameterFit(draws, name, sha256)


def _draws(lists: Mapping[str, list[float]], name: str) -> dict[str, np.ndarray]:
    """Joint draws as read-only arrays of one length."""
    if lists and (len({len(values) for values in lists.values()}) > 1 or not all(lists.values())):
        raise InputError(Problem(name, 0, "draws", "the lists of draws are empty, or not of one length"))
    arrays = {key: np.array(values, dtype=np.float64) for key, values in lists.items()}
    for array in arrays.values():
        array.flags.writeable = False
    return arrays


def _check_limits(draws: Mapping[str, np.ndarray], name: str) -> None:
    """Refuse draws that a scenario could not hold: of unknown keys, or beyond a key's own limits."""
    problems = []
    for key, values in draws.items():
        low, high, allowed = limits_of(key)
        wrong = values[~((values >= low) & (values <= high))]
        if not allowed:
            section = section_at(tuple(key.split(".")[:-1]))
            close = nearest(key.split(".")[-1], keys_of(section)) if section else ""
            problems.append(Problem(name, 0, f"draws.{key}", "unknown key", "", close))
        elif len(wrong):
            problems.append(Problem(name, 0, f"draws.{key}", f"{wrong[0]:g} is out of range", allowed))
    shares = [draws.get(f"finance.{tier}_share") for tier in ("regional", "federal")]
    if shares[0] is not None and shares[1] is not None and (shares[0] + shares[1] > 1 + 1e-12).any():
        message = "regional_share + federal_share is more than the whole cost"
        problems.append(Problem(name, 0, "draws.finance.regional_share", message, "a sum of at most 1"))
    if problems:
        raise InputError(problems)
