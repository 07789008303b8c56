from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
import pytest
from build import build, linear_fit
from matplotlib.figure import Figure
from matplotlib.text import Text

import sim
from sim.cli.new import write_scenario
from sim.report import figures as plots
from sim.report import illustrator
from sim.report.curves import TIER_COLOURS
from sim.report.findings import TIERS
from sim.report.guides import tree
from sim.report.names import technology_name
from sim.report.pieces import DIM
from sim.report.style import svg
from sim.results.measures import coverage, flow, one
from sim.results.run import run

HOSTILE = "<script>alert('x')</script> & $\\frac{1}{2}$"
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def perm():
    return run(sim.load("perm-krai"), replicates=6, policy=["no-mandate", "no-guidance"])


@pytest.fixture(scope="module")
def odd():
    """Two regions, names that would run or be set as formulas, nothing ever adopted by anybody in the second."""
    places = [
        {
            "id": f"p{n}",
            "name": HOSTILE if n == 0 else f"Place {n}",
            "region": "r" if n < 4 else "s",
            "lat": 50 + n / 10,
        }
        for n in range(8)
    ]
    scenario = build(
        places, [{"id": "k", "name": HOSTILE, "domain": HOSTILE}, "l"], ["r", "s"], [("p0", "k")],
        diffusion={"peers": 1.0}, finance={"cost_level": 1.0}, fit=linear_fit(),
        policies={"stop": {"title": HOSTILE, "diffusion": {"peers": 0.0}}},
    )  # fmt: skip
    return run(scenario, replicates=3)


@pytest.fixture(scope="module")
def still():
    """One place, one replicate, no policy, nothing happens, nothing costs anything."""
    return run(build(places=1), replicates=1)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """The example that `uptake new` writes: no outline, few technologies, a plan with a range."""
    return run(sim.load(write_scenario(tmp_path_factory.mktemp("new") / "small")), replicates=6)


def texts(picture):
    tree = ElementTree.fromstring(svg(picture, "x", alone=True))
    return ["".join(element.itertext()) for element in tree.iter(f"{SVG}text")]


@pytest.mark.parametrize("name", list(plots.FIGURES))
def test_every_picture_of_a_real_run_is_whole_and_names_its_values(perm, name):
    picture = plots.FIGURES[name](perm)
    assert isinstance(picture, Figure)
    words = " ".join(texts(picture))
    expected = {
        "programme": "observed: 22 to 23 of 43, January 2023", "technologies": "CarPlace smart parking complex",
        "map": "Perm", "guides": "Leading guides", "effects": "No mandate", "heatmap": "Kungursky",
        "divide": "worst off tenth", "grp": "conditional projection", "spending": "million RUB",
        "ranks": "IQ-city index (0 to 120), December 2030",
    }  # fmt: skip
    assert expected[name] in words
    assert len(svg(picture, name)) < 400_000


@pytest.mark.parametrize("name", list(plots.FIGURES))
def test_names_are_text_never_code_or_formulas(odd, name):
    text = svg(plots.FIGURES[name](odd), name)
    assert "<script" not in text and "http" not in text


def test_hostile_names_are_shown_as_they_are(odd):
    for picture in (
        plots.FIGURES["ranks"](odd),
        plots.FIGURES["heatmap"](odd),
        plots.FIGURES["technologies"](odd),
        plots.FIGURES["effects"](odd),
    ):
        assert any(line.startswith("<script>alert") for line in texts(picture))
    assert HOSTILE in " ".join(texts(plots.FIGURES["heatmap"](odd)))


def test_a_run_in_which_nothing_happens_still_has_pictures(still):
    assert plots.applicable(still) == ["programme", "map", "technologies", "guides", "heatmap", "divide", "ranks"]
    for name in plots.applicable(still):
        assert svg(plots.FIGURES[name](still), name).startswith("<svg")
    for name in ("grp", "spending"):
        with pytest.raises(ValueError, match="scenario"):
            plots.FIGURES[name](still)


def drawn_texts(axes):
    ticks = [tick.label1 for axis in (axes.xaxis, axes.yaxis) for tick in axis._update_ticks()] if axes.axison else []
    return [text for text in [*axes.texts, *ticks, axes._left_title] if text.get_visible()]


@pytest.mark.parametrize(
    "name", ["programme", "technologies", "map", "effects", "ranks", "spending", "heatmap", "guides"]
)
@pytest.mark.parametrize("world", ["perm", "small"])
def test_names_do_not_touch(name, world, request):
    """No two texts of one picture overlap, but for those that are turned."""
    picture = plots.FIGURES[name](request.getfixturevalue(world))
    picture.draw_without_rendering()
    shown = [text for axes in picture.axes for text in drawn_texts(axes) if text.get_text() and not text.get_rotation()]
    boxes = [Text.get_window_extent(text).padded(-1.5) for text in shown]
    inside = picture.bbox
    for at, box in enumerate(boxes):
        words = shown[at].get_text()
        assert box.x0 >= inside.x0 - 1 and box.x1 <= inside.x1 + 1, f"{words!r} is cut off"
        touched = [shown[other].get_text() for other in range(at) if box.overlaps(boxes[other])]
        assert not touched, f"{words!r} touches {touched}"


def test_programme_draws_the_quantiles(perm):
    picture = plots.FIGURES["programme"](perm, arms=False)
    line = picture.axes[0].lines[0]
    values = one(perm.baseline, 0)
    assert line.get_ydata() == pytest.approx(np.median(values, axis=0))
    assert line.get_xdata()[0] == 2018.25 - 0.25 + 90 / 365


def test_the_median_lies_above_policies_and_a_plan_is_quiet(small):
    panel = plots.FIGURES["programme"](small).axes[0]
    median, *others = panel.lines
    policies = [line for line in others if len(line.get_xdata()) == len(small.instants)]
    assert policies and all(line.get_zorder() < median.get_zorder() for line in policies)
    (plan,) = [line for line in others if line.get_marker() == "D"]
    assert plan.get_color() == DIM and panel.collections[-1].get_linewidth()[0] < median.get_linewidth()


def test_without_a_targeted_technology_policies_are_lines_of_coverage(odd):
    panel = plots.FIGURES["programme"](odd).axes[0]
    median = np.median(coverage(odd.arms["stop"]), axis=0)
    assert any(np.array_equal(line.get_ydata(), median) for line in panel.lines)


@pytest.mark.parametrize("name", ["technologies", "heatmap"])
def test_names_of_technologies_are_whole(perm, name):
    words = " ".join(texts(plots.FIGURES[name](perm)))
    for number in np.flatnonzero(perm.baseline.counted):
        assert technology_name(perm.scenario, number) in words


def test_a_map_without_outline_has_a_frame_and_degrees(small, perm):
    panel = plots.FIGURES["map"](small).axes[0]
    assert all(spine.get_visible() for spine in panel.spines.values())
    (west, east), (south, north) = panel.get_xlim(), panel.get_ylim()
    degrees = [text.get_text().strip() for text in panel.texts if "°" in text.get_text()]
    assert {"56° E", "58° N"} <= set(degrees)
    left = min(dots.get_offsets()[:, 0].min() for dots in panel.collections)
    assert left > west + 0.1 * (east - west)
    for words in degrees:
        value, low, high = float(words.split("°")[0]), *((west, east) if words[-1] in "EW" else (south, north))
        assert low <= value <= high
    assert not any("°" in words for words in texts(plots.FIGURES["map"](perm)))


def test_neighbouring_tiers_of_money_differ_in_grey_print():
    def grey(colour):
        return np.dot(mpl.colors.to_rgb(colour), (0.299, 0.587, 0.114))

    lightness = [grey(colour) for colour in TIER_COLOURS.values()]
    assert np.abs(np.diff(lightness)).min() > 0.2


def test_map_shows_focus_places_at_their_coordinates(perm):
    picture = plots.FIGURES["map"](perm, ["2018-04", "2030-12"])
    assert [axes._left_title.get_text() for axes in picture.axes[:2]] == ["April 2018", "December 2030"]
    points = np.vstack([np.asarray(dots.get_offsets()) for dots in picture.axes[0].collections])
    places = perm.scenario.places
    inside = [at for at, region in enumerate(places.region) if perm.scenario.regions.id[region] == "RU-PER"]
    expected = np.column_stack([places.longitude, places.latitude])[inside]
    assert np.array(sorted(points.tolist())) == pytest.approx(np.array(sorted(expected.tolist())))
    width, height = np.diff(picture.axes[0].get_xlim()), np.diff(picture.axes[0].get_ylim())
    box = picture.axes[0].get_window_extent()
    middle = np.radians(np.mean(picture.axes[0].get_ylim()))
    picture.draw_without_rendering()
    box = picture.axes[0].get_window_extent()
    assert (box.width / width) / (box.height / height) == pytest.approx(np.cos(middle), rel=1e-6)


def test_tree_has_no_circle_and_shows_chances(perm):
    branches = tree(perm.baseline, 0)
    assert branches
    above = {branch.adopter: branch.guide for branch in branches}
    for place in above:
        seen = [place]
        while seen[-1] in above:
            seen.append(above[seen[-1]])
            assert len(seen) == len(set(seen))
    assert all(0 < branch.chance <= 1 for branch in branches)


def test_spending_adds_up(perm):
    heights = sum(patch.get_height() for patch in plots.FIGURES["spending"](perm).axes[0].patches)
    assert heights == pytest.approx(flow(perm.baseline, *TIERS).mean(axis=0).sum())


def test_split_is_shown_with_its_shares(perm):
    words = texts(plots.FIGURES["grp"](perm, {"coefficients": 0.5, "luck": 0.3, "together": 0.2}))
    assert {"coefficients 50 %", "luck 30 %", "together 20 %"} <= set(words)


def test_plot_offers_every_picture_and_nothing_else(still):
    plot = plots.Plot(still)
    assert set(plots.FIGURES) <= set(dir(plot))
    assert isinstance(plot.programme(), Figure) and plot.programme() is not plot.programme()
    assert plot.programme()._repr_svg_().startswith("<?xml")
    with pytest.raises(AttributeError, match="programme"):
        _ = plot.piechart


def test_figures_are_written_and_the_same_each_time(still, tmp_path):
    paths = plots.save_figures(still, tmp_path / "one")
    again = plots.save_figures(still, tmp_path / "two")
    names = {path.name for path in paths}
    assert {"programme.svg", "programme.png", "ranks.svg"} <= names and "ranks.png" not in names
    for path, other in zip(paths, again, strict=True):
        if path.suffix == ".svg":
            assert path.read_bytes() == other.read_bytes()
            ElementTree.parse(path)
        else:
            assert path.read_bytes().startswith(b"\x89PNG")


def test_a_second_process_draws_the_same(perm):
    with illustrator.Illustrator() as artist:
        artist.draw(perm)
        drawn = artist.drawn()
    assert set(drawn) == set(plots.APART) & set(plots.applicable(perm))
    plot = plots.Plot(perm)
    for name, files in drawn.items():
        assert files == plots.files(plot, name)
    plot = plots.Plot(perm)
    plot.take(drawn)
    assert plot.text("map") is drawn["map"][0] and plot.image("map") is drawn["map"][1]


def test_pictures_do_not_need_the_second_process(perm, monkeypatch):
    with illustrator.Illustrator() as artist:
        artist.draw(perm)
        artist._process.kill()
        assert artist.drawn() == {}
    with illustrator.Illustrator() as artist:
        artist._process.kill()
        artist._process.join()
        artist.draw(perm)
        assert artist.drawn() == {}
    monkeypatch.setattr(illustrator, "LARGEST", 10)
    with illustrator.Illustrator() as artist:
        artist.draw(perm)
        assert artist.drawn() == {}
    assert not artist._process.is_alive()


def test_a_second_process_that_cannot_start_leaves_the_pictures_here(perm, monkeypatch):
    def refused(*_):
        raise OSError("no more processes")

    monkeypatch.setattr("multiprocessing.popen_spawn_posix.Popen", refused)
    with illustrator.Illustrator() as artist:
        artist.draw(perm)
        assert artist.drawn() == {}


def test_a_second_process_ends_with_the_first():
    """The first is killed and can say nothing; the second, which waits for results, must not wait for ever."""
    script = "import time; from sim.report.illustrator import Illustrator; artist = Illustrator()\n"
    script += "print(artist._process.pid, flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as first:
        second = int(first.stdout.readline())
        first.kill()
    deadline = time.monotonic() + 20
    while Path(f"/proc/{second}").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not Path(f"/proc/{second}").exists()


def test_style_of_the_caller_stays(still):
    before = dict(mpl.rcParams)
    plots.FIGURES["programme"](still)
    assert dict(mpl.rcParams) == before


def test_no_picture_needs_pyplot():
    script = "import sys, sim.report.figures, sim.report.report; print('matplotlib.pyplot' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
