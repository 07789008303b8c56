"""What people type to study a scenario: `uptake sweep`, `uptake seek` and `uptake compare`."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sim.cli import SOME_FAILED, announce_compilation, load_scenario, say

if TYPE_CHECKING:
    from sim.studies import Study
    from sim.sweeps import Sweep

POLICIES = "policies"
SECONDS_BETWEEN_LINES = 10.0


def varied_and_fixed(keys: Sequence[str]) -> tuple[dict[str, Any], list[str], str | list[str] | None]:
    """Factors, overrides and policies of a command line: `key=a,b`, `key=low:high`, `key`; `key=a`; `policies=a,b`."""
    from sim.designs import parse_factor

    factors: dict[str, Any] = {}
    fixed: list[str] = []
    policies: str | list[str] | None = None
    for text in keys:
        key, spec = parse_factor(text)
        if key == POLICIES:
            names = [str(name) for name in spec or []]
            policies = names[0] if names in (["all"], ["none"]) else names
        elif isinstance(spec, list) and len(spec) == 1:
            fixed.append(text)
        else:
            factors[key] = spec
    return factors, fixed, policies


@click.command()
@click.argument("source", metavar="SCENARIO", required=False)
@click.argument("keys", nargs=-1, metavar="[KEY[=a,b|=low:high[:log]|=fit]]... [policies=all|NAME,NAME]")
@click.option("--design", type=click.Choice(["grid", "lhs", "sobol"]), default="sobol", show_default=True)
@click.option("-n", "n", type=click.IntRange(2), help="Points (Sobol: base samples; grid: levels a range).")
@click.option("--replicates", type=click.IntRange(1), help="Replicates at each point and policy.")
@click.option("--threads", type=click.IntRange(1, 1024), help="Threads [default: all cores].")
@click.option("--cluster", "address", metavar="ADDRESS", help="A Dask scheduler, such as tcp://127.0.0.1:8786.")
@click.option("--resume", type=click.Path(path_type=Path, file_okay=False), metavar="DIR", help="Go on with a sweep.")
@click.option("--dry-run", is_flag=True, help="Say what it would take, and do nothing.")
@click.option("-o", "--output", type=click.Path(path_type=Path, file_okay=False), help="Folder for the results.")
@click.option("--json", "machine", is_flag=True, help="Print the summary as JSON.")
def sweep_command(
    source: str | None,
    keys: tuple[str, ...],
    design: str,
    n: int | None,
    replicates: int | None,
    threads: int | None,
    address: str | None,
    resume: Path | None,
    dry_run: bool,
    output: Path | None,
    machine: bool,
) -> None:
    """Run SCENARIO over ranges of parameters: which matter, and which policy is best across what we do not know.

    KEY alone takes the plausible range of the parameter table; KEY=a one fixed value. Policies: policies=all.
    """
    from sim import sweeps

    if threads and address:
        raise click.UsageError("--threads and --cluster exclude each other.")
    study = _study(source, keys, design, n, replicates, resume)
    announce_compilation()
    if dry_run:
        click.echo(_forecast(study, threads, machine))
        return
    folder = resume or output or _default_folder(study)
    with sweeps.cluster(address) if address else nullcontext() as executor, _rate(len(study)) as progress:
        found = sweeps.run_study(study, folder, resume is not None, executor, threads, progress, [_report])
    click.echo(_sweep_json(found) if machine else summary(found))
    if found.faults:
        say(f"{len(found.faults)} runs failed; they are listed in {folder / 'failed.csv'}")
        raise click.exceptions.Exit(SOME_FAILED)


def _study(
    source: str | None, keys: Sequence[str], design: str, n: int | None, replicates: int | None, resume: Path | None
) -> Study:
    """The study of a command line, or of the folder to resume."""
    from sim import sweeps

    if source is None:
        if resume is None:
            raise click.UsageError("Name a scenario, or a folder with --resume.")
        return sweeps.read_study(resume)
    factors, fixed, policies = varied_and_fixed(keys)
    return sweeps.study_of(load_scenario(source, fixed), factors, design, n, replicates, policies)


def _default_folder(study: Study) -> Path:
    return Path("results") / f"{study.scenario.name}-sweep-{time.strftime('%Y%m%d-%H%M%S')}-{study.ids[0][:8]}"


def _report(found: Sweep, folder: Path) -> None:
    from sim.sweep_report import write_sweep_report

    write_sweep_report(found, folder / "report.html", folder / "figures")


def _forecast(study: Study, threads: int | None, machine: bool) -> str:
    from sim.sweeps import estimate

    told = estimate(study, threads)
    if machine:
        return json.dumps(vars(told))
    return (
        f"{told.runs} runs: {told.points} points, {told.policies} policy arms, {told.replicates} replicates\n"
        f"about {spoken_time(told.seconds)} here, and {told.megabytes:g} MB on disk"
    )


def spoken_time(seconds: float) -> str:
    """A time as people say it."""
    for size, unit in ((86_400.0, "days"), (3_600.0, "hours"), (60.0, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} seconds" if seconds >= 2 else "2 seconds"


@contextmanager
def _rate(total: int) -> Iterator[Callable[[int, int], None]]:
    """Lines on stderr with the rate and the time left, at most one in ten seconds; the last one when all is done."""
    begun: list[float] = []
    said = [0.0]
    first = [0]

    def tell(done: int, total: int) -> None:
        now = time.monotonic()
        if not begun:
            begun.append(now)
            first[0] = done
        rate = (done - first[0]) / (now - begun[0]) if now > begun[0] else 0.0
        if now - said[0] < SECONDS_BETWEEN_LINES and done < total:
            return
        said[0] = now
        left = f", {rate:.0f} runs a second, {spoken_time((total - done) / rate)} left" if rate and done < total else ""
        say(f"{done} of {total} runs{left}")

    say(f"{total} runs")
    yield tell


def summary(found: Sweep) -> str:
    """What a sweep found, in a few lines for people."""
    column, study = found.column(), found.study
    lines = [study.scenario.title, f"{len(study)} runs, {len(found.faults)} failed; {column}", "", "What matters"]
    if study.design.kind == "sobol":
        table = found.sobol().sort_values("total", ascending=False)
        lines += [
            f"{row.total:8.2f}  ({row.total_low:.2f} to {row.total_high:.2f})  {row.factor}"
            for row in table.itertuples()
        ]
    else:
        lines += [
            f"{row.swing:+8.3f}  ({row.swing_low:+.3f} to {row.swing_high:+.3f})  {row.factor}"
            for row in found.tornado().itertuples()
        ]
    share = found.luck()["share"]
    lines += [f"{share:8.2f}  of a single run's variance is luck"] if study.replicates > 1 else []
    if len(study.arms) > 1:
        best = found.regret().iloc[0]
        lines += ["", f"Robust choice: {best.policy} (largest regret {best.largest_regret:.3f})"]
    return "\n".join([*lines, "", f"Results: {found.folder}"])


def _sweep_json(found: Sweep) -> str:
    told = {name: json.loads(table.to_json(orient="records")) for name, table in found.tables().items()}
    head = {"folder": str(found.folder), "runs": len(found.study), "failed": len(found.faults)}
    return json.dumps({**head, **told}, ensure_ascii=False)
