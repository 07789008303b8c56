"""Is any input read without a word that should not be, or refused without a clear one?

    python tests/robustness/fuzz.py --examples 10000

Every example is a whole scenario folder made from a seed. *Dressed*: the same content written otherwise (line ends,
byte-order mark, quotes, comments, semicolons); it must load to the same scenario. *Planted*: one known fault at a known
line, in a dressed folder; it must be refused, and the line named. *Blind*: bytes damaged at random; it may be accepted
or refused. Whatever is accepted must read back from its resolved form and run; nothing may raise, warn or hang.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import random
import re
import signal
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import numpy as np

from sim.engine.rows import Simulation
from sim.scenario.errors import InputError
from sim.scenario.places import COLUMNS
from sim.scenario.scenario import Scenario, load

HERE = Path(__file__).parent.parent / "scenarios"
MAIN = "everything.toml"
TABLES = {
    "places": "places", "regions": "regions_full", "technologies": "technologies",
    "portfolios": "portfolios", "specialization": "specialization", "links": "links",
}  # fmt: skip
REFERENCES = {
    ("places", "region"), ("portfolios", "place"), ("portfolios", "technology"), ("specialization", "region"),
    ("specialization", "domain"), ("links", "from"), ("links", "to"), ("technologies", "requires"),
}  # fmt: skip
NO_NUMBERS = ("many", "1..5", "nan", "-inf", "1e999", "-1e15", "1e15", "1 000", "１２", "0x1F", "5%", "--1", "1_0", "+")
NO_NUMBER_VALUES = ('"much"', "true", "nan", "-inf", "-1e30", "[1]", "{}", "1979-05-27", "[[]]", "'5'")
SYNTAX = ("{key} {value}", "{key} = ", "{key} = {value} ]", "{key} = {value}\n{key} = {value}", '{key} = "open', "= 5")
MARKS = ("[", "]", "=", '"', "'", "\n", "\r", ";", ",", "-", ".", "nan", "e999", "\0", "\\", '"""', "{", "\ufeff", "é")
SECONDS = 60


@dataclass
class Example:
    """A folder's files by name, the kind of the example, and the file and line of a planted fault."""

    kind: str
    what: str
    files: dict[str, bytes]
    expected: tuple[str, int] | None = None


@dataclass
class Outcome:
    """What became of an example: `fault` says what is wrong with the program's answer."""

    answer: str
    fault: str = ""
    right: bool | None = None
    seconds: float = 0.0


class TookTooLongError(Exception):
    """An example that did not end in time."""


def base_files() -> dict[str, bytes]:
    """The sound folder that all examples are made from."""
    names = [f"tables/{name}.csv" for name in [*TABLES.values(), "portfolios_more"]]
    names += ["fits/two.json", "fits/targets.json", "outlines/two.geojson"]
    return {MAIN: (HERE / "valid" / MAIN).read_bytes(), **{name: (HERE / name).read_bytes() for name in names}}


def example(number: int, seed: int, base: dict[str, bytes]) -> Example:
    """Example `number` of a seed."""
    chance = random.Random(f"{seed}/{number}")
    make = chance.choices((dressed, planted, blind), (1, 5, 4))[0]
    return make(dict(base), chance)


def dressed(files: dict[str, bytes], chance: random.Random) -> Example:
    """The same content, written otherwise."""
    _dress(files, chance)
    return Example("dressed", "", files)


def planted(files: dict[str, bytes], chance: random.Random) -> Example:
    """One fault at a line that is known because it was put there."""
    if chance.random() < 0.5:
        _dress(files, chance, but=MAIN)
        what, line = _plant_in_text(files, chance)
        return Example("planted", what, files, (MAIN, line))
    table = chance.choice(sorted(TABLES))
    name = f"tables/{TABLES[table]}.csv"
    _dress(files, chance, but=name)
    rows = list(csv.reader(io.StringIO(files[name].decode())))
    what, row, raw = _plant_in_table(table, rows, chance)
    files[name], lines = _written(rows, chance, raw)
    return Example("planted", f"{table}: {what}", files, (name, lines[row]))


def _dress(files: dict[str, bytes], chance: random.Random, but: str = "") -> None:
    for name, data in list(files.items()):
        if name != but and name.endswith(".csv") and chance.random() < 0.5:
            files[name] = _written(list(csv.reader(io.StringIO(data.decode()))), chance)[0]
        elif name != but and name.endswith(".toml"):
            files[name] = _ended(_commented(data.decode().splitlines(), chance), chance)


def _commented(lines: list[str], chance: random.Random) -> list[str]:
    """The lines of a scenario, some with a comment or an empty line before them."""
    result, inside = [], False
    for line in lines:
        if not inside and chance.random() < 0.1:
            result.append(chance.choice(("", "# [not.a.section]", "   # peers = -1", "\t")))
        inside ^= line.count('"""') % 2 == 1
        plain = not inside and '"""' not in line and line
        result.append(line + chance.choice(("", "", "  # why = 'it is so'")) if plain else line)
    return result


def _ended(lines: list[str], chance: random.Random) -> bytes:
    text = chance.choice(("\n", "\n", "\r\n")).join([*lines, ""])
    return text.encode(chance.choice(("utf-8", "utf-8-sig")))


def _written(rows: list[list[str]], chance: random.Random, raw: str = "") -> tuple[bytes, list[int]]:
    """A table's bytes in one of many ways, and the line on which each row begins.

    `raw` says that a cell holds what no other dressing may hide: it stays with commas and without quotes.
    """
    separator = ";" if not raw and chance.random() < 0.3 else ","
    end = chance.choice(("\n", "\r\n"))
    text, lines = "", []
    for number, row in enumerate(rows):
        if number and chance.random() < 0.2:
            text += end
        cells = [_cell(cell, separator, raw, chance) for cell in row]
        lines.append(text.count("\n") + 1)
        text += separator.join(cells) + end
    encodings = ["utf-8", "utf-8-sig"]
    return text.encode(chance.choice(encodings), "surrogateescape"), lines


def _cell(cell: str, separator: str, raw: str, chance: random.Random) -> str:
    if separator == ";" and re.fullmatch(r"\d+\.\d+", cell):
        cell = cell.replace(".", ",")
    if raw:
        return cell
    if cell == "invented for tests" and chance.random() < 0.1:
        cell = "invented\nfor tests"
    quoted = '"' + cell.replace('"', '""') + '"'
    return quoted if separator in cell or "\n" in cell or chance.random() < 0.1 else cell


def _plant_in_text(files: dict[str, bytes], chance: random.Random) -> tuple[str, int]:
    """Put a fault into the scenario's text; what it is, and its line."""
    lines = _commented(files[MAIN].decode().splitlines(), chance)
    pairs = [(at, found) for at, line in enumerate(lines) if (found := re.match(r"([\w.]+) = ([^#]*[^#\s])", line))]
    at, found = chance.choice([(at, pair) for at, pair in pairs if '"""' not in pair[2]])
    key, value = found[1], found[2]
    fault = chance.choice((_misspelt, _wrong_value, _wrong_value, _wrong_value, _broken))(key, value, chance)
    lines[at] = fault
    line = at + 1 + fault.count("\n")
    files[MAIN] = _ended(lines, chance)
    return fault, line


def _misspelt(key: str, value: str, chance: random.Random) -> str:
    return f"{key}{chance.choice(('s_', 'x', '_', '1x'))} = {value}"


def _broken(key: str, value: str, chance: random.Random) -> str:
    return chance.choice(SYNTAX).format(key=key, value=value)


def _wrong_value(key: str, value: str, chance: random.Random) -> str:
    """The key with a value that it may not hold."""
    last = key.rsplit(".", maxsplit=1)[-1]
    choices: tuple[str, ...] = ("5", "true", "[]", "nan", "{}")
    if last in ("start", "end", "from", "until", "date", "before"):
        choices = ('"2018-13"', "2018", '"yesterday"', "true", '"18-04"', "2018-04-01T10:00:00", '"2018-4"', "[]")
    elif last in ("region", "technology"):
        choices = ('"nowhere"', "5", "[]", '""')
    elif last in ("fit", *TABLES, "outline"):
        choices = ('"nowhere.csv"', '"/etc/passwd"', '"../x.csv"', '"tables"', "5", "['a']", '"tables/\\u0000"')
    elif last in ("kind", "coefficients", "draws"):
        choices = ('"sometimes"', "5", "true", "[]", '""')
    elif last == "use":
        choices = ('"yes"', "0", "1", "[]", "{}")
    elif last in ("share", "count"):
        choices = ("[2, 1]", "0.5", "[-1, 0]", "[0.1]", "[0, 1, 2]", '["a", "b"]', "[nan, 1]", "{}")
    elif last in ("focus", "mandates"):
        choices = ('"nowhere"', "5", "true", '["nowhere"]')
    elif re.fullmatch(r"[\d.]+", value):
        choices = NO_NUMBER_VALUES
    return f"{key} = {chance.choice(choices)}"


def _plant_in_table(table: str, rows: list[list[str]], chance: random.Random) -> tuple[str, int, str]:
    """Put a fault into the rows; what it is, its row, and whether it must be written as it is."""
    row = chance.randrange(1, len(rows))
    choices: list[Callable[..., tuple[str, int, str]]] = [_wrong_cell] * 5
    choices += [_ragged, _open_quote, _bad_byte, _wrong_header]
    if table != "links":
        choices.append(_repeated_row)
    return chance.choice(choices)(table, rows, row, chance)


def _wrong_cell(table: str, rows: list[list[str]], row: int, chance: random.Random) -> tuple[str, int, str]:
    columns = COLUMNS[table]
    names = [n for n in rows[0] if columns[n].kind != "text" or not columns[n].empty or (table, n) in REFERENCES]
    names += ["role"] if table == "places" else []
    name = chance.choice(names)
    column = columns[name]
    if column.kind == "number":
        wrong = chance.choice([*NO_NUMBERS, *([] if column.empty else [""])])
    elif column.kind == "flag":
        wrong = chance.choice(("yes", "2", "true", "-"))
    elif (table, name) in REFERENCES or name in ("role", "channel"):
        wrong = chance.choice(("nowhere", "=1+1", "<b>", *([] if column.empty else [""])))
    else:
        wrong = ""
    rows[row][rows[0].index(name)] = wrong
    return f"{name} = {wrong!r}", row, "as it is"


def _ragged(table: str, rows: list[list[str]], row: int, chance: random.Random) -> tuple[str, int, str]:
    rows[row] = rows[row][:-1] if chance.random() < 0.5 else [*rows[row], "x"]
    return f"{len(rows[row])} cells", row, ""


def _open_quote(table: str, rows: list[list[str]], row: int, chance: random.Random) -> tuple[str, int, str]:
    at = chance.randrange(len(rows[row]))
    rows[row][at] = '"' + rows[row][at]
    return "a quote that is not closed", row, "as it is"


def _bad_byte(table: str, rows: list[list[str]], row: int, chance: random.Random) -> tuple[str, int, str]:
    at = chance.randrange(len(rows[row]))
    byte = chance.choice(("\udc98", "\0"))  # 0x98 is no character of UTF-8 or CP1251
    rows[row][at] += byte
    return f"byte {byte.encode('utf-8', 'surrogateescape')!r}", row, "as it is"


def _wrong_header(table: str, rows: list[list[str]], row: int, chance: random.Random) -> tuple[str, int, str]:
    at = chance.randrange(len(rows[0]))
    rows[0][at] = chance.choice((rows[0][at] + "x", rows[0][at - 1], "", "id;name", "="))
    return f"header {rows[0][at]!r}", 0, ""


def _repeated_row(table: str, rows: list[list[str]], row: int, chance: random.Random) -> tuple[str, int, str]:
    rows.insert(row + 1, list(rows[row]))
    return "the row twice", row + 1, ""


def blind(files: dict[str, bytes], chance: random.Random) -> Example:
    """Bytes damaged at random in one file or two."""
    what = []
    for _ in range(chance.choice((1, 1, 2, 3))):
        name = chance.choice([MAIN, *files])
        damage = chance.choice((_inserted, _deleted, _flipped, _lines_moved, _cut, _recoded, _grown, _digit))
        files[name] = damage(files[name], chance)
        what.append(f"{name} {damage.__name__[1:]}")
    return Example("blind", ", ".join(what), files)


def _inserted(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data) + 1)
    put = chance.choice(MARKS).encode() if chance.random() < 0.7 else chance.randbytes(chance.randint(1, 6))
    return data[:at] + put + data[at:]


def _deleted(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data) + 1)
    return data[:at] + data[at + chance.randint(1, 30) :]


def _flipped(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(max(len(data), 1))
    return data[:at] + bytes([chance.randrange(256)]) + data[at + 1 :]


def _lines_moved(data: bytes, chance: random.Random) -> bytes:
    lines = data.splitlines(keepends=True) or [b""]
    chosen = chance.choice(lines)
    if chance.random() < 0.5:
        lines.remove(chosen)
    lines.insert(chance.randrange(len(lines) + 1), chosen)
    return b"".join(lines)


def _cut(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data) + 1)
    return data[:at] if chance.random() < 0.7 else data[at:]


def _recoded(data: bytes, chance: random.Random) -> bytes:
    encoding = chance.choice(("cp1251", "koi8-r", "cp866", "utf-16", "latin-1", "utf-8-sig", "utf-32-be"))
    return data.decode("utf-8", "replace").encode(encoding, "replace")


def _grown(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data) + 1)
    return data[:at] + data[at : at + chance.randint(1, 40)] * chance.choice((2, 50, 2000)) + data[at:]


def _digit(data: bytes, chance: random.Random) -> bytes:
    places = [at for at, byte in enumerate(data) if chr(byte).isdigit()] or [0]
    at = chance.choice(places)
    return data[:at] + chance.choice((b"-1", b"0", b"99999999999", b"1e308", b"5e-324", b"-0.0", b"'")) + data[at + 1 :]


def answer(given: Example, folder: Path, sound: dict[str, object]) -> Outcome:
    """Load an example from a folder, and judge what comes of it."""
    _put(folder, given.files)
    begin = time.perf_counter()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)
            outcome = _judged(given, folder, sound)
    except TookTooLongError:
        outcome = Outcome("hung", f"did not end in {SECONDS} seconds")
    except Exception as error:
        outcome = Outcome("raised", f"{type(error).__name__}: {error}"[:300])
    outcome.seconds = time.perf_counter() - begin
    return outcome


def _judged(given: Example, folder: Path, sound: dict[str, object]) -> Outcome:
    try:
        scenario = load(folder / MAIN)
    except InputError as error:
        return _judged_refusal(given, folder, error)
    resolved = scenario.resolved()
    if Scenario.from_resolved(json.loads(json.dumps(resolved))).resolved() != resolved:
        return Outcome("accepted", "does not read back to the same")
    _run_a_little(scenario)
    if given.kind == "planted":
        return Outcome("accepted", "accepted without a word", False)
    if given.kind == "dressed" and _plain(resolved) != _plain(sound):
        return Outcome("accepted", "read as something else")
    return Outcome("accepted")


def _plain(resolved: dict[str, object]) -> object:
    """A resolved scenario whose texts forget how their lines end."""
    return json.loads(json.dumps(resolved).replace("invented\\nfor", "invented for").replace("\\r\\n", "\\n"))


def _run_a_little(scenario: Scenario) -> None:
    """Three steps of the scenario and of its last policy; every figure must be one."""
    for name in dict.fromkeys((None, *list(scenario.policies)[-1:])):
        simulation = Simulation(scenario.arm(name), 1)
        simulation.advance(3)
        if (simulation.events["adopted"] > 3).any() or np.isinf(simulation.state.yearly).any():
            raise ArithmeticError("an event beyond the last step, or an infinite figure")


def _judged_refusal(given: Example, folder: Path, error: InputError) -> Outcome:
    """Every problem is one line that names a file, and a line that the file has."""
    for problem in error.problems:
        text = str(problem)
        name = problem.file.removeprefix(f"{folder}/")
        count = len(re.split(rb"\r\n|\r|\n", given.files.get(name, b"")))
        if not problem.file or len(text.splitlines()) != 1 or len(text) > 2000 or not problem.message:
            return Outcome("refused", f"unclear: {text[:200]!r}", False)
        if name in given.files and problem.line > count:
            return Outcome("refused", f"no such line: {text[:200]}", False)
    if given.kind == "dressed":
        return Outcome("refused", str(error)[:300])
    if given.expected is None:
        return Outcome("refused")
    named = {(problem.file.removeprefix(f"{folder}/"), problem.line) for problem in error.problems}
    return Outcome("refused", "", given.expected in named)


def _alarm(number: int, frame: FrameType | None) -> None:
    raise TookTooLongError


def study(count: int, seed: int = 1, first: int = 0, tell: Callable[[str], None] = print) -> dict[str, float]:
    """Try `count` examples; counts of each kind and answer, of right lines, and of faults, which are told."""
    base, tally, slowest = base_files(), Counter[str](), 0.0
    before = signal.signal(signal.SIGALRM, _alarm)
    with tempfile.TemporaryDirectory() as root:
        folder = Path(root) / "case"
        _put(folder, base)
        sound = load(folder / MAIN).resolved()
        _run_a_little(load(folder / MAIN))  # the engine may have to be compiled, which is no part of an example
        try:
            for number in range(first, first + count):
                given = example(number, seed, base)
                signal.alarm(SECONDS)
                outcome = answer(given, folder, sound)
                signal.alarm(0)
                slowest = max(slowest, outcome.seconds)
                tally.update([f"{given.kind} {outcome.answer}"])
                tally.update(["right line"] * (outcome.right is True) + ["wrong line"] * (outcome.right is False))
                tally.update(["faults"] * bool(outcome.fault))
                if outcome.fault or outcome.right is False:
                    about = f"{number}: {given.kind} ({given.what!r}, {given.expected})"
                    tell(f"{about}: {outcome.fault or 'another line'}")
        finally:
            signal.alarm(0)
            signal.signal(signal.SIGALRM, before)
    return {"examples": count, **dict(sorted(tally.items())), "slowest, seconds": round(slowest, 2)}


def _put(folder: Path, files: dict[str, bytes]) -> None:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


def main() -> None:
    """Try examples and print what became of them; exit 1 when a fault was found or too few lines were right."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--examples", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="number of the first example, to repeat one")
    asked = parser.parse_args()
    found = study(asked.examples, asked.seed, asked.first, lambda text: print(text, file=sys.stderr, flush=True))
    print(json.dumps(found, indent=2, ensure_ascii=False))
    lines = found.get("right line", 0), found.get("wrong line", 0)
    if found.get("faults", 0) or lines[0] < 0.99 * sum(lines):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
