"""How are pictures drawn while the tables are written? By a second process, on the core that Python leaves idle.

Drawing takes as long as writing every table. The process is started before the engine runs, so that its imports delay
nothing. Whatever happens to it, the pictures are drawn where they are asked for instead: they are the same, byte for
byte. A pool of one (`concurrent.futures`) was tried: its worker outlives a killed first process, since it holds both
ends of its queue, and ending it amid a task leaves a traceback now and then. A pipe has neither fault.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import pickle
import signal
from collections.abc import Iterator
from multiprocessing import resource_tracker
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from sim.report.figures import Files
    from sim.results.run import Results

LARGEST = 2**30
"""Bytes of events beyond which results are not sent: two copies of them would be held."""


class Illustrator:
    """The second process; `with Illustrator() as artist: ...; artist.draw(results); ...; artist.drawn()`."""

    def __init__(self) -> None:
        # spawned, never forked: a lock that one of the engine's threads holds would stay locked in a copy for ever
        context = multiprocessing.get_context("spawn")
        self._line, far = context.Pipe()
        self._process = context.Process(target=_draw, args=(far,), daemon=True)
        with contextlib.suppress(OSError), _interrupts_held_back():
            self._process.start()
        far.close()  # the process alone holds it now: when it is gone, that is seen at this end
        self._asked = False

    def __enter__(self) -> Illustrator:
        return self

    def __exit__(self, *_: object) -> None:
        """End the process at once, whatever it is drawing: nobody waits for it any more."""
        if self._process.pid is not None:
            self._process.kill()
            self._process.join()
        self._line.close()

    def draw(self, results: Results) -> None:
        """Begin to draw the pictures of these results, unless they are too large to be copied."""
        size = sum(arm.batch.events.nbytes + arm.batch.payments.nbytes for arm in results.arms.values())
        if size <= LARGEST:
            with contextlib.suppress(OSError):  # the process is gone: nothing was begun
                _send(self._line, results)
                self._asked = True

    def drawn(self) -> dict[str, Files]:
        """Pictures by name as `Plot.take` wants them, waiting for what was begun; empty where that failed."""
        if self._asked:
            with contextlib.suppress(EOFError, OSError):
                return dict(self._line.recv())
        return {}


@contextlib.contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """Ctrl-C comes a moment later here, and never to a process that is started meanwhile: it is for the first alone."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # which Python starts before the first spawned process, and lets interrupts in
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _send(line: Connection, value: object) -> None:
    """Send a value, its arrays straight from where they lie: a pickle of all would hold the events a second time."""
    arrays: list[pickle.PickleBuffer] = []
    rest = pickle.dumps(value, protocol=5, buffer_callback=arrays.append)
    line.send((rest, [array.raw().nbytes for array in arrays]))
    for array in arrays:
        line.send_bytes(array.raw())


def _received(line: Connection) -> Any:
    """What `_send` sent; arrays can be written to, since compiled code is made anew for those that cannot."""
    rest, sizes = line.recv()
    arrays = [bytearray(size) for size in sizes]
    for array in arrays:
        line.recv_bytes_into(array)
    return pickle.loads(rest, buffers=arrays)


def _draw(line: Connection) -> None:
    """What the second process does: imports first, then the pictures that rest on nothing the report works out too.

    An error is not told: the first process draws the same pictures then, and meets the same error.
    """
    from sim.report.figures import APART, Plot, applicable, files

    with contextlib.suppress(Exception):
        plot = Plot(_received(line))
        line.send({name: files(plot, name) for name in applicable(plot.results) if name in APART})
