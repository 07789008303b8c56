"""Does `uptake` find our own packages where others lie on the path, and does it say so where it cannot?"""

import os
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

import sim
import uptake

ROOT = Path(__file__).parent.parent
COMMAND = "from uptake import main\n\nif __name__ == '__main__':\n    main()\n"
"""The script that an installation makes, in a folder of its own."""
GRP = ROOT / "scenarios" / "tables" / "russia_regions.csv"


@pytest.fixture
def crowded(tmp_path):
    """A folder with a `sim.py` and a `calibration/` that are not ours, and what must not be seen of them."""
    (tmp_path / "sim.py").write_text("x = 1\n", encoding="utf-8")
    (tmp_path / "calibration").mkdir()
    (tmp_path / "calibration" / "__init__.py").write_text("y = 1\n", encoding="utf-8")
    return tmp_path


def python(folder, *arguments, before=()):
    """Run Python in a folder that is first on the path, as PYTHONPATH or the current folder puts it there."""
    path = os.pathsep.join(map(str, (*before, folder, ROOT)))
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, env={**os.environ, "PYTHONPATH": path, "UPTAKE_TRACEBACK": ""},
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip


def command(folder, *words, **options):
    script = folder / "bin" / "uptake"
    script.parent.mkdir()
    script.write_text(COMMAND, encoding="utf-8")
    return python(folder, str(script), *words, **options)


def test_it_has_the_public_names_and_no_others():
    assert uptake.__all__ == sim.__all__ and uptake.__version__ == sim.__version__
    assert all(getattr(uptake, name) is getattr(sim, name) for name in sim.__all__)
    assert set(sim.__all__) <= set(dir(uptake))
    with pytest.raises(AttributeError, match="nothing"):
        _ = uptake.nothing


@pytest.mark.parametrize(
    "words",
    [
        ("check", "perm-krai"),
        ("run", "perm-krai", "--replicates", "2", "--policy", "no-mandate", "-o", "out"),
        (
            "sweep",
            "perm-krai",
            "diffusion.peers=0.1:0.5",
            "-n",
            "4",
            "--replicates",
            "1",
            "--threads",
            "2",
            "-o",
            "out",
        ),
        ("calibrate", "grp", str(GRP), "--help"),
    ],
    ids=lambda words: words[0],
)
def test_the_command_finds_ours_beside_others(crowded, words):
    done = command(crowded, *words)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr


def test_the_module_is_the_command(crowded):
    done = python(crowded, "-m", "uptake", "check", "perm-krai")
    assert done.returncode == 0 and "43 municipalities" in done.stdout, done.stderr


def test_a_program_beside_another_sim_gets_ours(crowded):
    done = python(crowded, "-c", "import uptake; print(uptake.load('perm-krai').name); import sim; print(sim.__file__)")
    name, file = done.stdout.splitlines()
    assert name == "perm-krai" and Path(file).parent.parent == ROOT


def test_processes_that_are_spawned_find_ours_too(crowded):
    program = crowded / "program.py"
    program.write_text(
        "import uptake\n"
        "from concurrent.futures import ProcessPoolExecutor\n"
        "from multiprocessing import get_context\n"
        "if __name__ == '__main__':\n"
        "    with ProcessPoolExecutor(1, mp_context=get_context('spawn')) as pool:\n"
        "        print(pool.submit(uptake.load, 'perm-krai').result().name)\n",
        encoding="utf-8",
    )
    done = python(crowded, str(program))
    assert done.stdout.strip() == "perm-krai", done.stderr


def test_where_another_sim_came_first_it_says_so_in_one_line(crowded, tmp_path):
    early = tmp_path / "early"
    early.mkdir()
    (early / "sitecustomize.py").write_text("import sim\n", encoding="utf-8")
    done = command(crowded, "check", "perm-krai", before=[early])
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.count(
        "\n"
    ) == 1 and f"another `sim` was imported before uptake could find its own: {crowded}" in (done.stderr)
    told = python(crowded, "-c", "import sim, uptake\ntry:\n    uptake.load\nexcept ImportError as e: print(e)").stdout
    assert told.startswith("another `sim`") and "import uptake first" in told


def test_the_entry_points_name_what_is_there():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    points = [project["scripts"], *project["entry-points"].values()]
    for module, name in (point.split(":") for group in points for point in group.values()):
        assert callable(getattr(import_module(module), name))
