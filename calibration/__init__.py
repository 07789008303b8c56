"""Calibration: what the data say about the model's numbers, and how fragile that is."""
