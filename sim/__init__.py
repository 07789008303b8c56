"""Uptake: how smart-city technologies spread from leader cities to the municipalities around them."""

__version__ = "0.1.0"
