"""How are results and fits kept? As JSON without NaN, whole or not at all; a fit has one key a line, for `diff`."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sim.results.folder import write_whole


def plain(value: Any) -> Any:
    """The same without NaN and infinities, which JSON does not know: they become null."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def rounded(value: Any, digits: int) -> Any:
    """Floats to so many digits: a diagnostic means no more, and processors differ in the last ones."""
    if isinstance(value, Mapping):
        return {key: rounded(item, digits) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(item, digits) for item in value]
    return float(f"{value:.{digits}g}") if isinstance(value, float) else value


def as_text(values: Mapping[str, Any]) -> str:
    """JSON for people and programs."""
    return json.dumps(values, ensure_ascii=False, indent=1)


def write_fit_file(path: Path, values: Mapping[str, Any]) -> None:
    """Write what a scenario names in `economy.fit` or `parameters.fit`. Raises InputError where it cannot."""
    lines = [f"{json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in values.items()]
    write_whole(path, "{\n" + ",\n".join(lines) + "\n}\n")
