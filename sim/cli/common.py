"""What do all commands share? The scenario of a command line, messages on stderr, progress, exit codes."""

from __future__ import annotations

import functools
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from sim.scenario.scenario import Scenario

DONE, OUR_FAULT, INVALID, SOME_FAILED, CHECK_FAILED, INTERRUPTED = 0, 1, 2, 3, 4, 130
SECONDS_BETWEEN_LINES = 10.0

threads_option = click.option("--threads", type=click.IntRange(1, 1024), help="Threads [default: all cores].")
json_option = functools.partial(click.option, "--json", "machine", is_flag=True)


def scenario_argument(function: Callable[..., Any]) -> Callable[..., Any]:
    """SCENARIO and key=value overrides, as every command takes them."""
    function = click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")(function)
    return click.argument("source", metavar="SCENARIO")(function)


def folder_option(words: str) -> Callable[..., Any]:
    """`-o DIR`, and what it is for."""
    return click.option("-o", "--output", type=click.Path(path_type=Path, file_okay=False), help=words)


def load_scenario(source: str, overrides: Sequence[str]) -> Scenario:
    """The scenario of a command line, with its overrides. Raises InputError."""
    from sim.scenario.document import parse_override
    from sim.scenario.scenario import load

    return load(source, dict(parse_override(text) for text in overrides))


def say(text: str) -> None:
    """A message for people, on stderr: stdout is for the answer alone."""
    click.echo(text, err=True)


def announce_compilation() -> None:
    """Say so when the engine is about to be compiled, since nothing else is seen to happen meanwhile."""
    from sim.engine.compiling import is_cached

    if not is_cached():
        say("Compiling the engine for this machine; this happens once and takes about half a minute.")


# Progress


def now_and_then(at_once: bool = False) -> Callable[[], bool]:
    """Tells whether a line is due: not more than one in ten seconds, and the first one `at_once` or after as long."""
    told = -SECONDS_BETWEEN_LINES if at_once else time.monotonic()

    def due() -> bool:
        nonlocal told
        now = time.monotonic()
        if now - told < SECONDS_BETWEEN_LINES:
            return False
        told = now
        return True

    return due


@contextmanager
def progress_bar(title: str) -> Iterator[Callable[[str, int, int], None]]:
    """A progress bar on stderr where that is a terminal; else the share that is done, now and then."""
    if not sys.stderr.isatty():
        say(f"Running {title} ...")
        due = now_and_then()

        def tell(arm: str, done: int, total: int) -> None:
            if due():
                say(f"{100 * done // total} % done ({arm})")

        yield tell
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed:.0f}/{task.total:.0f}")
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True) as bar:
        shown = bar.add_task(title, total=1)

        def advance(arm: str, done: int, total: int) -> None:
            bar.update(shown, description=f"{title}, {arm}", completed=done, total=total)

        yield advance


def rate_of_runs(runs: int) -> Callable[[int, int], None]:
    """Lines on stderr with the rate and the time left, now and then; the last one when all is done."""
    begun: tuple[float, int] | None = None
    due = now_and_then(at_once=True)

    def tell(done: int, total: int) -> None:
        nonlocal begun
        now = time.monotonic()
        begun = begun or (now, done)  # what a resumed sweep had, and the first part, which compiled, are not its pace
        rate = (done - begun[1]) / (now - begun[0]) if now > begun[0] else 0.0
        if due() or done == total:
            left = f", {rate:.0f} runs a second, {spoken_time((total - done) / rate)} left" if rate else ""
            say(f"{done} of {total} runs{left if done < total else ''}")

    say(f"{runs} runs")
    return tell


def spoken_time(seconds: float) -> str:
    """A time as people say it."""
    for size, unit in ((86_400.0, "days"), (3_600.0, "hours"), (60.0, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} seconds" if seconds >= 2 else "2 seconds"
