"""What is to be said about a calibration to targets? Notes, text for a terminal, JSON, and the fit file."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from calibration import files, words
from calibration.targets.fit import Learning, TargetsFit
from sim.report.words import figure


def notes(fit: TargetsFit) -> list[str]:
    """What to know before using the draws, in words, each computed from the fit."""
    predicted = [(aim, _share(fit.distance[:, at], 17)) for at, aim in enumerate(fit.simulator.aims) if not aim.used]
    return words.notes("targets.txt", fit=fit, predicted=predicted)


def as_json(fit: TargetsFit) -> dict[str, Any]:
    """The result for machines; shares and probabilities 0 to 1, counts in municipalities."""
    return {
        "kind": "targets",
        "scenario": fit.simulator.name,
        "n": fit.n,
        "seed": fit.seed,
        "accepted": len(fit.accepted.raw),
        "met_exactly": fit.accepted.hits,
        "tolerance": fit.accepted.tolerance,
        "targets": {
            aim.name: {
                "is": aim.words,
                "kind": aim.kind,
                "used": aim.used,
                "prior_probability": _share(fit.prior_distance[:, at]),
                "posterior_probability": _share(fit.distance[:, at]),
            }
            for at, aim in enumerate(fit.simulator.aims)
        },
        "parameters": {row.key: _parameter(row) for row in fit.learning},
        "learnt": fit.of("learnt"),
        "moved": fit.of("moved"),
        "learnt_nothing": fit.of("nothing"),
        "notes": notes(fit),
    }


def _share(distance: np.ndarray, digits: int = 4) -> float:
    """Of the runs, those that met a target."""
    return round(float((distance == 0).mean()), digits)


def _parameter(row: Learning) -> dict[str, Any]:
    """Four digits of what was learnt, every digit of the range that was searched."""
    values: dict[str, Any] = files.rounded(dataclasses.asdict(row), 4)
    del values["key"]
    return values | {"prior": list(row.prior), "verdict": row.verdict}


def summary(fit: TargetsFit) -> str:
    """The result as text for a terminal."""
    lines = [f"{'':28}{'prior':>18}{'posterior median, 90 %':>32}{'shrinkage':>18}{'shift':>16}"]
    for row in sorted(fit.learning, key=lambda row: -row.shrinkage):
        prior = f"{row.prior[0]:g} to {row.prior[1]:g}"
        posterior = f"{figure(row.median)} ({figure(row.low)} to {figure(row.high)})".replace(words.HARD_SPACE, " ")
        shrinkage = f"{row.shrinkage:.2f} ± {row.shrinkage_error:.2f}"
        lines.append(f"{row.key:28}{prior:>18}{posterior:>32}{shrinkage:>18}{row.shift:>9.2f} ± {row.shift_error:.2f}")
    return "\n".join([*lines, "", *(f"- {note}" for note in notes(fit))])


def write_fit(fit: TargetsFit, path: Path) -> None:
    """Write the fit file that a scenario names in `parameters.fit`. Raises InputError where it cannot be written."""
    draws = {key: fit.draws[:, at].tolist() for at, key in enumerate(fit.simulator.prior.keys)}
    files.write_fit_file(path, as_json(fit) | {"inputs": dict(fit.inputs), "draws": draws})
