"""Does the worked study run, and does its page hold what the program writes?"""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from scripts import loaded

STUDIES = Path(__file__).parent.parent / "docs" / "studies"


perm_krai = loaded(STUDIES / "perm_krai.py")
TINY = perm_krai.Size(replicates=4, points=10, swept=2, worth=4, sought=8)


@pytest.fixture(scope="module")
def found():
    return perm_krai.study(TINY)


def test_every_part_is_written_and_writing_again_changes_nothing(found):
    page = perm_krai.renewed(perm_krai.PAGE.read_text(encoding="utf-8"), found)
    parts = {part[2]: part[0] for part in perm_krai.PART.finditer(page)}
    assert list(parts) == list(perm_krai.PARTS)
    assert not re.search(r"\bnan\b|\binf\b|None|\{", "".join(parts.values()))
    assert perm_krai.renewed(page, found) == page


def test_tables_have_a_row_for_each_arm_and_each_factor(found):
    assert perm_krai.part("effects", found).count("\n| ") == len(perm_krai.ARMS) + 1
    assert perm_krai.part("sweep", found).count("\n| `") == len(found.sweep.factors)


def test_numbers_of_the_table_are_those_of_the_runs(found):
    results, scenario = found.results, found.results.scenario
    step = scenario.step_of("2024-01")
    apart = results.measure("programme", "no-mandate") - results.measure("programme")
    row = found.row("no-mandate", "programme", "2024-01")
    assert row["difference"] == pytest.approx(apart[:, step].mean())
    assert f"| {perm_krai.interval(row)} |" in perm_krai.part("effects", found)
    assert not apart[:, scenario.step_of("2023-01")].any()
    assert sum(found.attributed().values()) == pytest.approx(1)
    assert "mandate" not in found.attributed()


@pytest.mark.parametrize(
    ("low", "high", "word"), [(0.01, 0.03, "raises"), (-0.03, -0.01, "lowers"), (-0.01, 0.02, "no clear effect")]
)
def test_a_sentence_says_no_more_than_the_interval(low, high, word):
    row = {"difference": (low + high) / 2, "low": low, "high": high}
    assert word in perm_krai.changed(row, "coverage", "in 2030")
    assert "does not change" in perm_krai.changed(dict.fromkeys(row, 0.0), "coverage", "in 2030")


def test_worlds_are_counted_by_the_sign_of_their_effect(found):
    values = found.sweep.means("coverage", "no-guidance") - found.sweep.means("coverage")
    down, up = int((values < -1e-11).sum()), int((values > 1e-11).sum())
    line = next(one for one in perm_krai.part("sweep", found).splitlines() if one.startswith("- **No guidance"))
    assert f"lower in {down}, higher in {up}," in line


def test_the_page_is_whole_and_its_pictures_are_small():
    page = perm_krai.PAGE.read_text(encoding="utf-8")
    parts = {part[2]: part[0] for part in perm_krai.PART.finditer(page)}
    assert list(parts) == list(perm_krai.PARTS)
    assert page.count("<!-- study:") == page.count("<!-- end -->") == len(parts)
    assert all(len(part.splitlines()) > 3 for part in parts.values())
    assert f"{perm_krai.Size().replicates} replicates of {len(perm_krai.ARMS) + 1} arms" in parts["provenance"]
    pictures = re.findall(r"\]\((images/perm-krai-[\w-]+\.png)\)", page)
    assert len(pictures) == 5
    assert all(0 < (STUDIES / name).stat().st_size < 300_000 for name in pictures)


def test_pictures_are_drawn(found, tmp_path):
    written = perm_krai.pictures(found, tmp_path)
    page = perm_krai.PAGE.read_text(encoding="utf-8")
    assert all(f"images/{path.name}" in page and path.stat().st_size > 5_000 for path in written)


@pytest.mark.slow
def test_the_page_is_what_the_program_writes(tmp_path):
    page = tmp_path / "page.md"
    shutil.copy(perm_krai.PAGE, page)
    perm_krai.main(page=page, images=tmp_path / "images")
    assert page.read_text(encoding="utf-8") == perm_krai.PAGE.read_text(encoding="utf-8")
    assert np.all([path.stat().st_size < 300_000 for path in (tmp_path / "images").iterdir()])
