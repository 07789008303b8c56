"""Where chance comes from: random numbers keyed by what they are for, never drawn in sequence.

A draw is a hash of (seed, replicate, purpose, municipality, technology, spell). Adding a place or a technology changes
nobody else's draws, every policy arm meets the same luck, and the order of computation cannot matter. The hash is
splitmix64's finaliser (Steele, Lea, Flood 2014); each key is hashed *into* the state, since added keys would give
shifted copies of the same numbers.
"""

import hashlib
import math

import numpy as np

from sim.engine.compiling import compiled, entry_point

_PURPOSES = (b"clock", b"capacity", b"source", b"guide", b"age", b"tie", b"incident", b"year", b"fit", b"vector")
# hashed and not numbered: a new purpose changes no draw of the others
CLOCK, CAPACITY, SOURCE, GUIDE, AGE, TIE, INCIDENT, YEAR, COEFFICIENT_DRAW, PARAMETER_DRAW = (
    np.uint64(int.from_bytes(hashlib.blake2b(name, digest_size=8).digest(), "little")) for name in _PURPOSES
)
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)
_S30, _S27, _S31, _S12 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(12)


def identity_key(identity: str) -> np.uint64:
    """The 64-bit key of a municipality, technology or region: a hash of its id, the same in every scenario."""
    return np.uint64(int.from_bytes(hashlib.blake2b(identity.encode(), digest_size=8).digest(), "little"))


def identity_keys(identities: tuple[str, ...]) -> np.ndarray:
    """Keys of many ids, uint64[len(identities)]."""
    return np.array([identity_key(identity) for identity in identities], dtype=np.uint64)


@compiled
def mix(bits):
    """splitmix64's step: a bijection of 64 bits in which every input bit reaches every output bit."""
    bits = np.uint64(bits) + _GOLDEN
    bits = (bits ^ (bits >> _S30)) * _FIRST
    bits = (bits ^ (bits >> _S27)) * _SECOND
    return bits ^ (bits >> _S31)


@compiled
def run_key(seed, replicate):
    """The key of one replicate under one seed; arms and parameter vectors do not enter it: they share their luck."""
    return mix(mix(np.uint64(seed)) ^ np.uint64(replicate))


@compiled
def stream(run, purpose, identity):
    """The key of one entity's draws for one purpose within a run."""
    return mix(mix(run ^ purpose) ^ identity)


@compiled
def cell_bits(place_stream, technology, spell):
    """64 random bits for a municipality's stream, a technology and a spell."""
    return mix(place_stream ^ mix(technology + np.uint64(spell)))


@compiled
def uniform(bits):
    """A uniform number in the open interval (0, 1), with 52 random bits: never 0, whose logarithm is not finite."""
    return (np.float64(np.uint64(bits) >> _S12) + 0.5) * (1.0 / 4503599627370496.0)


@compiled
def exponential(bits):
    """A standard exponential number: the threshold of a clock that runs at the hazard (unit: 1)."""
    return -math.log(uniform(bits))


@compiled
def normal(bits):
    """A standard normal number (Box and Muller 1958), from the given bits and one further hash of them."""
    return math.sqrt(2.0 * exponential(bits)) * math.cos(2.0 * math.pi * uniform(mix(bits)))


@entry_point
def _picks(seed, replicates, purpose, count, chosen):
    for at in range(len(replicates)):
        chosen[at] = int(uniform(mix(run_key(seed, replicates[at]) ^ purpose)) * count)


def pick(seed: int, replicates: np.ndarray, purpose: np.uint64, count: int) -> np.ndarray:
    """One of `count` draws of a fit for each replicate: int64[replicates], the same in every arm."""
    chosen = np.zeros(len(replicates), np.int64)
    _picks(seed, np.asarray(replicates, np.int64), purpose, count, chosen)
    return chosen


def generator(seed: int, *purpose: str) -> np.random.Generator:
    """A NumPy generator for analyses outside the simulation (bootstrap, designs), keyed by seed and purpose."""
    words = [int(identity_key(word)) for word in purpose]
    return np.random.default_rng([seed, *words])
