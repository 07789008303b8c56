"""A second process that draws pictures while the first writes the tables.

Drawing takes as long as writing every table, and Python draws on one core. The process is started before the engine
runs, so that its imports delay nothing, and gets the results through its standard input. Whatever happens to it, the
pictures are drawn where they are asked for instead: they are the same, byte for byte.
"""

from __future__ import annotations

import pickle
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sim.report.figures import Files
    from sim.results.run import Results

LARGEST = 2**30
"""Bytes of events beyond which results are not sent: two copies of them would be held."""
_COMMAND = (sys.executable, "-P", "-m", "sim.report.illustrator")


class Illustrator:
    """The second process; `with Illustrator() as artist: ...; artist.draw(results); ...; artist.drawn()`."""

    def __init__(self) -> None:
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(_COMMAND, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL)
        self._asked = False

    def __enter__(self) -> Illustrator:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def draw(self, results: Results) -> None:
        """Begin to draw the pictures of these results, unless they are too large to be copied."""
        size = sum(arm.batch.events.nbytes + arm.batch.payments.nbytes for arm in results.arms.values())
        if size > LARGEST or self._process.stdin is None:
            return
        try:
            pickle.dump(results, self._process.stdin, protocol=5)
            self._process.stdin.flush()
            self._asked = True
        except OSError:
            pass  # the process is gone: nothing was begun

    def drawn(self) -> dict[str, Files]:
        """Pictures by name as `Plot.take` wants them, waiting for what was begun; empty where that failed."""
        if not self._asked or self._process.stdout is None:
            return {}
        try:
            return dict(pickle.load(self._process.stdout))
        except (EOFError, OSError, pickle.UnpicklingError):
            return {}


def _draw() -> None:
    """What the second process does: imports first, then one set of results."""
    from sim.report import figures as plots

    results = pickle.load(sys.stdin.buffer)
    plot, apart = plots.Plot(results), [name for name in plots.applicable(results) if name in plots.APART]
    pickle.dump({name: plots.files(plot, name) for name in apart}, sys.stdout.buffer)


if __name__ == "__main__":
    _draw()
