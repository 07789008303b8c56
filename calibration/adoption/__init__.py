"""Rates from adoption dates."""
