"""Which checkable sentences of the two papers hold? Each beside what the data or the model give."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from calibration import words
from calibration.claims.evidence import VERDICTS, Decision, Evidence
from calibration.claims.kahramanoglu import CHECKS as KAHRAMANOGLU
from calibration.claims.zhubanazarov import CHECKS as ZHUBANAZAROV
from sim.scenario.errors import nearest, refused

CHECKS: Mapping[str, Callable[[Evidence], Decision]] = {**KAHRAMANOGLU, **ZHUBANAZAROV}
TABLE = "validation/paper_claims.csv"
COMMAND = "uptake calibrate claims"
PAPERS = {
    "Kahramanoglu 2023": "K: Kahramanoglu, Isaev, Glezman, Fedoseeva (2023), Smart cities as centers of interregional "
    "cooperation",
    "Zhubanazarov 2025": "Z: Zhubanazarov, Ulakov, Yordanova (2025), Digital transformation of the city "
    "management process, "
    "DOI 10.52123/1994-2370-2025-1326",
}


@dataclass(frozen=True)
class Claim:
    """A sentence of a paper (shortened), where it stands, what is found, and the command that finds it."""

    id: str
    paper: str
    where: str
    claim: str
    verdict: str
    figure: str
    command: str


def claims(evidence: Evidence, wanted: Sequence[str] = ()) -> list[Claim]:
    """The claims asked for (all by default), each compared anew. Raises InputError for an unknown one."""
    keys = ("id", "paper", "where", "claim", "verdict", "reason", "command")
    listed = evidence.table(TABLE, keys)
    known = [row["id"] for row in listed]
    for name in wanted:
        if name not in known:
            message = f"{name!r} is no claim"
            raise refused("claims", message, f"{known[0]} to {known[-1]}", nearest(name, known))
    return [_compared(row, evidence) for row in listed if row["id"] in (wanted or known)]


def _compared(row: Mapping[str, str], evidence: Evidence) -> Claim:
    """A claim with its verdict: by reading where the table says so, else computed."""
    kept = (row["id"], row["paper"], row["where"], row["claim"])
    if row["verdict"]:
        return Claim(*kept, row["verdict"], row["reason"], "")
    found = CHECKS[row["id"]](evidence)
    return Claim(
        *kept,
        found.verdict,
        words.said("claims.txt", row["id"], found.told),
        row["command"] or f"{COMMAND} {row['id']}",
    )


def counts(found: Iterable[Claim]) -> dict[str, int]:
    """How many claims have each verdict."""
    verdicts = [claim.verdict for claim in found]
    return {verdict: verdicts.count(verdict) for verdict in VERDICTS}


def as_json(found: Sequence[Claim]) -> dict[str, Any]:
    """Counts by verdict and every claim."""
    return {"counts": counts(found), "claims": [vars(claim) for claim in found]}


def page(found: Sequence[Claim]) -> str:
    """The claims as Markdown, a table for each paper."""
    papers = {title: [_cells(claim) for claim in found if claim.paper == paper] for paper, title in PAPERS.items()}
    return words.text("claims.md", number=len(found), counts=counts(found), papers=papers)


def _cells(claim: Claim) -> list[str]:
    """The cells of a row, in which a bar does not end a cell."""
    command = ", ".join(f"`{part.strip()}`" for part in claim.command.split(";")) if claim.command else ""
    cells = (claim.id, claim.where, claim.claim, claim.verdict, claim.figure, command)
    return [cell.replace("|", "\\|") for cell in cells]
