"""How does somebody begin a scenario of their own? `uptake new NAME` writes one that runs at once."""

from __future__ import annotations

import json
import re
import shutil
from importlib.resources import files
from pathlib import Path

import click

from sim.scenario.errors import InputError, Problem

_SCENARIO = "scenario.toml"
_SCHEMA = "scenario.schema.json"


@click.command("new")
@click.argument("name", metavar="NAME")
def new_command(name: str) -> None:
    """Begin a scenario of your own: a folder NAME with a commented scenario and small tables, which runs at once."""
    written = write_scenario(Path(name))
    click.echo(f"{written}: two regions, twelve places, four technologies and two policies, all invented.")
    click.echo(f"Run it:   uptake run {written}")
    click.echo(f"Check it: uptake check {written}")


def write_scenario(folder: Path) -> Path:
    """Write the example into a new folder; returns the path of its TOML file, which has the folder's name.

    Raises InputError for a name that is none, or a folder that exists or cannot be made.
    """
    if not re.fullmatch(r"[\w-]{1,80}", folder.name):
        raise _refused(folder, f"{folder.name!r} is not a name", "letters, digits, - and _")
    if folder.exists():
        raise _refused(folder, "this exists already", "another name")
    try:
        folder.mkdir(parents=True)
        return _written(folder)
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)  # half a scenario would be taken for one
        message = f"the folder cannot be written: {error.strerror or error}"
        raise _refused(folder, message, "a place that you may write to") from error


def _written(folder: Path) -> Path:
    """Copy the template under the folder's name, and write the schema that editors complete keys from."""
    from sim.scenario.schema import json_schema

    target = folder / f"{folder.name}.toml"
    for source in files("sim.cli").joinpath("template").iterdir():
        text = source.read_text(encoding="utf-8")
        if source.name == _SCENARIO:
            text = text.replace("TITLE", folder.name).replace("NAME.toml", target.name)
        path = target if source.name == _SCENARIO else folder / source.name
        path.write_text(text, encoding="utf-8", newline="\n")
    schema = json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"
    (folder / _SCHEMA).write_text(schema, encoding="utf-8", newline="\n")
    return target


def _refused(folder: Path, message: str, allowed: str) -> InputError:
    """The error for a folder that no scenario can be written to."""
    return InputError(Problem(str(folder), 0, "NAME", message, allowed))
