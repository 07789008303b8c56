"""What would somebody who must decide want to read? One HTML file with the answer, the pictures and the grounds."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim.report.answer import about, answer
from sim.report.captions import captions
from sim.report.figures import Plot
from sim.report.grounds import grounds, policy_rows, target_rows, technology_rows
from sim.report.pages import page
from sim.report.policies import effect_rows
from sim.report.style import inside_page
from sim.report.words import TEMPLATES, table
from sim.results.folder import provenance, write_whole

if TYPE_CHECKING:
    from sim.results.run import Results


def html(results: Results, command: str = "", plot: Plot | None = None, made: Mapping[str, Any] | None = None) -> str:
    """The whole report as HTML: nothing in it is fetched, everything from data is escaped.

    `made` is the provenance of saved results; without it, that of these results here and now.
    """
    plot = plot or Plot(results)
    effects = plot.effect_table
    return page(
        TEMPLATES / "report.html",
        scenario=results.scenario,
        about=about(results),
        answer=answer(results, effects),
        pictures=_pictures(results, plot),
        effects=effect_rows(results, effects) if effects else None,
        targets=target_rows(results),
        policies=policy_rows(results),
        grounds=grounds(results),
        technologies=technology_rows(results.scenario),
        made=_lasting({"command": ""} | dict(made or provenance(results, command))),
    )


def _pictures(results: Results, plot: Plot) -> list[dict[str, str]]:
    """Name, title, caption and SVG of every applicable picture, in the order of the report."""
    titles = table()["picture"]
    return [
        {"name": name, "title": titles[name], "caption": caption, "svg": inside_page(plot.text(name))}
        for name, caption in captions(results, plot.split).items()
    ]


def _lasting(made: Mapping[str, Any]) -> dict[str, Any]:
    """Provenance without what differs between two runs of the same thing: the same run gives the same report."""
    inputs = {"/".join(re.split(r"[/\\]", name)[-2:]): mark for name, mark in made["inputs"].items()}
    return {key: value for key, value in made.items() if key not in ("time", "platform")} | {"inputs": inputs}


def write_report(
    results: Results,
    path: str | Path,
    command: str = "",
    plot: Plot | None = None,
    made: Mapping[str, Any] | None = None,
) -> None:
    """Write the report, whole or not at all; `made` as in `html`."""
    write_whole(path, html(results, command, plot, made))


def summary_html(results: Results) -> str:
    """A run in a notebook: what was run, the answer, and the first picture."""
    plot = Plot(results)
    picture, lines = inside_page(plot.text("programme")), answer(results, plot.effect_table)
    title, shown = results.scenario.title, about(results)
    return page(TEMPLATES / "summary.html", title=title, about=shown, answer=lines, picture=picture)
