"""Which calibrations can be asked for on the command line?"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click


class Group(click.Group):
    """Commands for which wrong input is one line and exit 2, never a traceback."""

    def invoke(self, ctx: click.Context) -> object:
        """Run the command asked for."""
        from sim.scenario.errors import InputError

        try:
            return super().invoke(ctx)
        except InputError as error:
            click.echo(error, err=True)
            raise click.exceptions.Exit(2) from None


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
def calibrate() -> None:
    """Fit the model's numbers to data, and say how fragile the fit is."""


@calibrate.command()
@click.argument("table", type=click.Path(path_type=Path))
@click.option("--form", type=click.Choice(["linear", "loglog", "best"]), default="linear", show_default=True)
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write the fit to this file.")
@click.option("--json", "machine", is_flag=True, help="Print JSON instead of words.")
@click.option("--page", type=click.Path(path_type=Path, dir_okay=False), help="Write a page with pictures (HTML).")
@click.option("--columns", help="y,x1,x2[,name] of the table; default: grp_bln,industry_bln,urban_population.")
@click.option("--units", help='Units of y, x1 and x2, such as "bln KZT,bln KZT,persons".')
@click.option("--draws", type=click.IntRange(100, 100_000), default=1000, show_default=True, help="Bootstrap draws.")
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Seed of the bootstrap.")
def grp(
    table: Path,
    *,
    form: str,
    output: Path | None,
    machine: bool,
    page: Path | None,
    columns: str | None,
    units: str | None,
    draws: int,
    seed: int,
) -> None:
    """Fit regional product on industry and urban population; TABLE has one row a region."""
    from calibration.grp import report as grp_report
    from calibration.grp.fit import COLUMNS, fit, read_regions

    keys = _listed(columns, "--columns", 3, 4) or COLUMNS
    regions = read_regions(table, keys, _listed(units, "--units", 3, 3))
    fitted = fit(regions, form, seed, draws)
    if output:
        grp_report.write_fit(fitted, output)
        click.echo(f"wrote {output}", err=True)
    if page:
        from calibration.grp.page import write_page

        write_page(fitted, page)
        click.echo(f"wrote {page}", err=True)
    result = json.dumps(grp_report.as_json(fitted), ensure_ascii=False, indent=1) if machine else None
    click.echo(result or grp_report.in_words(fitted))


@calibrate.command()
@click.argument("source", metavar="SCENARIO")
@click.argument("settings", nargs=-1, metavar="[KEY=VALUE | KEY=LOW:HIGH]...")
@click.option("--use", multiple=True, metavar="NAME", help="Use this target too, whatever the scenario says.")
@click.option("--with-plan", is_flag=True, help="Use plans as if they had come true.")
@click.option(
    "-n",
    "--draws",
    type=click.IntRange(1000, 10_000_000),
    default=131_072,
    show_default=True,
    help="Draws to simulate.",
)
@click.option(
    "--keep", type=click.IntRange(10, 100_000), default=1000, show_default=True, help="Posterior draws in the fit."
)
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=1, show_default=True, help="Seed of all chance.")
@click.option("--threads", type=click.IntRange(1, 1024), help="Threads [default: all cores].")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write the fit to this file.")
@click.option("--json", "machine", is_flag=True, help="Print JSON instead of words.")
@click.option("--page", type=click.Path(path_type=Path, dir_okay=False), help="Write a page with pictures (HTML).")
def targets(
    source: str,
    *,
    settings: tuple[str, ...],
    use: tuple[str, ...],
    with_plan: bool,
    draws: int,
    keep: int,
    seed: int,
    threads: int | None,
    output: Path | None,
    machine: bool,
    page: Path | None,
) -> None:
    """Fit parameters to the targets of SCENARIO: which of their plausible values agree with what was observed.

    KEY=LOW:HIGH searches another range, or one more parameter; KEY=VALUE changes the scenario.
    """
    from calibration.targets.fit import as_json, calibrate, in_words, write_fit
    from sim.cli.common import announce_compilation, load_scenario

    ranges = {key: limits for key, limits in map(_range, settings) if limits}
    scenario = load_scenario(source, [text for text in settings if not _range(text)[1]])
    announce_compilation()
    with click.progressbar(length=draws, label="Simulating draws", file=sys.stderr) as bar:
        done = 0

        def tell(now: int, _: int) -> None:
            nonlocal done
            bar.update(now - done)
            done = now

        fitted = calibrate(scenario, draws, seed, use, with_plan, ranges, keep, threads, tell)
    if output:
        write_fit(fitted, output)
        click.echo(f"wrote {output}", err=True)
    if page:
        from calibration.targets.page import write_page

        write_page(fitted, page)
        click.echo(f"wrote {page}", err=True)
    click.echo(json.dumps(as_json(fitted), ensure_ascii=False, indent=1) if machine else in_words(fitted))


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
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=1, show_default=True, help="Seed of all chance.")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write the JSON to this file.")
@click.option("--json", "machine", is_flag=True, help="Print JSON instead of words.")
@click.option("--page", type=click.Path(path_type=Path, dir_okay=False), help="Write a page with pictures (HTML).")
def adoption(
    events: Path,
    *,
    places: Path | None,
    network: Path | None,
    covariates: str | None,
    seed: int,
    output: Path | None,
    machine: bool,
    page: Path | None,
    **given: Any,
) -> None:
    """Fit rates to adoption dates; EVENTS has columns place, technology, date (empty: not adopted by the end)."""
    from calibration.adoption.data import Options, read
    from calibration.adoption.fit import as_json, fit, in_words
    from sim.results.folder import write_whole

    names = tuple(part.strip() for part in covariates.split(",")) if covariates else ()
    options = Options(covariates=names, **{key: value for key, value in given.items() if value is not None})
    fitted = fit(read(events, places, network, options), seed)
    result = json.dumps(as_json(fitted), ensure_ascii=False, indent=1)
    if output:
        write_whole(output, result + "\n")
        click.echo(f"wrote {output}", err=True)
    if page:
        from calibration.adoption.page import write_page

        write_page(fitted, page)
        click.echo(f"wrote {page}", err=True)
    click.echo(result if machine else in_words(fitted))


@calibrate.command()
@click.argument("wanted", nargs=-1, metavar="[ID]...")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write the page to this file.")
@click.option("--json", "machine", is_flag=True, help="Print JSON instead of a page (Markdown).")
def claims(wanted: tuple[str, ...], *, output: Path | None, machine: bool) -> None:
    """Compare each checkable sentence of both papers with data and model; ID such as K19 or Z12: only those."""
    from calibration.claims.claims import Evidence, as_json, page
    from calibration.claims.claims import claims as compare
    from sim.results.folder import write_whole

    found = compare(Evidence(lambda words: click.echo(words, err=True)), wanted)
    if output:
        write_whole(output, page(found))
        click.echo(f"wrote {output}", err=True)
    if machine or not output:
        click.echo(json.dumps(as_json(found), ensure_ascii=False, indent=1) if machine else page(found).rstrip())


def _range(text: str) -> tuple[str, tuple[float, float] | None]:
    """The key and limits of `key=low:high`; no limits for anything else."""
    key, _, value = text.partition("=")
    low, mark, high = value.partition(":")
    try:
        return key.strip(), (float(low), float(high)) if mark else None
    except ValueError:
        return key.strip(), None


def _listed(value: str | None, option: str, fewest: int, most: int) -> list[str]:
    """The parts of a comma-separated option."""
    parts = [part.strip() for part in value.split(",")] if value else []
    if parts and not fewest <= len(parts) <= most:
        raise click.BadParameter(f"{len(parts)} names; {fewest} are needed", param_hint=option)
    return parts
