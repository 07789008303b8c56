"""Many runs for one question: sweeps, searches, comparisons."""
