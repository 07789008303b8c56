from __future__ import annotations

import re
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.report import style as drawing
from sim.report import words

HEIGHTS = st.lists(st.floats(-50, 150), min_size=1, max_size=9)


def test_spread_moves_two_that_touch_apart_by_the_same():
    assert drawing.spread(np.array([10.0, 12.0]), 6.0, 0.0, 100.0).tolist() == [8.0, 14.0]
    assert drawing.spread(np.array([40.0, 10.0]), 6.0, 0.0, 100.0).tolist() == [40.0, 10.0]
    assert drawing.spread(np.array([12.0, 10.0]), np.array([2.0, 10.0]), 0.0, 100.0).tolist() == [14.0, 8.0]


@given(HEIGHTS)
def test_spread_keeps_gap_order_and_bounds(wanted):
    placed = drawing.spread(np.array(wanted), 8.0, 0.0, 100.0)
    order = np.argsort(np.array(wanted), kind="stable")
    assert (np.diff(placed[order]) >= 8.0 - 1e-9).all()
    assert placed.min() >= -1e-9 and placed.max() <= 100.0 + 1e-9


def test_spread_is_the_nearest_by_least_squares():
    wanted, gap = np.array([3.0, 4.0, 9.0, 9.5]), 2.0
    placed = drawing.spread(wanted, gap, -1e9, 1e9)
    best = ((placed - wanted) ** 2).sum()
    generator = np.random.default_rng(1)
    for _ in range(2000):
        other = np.sort(placed + generator.normal(0, 0.5, 4))
        if (np.diff(other) >= gap).all():
            assert ((other - wanted) ** 2).sum() >= best - 1e-9


@pytest.mark.parametrize(("width", "bold"), [(0.6, False), (1.2, False), (1.2, True), (2.5, False)])
def test_shortened_names_fit_and_begin_alike(width, bold):
    name = "Unified electronic registrar for the appointments of doctors"
    short = drawing.shortened(name, width, 7.5, bold)
    assert drawing.text_width(short, 7.5, bold) <= width
    assert name.startswith(short.removesuffix("…")) and short.endswith("…")
    assert not re.search(r" (for|the|of)…$", short)


def test_brackets_go_before_words_do():
    assert drawing.shortened("Smart lift (concept of the city)", 0.9) == "Smart lift"
    assert drawing.shortened("Smart lift", 5.0) == "Smart lift"


def test_text_width_is_that_of_the_drawn_text():
    picture, axes = drawing.panels(4, 2)
    with mpl.rc_context(drawing.STYLE):
        text = axes[0, 0].text(0.1, 0.5, "Beryozovsky 34 %", fontsize=7.5)
    drawn = text.get_window_extent().width / picture.dpi
    assert drawing.text_width("Beryozovsky 34 %", 7.5) == pytest.approx(drawn, rel=0.08)


def test_figures_in_words():
    assert [words.figure(x) for x in (0.0, 0.00942, 1.2, 998.7, -4726.4)] == [
        "0",
        "0.00942",
        "1.2",
        "999",
        "−4\u00a0726",
    ]
    assert words.figure(float("nan")) == "–"
    assert [words.signed(x) for x in (0.04, -0.04, 0.06, -2.25)] == ["0.0", "0.0", "+0.1", "−2.2"]


def test_years_are_whole_on_the_first_of_january():
    dates = np.array(["2020-01-01", "2020-07-01", "2021-01-01"], dtype="datetime64[D]")
    assert drawing.year_of(dates).tolist() == [2020.0, pytest.approx(2020 + 182 / 366), 2021.0]


def test_panels_are_where_inches_say():
    _, axes = drawing.panels(10, 5, 2, 3, (1.0, 0.5, 0.25, 0.75), (0.5, 0.4))
    boxes = [axis.get_position() for axis in axes.ravel()]
    assert boxes[0].x0 * 10 == pytest.approx(1.0) and boxes[2].x1 * 10 == pytest.approx(9.5)
    assert boxes[0].y1 * 5 == pytest.approx(4.75) and boxes[5].y0 * 5 == pytest.approx(0.75)
    assert (boxes[1].x0 - boxes[0].x1) * 10 == pytest.approx(0.5)
    assert (boxes[0].y0 - boxes[3].y1) * 5 == pytest.approx(0.4)


def test_svg_is_whole_leads_nowhere_and_takes_text_as_it_is():
    name = '<script>alert(1)</script> $x^2$ & "quoted"'
    with mpl.rc_context(drawing.STYLE):
        picture, axes = drawing.panels(4, 2)
        axes[0, 0].plot([0, 1 / 3, 2 / 3], [0, 1, 2], marker="o")
        axes[0, 0].set_title(name)
    text = drawing.svg(picture, "one", alone=True)
    found = [element.text for element in ElementTree.fromstring(text).iter("{http://www.w3.org/2000/svg}text")]
    assert name in found
    inside = drawing.svg(picture, "one")
    assert inside.startswith("<svg") and "http" not in inside and "<script" not in inside
    assert not re.search(r'\bd="[^"]*\d\.\d{3}', inside)
    referred = set(re.findall(r'href="#([^"]+)"', inside)) | set(re.findall(r"url\(#([^)]+)\)", inside))
    assert referred and referred == set(re.findall(r' id="([^"]+)"', inside))
    assert drawing.svg(picture, "one") == inside


def test_style_of_the_caller_stays():
    before = dict(mpl.rcParams)
    picture, _ = drawing.panels(2, 1)
    drawing.svg(picture, "one")
    assert dict(mpl.rcParams) == before
