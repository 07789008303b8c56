"""What exactly is to be simulated? A checked, frozen scenario: read, override, choose a policy, resolve."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.scenario.assembly import TOWNS, Parts, assembled, drawn_keys, policy_faults, regions_with_members
from sim.scenario.dates import date_of, step_of
from sim.scenario.document import Document, Layer, nested, parse_override, read_document, to_toml, value_at
from sim.scenario.errors import InputError, Problem, nearest, unknown
from sim.scenario.fits import Fit, ParameterFit, read_json
from sim.scenario.places import Links, Places, Regions, Technologies
from sim.scenario.schema import (
    POLICIES_LIMIT,
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
    Target,
    json_schema,
    parameter_table,
)
from sim.scenario.tables import Table

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

FORMAT = "uptake scenario 1"


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
    _document: Document = field(repr=False)
    _parts: Parts = field(repr=False)

    def override(self, overrides: Mapping[str, Any]) -> Scenario:
        """This scenario with dotted or nested overrides; tables that stay the same are shared.

        What is given here holds in every replicate: the draws of a parameters' fit no longer apply to it.
        """
        return _scenario(_with_fixed(self._document.overridden(overrides), overrides), self.name, self.path)

    def __getitem__(self, key: str) -> Any:
        """The value of a dotted key as the file names it: `scenario["diffusion.peers"]`, `scenario["mandates.0.rate"]`.

        Raises InputError for a key that a scenario does not have.
        """
        value: Any = self._parts.settings
        for part in key.split("."):
            try:
                value = value[int(part) if isinstance(value, tuple) else part]
            except (LookupError, TypeError, ValueError):
                raise InputError(Problem(str(self.path or self.name), 0, key, "unknown key")) from None
        return value

    @property
    def focus_rows(self) -> list[int]:
        """Rows of the focus regions in the table of regions."""
        return [row for row, name in enumerate(self.regions.id) if name in self.focus]

    def arm(self, name: str | None) -> Scenario:
        """This scenario under one of its policies; itself for None and `baseline`. Raises InputError."""
        if name is None or name == "baseline":
            return self
        if name not in self.policies:
            options = ["baseline", *self.policies]
            raise InputError(
                unknown(name, "a policy of this scenario", options, str(self.path or self.name), "policies")
            )
        document = self._document.arm(name)
        changed = [key for key in self._drawn if document.value(key) != self._document.value(key)]
        return _scenario(document.fixing(changed), self.name, self.path)

    @property
    def _drawn(self) -> tuple[str, ...]:
        """The dotted keys whose values the draws of the parameters' fit replace."""
        return drawn_keys(self._document)

    def instant(self, step_index: int) -> np.datetime64:
        """The date of an instant, datetime64[D]: start and so many steps; part of a month counts its days."""
        return date_of(self.start, self.step, step_index)

    def step_of(self, date: datetime.date | str | np.datetime64) -> int:
        """The last instant at or before a date; below 0 before the start, above `steps` after the end."""
        return step_of(self.start, self.step, date)

    @cached_property
    def instants(self) -> np.ndarray:
        """The dates of all instants from start to end, datetime64[D][steps + 1]."""
        return np.array([self.instant(k) for k in range(self.steps + 1)], dtype="datetime64[D]")

    @property
    def tables(self) -> Mapping[str, Table]:
        """The tables as they were read, in the order of the files, by the names of `[tables]`."""
        return self._parts.world.tables

    @property
    def outline(self) -> tuple[np.ndarray, ...]:
        """What a map draws behind the places: rings float64[points, 2] of longitude and latitude; empty: nothing."""
        return self._parts.outline.rings if self._parts.outline else ()

    @cached_property
    def inputs(self) -> dict[str, str]:
        """SHA-256 of every file that was read, by its name: scenario files, tables, outline and fits."""
        layers = (layer for layer, _ in self._document.origins.values())
        others = (self.grp_fit, self.parameter_fit, self._parts.outline)
        hashes = {layer.name: layer.sha256 for layer in layers}
        hashes |= {item.path: item.sha256 for item in (*self._parts.world.tables.values(), *others) if item}
        return {name: sha256 for name, sha256 in hashes.items() if sha256}

    def network(self) -> networkx.DiGraph:
        """Municipalities and regions as nodes, influence as edges with weight and channel."""
        from sim.scenario.graph import to_networkx

        return to_networkx(self)

    def resolved(self) -> dict[str, Any]:
        """The whole scenario as plain values for JSON: settings with defaults, every table and fit inside."""
        files: dict[str, Any] = {}
        settings = _plain_settings(self._parts.settings)
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
        scenario = Scenario.from_resolved(read_json(path)[0], str(path))
        return scenario.override(overrides) if overrides else scenario
    document = read_document(path, shipped())
    if overrides:
        document = _with_fixed(document.overridden(overrides), overrides)
    return _loaded(document, path.stem, path)


def _find(source: str | Path) -> Path:
    """A file that is there, or a shipped scenario; a name that is neither is refused."""
    text, known = str(source), shipped()
    if text in known and not Path(text).is_file():
        return known[text]
    if isinstance(source, Path) or "/" in text or "\\" in text or Path(text).suffix or Path(text).exists():
        return Path(source)
    message = "is no file, and no shipped scenario"
    raise InputError(Problem(text or "''", 0, "", message, ", ".join(known), nearest(text, known)))


def _with_fixed(document: Document, overrides: Mapping[str, Any]) -> Document:
    """What overrides gave keeps its value, whatever a fit has drawn for it."""
    opened = nested(overrides)
    return document.fixing([key for key in drawn_keys(document) if value_at(opened, key) is not None])


def _loaded(document: Document, name: str, path: Path | None) -> Scenario:
    """The scenario of a document, with all its policies checked too."""
    problems: list[Problem] = []
    scenario = None
    try:
        scenario = _scenario(document, name, path)
    except InputError as error:
        problems += error.problems
    policies = document.raw.get("policies")
    if isinstance(policies, Mapping) and len(policies) <= POLICIES_LIMIT:
        for policy in policies:
            problems += policy_faults(document, policy)
    if problems or scenario is None:
        raise InputError(dict.fromkeys(problems))
    return scenario


def _scenario(document: Document, name: str, path: Path | None) -> Scenario:
    """The scenario that a document describes: nothing else decides what it is."""
    parts = assembled(document)
    settings, world = parts.settings, parts.world
    same = {*Settings.model_fields} & {field.name for field in fields(Scenario)} - {"step", "focus"}
    return Scenario(
        name=name,
        path=path,
        step=settings.exact_step,
        steps=parts.steps,
        focus=settings.focus or regions_with_members(world),
        network_parameters=settings.network,
        grp_fit=parts.fits["economy"],
        parameter_fit=parts.fits["parameters"],
        _document=document,
        _parts=parts,
        **{key: getattr(world, key) for key in ("places", "regions", "technologies", "portfolio", "fit", "links")},
        **{key: getattr(settings, key) for key in same},
    )


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
    for name, table in scenario._parts.world.tables.items():
        if name in TOWNS:
            files[name] = table.cells()
        elif settings.get("tables", {}).get(name):
            settings["tables"][name] = _stored(files, settings["tables"][name], table.cells())
    if scenario._parts.outline and settings.get("tables", {}).get("outline"):
        settings["tables"]["outline"] = _stored(files, settings["tables"]["outline"], scenario._parts.outline.shape)
    for section, file in scenario._parts.fit_files.items():
        if settings.get(section, {}).get("fit"):
            settings[section]["fit"] = _stored(files, settings[section]["fit"], file)


def _stored(files: dict[str, Any], name: str, content: Any) -> str:
    """Store a file under its name, or under a new one where another file has it."""
    while name in files and files[name] != content:
        name += "'"
    files[name] = content
    return name
