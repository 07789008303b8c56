"""All measurements, one after another: `python -m benchmarks [--tiny] [--peers]`."""

from __future__ import annotations

import sys

from benchmarks import floor, full, simple, startup, sweeps

if __name__ == "__main__":
    given = sys.argv[1:]
    for module in (startup, floor, sweeps, full, simple):
        print(f"{module.__name__}: {(module.__doc__ or '').splitlines()[0]}")
        module.main([word for word in given if word != "--peers" or module is simple])
