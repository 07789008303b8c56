"""Gross regional product by industry and urban population."""
