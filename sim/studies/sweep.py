"""What comes of a scenario over a design of its parameters? A study run to its end, its figures, and their analyses."""

from __future__ import annotations

import importlib.metadata
import json
import shutil
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sim import __version__
from sim.results.arm import BASELINE
from sim.results.folder import PARTIAL, seal, whole_file, write_csv, write_text
from sim.results.measures import MONEY
from sim.scenario.errors import InputError, refused, unknown
from sim.scenario.scenario import Scenario
from sim.studies import analysis
from sim.studies.execution import Progress, fill
from sim.studies.parts import OUTCOMES, kept, only_writer, prepare, read_study, write_figures, write_once
from sim.studies.study import Study, study_of
from sim.studies.tasks import attempt

if TYPE_CHECKING:
    import pandas as pd

_LIBRARIES = ("numpy", "numba", "scipy", "SALib", "pandas", "pyarrow")
WIDE = 0.5
"""Width of a Sobol index's interval from which on it tells nothing."""

Extras = Iterable[Callable[["Sweep", Path], Any]]


def sweep(
    scenario: Scenario,
    factors: Mapping[str, Any],
    design: str = "sobol",
    n: int | None = None,
    replicates: int | None = None,
    policies: str | Sequence[str] | None = None,
    seed: int | None = None,
    measures: Sequence[str] | None = None,
    dates: Sequence[str] | None = None,
    executor: Executor | None = None,
    threads: int | None = None,
    folder: str | Path | None = None,
    resume: bool = False,
    progress: Progress | None = None,
    extras: Extras = (),
) -> Sweep:
    """Run a scenario over a design, every policy arm and replicate at every point, under common random numbers.

    `factors`: dotted key to (low, high), (low, high, "log"), a list, None (the plausible range of the parameter table)
    or "fit" (joint draws). `design`, `n`: see `design.design_of`. `replicates`: 4 unless given for a Sobol design or
    Latin hypercube, else 10. `executor`: any of concurrent.futures, Dask's among them, instead of threads. `folder`:
    where parts and results are kept; `resume` goes on with what is there. Figures do not depend on threads, executor or
    interruptions. Raises InputError, and Interrupted on Ctrl-C.
    """
    study = study_of(scenario, factors, design, n, replicates, policies, seed, measures, dates)
    return run_study(study, folder, resume, executor, threads, progress, extras)


def run_study(
    study: Study,
    folder: str | Path | None = None,
    resume: bool = False,
    executor: Executor | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
    extras: Extras = (),
) -> Sweep:
    """Run what is missing of a study; see `sweep`. `extras` write into the folder before it is sealed."""
    if folder is None:
        job = fill(study, None, executor, threads, progress)
        return Sweep(study, job.figures, job.done, dict(sorted(job.faults.items())))
    path = Path(folder)
    with only_writer(path):
        prepare(study, path, resume)
        job = fill(study, path, executor, threads, progress)
        found = Sweep(study, job.figures, job.done, dict(sorted(job.faults.items())), path)
        _finish(found, path, extras)
    return found


def _finish(found: Sweep, folder: Path, extras: Extras) -> None:
    """Write the final files, drop the parts that they hold, and seal the folder."""
    study, numbers = found.study, np.flatnonzero(found.done)
    # in this order: the final file holds all figures before the first part goes, so that a crash here loses nothing
    write_figures(study, folder / OUTCOMES, numbers, found.figures[numbers])
    with whole_file(folder / "design.parquet") as temporary:
        found.runs.to_parquet(temporary, index=False, compression="zstd")
    shutil.rmtree(folder / "parts")
    (folder / "parts").mkdir()
    # once: it has the time in it, and a sweep that is resumed is to be the same, byte for byte
    write_once(folder / "provenance.json", json.dumps(_provenance(study), indent=2, ensure_ascii=False))
    (folder / "tables").mkdir(exist_ok=True)
    (folder / "failed.csv").unlink(missing_ok=True)  # of an earlier attempt that was resumed
    if found.faults:
        write_csv(found.failed, folder / "failed.csv")
    for name, table in found.tables().items():
        write_csv(table, folder / "tables" / f"{name}.csv")
    for extra in extras:
        extra(found, folder)
    seal(folder)
    if found.faults:  # the manifest holds all the same: what is there is whole
        write_text(folder / "STATUS", PARTIAL + "\n")


def _provenance(study: Study) -> dict[str, Any]:
    """What was run, when, and with which versions."""
    return {
        "kind": "sweep",
        "scenario": study.scenario.name,
        "title": study.scenario.title,
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "seed": study.seed,
        "policies": list(study.arms),
        "replicates": study.replicates,
        "runs": len(study),
        "inputs": study.scenario.inputs,
        "versions": {"uptake": __version__, **{name: importlib.metadata.version(name) for name in _LIBRARIES}},
    }


def read_sweep(folder: str | Path) -> Sweep:
    """A sweep as it is on disk, complete or not; nothing is computed. Raises InputError."""
    study = read_study(folder)
    return Sweep(study, *kept(study, Path(folder)), {}, Path(folder))


def rerun(folder: str | Path, number: int, seed: int = 0) -> list[str]:
    """Repeat `number` runs of a sweep picked at random and compare bits; what differs, empty when nothing does."""
    found = read_sweep(folder)
    numbers = np.flatnonzero(found.done)
    picks = np.sort(np.random.default_rng([seed, number]).choice(numbers, min(number, len(numbers)), False))
    again = attempt(found.study.frame, found.study.task(picks), 1).figures
    # NaN where a measure has no value, such as product without a regression
    differ = (again != found.figures[picks]) & ~(np.isnan(again) & np.isnan(found.figures[picks]))
    runs = [found.study.ids[picks[i]] for i in np.flatnonzero(differ.any(axis=1))]
    return [f"run {run}: other figures than those saved" for run in runs]


@dataclass(frozen=True, eq=False)
class Sweep:
    """A study and its figures, float64[runs, columns]; `done`: which runs have them; `faults`: why a run failed."""

    study: Study
    figures: np.ndarray = field(repr=False)
    done: np.ndarray = field(repr=False)
    faults: dict[int, str] = field(repr=False)
    folder: Path | None = None

    @property
    def columns(self) -> list[str]:
        """Names of the figures, such as `coverage 2030-12`."""
        return self.study.columns

    @cached_property
    def design(self) -> pd.DataFrame:
        """The parameter vectors: point, and a column for each key."""
        import pandas as pd

        return pd.DataFrame({"point": np.arange(len(self.study.design)), **self.study.design.values})

    @cached_property
    def runs(self) -> pd.DataFrame:
        """Every run: id, point, policy, replicate, seed, and its parameters; rows as runs are numbered."""
        import pandas as pd

        point, arm, replicate = self.study.split(np.arange(len(self.study)))
        head = {
            "run": self.study.ids,
            "point": point,
            "policy": np.array(self.study.arms, dtype=object)[arm],
            "replicate": replicate,
            "seed": self.study.seed,
        }
        return pd.DataFrame({**head, **self.design.iloc[point, 1:].reset_index(drop=True)})

    @cached_property
    def outcomes(self) -> pd.DataFrame:
        """Every run's point, policy, replicate and figures; NaN where a run failed."""
        import pandas as pd

        figures = pd.DataFrame(self.figures, columns=self.columns)
        return pd.concat([self.runs[["point", "policy", "replicate"]], figures], axis=1)

    @property
    def failed(self) -> pd.DataFrame:
        """Runs that failed, with their parameters and the fault."""
        frame = self.runs.iloc[list(self.faults)].reset_index(drop=True)
        return frame.assign(fault=list(self.faults.values()))

    @cached_property
    def _cube(self) -> np.ndarray:
        """Figures by point, arm, replicate and column, float64[points, arms, replicates, columns]."""
        shape = (len(self.study.design), len(self.study.arms), self.study.replicates, len(self.columns))
        return self.figures.reshape(shape)

    def column(self, measure: str | None = None) -> str:
        """The column of a measure: its own name, or `coverage` for `coverage` at the last date; coverage by default."""
        names, measures = self.columns, self.study.measures.names
        # the columns of the last date are the last ones
        at_the_end = dict(zip(measures, names[-len(measures) :], strict=True))
        known = {**dict(zip(names, names, strict=True)), **at_the_end}
        wanted = measures[0] if measure is None else measure
        if wanted not in known:
            raise InputError(unknown(wanted, "a measure of this sweep", [*measures, *names], "", "measure"))
        return known[wanted]

    def values(self, measure: str | None = None, policy: str = BASELINE) -> np.ndarray:
        """One figure of an arm, float64[points, replicates]."""
        if policy not in self.study.arms:
            raise InputError(unknown(policy, "a policy of this sweep", self.study.arms, "", "policy"))
        arm, column = self.study.arms.index(policy), self.columns.index(self.column(measure))
        return np.asarray(self._cube[:, arm, :, column])

    def means(self, measure: str | None = None, policy: str = BASELINE) -> np.ndarray:
        """One figure of an arm, mean over replicates, float64[points]; NaN where a replicate is missing."""
        return self.values(measure, policy).mean(axis=1)

    @property
    def factors(self) -> list[str]:
        """Names of the factors."""
        return [factor.name for factor in self.study.factors]

    def sobol(self, measure: str | None = None, policy: str = BASELINE) -> pd.DataFrame:
        """First and total Sobol indices with intervals, of the mean over replicates; luck's share of a single run."""
        self._need_sobol()
        table = analysis.sobol_indices(self.factors, self.means(measure, policy), self.study.seed)
        table.insert(0, "measure", self.column(measure))
        table.insert(1, "policy", policy)
        return table.assign(luck=self.luck(measure, policy)["share"])

    def interactions(self, measure: str | None = None, policy: str = BASELINE) -> pd.DataFrame:
        """Second-order Sobol indices of each pair of factors."""
        self._need_sobol()
        return analysis.interactions(self.factors, self.means(measure, policy), self.study.seed)

    def _need_sobol(self) -> None:
        """Raises InputError for a design from which Sobol indices cannot be estimated."""
        if self.study.design.kind != "sobol":
            message = f"a {self.study.design.kind} design has no Sobol indices"
            raise refused("design", message, "--design sobol; or tornado, which suits any")

    def luck(self, measure: str | None = None, policy: str = BASELINE) -> dict[str, float]:
        """How much of a single run's variance is luck; see `analysis.luck`."""
        return analysis.luck(self.values(measure, policy))

    def tornado(self, measure: str | None = None, policy: str = BASELINE) -> pd.DataFrame:
        """Mean figure at the low and high end of each factor; see `analysis.tornado`."""
        return analysis.tornado(self.factors, self.study.design.unit, self.means(measure, policy))

    def regret(self, measure: str | None = None, more_is_better: bool | None = None) -> pd.DataFrame:
        """Policies across sampled worlds, the robust choice first (less spent is better), by `analysis.regret`."""
        name = self.column(measure)
        # less money spent is better, more of anything else
        better = name.split()[0] not in MONEY if more_is_better is None else more_is_better
        figures = {policy: self.means(name, policy) for policy in self.study.arms}
        return analysis.regret(figures, better, self.study.seed)

    @property
    def experiments(self) -> pd.DataFrame:
        """A row for each point and policy, as SALib and ema_workbench want it: parameters and policy."""
        arms = len(self.study.arms)
        point = np.repeat(np.arange(len(self.study.design)), arms)
        frame = self.design.iloc[point, 1:].reset_index(drop=True)
        return frame.assign(policy=list(self.study.arms) * len(self.study.design))

    def outcomes_for_ema(self) -> dict[str, np.ndarray]:
        """For each figure its mean over replicates, float64[points * policies], in the order of `experiments`."""
        means = self._cube.mean(axis=2).reshape(-1, len(self.columns))
        return {name: means[:, j].copy() for j, name in enumerate(self.columns)}

    def tables(self) -> dict[str, pd.DataFrame]:
        """The analyses of every measure at the end: what `uptake sweep` writes as tables."""
        import pandas as pd

        measures = self.study.measures.names
        found = {"tornado": pd.concat([self.tornado(m).assign(measure=self.column(m)) for m in measures])}
        rows = [{"measure": self.column(m), "policy": a, **self.luck(m, a)} for m in measures for a in self.study.arms]
        found["luck"] = pd.DataFrame(rows)
        if self.study.design.kind == "sobol":
            found["sobol"] = pd.concat([self.sobol(m) for m in measures])
            found["interactions"] = self.interactions()  # of the main measure alone: pairs are many
        if len(self.study.arms) > 1:
            found["regret"] = pd.concat([self.regret(m).assign(measure=self.column(m)) for m in measures])
        return found

    def summary(self) -> str:
        """What a sweep found, in a few lines for people."""
        study = self.study
        lines = [study.scenario.title, f"{len(study)} runs, {len(self.faults)} failed; {self.column()}", ""]
        lines += self._what_matters()
        share = self.luck()["share"]
        lines += [f"{share:8.2f}  of a single run's variance is luck"] if study.replicates > 1 else []
        if len(study.arms) > 1:
            best = self.regret().iloc[0]
            lines += ["", f"Robust choice: {best.policy} (largest regret {best.largest_regret:.3f})"]
        return "\n".join([*lines, "", f"Results: {self.folder}"])

    def _what_matters(self) -> list[str]:
        """A line for each factor, the one that matters most first."""
        if self.study.design.kind != "sobol":
            return ["What matters: change from the low to the high end of each range"] + [
                f"{row.swing:+8.3f}  ({row.swing_low:+.3f} to {row.swing_high:+.3f})  {row.factor}"
                for row in self.tornado().itertuples()
            ]
        table = self.sobol().sort_values("total", ascending=False)
        wide = (table["total_high"] - table["total_low"]).max() > WIDE
        return [
            "What matters: total Sobol indices, shares of the variance of means over replicates",
            *(
                f"{row.total:8.2f}  ({row.total_low:.2f} to {row.total_high:.2f})  {row.factor}"
                for row in table.itertuples()
            ),
            *(["These intervals are wide: too few points to tell; take a larger -n."] if wide else []),
        ]

    def told(self) -> dict[str, Any]:
        """What a sweep found, for machines: every table, a record a row."""
        tables = {name: json.loads(table.to_json(orient="records")) for name, table in self.tables().items()}
        return {"folder": str(self.folder), "runs": len(self.study), "failed": len(self.faults), **tables}

    def __repr__(self) -> str:
        """A line that says what was run."""
        study = self.study
        size = f"{len(study.design)} points, {len(study.arms)} arms, {study.replicates} replicates"
        return f"<Sweep of {study.scenario.name!r}: {study.design.kind}, {size}, {len(self.faults)} failed>"
