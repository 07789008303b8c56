"""Parameters that agree with what was observed."""
