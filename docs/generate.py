"""What in the documents comes from the program? Tables of keys and columns, help texts, and outputs of commands.

`python docs/generate.py` writes the tables and help texts anew; with `--outputs` it also runs the commands of the
pages and writes what they print. tests/test_docs.py checks that both are current.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

DOCS = Path(__file__).parent
MARK = re.compile(r"(<!-- generated: ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)
FENCE = re.compile(
    r"(?:<!-- (?P<note>[^\n]*?) -->\n)?```(?P<kind>bash|python|toml|csv|text)\n(?P<text>.*?)```", re.DOTALL
)
SEPARATOR = "\x1e"
FITS = ("grp", "adoption", "targets", "claims")


# Tables and help texts


def table(head: str, rows: Iterable[str]) -> str:
    """A table of the words between bars: `key | meaning`."""
    first, *rest = (f"| {row} |\n" for row in (head, *rows))
    return "".join([first, "|", "---|" * (head.count("|") + 1), "\n", *rest])


def parameters() -> str:
    """Every parameter by section: key, meaning, unit, default, plausible range, grounds."""
    from sim.scenario.schema import parameter_table

    parts = []
    for section, rows in groupby(parameter_table(), lambda row: row.key.rpartition(".")[0]):
        lines = []
        for row in rows:
            symbol = f" ({row.symbol})" if row.symbol else ""
            times = f"{row.times[0]:g} to {row.times[1]:g} times the scenario's" if row.times else ""
            plausible = times if row.low is None else f"{row.low:g} to {row.high:g}"
            default = "none" if row.default is None else row.default
            default = f"{default:g}" if isinstance(default, int | float) else default
            key = row.key.rpartition(".")[2]
            lines.append(f"`{key}` | {row.meaning}{symbol} | {row.unit} | {default} | {plausible} | {row.basis}")
        title = "[[mandates]]" if section.startswith("mandates") else f"[{section}]"
        parts.append(f"### `{title}`\n\n{table('key | meaning | unit | default | plausible | grounds', lines)}")
    return "\n".join(parts)


def other_keys() -> str:
    """Keys that are no parameters: those of the whole file, of tables, settlements, fits, targets."""
    from sim.scenario import schema as known

    sections: dict[str, type[known.Section]] = {
        "": known.Settings, "tables": known.Tables, "settlements": known.Settlements,
        "parameters": known.ParameterDraws, "mandates": known.Mandate, "targets.NAME": known.Target,
        "policies.NAME": known.Policy,
    }  # fmt: skip
    lines = []
    for prefix, section in sections.items():
        for name, field in section.model_fields.items():
            if field.description and name != "overrides" and not isinstance(field.json_schema_extra, dict):
                key = ".".join(filter(None, [prefix, field.alias or name]))
                allowed = _allowed(str(field.annotation), known.permitted(field))
                lines.append(f"`{key}` | {field.description} | {allowed}")
    return table("key | meaning | may hold", lines)


def _allowed(annotation: str, permitted: str) -> str:
    """What a key of that type may hold; `permitted` is what its field says, of one value where it is a list."""
    if "tuple[float" in annotation:
        return "two numbers, lowest and highest"
    if "tuple[str" in annotation:
        return "a list of texts"
    return permitted or ("a date such as 2018-04" if "date" in annotation else "text")


def columns() -> str:
    """Every column of every table: whether it must be there, what a cell may hold, its unit."""
    from sim.scenario.places import COLUMNS

    parts = []
    for name, given in COLUMNS.items():
        lines = [
            f"`{key}` | {'yes' if column.required else 'no'} | {column.allowed} | {column.unit}"
            for key, column in given.items()
        ]
        parts.append(f"### {name}\n\n{table('column | must be there | a cell holds | unit', lines)}")
    return "\n".join(parts)


def help_texts() -> str:
    """What `--help` of every command says, and of every fit of `uptake calibrate`."""
    import click

    from sim.cli.main import program

    def told(command: click.Command | None, name: str, within: click.Context) -> Iterator[str]:
        assert command is not None, f"there is no command {name}"
        context = click.Context(command, info_name=name, parent=within, terminal_width=100, max_content_width=100)
        yield f"### {context.command_path}\n\n```\n{command.get_help(context).rstrip()}\n```\n"
        if isinstance(command, click.Group):
            for part in FITS:
                yield from told(command.get_command(context, part), part, context)

    outer = program.make_context("uptake", [], resilient_parsing=True)
    names = program.list_commands(outer)
    return "\n".join(text for name in names for text in told(program.get_command(outer, name), name, outer)) + "\n"


GENERATED = {"parameters": parameters, "other-keys": other_keys, "columns": columns, "help": help_texts}


def renewed(text: str) -> str:
    """A page with its generated parts written anew."""
    return MARK.sub(lambda found: found[1] + "\n" + GENERATED[found[2]]() + "\n" + found[3], text)


# Commands and what they print


@dataclass
class Snippet:
    """A fenced block that can be run or written: its kind, text, the note in the comment before it, and its place."""

    kind: str
    text: str
    note: str
    start: int
    end: int


def snippets(page: str) -> Iterator[Snippet]:
    """The fenced blocks of a page in order."""
    for found in FENCE.finditer(page):
        yield Snippet(found["kind"], found["text"], found["note"] or "", found.start("text"), found.end("text"))


def outputs(page: str, folder: Path) -> Iterator[tuple[Snippet, str, Snippet | None]]:
    """Run a page in a folder: each command or program, what it printed, and the block `text` below it, if any.

    The Python of a page is one program, run where its last part stands. A block of kind toml or csv whose first line
    is `# name` is written to that file. Notes: `not run` leaves a block out, `fails` expects a command that fails.
    Raises RuntimeError where a command does otherwise.
    """
    blocks = list(snippets(page))
    below = dict(zip((block.end for block in blocks), blocks[1:], strict=False))
    programs = [block for block in blocks if block.kind == "python" and _runs(block)]
    for block in blocks:
        if block.note.startswith("not run") or block.kind == "text":
            continue
        if block.kind in ("toml", "csv"):
            _write(block.text, folder)
        elif block.kind == "bash":
            yield block, _run(["bash", "-euc", block.text], folder, block.note.startswith("fails")), _text(below, block)
        elif block is programs[-1]:
            script = f"print({SEPARATOR!r}, end='')\n".join(program.text for program in programs)
            printed = _run([sys.executable, "-c", script], folder, False).split(SEPARATOR)
            for program, part in zip(programs, printed, strict=True):
                yield program, part, _text(below, program)


def _text(below: dict[int, Snippet], block: Snippet) -> Snippet | None:
    """The block that shows what this one prints."""
    found = below.get(block.end)
    return found if found is not None and found.kind == "text" else None


def _write(text: str, folder: Path) -> None:
    first, _, rest = text.partition("\n")
    named = re.fullmatch(r"# ([\w./-]+\.(?:toml|csv))", first)
    if named:
        path = folder / named[1]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text if path.suffix == ".toml" else rest, encoding="utf-8")


def _run(arguments: list[str], folder: Path, fails: bool) -> str:
    """What a command prints: stdout, or stderr where it is to fail."""
    shim = folder / ".bin"
    if not shim.is_dir():
        shim.mkdir()
        (shim / "uptake").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m uptake "$@"\n', encoding="utf-8")
        (shim / "uptake").chmod(0o755)
    environment = {**os.environ, "PATH": f"{shim}{os.pathsep}{os.environ['PATH']}", "COLUMNS": "100"}
    environment |= {
        "MPLBACKEND": "Agg",
        "PYTHONPATH": os.pathsep.join([str(DOCS.parent), os.environ.get("PYTHONPATH", "")]),
    }
    done = subprocess.run(arguments, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if (done.returncode != 0) != fails:
        raise RuntimeError(f"{arguments[-1]}\nexit {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done.stderr if fails else done.stdout


def with_outputs(page: str, folder: Path) -> str:
    """A page with the output of its commands written anew."""
    changes = [(below, printed) for _, printed, below in outputs(page, folder) if below is not None]
    for below, printed in sorted(changes, key=lambda change: -change[0].start):
        page = page[: below.start] + printed.rstrip() + "\n" + page[below.end :]
    return page


def executable() -> list[Path]:
    """The pages with commands or programs to run: tutorial, how-tos, Python."""
    pages = [DOCS / "tutorial.md", *sorted((DOCS / "howto").glob("*.md")), DOCS / "reference" / "python.md"]
    return [page for page in pages if any(map(_runs, snippets(page.read_text(encoding="utf-8"))))]


def _runs(block: Snippet) -> bool:
    return block.kind in ("bash", "python") and not block.note.startswith("not run")


def main() -> None:
    """Write everything anew."""
    for path in sorted(DOCS.rglob("*.md")):
        before = path.read_text(encoding="utf-8")
        text = renewed(before)
        if "--outputs" in sys.argv and path in executable():
            with tempfile.TemporaryDirectory() as folder:
                text = with_outputs(text, Path(folder))
        if text != before:
            path.write_text(text, encoding="utf-8", newline="\n")
            print(path.relative_to(DOCS))


if __name__ == "__main__":
    main()
