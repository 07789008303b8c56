"""What exactly is to be simulated? The scenario language: read, extend, override, check and resolve."""

from __future__ import annotations

import calendar
import datetime
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from sim.scenario.document import Document, Keys, Layer, located, nested, parse_override, read_document, to_toml
from sim.scenario.errors import InputError, Problem, nearest
from sim.scenario.outline import OUTLINE_LIMIT, rings
from sim.scenario.places import (
    COLUMNS,
    MEMORY_LIMIT,
    Links,
    Places,
    Regions,
    Technologies,
    World,
    build,
    memory,
    too_large,
    towns,
)
from sim.scenario.schema import (
    POLICIES_LIMIT,
    POLICY_KEYS,
    POLICY_TABLES,
    Diffusion,
    Economy,
    Finance,
    Mandate,
    NetworkParameters,
    ParameterDraws,
    Platform,
    Policy,
    PolicyLevers,
    Sanctions,
    Security,
    Settings,
    Settlements,
    Tables,
    Target,
    field_of,
    json_schema,
    keys_of,
    parameter_table,
    permitted,
    section_at,
)
from sim.scenario.tables import Table, read_file, read_table, table_from_cells

if TYPE_CHECKING:
    import networkx

__all__ = [
    "Fit",
    "Links",
    "ParameterFit",
    "Places",
    "Regions",
    "Scenario",
    "Technologies",
    "json_schema",
    "load",
    "parameter_table",
    "parse_override",
    "shipped",
]

JSON_LIMIT = 256 * 2**20
SETTINGS_SHOWN = 50
FORMAT = "uptake scenario 1"


class _FitFile(BaseModel):
    """What every fit file says; the calibration may write more."""

    model_config = ConfigDict(strict=True, extra="ignore", allow_inf_nan=False, frozen=True)
    kind: str


class _Coefficients(_FitFile):
    kind: str = ""
    a: float
    b1: float
    b2: float


class _CoefficientDraws(_FitFile):
    kind: str = ""
    a: list[float]
    b1: list[float]
    b2: list[float]


class _GrpFile(_FitFile):
    kind: Literal["grp"]
    form: Literal["linear", "loglog"]
    n: int = 0
    coefficients: _Coefficients
    draws: _CoefficientDraws | None = None


class _TargetsFile(_FitFile):
    kind: Literal["targets"]
    draws: dict[str, list[float]]


@dataclass(frozen=True, eq=False)
class Fit:
    """The regression of gross regional product: a + b1 industry + b2 urban population, or so of logarithms.

    `draws`: joint draws of a, b1 and b2, float64[draws] each; empty where the file has none.
    """

    form: str
    n: int
    a: float
    b1: float
    b2: float
    draws: Mapping[str, np.ndarray]
    path: str
    sha256: str

    @property
    def coefficients(self) -> dict[str, float]:
        """The point estimate by name."""
        return {"a": self.a, "b1": self.b1, "b2": self.b2}


@dataclass(frozen=True, eq=False)
class ParameterFit:
    """Joint draws of parameters by dotted key, float64[draws] each."""

    draws: Mapping[str, np.ndarray]
    path: str
    sha256: str


@dataclass(frozen=True, eq=False)
class Outline:
    """The outline behind the places of a map: its file, and the rings of all polygons."""

    shape: Mapping[str, Any]
    rings: tuple[np.ndarray, ...]
    path: str
    sha256: str


@dataclass(frozen=True, eq=False)
class Scenario:
    """A checked, frozen scenario: settings, and the world of its tables.

    Instant k is `start` and k steps; `steps` is the number of steps from start to end. Arrays are read-only.
    """

    name: str
    path: Path | None
    title: str
    description: str
    start: datetime.date
    end: datetime.date
    step: float
    steps: int
    replicates: int
    seed: int
    currency: str
    focus: tuple[str, ...]
    places: Places
    regions: Regions
    technologies: Technologies
    portfolio: np.ndarray
    fit: np.ndarray
    links: Links
    diffusion: Diffusion
    network_parameters: NetworkParameters
    platform: Platform
    finance: Finance
    economy: Economy
    sanctions: Sanctions
    security: Security
    policy: PolicyLevers
    parameters: ParameterDraws
    mandates: tuple[Mandate, ...]
    targets: Mapping[str, Target]
    policies: Mapping[str, Policy]
    grp_fit: Fit | None
    parameter_fit: ParameterFit | None
    _settings: Settings = field(repr=False)
    _document: Document = field(repr=False)
    _world: World = field(repr=False)
    _fit_files: Mapping[str, Any] = field(repr=False)
    _outline: Outline | None = field(repr=False)

    def override(self, overrides: Mapping[str, Any]) -> Scenario:
        """This scenario with dotted or nested overrides; tables that stay the same are shared.

        What is given here holds in every replicate: the draws of a parameters' fit no longer apply to it.
        """
        return _with_fixed(_assembled(self._document.overridden(overrides), self.name, self.path, self), overrides)

    @property
    def focus_rows(self) -> list[int]:
        """Rows of the focus regions in the table of regions."""
        return [row for row, name in enumerate(self.regions.id) if name in self.focus]

    def arm(self, name: str | None) -> Scenario:
        """This scenario under one of its policies; itself for None and `baseline`. Raises InputError."""
        if name is None or name == "baseline":
            return self
        if name not in self.policies:
            message = f"{name!r} is not a policy of this scenario"
            options = ["baseline", *self.policies]
            raise InputError(
                Problem(
                    str(self.path or self.name),
                    0,
                    "policies",
                    message,
                    ", ".join(options),
                    nearest(name, options),
                )
            )
        document = self._document.arm(name)
        changed = [key for key in self._drawn if _lookup(document.raw, key) != _lookup(self._document.raw, key)]
        return _assembled(_fixing(document, self, changed), self.name, self.path, self)

    @property
    def _drawn(self) -> tuple[str, ...]:
        """The dotted keys whose values the draws of the parameters' fit replace."""
        drawn = self.parameter_fit is not None and self.parameters.draws == "draws"
        return tuple(self.parameter_fit.draws) if drawn and self.parameter_fit else ()

    def instant(self, step_index: int) -> np.datetime64:
        """The date of an instant, datetime64[D]: start and so many steps; part of a month counts its days."""
        months = step_index * self.step
        whole = math.floor(months + 1e-9)
        year, month = divmod(_month(self.start) + whole, 12)
        days = calendar.monthrange(year, month + 1)[1]
        day = 1 + int(max(months - whole, 0.0) * days + 1e-6)
        return np.datetime64(datetime.date(year, month + 1, day), "D")

    def step_of(self, date: datetime.date | str | np.datetime64) -> int:
        """The last instant at or before a date; below 0 before the start, above `steps` after the end."""
        day = np.array(date, dtype="datetime64[D]").item()
        days = calendar.monthrange(day.year, day.month)[1]
        months = _month(day) - _month(self.start) + (day.day - 1) / days
        index = math.floor(months / self.step + 1e-9)
        # An instant within a month falls on a whole day, which can be before its exact place in the month.
        return index + 1 if self.instant(index + 1).item() <= day else index

    @cached_property
    def instants(self) -> np.ndarray:
        """The dates of all instants from start to end, datetime64[D][steps + 1]."""
        return np.array([self.instant(k) for k in range(self.steps + 1)], dtype="datetime64[D]")

    @property
    def outline(self) -> tuple[np.ndarray, ...]:
        """What a map draws behind the places: rings float64[points, 2] of longitude and latitude; empty: nothing."""
        return self._outline.rings if self._outline else ()

    @cached_property
    def inputs(self) -> dict[str, str]:
        """SHA-256 of every file that was read, by its name: scenario files, tables, outline and fits."""
        layers = (layer for layer, _ in self._document.origins.values())
        others = (self.grp_fit, self.parameter_fit, self._outline)
        hashes = {layer.name: layer.sha256 for layer in layers}
        hashes |= {item.path: item.sha256 for item in (*self._world.tables.values(), *others) if item}
        return {name: sha256 for name, sha256 in hashes.items() if sha256}

    def network(self) -> networkx.DiGraph:
        """Municipalities and regions as nodes, influence as edges with weight and channel."""
        from sim.scenario.graph import to_networkx

        return to_networkx(self)

    def resolved(self) -> dict[str, Any]:
        """The whole scenario as plain values for JSON: settings with defaults, every table and fit inside."""
        files: dict[str, Any] = {}
        settings = _plain_settings(self._settings)
        settings["focus"] = list(self.focus)
        _put_inside(self, settings, files)
        for name in self.policies:
            _put_inside(self.arm(name), settings["policies"][name], files)
        return {"format": FORMAT, "name": self.name, "settings": settings, "files": files}

    def resolved_toml(self) -> str:
        """The resolved scenario as TOML, to read."""
        return to_toml(self.resolved())

    @staticmethod
    def from_resolved(values: Mapping[str, Any], name: str = "resolved scenario") -> Scenario:
        """The scenario that `resolved` gave, checked anew. Raises InputError."""
        if not isinstance(values, Mapping) or values.get("format") != FORMAT:
            raise InputError(Problem(name, 0, "format", "this is not a resolved scenario", FORMAT))
        settings, files = values.get("settings"), values.get("files")
        if not isinstance(settings, Mapping) or not isinstance(files, Mapping):
            raise InputError(Problem(name, 0, "settings", "settings and files are missing", FORMAT))
        layer = Layer(name, None, "", files)
        document = Document({}, {}, layer).changed(settings, lambda keys: (layer, keys))
        return _loaded(document, str(values.get("name", "scenario")), None)


def _lookup(values: Any, key: str) -> Any:
    """The value of a dotted key in nested sections and lists; None where there is none."""
    for part in key.split("."):
        if isinstance(values, Mapping):
            values = values.get(part)
        elif isinstance(values, list | tuple) and part.isdigit() and int(part) < len(values):
            values = values[int(part)]
        else:
            return None
    return values


def _with_fixed(scenario: Scenario, overrides: Mapping[str, Any]) -> Scenario:
    """The scenario, in which what overrides gave is no longer drawn."""
    given = [key for key in scenario._drawn if _lookup(nested(overrides), key) is not None]
    if not given:
        return scenario
    return _assembled(_fixing(scenario._document, scenario, given), scenario.name, scenario.path, scenario)


def _fixing(document: Document, scenario: Scenario, keys: Sequence[str]) -> Document:
    """The document, with keys that keep their value whatever a fit has drawn for them."""
    if not keys:
        return document
    fixed = [*dict.fromkeys([*scenario.parameters.fixed, *keys])]
    return document.overridden({"parameters.fixed": fixed})


def _month(date: datetime.date) -> int:
    return date.year * 12 + date.month - 1


def shipped() -> dict[str, Path]:
    """The scenarios that come with the program, by name."""
    package = Path(__file__).parents[1]
    inside = package / "_scenarios"
    folder = inside if inside.is_dir() else package.parent / "scenarios"
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def load(source: str | Path, overrides: Mapping[str, Any] | None = None) -> Scenario:
    """Read and check a scenario: a TOML file, a resolved JSON file, or the name of a shipped scenario.

    Overrides have dotted keys or the scenario's own shape. Raises InputError with every problem found.
    """
    path = _find(source)
    if path.suffix == ".json":
        scenario = Scenario.from_resolved(_json(path)[0], str(path))
        return scenario.override(overrides) if overrides else scenario
    document = read_document(path, shipped())
    scenario = _loaded(document.overridden(overrides) if overrides else document, path.stem, path)
    return _with_fixed(scenario, overrides or {})


def _find(source: str | Path) -> Path:
    """A file that is there, or a shipped scenario; a name that is neither is refused."""
    text, known = str(source), shipped()
    if text in known and not Path(text).is_file():
        return known[text]
    if isinstance(source, Path) or "/" in text or "\\" in text or Path(text).suffix or Path(text).exists():
        return Path(source)
    message = "is no file, and no shipped scenario"
    raise InputError(Problem(text or "''", 0, "", message, ", ".join(known), nearest(text, known)))


def _loaded(document: Document, name: str, path: Path | None) -> Scenario:
    """The scenario of a document, with all its policies checked too."""
    problems: list[Problem] = []
    scenario = None
    try:
        scenario = _assembled(document, name, path, None)
    except InputError as error:
        problems += error.problems
    policies = document.raw.get("policies")
    if isinstance(policies, Mapping) and len(policies) <= POLICIES_LIMIT:
        for policy in policies:
            problems += _policy_problems(document, policy, scenario)
    if problems or scenario is None:
        raise InputError(dict.fromkeys(problems))
    return scenario


def _policy_problems(document: Document, name: str, scenario: Scenario | None) -> list[Problem]:
    """What is wrong with the overrides of a policy."""
    overrides = document.raw["policies"][name]
    if not isinstance(overrides, Mapping):
        return []
    wrong = [key for key in dict.fromkeys(part.split(".")[0] for part in overrides) if key not in _OF_POLICIES]
    problems = [document.problem(("policies", name, key), *_misplaced(key)) for key in wrong]
    tables = overrides.get("tables", {})
    for key in tables if isinstance(tables, Mapping) else ():
        if key not in POLICY_TABLES:
            message = "is the same for all policies, or unknown"
            problems.append(document.problem(("policies", name, "tables", key), message, ", ".join(POLICY_TABLES)))
            wrong.append("tables")
    try:
        changed = document.arm(name, wrong)
        if scenario is None:
            _settings(changed, problems)
        else:
            _assembled(changed, name, None, scenario)
    except InputError as error:
        problems += error.problems
    return problems


_OF_POLICIES = ("title", "description", *POLICY_KEYS)


def _misplaced(key: str) -> tuple[str, str, str]:
    """Message, what is allowed and nearest name for a key that no policy may hold."""
    common = "is the same for all policies" if key in Settings.model_fields else "unknown key"
    return common, ", ".join(_OF_POLICIES), nearest(key, _OF_POLICIES) if common == "unknown key" else ""


def _assembled(document: Document, name: str, path: Path | None, previous: Scenario | None) -> Scenario:
    """The scenario of a document, sharing with `previous` what is read from the same files."""
    problems: list[Problem] = []
    settings = _settings(document, problems)
    world = _world(document, settings, previous, problems)
    if settings is None or world is None:
        raise InputError(dict.fromkeys(problems))
    fits, files = _fits(document, settings, previous, problems)
    outline = _outline(document, settings, previous, problems)
    steps = round(settings.months / settings.exact_step)
    problems += _reference_problems(document, settings, world)
    problems += _money_problems(settings, world)
    size = memory(world, steps, settings.network.neighbours)
    if size > MEMORY_LIMIT:
        problems.append(too_large(size))
    if problems:
        raise InputError(_with_files(problems, document))
    shared = {key: getattr(settings, key) for key in _SHARED}
    scenario = Scenario(
        name=name,
        path=path,
        step=settings.exact_step,
        steps=steps,
        focus=settings.focus or _regions_with_members(world),
        places=world.places,
        regions=world.regions,
        technologies=world.technologies,
        portfolio=world.portfolio,
        fit=world.fit,
        links=world.links,
        network_parameters=settings.network,
        grp_fit=fits["economy"],
        parameter_fit=fits["parameters"],
        _settings=settings,
        _document=document,
        _world=world,
        _fit_files=files,
        _outline=outline,
        **shared,
    )
    if scenario.parameter_fit is not None and fits["parameters"] is not getattr(previous, "parameter_fit", None):
        _check_draws(scenario, scenario.parameter_fit)
    return scenario


_SHARED = (
    *("title", "description", "start", "end", "replicates", "seed", "currency", "diffusion", "platform"),
    *(
        "finance",
        "economy",
        "sanctions",
        "security",
        "policy",
        "parameters",
        "mandates",
        "targets",
        "policies",
    ),
)


def _settings(document: Document, problems: list[Problem]) -> Settings | None:
    """The validated settings, or None and what is wrong with them."""
    try:
        return Settings.model_validate(document.raw)
    except ValidationError as error:
        faults = error.errors(include_url=False)
        problems += [_setting_problem(document, dict(fault)) for fault in faults[:SETTINGS_SHOWN]]
        if len(faults) > SETTINGS_SHOWN:
            more = f"and {len(faults) - SETTINGS_SHOWN} more problems"
            problems.append(document.problem(tuple(faults[SETTINGS_SHOWN]["loc"]), more))
        return None


def _setting_problem(document: Document, fault: dict[str, Any]) -> Problem:
    """A fault found by pydantic in the words and lines of the scenario's author."""
    keys: Keys = tuple(part for part in fault["loc"] if part not in ("[key]", "overrides"))
    if fault["type"] == "refused":
        context = fault["ctx"]
        keys = (*keys, context["key"]) if context["key"] else keys
        return document.problem(keys, context["message"], context["allowed"])
    named = keys
    while named and isinstance(named[-1], int):
        named = named[:-1]
    section = section_at(named[:-1])
    if fault["type"] == "extra_forbidden" and section:
        allowed = keys_of(section)
        return document.problem(keys, "unknown key", ", ".join(allowed), nearest(str(keys[-1]), allowed))
    found = field_of(section, named[-1]) if section and named else None
    words = permitted(found) if found else ""
    if fault["type"] == "missing":
        return document.problem(keys, "is missing", words)
    value = _shown(fault["input"])
    if fault["type"] in ("model_type", "dict_type", "model_attributes_type"):
        return document.problem(keys, f"{value} is not a section", f"[{keys[-1] if keys else ''}] with its keys")
    message = _FAULTS.get(fault["type"], "{value} is not permitted").format(value=value)
    if fault["type"] in ("too_short", "too_long"):
        words = f"{fault['ctx'].get('min_length', fault['ctx'].get('max_length'))} elements"
    options = words.split(" or ") if fault["type"] == "literal_error" else []
    return document.problem(keys, message, words, nearest(str(fault["input"]), options))


_FAULTS = {
    "greater_than_equal": "{value} is out of range",
    "less_than_equal": "{value} is out of range",
    "finite_number": "{value} is not a finite number",
    "float_type": "{value} is not a number",
    "int_type": "{value} is not a whole number",
    "string_type": "{value} is not a text",
    "bool_type": "{value} is not true or false",
    "literal_error": "{value} is unknown",
    "too_short": "{value} has too few elements",
    "too_long": "{value} has too many elements",
}


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return "a section"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _world(
    document: Document, settings: Settings | None, previous: Scenario | None, problems: list[Problem]
) -> World | None:
    """The world of the tables; read as far as it can be even where other settings are wrong."""
    raw = document.raw
    try:
        tables = settings.tables if settings else Tables.model_validate(raw.get("tables"))
        wanted = settings.settlements if settings else None
        if not settings and raw.get("settlements") is not None:
            wanted = Settlements.model_validate(raw["settlements"])
    except ValidationError:
        return None
    if previous and (tables, wanted) == (previous._settings.tables, previous._settings.settlements):
        return previous._world
    before = len(problems)
    read = _tables(document, tables, previous, problems)
    if not wanted:
        needed = [key for key in ("places", "regions") if not getattr(tables, key)]
        problems += [document.problem(("tables", key), "is missing", "the path of a table") for key in needed]
    elif len(problems) == before:
        _add_towns(document, wanted, read, previous, problems)
    if len(problems) > before:
        return None
    try:
        return build(read, previous._world if previous else None)
    except InputError as error:
        problems += _with_files(error.problems, document)
        return None


def _with_files(problems: Sequence[Problem], document: Document) -> list[Problem]:
    """Problems with the scenario's own file where they name none."""
    named = [
        problem
        if problem.file
        else document.problem(tuple(problem.key.split(".")), problem.message, problem.allowed, problem.nearest)
        for problem in problems
    ]
    return list(dict.fromkeys(named))


def _tables(document: Document, tables: Tables, previous: Scenario | None, problems: list[Problem]) -> dict[str, Table]:
    """The tables that the scenario names; one that `previous` read from the same file is taken from it."""
    known = previous._world.tables if previous else {}
    result = {}
    for name, columns in COLUMNS.items():
        text = getattr(tables, name)
        if text:
            layer, source = document.origin(("tables", name))
            try:
                if layer.inline is None:
                    path = located(layer, ("tables", name), text, source)
                    again = name in known and known[name].path == str(path)
                    result[name] = known[name] if again else read_table(path, columns)
                else:
                    cells = _inline(layer, ("tables", name), text)
                    again = name in known and known[name].path == text
                    result[name] = known[name] if again else table_from_cells(text, cells, columns)
            except InputError as error:
                problems += error.problems
    return result


def _inline(layer: Layer, keys: Keys, name: str) -> Mapping[str, Any]:
    """A file inside a resolved scenario."""
    files = layer.inline or {}
    if not isinstance(files.get(name), Mapping):
        message = f"no such file inside the resolved scenario: {name!r}"
        raise InputError(Problem(layer.name, 0, ".".join(map(str, keys)), message, "", nearest(name, files)))
    return files[name]


_TOWNS = {"settlements": "places", "countries": "regions"}


def _add_towns(
    document: Document,
    wanted: Settlements,
    read: dict[str, Table],
    previous: Scenario | None,
    problems: list[Problem],
) -> None:
    """Add settlements and their countries to the tables read, from `previous` where nothing changed."""
    known = previous._world.tables if previous else {}
    unchanged = previous is not None and wanted == previous._settings.settlements
    inline = document.base.inline
    if unchanged and all(read.get(name) is known.get(name) for name in ("places", "regions")):
        read |= {name: known[name] for name in _TOWNS}
    elif previous is None and inline is not None and "settlements" in inline:
        for name, shape in _TOWNS.items():
            read[name] = table_from_cells(name, _inline(document.base, (name,), name), COLUMNS[shape])
    else:
        try:
            read["settlements"], read["countries"] = towns(wanted, read.get("places"), read.get("regions"))
        except InputError as error:
            problems += _with_files(error.problems, document)


def _fits(
    document: Document, settings: Settings, previous: Scenario | None, problems: list[Problem]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The fits that the scenario names, parsed, and the files as they are; None where it names none."""
    fits: dict[str, Any] = {"economy": None, "parameters": None}
    files: dict[str, Any] = {}
    for section, parse in (("economy", _grp_fit), ("parameters", _parameter_fit)):
        text = getattr(settings, section).fit
        if not text:
            continue
        old = previous._settings if previous else None
        if previous and old and getattr(old, section).fit == text:
            files[section] = previous._fit_files[section]
            fits[section] = previous.grp_fit if section == "economy" else previous.parameter_fit
            continue
        keys = (section, "fit")
        layer, source = document.origin(keys)
        try:
            if layer.inline is None:
                path = located(layer, keys, text, source)
                files[section], sha256 = _json(path)
                fits[section] = parse(files[section], str(path), sha256)
            else:
                files[section] = dict(_inline(layer, keys, text))
                fits[section] = parse(files[section], text, "")
        except InputError as error:
            problems += error.problems
    if settings.economy.coefficients == "draws" and fits["economy"] and not fits["economy"].draws:
        message = "the fit file has no draws of the coefficients"
        problems.append(document.problem(("economy", "coefficients"), message, "point"))
    return fits, files


def _outline(
    document: Document, settings: Settings, previous: Scenario | None, problems: list[Problem]
) -> Outline | None:
    """The outline that the scenario names, from `previous` where it is the same file."""
    text, keys = settings.tables.outline, ("tables", "outline")
    if not text:
        return None
    if previous and previous._outline and previous._settings.tables.outline == text:
        return previous._outline
    layer, source = document.origin(keys)
    try:
        if layer.inline is None:
            path = located(layer, keys, text, source)
            (shape, sha256), name = _json(path, OUTLINE_LIMIT), str(path)
        else:
            shape, sha256, name = _inline(layer, keys, text), "", text
        return Outline(shape, rings(shape, name), name, sha256)
    except InputError as error:
        problems += error.problems
        return None


def _json(path: Path, limit: int = JSON_LIMIT) -> tuple[Any, str]:
    """What a JSON file of at most `limit` bytes holds, and its SHA-256."""

    def refuse(text: str) -> None:
        raise ValueError(f"{text} is not a number")

    data = read_file(path, limit)
    try:
        return json.loads(data.decode("utf-8"), parse_constant=refuse), hashlib.sha256(data).hexdigest()
    except json.JSONDecodeError as error:
        raise InputError(Problem(str(path), error.lineno, "", f"is not JSON: {error.msg}")) from None
    except (ValueError, RecursionError) as error:
        raise InputError(Problem(str(path), 0, "", f"is not JSON: {error}")) from None


def _validated(model: type[_FitFile], values: Any, name: str) -> Any:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise InputError(
            Problem(name, 0, ".".join(map(str, fault["loc"])), f"the fit file is not sound: {fault['msg']}")
            for fault in error.errors(include_url=False)
        ) from None


def _grp_fit(values: Any, name: str, sha256: str) -> Fit:
    file = _validated(_GrpFile, values, name)
    draws = _draws({key: getattr(file.draws, key) for key in ("a", "b1", "b2")} if file.draws else {}, name)
    point = file.coefficients
    return Fit(file.form, file.n, point.a, point.b1, point.b2, draws, name, sha256)


def _parameter_fit(values: Any, name: str, sha256: str) -> ParameterFit:
    return ParameterFit(_draws(_validated(_TargetsFile, values, name).draws, name), name, sha256)


def _draws(lists: Mapping[str, list[float]], name: str) -> dict[str, np.ndarray]:
    """Joint draws as read-only arrays of one length."""
    if lists and (len({len(values) for values in lists.values()}) > 1 or not all(lists.values())):
        raise InputError(Problem(name, 0, "draws", "the lists of draws are empty, or not of one length"))
    arrays = {key: np.array(values, dtype=np.float64) for key, values in lists.items()}
    for array in arrays.values():
        array.flags.writeable = False
    return arrays


def _check_draws(scenario: Scenario, fit: ParameterFit) -> None:
    """Refuse draws of parameters that the scenario could not hold, by the extremes of each."""
    for key, values in fit.draws.items():
        for extreme in (values.min(), values.max()):
            try:
                scenario.override({key: float(extreme)})
            except InputError as error:
                raise InputError(
                    Problem(fit.path, 0, f"draws.{key}", problem.message, problem.allowed, problem.nearest)
                    for problem in error.problems
                ) from None


def _reference_problems(document: Document, settings: Settings, world: World) -> list[Problem]:
    """Regions and technologies that settings name and the tables do not have."""
    problems = []

    def check(keys: Keys, name: str, noun: str, known: Sequence[str]) -> None:
        if name not in known:
            message = f"{name!r} is no {noun} of this scenario"
            problems.append(document.problem(keys, message, "", nearest(name, known)))

    members = _regions_with_members(world)
    for number, region in enumerate(settings.focus):
        check(("focus", number), region, "region with a municipality", members)
        if region in settings.focus[:number]:
            problems.append(document.problem(("focus", number), f"{region!r} is there twice", "each region once"))
    for number, mandate in enumerate(settings.mandates):
        check(("mandates", number, "region"), mandate.region, "region with a municipality", members)
        check(("mandates", number, "technology"), mandate.technology, "technology", world.technologies.id)
    for name, target in settings.targets.items():
        check(("targets", name, "technology"), target.technology, "technology", world.technologies.id)
    return problems


def _regions_with_members(world: World) -> tuple[str, ...]:
    rows = np.unique(world.places.region[~world.places.guide])
    return tuple(world.regions.id[row] for row in rows)


def _money_problems(settings: Settings, world: World) -> list[Problem]:
    """Regions with municipalities whose row lacks a figure that money or the economy needs."""
    needed = {"grp_bln": world.regions.grp} if settings.finance.cost_level > 0 or settings.economy.fit else {}
    if settings.economy.fit:
        needed |= {"industry_bln": world.regions.industry, "urban_population": world.regions.urban}
    reason = "economy.fit" if settings.economy.fit else "finance.cost_level"
    members = np.unique(world.places.region[~world.places.guide]) if needed else ()
    problems = []
    for column, values in needed.items():
        for row in members:
            if not values[row] > 0:
                file, line = world.region_lines[row]
                message = f"{world.regions.id[row]!r} has no figure, and {reason} is set"
                problems.append(Problem(file, line, column, message, "a number above 0"))
    return problems


def _plain_settings(settings: Settings) -> dict[str, Any]:
    """Settings in the shape of a file, with defaults; keys without a value are left out."""
    plain = settings.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"policies"})
    plain["policies"] = {name: _dated(policy.plain()) for name, policy in settings.policies.items()}
    return plain


def _dated(value: Any) -> Any:
    """Plain values with dates as text."""
    if isinstance(value, Mapping):
        return {key: _dated(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_dated(item) for item in value]
    return value.isoformat() if isinstance(value, datetime.date) else value


def _put_inside(scenario: Scenario, settings: dict[str, Any], files: dict[str, Any]) -> None:
    """Put the files that `settings` names into `files`, and the names they have there into `settings`."""
    for name, table in scenario._world.tables.items():
        if name in _TOWNS:
            files[name] = table.cells()
        elif settings.get("tables", {}).get(name):
            settings["tables"][name] = _stored(files, settings["tables"][name], table.cells())
    if scenario._outline and settings.get("tables", {}).get("outline"):
        settings["tables"]["outline"] = _stored(files, settings["tables"]["outline"], scenario._outline.shape)
    for section, file in scenario._fit_files.items():
        if settings.get(section, {}).get("fit"):
            settings[section]["fit"] = _stored(files, settings[section]["fit"], file)


def _stored(files: dict[str, Any], name: str, content: Any) -> str:
    """Store a file under its name, or under a new one where another file has it."""
    while name in files and files[name] != content:
        name += "'"
    files[name] = content
    return name
