"""Which calibrations can be asked for on the command line? Everything heavy is imported when it is needed."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from sim.cli.common import announce_compilation, json_option, load_scenario, say, threads_option

FILE = click.Path(path_type=Path, dir_okay=False)
seed_option = click.option(
    "--seed", type=click.IntRange(0, 2**63 - 1), default=1, show_default=True, help="Seed of all chance."
)


class Group(click.Group):
    """Commands for which wrong input is one line and exit 2, never a traceback."""

    def invoke(self, ctx: click.Context) -> object:
        """Run the command asked for."""
        from sim.scenario.errors import InputError

        try:
            return super().invoke(ctx)
        except InputError as error:
            say(str(error))
            raise click.exceptions.Exit(2) from None


def result_options(kept: str) -> Callable[..., Any]:
    """`-o`, `--json` and `--page`: where a fit goes besides the terminal; `kept` is what `-o` writes."""

    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        page = click.option("--page", type=FILE, help="Write a page with pictures (HTML).")
        output = click.option("-o", "--output", type=FILE, help=f"Write the {kept} to this file.")
        return output(json_option(help="Print JSON instead of words.")(page(function)))

    return add


def told(room: str, fitted: Any, output: Path | None, machine: bool, page: Path | None) -> None:
    """Write and print what was asked for of a fit; a room has `report` with its words and `page` with its pictures."""
    from calibration.files import as_text
    from sim.results.folder import write_whole

    report = import_module(f"calibration.{room}.report")
    if output:
        report.write_fit(fitted, output)
        say(f"wrote {output}")
    if page:
        write_whole(page, import_module(f"calibration.{room}.page").page(fitted))
        say(f"wrote {page}")
    click.echo(as_text(report.as_json(fitted)) if machine else report.summary(fitted))


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
def calibrate() -> None:
    """Fit the model's numbers to data, and say how fragile the fit is."""


@calibrate.command()
@click.argument("table", type=click.Path(path_type=Path))
@click.option("--form", type=click.Choice(["linear", "loglog", "best"]), default="linear", show_default=True)
@result_options("fit")
@click.option("--columns", help="y,x1,x2[,name] of the table; default: grp_bln,industry_bln,urban_population.")
@click.option("--units", help='Units of y, x1 and x2, such as "bln KZT,bln KZT,persons".')
@click.option("--draws", type=click.IntRange(100, 100_000), default=1000, show_default=True, help="Bootstrap draws.")
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Seed of the bootstrap.")
def grp(table: Path, *, form: str, columns: str | None, units: str | None, draws: int, seed: int, **asked: Any) -> None:
    """Fit regional product on industry and urban population; TABLE has one row a region."""
    from calibration.grp.fit import fit
    from calibration.grp.table import COLUMNS, read_regions

    keys = listed(columns, "--columns", 3, 4) or COLUMNS
    regions = read_regions(table, keys, listed(units, "--units", 3, 3))
    told("grp", fit(regions, form, seed, draws), **asked)


@calibrate.command()
@click.argument("source", metavar="SCENARIO")
@click.argument("settings", nargs=-1, metavar="[KEY=VALUE | KEY=LOW:HIGH]...")
@click.option("--use", multiple=True, metavar="NAME", help="Use this target too, whatever the scenario says.")
@click.option("--with-plan", is_flag=True, help="Use plans as if they had come true.")
@click.option("-n", "--draws", type=click.IntRange(1000, 10_000_000), default=131_072, show_default=True,
              help="Draws to simulate.")  # fmt: skip
@click.option("--keep", type=click.IntRange(10, 100_000), default=1000, show_default=True,
              help="Posterior draws in the fit.")  # fmt: skip
@seed_option
@threads_option
@result_options("fit")
def targets(
    source: str, *, settings: tuple[str, ...], use: tuple[str, ...], with_plan: bool, draws: int, keep: int, seed: int,
    threads: int | None, **asked: Any,
) -> None:  # fmt: skip
    """Fit parameters to the targets of SCENARIO: which of their plausible values agree with what was observed.

    KEY=LOW:HIGH searches another range, or one more parameter; KEY=VALUE changes the scenario.
    """
    from calibration.targets.fit import calibrate as fit

    ranges = {key: limits for key, limits in map(limits_of, settings) if limits}
    scenario = load_scenario(source, [text for text in settings if not limits_of(text)[1]])
    announce_compilation()
    with click.progressbar(length=draws, label="Simulating draws", file=sys.stderr) as bar:
        fitted = fit(scenario, draws, seed, use, with_plan, ranges, keep, threads, bar.update)
    told("targets", fitted, **asked)


@calibrate.command()
@click.argument("events", type=click.Path(path_type=Path))
@click.option("--places", type=click.Path(path_type=Path), help="Table of places: place, lat, lon, population, ...")
@click.option("--network", type=click.Path(path_type=Path), help="Edge list: from, to, weight, channel.")
@click.option("--start", metavar="DATE", help="Adopters up to this date are the initial state [default: the first].")
@click.option("--end", metavar="DATE", help="End of observation [default: the last date].")
@click.option("--step", type=click.FloatRange(0.1, 1200), help="Months an interval [default: from the dates].")
@click.option("--covariates", metavar="A,B", help="Columns of the places that multiply the hazard.")
@click.option("--listed-only", is_flag=True, help="Pairs that are not in the table are unknown, not waiting.")
@click.option("--undirected", is_flag=True, help="Links of the network run both ways.")
@click.option("--distance-decay", type=click.FloatRange(0, 10), help="Gravity: decay with distance.")
@click.option("--size-exponent", type=click.FloatRange(0, 10), help="Gravity: exponent of population.")
@click.option("--neighbours", type=click.IntRange(1, 1_000_000), help="Gravity: largest weights kept.")
@seed_option
@result_options("JSON")
def adoption(
    events: Path, *, places: Path | None, network: Path | None, covariates: str | None, seed: int, output: Path | None,
    machine: bool, page: Path | None, **given: Any,
) -> None:  # fmt: skip
    """Fit rates to adoption dates; EVENTS has columns place, technology, date (empty: not adopted by the end)."""
    from calibration.adoption.data import read
    from calibration.adoption.fit import fit
    from calibration.adoption.places import Options

    names = tuple(part.strip() for part in covariates.split(",")) if covariates else ()
    options = Options(covariates=names, **{key: value for key, value in given.items() if value is not None})
    told("adoption", fit(read(events, places, network, options), seed), output, machine, page)


@calibrate.command()
@click.argument("wanted", nargs=-1, metavar="[ID]...")
@click.option("-o", "--output", type=FILE, help="Write the page to this file.")
@json_option(help="Print JSON instead of a page (Markdown).")
def claims(wanted: tuple[str, ...], *, output: Path | None, machine: bool) -> None:
    """Compare each checkable sentence of both papers with data and model; ID such as K19 or Z12: only those."""
    from calibration.claims.claims import as_json, page
    from calibration.claims.claims import claims as compare
    from calibration.claims.evidence import Evidence
    from calibration.files import as_text
    from sim.results.folder import write_whole

    found = compare(Evidence(say), wanted)
    if output:
        write_whole(output, page(found))
        say(f"wrote {output}")
    if machine or not output:
        click.echo(as_text(as_json(found)) if machine else page(found).rstrip())


def limits_of(text: str) -> tuple[str, tuple[float, float] | None]:
    """The key and limits of `key=low:high`; no limits for anything else."""
    key, _, value = text.partition("=")
    low, mark, high = value.partition(":")
    try:
        return key.strip(), (float(low), float(high)) if mark else None
    except ValueError:
        return key.strip(), None


def listed(value: str | None, option: str, fewest: int, most: int) -> list[str]:
    """The parts of a comma-separated option."""
    parts = [part.strip() for part in value.split(",")] if value else []
    if parts and not fewest <= len(parts) <= most:
        raise click.BadParameter(f"{len(parts)} names; {fewest} are needed", param_hint=option)
    return parts
