"""Which graph do all tools get? One on which everybody has eight neighbours of equal weight."""

from __future__ import annotations

import numpy as np

Graph = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Sparse rows: start int64[n + 1], in-neighbours int32[links], weights float32[links]."""


def regular_graph(n: int, degree: int = 8, seed: int = 1) -> Graph:
    """An undirected random graph of even `degree`: the union of random cycles through all n places, w = 1/degree."""
    rng = np.random.default_rng(seed)
    seen = np.empty(0, np.int64)
    ends: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    for _ in range(degree // 2):
        cycle = rng.permutation(n)
        while True:
            other = np.roll(cycle, -1)
            key = np.minimum(cycle, other).astype(np.int64) * n + np.maximum(cycle, other)
            twice = np.flatnonzero(np.isin(key, seen))
            if len(twice) == 0:
                break
            for a, b in zip(twice, rng.integers(0, n, len(twice)), strict=True):
                cycle[a], cycle[b] = cycle[b], cycle[a]
        seen = np.concatenate([seen, key])
        ends[0].append(cycle.copy())
        ends[1].append(other.copy())
    one, two = np.concatenate(ends[0] + ends[1]), np.concatenate(ends[1] + ends[0])
    neighbours = two[np.lexsort((two, one))].astype(np.int32)
    return np.arange(0, n * degree + 1, degree), neighbours, np.full(n * degree, 1.0 / degree, np.float32)


def listeners(graph: Graph) -> np.ndarray:
    """Who listens on each link: int64[links]."""
    return np.repeat(np.arange(len(graph[0]) - 1), np.diff(graph[0]))
