"""How fast is it, beside its peers and beside the machine? `python -m benchmarks` runs all of it."""
