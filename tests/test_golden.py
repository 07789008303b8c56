"""Is everything still as it was recorded? `python tests/golden.py check` tells the same, line by line."""

from pathlib import Path

import pytest
from scripts import loaded

golden = loaded(Path(__file__).with_name("golden.py"))


def test_the_quick_form_is_as_recorded():
    assert list(golden.compared(quick=True)) == []


@pytest.mark.slow
def test_everything_is_as_recorded():
    assert list(golden.compared()) == []


def test_a_difference_is_told():
    frame = golden.pd.DataFrame({"a": [0.1, 0.2], "b": ["x", "y"]})
    was = golden.table(frame)
    assert golden.differences(was, golden.table(frame)) == []
    assert golden.differences(was, golden.table(frame[::-1])) == ["the same rows in another order"]
    assert golden.differences(was, golden.table(frame.assign(a=[0.1, 0.2 + 1e-16]))) == ["columns: a"]
    assert golden.differences({"numbers": {"x": [1.0]}}, {"numbers": {"x": [1.0 + 1e-12]}}) == []
    assert golden.differences({"numbers": {"x": [1.0]}}, {"numbers": {"x": [1.1]}}) == ["x.0: 1.0 was, 1.1 is"]
