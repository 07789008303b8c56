from __future__ import annotations

import html
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from build import build, linear_fit

import sim
from sim.report import report
from sim.report.answer import answer, how_many
from sim.report.captions import captions
from sim.report.figures import FIGURES, Plot, save_figures
from sim.report.findings import falls
from sim.report.grounds import grounds
from sim.report.words import environment, figure, month, percent, points, said, table
from sim.results.effects import policy_effects
from sim.results.measures import gini, public_money, technologies_at, yearly_instants
from sim.results.run import run
from sim.results.targets import verdicts

HOSTILE = "<script>alert('x')</script> & \"more\""
ROOT = Path(__file__).parent.parent
RATES = {"slow": 0.02, "right": 0.25, "fast": 5.0}


def spreading(rate: float, replicates: int = 30, **settings):
    """Twenty places that take up one thing at a rate; two years before the target's date."""
    target = {"technology": "k", "date": "2022-01", "count": [7, 9], "source": "a source"}
    plan = {"technology": "k", "date": "2024-01", "share": [1.0, 1.0], "kind": "plan"}
    scenario = build(
        places=20, technologies=[{"id": "k", "name": "Thing"}], diffusion={"external": rate},
        targets={"seen": target, "meant": plan}, **settings,
    )  # fmt: skip
    return run(scenario, replicates=replicates, seed=4)


@pytest.fixture(scope="module")
def perm():
    return run(sim.load("perm-krai"), replicates=6, policy=["no-mandate", "data-protection"])


@pytest.fixture(scope="module")
def hostile():
    scenario = build(
        [{"id": "a", "name": HOSTILE}, {"id": "b", "name": HOSTILE}], [{"id": "k", "name": HOSTILE, "basis": HOSTILE}],
        [{"id": "r", "name": HOSTILE}], [("a", "k")], title=HOSTILE, description=HOSTILE + " https://example.org/x",
        currency="<b>", diffusion={"peers": 1.0}, finance={"cost_level": 1.0}, fit=linear_fit(),
        targets={"seen": {"technology": "k", "date": "2022-01", "count": [1, 2], "source": HOSTILE, "note": HOSTILE}},
        policies={"stop": {"title": HOSTILE, "description": HOSTILE, "diffusion": {"peers": 0.0}}},
    )  # fmt: skip
    return run(scenario, replicates=3)


class Page(HTMLParser):
    """Tags that stay open, elements, and whatever could be fetched."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.fetched: list[str] = []
        self.anchors: list[str] = []
        self.ids: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.seen.append(tag)
        if tag not in ("meta", "br", "link", "img", "input"):
            self.open.append(tag)
        for name, value in attributes:
            if name in ("src", "data", "action", "srcset", "poster") or (name.endswith("href") and value[:1] != "#"):
                self.fetched.append(f"{tag} {name}={value}")
            if name.endswith("href"):
                self.anchors.append(value[1:])
            if name == "id":
                self.ids.append(value)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if self.open and self.open[-1] == tag:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.mark.parametrize("which", ["perm", "hostile"])
def test_page_is_whole_and_fetches_nothing(which, request):
    text = report.html(request.getfixturevalue(which), "uptake run x <y>")
    page = Page(text)
    assert page.open == [] and page.fetched == []
    assert not {"script", "img", "link", "iframe", "object", "embed", "b>"} & set(page.seen)
    assert "http" not in text.replace("http-equiv", "") and "@import" not in text and "url(h" not in text
    assert set(page.anchors) <= set(page.ids) and len(page.ids) == len(set(page.ids))


def test_everything_from_data_is_escaped_and_there(hostile):
    text = report.html(hostile)
    assert "<script" not in text and "alert(" in text
    assert html.escape(HOSTILE, quote=False).replace("'", "&#39;").replace('"', "&#34;") in text


def test_page_has_every_part(perm, tmp_path):
    report.write_report(perm, tmp_path / "report.html", "uptake run perm-krai")
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
    assert text.count("<svg") == len(FIGURES)
    assert text.count("replicates, seed 1") >= len(FIGURES)
    for words in (
        "attribution, not evidence",
        "onditional projection",
        "uncertainty about the world",
        "uptake run perm-krai",
    ):
        assert words in text
    for mark in perm.scenario.inputs.values():
        assert mark in text
    for row in grounds(perm):
        assert f">{row.key}<" in text
    assert text == report.html(perm, "uptake run perm-krai")


def test_the_report_is_the_same_whether_files_were_written_before(perm, tmp_path):
    plot = Plot(perm)
    save_figures(perm, tmp_path, plot)
    assert report.html(perm, "x", plot) == report.html(perm, "x", Plot(perm))


def test_saved_provenance_is_told_as_it_was():
    still_inputs = {"/home/x/tables/places.csv": "a" * 64}
    results = spreading(0.2, 2)
    made = {"kind": "run", "scenario": "s", "command": "c", "time": "T", "seed": 4, "replicates": 2,
            "policies": ["baseline"], "inputs": still_inputs, "versions": {"uptake": "9.9.9"}}  # fmt: skip
    text = report.html(results, "", None, made)
    assert ">tables/places.csv<" in text and "a" * 64 in text and "uptake 9.9.9" in text and "/home" not in text


def test_every_parameter_is_among_the_grounds_with_its_value(perm):
    rows, text = {row.key: row for row in grounds(perm)}, report.html(perm)
    assert rows["platform.cost_cut"].assumed and not rows["finance.reference_population"].assumed
    for key, values in perm.scenario.parameter_fit.draws.items():
        low, high = rows[key].draws
        assert values.min() <= low <= np.median(values) <= high <= values.max()
        assert f"{figure(low)} to {figure(high)} (90 % of draws)" in text
    assert text.count("drawn by the fit to the targets; before it: ") == len(perm.scenario.parameter_fit.draws)
    assert rows["diffusion.leaders"].assumed and rows["finance.own_share"].plausible == (0.00005, 0.0006)
    assert ">0.00005 to 0.0006<" in text
    assert rows["finance.cost_level"].value == "5.15"
    assert rows["network.neighbours"].value == "12" and rows["sanctions.from"].value == ""
    assert "mandates.0.rate" in rows
    changed = run(perm.scenario.override({"platform.cost_cut": 0.123}), replicates=1, policy=None)
    assert {row.key: row for row in grounds(changed)}["platform.cost_cut"].value == "0.123"


@pytest.mark.parametrize("pace", RATES)
def test_the_observation_is_said_to_lie_where_it_lies(pace):
    results = spreading(RATES[pace])
    verdict = next(v for v in verdicts(results) if v.name == "seen")
    expected = {
        "slow": "lies above this band: the model is too slow",
        "right": "lies inside this band.",
        "fast": "lies below this band: the model is too fast",
    }
    said = [words for words in expected.values() if any(words in line for line in answer(results))]
    assert said == [expected[pace]]
    at = results.measure("k")[:, results.scenario.step_of("2022-01")] * 20
    assert (np.quantile(at, 0.95) < 7, np.quantile(at, 0.05) > 9) == (pace == "slow", pace == "fast")
    assert verdict.mean == pytest.approx(at.mean() / 20)


@pytest.mark.parametrize(("pace", "chance"), [("slow", "0 % of replicates"), ("fast", "100 % of replicates")])
def test_the_chance_of_the_plan_is_counted(pace, chance):
    plan = next(line for line in answer(spreading(RATES[pace])) if line.startswith("Planned was all 20"))
    assert f"; {chance} reach it." in plan


def test_no_policy_is_said_to_change_what_it_does_not():
    results = spreading(0.2, policies={"same": {"title": "Same"}})
    line = next(line for line in answer(results) if line.startswith("Coverage"))
    assert "1 cannot be told from the baseline (“Same”)" in line and "raise" not in line and "lower" not in line


@pytest.mark.parametrize(("rate", "verb"), [(0.5, "1 raises it"), (0.02, "1 lowers it")])
def test_a_policy_is_said_to_do_what_it_does(rate, verb):
    results = spreading(0.2, end="2024-01", policies={"other": {"diffusion": {"external": rate}}})
    lines = [line for line in answer(results) if re.match("Coverage|Thing in January", line) and "of 1 policy" in line]
    assert len(lines) == 2 and all(verb in line and "“other”" in line for line in lines)
    effect = policy_effects(results)["coverage"][0]
    assert points(effect.mean) in lines[1]


def test_half_is_dated_by_the_replicates():
    results = spreading(0.25)
    values = results.measure("k")
    line = answer(results)[0]
    when = np.sort((values >= 0.5 - 1e-12).argmax(axis=1))[(len(values) - 1) // 2]
    assert month(results.scenario.instant(int(when))) in line
    assert "has it at some time" not in line
    slow = answer(spreading(0.005))[0]
    assert re.search(
        r"Half of the municipalities have it at some time in (0|\d+|less than 1) ?%? ?%? of replicates", slow
    )


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ([4, 4, 4], "Thing: in May 2022, all 4 municipalities have it in every replicate."),
        ([4] * 19 + [3], "Thing: in May 2022, all 4 municipalities have it in 95 % of replicates."),
        ([1, 2, 3], "Thing: in May 2022, on average 2 of 4 municipalities have it (1 to 3 in 90 % of replicates)."),
        ([2, 2, 2], "Thing: in May 2022, on average 2 of 4 municipalities have it (2 in at least 90 % of replicates)."),
    ],
)
def test_how_many_have_it_is_a_plain_sentence(counts, words):
    facts = {"name": "Thing", "when": np.datetime64("2022-05-01"), "half": "from the start"}
    told = said("answer.txt", "spread", facts | how_many(np.array(counts, dtype=float), 4))
    assert told == f"{words} Half of the municipalities have it from the start."


def test_the_divide_is_measured_from_the_first_date_with_something_to_compare():
    results = spreading(0.05)
    counts = [technologies_at(results.baseline, at) for at in yearly_instants(results.scenario)]
    first = next(at for at, count in enumerate(counts) if count.any(axis=1).all())
    assert not counts[0].any() and 0 < first < len(counts) - 1
    line = next(line for line in answer(results) if "Gini" in line)
    assert line.startswith("The digital divide narrows")
    assert f"goes from {np.median(gini(counts[first])):.2f} in January {2020 + first}, the first date" in line
    assert f"to {np.median(gini(counts[-1])):.2f} in January 2030" in line
    assert not any("Gini" in line for line in answer(spreading(0.0, 2)))


@pytest.mark.parametrize("life", [None, 3.0])
def test_a_leader_whose_technologies_wear_out_is_told_where_it_happens(life):
    scenario = build(
        [{"id": "a", "name": "Alder"}, "b"], [{"id": "k", "life": life}, "l"], portfolio=[("a", "k"), ("a", "l")]
    )
    results = run(scenario, replicates=8)
    words = captions(results, None)
    told = "Alder has 2.0 technologies in January 2020 and 1.0 in January 2023: what is worn out leaves"
    assert [told in words[name] for name in ("map", "divide", "ranks")] == [life is not None] * 2 + [False]
    assert [(fall.before, fall.after) for fall in falls(results.baseline)] == ([(2.0, 1.0)] if life else [])


def test_the_first_caption_explains_what_its_picture_has(perm):
    marks, under = "Filled marks are observed", "runs under the median"
    for results, targets, policies in ((perm, 1, 1), (spreading(0.2, 2), 1, 0), (run(build(), 2), 0, 0)):
        caption = captions(results, None)["programme"]
        assert (marks in caption, under in caption) == (targets, policies)


def test_what_was_fitted_to_is_no_test(perm):
    judged = [line for line in answer(perm) if line.startswith("Observed was 22 to 23")]
    fitted = perm.scenario.parameter_fit is not None and perm.scenario.parameters.draws == "draws"
    assert len(judged) == 1 and ("so it tests nothing" in judged[0]) == fitted
    assert not any("tests nothing" in line for line in answer(spreading(0.2)))


def test_slack_money_is_said_to_be_slack(perm):
    assert any(line.startswith("Money is slack") for line in answer(spreading(0.2)))
    paid = next(line for line in answer(perm) if line.startswith("Public money paid"))
    assert figure(float(public_money(perm.baseline).mean())) in paid


@pytest.mark.parametrize(
    ("share", "words"),
    [(0.0, "0 %"), (0.001, "less than 1 %"), (0.5, "50 %"), (0.9999, "more than 99 %"), (1.0, "100 %")],
)
def test_nothing_rounds_to_never_or_always(share, words):
    assert percent(share) == words


def test_summary_for_a_notebook(hostile):
    text = report.summary_html(hostile)
    assert text.startswith("<div>") and text.count("<svg") == 1 and "<script" not in text
    assert Page(text).fetched == []


def test_every_label_that_is_asked_for_is_there_and_each_is_used():
    """Words in a table are found by their keys, which nobody checks before a picture is drawn."""
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "sim").rglob("*.py"))
    asked = set(re.findall(r'\blabel\(\s*"([\w.]+)"', sources)) | set(re.findall(r'\btable\(\)\["(\w+)"\]', sources))
    assert asked - set(table()) == set()
    formed = {key for key in table() if key.startswith(("unit", "measure.", "divide.", "programme."))}
    assert set(table()) - asked - formed - {"price", "measure"} == set()


def test_another_language_needs_no_python(perm):
    """Each sentence goes through gettext as a whole: a catalogue that marks what it gets marks all words of a page."""
    made = environment.__wrapped__()
    made.install_gettext_callables(lambda text: f"«{text}»", lambda one, more, n: f"«{one if n == 1 else more}»")
    heard = made.get_template("answer.txt").module.slack({})
    assert heard == "«Money is slack: nothing costs anything in this scenario.»"
    mark = made.get_template("answer.txt").module.ninety("1", "2")
    assert mark == "«1 to 2 in 90 % of replicates»"
    assert made.get_template("labels.txt").module.labels["months"][4] == "«May»"
