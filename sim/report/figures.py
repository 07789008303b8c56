"""Which pictures does a run have, and how are they kept and written? Matplotlib figures, SVG and PNG files."""

from __future__ import annotations

import functools
import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib.figure import Figure

from sim.report.curves import divide, grp, programme, spending, technologies
from sim.report.guides import guides
from sim.report.maps import places
from sim.report.municipalities import heatmap, ranks
from sim.report.policies import effect_picture
from sim.report.style import STYLE, svg
from sim.results.effects import PolicyEffect, policy_effects
from sim.results.measures import has_economy, has_money, product
from sim.results.uncertainty import Split, variance_split

if TYPE_CHECKING:
    from sim.results.run import Results

FIGURES: dict[str, Callable[..., Figure]] = {
    "programme": programme, "map": places, "technologies": technologies, "guides": guides, "effects": effect_picture,
    "heatmap": heatmap, "divide": divide, "grp": grp, "spending": spending, "ranks": ranks,
}  # fmt: skip
"""Pictures by name, in the order of the report."""
MAIN = ("programme", "map", "technologies", "guides", "effects", "heatmap")
"""Those that are written as PNG too."""
APART = ("programme", "map", "technologies", "guides", "heatmap", "divide", "spending", "ranks")
"""Those that another process can draw: the others rest on figures that the report needs too."""
Files = tuple[str, bytes | None]
"""A picture as SVG, and as PNG where it is a main one."""


def applicable(results: Results) -> list[str]:
    """Names of the pictures that say something about this run."""
    without = {
        "effects": len(results.arms) < 2,
        "grp": not has_economy(results.scenario),
        "spending": not has_money(results.scenario),
        "map": not results.baseline.focus.any(),  # no place to show
    }
    return [name for name in FIGURES if not without.get(name, False)]


class Plot:
    """Pictures of a run: `results.plot.programme()` and the like; each is a matplotlib Figure.

    Files and the report hold the same pictures, drawn once (`text`, `image`); a picture that is asked for by its name
    is drawn anew, since its reader may change it.
    """

    def __init__(self, results: Results) -> None:
        self.results = results
        self._kept: dict[str, Figure] = {}
        self._texts: dict[str, str] = {}
        self._images: dict[str, bytes] = {}

    def __getattr__(self, name: str) -> Callable[..., Figure]:
        """A picture's function. Raises AttributeError, with the names that there are."""
        if name.startswith("_") or name not in FIGURES:
            raise AttributeError(f"there is no picture {name!r}; there are: {', '.join(FIGURES)}")
        return functools.partial(FIGURES[name], self.results)

    def __dir__(self) -> list[str]:
        """What a notebook offers to complete."""
        return [*object.__dir__(self), *FIGURES]

    @functools.cached_property
    def effect_table(self) -> dict[str, list[PolicyEffect]]:
        """Effects of the policies by yardstick; empty where no policy was run."""
        return policy_effects(self.results) if len(self.results.arms) > 1 else {}

    @functools.cached_property
    def split(self) -> Split | None:
        """What the variance of the regional product in the last year comes from; None where there is no economy."""
        if not has_economy(self.results.scenario):
            return None
        return variance_split(self.results, {"grp": lambda arm: product(arm)[:, :, -1].sum(axis=1)})["grp"]

    def _options(self, name: str) -> dict[str, Any]:
        """What the report works out too and need not be worked out again for its picture."""
        if name == "effects":
            return {"effects": self.effect_table}
        if name == "grp" and self.split and len(self.split.shares) > 1:
            return {"split": self.split.shares}
        return {}

    def kept(self, name: str) -> Figure:
        """A picture that is drawn once and kept."""
        if name not in self._kept:
            self._kept[name] = FIGURES[name](self.results, **self._options(name))
        return self._kept[name]

    def text(self, name: str) -> str:
        """A kept picture as a whole SVG file."""
        if name not in self._texts:
            self._texts[name] = svg(self.kept(name), name, alone=True)
        return self._texts[name]

    def image(self, name: str) -> bytes:
        """A kept picture as a PNG file, 150 dots an inch."""
        if name not in self._images:
            stream = io.BytesIO()
            with mpl.rc_context(STYLE):
                self.kept(name).savefig(stream, dpi=150)
            self._images[name] = stream.getvalue()
        return self._images[name]

    def take(self, drawn: Mapping[str, Files]) -> None:
        """Keep pictures that another process has drawn of the same results, by name: see `files`."""
        for name, (text, image) in drawn.items():
            self._texts[name] = text
            if image is not None:
                self._images[name] = image


def files(plot: Plot, name: str) -> Files:
    """What is written of a picture."""
    return plot.text(name), plot.image(name) if name in MAIN else None


def save_figures(results: Results, folder: str | Path, plot: Plot | None = None) -> list[Path]:
    """Write every applicable picture as SVG, and the main ones as PNG; the paths written."""
    plot, folder = plot or Plot(results), Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name in applicable(results):
        text, image = files(plot, name)
        # not whole or not at all: the folder of a run appears only when all of it is written
        written.append(folder / f"{name}.svg")
        written[-1].write_text(text, encoding="utf-8", newline="\n")
        if image is not None:
            written.append(folder / f"{name}.png")
            written[-1].write_bytes(image)
    return written
