"""What does docs/performance.md show? The tables of the last measurements: `python -m benchmarks.page`."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pyperf

from benchmarks.common import ROOT, VERSIONS, table

PAGE = ROOT / "docs" / "performance.md"


def markdown(suite: pyperf.BenchmarkSuite) -> str:
    """A measurement as a table, with the machine it was taken on."""
    lines = table(suite)
    rows = [list(lines), ["---"] * lines.shape[1], *lines.to_numpy().tolist()]
    known = suite.get_benchmarks()[0].get_metadata()
    versions = ", ".join(f"{name} {known[f'{name}_version']}" for name in ("python", *VERSIONS))
    where = f"{known.get('cpu_model_name', 'an unknown processor')}, {known['cpu_count']} cores"
    load = f", load {known['load_avg_1min']:.3g} at the end" if "load_avg_1min" in known else ""
    text = "\n".join("| " + " | ".join(row) + " |" for row in rows)
    return f"{text}\n\nMeasured {known['date'][:10]} on {where}{load}; {versions}."


def filled(text: str, results: Path) -> str:
    """The page with the tables that there are; markers look like `<!-- simple -->` to `<!-- end -->`."""

    def renewed(found: re.Match[str]) -> str:
        path = results / f"{found[1]}.json"
        if not path.exists():
            return found[0]
        return f"<!-- {found[1]} -->\n{markdown(pyperf.BenchmarkSuite.load(str(path)))}\n<!-- end -->"

    return re.sub(r"<!-- (\w+) -->\n.*?<!-- end -->", renewed, text, flags=re.DOTALL)


if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "benchmarks" / "results"
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), folder), encoding="utf-8")
