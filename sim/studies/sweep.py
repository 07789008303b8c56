"""How is a study run so that nothing is lost? Parts written whole or not at all, resumed by what is there, analysed."""

from __future__ import annotations

import importlib.metadata
import json
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Executor, Future, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sim import __version__
from sim.results.arm import BASELINE
from sim.results.folder import PARTIAL, check, seal, whole_file, write_csv, write_text
from sim.results.measures import MONEY, chosen_measures
from sim.results.run import arm_names
from sim.scenario.errors import InputError, Problem, install, nearest
from sim.scenario.places import MEMORY_LIMIT
from sim.scenario.scenario import Scenario, load
from sim.studies import analysis as sensitivity
from sim.studies.design import design_of, factors_of
from sim.studies.study import Study, Task, attempt, attempt_remotely, fault, study_from

if TYPE_CHECKING:
    import pandas as pd

PART_SECONDS = 1.5
LARGEST_PART = 20_000
IN_FLIGHT = 64
TIMING_SECONDS = 0.4
CLUSTER_SECONDS = 10
_RUN_BYTES = 40
_HELD_BYTES = 200
"""Of a run in memory beside its figures: its id as a text, its number, and what writing them takes."""
_FINAL = "outcomes.parquet"
_LIBRARIES = ("numpy", "numba", "scipy", "SALib", "pandas", "pyarrow")

__all__ = ["Estimate", "Interrupted", "Sweep", "check", "cluster", "estimate", "pace", "read_study", "read_sweep",
           "rerun", "run_study", "study_of", "sweep"]  # fmt: skip

Progress = Callable[[int, int], None]


class Interrupted(KeyboardInterrupt):
    """A sweep was interrupted; `how_to_resume` says what is kept and how to go on."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.how_to_resume = message


@dataclass(frozen=True)
class Estimate:
    """What a sweep would take: runs, design points, seconds on this machine, megabytes on disk."""

    runs: int
    points: int
    policies: int
    replicates: int
    seconds: float
    megabytes: float


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
    extras: Iterable[Callable[[Sweep, Path], Any]] = (),
) -> Sweep:
    """Run a scenario over a design, every policy arm and replicate at every point, under common random numbers.

    `factors`: dotted key to (low, high), (low, high, "log"), a list, None (the plausible range of the parameter table)
    or "fit" (joint draws). `design`, `n`: see `designs.design_of`. `replicates`: 1 unless given for a Sobol design or
    Latin hypercube, else 10. `executor`: any of concurrent.futures, Dask's among them, instead of threads. `folder`:
    where parts and results are kept; `resume` goes on with what is there. Figures do not depend on threads, executor or
    interruptions. Raises InputError, and Interrupted on Ctrl-C.
    """
    study = study_of(scenario, factors, design, n, replicates, policies, seed, measures, dates)
    return run_study(study, folder, resume, executor, threads, progress, extras)


def study_of(
    scenario: Scenario,
    factors: Mapping[str, Any],
    design: str = "sobol",
    n: int | None = None,
    replicates: int | None = None,
    policies: str | Sequence[str] | None = None,
    seed: int | None = None,
    measures: Sequence[str] | None = None,
    dates: Sequence[str] | None = None,
) -> Study:
    """What `sweep` would run. Raises InputError."""
    used = scenario.seed if seed is None else int(seed)
    found = factors_of(scenario, factors)
    arms = arm_names(scenario, policies)
    for name in arms:
        scenario.arm(name)
    count = REPLICATES[design] if replicates is None and design in REPLICATES else int(replicates or 1)
    if count < 1 or (replicates is not None and int(replicates) < 1):
        raise InputError(Problem("sweep", 0, "replicates", f"{replicates} is too few", "1 or more"))
    chosen = chosen_measures(scenario, measures, dates)
    study = Study(scenario, found, design_of(found, design, n, used), tuple(arms), count, used, chosen)
    _refuse_absurd(study)
    return study


def _refuse_absurd(study: Study) -> None:
    """Raises InputError when the figures and ids of all runs could not be held in memory."""
    runs = len(study.design) * len(study.arms) * study.replicates
    size = runs * (_HELD_BYTES + 8 * (len(study.columns) + len(study.design.values)))
    if size > MEMORY_LIMIT:
        message = f"{runs} runs may need {size / 2**30:,.0f} GB"
        allowed = f"up to {MEMORY_LIMIT / 2**30:g} GB, about {int(runs * MEMORY_LIMIT / size)} runs"
        raise InputError(Problem("sweep", 0, "replicates", message, allowed))


REPLICATES = {"sobol": 4, "lhs": 4, "grid": 10}
"""Replicates at a point unless told: at least a few, so that luck can be told from parameters."""


def run_study(
    study: Study,
    folder: str | Path | None = None,
    resume: bool = False,
    executor: Executor | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
    extras: Iterable[Callable[[Sweep, Path], Any]] = (),
) -> Sweep:
    """Run what is missing of a study; see `sweep`."""
    if folder is None:
        return _filled(study, None, executor, threads, progress)
    path = Path(folder)
    with _only_writer(path):
        _prepare(study, path, resume)
        found = _filled(study, path, executor, threads, progress)
        _finish(found, path, extras)
    return found


def estimate(study: Study, threads: int | None = None) -> Estimate:
    """What a study would take, from timing a few of its runs on this machine."""
    seconds = pace(study, threads) * len(study)
    size = len(study) * (_RUN_BYTES + 8 * (len(study.columns) + len(study.design.values)))
    return Estimate(len(study), len(study.design), len(study.arms), study.replicates, seconds, round(size / 2**20, 2))


def pace(study: Study, threads: int | None = None) -> float:
    """Seconds a run, from runs spread over the whole study; the first compiles and is not counted.

    Raises what the first run raises, if the last one fails too: then the fault is not that of a few runs.
    """
    ends = study.task(np.array([0, len(study) - 1]))
    if len(attempt(study.world, ends, threads).faults) == 2:
        study.world.compute(ends, threads)
    size = 4
    while True:
        numbers = np.unique(np.linspace(0, len(study) - 1, min(size, len(study))).astype(int))
        start = time.perf_counter()
        attempt(study.world, study.task(numbers), threads)
        spent = time.perf_counter() - start
        if spent > TIMING_SECONDS / 2 or len(numbers) == len(study):
            return spent / len(numbers)
        size *= 4


# Execution


def _filled(
    study: Study, folder: Path | None, executor: Executor | None, threads: int | None, progress: Progress | None
) -> Sweep:
    """Compute the runs that are missing."""
    figures = np.full((len(study), len(study.columns)), np.nan)
    done = np.zeros(len(study), bool)
    faults: dict[int, str] = {}
    point, arm, _ = study.split(np.arange(len(study)))
    for (p, a), text in study.refused.items():
        faults |= dict.fromkeys(np.flatnonzero((point == p) & (arm == a)).tolist(), text)
    if folder is not None:
        for numbers, part in _kept(study, folder):
            figures[numbers], done[numbers] = part, True
    missing = np.array([i for i in np.flatnonzero(~done) if i not in faults], dtype=np.int64)
    job = _Job(study, folder, figures, done, faults, progress)
    try:
        if len(missing) and executor is None:
            _on_threads(job, missing, threads)
        elif len(missing) and executor is not None:
            _on_executor(job, missing, executor)
    except KeyboardInterrupt:
        raise Interrupted(job.farewell()) from None
    return Sweep(study, figures, done, dict(sorted(faults.items())), folder)


@dataclass
class _Job:
    """A study on its way: what is there, what failed, where parts go."""

    study: Study
    folder: Path | None
    figures: np.ndarray
    done: np.ndarray
    faults: dict[int, str]
    progress: Progress | None

    def keep(self, numbers: np.ndarray, figures: np.ndarray, faults: Mapping[int, str]) -> None:
        """Take over what a part gave, and write it down."""
        for i, text in faults.items():
            self.faults[int(numbers[i])] = text
        whole = np.array([i for i in range(len(numbers)) if i not in faults], dtype=np.int64)
        numbers, figures = numbers[whole], figures[whole]
        if self.folder is not None and len(numbers):
            _write_part(self.study, self.folder, numbers, figures)
        self.figures[numbers], self.done[numbers] = figures, True
        if self.progress:
            self.progress(int(self.done.sum()) + len(self.faults), len(self.study))

    def farewell(self) -> str:
        """What an interrupted sweep says."""
        state = f"interrupted: {int(self.done.sum())} of {len(self.study)} runs are done"
        if self.folder is None:
            return f"{state}; nothing is kept, since no folder was given"
        return f"{state} and kept; go on with: uptake sweep --resume {self.folder}"


def _on_threads(job: _Job, missing: np.ndarray, threads: int | None) -> None:
    """Part after part through the engine's threads; parts get the size that takes `PART_SECONDS`."""
    size = _part_size(job.study, threads)
    while len(missing):
        numbers, missing = missing[:size], missing[size:]
        start = time.perf_counter()
        outcome = attempt(job.study.world, job.study.task(numbers), threads)
        job.keep(numbers, outcome.figures, outcome.faults)
        seconds = max(time.perf_counter() - start, 1e-6)
        wanted = int(np.clip(PART_SECONDS * len(numbers) / seconds, 1, LARGEST_PART))
        size = int(np.clip(wanted, (size + 1) // 2, 2 * size))


def _part_size(study: Study, threads: int | None) -> int:
    return int(np.clip(PART_SECONDS / pace(study, threads), 1, LARGEST_PART))


def _on_executor(job: _Job, missing: np.ndarray, executor: Executor) -> None:
    """Parts to an executor, a limited number at a time; a part whose process dies is halved and tried again."""
    size = _part_size(job.study, 1)
    payload = job.study.world.payload()
    queue = [missing[first : first + size] for first in range(0, len(missing), size)][::-1]
    running: dict[Future[Any], np.ndarray] = {}
    try:
        while queue or running:
            while queue and len(running) < IN_FLIGHT:
                numbers = queue.pop()
                task: Task = job.study.task(numbers)
                running[executor.submit(attempt_remotely, payload, task)] = numbers
            finished, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                queue += _taken(job, future, running.pop(future))
    finally:
        for future in running:
            future.cancel()


def _taken(job: _Job, future: Future[Any], numbers: np.ndarray) -> list[np.ndarray]:
    """Keep what a future gave; returns what must be tried again, in halves. A broken pool ends the sweep."""
    try:
        outcome = future.result()
    except BrokenExecutor as error:
        error.add_note(job.farewell().replace("interrupted", "the executor broke", 1))
        raise
    except (Exception, CancelledError) as error:  # the executor's own errors: a worker died, a text came back broken
        if len(numbers) > 1:
            half = len(numbers) // 2
            return [numbers[half:], numbers[:half]]
        nothing = np.full((1, len(job.study.columns)), np.nan)
        job.keep(numbers, nothing, {0: fault(error)})
        return []
    job.keep(numbers, outcome.figures, outcome.faults)
    return []


@contextmanager
def cluster(address: str, workers: int = 1) -> Iterator[Executor]:
    """Dask's executor on the cluster at an address, once it has so many workers; no wait is longer than 10 seconds.

    Raises InputError where nobody answers, and where the workers do not have this version of the program.
    """
    try:
        from distributed import Client
    except ImportError:
        message = "needs the extra `cluster`"
        raise InputError(Problem("sweep", 0, "--cluster", message, install("cluster"))) from None
    try:
        client = Client(address, timeout=CLUSTER_SECONDS, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        message = f"no Dask scheduler answers at {address}: {error}"
        raise InputError(Problem("sweep", 0, "--cluster", message, "such as tcp://127.0.0.1:8786")) from None
    with client:
        with suppress(TimeoutError):
            client.wait_for_workers(workers, timeout=CLUSTER_SECONDS)
        versions = _worker_versions(client)
        if not versions or set(versions.values()) != {__version__}:
            told = ", ".join(f"{worker}: {text}" for worker, text in versions.items()) or "there are no workers"
            message = f"the workers do not have this version of the program: {told}"
            raise InputError(Problem("sweep", 0, "--cluster", message, f"uptake {__version__} on every worker"))
        yield client.get_executor(retries=3)


def _worker_versions(client: Any) -> dict[str, str]:
    """The program's version on each worker, or why there is none."""
    found = client.run(version, on_error="return")
    return {worker: text if isinstance(text, str) else fault(text) for worker, text in found.items()}


def version() -> str:
    """The program's version here; workers are asked for it."""
    return __version__


# The folder


@contextmanager
def _only_writer(folder: Path) -> Iterator[None]:
    """Hold the system's lock beside the folder; the system itself lets go of it when a process ends in any way."""
    from filelock import FileLock, Timeout

    folder.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder.with_name(folder.name + ".lock"), timeout=0)
    try:
        lock.acquire()
    except Timeout:
        message = "another process is writing here"
        raise InputError(Problem(str(folder), 0, "output", message, "wait for it, or another folder")) from None
    try:
        yield
    finally:
        lock.release()


def _prepare(study: Study, folder: Path, resume: bool) -> None:
    """Begin a folder, or check that the one there is this study's and clear what a crash left half-written."""
    if (folder / "sweep.json").is_file():
        if not resume:
            raise _wrong(folder, "this sweep exists already", "--resume goes on with it; or another folder")
        if read_plain(folder) != study.plain():
            raise _wrong(folder, "holds another study, or one of another version", "the same study; or another folder")
    elif folder.exists() and any(path.name != "parts" for path in folder.iterdir() if path.suffix != ".tmp"):
        raise _wrong(folder, "this exists and is not a sweep", "another folder")
    (folder / "parts").mkdir(parents=True, exist_ok=True)
    for leftover in folder.rglob("*.tmp"):
        leftover.unlink()
    text = json.dumps(study.scenario.resolved(), ensure_ascii=False, sort_keys=True) + "\n"
    _write_once(folder / "resolved.json", text)
    write_text(folder / "STATUS", PARTIAL + "\n")
    _write_once(folder / "sweep.json", json.dumps(study.plain(), indent=2, ensure_ascii=False) + "\n")


def _wrong(folder: Path, message: str, allowed: str) -> InputError:
    return InputError(Problem(str(folder), 0, "output", message, allowed))


def _write_once(path: Path, text: str) -> None:
    if not path.is_file():
        with whole_file(path) as temporary:
            write_text(temporary, text)


def _write_part(study: Study, folder: Path, numbers: np.ndarray, figures: np.ndarray) -> None:
    """A part is named by the number and the id of its first run, which no other part has."""
    name = f"{numbers[0]:09d}-{study.ids[numbers[0]]}.parquet"
    _write_figures(study, folder / "parts" / name, numbers, figures)


def _write_figures(study: Study, path: Path, numbers: np.ndarray, figures: np.ndarray) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns: dict[str, Any] = {"run": pa.array([study.ids[i] for i in numbers], pa.string())}
    columns |= {name: pa.array(figures[:, j]) for j, name in enumerate(study.columns)}
    with whole_file(path) as temporary:
        pq.write_table(pa.table(columns), temporary, compression="zstd")


def _kept(study: Study, folder: Path) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Numbers and figures of the runs that a folder holds."""
    import pyarrow.parquet as pq

    numbers_of: dict[str, list[int]] = {}  # points of a design may coincide, and are then the same runs
    for i, run in enumerate(study.ids):
        numbers_of.setdefault(run, []).append(i)
    final = folder / _FINAL
    for path in [*([final] if final.is_file() else []), *sorted((folder / "parts").glob("*.parquet"))]:
        try:
            table = pq.read_table(path)
        except (OSError, ValueError) as error:
            message = f"this part cannot be read: {fault(error)}"
            raise InputError(Problem(str(path), 0, "parts", message, "delete it, and resume")) from None
        runs = table["run"].to_pylist()
        known = [(number, row) for row, run in enumerate(runs) for number in numbers_of.get(run, ())]
        figures = np.column_stack([table[name].to_numpy() for name in study.columns])
        if known:
            numbers, rows = np.array(known).T
            yield numbers, figures[rows]


def _finish(found: Sweep, folder: Path, extras: Iterable[Callable[[Sweep, Path], Any]]) -> None:
    """Write the final files, drop the parts that they hold, and seal the folder."""
    study = found.study
    numbers = np.flatnonzero(found.done)
    _write_figures(study, folder / _FINAL, numbers, found.figures[numbers])
    with whole_file(folder / "design.parquet") as temporary:
        found.runs.to_parquet(temporary, index=False, compression="zstd")
    shutil.rmtree(folder / "parts")
    (folder / "parts").mkdir()
    _write_once(folder / "provenance.json", json.dumps(_provenance(study), indent=2, ensure_ascii=False) + "\n")
    (folder / "tables").mkdir(exist_ok=True)
    (folder / "failed.csv").unlink(missing_ok=True)
    if found.faults:
        write_csv(found.failed, folder / "failed.csv")
    for name, table in found.tables().items():
        write_csv(table, folder / "tables" / f"{name}.csv")
    for extra in extras:
        extra(found, folder)
    seal(folder)
    if found.faults:
        write_text(folder / "STATUS", PARTIAL + "\n")


def _provenance(study: Study) -> dict[str, Any]:
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


def read_plain(folder: Path) -> dict[str, Any]:
    """What `sweep.json` of a folder says. Raises InputError."""
    path = folder / "sweep.json"
    try:
        plain = dict(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise _wrong(folder, "this is not a sweep's folder", "a folder that `uptake sweep` wrote") from None
    except (ValueError, TypeError) as error:
        raise InputError(Problem(str(path), 0, "", f"is not JSON: {error}")) from None
    if plain.get("version") != __version__:
        message = f"was made by version {plain.get('version')}; this is {__version__}"
        raise InputError(Problem(str(path), 0, "version", message, "the same version, or a new sweep"))
    return plain


def read_study(folder: str | Path) -> Study:
    """The study of a sweep's folder. Raises InputError."""
    path = Path(folder)
    plain = read_plain(path)
    study = study_from(plain, load(path / "resolved.json"))
    if study.plain() != plain:
        raise _wrong(path, "sweep.json and resolved.json do not belong together", "a folder as it was written")
    return study


def read_sweep(folder: str | Path) -> Sweep:
    """A sweep as it is on disk, complete or not; nothing is computed. Raises InputError."""
    study = read_study(folder)
    figures = np.full((len(study), len(study.columns)), np.nan)
    done = np.zeros(len(study), bool)
    for numbers, part in _kept(study, Path(folder)):
        figures[numbers], done[numbers] = part, True
    return Sweep(study, figures, done, {}, Path(folder))


def rerun(folder: str | Path, number: int, seed: int = 0) -> list[str]:
    """Repeat `number` runs of a sweep picked at random and compare bits; what differs, empty when nothing does."""
    found = read_sweep(folder)
    numbers = np.flatnonzero(found.done)
    picks = np.sort(np.random.default_rng([seed, number]).choice(numbers, min(number, len(numbers)), False))
    again = attempt(found.study.world, found.study.task(picks), 1)
    differ = (again.figures != found.figures[picks]) & ~(np.isnan(again.figures) & np.isnan(found.figures[picks]))
    return [
        f"run {found.study.ids[picks[i]]}: other figures than those saved" for i in np.flatnonzero(differ.any(axis=1))
    ]


# Results


@dataclass(frozen=True, eq=False)
class Sweep:
    """A study and its figures, float64[runs, columns]; `faults` tells why a run (number) failed."""

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
        """Every run: id, point, policy, replicate, seed, and its parameters."""
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
        """Figures by point, arm, replicate and column."""
        shape = (len(self.study.design), len(self.study.arms), self.study.replicates, len(self.columns))
        return self.figures.reshape(shape)

    def column(self, measure: str | None = None) -> str:
        """The column of a measure: its own name, or `coverage` for `coverage` at the last date; coverage by default."""
        names = self.columns
        last = len(self.study.measures.names)
        if measure is None:
            return names[-last]
        if measure in self.study.measures.names:
            return names[len(names) - last + self.study.measures.names.index(measure)]
        if measure not in names:
            options = [*self.study.measures.names, *names]
            message = f"{measure!r} is no measure of this sweep"
            raise InputError(Problem("sweep", 0, "measure", message, ", ".join(options), nearest(measure, options)))
        return measure

    def values(self, measure: str | None = None, policy: str = BASELINE) -> np.ndarray:
        """One figure of an arm, float64[points, replicates]."""
        if policy not in self.study.arms:
            message = f"{policy!r} is no policy of this sweep"
            options = self.study.arms
            raise InputError(Problem("sweep", 0, "policy", message, ", ".join(options), nearest(policy, options)))
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
        table = sensitivity.sobol_indices(self.factors, self.means(measure, policy), self.study.seed)
        table.insert(0, "measure", self.column(measure))
        table.insert(1, "policy", policy)
        return table.assign(luck=self.luck(measure, policy)["share"])

    def interactions(self, measure: str | None = None, policy: str = BASELINE) -> pd.DataFrame:
        """Second-order Sobol indices of each pair of factors."""
        self._need_sobol()
        return sensitivity.interactions(self.factors, self.means(measure, policy), self.study.seed)

    def _need_sobol(self) -> None:
        if self.study.design.kind != "sobol":
            message = f"a {self.study.design.kind} design has no Sobol indices"
            raise InputError(Problem("sweep", 0, "design", message, "--design sobol; or tornado, which suits any"))

    def luck(self, measure: str | None = None, policy: str = BASELINE) -> dict[str, float]:
        """How much of a single run's variance is luck; see `sensitivity.luck`."""
        return sensitivity.luck(self.values(measure, policy))

    def tornado(self, measure: str | None = None, policy: str = BASELINE) -> pd.DataFrame:
        """Mean figure at the low and high end of each factor; see `sensitivity.tornado`."""
        return sensitivity.tornado(self.factors, self.study.design.unit, self.means(measure, policy))

    def regret(self, measure: str | None = None, more_is_better: bool | None = None) -> pd.DataFrame:
        """Policies across sampled worlds, the robust choice first (less spent is better), by `sensitivity.regret`."""
        name = self.column(measure)
        better = name.split()[0] not in MONEY if more_is_better is None else more_is_better
        figures = {policy: self.means(name, policy) for policy in self.study.arms}
        return sensitivity.regret(figures, better, self.study.seed)

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
            found["interactions"] = self.interactions()
        if len(self.study.arms) > 1:
            found["regret"] = pd.concat([self.regret(m).assign(measure=self.column(m)) for m in measures])
        return found

    def __repr__(self) -> str:
        """A line that says what was run."""
        study = self.study
        size = f"{len(study.design)} points, {len(study.arms)} arms, {study.replicates} replicates"
        return f"<Sweep of {study.scenario.name!r}: {study.design.kind}, {size}, {len(self.faults)} failed>"
