"""Are the documents true? Their commands are run, their tables and outputs are current, their links lead."""

import inspect
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from scripts import loaded

import sim
import uptake
from sim.scenario.schema import Mandate, ParameterDraws, parameter_table

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"


generate = loaded(DOCS / "generate.py")
PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *DOCS.rglob("*.md")])


def named(path):
    return str(path.relative_to(ROOT))


@pytest.mark.skipif(not shutil.which("bash"), reason="the commands are run by bash")
@pytest.mark.parametrize("page", generate.executable(), ids=named)
def test_commands_run_and_print_what_the_page_shows(page, tmp_path):
    ran = 0
    for block, printed, shown in generate.outputs(page.read_text(encoding="utf-8"), tmp_path):
        ran += 1
        if shown is not None:
            assert printed.rstrip() == shown.text.rstrip(), f"{block.text}\nrun: python docs/generate.py --outputs"
    assert ran


def test_scenario_discovery_finds_a_box():
    prim = pytest.importorskip("ema_workbench.analysis.prim", reason="the extra `discovery` is not installed")
    page = (DOCS / "howto" / "sweep.md").read_text(encoding="utf-8")
    (block,) = (found.text for found in generate.snippets(page) if "ema_workbench" in found.text)
    if "threshold" in inspect.signature(prim.Prim).parameters:  # version 2, as the page says
        block = block.replace(", low)", ", low, threshold=0.8)")
    values = {"uptake": uptake, "scenario": uptake.load("perm-krai")}
    exec(block, values)
    last = values["box"].peeling_trajectory.iloc[-1]
    assert last["density"] > 0.9 > values["low"].mean() and last["coverage"] > 0.5


@pytest.mark.parametrize("page", [p for p in PAGES if generate.MARK.search(p.read_text(encoding="utf-8"))], ids=named)
def test_generated_parts_are_current(page):
    text = page.read_text(encoding="utf-8")
    assert generate.renewed(text) == text, "run: python docs/generate.py"


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_lead_somewhere(page):
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#\s]+)", text):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", [*PAGES, ROOT / "SECURITY.md", ROOT / "benchmarks" / "README.md"], ids=named)
def test_files_that_are_named_exist(page):
    rooms = "sim|calibration|tests|benchmarks|docs|scenarios"
    for name in re.findall(rf"(?<![\w/.])((?:{rooms})/[\w./-]*\w)", page.read_text(encoding="utf-8")):
        assert (ROOT / name).exists() or name == "benchmarks/results", name


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_keys_that_are_named_exist(page):
    known = {row.key for row in parameter_table()} | {f"parameters.{key}" for key in ParameterDraws.model_fields}
    known |= {f"mandates.{field.alias or key}" for key, field in Mandate.model_fields.items()}
    sections = {key.split(".")[0] for key in known}
    files = (".json", ".csv", ".toml", ".md", ".py", ".html", ".graphml")
    for name in re.findall(r"`([a-z]+\.[a-z_]+)(?:=[^`]*)?`", page.read_text(encoding="utf-8")):
        section, _, rest = name.partition(".")
        if section in sections and not name.endswith(files):
            file = ROOT / "sim" / "engine" / f"{section}.py"  # `economy` is a section and a file of the engine
            assert name in known or (file.exists() and f"\ndef {rest}(" in file.read_text(encoding="utf-8")), name


def test_columns_of_results_are_those_of_the_page():
    results = sim.run(sim.load("perm-krai"), 2, policy="no-mandate")
    page = (DOCS / "reference" / "results.md").read_text(encoding="utf-8")
    frames = {"events": results.events, "regions": results.regions, "outages": results.outages}
    for name, frame in {**frames, "shares": results.share(), "effects": results.effects()}.items():
        rows = re.search(rf"### {name}\n.*?\n((?:\|[^\n]*\n)+)", page, flags=re.DOTALL)[1].splitlines()[2:]
        assert re.findall(r"`(\w+)`", "".join(row.split("|")[1] for row in rows)) == list(frame.columns), name


def test_readme_commands_are_the_first_two():
    commands = [
        block.text for block in generate.snippets((ROOT / "README.md").read_text("utf-8")) if block.kind == "bash"
    ]
    assert len(commands) == 2
    assert "uptake run perm-krai" in commands[0] and "[test]" not in commands[0]
    assert re.fullmatch(r"\S+pip install -e '\.\[test\]' && \S+python -m pytest\n", commands[1])
    readme = (ROOT / "README.md").read_text("utf-8")
    for line in re.findall(r"```powershell\n(.*?)```", readme, re.DOTALL):
        shell = line.replace("; ", " && ").replace(".venv\\Scripts\\", ".venv/bin/").replace("py -m", "python3 -m")
        assert shell in commands


def test_every_page_is_in_the_table_of_contents():
    listed = set()
    for index in DOCS.rglob("index.md"):
        for tree in re.findall(r"```\{toctree\}\n(.*?)```", index.read_text("utf-8"), flags=re.DOTALL):
            listed |= {(index.parent / f"{line}.md") for line in tree.splitlines() if line and not line.startswith(":")}
    assert {page for page in DOCS.rglob("*.md") if page.name != "index.md"} <= listed


@pytest.mark.slow
def test_the_site_builds_without_warnings(tmp_path):
    pytest.importorskip("myst_parser")
    build = [
        sys.executable,
        "-m",
        "sphinx",
        "-W",
        "--keep-going",
        "-q",
        "-b",
        "html",
        str(DOCS),
        str(tmp_path / "site"),
    ]
    done = subprocess.run(build, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "site" / "odd.html").is_file()
