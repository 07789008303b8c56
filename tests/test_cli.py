"""The command line: what it prints, where, and with which exit code."""

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import sim
from sim.cli import common
from sim.cli import main as cli

ROOT = Path(__file__).parent.parent


def uptake(*arguments, **options):
    return subprocess.run(
        [sys.executable, "-m", "sim", *arguments], capture_output=True, text=True, check=False, timeout=300, **options
    )


def test_help_lists_the_nine_commands():
    done = uptake("--help")
    assert done.returncode == 0
    for name in ("run", "check", "view", "sweep", "compare", "seek", "calibrate", "report", "new"):
        assert f"  {name} " in done.stdout


def test_check_notes_dates_that_have_no_effect():
    done = uptake("check", "perm-krai", "end=2022-12")
    assert done.returncode == 0
    assert "note: mandates.0.from: 2023-01-01 is after the end, 2022-12-01; it has no effect" in done.stdout
    assert "note" not in uptake("check", "perm-krai").stdout


def test_check_and_run_note_places_that_lie_where_they_hardly_can(tmp_path):
    table = (ROOT / "scenarios" / "tables" / "kazakhstan_places.csv").read_text(encoding="utf-8")
    for folder in ("tables", "fits", "outlines"):
        shutil.copytree(ROOT / "scenarios" / folder, tmp_path / folder)
    shutil.copy(ROOT / "scenarios" / "kazakhstan.toml", tmp_path)
    header, *rows = csv.reader(table.splitlines())
    lat, lon, region, name = (header.index(key) for key in ("lat", "lon", "region", "name"))
    for row in rows:
        if row[region] == "KZ-11":  # all of Akmola: nothing in the region itself tells
            row[lat], row[lon] = row[lon], row[lat]
    one = next(row for row in rows if row[region] == "KZ-63")
    one[lat], one[lon] = one[lon], one[lat]
    with (tmp_path / "tables" / "kazakhstan_places.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    done = uptake("check", str(tmp_path / "kazakhstan.toml"))
    notes = [line for line in done.stdout.splitlines() if "note: " in line]
    assert done.returncode == 0 and len(notes) == 2, done.stdout + done.stderr
    assert f"kazakhstan_places.csv: note: {one[name]} (" in notes[0] and "from the middle of its region" in notes[0]
    assert "all of Akmola (" in notes[1] and "from every other region" in notes[1]
    assert all("with latitude and longitude swapped it would be" in note for note in notes)
    few = ("--replicates", "2", "--policy", "none", "-o", str(tmp_path / "out"))
    run = uptake("run", str(tmp_path / "kazakhstan.toml"), *few)
    assert [line for line in run.stderr.splitlines() if "note: " in line] == notes


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "perm-kria"], "nearest: perm-krai"),
        (["run", "perm-krai", "diffusion.pears=1"], "nearest: peers"),
        (["run", "perm-krai", "diffusion.peers=nan"], "not a finite number"),
        (["run", "perm-krai", "--policy", "no-mandat"], "nearest: no-mandate"),
        (["run", "perm-krai", "--replicates", "9000000"], "GB"),
        (["check"], "Name a scenario"),
        (["report", "nothing-here"], "there is no such folder"),
    ],
)
def test_wrong_input_is_told_on_stderr_with_exit_2(arguments, words, tmp_path):
    done = uptake(*arguments, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_a_run_prints_json_for_machines_and_messages_for_people(tmp_path):
    done = uptake(
        "run", "perm-krai", "--replicates", "3", "--policy", "no-mandate", "-o", "out", "--json", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["policies"] == ["baseline", "no-mandate"]
    assert "Running perm-krai" in done.stderr
    assert uptake("check", "out", "--rerun", "2", cwd=tmp_path).returncode == 0
    saved, again = sim.load_results(tmp_path / "out"), sim.run(sim.load("perm-krai"), 3, policy="no-mandate")
    assert saved.events.equals(again.events)
    assert saved.regions.equals(again.regions)


def test_a_fault_of_ours_is_a_line_and_exit_1(monkeypatch, capsys):
    def broken(*_):
        raise RuntimeError("a wheel came off")

    monkeypatch.setattr(cli, "load_scenario", broken)
    monkeypatch.delenv("UPTAKE_TRACEBACK", raising=False)
    with pytest.raises(SystemExit) as ended:
        cli.main(["check", "perm-krai"])
    assert ended.value.code == 1
    told = capsys.readouterr().err
    assert "a fault of the program: RuntimeError: a wheel came off" in told
    assert "Traceback" not in told


def test_a_long_run_without_a_terminal_says_now_and_then_how_far_it_is(monkeypatch, capsys):
    clock = iter([0.0, 4.0, 11.0, 15.0, 22.0])
    monkeypatch.setattr(common.time, "monotonic", lambda: next(clock))
    with common.progress_bar("a run") as advance:
        for done in (10, 30, 50, 99):
            advance("baseline", done, 100)
    assert capsys.readouterr().err == "Running a run ...\n30 % done (baseline)\n99 % done (baseline)\n"
