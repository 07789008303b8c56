"""What happens when disks fill, processes die, files are damaged and names are hostile?"""

from __future__ import annotations

import csv
import functools
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from build import build

from sim.results import folder as folders
from sim.results.run import run
from sim.scenario.errors import InputError
from sim.scenario.scenario import load

SCENARIOS = Path(__file__).parent / "scenarios"
PROGRESS = re.compile(r"(Compiling|Running|Writing) .*\.(\.\.)?|.*takes about half a minute\.")
FORMULA = "=cmd|/C!A0"
SCRIPT = "<script>alert('x')</script>"
KAZAKH = "Қызылорда, Өскемен, Ұлытау, Іле, Һ, Ғ, Ң, Ә, Ү, Ё"


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """A folder with the scenario `small.toml` and its tables."""
    for part in ("tables", "fits", "outlines"):
        shutil.copytree(SCENARIOS / part, tmp_path / part)
    shutil.copy(SCENARIOS / "valid" / "minimal.toml", tmp_path / "small.toml")
    return tmp_path


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A complete results folder."""
    scenario = build(6, 2, portfolio=[("p0000", "k0000")], diffusion={"peers": 0.8})
    return folders.save(run(scenario, 4), tmp_path_factory.mktemp("results") / "whole", "uptake run test")


@pytest.fixture
def results(whole: Path, tmp_path: Path) -> Path:
    """A copy of a complete results folder, to damage."""
    return Path(shutil.copytree(whole, tmp_path / "results"))


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "sim", *map(str, arguments)]


def uptake(
    *arguments: object, cwd: Path | None = None, seconds: float = 240, **how
) -> subprocess.CompletedProcess[str]:
    """Run the program; whatever it says must be free of tracebacks."""
    done = subprocess.run(
        command(*arguments), cwd=cwd, capture_output=True, text=True, timeout=seconds, check=False, **how
    )
    assert "Traceback" not in done.stderr + done.stdout, done.stderr
    return done


def said(done: subprocess.CompletedProcess[str]) -> str:
    """The one line that the program says beside its progress."""
    lines = [line for line in done.stderr.splitlines() if line and not PROGRESS.fullmatch(line)]
    assert len(lines) == 1, done.stderr
    return lines[0]


def small_run(world: Path, output: object, *more: object, **how) -> subprocess.CompletedProcess[str]:
    return uptake("run", world / "small.toml", "--replicates", 3, "-o", output, *more, cwd=world, **how)


# Output folders


def test_results_that_exist_are_kept_unless_forced(world: Path, results: Path) -> None:
    before = (results / "MANIFEST.sha256").read_bytes()
    done = small_run(world, results)
    assert done.returncode == 2
    assert "these results exist already; allowed: --force replaces them" in said(done)
    assert (results / "MANIFEST.sha256").read_bytes() == before
    link = world / "link"
    link.symlink_to(results)
    assert small_run(world, link, "--force").returncode == 0
    assert (results / "MANIFEST.sha256").read_bytes() != before
    assert folders.check(results) == []
    assert not list(world.glob("*.partial"))


def test_what_is_no_results_folder_is_never_replaced(world: Path) -> None:
    for name in ("a file", "full"):
        target = world / name
        if name == "full":
            target.mkdir()
            (target / "thesis.txt").write_text("years of work")
        else:
            target.write_text("years of work")
        done = small_run(world, target, "--force")
        assert done.returncode == 2
        assert "thesis" not in done.stderr
    assert (world / "a file").read_text() == (world / "full" / "thesis.txt").read_text() == "years of work"
    (world / "x.partial").mkdir()
    (world / "x.partial" / "thesis.txt").write_text("years of work")
    assert "is not a results folder" in said(small_run(world, world / "x"))
    assert (world / "x.partial" / "thesis.txt").is_file()


@pytest.mark.parametrize("target", ["/dev/null/x", "/proc/x", "/dev/full/x", "a" * 300, "nul\0byte"])
def test_an_impossible_output_is_refused_before_anything_runs(world: Path, target: str) -> None:
    if "\0" in target:
        with pytest.raises(InputError, match="output"), folders.new_folder(Path(target)):
            raise AssertionError("a folder with a NUL byte in its name")
        return
    begin = time.perf_counter()
    done = small_run(world, target)
    assert done.returncode == 2
    assert "output: the results cannot be written: " in said(done)
    assert "Running" not in done.stderr and time.perf_counter() - begin < 60


def _mounted(where: Path, options: str) -> bool:
    """Mount a small file system in memory, where this is permitted."""
    where.mkdir()
    asked = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(where)]
    if os.geteuid() or not shutil.which("mount"):
        return False
    return subprocess.run(asked, capture_output=True, check=False).returncode == 0


@pytest.fixture
def disk(tmp_path: Path) -> Iterator:
    """A function that mounts a file system in memory; all are taken away afterwards."""
    mounted: list[Path] = []

    def mount(options: str) -> Path:
        where = tmp_path / f"disk-{len(mounted)}"
        if not _mounted(where, options):
            pytest.skip("only root may mount a small file system, and not everywhere")
        mounted.append(where)
        return where

    yield mount
    for where in mounted:
        subprocess.run(["umount", "-l", str(where)], check=True)


def test_a_folder_that_may_not_be_written_is_named(world: Path, disk) -> None:
    where = disk("size=1m,ro")
    done = small_run(world, where / "out")
    assert done.returncode == 2
    assert "the results cannot be written: Read-only file system" in said(done)


@pytest.fixture(scope="session")
def needed(tmp_path_factory: pytest.TempPathFactory) -> int:
    """Kilobytes that the small run takes on a disk in blocks of four."""
    world = tmp_path_factory.mktemp("roomy")
    for part in ("tables", "fits", "outlines"):
        shutil.copytree(SCENARIOS / part, world / part)
    shutil.copy(SCENARIOS / "valid" / "minimal.toml", world / "small.toml")
    assert small_run(world, world / "out").returncode == 0
    return sum(4 * -(-path.stat().st_size // 4096) for path in (world / "out").rglob("*") if path.is_file())


@pytest.mark.parametrize("part", [0.005, 0.05, 0.2, 0.5, 0.8, 0.95])
def test_a_disk_that_fills_up_leaves_nothing_that_looks_whole(world: Path, disk, needed: int, part: float) -> None:
    where = disk(f"size={4 * max(1, int(needed * part / 4))}k")
    done = small_run(world, where / "out")
    assert done.returncode == 2, done.stderr
    assert "the results cannot be written: No space left on device; allowed: a folder with room" in said(done)
    assert list(where.iterdir()) == []


def test_a_limit_on_file_sizes_leaves_nothing_that_looks_whole(world: Path) -> None:
    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    done = small_run(world, world / "out", preexec_fn=limited, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"})
    assert done.returncode == 2
    assert "the results cannot be written: File too large" in said(done)
    assert not (world / "out").exists() and not (world / "out.partial").exists()


# Processes that die


def _started(world: Path, *more: object) -> subprocess.Popen[str]:
    asked = command("run", world / "small.toml", "-o", world / "out", *more)
    return subprocess.Popen(
        asked, cwd=world, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def _when(child: subprocess.Popen[str], path: Path, seconds: float = 120) -> None:
    """Wait until a file of the running process is there."""
    end = time.monotonic() + seconds
    while not path.exists():
        assert child.poll() is None and time.monotonic() < end, "the program ended before it was disturbed"
        time.sleep(0.002)


@pytest.mark.parametrize("moment", ["STATUS", "events.parquet", "figures", "report.html"])
def test_a_killed_run_leaves_nothing_that_looks_whole(world: Path, moment: str) -> None:
    child = _started(world, "--replicates", 200)
    _when(child, world / "out.partial" / moment)
    os.killpg(child.pid, signal.SIGKILL)
    child.communicate()
    assert not (world / "out").exists()
    assert (world / "out.partial" / "STATUS").read_text() == "partial\n"
    done = uptake("check", world / "out.partial")
    assert done.returncode == 2
    assert "these results are partial" in said(done)
    again = small_run(world, world / "out")
    assert again.returncode == 0, again.stderr
    assert not (world / "out.partial").exists()
    assert folders.check(world / "out") == []


@pytest.mark.parametrize("moment", ["STATUS", "events.parquet", "figures"])
def test_control_c_says_so_and_leaves_nothing(world: Path, moment: str) -> None:
    child = _started(world, "--replicates", 2000)
    _when(child, world / "out.partial" / moment)
    os.kill(child.pid, signal.SIGINT)
    _, errors = child.communicate(timeout=120)
    assert child.returncode == 130, errors
    assert "Traceback" not in errors
    assert errors.splitlines()[-1] == "Interrupted; nothing was left behind. Run the command again."
    assert not (world / "out").exists() and not (world / "out.partial").exists()


# Results that were changed


def test_changed_missing_and_added_files_are_found(results: Path) -> None:
    assert folders.check(results) == []
    with (results / "events.parquet").open("r+b") as file:
        file.seek(100)
        file.write(b"\xff")
    (results / "tables" / "effects.csv").unlink()
    (results / "tables" / "more.csv").write_text("a\n")
    done = uptake("check", results)
    assert done.returncode == 4
    assert [line.removeprefix(f"{results}/").removeprefix(f"{results}: ") for line in done.stdout.splitlines()] == [
        "events.parquet: changed since it was written",
        "tables/effects.csv: missing",
        "tables/more.csv: not in the manifest",
    ]


@pytest.mark.parametrize("how", ["removed", "empty", "cut", "binary", "other"])
@pytest.mark.parametrize("name", ["events.parquet", "regions.parquet", "resolved.json", "provenance.json"])
def test_damaged_results_are_named_not_believed(results: Path, name: str, how: str) -> None:
    path = results / name
    data = path.read_bytes()
    damaged = {"empty": b"", "cut": data[: len(data) // 2], "binary": b"\xff\0" * 50, "other": b'{"a": [1]}'}
    path.unlink()
    if how != "removed":
        path.write_bytes(damaged[how])
    with pytest.raises(InputError, match=re.escape(str(path))):
        folders.load(results).results()


@pytest.mark.parametrize("name", ["MANIFEST.sha256", "STATUS"])
def test_damaged_marks_of_completeness_are_no_completeness(results: Path, name: str) -> None:
    for data in (b"\xff\xfe", b"", None):
        (results / name).unlink(missing_ok=True)
        if data is not None:
            (results / name).write_bytes(data)
        done = uptake("check", results)
        assert done.returncode == (4 if data == b"" and name.startswith("MANIFEST") else 2)


# Where scenarios may reach


def test_a_device_a_pipe_and_a_folder_are_no_tables(world: Path) -> None:
    os.mkfifo(world / "pipe.csv")
    (world / "zero.csv").symlink_to("/dev/zero")
    text = (world / "small.toml").read_text()
    for name, word in (
        ("pipe.csv", "is not an ordinary file"), ("zero.csv", "leaves the scenario's folder"),
        ("/dev/zero", "leaves the scenario's folder"), ("tables/../../../dev/zero", "leaves the scenario's folder"),
        ("tables", "is not an ordinary file"), ("~/places.csv", "no such file"), ("file:///etc/passwd", "no such file"),
        ("https://example.com/places.csv", "no such file"), ("$HOME/places.csv", "no such file"),
    ):  # fmt: skip
        (world / "odd.toml").write_text(text.replace("tables/places.csv", name))
        with pytest.raises(InputError, match=rf"odd\.toml:\d+: tables\.places: .*{re.escape(word)}"):
            load(world / "odd.toml")


def test_a_scenario_that_is_a_device_or_a_pipe_is_refused_at_once(world: Path) -> None:
    os.mkfifo(world / "pipe.toml")
    for name in ("/dev/zero", "/dev/urandom", "/dev/stdin", world / "pipe.toml"):
        done = uptake("check", name, seconds=30, stdin=subprocess.DEVNULL)
        assert done.returncode == 2
        assert "is not an ordinary file" in said(done)


def test_huge_files_are_refused_unread(world: Path) -> None:
    text = (world / "small.toml").read_text()
    for name, size in (("huge.csv", 300 * 2**30), ("small.toml", 2**40), ("fits/two.json", 2**38)):
        with (world / name).open("ab") as file:
            file.truncate(size)
    (world / "fit.toml").write_text(text + '\n[economy]\nfit = "fits/two.json"\nbase_year = 2018\n')
    (world / "table.toml").write_text(text.replace("tables/places.csv", "huge.csv"))
    begin = time.perf_counter()
    for name in ("small.toml", "table.toml", "fit.toml"):
        with pytest.raises(InputError, match=r"is too large: [\d,.]+ MB; allowed: up to \d+ MB"):
            load(world / name)
    assert time.perf_counter() - begin < 10


ABSURD = (
    ("run perm-krai --replicates 10000000", "may need"),
    ("run perm-krai replicates=1000000 --policy none", "may need"),
    ("run perm-krai replicates=10000000000", "out of range"),
    ("check perm-krai network.neighbours=999999999", "out of range"),
    ("check perm-krai step=0.01 end=2200-01", "218100 steps are too many; allowed: up to 32000 steps"),
    ("sweep perm-krai diffusion.peers=0:1 -n 1073741824", "points"),
    ("sweep perm-krai diffusion.peers=0:1 --design grid -n 100000000", "points"),
    ("sweep perm-krai diffusion.peers=0:1 --replicates 1000000000", "runs may need"),
    ("seek perm-krai --leaders 1000000", "is not possible"),
)


@pytest.mark.parametrize(("asked", "word"), ABSURD)
def test_absurd_sizes_are_refused_before_they_cost_anything(tmp_path: Path, asked: str, word: str) -> None:
    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_CPU, (20, 20))
        resource.setrlimit(resource.RLIMIT_DATA, (2**31, 2**31))

    done = uptake(*asked.split(), cwd=tmp_path, preexec_fn=limited)
    assert done.returncode == 2, (done.returncode, done.stderr)
    assert word in said(done) and "allowed: " in said(done)
    assert not list(tmp_path.iterdir())


# Names


@pytest.fixture(scope="session")
def named(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results, with pictures and report, of a scenario whose ids are formulas and whose names are scripts or Kazakh."""
    places = [
        {"id": FORMULA, "name": SCRIPT, "region": "+r", "role": "guide", "lat": 50.0},
        *({"id": f"-{n}", "name": KAZAKH if n % 2 else SCRIPT, "region": "@r", "lat": 51.0 + n / 9} for n in range(6)),
    ]
    kinds = [{"id": "=1+1", "name": SCRIPT, "domain": SCRIPT}, {"id": "@k", "name": KAZAKH, "domain": KAZAKH}]
    regions = [{"id": "+r", "name": SCRIPT}, {"id": "@r", "name": KAZAKH}]
    scenario = build(
        places, kinds, regions, [(FORMULA, "=1+1"), (FORMULA, "@k")], title=SCRIPT + KAZAKH,
        description=SCRIPT, currency=SCRIPT, diffusion={"leaders": 0.9, "peers": 0.9},
        policies={"-less": {"title": SCRIPT + KAZAKH, "description": SCRIPT, "diffusion": {"leaders": 0.1}}},
        targets={"t": {"technology": "@k", "date": "2025-01", "share": [0.1, 0.9], "source": SCRIPT, "note": SCRIPT}},
    )  # fmt: skip
    from sim.cli.main import _illustrate

    target = tmp_path_factory.mktemp("named") / "out"
    return folders.save(run(scenario, 5), target, SCRIPT, extras=[functools.partial(_illustrate, None)])


def test_no_cell_of_an_export_runs_in_a_spreadsheet(named: Path) -> None:
    shown = ""
    for path in sorted(named.rglob("*.csv")):
        text = path.read_text(encoding="utf-8")
        shown += text
        for row in csv.reader(text.splitlines()):
            for cell in row:
                assert not cell.startswith(("=", "+", "@", "\t", "\r")), (path.name, cell)
                assert not cell.startswith("-") or float(cell) <= 0, (path.name, cell)
    for cell in (f"'{FORMULA}", "'=1+1", "'@r", "'-less"):
        assert cell in shown
    assert not list(named.rglob("*.pkl")) + list(named.rglob("*.pickle"))


def test_names_come_to_the_report_as_text_alone(named: Path) -> None:
    page = (named / "report.html").read_text(encoding="utf-8")
    assert "<script" not in page.casefold()
    assert "&lt;script&gt;alert(" in page
    assert KAZAKH in page
    for picture in (named / "figures").glob("*.svg"):
        text = picture.read_text(encoding="utf-8")
        assert "<script" not in text.casefold(), picture.name
    assert any("Қызылорда" in p.read_text(encoding="utf-8") for p in (named / "figures").glob("*.svg"))


def test_names_come_through_the_saved_tables(named: Path) -> None:
    saved = folders.load(named)
    assert folders.check(named) == []
    assert set(saved.scenario.places.name) == {SCRIPT, KAZAKH}
    assert FORMULA in set(saved.events["guide"].dropna())
    assert [arm.title for arm in saved.results().arms.values()] == ["Baseline", SCRIPT + KAZAKH]


def test_the_font_of_the_pictures_has_the_letters() -> None:
    from matplotlib.font_manager import findfont
    from matplotlib.ft2font import FT2Font

    from sim.report.style import STYLE

    family = STYLE.get("font.family", "sans-serif")
    font = FT2Font(findfont(family))
    letters = set("АБВГДЕЁЖЗИЙКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯ" + "ӘҒҚҢӨҰҮҺІ" + "№«»—–")
    letters |= {letter.lower() for letter in letters}
    assert not [letter for letter in letters if not font.get_char_index(ord(letter))]
