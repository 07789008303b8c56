"""Where a run is kept: a results folder that is whole or says that it is not, and that reads back to the same."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import platform
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sim import __version__
from sim.engine.columns import ECONOMY, EVENT, FLOWS, MINOR_UNITS, OUTAGE, PAYMENT, SOURCES
from sim.engine.rows import Batch, execute, rows_of, structures
from sim.results.arm import Arm
from sim.results.run import Results, events_frame, regions_frame
from sim.scenario.errors import InputError, Problem
from sim.scenario.scenario import Scenario

if TYPE_CHECKING:
    import pandas as pd

COMPLETE, PARTIAL = "complete", "partial"
LARGEST_GRAPH = 5000
"""Places up to which a results folder holds the network for other tools; a larger one is asked for by itself."""
Extras = Iterable[Callable[[Results, Path], Any]]
_LIBRARIES = (
    "numpy",
    "scipy",
    "numba",
    "networkx",
    "mesa",
    "pandas",
    "pyarrow",
    "matplotlib",
    "pydantic",
    "SALib",
)
_SPREADSHEET_STARTS = ("=", "+", "-", "@", "\t", "\r")


@contextmanager
def new_folder(folder: Path, force: bool = False) -> Any:
    """A folder that appears under its name only when all is in it; until then its name ends in `.partial`.

    Yields the folder to write into. Raises InputError when `folder` exists and `force` is not given.
    """
    try:
        folder, partial = _free(folder, force)
    except (OSError, ValueError) as error:
        raise InputError(_unwritable(folder, error)) from error
    try:
        partial.mkdir(parents=True)
        write_text(partial / "STATUS", PARTIAL + "\n")
        yield partial
        seal(partial)
        # a rename is one step: whoever looks sees the former results, or the new ones whole
        if folder.exists():
            shutil.rmtree(folder)
        os.replace(partial, folder)
    except (OSError, InputError) as error:
        shutil.rmtree(partial, ignore_errors=True)
        # a page that could not be written has said so of itself; people named the folder
        cause = error.__cause__ if isinstance(error, InputError) else error
        if not isinstance(cause, OSError):
            raise
        raise InputError(_unwritable(folder, cause)) from error
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def _free(folder: Path, force: bool) -> tuple[Path, Path]:
    """The folder behind all links, and the name of a partial one beside it, which is free."""
    folder = Path(folder).resolve()
    # --force replaces results alone: never a folder that happens to have the name
    if folder.exists() and not (force and _is_ours(folder)):
        raise InputError(_exists(folder))
    partial = folder.with_name(folder.name + ".partial")
    if partial.exists():
        if not _is_ours(partial):
            raise InputError(_exists(partial))
        shutil.rmtree(partial)
    return folder, partial


def _unwritable(folder: Path, error: Exception) -> Problem:
    # Arrow tells the number in the text alone
    number = re.search(r"\[errno (\d+)\]", str(error), re.IGNORECASE)
    reason = os.strerror(int(number[1])) if number else getattr(error, "strerror", None) or str(error)
    message = f"the results cannot be written: {reason}"
    return Problem(str(folder), 0, "output", message, "a folder with room that you may write to")


def _is_ours(folder: Path) -> bool:
    """Whether a folder is a results folder, which alone may be replaced."""
    return folder.is_dir() and ((folder / "STATUS").is_file() or not any(folder.iterdir()))


def _exists(folder: Path) -> Problem:
    if _is_ours(folder):
        return Problem(str(folder), 0, "output", "these results exist already", "--force replaces them")
    return Problem(str(folder), 0, "output", "this exists and is not a results folder", "another folder with -o")


def write_text(path: Path, text: str) -> None:
    """Write a text file as UTF-8 with plain line ends, into a folder that is sealed later."""
    path.write_text(text, encoding="utf-8", newline="\n")


@contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """A name to write to; the file then gets its own name whole, and stays after a crash, or never appears."""
    path = Path(path)
    # the process in its name: two that write the same file do not write into each other's
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if os.name == "posix":  # the name itself must reach the disk too
        handle = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def write_whole(path: str | Path, text: str) -> None:
    """Write a text file whole or not at all. Raises InputError where it cannot be written."""
    try:
        with whole_file(path) as temporary:
            write_text(temporary, text)
    except OSError as error:
        raise InputError(Problem(str(path), 0, "", f"cannot be written: {error.strerror}")) from error


def seal(folder: Path) -> None:
    """Write the manifest of all files and then the status `complete`, each whole or not at all."""
    # the status comes last: a folder that says `complete` has a manifest, and all that this names
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name not in ("MANIFEST.sha256", "STATUS"))
    lines = [f"{_sha256(path)}  {path.relative_to(folder).as_posix()}\n" for path in files]
    for name, text in (("MANIFEST.sha256", "".join(lines)), ("STATUS", COMPLETE + "\n")):
        with whole_file(folder / name) as temporary:
            write_text(temporary, text)


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def save(results: Results, folder: Path, command: str = "", force: bool = False, extras: Extras = ()) -> Path:
    """Write a run to a new folder: see `write`. Raises InputError when it exists and `force` is not given."""
    with new_folder(folder, force) as partial:
        write(results, partial, command, extras)
    return Path(folder)


def write(results: Results, folder: Path, command: str = "", extras: Extras = ()) -> None:
    """Write a run's tables and provenance into a folder, and what each of `extras` adds (pictures, report)."""
    scenario = results.scenario
    write_text(folder / "scenario.toml", _source(scenario))
    write_text(folder / "resolved.json", json.dumps(scenario.resolved(), ensure_ascii=False) + "\n")
    told = json.dumps(provenance(results, command), indent=2, ensure_ascii=False)
    write_text(folder / "provenance.json", told + "\n")
    with ThreadPoolExecutor(1) as large:  # Parquet compresses on a core of its own while shares are computed on another
        waited = [
            large.submit(write_parquet, folder / f"{name}.parquet", map(frame, results.arms.values()))
            for name, frame in (("events", events_frame), ("regions", regions_frame))
        ]
        shares, effects = results.share(), results.effects()
    for one in waited:
        one.result()
    for name, frame in (("outages", results.outages), ("shares", shares), ("effects", effects)):
        write_parquet(folder / f"{name}.parquet", [frame])
    (folder / "tables").mkdir()
    write_csv(shares[shares["date"].dt.month == 1], folder / "tables" / "shares.csv")
    write_csv(effects, folder / "tables" / "effects.csv")
    write_csv(_yearly_means(results), folder / "tables" / "regions.csv")
    write_csv(results.guides(), folder / "tables" / "guides.csv")
    write_csv(results.sources(), folder / "tables" / "sources.csv")
    if len(scenario.places.id) <= LARGEST_GRAPH:
        from sim.scenario.graph import write_graphml

        write_graphml(scenario, folder / "network.graphml")
    for extra in extras:
        extra(results, folder)


def _source(scenario: Scenario) -> str:
    """The scenario file as it was read, or the resolved scenario where there is none."""
    # as it was written, comments and all; the resolved form beside it is what was run
    if scenario.path is not None and scenario.path.is_file():
        return scenario.path.read_text(encoding="utf-8-sig")
    return scenario.resolved_toml()


def provenance(results: Results, command: str) -> dict[str, Any]:
    """What was run, by what, when: versions, seed, command, hashes of every input."""
    versions = {"uptake": __version__, "python": platform.python_version()}
    for name in _LIBRARIES:
        versions[name] = importlib.metadata.version(name)
    return {
        "kind": "run",
        "scenario": results.scenario.name,
        "title": results.scenario.title,
        "command": command,
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "seed": results.seed,
        "replicates": results.replicates,
        "policies": list(results.arms),
        "inputs": results.scenario.inputs,
        "versions": versions,
        "platform": platform.platform(),
    }


def write_parquet(path: Path, frames: Iterable[pd.DataFrame]) -> None:
    """Write frames of one shape as one Parquet file, a row group each, holding one frame at a time."""
    import pyarrow
    import pyarrow.parquet

    writer = None
    try:
        for frame in frames:
            # all frames in the first one's schema: categories of one arm must mean the same in the next
            schema = writer.schema if writer else None
            table = pyarrow.Table.from_pandas(frame, schema=schema, preserve_index=False)
            writer = writer or pyarrow.parquet.ParquetWriter(path, table.schema, compression="zstd")
            writer.write_table(table)
    finally:
        if writer:
            writer.close()


def write_csv(frame: pd.DataFrame, path: Path) -> None:
    """Write a table for spreadsheets: numbers to six digits, and no text cell that a spreadsheet would run."""
    safe = frame.copy()
    # names are other people's texts: one that begins with = would run as a formula where the table is opened
    for name in safe.columns:
        if safe[name].dtype.kind not in "ifbM":
            safe[name] = [harmless(value) for value in safe[name].astype(object)]
    safe.to_csv(path, index=False, float_format="%.6g", lineterminator="\n", encoding="utf-8", date_format="%Y-%m-%d")


def harmless(value: Any) -> Any:
    """A text cell with an apostrophe before it where a spreadsheet would take it for a formula."""
    if isinstance(value, str) and value.startswith(_SPREADSHEET_STARTS):
        return "'" + value
    return "" if value is None or (isinstance(value, float) and np.isnan(value)) else value


def _yearly_means(results: Results) -> pd.DataFrame:
    import pandas as pd

    values = [*ECONOMY, *FLOWS]
    means = [
        regions_frame(arm).groupby(["policy", "region", "year"], observed=True, sort=False)[values].mean()
        for arm in results.arms.values()
    ]
    return pd.concat(means).reset_index()


# Reading back


@contextmanager
def _sound(path: Path) -> Any:
    """Turn whatever a damaged file makes of its readers into an InputError that names it."""
    try:
        yield
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
        message = "is damaged, or missing"
        allowed = "the file as it was written; `uptake check` tells what has changed"
        raise InputError(Problem(str(path), 0, "", message, allowed)) from error


@dataclass(frozen=True)
class Saved:
    """A results folder, read when its parts are asked for."""

    folder: Path

    @cached_property
    def provenance(self) -> dict[str, Any]:
        """versions, seed, command, hashes of the inputs."""
        path = self.folder / "provenance.json"
        with _sound(path):
            found = dict(json.loads(path.read_text(encoding="utf-8")))
            list(found["policies"]), int(found["replicates"]), int(found["seed"])
        return found

    @cached_property
    def scenario(self) -> Scenario:
        """The scenario as it was run."""
        path = self.folder / "resolved.json"
        with _sound(path):
            found = json.loads(path.read_text(encoding="utf-8"))
        return Scenario.from_resolved(found, str(path))

    def table(self, name: str) -> pd.DataFrame:
        """A Parquet table of the folder: events, regions, outages, shares or effects."""
        import pandas as pd

        path = self.folder / f"{name}.parquet"
        with _sound(path):
            frame = pd.read_parquet(path)
        times = frame.select_dtypes("datetime").columns  # Parquet has no unit of a second
        return frame.astype(dict.fromkeys(times, "datetime64[s]"))

    @cached_property
    def events(self) -> pd.DataFrame:
        """As Results.events."""
        return self.table("events")

    @cached_property
    def regions(self) -> pd.DataFrame:
        """As Results.regions."""
        return self.table("regions")

    @cached_property
    def shares(self) -> pd.DataFrame:
        """As Results.share()."""
        return self.table("shares")

    @cached_property
    def effects(self) -> pd.DataFrame:
        """As Results.effects()."""
        return self.table("effects")

    def results(self) -> Results:
        """The run as it was, from its tables; nothing is computed anew."""
        names = self.provenance["policies"]
        count, seed = int(self.provenance["replicates"]), int(self.provenance["seed"])
        scenarios = [self.scenario.arm(name) for name in names]
        outages = self.table("outages")
        arms = {}
        for name, scenario, shared in zip(names, scenarios, structures(scenarios), strict=True):
            rows = rows_of(scenario, seed, np.arange(count))
            title = scenario.policies[name].title if name in scenario.policies else "Baseline"
            arm = replace(Arm.bare(scenario, shared, name), title=title, rows=rows)
            with _sound(self.folder):
                batch = _batch_from(arm, *(t[t["policy"] == name] for t in (self.events, self.regions, outages)))
            arms[name] = replace(arm, batch=batch)
        return Results(self.scenario, arms, count, seed)


def load(folder: str | Path) -> Saved:
    """A results folder; raises InputError where it is none, or not complete."""
    path = Path(folder)
    status = path / "STATUS"
    if not status.is_file():
        message = "this is not a results folder" if path.exists() else "there is no such folder"
        raise InputError(Problem(str(path), 0, "folder", message, "a folder that `uptake run` wrote"))
    if status.read_bytes().strip() != COMPLETE.encode():
        raise InputError(Problem(str(path), 0, "STATUS", "these results are partial", "complete results; run again"))
    return Saved(path)


def _batch_from(arm: Arm, events: pd.DataFrame, regions: pd.DataFrame, outages: pd.DataFrame) -> Batch:
    """The engine's lists from an arm's saved tables."""
    count = len(arm.rows)
    found = np.zeros(len(events), EVENT)
    found["place"] = _codes(events["municipality"], arm.places)
    found["technology"] = _codes(events["technology"], arm.scenario.technologies.id)
    found["spell"] = events["spell"]
    for name in ("wanted", "adopted", "operating", "ended"):
        found[name] = _steps(arm.scenario, events[name])
    found["source"] = _codes(events["source"], SOURCES)
    found["guide"] = _codes(events["guide"], arm.places)
    payments = np.zeros(len(events) if arm.rows.parameters["cost_level"][0] > 0 else 0, PAYMENT)
    for name in PAYMENT.names or ():
        if len(payments):
            payments[name] = np.rint(events[name].to_numpy() * MINOR_UNITS)
    struck = np.zeros(len(outages), OUTAGE)
    struck["place"] = _codes(outages["municipality"], arm.places)
    struck["start"], struck["stop"] = (_steps(arm.scenario, outages[name]) for name in ("start", "stop"))
    struck["stop"] = np.where(struck["stop"] < 0, arm.scenario.steps + 1, struck["stop"])
    per_row = [np.bincount(frame["replicate"], minlength=count) for frame in (events, outages)]
    return Batch(found, payments, struck, np.cumsum(per_row, axis=1).T.astype(np.int64), *_yearly_from(arm, regions))


def _yearly_from(arm: Arm, regions: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    areas, years = arm.shared.shape[2], arm.shared.shape[4]
    names = list(dict.fromkeys(regions["region"]))
    rows = [areas if name == "federal" else arm.scenario.regions.id.index(name) for name in names]
    shape = (len(arm.rows), len(names), years)
    tables = np.full((len(arm.rows), areas, years, len(ECONOMY)), np.nan)
    ledgers = np.zeros((len(arm.rows), areas + 1, years, len(FLOWS)), np.int64)
    for at, name in enumerate(ECONOMY):
        tables[..., at][:, rows[:-1]] = regions[name].to_numpy().reshape(shape)[:, :-1]
    for at, name in enumerate(FLOWS):
        unit = 1 if name == "unpaid" else MINOR_UNITS
        ledgers[..., at][:, rows] = np.rint(regions[name].to_numpy().reshape(shape) * unit)
    return tables, ledgers


def _codes(column: pd.Series, names: Iterable[str]) -> np.ndarray:
    position = {name: at for at, name in enumerate(names)}
    categories = np.array([position[name] for name in column.cat.categories] + [-1])
    return categories[column.cat.codes.to_numpy()]


def _steps(scenario: Scenario, dates: pd.Series) -> np.ndarray:
    """Instants of dates; -1 where there is none."""
    values = dates.to_numpy().astype("datetime64[D]")
    steps = np.searchsorted(scenario.instants, values)
    return np.where(np.isnat(values), -1, steps)


# Checking


def check(folder: str | Path) -> list[str]:
    """What is wrong with a results folder: changed, missing or added files; empty when it is whole."""
    saved = load(folder)
    faults = []
    listed = {}
    with _sound(saved.folder / "MANIFEST.sha256"):
        lines = (saved.folder / "MANIFEST.sha256").read_text(encoding="utf-8").splitlines()
    for line in lines:
        digest, _, name = line.partition("  ")
        listed[name] = digest
    for name, digest in listed.items():
        path = saved.folder / name
        if not path.is_file():
            faults.append(f"{name}: missing")
        elif _sha256(path) != digest:
            faults.append(f"{name}: changed since it was written")
    present = {p.relative_to(saved.folder).as_posix() for p in saved.folder.rglob("*") if p.is_file()}
    faults += [f"{name}: not in the manifest" for name in sorted(present - set(listed) - {"MANIFEST.sha256", "STATUS"})]
    return faults


def rerun(folder: str | Path, number: int, seed: int = 0) -> list[str]:
    """Repeat `number` runs picked at random and compare their events; what differs, empty when nothing does."""
    saved = load(folder)
    results = saved.results()
    arms = list(results.arms.values())
    # picked by a generator of its own: to check a run must not use the run's chance
    chooser = np.random.default_rng([seed, number])
    picks = chooser.choice(len(arms) * results.replicates, min(number, len(arms) * results.replicates), replace=False)
    faults = []
    for pick in sorted(picks):
        arm, replicate = arms[pick // results.replicates], int(pick % results.replicates)
        again = execute(arm.shared, rows_of(arm.scenario, results.seed, np.array([replicate])), results.seed, 1)
        first = 0 if replicate == 0 else int(arm.batch.ends[replicate - 1, 0])
        before = arm.batch.events[first : int(arm.batch.ends[replicate, 0])]
        if len(before) != len(again.events) or any((before[n] != again.events[n]).any() for n in EVENT.names or ()):
            faults.append(f"policy {arm.name}, replicate {replicate}: other events than those saved")
    return faults


def default_folder(scenario: Scenario, seed: int, replicates: int) -> Path:
    """results/<scenario>-<time>-<hash>, the hash telling what is run."""
    # what was asked is in the name, so that two questions of one second do not meet in one folder
    told = json.dumps([scenario.inputs, seed, replicates, sys.argv[1:]], sort_keys=True)
    mark = hashlib.sha256(told.encode()).hexdigest()[:8]
    return Path("results") / f"{scenario.name}-{time.strftime('%Y%m%d-%H%M%S')}-{mark}"
