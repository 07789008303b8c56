"""Which file, line and key set each value of a scenario, after `extends`, policies and overrides?"""

import hashlib
import math
import re
import tomllib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from sim.scenario.errors import InputError, Problem, clipped, nearest
from sim.scenario.tables import read_file

SCENARIO_LIMIT = 2**20
COMMAND_LINE = "command line"
SHIPPED_MARK = "uptake:"
KEPT = 128
"""Tables, fits and what is made of them, that the documents of one scenario keep at the most."""

Made = TypeVar("Made")

Keys = tuple[str | int, ...]

_NUMBER = re.compile(r"\d{1,9}", re.ASCII)

_TOKEN = re.compile(
    r"""(?P<space>[ \t\r]+|\#[^\n]*)|(?P<newline>\n)|(?P<mark>[\[\]{}=,.])
    |(?P<text>\"{3}(?:\\.|[^\\])*?\"{3,5}|'{3}.*?'{3,5}|\"(?:\\.|[^\"\\\n])*\"|'[^'\n]*')
    |(?P<word>[^\s\[\]{}=,.\#"']+)""",
    re.DOTALL | re.VERBOSE,
)


@dataclass(frozen=True)
class Layer:
    """One source of values: a scenario file, the command line, or a resolved scenario with its files."""

    name: str
    folder: Path | None = None
    text: str = ""
    inline: Mapping[str, Any] | None = None
    sha256: str = ""

    @cached_property
    def _lines(self) -> dict[tuple[str, ...], int]:
        # the number of an element is a text in `mandates.0.rate`, and a number after [[mandates]]
        return {tuple(map(str, keys)): line for keys, line in key_lines(self.text).items()}

    def line(self, keys: Keys) -> int:
        """The line of a key, or of the nearest section around it; 0 where there are no lines."""
        names = tuple(map(str, keys))
        known = (self._lines.get(names[:length]) for length in range(len(names), 0, -1))
        return next((line for line in known if line), 1 if self.text else 0)


# More than any scenario needs; longer keys would cost the TOML reader a time that grows with their square.
_DEEP_KEY = re.compile(r"""(?<![\w-])(?:(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+){50}""")
_TOO_DEEP = "values are nested too deeply"

Origin = Callable[[Keys], tuple[Layer, Keys]]


@dataclass(frozen=True)
class Document:
    """A scenario as written, all layers merged: `raw` values, and where each of them is from.

    `kept` holds what was read and made of its files. All documents that were changed from one share it: they mean the
    same files, as these were when first read, and what is the same for all of them is made once.
    """

    raw: dict[str, Any]
    origins: dict[Keys, tuple[Layer, Keys]]
    base: Layer
    kept: dict[Any, Any] = field(default_factory=dict, repr=False, compare=False)

    def once(self, key: tuple[Any, ...], make: Callable[..., Made], *given: Any) -> Made:
        """`make(*given)`, made once for a key; whatever it raises is raised again next time."""
        if key not in self.kept:
            made = make(*given)
            if len(self.kept) >= KEPT:  # a study that varies files: begin anew rather than hold them all
                self.kept.clear()
            self.kept[key] = made
        return self.kept[key]

    def origin(self, keys: Keys) -> tuple[Layer, Keys]:
        """The layer that set a key, and the key's name there."""
        for length in range(len(keys), 0, -1):
            if keys[:length] in self.origins:
                layer, source = self.origins[keys[:length]]
                return layer, source + keys[length:]
        for key, (layer, source) in self.origins.items():
            if key[: len(keys)] == keys:
                return layer, source[: len(source) - len(key) + len(keys)]
        return self.base, keys

    def problem(self, keys: Keys, message: str, allowed: str = "", close: str = "") -> Problem:
        """A problem with the value of a key, at the line that set it."""
        layer, source = self.origin(keys)
        return Problem(layer.name, layer.line(source), dotted(keys), message, allowed, close)

    def changed(self, changes: Mapping[str, Any], origin: Origin) -> "Document":
        """The document with changes put over it: sections merge, everything else is replaced."""
        origins = dict(self.origins)
        try:
            return Document(_merged(self.raw, changes, origins, origin, ()), origins, self.base, self.kept)
        except RecursionError:
            raise InputError(Problem(origin(())[0].name, 0, "", _TOO_DEEP)) from None

    def overridden(self, overrides: Mapping[str, Any]) -> "Document":
        """The document with dotted or nested overrides from outside any file."""
        layer = Layer(COMMAND_LINE, self.base.folder, "", self.base.inline)
        return self.changed(nested(overrides), lambda keys: (layer, keys))

    def arm(self, name: str, without: Collection[str] = ()) -> "Document":
        """The document with the overrides of one of its policies, `without` some of its sections."""
        left_out = {"title", "description", *without}
        policy = self.raw["policies"][name]
        changes = {key: value for key, value in policy.items() if key.split(".")[0] not in left_out}
        return self.changed(nested(changes), lambda keys: self.origin(("policies", name, *keys)))

    def fixing(self, keys: Collection[str]) -> "Document":
        """The document, in which these keys keep their value whatever a fit has drawn for them."""
        if not keys:
            return self
        fixed = [*(self.value("parameters.fixed") or ()), *keys]
        return self.overridden({"parameters.fixed": list(dict.fromkeys(fixed))})

    def value(self, key: str) -> Any:
        """What was written for a dotted key; None where nothing was."""
        return value_at(self.raw, key)


def value_at(values: Any, key: str) -> Any:
    """The value of a dotted key in nested sections and lists; None where there is none."""
    for part in key.split("."):
        if isinstance(values, Mapping):
            values = values.get(part)
        elif isinstance(values, list | tuple) and part.isdigit() and int(part) < len(values):
            values = values[int(part)]
        else:
            return None
    return values


def dotted(keys: Keys) -> str:
    """A path of keys as people write it: `mandates.0.rate`."""
    return ".".join(map(str, keys))


def read_document(path: Path, shipped: Mapping[str, Path]) -> Document:
    """A scenario file over those that it extends. Raises InputError."""
    chain = _chain(path, shipped, ())
    base = chain[-1][0]
    document = Document({}, {}, base)
    for layer, values in chain:
        own = {key: value for key, value in values.items() if key != "extends"}
        document = document.changed(own, lambda keys, layer=layer: (layer, keys))  # type: ignore[misc]
    return document


def _chain(path: Path, shipped: Mapping[str, Path], seen: tuple[Path, ...]) -> list[tuple[Layer, dict[str, Any]]]:
    """The layers from the scenario extended first to the file itself."""
    layer, values = _read_layer(path)
    if "extends" not in values:
        return [(layer, values)]
    line = layer.line(("extends",))
    parent = _extended(layer, values["extends"], shipped)
    seen = (*seen, path.resolve())
    if parent.resolve() in seen:
        circle = " -> ".join(step.name for step in (*seen, parent))
        raise InputError(Problem(layer.name, line, "extends", f"goes in a circle: {circle}"))
    return [*_chain(parent, shipped, seen), (layer, values)]


def _extended(layer: Layer, name: Any, shipped: Mapping[str, Path]) -> Path:
    if isinstance(name, str) and name.startswith(SHIPPED_MARK):
        name = name.removeprefix(SHIPPED_MARK)
        if name in shipped:
            return shipped[name]
        message = f"{name!r} is no shipped scenario"
        allowed, close = ", ".join(sorted(shipped)), nearest(name, shipped)
        raise InputError(Problem(layer.name, layer.line(("extends",)), "extends", message, allowed, close))
    return located(layer, ("extends",), name, ("extends",))


def located(layer: Layer, keys: Keys, name: Any, source: Keys) -> Path:
    """The file that a key names, relative to the layer's folder and inside it. Raises InputError."""

    def refuse(message: str, allowed: str = "", close: str = "") -> InputError:
        return InputError(Problem(layer.name, layer.line(source), dotted(keys), message, allowed, close))

    if not isinstance(name, str) or not name.strip():
        raise refuse(f"{name!r} is not a path", "a path relative to this file")
    folder = layer.folder or Path()
    try:
        path = folder / name
        # links resolved: a scenario from somebody else must not read what lies outside its folder
        inside = not Path(name).is_absolute() and path.resolve().is_relative_to(folder.resolve())
        exists = inside and path.exists()
    except (OSError, ValueError, RuntimeError):
        raise refuse(f"{name!r} is not a path", "a path relative to this file") from None
    if not inside:
        raise refuse(f"{name!r} leaves the scenario's folder", "a path inside the scenario's folder")
    if not exists:
        siblings = [p.relative_to(folder).as_posix() for p in path.parent.iterdir()] if path.parent.is_dir() else []
        raise refuse(f"no such file: {name!r}", "", nearest(name, siblings))
    if not path.is_file():
        raise refuse(f"{name!r} is not an ordinary file", "a file")
    return path


def _read_layer(path: Path) -> tuple[Layer, dict[str, Any]]:
    data = read_file(path, SCENARIO_LIMIT)
    name = str(path)
    try:
        text = data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise InputError(Problem(name, line, "", "the text is not UTF-8", "UTF-8")) from None
    deep = _DEEP_KEY.search(text)
    if deep:
        raise InputError(Problem(name, text.count("\n", 0, deep.start()) + 1, "", _TOO_DEEP))
    try:
        values = tomllib.loads(text)
    except ValueError as error:
        raise InputError(_toml_problem(name, text, str(error))) from None
    except RecursionError:
        raise InputError(Problem(name, 1, "", _TOO_DEEP)) from None
    return Layer(name, path.parent, text, sha256=hashlib.sha256(data).hexdigest()), values


def _toml_problem(name: str, text: str, message: str) -> Problem:
    """What the TOML reader found, at its line."""
    found = re.search(r" \(at (?:line (\d+), column \d+|end of document)\)", message)
    line = int(found[1]) if found and found[1] else text.count("\n") + 1
    what = message[: found.start()] if found else message
    written = text.split("\n")[line - 1].strip()
    shown = f", in {clipped(written)!r}" if written else ""
    return Problem(name, line, "", f"is not TOML: {what[:1].lower()}{what[1:]}{shown}", _remedy(written))


_SLIPS = {
    r"\d{4}[-./]\d{1,2}([-./]\d{1,2})?|\d{1,2}[./]\d{1,2}[./]\d{4}": 'a date in quotes, with its month: "2018-04"',
    r"[+-]?[\d_]+,\d+": "a point before decimals, as in 0.5",
    r"[+-]?(\.\d+|\d+\.)": "a digit on both sides of the point, as in 0.5",
    r"[\d.,]+\s*%": "a share from 0 to 1, as in 0.5",
    r"(?i:true|false|yes|no|on|off)": "true or false, in small letters",
    r"[“”„«»‘’].*": 'straight quotes around a text: "..."',
    r"[^\W\d_][^\"']*": 'quotes around a text: "..."',
    r"": "a value on the line of its key",
}
"""What people write after `=` that TOML does not know, and what they should have written; the first that fits."""


def _remedy(written: str) -> str:
    """What a line that is no TOML should have been, where it is one of the commonest slips."""
    if re.match(r"[\w.-]+:", written):
        return "key = value, with ="
    _, mark, value = written.partition("=")
    value = value.partition("#")[0].strip()
    fitting = (remedy for slip, remedy in _SLIPS.items() if mark and re.fullmatch(slip, value))
    return next(fitting, "TOML, see toml.io")


def parse_override(text: str) -> tuple[str, Any]:
    """`diffusion.peers=0.5` as a dotted key and a TOML value; what is not a TOML value is a text."""
    key, mark, value = text.partition("=")
    key, value = key.strip(), value.strip()
    if not mark or not all(key.split(".")):
        raise InputError(Problem(COMMAND_LINE, 0, text, "is not an override", "key=value, as in diffusion.peers=0.5"))
    # read as TOML, so that the command line means what a file means
    try:
        parsed = tomllib.loads(f"value = {value}")
        if set(parsed) == {"value"}:
            return key, parsed["value"]
    except (ValueError, RecursionError):
        pass
    if value[:1] in ("[", "{", '"', "'"):
        raise InputError(Problem(COMMAND_LINE, 0, key, f"{value!r} is not a TOML value", "such as 0.5 or [1, 2]"))
    return key, value


def nested(overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Overrides with dotted keys opened into sections."""
    result: dict[str, Any] = {}
    for key, given in overrides.items():
        value = nested(given) if isinstance(given, Mapping) else given
        *outer, last = str(key).split(".")
        at = result
        for part in outer:
            inner = at.get(part)
            at[part] = at = inner if isinstance(inner, dict) else {}
        if isinstance(value, dict) and isinstance(at.get(last), dict):
            at[last] |= value
        else:
            at[last] = value
    return result


def _merged(base: Any, changes: Mapping[str, Any], origins: dict[Keys, Any], origin: Origin, path: Keys) -> Any:
    """A copy of `base` with changes put over it; `origins` is told, in place, where they are from."""
    result = dict(base)
    for key, value in changes.items():
        here = (*path, key)
        before = result.get(key)
        # sections merge, everything else is replaced as a whole; elements of a list are named by number
        if not isinstance(value, Mapping):
            _forget(origins, here, before)
            origins[here] = origin(here)
            result[key] = _plain(value)
        elif isinstance(before, list) and value and all(_NUMBER.fullmatch(str(part)) for part in value):
            result[key] = _with_elements(before, value, origins, origin, here)
        else:
            inner = before if isinstance(before, dict) else {}
            if not isinstance(before, dict):
                origins[here] = origin(here)
            result[key] = _merged(inner, value, origins, origin, here)
    return result


def _with_elements(
    before: list[Any], changes: Mapping[str, Any], origins: dict[Keys, Any], origin: Origin, path: Keys
) -> list[Any]:
    """A copy of a list with some of its elements changed, as `mandates.0.rate` asks."""
    wrong = next((part for part in changes if int(part) >= len(before)), None)
    if wrong is not None:
        layer, source = origin((*path, wrong))
        message = f"there is no element {wrong}"
        allowed = f"0 to {len(before) - 1}" if before else "nothing: the list is empty"
        raise InputError(Problem(layer.name, layer.line(source), dotted((*path, wrong)), message, allowed))
    elements = dict(enumerate(before))
    numbered = {int(part): value for part, value in changes.items()}
    return list(_merged(elements, numbered, origins, origin, path).values())  # type: ignore[arg-type]


def _forget(origins: dict[Keys, Any], path: Keys, before: Any) -> None:
    """Drop what was known of the inside of a value that is replaced as a whole."""
    if isinstance(before, list | dict):
        for key in [key for key in origins if key[: len(path)] == path]:
            del origins[key]


def _plain(value: Any) -> Any:
    """NumPy numbers, tuples and paths as the plain values that a file would hold."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def key_lines(text: str) -> dict[Keys, int]:
    """The line of every key of a sound TOML text; elements of lists are keyed by their number."""
    return _Lines(text).lines


class _Lines:
    """A reader of TOML that keeps nothing but where the keys are; the text is known to be sound."""

    def __init__(self, text: str) -> None:
        self.lines: dict[Keys, int] = {}
        self.tokens: list[tuple[str, str, int]] = []
        line = 1
        for found in _TOKEN.finditer(text):
            if found.lastgroup != "space":
                self.tokens.append((found.lastgroup or "", found[0], line))
            line += found[0].count("\n")
        self.tokens.append(("end", "", line))
        self.at = 0
        self.counts: dict[Keys, int] = {}
        prefix: Keys = ()
        while self.tokens[self.at][0] != "end":
            if self._skip("\n"):
                continue
            prefix = self._header() if self.tokens[self.at][1] == "[" else self._pair(prefix)

    def _skip(self, mark: str) -> bool:
        found = self.tokens[self.at][1] == mark
        self.at += found
        return found

    def _key(self, prefix: Keys) -> Keys:
        """The keys up to the end of a dotted key, which may pass through a list of tables."""
        keys = prefix
        while True:
            kind, text, line = self.tokens[self.at]
            name = next(iter(tomllib.loads(f"{text} = 0"))) if kind == "text" else text
            keys = (*keys, name)
            self.lines.setdefault(keys, line)
            self.at += 1
            if not self._skip("."):
                return keys
            if keys in self.counts:
                keys = (*keys, self.counts[keys])

    def _header(self) -> Keys:
        self._skip("[")
        listed = self._skip("[")
        line = self.tokens[self.at][2]
        keys = self._key(())
        self._skip("]")
        if listed:
            self._skip("]")
            self.counts[keys] = self.counts.get(keys, -1) + 1
            keys = (*keys, self.counts[keys])
            self.lines[keys] = line
        return keys

    def _pair(self, prefix: Keys) -> Keys:
        keys = self._key(prefix)
        self._skip("=")
        self._value(keys)
        return prefix

    def _value(self, keys: Keys) -> None:
        self.lines.setdefault(keys, self.tokens[self.at][2])
        if self._skip("["):
            self._elements(keys)
        elif self._skip("{"):
            while not self._skip("}"):
                if not (self._skip(",") or self._skip("\n")):
                    self._pair(keys)
        else:
            while self.tokens[self.at][0] in ("word", "text") or self.tokens[self.at][1] == ".":
                self.at += 1

    def _elements(self, keys: Keys) -> None:
        number = 0
        while not self._skip("]"):
            if not (self._skip(",") or self._skip("\n")):
                self._value((*keys, number))
                number += 1


def to_toml(values: Mapping[str, Any]) -> str:
    """TOML of nested mappings; NaN stands for None inside lists, and keys without a value are left out."""
    import tomli_w

    return tomli_w.dumps(_writable(values))


def _writable(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _writable(item) for key, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [_writable(item) for item in value]
    return math.nan if value is None else value
