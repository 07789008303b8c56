"""What are the things of a run called? Technologies, places, and what policies are compared by, in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sim.report.words import capital, label, month, table
from sim.results.measures import table_years

if TYPE_CHECKING:
    from sim.results.arm import Arm
    from sim.results.effects import Yardstick
    from sim.scenario.scenario import Scenario


def technology_name(scenario: Scenario, technology: int) -> str:
    """A technology's name without its quotation marks, which would stand within those of a sentence."""
    return scenario.technologies.name[technology].replace('"', "")


def place_name(arm: Arm, place: int) -> str:
    """The name of a place by its canonical number."""
    return arm.scenario.places.name[place]


@dataclass(frozen=True)
class MeasureName:
    """What policies are compared by: its name, its date, both together, and the unit."""

    name: str
    when: str
    dated: str
    unit: str


def measure_name(scenario: Scenario, yardstick: Yardstick) -> MeasureName:
    """A yardstick in words; money is told until a date, and the product by its year."""
    until, when = yardstick.key == "money", month(scenario.instant(yardstick.instant))
    if yardstick.key == "grp":
        when = str(table_years(scenario)[-1])
    if yardstick.technology is None:
        name = table()["measure"][yardstick.key]
    else:
        name = technology_name(scenario, yardstick.technology)
    dated = label("measure.until" if until else "measure.in", measure=name, when=when)
    unit = label(f"unit.{yardstick.key}" if yardstick.key in ("money", "grp") else "unit", currency=scenario.currency)
    when = label("until", when=when) if until else when
    return MeasureName(capital(name), when, dated, unit.strip())
