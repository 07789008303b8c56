"""`python -m sim` is `uptake`."""

from sim.cli.main import main

main()
