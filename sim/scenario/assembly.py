"""What do a document's values and files make, and what is wrong with them? Every problem, at its line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import ValidationError

from sim.scenario.document import Document, Keys, Layer, located
from sim.scenario.errors import InputError, Problem, nearest
from sim.scenario.fits import JSON_LIMIT, grp_fit, parameter_fit, read_json
from sim.scenario.outline import OUTLINE_LIMIT, rings
from sim.scenario.places import COLUMNS, MEMORY_LIMIT, World, build, memory, too_large
from sim.scenario.schema import (
    POLICY_KEYS,
    POLICY_TABLES,
    Settings,
    Settlements,
    Tables,
    field_of,
    keys_of,
    permitted,
    section_at,
)
from sim.scenario.settlements import towns
from sim.scenario.tables import Table, read_table, table_from_cells

SETTINGS_SHOWN = 50


@dataclass(frozen=True, eq=False)
class Outline:
    """The outline behind the places of a map: its file, and the rings of all polygons."""

    shape: Mapping[str, Any]
    rings: tuple[np.ndarray, ...]
    path: str
    sha256: str


@dataclass(frozen=True, eq=False)
class Parts:
    """What a scenario is made of: its settings, the world of its tables, fits (parsed and as they are), outline."""

    settings: Settings
    world: World
    fits: Mapping[str, Any]
    fit_files: Mapping[str, Any]
    outline: Outline | None
    steps: int


def assembled(document: Document) -> Parts:
    """The parts of a document, which nothing but the document decides. Raises InputError with every problem."""
    problems: list[Problem] = []
    settings = validated(document, problems)
    world = _world(document, settings, problems)
    # faults of settings and of tables are told together, and what builds on both only where both are sound
    if settings is None or world is None:
        raise InputError(dict.fromkeys(problems))
    fits, files = _fits(document, settings, problems)
    outline = _outline(document, settings, problems)
    steps = round(settings.months / settings.exact_step)
    problems += _reference_problems(document, settings, world)
    problems += _money_problems(settings, world)
    size = memory(world, steps, settings.network.neighbours)
    if size > MEMORY_LIMIT:
        problems.append(too_large(size))
    if problems:
        raise InputError(with_files(problems, document))
    return Parts(settings, world, fits, files, outline, steps)


def policy_faults(document: Document, name: str) -> list[Problem]:
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
        assembled(document.arm(name, wrong))
    except InputError as error:
        problems += error.problems
    return problems


_OF_POLICIES = ("title", "description", *POLICY_KEYS)


def _misplaced(key: str) -> tuple[str, str, str]:
    """Message, what is allowed and nearest name for a key that no policy may hold."""
    common = "is the same for all policies" if key in Settings.model_fields else "unknown key"
    return common, ", ".join(_OF_POLICIES), nearest(key, _OF_POLICIES) if common == "unknown key" else ""


def validated(document: Document, problems: list[Problem]) -> Settings | None:
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


def _world(document: Document, settings: Settings | None, problems: list[Problem]) -> World | None:
    """The world of the tables; read as far as it can be even where other settings are wrong."""
    raw = document.raw
    try:
        tables = settings.tables if settings else Tables.model_validate(raw.get("tables"))
        wanted = settings.settlements if settings else None
        if not settings and raw.get("settlements") is not None:
            wanted = Settlements.model_validate(raw["settlements"])
    except ValidationError:
        return None
    before = len(problems)
    read = _tables(document, tables, problems)
    if not wanted:
        needed = [key for key in ("places", "regions") if not getattr(tables, key)]
        problems += [document.problem(("tables", key), "is missing", "the path of a table") for key in needed]
    elif len(problems) == before:
        try:
            read |= _settlements(document, tables, wanted, read)
        except InputError as error:
            problems += with_files(error.problems, document)
    if len(problems) > before:
        return None
    try:
        return build(read, wanted, document.once)
    except InputError as error:
        problems += with_files(error.problems, document)
        return None


def with_files(problems: Sequence[Problem], document: Document) -> list[Problem]:
    """Problems with the scenario's own file where they name none."""
    named = [
        problem
        if problem.file
        else document.problem(tuple(problem.key.split(".")), problem.message, problem.allowed, problem.nearest)
        for problem in problems
    ]
    return list(dict.fromkeys(named))


def _tables(document: Document, tables: Tables, problems: list[Problem]) -> dict[str, Table]:
    """The tables that the scenario names."""
    result = {}
    for name, columns in COLUMNS.items():
        text = getattr(tables, name)
        if text:
            layer, source = document.origin(("tables", name))
            try:
                if layer.inline is None:
                    path = located(layer, ("tables", name), text, source)
                    result[name] = document.once((name, str(path)), read_table, path, columns)
                else:
                    cells = _inline(layer, ("tables", name), text)
                    result[name] = document.once((name, text), table_from_cells, text, cells, columns)
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


TOWNS = {"settlements": "places", "countries": "regions"}
"""Tables that the package of settlements fills, and whose columns they have."""


def _settlements(
    document: Document, tables: Tables, wanted: Settlements, read: Mapping[str, Table]
) -> dict[str, Table]:
    """Settlements and their countries, beside the tables read."""
    inline = document.base.inline
    if inline is not None and "settlements" in inline and document.origin(("settlements",))[0] is document.base:
        return {
            name: document.once((name,), table_from_cells, name, _inline(document.base, (name,), name), COLUMNS[shape])
            for name, shape in TOWNS.items()
        }
    places, regions = read.get("places"), read.get("regions")
    found = document.once(("towns", wanted, tables.places, tables.regions), towns, wanted, places, regions)
    return dict(zip(TOWNS, found, strict=True))


def _fits(document: Document, settings: Settings, problems: list[Problem]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The fits that the scenario names, parsed, and the files as they are; None where it names none."""
    fits: dict[str, Any] = {"economy": None, "parameters": None}
    files: dict[str, Any] = {}
    for section, parse in (("economy", grp_fit), ("parameters", parameter_fit)):
        text = getattr(settings, section).fit
        if not text:
            continue
        try:
            files[section], *named = _json_file(document, (section, "fit"), text, JSON_LIMIT)
            fits[section] = document.once((section, *named), parse, files[section], *named)
        except InputError as error:
            problems += error.problems
    if settings.economy.coefficients == "draws" and fits["economy"] and not fits["economy"].draws:
        message = "the fit file has no draws of the coefficients"
        problems.append(document.problem(("economy", "coefficients"), message, "point"))
    return fits, files


def drawn_keys(document: Document) -> tuple[str, ...]:
    """The dotted keys that a document's fit of parameters draws; none where its draws are not in use, or not sound."""
    text = document.value("parameters.fit")
    if not text or document.value("parameters.draws") != "draws":
        return ()
    try:
        values, *named = _json_file(document, ("parameters", "fit"), text, JSON_LIMIT)
        return tuple(document.once(("parameters", *named), parameter_fit, values, *named).draws)
    except InputError:  # told when the document is assembled
        return ()


def _json_file(document: Document, keys: Keys, text: str, limit: int) -> tuple[Any, str, str]:
    """What a JSON file holds that a key names, its name and its SHA-256 (empty inside a resolved scenario)."""
    layer, source = document.origin(keys)
    if layer.inline is not None:
        return _inline(layer, keys, text), text, ""
    path = located(layer, keys, text, source)
    values, sha256 = document.once(("json", str(path)), read_json, path, limit)
    return values, str(path), sha256


def _outline(document: Document, settings: Settings, problems: list[Problem]) -> Outline | None:
    """The outline that the scenario names."""
    text, keys = settings.tables.outline, ("tables", "outline")
    if not text:
        return None
    try:
        shape, name, sha256 = _json_file(document, keys, text, OUTLINE_LIMIT)
        return Outline(shape, document.once(("outline", name), rings, shape, name), name, sha256)
    except InputError as error:
        problems += error.problems
        return None


def _reference_problems(document: Document, settings: Settings, world: World) -> list[Problem]:
    """Regions and technologies that settings name and the tables do not have."""
    problems = []

    def check(keys: Keys, name: str, noun: str, known: Sequence[str]) -> None:
        if name not in known:
            message = f"{name!r} is no {noun} of this scenario"
            problems.append(document.problem(keys, message, "", nearest(name, known)))

    members = regions_with_members(world)
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


def regions_with_members(world: World) -> tuple[str, ...]:
    """Ids of the regions with a municipality, in the order of their table."""
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
