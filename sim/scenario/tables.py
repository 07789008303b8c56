"""What does a CSV table hold, and which of its cells are wrong?"""

import csv
import hashlib
import io
import math
import re
import stat
from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from sim.scenario.errors import InputError, Problem, between, nearest, shortened

TABLE_LIMIT = 256 * 2**20
ROWS_AT_ONCE = 4096
_PARTED = "\0"
"""What parts the cells of a column in `_Packed`: a table that holds it is refused before."""

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_GROUPED = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}", re.ASCII)
_WORD = re.compile(r"[^\W\d_]+")
_CYRILLIC = re.compile(r"[А-Яа-яЁё]+")
_CYRILLIC_SIGNS = set("№«»—–°…\u00a0")


@dataclass(frozen=True)
class Column:
    """What a column may hold: its kind, whether it may be missing or empty, and its limits.

    `required`: the column must be there. `empty`: its cells may be empty. `low`, `high`: the permitted range.
    """

    kind: Literal["text", "number", "integer", "flag"] = "text"
    required: bool = True
    empty: bool = False
    low: float | None = None
    high: float | None = None
    unique: bool = False
    description: str = ""
    unit: str = ""

    @property
    def allowed(self) -> str:
        """What a cell may hold, in words."""
        if self.kind == "text":
            return "text" if self.empty else "a text that is not empty"
        if self.kind == "flag":
            return "1 or 0"
        words = between("a whole number" if self.kind == "integer" else "a number", self.low, self.high)
        return words + (", or an empty cell" if self.empty else "")


@dataclass(frozen=True, eq=False)
class Table:
    """Columns of a table: numbers float64[rows] (NaN: empty), flags bool[rows], texts a tuple of str.

    An optional column that the file does not have is there too, empty. `lines`: the file line where each row
    begins. `sha256` is that of the file's bytes.
    """

    path: str
    lines: np.ndarray
    columns: dict[str, Any] = field(repr=False)
    sha256: str = ""

    def __len__(self) -> int:
        return len(self.lines)

    def cells(self) -> dict[str, list[Any]]:
        """The columns as lists for JSON: None for an empty number; all-empty columns left out."""
        plain = {}
        for name, values in self.columns.items():
            cells = list(values) if isinstance(values, tuple) else _plain(values)
            if any(cell not in ("", None) for cell in cells):
                plain[name] = cells
        return plain


def _plain(values: np.ndarray) -> list[Any]:
    if values.dtype == bool:
        return [int(value) for value in values]
    return [None if math.isnan(value) else value for value in values.tolist()]


def read_file(path: str | Path, limit: int) -> bytes:
    """The bytes of an ordinary file of at most `limit` bytes. Raises InputError for anything else."""
    path = Path(path)
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise InputError(Problem(str(path), 0, "", "is not an ordinary file"))
        if status.st_size > limit:
            message = f"is too large: {status.st_size / 2**20:,.1f} MB"
            raise InputError(Problem(str(path), 0, "", message, f"up to {limit / 2**20:g} MB"))
        return path.read_bytes()
    except FileNotFoundError:
        siblings = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        raise InputError(Problem(str(path), 0, "", "no such file", "", nearest(path.name, siblings))) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(Problem(str(path), 0, "", f"cannot be read: {reason}")) from None


def read_table(path: str | Path, columns: Mapping[str, Column], extra: Literal["refuse", "ignore"] = "refuse") -> Table:
    """Read a CSV table and check every cell against its column.

    UTF-8 with or without a mark, separated by commas; CP1251 and semicolons with decimal commas are read
    where they cannot be taken for anything else. Raises InputError with all problems found.
    """
    data = read_file(path, TABLE_LIMIT)
    name = str(path)
    text = _decode(data, name)
    header, separator = _header(text, columns, name)
    problems = _header_problems(header, columns, extra, name)
    packed, lines, faults = _rows(text, separator, len(header), name)
    problems += faults
    if not len(lines) and not problems:
        problems.append(Problem(name, 1, "", "the table has no rows"))
    by_name = _Packed(zip(header, packed, strict=True)) if len(lines) else {}
    if len(set(header)) < len(header):
        raise InputError(problems)
    if separator == ";" and (ambiguous := _decimal_commas(by_name, columns, lines, name)):
        raise InputError([*problems, *ambiguous])
    table = _checked(by_name, columns, lines, name, problems)
    return Table(name, table.lines, table.columns, hashlib.sha256(data).hexdigest())


def table_from_cells(name: str, cells: Mapping[str, Sequence[Any]], columns: Mapping[str, Column]) -> Table:
    """A table from columns of plain values, as `Table.cells` gives them; checked as a file is."""
    problems = _header_problems(list(cells), _with_empty_left_out(cells, columns), "refuse", name)
    count = max(map(len, cells.values()), default=0)
    problems += [
        Problem(name, 0, key, f"has {len(values)} cells; the longest column has {count}")
        for key, values in cells.items()
        if len(values) != count
    ]
    if problems:
        raise InputError(problems)
    by_name = {key: tuple(map(_cell, values)) for key, values in cells.items()}
    return _checked(by_name, columns, np.arange(2, count + 2), name, problems)


def _with_empty_left_out(cells: Mapping[str, Any], columns: Mapping[str, Column]) -> dict[str, Column]:
    """The columns that must be there: `Table.cells` leaves out those without a single value."""
    return {
        key: column if key in cells or not column.empty else Column(required=False) for key, column in columns.items()
    }


def _cell(value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, bool):
        return str(int(value))
    return value if isinstance(value, str) else repr(value)


def _decode(data: bytes, name: str) -> str:
    """Text of a table's bytes; refuses what is not surely UTF-8 or CP1251."""
    if not data.strip():
        raise InputError(Problem(name, 1, "", "the file is empty"))
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise InputError(Problem(name, 1, "", "the text is UTF-16", "UTF-8"))
    if b"\0" in data:
        line = data[: data.index(b"\0")].count(b"\n") + 1
        raise InputError(Problem(name, line, "", "a NUL byte: this is not a text table", "UTF-8 text"))
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        text = _cyrillic(data)
        if text is not None:
            return text
        line = data[: error.start].count(b"\n") + 1
        raise InputError(Problem(name, line, "", "the text is in an unknown encoding", "UTF-8")) from None


def _cyrillic(data: bytes) -> str | None:
    """The text if its bytes read as Russian in CP1251 and so in no other encoding, else None.

    KOI8-R read so shows its letters in the wrong case, CP866 shows signs, and Western encodings mix alphabets
    in a word.
    """
    # nearly any bytes are CP1251, so that the text must prove it is Russian
    try:
        text = data.decode("cp1251")
    except UnicodeDecodeError:
        return None
    foreign = [word for word in _WORD.findall(text) if not word.isascii()]
    whole = all(_CYRILLIC.fullmatch(word) for word in foreign)
    cased = all(word.islower() or word.isupper() or word[1:].islower() for word in foreign)
    lower = sum(letter.islower() for word in foreign for letter in word)
    upper = sum(len(word) for word in foreign) - lower
    signs = {c for c in text if not c.isascii() and not c.isalpha()}
    return text if whole and cased and lower > upper and signs <= _CYRILLIC_SIGNS else None


def _header(text: str, columns: Mapping[str, Column], name: str) -> tuple[list[str], str]:
    """The column names and the separator that makes most of them known."""
    first = re.split(r"[\r\n]", text.lstrip("\r\n"), maxsplit=1)[0]
    try:
        readings = {mark: [cell.strip() for cell in next(csv.reader([first], delimiter=mark))] for mark in ",;\t"}
    except (csv.Error, StopIteration):
        raise InputError(Problem(name, 1, "", "the header row cannot be read", "comma-separated names")) from None
    # the mark that makes most names known, and not the commonest: a single column may hold every mark
    known = {mark: sum(cell in columns for cell in header) for mark, header in readings.items()}
    separator = max(known, key=lambda mark: known[mark])
    if separator == "\t" and known["\t"] > known[","]:
        raise InputError(Problem(name, 1, "", "the table is separated by tabs", "commas"))
    return readings[separator], separator


def _header_problems(header: Sequence[str], columns: Mapping[str, Column], extra: str, name: str) -> list[Problem]:
    problems = []
    missing = [key for key, column in columns.items() if column.required and key not in header]
    unknown = [key for key in header if key not in columns]
    for key in sorted({key for key in header if header.count(key) > 1}):
        problems.append(Problem(name, 1, key, "the column is there twice" if key else "columns without a name"))
    if extra == "refuse":
        for key in dict.fromkeys(unknown):
            message = "unknown column" if key else "a column without a name"
            free = [option for option in columns if option not in header]
            problems.append(Problem(name, 1, key, message, ", ".join(columns), nearest(key, free)))
    for key in missing:
        problems.append(Problem(name, 1, key, "the column is missing", columns[key].allowed, nearest(key, unknown)))
    return problems


class _Packed(MutableMapping[str, tuple[str, ...]]):
    """Columns of cells, each kept as one string: a million cells as strings of their own take six times the memory."""

    def __init__(self, packed: Iterable[tuple[str, str]]) -> None:
        self._packed = dict(packed)

    def __getitem__(self, key: str) -> tuple[str, ...]:
        return tuple(self._packed[key].split(_PARTED))

    def __setitem__(self, key: str, cells: tuple[str, ...]) -> None:
        self._packed[key] = _PARTED.join(cells)

    def __delitem__(self, key: str) -> None:
        del self._packed[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._packed)

    def __len__(self) -> int:
        return len(self._packed)


def _rows(text: str, separator: str, width: int, name: str) -> tuple[list[str], np.ndarray, list[Problem]]:
    """The columns below the header, each as one string; the line each row begins on; rows that are ragged."""
    # Not pandas: it cannot say on which line a ragged row is, nor any row after a line break within quotes.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    rows: list[list[str]] = []
    parts: list[list[str]] = [[] for _ in range(width)]
    lines: list[int] = []
    problems: list[Problem] = []
    begins, seen_header = 1, False
    try:
        for row in reader:
            if row and not seen_header:
                seen_header = True
            elif len(row) == width:
                rows.append(row)
                lines.append(begins)
                if len(rows) == ROWS_AT_ONCE:
                    _pack(rows, parts)
            elif row:
                problems.append(Problem(name, begins, "", f"{len(row)} cells", f"{width}, as in the header"))
            begins = reader.line_num + 1
    except csv.Error as error:
        problems.append(Problem(name, begins, "", f"the row cannot be read: {error}", 'cells, quoted with "'))
    _pack(rows, parts)
    return [_PARTED.join(part) for part in parts], np.array(lines, dtype=np.int64), shortened(problems)


def _pack(rows: list[list[str]], parts: list[list[str]]) -> None:
    """Move rows to the end of their columns."""
    for part, cells in zip(parts, zip(*rows, strict=True), strict=False):
        part.append(_PARTED.join(cells))
    rows.clear()


def _decimal_commas(
    by_name: MutableMapping[str, tuple[str, ...]], columns: Mapping[str, Column], lines: np.ndarray, name: str
) -> list[Problem]:
    """Turn decimal commas into points, in place; refuse a table where a comma may part thousands instead."""
    numeric = [key for key in by_name if key in columns and columns[key].kind in ("number", "integer")]
    commas = {key: [cell.strip() for cell in by_name[key] if "," in cell] for key in numeric}
    cells = [cell for found in commas.values() for cell in found]
    points = any("." in cell for key in numeric for cell in by_name[key])
    # `1,234` alone may be a thousand or a bit more than one: a guess would be wrong by a factor of a thousand
    if cells and (points or all(_GROUPED.fullmatch(cell) for cell in cells)):
        key = next(key for key in numeric if commas[key])
        row = next(i for i, cell in enumerate(by_name[key]) if "," in cell)
        message = f"{by_name[key][row]!r}: the comma may mark decimals or thousands"
        return [Problem(name, int(lines[row]), key, message, "decimal points, no mark between thousands")]
    for key in numeric:
        if commas[key]:
            by_name[key] = tuple(cell.replace(",", ".", 1) for cell in by_name[key])
    return []


def _checked(
    by_name: Mapping[str, tuple[str, ...]],
    columns: Mapping[str, Column],
    lines: np.ndarray,
    name: str,
    problems: list[Problem],
) -> Table:
    """The typed table; raises InputError with the problems found before and those of its cells."""
    typed: dict[str, Any] = {}
    for key, column in columns.items():
        if key in by_name:
            cells = tuple(map(str.strip, by_name[key]))
            typed[key], faults = _convert(cells, column, key)
            problems += shortened([Problem(name, int(lines[row]), *rest) for row, *rest in faults])
        else:
            typed[key] = _nothing(column, len(lines))
    if problems:
        raise InputError(sorted(problems, key=lambda problem: problem.line))
    for values in typed.values():
        if isinstance(values, np.ndarray):
            values.flags.writeable = False
    return Table(name, lines, typed)


def _nothing(column: Column, count: int) -> Any:
    if column.kind == "text":
        return ("",) * count
    return np.zeros(count, dtype=bool) if column.kind == "flag" else np.full(count, np.nan)


Fault = tuple[int, str, str, str]


def _convert(cells: tuple[str, ...], column: Column, key: str) -> tuple[Any, list[Fault]]:
    """The values of a column and its faults: (row, key, message, allowed)."""
    faults: list[Fault] = []
    if column.unique and len(set(cells)) < len(cells):
        faults += _repeated(cells, key)
    if column.kind == "text":
        if not column.empty and "" in cells:
            faults += [(row, key, "is empty", column.allowed) for row, cell in enumerate(cells) if not cell]
        # equal texts are one object: a region's name stands in the table as often as it has places
        same: dict[str, str] = {}
        return tuple(map(same.setdefault, cells, cells)), faults
    if column.kind == "flag":
        allowed = {"1", "0", ""} if column.empty else {"1", "0"}
        if not set(cells) <= allowed:
            wrong = [(row, cell) for row, cell in enumerate(cells) if cell not in allowed]
            faults += [(row, key, f"{cell!r} is not a flag", "1 or 0") for row, cell in wrong]
        return np.array([cell == "1" for cell in cells], dtype=bool), faults
    values, wrong_numbers = _numbers(cells, column, key)
    return values, faults + wrong_numbers


def _repeated(cells: tuple[str, ...], key: str) -> list[Fault]:
    seen: set[str] = set()
    faults = []
    for row, cell in enumerate(cells):
        if cell and cell in seen:
            faults.append((row, key, f"{cell!r} is there twice", "each value once"))
        seen.add(cell)
    return faults


def _numbers(cells: tuple[str, ...], column: Column, key: str) -> tuple[np.ndarray, list[Fault]]:
    """Numbers of a column; the faulty cells are looked for only when the column as a whole fails."""
    together = "".join(cells)
    try:
        values = np.array([float(cell) if cell else np.nan for cell in cells], dtype=np.float64)
        # float() also reads 1_000 and digits of other scripts, which are more likely slips.
        sound = "_" not in together and together.isascii() and not np.isinf(values).any()
        sound = sound and np.count_nonzero(np.isnan(values)) == cells.count("") * column.empty
    except ValueError:
        values, sound = np.empty(0), False
    if not sound:
        read = [_number(cell, column) for cell in cells]
        values = np.array([np.nan if isinstance(value, str) else value for value in read])
        faults = [(row, key, value, column.allowed) for row, value in enumerate(read) if isinstance(value, str)]
    else:
        faults = []
    return values, faults + _out_of_range(values, cells, column, key)


def _number(cell: str, column: Column) -> float | str:
    """The number in a cell, or what is wrong with it."""
    if not cell:
        return np.nan if column.empty else "is empty"
    if _NUMBER.fullmatch(cell):
        value = float(cell)
        return value if np.isfinite(value) else f"{_short(cell)} is too large"
    if _NUMBER.fullmatch(cell.replace(",", ".", 1)):
        return f"{cell!r} has a comma; write {cell.replace(',', '.', 1)!r} or {cell.replace(',', '')!r}"
    return f"{_short(cell)} is not a number"


def _short(cell: str) -> str:
    return repr(cell if len(cell) <= 40 else cell[:37] + "...")


def _out_of_range(values: np.ndarray, cells: tuple[str, ...], column: Column, key: str) -> list[Fault]:
    wrong = np.zeros(len(values), dtype=bool)
    if column.low is not None:
        wrong |= values < column.low
    if column.high is not None:
        wrong |= values > column.high
    faults = [(int(row), key, f"{_short(cells[row])} is out of range", column.allowed) for row in np.flatnonzero(wrong)]
    if column.kind == "integer":
        broken = (values != np.floor(values)) & ~np.isnan(values)
        faults += [(int(r), key, f"{_short(cells[r])} is not whole", column.allowed) for r in np.flatnonzero(broken)]
    return faults
