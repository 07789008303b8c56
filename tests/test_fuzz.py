"""Does the short form of the fuzzing find every answer clear and every line right?"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "robustness"))

import fuzz

from sim.scenario.errors import InputError, Problem


def test_no_example_is_taken_wrongly() -> None:
    told: list[str] = []
    found = fuzz.study(150, seed=2, tell=told.append)
    assert not found.get("faults", 0), told
    assert found["right line"] == found["planted refused"] > 50, told
    assert found["dressed accepted"] > 5
    assert found["blind refused"] > 30


def test_an_example_can_be_repeated() -> None:
    base = fuzz.base_files()
    for number in range(20):
        assert fuzz.example(number, 3, base) == fuzz.example(number, 3, base)


def _refusing(*problems: Problem):
    def load(path: Path) -> None:
        raise InputError([Problem(str(path.parent / p.file), p.line, p.key, p.message) for p in problems])

    return load


@pytest.mark.parametrize(
    ("problem", "right", "fault"),
    [
        (Problem("everything.toml", 7, "step", "is wrong"), True, ""),
        (Problem("everything.toml", 8, "step", "is wrong"), False, ""),
        (Problem("everything.toml", 7000, "step", "is wrong"), False, "no such line"),
        (Problem("everything.toml", 7, "step", ""), False, "unclear"),
    ],
)
def test_a_wrong_answer_would_be_noticed(tmp_path, monkeypatch, problem, right, fault) -> None:
    given = fuzz.Example("planted", "step", fuzz.base_files(), ("everything.toml", 7))
    monkeypatch.setattr(fuzz, "load", _refusing(problem))
    outcome = fuzz.answer(given, tmp_path, {})
    assert (outcome.right, outcome.fault.split(":")[0]) == (right, fault)


def test_silence_and_a_raised_exception_would_be_noticed(tmp_path, monkeypatch) -> None:
    silent = fuzz.Example("planted", "nothing", fuzz.base_files(), ("everything.toml", 7))
    assert fuzz.answer(silent, tmp_path, {}).fault == "accepted without a word"
    monkeypatch.setattr(fuzz, "load", lambda path: {}["missing"])
    assert fuzz.answer(silent, tmp_path, {}).fault == "KeyError: 'missing'"
