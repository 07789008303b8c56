"""What people type to study a scenario: `uptake sweep`, `uptake seek` and `uptake compare`."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sim.cli.common import (
    INTERRUPTED,
    SOME_FAILED,
    announce_compilation,
    folder_option,
    json_option,
    load_scenario,
    rate_of_runs,
    say,
    spoken_time,
    threads_option,
)

if TYPE_CHECKING:
    from sim.studies.execution import Estimate
    from sim.studies.leaders import LeadersAnswer
    from sim.studies.seek import TargetAnswer
    from sim.studies.study import Study
    from sim.studies.sweep import Sweep

POLICIES = "policies"


def varied_and_fixed(keys: Sequence[str]) -> tuple[dict[str, Any], list[str], str | list[str] | None]:
    """Factors, overrides and policies of a command line: `key=a,b`, `key=low:high`, `key`; `key=a`; `policies=a,b`."""
    from sim.studies.design import parse_factor

    # one value is an override like that of `uptake run`, so that a study can be of a changed scenario
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
@threads_option
@click.option("--cluster", "address", metavar="ADDRESS", help="A Dask scheduler, such as tcp://127.0.0.1:8786.")
@click.option("--resume", type=click.Path(path_type=Path, file_okay=False), metavar="DIR", help="Go on with a sweep.")
@click.option("--dry-run", is_flag=True, help="Say what it would take, and do nothing.")
@folder_option("Folder for the results.")
@json_option(help="Print the summary as JSON.")
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
    if threads and address:
        raise click.UsageError("--threads and --cluster exclude each other.")
    study = _study(source, keys, design, n, replicates, resume)
    # input is checked by now: nobody waits half a minute to be told of a wrong key
    announce_compilation()
    from sim.studies import execution
    from sim.studies.sweep import run_study

    if dry_run:
        click.echo(_forecast(execution.estimate(study, threads), machine))
        return
    folder = resume or output or _default_folder(study)
    with execution.cluster(address) if address else nullcontext() as executor:
        try:
            found = run_study(study, folder, resume is not None, executor, threads, rate_of_runs(len(study)), [_report])
        except execution.Interrupted as stopped:  # click would turn it into an Abort, which says nothing
            say(stopped.how_to_resume)
            raise click.exceptions.Exit(INTERRUPTED) from None
    click.echo(json.dumps(found.told(), ensure_ascii=False) if machine else found.summary())
    if found.faults:  # the rest is done and told; the exit code says that it is not all
        say(f"{len(found.faults)} runs failed; they are listed in {folder / 'failed.csv'}")
        raise click.exceptions.Exit(SOME_FAILED)


def _study(
    source: str | None, keys: Sequence[str], design: str, n: int | None, replicates: int | None, resume: Path | None
) -> Study:
    """The study of a command line, or of the folder to resume."""
    if source is None:
        if resume is None:
            raise click.UsageError("Name a scenario, or a folder with --resume.")
        from sim.studies.parts import read_study

        return read_study(resume)
    from sim.studies.study import study_of

    factors, fixed, policies = varied_and_fixed(keys)
    return study_of(load_scenario(source, fixed), factors, design, n, replicates, policies)


def _default_folder(study: Study) -> Path:
    """results/<scenario>-sweep-<time>-<hash>."""
    # the hash tells apart two sweeps begun in the same second
    return Path("results") / f"{study.scenario.name}-sweep-{time.strftime('%Y%m%d-%H%M%S')}-{study.ids[0][:8]}"


def _report(found: Sweep, folder: Path) -> None:
    """The report and its pictures, written before the folder is sealed."""
    from sim.report.sweep import write_sweep_report

    write_sweep_report(found, folder / "report.html", folder / "figures")


def _forecast(told: Estimate, machine: bool) -> str:
    """What a sweep would take, for people or machines."""
    if machine:
        return json.dumps(vars(told))
    return (
        f"{told.runs} runs: {told.points} points, {told.policies} policy arms, {told.replicates} replicates\n"
        f"about {spoken_time(told.seconds)} here, and {told.megabytes:g} MB on disk"
    )


# Seek


@click.command()
@click.argument("source", metavar="SCENARIO")
@click.argument("keys", nargs=-1, metavar="[KEY[=low:high]]... [KEY=VALUE]...")
@click.option("--target", metavar="CONDITION",
              help="MEASURE >= NUMBER [at DATE], or <=: 'programme >= 1 at 2024-01', 'coverage >= 30 %'.")  # fmt: skip
@click.option("--probability", type=float, default=0.9, show_default=True, help="How surely the target is reached.")
@click.option("--leaders", type=click.IntRange(1), metavar="N", help="How many further places to equip.")
@click.option("--at", metavar="DATE", help="When they are equipped [default: they start with it].")
@click.option("--replicates", type=click.IntRange(2), help="Replicates of each trial.")
@threads_option
@json_option(help="Print the answer as JSON.")
def seek_command(
    source: str,
    keys: tuple[str, ...],
    target: str | None,
    probability: float,
    leaders: int | None,
    at: str | None,
    replicates: int | None,
    threads: int | None,
    machine: bool,
) -> None:
    """Find the smallest change of KEYs that reaches a target in SCENARIO, or which places to equip first.

    Two questions, one at a time. --target moves the KEYs, within their ranges, until the condition holds with
    --probability: a measure of `uptake compare`, >= or <=, a number (a share is from 0 to 1, or in %), and a date (the
    end unless given). --leaders takes no target: it looks for the N places that, once equipped, raise coverage at the
    end most.

    uptake seek perm-krai --target "programme >= 1 at 2024-01" mandates.0.rate=0:6
    """
    if (target is None) == (leaders is None):
        message = "Give either --target or --leaders: they are two questions."
        raise click.UsageError(f"{message} A target moves KEYs; leaders are chosen for coverage at the end.")
    factors, fixed, _ = varied_and_fixed(keys)
    if at is not None and target is not None:
        raise click.UsageError("--at goes with --leaders; a target has its date in it: 'coverage >= 0.5 at 2026-01'.")
    if factors and leaders is not None:
        raise click.UsageError("--leaders takes no ranges.")
    scenario = load_scenario(source, fixed)
    announce_compilation()
    found: LeadersAnswer | TargetAnswer
    if target is not None:
        from sim.studies import seek

        count = replicates or seek.REPLICATES
        found = seek.seek_target(scenario, target, factors, probability, count, threads=threads, progress=say)
    else:
        from sim.studies.leaders import REPLICATES_LEADERS, seek_leaders

        count = replicates or REPLICATES_LEADERS
        found = seek_leaders(scenario, leaders or 1, at, replicates=count, threads=threads, progress=say)
    click.echo(json.dumps(found.told(), ensure_ascii=False) if machine else found.summary())


# Compare


@click.command()
@click.argument("folders", nargs=-1, required=True, metavar="DIR...")
@click.option("--baseline", metavar="DIR", help="Against which run [default: the first].")
@click.option("--measure", "measures", multiple=True, metavar="NAME", help="A measure; may be given several times.")
@folder_option("Folder for tables and picture.")
@json_option(help="Print the tables as JSON.")
def compare_command(
    folders: tuple[str, ...], baseline: str | None, measures: tuple[str, ...], output: Path | None, machine: bool
) -> None:
    """Put results folders side by side: differences with their intervals, and the cost of a point."""
    from sim.studies.compare import compare_folders, save

    found = compare_folders(folders, baseline, measures or None)
    if output is not None:
        save(found, output)
        say(f"Tables and picture: {output}")
    click.echo(json.dumps(found.told(), ensure_ascii=False) if machine else found.summary())
