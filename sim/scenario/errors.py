"""How is input refused? File, line, key, what is wrong, what is allowed, and the nearest name."""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

PROBLEMS_SHOWN = 20
NEAREST_AMONG = 5_000


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong in the input, and what would be right.

    `file` is empty for an argument, which stands in no file; `line` is 0 where there is none.
    """

    file: str
    line: int
    key: str
    message: str
    allowed: str = ""
    nearest: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        where = [text for text in (place, clipped(self.key)) if text]
        ending = [f"allowed: {self.allowed}"] if self.allowed else []
        ending += [f"nearest: {self.nearest}"] if self.nearest else []
        text = ": ".join(where) + ": " + "; ".join([clipped(self.message), *ending])
        return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


class InputError(Exception):
    """Input that cannot be used; holds every problem found, printed one a line."""

    def __init__(self, problems: Problem | Iterable[Problem]) -> None:
        self.problems = (problems,) if isinstance(problems, Problem) else tuple(problems)
        super().__init__(self.problems)

    def __str__(self) -> str:
        return "\n".join(map(str, self.problems))


def clipped(text: str) -> str:
    """A text that quotes what was written, without the middle of what is endless."""
    return text if len(text) <= 400 else f"{text[:200]} ... {text[-150:]}"


def shortened(problems: list[Problem]) -> list[Problem]:
    """The first problems of a kind; one more line counts the others."""
    if len(problems) <= PROBLEMS_SHOWN:
        return problems
    last = problems[PROBLEMS_SHOWN]
    others = len(problems) - PROBLEMS_SHOWN
    return [
        *problems[:PROBLEMS_SHOWN],
        Problem(last.file, last.line, last.key, f"and {others} more of the kind"),
    ]


def nearest(name: str, options: Iterable[str]) -> str:
    """The option most like a misspelt name, or nothing; only the first few thousand are looked at."""
    folded = {option.casefold(): option for option in islice(options, NEAREST_AMONG)}
    found = difflib.get_close_matches(name.casefold(), folded, 1, 0.6)
    return folded[found[0]] if found else ""


def between(noun: str, low: float | None, high: float | None) -> str:
    """Words for a permitted range, such as `a number from 0 to 1`."""
    if low is not None and high is not None:
        return f"{noun} from {low:g} to {high:g}"
    if low is not None:
        return f"{noun} not below {low:g}"
    return noun if high is None else f"{noun} not above {high:g}"


def install(extra: str) -> str:
    """What to do where an extra of the program is missing."""
    return f"the extra `{extra}`: pip install -e '.[{extra}]' in the project's folder"


def unknown(name: str, noun: str, options: Iterable[str], file: str, key: str, line: int = 0) -> Problem:
    """The refusal of a name that is not known: what there is, and the nearest. `noun` as in `a policy of this run`."""
    known = list(options)
    return Problem(file, line, key, f"{name!r} is not {noun}", ", ".join(known), nearest(name, known))


def refused(key: str, message: str, allowed: str = "", close: str = "") -> InputError:
    """The error of an argument or option, which stands in no file."""
    return InputError(Problem("", 0, key, message, allowed, close))
