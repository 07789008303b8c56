"""What is to be said about a fit to adoption dates? The verdict, notes, text for a terminal, and JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from calibration import files, words
from calibration.adoption.fit import AdoptionFit
from sim.report.words import probability
from sim.results.folder import write_whole

TRIFLE = 1e-3
"""A gain in log score for each adoption too small to speak of."""


def verdict(fit: AdoptionFit) -> str:
    """Whether peers matter, in words: the test, and whether the network predicts what it has not seen."""
    gains = {unit: score for unit, score in fit.held_out.items() if score}
    better, worse = (
        [unit for unit, s in gains.items() if sign * s["gain_over_bass"] > max(2 * s["gain_over_bass_se"], TRIFLE)]
        for sign in (1, -1)
    )
    rate = next((row for row in fit.estimates if row.name == "peers"), None) if "peers" in fit.tests else None
    told = words.text("adoption_verdict.txt", tests=fit.tests, appeal=fit.appeal, rate=rate, better=better, worse=worse)
    return " ".join(told.replace(words.HARD_SPACE, " ").split())


def notes(fit: AdoptionFit) -> list[str]:
    """What to know before using the rates, each computed from the data."""
    untold = [row.name for row in fit.estimates if row.se is None and row.estimate > 0]
    return words.notes("adoption.txt", fit=fit, untold=untold, resampled=fit.resampled)


def as_json(fit: AdoptionFit) -> dict[str, Any]:
    """The result for machines; rates a year, scores in natural logarithms for each adoption."""
    data = fit.data
    shown = ("estimate", "se", "low", "high", "bootstrap_se", "bootstrap_low", "bootstrap_high")
    return {
        "kind": "adoption",
        "n_places": len(data.places),
        "n_technologies": len(data.technologies),
        "n_adoptions": len(fit.sample),
        "step_years": data.step,
        "parameters": files.plain({row.name: {key: getattr(row, key) for key in shown} for row in fit.estimates}),
        "log_likelihood": fit.maximum.value,
        "tests": fit.tests | {"residuals": fit.residual_test},
        "held_out": fit.held_out,
        "dispersion_of_technologies": None if np.isnan(fit.dispersion) else fit.dispersion,
        "with_appeal_of_technologies": fit.appeal,
        "verdict": verdict(fit),
        "notes": notes(fit),
    }


def write_fit(fit: AdoptionFit, path: Path) -> None:
    """Write the JSON. Raises InputError where it cannot be written."""
    write_whole(path, files.as_text(as_json(fit)) + "\n")


def summary(fit: AdoptionFit) -> str:
    """The result as text for a terminal."""
    data, last = fit.data, "bootstrap by technology" if fit.resampled else ""
    lines = [
        f"{len(data.places)} places, {words.counted(len(data.technologies), 'technology', 'technologies')}, "
        f"{words.counted(len(fit.sample), 'adoption')} explained",
        f"{'':14}{'estimate':>12}{'error':>12}   {'95 % interval':24}{last}".rstrip(),
    ]
    for row in fit.estimates:
        error = "" if row.se is None else f"{row.se:.3g}"
        interval = f"{row.low:.3g} to {row.high:.3g}"
        again = "" if row.bootstrap_low is None else f"{row.bootstrap_low:.3g} to {row.bootstrap_high:.3g}"
        lines.append(f"{row.name:14}{row.estimate:12.4g}{error:>12}   {interval:24}{again}".rstrip())
    for name, test in fit.tests.items():
        lines.append(f"no {name}: likelihood ratio {test['statistic']:.2f}, {probability(test['p'])}")
    for unit, score in fit.held_out.items():
        if score:
            lines.append(
                f"held out {unit.replace('_', ' ')}: log score {score['network']:.3f} an adoption; constant hazard "
                f"{score['constant']:.3f}, Bass without network {score['bass']:.3f}"
            )
    return "\n".join([*lines, "", verdict(fit), "", *(f"- {note}" for note in notes(fit))])
