"""Which run did better, by how much, at what cost? Arms of runs side by side, paired where luck is shared."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.results.arm import BASELINE, Arm
from sim.results.effects import Case, effect, in_common, price
from sim.results.measures import GRP, MONEY, Measures, default_measures, label, measure_names, unit_of
from sim.results.run import Results
from sim.scenario.errors import InputError, Problem, refused, unknown
from sim.scenario.scenario import Scenario

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

_FILES = {"comparison.csv", "costs.csv", "comparison.svg", "comparison.png"}
_PRICED = {
    Case.COSTS: "Costs: public money for each further percentage point of coverage",
    Case.SAVES: "Saves, and loses coverage: public money saved for each percentage point lost",
    Case.BETTER: "Better: more coverage, and not clearly more public money",
    Case.WORSE: "Worse: less coverage, and not clearly less public money",
    Case.UNTOLD: "Cannot be told: the effect on coverage may be none",
}


@dataclass(frozen=True)
class Entry:
    """One arm of one run: its figures at every measure and date, float64[replicates, measures * dates].

    `title` is for people: the arm's own title, after the run's name where there are several.
    """

    name: str
    title: str
    run: str
    policy: str
    seed: int
    figures: np.ndarray


@dataclass(frozen=True)
class Comparison:
    """Arms of runs against one of them."""

    base: Entry
    entries: tuple[Entry, ...]
    columns: tuple[tuple[str, str], ...]
    currency: str

    @property
    def unpaired(self) -> tuple[str, ...]:
        """Entries that did not meet the baseline's luck: they were run with another seed."""
        return tuple(entry.name for entry in self.entries if entry.seed != self.base.seed)

    def values(self, entry: Entry, measure: str, date: str) -> np.ndarray:
        """One figure of an entry, float64[replicates]."""
        return np.asarray(entry.figures[:, self.columns.index((measure, date))])

    def table(self, simultaneous: bool = False) -> pd.DataFrame:
        """A row for each entry, measure and date: mean, and the difference from the baseline with its interval.

        Columns: name, policy, measure, date, mean, baseline, difference, low, high, paired, replicates. The interval is
        that of the Monte Carlo mean, 95 %, as in a report; `simultaneous`: wider, for all entries at once.
        """
        import pandas as pd

        rows = []
        for measure, date in self.columns:
            for entry in self.entries:
                paired = entry.seed == self.base.seed
                values, against = self._sides(entry, measure, date)
                found = effect(values, against, paired, len(self.entries) if simultaneous else 1)
                rows.append(
                    (entry.name, entry.policy, measure, date, values.mean(), against.mean(), found.mean, found.low,
                     found.high, found.paired, len(values))
                )  # fmt: skip
        columns = ["name", "policy", "measure", "date", "mean", "baseline", "difference", "low", "high"]
        return pd.DataFrame(rows, columns=[*columns, "paired", "replicates"])

    def _sides(self, entry: Entry, measure: str, date: str) -> tuple[np.ndarray, np.ndarray]:
        """One figure of an entry and of the baseline; where they are paired, the replicates that both have."""
        sides = self.values(entry, measure, date), self.values(self.base, measure, date)
        return in_common(*sides) if entry.seed == self.base.seed else sides

    def cost_effectiveness(self, measure: str = "coverage") -> pd.DataFrame:
        """What a percentage point of a share costs: further public money by further points, against the baseline.

        Columns: name, date, case (see `effects.Case`), points, millions, per_point, low, high (95 %). A price stands
        where more coverage costs more (`costs`), or less coverage saves money (`saves`); else the three are empty.
        """
        import pandas as pd

        rows = []
        dates = dict.fromkeys(date for name, date in self.columns if name == measure)
        for date in dates if ("public", next(iter(dates), "")) in self.columns else ():
            for entry in self.entries:
                values, against = self._sides(entry, measure, date)
                money = self._sides(entry, "public", date)
                found = price((100 * values, 100 * against), money, entry.seed == self.base.seed)
                told = (str(found.case), found.points.mean, found.money.mean, found.value, found.low, found.high)
                rows.append((entry.name, date, *told))
        columns = ["name", "date", "case", "points", "millions", "per_point", "low", "high"]
        return pd.DataFrame(rows, columns=columns)

    def summary(self) -> str:
        """The differences and prices at the last date, in lines for people."""
        date = self.columns[-1][1]
        table = self.table()
        lines = [f"Differences from {self.base.title}, {date}; 95 % intervals of the mean"]
        for measure in dict.fromkeys(name for name, when in self.columns if when == date):
            chosen = table[(table["measure"] == measure) & (table["date"] == date)]
            lines += ["", *self._differences(measure, chosen.to_dict("records"))]
        costs = self.cost_effectiveness()
        return "\n".join([*lines, *self._prices(costs[costs["date"] == date])])

    @property
    def titles(self) -> dict[str, str]:
        """What people call each entry."""
        return {entry.name: entry.title for entry in self.entries}

    def _differences(self, measure: str, rows: Sequence[Mapping[Any, Any]]) -> list[str]:
        """A measure's value at the baseline, and a line for each entry."""
        times, unit = unit_of(measure, self.currency)
        there = f"{times * rows[0]['baseline']:.4g}" + (" %" if times == 100 else "")
        form = ".2f" if "points" in unit else ".4g"
        lines = [f"{measure}, {unit} (there {there})"]
        for row in rows:
            middle, low, high = (f"{times * row[part]:+{form}}" for part in ("difference", "low", "high"))
            other = "" if row["paired"] else "  [not paired: other seed]"
            lines.append(f"{middle:>12}  ({low} to {high})  {self.titles[row['name']]}{other}")
        return lines

    def _prices(self, costs: pd.DataFrame) -> list[str]:
        """The entries of each case under its words; with a price where the case has one."""
        lines, unit = [], f"million {self.currency}".strip()
        for case, words in _PRICED.items():
            rows, priced = costs[costs["case"] == case].to_dict("records"), case in (Case.COSTS, Case.SAVES)
            lines += ["", f"{words}, {unit}" if priced else words] if rows else []
            for row in rows:
                told = f"{row['per_point']:12.4g}  ({row['low']:.4g} to {row['high']:.4g})  " if priced else " " * 4
                lines.append(told + self.titles[row["name"]])
        return lines

    def told(self) -> dict[str, Any]:
        """The comparison for machines: both tables, a record a row."""
        tables = {"table": self.table(), "costs": self.cost_effectiveness()}
        records = {name: json.loads(part.to_json(orient="records")) for name, part in tables.items()}
        return {"baseline": self.base.name, **records}


def compare(
    runs: Mapping[str, Results], baseline: str | None = None, measures: Sequence[str] | None = None
) -> Comparison:
    """Every arm of every run against the baseline arm of one of them (the first unless named).

    Dates are the targets' dates and the end of the baseline's scenario, as far as every run covers them. Raises
    InputError for an unknown run or measure, and where money is counted in different currencies.
    """
    names = list(runs)
    chosen = names[0] if baseline is None else baseline
    if chosen not in runs:
        raise InputError(unknown(chosen, "one of the runs", names, "", "baseline"))
    first = runs[chosen].scenario
    currencies = {run.scenario.currency for run in runs.values()}
    wanted = _measures(runs, first, measures, len(currencies) == 1)
    dates = _dates(runs, first)
    entries = [
        _entry(name, run.seed, arm, len(runs) > 1, wanted, dates)
        for name, run in runs.items()
        for arm in run.arms.values()
    ]
    base = next(entry for entry in entries if (entry.run, entry.policy) == (chosen, BASELINE))
    others = tuple(entry for entry in entries if entry is not base)
    if not others:
        raise refused("runs", "there is nothing to compare", "two runs, or one with policies")
    columns = tuple((name, label(first, first.step_of(date))) for date in dates for name in wanted)
    return Comparison(base, others, columns, first.currency)


def _measures(
    runs: Mapping[str, Results], first: Scenario, measures: Sequence[str] | None, one_currency: bool
) -> tuple[str, ...]:
    """Measures that every run has; money only where it is the same money."""
    known = [set(measure_names(run.scenario)) for run in runs.values()]
    common = [name for name in measure_names(first) if all(name in names for names in known)]
    if not one_currency:
        common = [name for name in common if name not in (*MONEY, GRP)]
    for name in measures or ():
        if name not in common:
            raise InputError(unknown(name, "a measure of all these runs", common, "", "--measure"))
    return tuple(measures or (name for name in default_measures(first).names if name in common))


def _dates(runs: Mapping[str, Results], first: Scenario) -> list[np.datetime64]:
    dates = [first.instant(step) for step in default_measures(first).instants]
    covered = [d for d in dates if all(0 <= r.scenario.step_of(d) <= r.scenario.steps for r in runs.values())]
    if not covered:
        raise refused("runs", "the runs have no date in common", f"runs that cover {dates[-1]}")
    return covered


def _entry(run: str, seed: int, arm: Arm, several: bool, names: Sequence[str], dates: Sequence[np.datetime64]) -> Entry:
    steps = tuple(arm.scenario.step_of(date) for date in dates)
    figures = Measures(tuple(names), steps).reduce(arm.scenario, arm.shared, arm.batch)
    name, title = arm.name, arm.title or arm.name
    if several:
        name, title = run if name == BASELINE else f"{run}: {name}", f"{run}: {title}"
    return Entry(name, title, run, arm.name, seed, figures)


def compare_folders(
    folders: Sequence[str | Path], baseline: str | Path | None = None, measures: Sequence[str] | None = None
) -> Comparison:
    """`compare` for results folders, each named by its last part (by its whole path where that is not enough)."""
    from sim.results.folder import load

    paths = [Path(folder) for folder in dict.fromkeys(map(str, folders))]
    short = [path.name for path in paths]
    names = [path.name if short.count(path.name) == 1 else str(path) for path in paths]
    runs = {name: load(path).results() for name, path in zip(names, paths, strict=True)}
    known = {path.resolve(): name for path, name in zip(paths, names, strict=True)}
    chosen = None if baseline is None else known.get(Path(baseline).resolve(), str(baseline))
    return compare(runs, chosen, measures)


def comparison_figure(found: Comparison, date: str | None = None) -> Figure:
    """Differences from the baseline with their 95 % intervals, a panel for each measure, at one date (the last)."""
    import matplotlib as mpl

    from sim.report.style import BLUE, GREY, INK, SMALL, STYLE, panels, shortened, tidy

    table = found.table()
    at = found.columns[-1][1] if date is None else date
    measures = list(dict.fromkeys(name for name, when in found.columns if when == at))
    names = [entry.name for entry in found.entries]
    left, width = 2.9, 1.9
    with mpl.rc_context(STYLE):
        size = (left + (width + 0.25) * len(measures), 1.1 + 0.24 * len(names))
        picture, axes = panels(*size, 1, len(measures), (left, 0.2, 0.35, 0.65), (0.25, 0.0), sharey=True)
        for panel, measure in zip(axes[0], measures, strict=True):
            rows = table[(table["measure"] == measure) & (table["date"] == at)].set_index("name").loc[names]
            times, unit = unit_of(measure, found.currency)
            low, middle, high = (times * rows[part].to_numpy() for part in ("low", "difference", "high"))
            error, places = [middle - low, high - middle], np.arange(len(names))
            panel.errorbar(middle, places, xerr=error, fmt="none", ecolor=BLUE, elinewidth=1.2)
            full = rows["paired"].to_numpy(dtype=bool)
            panel.scatter(
                middle, places, s=16, c=[BLUE if paired else "white" for paired in full], edgecolors=BLUE, zorder=3
            )
            panel.axvline(0.0, color=GREY, linewidth=0.8)
            panel.set_title(measure)
            panel.set_xlabel(unit)
            tidy(panel, "x")
        axes[0, 0].set_yticks(
            np.arange(len(names)),
            [shortened(entry.title, left - 0.2, float(mpl.rcParams["font.size"])) for entry in found.entries],
        )
        axes[0, 0].invert_yaxis()
        words = f"Difference from {found.base.title}, {at}; 95 % interval of the mean; hollow: not paired"
        picture.text(left / size[0], 0.06 / size[1], words, fontsize=SMALL, color=INK)
    return picture


def save(found: Comparison, folder: Path) -> None:
    """Write tables and picture into a folder that is new or holds an earlier comparison. Raises InputError."""
    from sim.report.style import svg
    from sim.results.folder import write_csv, write_text

    if folder.exists() and {path.name for path in folder.iterdir()} - _FILES:
        message = "this exists and is not a comparison"
        raise InputError(Problem(str(folder), 0, "output", message, "another folder with -o"))
    folder.mkdir(parents=True, exist_ok=True)
    write_csv(found.table(), folder / "comparison.csv")
    write_csv(found.cost_effectiveness(), folder / "costs.csv")
    picture = comparison_figure(found)
    write_text(folder / "comparison.svg", svg(picture, "comparison", alone=True))
    picture.savefig(folder / "comparison.png", dpi=150, metadata={"Software": None})
