"""`python -m sim` is `uptake`."""

from sim.cli import main

main()
