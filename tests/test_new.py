"""Does `uptake new` write a scenario that runs at once, says that it is invented, and shows what a policy changes?"""

import csv
import json
import tomllib

import numpy as np
import pytest
from click.testing import CliRunner

import sim
from sim.cli.main import program
from sim.cli.new import write_scenario


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    return write_scenario(tmp_path_factory.mktemp("new") / "my-region")


def test_the_command_says_what_to_do_next(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    told = CliRunner().invoke(program, ["new", "my-region"])
    assert told.exit_code == 0
    assert "uptake run my-region/my-region.toml" in told.output
    checked = CliRunner().invoke(program, ["check", "my-region/my-region.toml"])
    assert "valid" in checked.output, checked.output


def test_it_runs_and_its_policies_change_something(example):
    scenario = sim.load(example)
    assert (len(scenario.regions), len(scenario.places), len(scenario.technologies)) == (2, 12, 4)
    assert len(scenario.policies) == 2
    results = sim.run(scenario, 20)
    effects = results.effects().set_index(["policy", "measure", "date"])["mean"]
    target, last = np.datetime64("2028-01"), results.instants[-1]
    assert effects["order", "programme", target] > 0.1
    assert effects["co-financing", "coverage", last] > 0.01
    share = results.measure("coverage")[:, -1].mean()
    assert 0.1 < share < 0.9


def test_every_row_says_that_it_is_invented(example):
    for path in example.parent.glob("*.csv"):
        with open(path, encoding="utf-8") as table:
            for row in csv.DictReader(table):
                assert "invented" in (row["source"] or "") + (row.get("basis") or ""), (path.name, row)


def test_editors_find_the_schema(example):
    first = example.read_text(encoding="utf-8").splitlines()[0]
    assert first.startswith("#:schema ./")
    schema = json.loads((example.parent / first.removeprefix("#:schema ./")).read_text(encoding="utf-8"))
    assert set(tomllib.loads(example.read_text(encoding="utf-8"))) <= set(schema["properties"])


def test_the_name_is_in_the_file(example):
    assert sim.load(example).title == "my-region"
    assert "NAME.toml" not in example.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["", ".", "..", "a b", "a;b", "x" * 90])
def test_what_is_no_name_is_refused(tmp_path, name):
    with pytest.raises(sim.InputError, match="NAME"):
        write_scenario(tmp_path / name if name not in ("", ".") else type(tmp_path)(name))
    assert not list(tmp_path.iterdir())


def test_what_exists_is_left_alone(example):
    before = example.read_bytes()
    with pytest.raises(sim.InputError, match="exists already"):
        write_scenario(example.parent)
    assert example.read_bytes() == before


def test_a_file_in_the_way_is_said(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(sim.InputError, match="cannot be written"):
        write_scenario(tmp_path / "file" / "name")
