"""How is a study kept on disk, so that nothing that was computed is lost? Parts written whole, and read back.

While a study is computed, its folder holds `resolved.json` (the scenario), `sweep.json` (the study), STATUS and
`parts/`; each part is a Parquet file of some runs and their figures. At the end one file takes the place of all parts.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from sim import __version__
from sim.results.folder import PARTIAL, whole_file, write_text
from sim.scenario.errors import InputError, Problem
from sim.scenario.scenario import load
from sim.studies.study import Study, study_from
from sim.studies.tasks import fault

OUTCOMES = "outcomes.parquet"


@contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Hold the system's lock beside the folder. Raises InputError where another process holds it."""
    from filelock import FileLock, Timeout

    folder.parent.mkdir(parents=True, exist_ok=True)
    # a lock of the system's, not a file that is there or not: it is let go of in whatever way a process ends
    lock = FileLock(folder.with_name(folder.name + ".lock"), timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise _wrong(folder, "another process is writing here", "wait for it, or another folder") from None
    try:
        yield
    finally:
        lock.release()


def prepare(study: Study, folder: Path, resume: bool) -> None:
    """Begin a folder, or check that the one there is this study's and clear what a crash left half-written."""
    if (folder / "sweep.json").is_file():
        if not resume:
            raise _wrong(folder, "this sweep exists already", "--resume goes on with it; or another folder")
        if _plain(folder) != study.plain():
            raise _wrong(folder, "holds another study, or one of another version", "the same study; or another folder")
    elif folder.exists() and any(path.name != "parts" for path in folder.iterdir() if path.suffix != ".tmp"):
        raise _wrong(folder, "this exists and is not a sweep", "another folder")
    (folder / "parts").mkdir(parents=True, exist_ok=True)
    for leftover in folder.rglob("*.tmp"):  # nobody else writes here: the lock is ours
        leftover.unlink()
    write_once(folder / "resolved.json", json.dumps(study.scenario.resolved(), ensure_ascii=False, sort_keys=True))
    write_text(folder / "STATUS", PARTIAL + "\n")
    # last: a folder with this file has all that is needed to go on
    write_once(folder / "sweep.json", json.dumps(study.plain(), indent=2, ensure_ascii=False))


def _wrong(folder: Path, message: str, allowed: str) -> InputError:
    """The error for a folder that cannot be written to, or gone on with."""
    return InputError(Problem(str(folder), 0, "output", message, allowed))


def write_once(path: Path, text: str) -> None:
    """Write a text with a last line end, whole, unless it is there."""
    if not path.is_file():
        with whole_file(path) as temporary:
            write_text(temporary, text + "\n")


def write_part(study: Study, folder: Path, numbers: np.ndarray, figures: np.ndarray) -> None:
    """A part is named by the number and the id of its first run, which no other part has."""
    write_figures(study, folder / "parts" / f"{numbers[0]:09d}-{study.ids[numbers[0]]}.parquet", numbers, figures)


def write_figures(study: Study, path: Path, numbers: np.ndarray, figures: np.ndarray) -> None:
    """Ids and figures of runs, float64[runs, columns], as one file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns: dict[str, Any] = {"run": pa.array([study.ids[i] for i in numbers], pa.string())}
    columns |= {name: pa.array(figures[:, j]) for j, name in enumerate(study.columns)}
    with whole_file(path) as temporary:
        pq.write_table(pa.table(columns), temporary, compression="zstd")


def kept(study: Study, folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """The figures that a folder holds, float64[runs, columns], NaN where there are none; which are there, bool[runs].

    Raises InputError for a part that cannot be read.
    """
    import pyarrow.parquet as pq

    numbers_of: dict[str, list[int]] = {}  # points of a design may coincide, and are then the same runs
    for i, run in enumerate(study.ids):
        numbers_of.setdefault(run, []).append(i)
    found = np.full((len(study), len(study.columns)), np.nan)
    there = np.zeros(len(study), bool)
    final = folder / OUTCOMES
    for path in [*([final] if final.is_file() else []), *sorted((folder / "parts").glob("*.parquet"))]:
        try:
            table = pq.read_table(path)
        except (OSError, ValueError) as error:
            message = f"this part cannot be read: {fault(error)}"
            raise InputError(Problem(str(path), 0, "parts", message, "delete it, and resume")) from None
        pairs = [(i, row) for row, run in enumerate(table["run"].to_pylist()) for i in numbers_of.get(run, ())]
        if pairs:
            numbers, rows = np.array(pairs).T
            # by name: the order of columns in a file promises nothing
            figures = np.column_stack([table[name].to_numpy() for name in study.columns])
            found[numbers], there[numbers] = figures[rows], True
    return found, there


def _plain(folder: Path) -> dict[str, Any]:
    """What `sweep.json` of a folder says. Raises InputError."""
    path = folder / "sweep.json"
    try:
        plain = dict(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise _wrong(folder, "this is not a sweep's folder", "a folder that `uptake sweep` wrote") from None
    except (ValueError, TypeError) as error:
        raise InputError(Problem(str(path), 0, "", f"is not JSON: {error}")) from None
    if plain.get("version") != __version__:  # the rules may have changed, and ids with them
        message = f"was made by version {plain.get('version')}; this is {__version__}"
        raise InputError(Problem(str(path), 0, "version", message, "the same version, or a new sweep"))
    return plain


def read_study(folder: str | Path) -> Study:
    """The study of a sweep's folder. Raises InputError."""
    path = Path(folder)
    plain = _plain(path)
    study = study_from(plain, load(path / "resolved.json"))
    if study.plain() != plain:
        # such as a scenario that was copied over from another folder
        raise _wrong(path, "sweep.json and resolved.json do not belong together", "a folder as it was written")
    return study
