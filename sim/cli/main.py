"""What people type: `uptake run perm-krai` and its eight sisters. Everything heavy is imported when it is needed.

A command is one of this file, of another module or of another package; the latter two are found by name, so that
`uptake --help` imports none of them.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sim import __version__
from sim.cli.common import (
    CHECK_FAILED,
    DONE,
    INTERRUPTED,
    INVALID,
    OUR_FAULT,
    announce_compilation,
    folder_option,
    json_option,
    load_scenario,
    progress_bar,
    say,
    scenario_argument,
    threads_option,
)

if TYPE_CHECKING:
    from sim.report.illustrator import Illustrator
    from sim.results.run import Results
    from sim.scenario.scenario import Scenario

_ELSEWHERE = {
    "sweep": "sim.cli.studies:sweep_command",
    "compare": "sim.cli.studies:compare_command",
    "seek": "sim.cli.studies:seek_command",
    "new": "sim.cli.new:new_command",
}


class Program(click.Group):
    """The program: commands of other modules and packages are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All nine commands, in the order in which people meet them."""
        return ["run", "check", "view", "sweep", "compare", "seek", "calibrate", "report", "new"]

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """A command of this module, of `_ELSEWHERE`, or of the entry-point group `uptake.commands`."""
        own = super().get_command(ctx, name)
        if own is not None:
            return own
        if name in _ELSEWHERE:
            module, _, attribute = _ELSEWHERE[name].partition(":")
            return _command(getattr(import_module(module), attribute))
        from importlib.metadata import entry_points

        for point in entry_points(group="uptake.commands", name=name):
            return _command(point.load())
        return None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands with a line each, without importing any of them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, _HELP[name]) for name in self.list_commands(ctx)])


_HELP = {
    "run": "Run a scenario and its policies; write tables, pictures and a report.",
    "check": "Say whether a scenario, or a results folder, is valid.",
    "view": "Watch the diffusion in the browser, and try things.",
    "sweep": "Run a study over ranges of parameters.",
    "compare": "Put results folders side by side.",
    "seek": "Find the smallest change that reaches a target, or whom to equip first.",
    "calibrate": "Fit the model's numbers to data.",
    "report": "Write the report of a results folder anew.",
    "new": "Begin a scenario of your own.",
}


def _command(found: Any) -> click.Command:
    """What an entry point or a module gave, if it is a command."""
    if not isinstance(found, click.Command):
        raise TypeError(f"{found!r} is not a command")
    return found


@click.group(cls=Program, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="uptake")
def program() -> None:
    """How smart-city technologies spread from leader cities to municipalities, and what a policy would change.

    Begin with: uptake run perm-krai
    """


@program.command()
@scenario_argument
@click.option("--replicates", type=click.IntRange(1, 10_000_000), help="Runs of each arm [default: the scenario's].")
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), help="Seed of all chance [default: the scenario's].")
@click.option("--policy", default="all", show_default=True, metavar="NAME|all|none", help="Which policy arms to run.")
@threads_option
@folder_option("Folder for the results.")
@click.option("--force", is_flag=True, help="Replace results that are there.")
@json_option(help="Print the summary as JSON.")
def run(
    source: str,
    overrides: tuple[str, ...],
    replicates: int | None,
    seed: int | None,
    policy: str,
    threads: int | None,
    output: Path | None,
    force: bool,
    machine: bool,
) -> None:
    """Run SCENARIO, a file or the name of a shipped one, and all its policies under the same luck."""
    scenario = load_scenario(source, overrides)
    from sim.scenario.doubts import notes

    for note in notes(scenario):
        say(note)
    announce_compilation()
    from sim.results import folder
    from sim.results.run import plan
    from sim.results.run import run as run_scenario

    count = replicates or scenario.replicates
    target = output or folder.default_folder(scenario, scenario.seed if seed is None else seed, count)
    plan(scenario, policy, count)  # refuses before a folder is made
    with folder.new_folder(target, force) as partial, _artist(threads) as artist:
        with progress_bar(f"{scenario.name}: {count} replicates") as advance:
            results = run_scenario(scenario, count, seed, policy, threads, advance)
        say("Writing tables, pictures and the report ...")
        if artist:  # pictures are drawn while tables are written
            artist.draw(results)
        folder.write(results, partial, _typed(), [functools.partial(_illustrate, artist)])
    page = target / "report.html"
    if machine:
        click.echo(json.dumps({"folder": str(target), "report": str(page), **results.told()}, ensure_ascii=False))
    else:
        click.echo(f"{results.summary()}\n\nReport: {page}")


def _artist(threads: int | None) -> AbstractContextManager[Illustrator | None]:
    """A second process for the pictures, where there is a core for it."""
    if (threads or os.cpu_count() or 1) == 1:
        return contextlib.nullcontext()
    from sim.report.illustrator import Illustrator

    return Illustrator()


def _illustrate(artist: Illustrator | None, results: Results, target: Path) -> None:
    """Pictures and the report that holds them."""
    from sim.report.figures import Plot, save_figures
    from sim.report.report import write_report

    plot = Plot(results)
    if artist:
        plot.take(artist.drawn())
    save_figures(results, target / "figures", plot)
    write_report(results, target / "report.html", _typed(), plot)


def _typed() -> str:
    """The command as it was typed."""
    import shlex

    return shlex.join(["uptake", *sys.argv[1:]])


@program.command()
@click.argument("source", metavar="SCENARIO|DIR", required=False)
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--schema", is_flag=True, help="Print the JSON Schema of scenario files.")
@click.option("--resolved", is_flag=True, help="Print the whole resolved scenario.")
@json_option(help="With --resolved: as JSON.")
@click.option("--rerun", type=click.IntRange(1), metavar="N", help="Repeat N runs of a results folder; compare bits.")
def check(
    source: str | None,
    overrides: tuple[str, ...],
    schema: bool,
    resolved: bool,
    machine: bool,
    rerun: int | None,
) -> None:
    """Say whether a scenario is valid, or whether a results folder is whole."""
    if schema:
        from sim.scenario.schema import json_schema

        click.echo(json.dumps(json_schema(), indent=2, ensure_ascii=False))
        return
    if source is None:
        raise click.UsageError("Name a scenario or a results folder.")
    if Path(source).is_dir():
        _check_folder(Path(source), rerun)
        return
    scenario = load_scenario(source, overrides)
    if resolved:
        text = json.dumps(scenario.resolved(), ensure_ascii=False) if machine else scenario.resolved_toml()
        click.echo(text)
        return
    for name in scenario.policies:  # a policy may be wrong where the scenario is not
        scenario.arm(name)
    from sim.scenario.doubts import notes

    click.echo("\n".join([_described(scenario), *notes(scenario)]))


def _check_folder(path: Path, rerun: int | None) -> None:
    """Say whether a folder of results or of a sweep is whole; exit 4 where it is not."""
    from sim.results.folder import check as check_files

    faults = check_files(path)
    if rerun and not faults:
        announce_compilation()
        # both rooms have a `rerun`; a folder with a design is a sweep's
        module = import_module("sim.studies.sweep" if (path / "design.parquet").exists() else "sim.results.folder")
        faults = module.rerun(path, rerun)
    if faults:
        click.echo("\n".join(f"{path}: {fault}" for fault in faults))
        raise click.exceptions.Exit(CHECK_FAILED)
    again = f"; {rerun} runs repeated bit by bit" if rerun else ""
    click.echo(f"{path}: complete, every hash holds{again}")


def _described(scenario: Scenario) -> str:
    """A valid scenario in one line."""
    members = int((~scenario.places.guide).sum())
    guides = len(scenario.places.id) - members
    parts = [
        f"{members} municipalities" + (f" and {guides} guides" if guides else ""),
        f"{len(scenario.technologies.id)} technologies",
        f"{scenario.start} to {scenario.end} in {scenario.steps} steps",
        f"{len(scenario.policies)} policies",
    ]
    return f"{scenario.path or scenario.name}: valid: {', '.join(parts)}"


@program.command()
@scenario_argument
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port on this machine [default: a free one].")
@click.option("--no-open", is_flag=True, help="Do not open the browser.")
def view(source: str, overrides: tuple[str, ...], port: int, no_open: bool) -> None:
    """Watch SCENARIO in the browser: play it, change policies, equip a town and see what follows."""
    load_scenario(source, overrides)  # what is wrong is told here, not in the browser
    from sim.scenario.document import parse_override
    from sim.view import serve

    serve(source, dict(parse_override(text) for text in overrides), port, not no_open)


@program.command()
@click.argument("folder", type=click.Path(path_type=Path), metavar="DIR")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="File [default: report.html].")
def report(folder: Path, output: Path | None) -> None:
    """Write the report of a results folder anew, from what is saved in it."""
    from sim.results.folder import load

    saved = load(folder)
    target = output or Path("report.html")
    if saved.provenance.get("kind") == "sweep":
        from sim.report.sweep import write_sweep_report
        from sim.studies.sweep import read_sweep

        write_sweep_report(read_sweep(folder), target)
    else:
        from sim.report.report import write_report

        write_report(saved.results(), target, str(saved.provenance.get("command", "")), made=saved.provenance)
    click.echo(str(target))


def main(arguments: Sequence[str] | None = None) -> None:
    """The program `uptake`: wrong input is a clear line and exit 2; a fault of ours is a line and exit 1."""
    from sim.scenario.errors import InputError

    try:
        code = program.main(arguments, prog_name="uptake", standalone_mode=False)
        sys.exit(code if isinstance(code, int) else DONE)
    except InputError as error:
        _fail(str(error), INVALID)
    except click.exceptions.Exit as done:
        sys.exit(done.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(INVALID)
    except (KeyboardInterrupt, click.exceptions.Abort) as stopped:
        told = getattr(stopped, "how_to_resume", "") or "Interrupted; nothing was left behind. Run the command again."
        _fail(told, INTERRUPTED)
    except BrokenPipeError:  # `uptake check ... | head`: nobody reads on, and Python must not say so at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(DONE)
    except MemoryError:
        _fail("There is not enough memory; use fewer replicates, or `uptake sweep`, which keeps no events.", OUR_FAULT)
    except Exception as error:
        if os.environ.get("UPTAKE_TRACEBACK"):
            raise
        told = f"This is a fault of the program: {type(error).__name__}: {error}"
        _fail(
            f"{told}\nPlease report it; with UPTAKE_TRACEBACK=1 the same command shows where it happened.",
            OUR_FAULT,
        )


def _fail(text: str, code: int) -> None:
    """Say it on stderr and end with a code."""
    say(text)
    sys.exit(code)


if __name__ == "__main__":
    main()
