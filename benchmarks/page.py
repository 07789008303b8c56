"""What does docs/performance.md show? The tables of the last measurements: `python -m benchmarks.page`."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from benchmarks.common import ROOT, shown

PAGE = ROOT / "docs" / "performance.md"


def markdown(kept: dict[str, Any]) -> str:
    """A measurement as a table, with the machine it was taken on."""
    rows = kept["rows"]
    columns = [key for key in dict.fromkeys(key for row in rows for key in row) if key not in ("curve", "peak")]
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    lines += ["| " + " | ".join(shown(row.get(column)) for column in columns) + " |" for row in rows]
    machine = kept["machine"]
    versions = ", ".join(f"{name} {machine[name]}" for name in ("python", "numpy", "scipy", "numba", "mesa"))
    where = f"{machine['processor']}, {machine['cores']} cores, load {machine['load'][0]} at the end; {versions}"
    return "\n".join([*lines, "", f"Measured {machine['time'][:10]} on {where}."])


def filled(text: str, results: Path) -> str:
    """The page with the tables that there are; markers look like `<!-- simple -->` to `<!-- end -->`."""

    def table(found: re.Match[str]) -> str:
        path = results / f"{found[1]}.json"
        if not path.exists():
            return found[0]
        return f"<!-- {found[1]} -->\n{markdown(json.loads(path.read_text(encoding='utf-8')))}\n<!-- end -->"

    return re.sub(r"<!-- (\w+) -->\n.*?<!-- end -->", table, text, flags=re.DOTALL)


if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "benchmarks" / "results"
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), folder), encoding="utf-8")
