"""Does every file import only from files above it, and only what is declared? Is there one class to a noun?"""

import ast
import functools
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = (
    "sim.scenario.errors", "sim.engine.sphere", "sim.scenario.tables", "sim.scenario.schema", "sim.scenario.document",
    "sim.scenario.outline",
    "sim.engine.compiling", "sim.engine.rules", "sim.engine.draws", "sim.engine.network", "sim.engine.columns",
    "sim.engine.adoption", "sim.engine.exposures", "sim.engine.money", "sim.engine.operation", "sim.engine.economy",
    "sim.engine.platforms", "sim.engine.incidents", "sim.engine.month", "sim.engine.rows",
    "sim.scenario.places", "sim.scenario.settlements", "sim.scenario.fits", "sim.scenario.assembly",
    "sim.scenario.graph", "sim.scenario.dates", "sim.scenario.scenario", "sim.scenario.doubts",
    "sim.results.arm", "sim.results.measures", "sim.results.ranks", "sim.results.targets", "sim.results.effects",
    "sim.results.run", "sim.results.uncertainty", "sim.results.folder",
    "sim.studies.design", "sim.studies.tasks", "sim.studies.study", "sim.studies.parts", "sim.studies.execution",
    "sim.studies.analysis", "sim.studies.sweep",
    "sim.report.words", "sim.report.style", "sim.report.findings",
    "sim.report.names", "sim.report.pieces",
    "sim.studies.compare", "sim.studies.seek", "sim.studies.leaders",
    "sim.report.answer", "sim.report.curves", "sim.report.maps", "sim.report.guides", "sim.report.municipalities",
    "sim.report.policies", "sim.report.figures", "sim.report.illustrator", "sim.report.captions", "sim.report.grounds",
    "sim.report.pages", "sim.report.report", "sim.report.sweep",
    "sim.model",
    "sim.view.server", "sim.view.session", "sim.view.picture", "sim.view.page",
    "sim.view",
    "sim.cli.common", "sim.cli.new", "sim.cli.studies", "sim.cli.main",
    "sim.__main__",
    "calibration.files", "calibration.words",
    "calibration.grp.least_squares", "calibration.grp.table", "calibration.grp.fit", "calibration.grp.paper",
    "calibration.grp.report", "calibration.grp.page",
    "calibration.adoption.places", "calibration.adoption.dates", "calibration.adoption.channels",
    "calibration.adoption.data", "calibration.adoption.likelihood", "calibration.adoption.fit",
    "calibration.adoption.report", "calibration.adoption.page",
    "calibration.targets.prior", "calibration.targets.cut", "calibration.targets.simulator", "calibration.targets.fit",
    "calibration.targets.report", "calibration.targets.page",
    "calibration.claims.evidence", "calibration.claims.validation", "calibration.claims.kahramanoglu",
    "calibration.claims.zhubanazarov", "calibration.claims.claims",
    "calibration.cli",
)  # fmt: skip
"""Every module that there is, in order: each imports only from modules before it, inside functions too."""
ON_DEMAND = ("numba", "matplotlib", "pandas", "statsmodels", "mesa", "pyarrow", "scipy", "solara", "networkx", "SALib")
DISTRIBUTIONS = {
    "pydantic_core": "pydantic-core",
    "tomli_w": "tomli-w",
    "ema_workbench": "ema-workbench",
    "dask": "dask",
    "distributed": "dask",
}


def sources() -> list[Path]:
    return sorted([*(ROOT / "sim").rglob("*.py"), *(ROOT / "calibration").rglob("*.py")])


def module(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@functools.cache
def imports(path: Path, everywhere: bool) -> tuple[str, ...]:
    """Full names of what a file imports: at its top, or `everywhere` (within functions too), never only for types."""
    return tuple(_imports(path, everywhere))


def _imports(path: Path, everywhere: bool) -> Iterator[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not everywhere:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        waiting += ast.iter_child_nodes(node)


def graph() -> dict[str, set[str]]:
    """Which modules of the project each module imports, at its top or within functions."""
    known = {module(path) for path in sources()}
    found = {}
    for path in sources():
        name = module(path)
        found[name] = {other for other in imports(path, True) if other in known and other != name}
        # `from sim.engine import rules` names the package as well, which imports nothing
        found[name] -= {other for other in found[name] if name.startswith(other + ".")} | {"sim", "calibration"}
    return found


def test_the_list_of_rooms_names_every_module() -> None:
    packages = {"sim", "calibration", *(name.rpartition(".")[0] for name in ROOMS)} - {"sim.view"}
    assert {module(path) for path in sources()} - packages == set(ROOMS)


def test_files_import_only_from_files_above_them() -> None:
    place = {name: number for number, name in enumerate(ROOMS)}
    wrong = {
        (name, other)
        for name, others in graph().items()
        for other in others
        if name in place and other in place and place[other] >= place[name]
    }
    assert not wrong, wrong


def test_the_simulation_never_imports_the_calibration() -> None:
    for path in (ROOT / "sim").rglob("*.py"):
        assert not any(name.split(".")[0] == "calibration" for name in imports(path, True)), path


def test_no_two_classes_have_one_name() -> None:
    homes: dict[str, list[str]] = {}
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                homes.setdefault(node.name, []).append(module(path))
    twice = {name: files for name, files in homes.items() if len(files) > 1}
    assert not twice, twice


def declared() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    listed = [*project["dependencies"], *(item for name, items in extras.items() if name != "test" for item in items)]
    return {re.split(r"[\[<>=!~; ]", item)[0].lower() for item in listed}


@pytest.mark.parametrize("path", sources(), ids=module)
def test_every_import_is_declared(path: Path) -> None:
    allowed = declared()
    for name in imports(path, True):
        top = name.split(".")[0]
        if top not in sys.stdlib_module_names and top not in ("sim", "calibration"):
            assert DISTRIBUTIONS.get(top, top).lower() in allowed, f"{path.name} imports {top}"


def test_every_declared_package_is_imported_somewhere() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed = {re.split(r"[\[<>=!~; ]", item)[0].lower() for item in project["dependencies"]}
    tops = {name.split(".")[0] for path in sources() for name in imports(path, True)}
    used = {DISTRIBUTIONS.get(top, top).lower() for top in tops}
    assert needed <= used, needed - used


def test_the_lock_holds_what_is_declared_with_hashes() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [
        *project["dependencies"],
        *(item for items in project["optional-dependencies"].values() for item in items),
    ]
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    locked = set(re.findall(r"^([\w.-]+)==", text, re.MULTILINE))
    missing = {re.split(r"[\[<>=!~; ]", item)[0].lower() for item in wanted} - locked
    assert not missing, f"{missing}: SECURITY.md says how the lock is made"
    assert all("--hash=sha256:" in entry for entry in re.split(r"\n(?=\S)", text.strip()))
    assert "://" not in text, "the lock names no address"


@pytest.mark.parametrize("name", ["sim", "sim.cli.main", "sim.scenario.scenario", "sim.engine.rules"])
def test_heavy_packages_wait_until_they_are_needed(name: str) -> None:
    # the rules are compiled, and Numba looks for SciPy
    heavy = [package for package in ON_DEMAND if name != "sim.engine.rules" or package not in ("numba", "scipy")]
    code = f"import sys, {name}; print([m for m in {heavy!r} if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT)
    assert found.stdout.strip() == "[]"


@pytest.mark.parametrize("path", sources(), ids=module)
def test_a_module_says_first_which_question_it_answers(path: Path) -> None:
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    assert text or not path.read_text(encoding="utf-8").strip(), f"{module(path)} has no docstring"
