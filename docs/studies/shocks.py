"""What does each shock do? Its effect against the paired run without it: `python docs/studies/shocks.py`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

import uptake
from sim.report.style import BLUE, GREY, SKY, STYLE, panels, svg, tidy, year_axis, year_of
from sim.results.arm import BASELINE
from sim.results.run import Results
from sim.scenario.scenario import Scenario

HERE = Path(__file__).parent
Series = Callable[[Results, str], np.ndarray]


def without_wear(scenario: Scenario) -> Scenario:
    """The scenario in which no technology ever comes to the end of its life."""
    resolved = scenario.resolved()
    name = resolved["settings"]["tables"]["technologies"]
    life = resolved["files"][name]["life"]
    resolved["files"][name] = {**resolved["files"][name], "life": [None] * len(life)}
    return Scenario.from_resolved(resolved)


def coverage(results: Results, policy: str) -> np.ndarray:
    """Coverage in percent, [replicates, instants]."""
    return 100.0 * results.measure("coverage", policy)


def product(results: Results, policy: str) -> np.ndarray:
    """Regional product of the focus region in billions, [replicates, years]."""
    region = results.scenario.regions.id.index(results.scenario.focus[0])
    return results.arms[policy].batch.tables[:, region, :, 0]


def effects(name: str, replicates: int) -> dict[str, tuple[np.ndarray, np.ndarray, str]]:
    """For each shock the years, the paired differences [replicates, years], and their unit."""
    scenario = uptake.load(name)
    policies = ["sanctions", "sanctions-with-substitution"]
    base = uptake.run(scenario, replicates, policy=policies)
    years = year_of(scenario.instants)

    def alone(changed: Scenario) -> Results:
        return uptake.run(changed, replicates, policy="none")

    shown = coverage(base, BASELINE)
    calm = alone(scenario.override({"security.incident_rate": 0.0}))
    lasting = alone(without_wear(scenario))
    rough = alone(scenario.override({"economy.volatility": 0.05}))
    calendar = np.arange(scenario.start.year, scenario.end.year + 1, dtype=float)
    steady = product(base, BASELINE)
    points = "percentage points of coverage"
    return {
        "Sanctions, no substitution": (years, coverage(base, policies[0]) - shown, points),
        "Sanctions with substitution": (years, coverage(base, policies[1]) - shown, points),
        "Incidents (rate 0.03 a year)": (years, shown - coverage(calm, BASELINE), points),
        "Wear: technologies that end and are renewed": (years, shown - coverage(lasting, BASELINE), points),
        "Common yearly shock (volatility 0.05)": (
            calendar,
            100.0 * (product(rough, BASELINE) / steady - 1.0),
            "% of regional product",
        ),
    }


def picture(found: dict[str, tuple[np.ndarray, np.ndarray, str]]) -> Figure:
    """A panel a shock: mean of the paired differences, and their 5-95 % spread over replicates."""
    with mpl.rc_context(STYLE):
        return _drawn(found)


def _drawn(found: dict[str, tuple[np.ndarray, np.ndarray, str]]) -> Figure:
    drawn, axes = panels(9.2, 6.9, 3, 2, (0.6, 0.2, 0.55, 0.45), (0.7, 0.75))
    for panel, (title, (times, difference, unit)) in zip(axes.ravel(), found.items(), strict=False):
        low, high = np.quantile(difference, (0.05, 0.95), axis=0)
        panel.fill_between(times, low, high, color=SKY, alpha=0.35, linewidth=0)
        panel.plot(times, difference.mean(axis=0), color=BLUE, linewidth=1.8)
        panel.axhline(0, color=GREY, linewidth=0.8)
        panel.set_title(title, fontweight="bold", pad=16)
        panel.text(0, 1.02, unit, transform=panel.transAxes, fontsize=8, color=GREY, va="bottom")
        year_axis(panel, float(times[0]), float(times[-1]), 6)
        tidy(panel)
    rest = axes.ravel()[len(found) :]
    for panel in rest:
        panel.axis("off")
    words = "line: mean of the paired differences\nband: 5 to 95 % of replicates\n0: as without the shock"
    rest[0].text(0, 0.6, words, fontsize=9, va="center")
    return drawn


def main() -> None:
    """Draw the picture into docs/studies/images/shocks.svg."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--scenario", default="perm-krai")
    asked.add_argument("--replicates", type=int, default=200)
    asked.add_argument("-o", "--output", type=Path, default=HERE / "images" / "shocks.svg")
    given = asked.parse_args()
    found = effects(given.scenario, given.replicates)
    given.output.parent.mkdir(parents=True, exist_ok=True)
    given.output.write_text(svg(picture(found), "shocks", alone=True), encoding="utf-8", newline="\n")
    for title, (_, difference, unit) in found.items():
        error = difference[:, -1].std(ddof=1) / np.sqrt(len(difference))
        print(f"{title}: {difference[:, -1].mean():+.2f} +- {1.96 * error:.2f} {unit} at the end")


if __name__ == "__main__":
    main()
