"""Are the random numbers those that the keys say, as random as they must be, and shared by nobody?"""

import numpy as np
import pytest
from scipy import stats

from sim.engine import draws
from sim.engine.compiling import compiled

MASK = (1 << 64) - 1
PURPOSES = (
    draws.CLOCK, draws.CAPACITY, draws.SOURCE, draws.GUIDE, draws.AGE, draws.TIE, draws.INCIDENT, draws.YEAR,
    draws.COEFFICIENT_DRAW, draws.PARAMETER_DRAW,
)  # fmt: skip
COUNT = 100_000
# About twenty tests of distribution here: a right generator fails one of them for two seeds in a thousand.
LEVEL = 1e-4


@compiled
def fill(run, purpose, seed_of_keys, technology, values, kind):
    for i in range(len(values)):
        key = draws.mix(np.uint64(seed_of_keys) ^ draws.mix(np.uint64(i)))
        bits = draws.cell_bits(draws.stream(run, purpose, key), technology, 1)
        if kind == 0:
            values[i] = draws.uniform(bits)
        elif kind == 1:
            values[i] = draws.exponential(bits)
        else:
            values[i] = draws.normal(bits)


def sample(
    kind: int, seed: int = 1, replicate: int = 0, purpose: np.uint64 = draws.CLOCK, tech: str = "k"
) -> np.ndarray:
    values = np.zeros(COUNT)
    run = np.uint64(draws.run_key(seed, replicate))
    fill(run, purpose, 7, draws.identity_key(tech), values, kind)
    return values


def splitmix(bits: int) -> int:
    """splitmix64's step in whole numbers of Python."""
    bits = (bits + 0x9E3779B97F4A7C15) & MASK
    bits = ((bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    bits = ((bits ^ (bits >> 27)) * 0x94D049BB133111EB) & MASK
    return bits ^ (bits >> 31)


def test_the_hash_gives_the_published_numbers_of_splitmix64() -> None:
    # the first outputs for seed 1234567 (Rosetta Code, "Pseudo-random numbers/Splitmix64")
    expected = (6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431)
    for number, value in enumerate(expected):
        assert int(draws.mix(np.uint64((1234567 + number * 0x9E3779B97F4A7C15) & MASK))) == value


def test_the_key_of_a_cell_is_the_chain_of_hashes_it_says() -> None:
    place, technology = int(draws.identity_key("perm")), int(draws.identity_key("albacore"))
    run = splitmix(splitmix(5) ^ 3)
    stream = splitmix(splitmix(run ^ int(draws.CLOCK)) ^ place)
    expected = splitmix(stream ^ splitmix((technology + 2) & MASK))
    key = np.uint64(draws.run_key(5, 3))
    found = draws.cell_bits(np.uint64(draws.stream(key, draws.CLOCK, np.uint64(place))), np.uint64(technology), 2)
    assert int(found) == expected


def test_keys_of_ids_depend_on_nothing_but_the_id() -> None:
    assert draws.identity_key("perm") == draws.identity_keys(("other", "perm"))[1]
    assert len(np.unique(draws.identity_keys(tuple(f"place{i}" for i in range(10_000))))) == 10_000
    assert len(set(map(int, PURPOSES))) == len(PURPOSES)


def test_extreme_bits_stay_inside_the_open_interval() -> None:
    for bits in (0, 1, MASK, MASK - 1, 1 << 63):
        value = draws.uniform(np.uint64(bits))
        assert 0.0 < value < 1.0
        assert 0.0 < draws.exponential(np.uint64(bits)) < 40.0
        assert np.isfinite(draws.normal(np.uint64(bits)))
        assert np.float32(draws.exponential(np.uint64(bits))) > 0


@pytest.mark.parametrize(("kind", "law"), [(0, "uniform"), (1, "expon"), (2, "norm")])
@pytest.mark.parametrize("purpose", [draws.CLOCK, draws.CAPACITY])
def test_draws_have_their_distribution(kind: int, law: str, purpose: np.uint64) -> None:
    assert stats.kstest(sample(kind, purpose=purpose), law).pvalue > LEVEL


@pytest.mark.parametrize(
    "other",
    [{"seed": 2}, {"replicate": 1}, {"purpose": draws.SOURCE}, {"tech": "k2"}],
    ids=["seed", "replicate", "purpose", "technology"],
)
def test_another_key_gives_unrelated_numbers(other: dict[str, object]) -> None:
    first, second = sample(2), sample(2, **other)
    correlation = stats.pearsonr(first, second)
    assert correlation.pvalue > LEVEL
    ranks = np.argsort(np.argsort(first)) * 20 // COUNT, np.argsort(np.argsort(second)) * 20 // COUNT
    table = np.zeros((20, 20))
    np.add.at(table, ranks, 1)
    assert stats.chi2_contingency(table).pvalue > LEVEL


def test_every_bit_of_every_key_reaches_every_bit_of_the_draw() -> None:
    rng = np.random.default_rng(1)
    keys = rng.integers(0, 2**63, (400, 4), dtype=np.uint64)

    def draw(row: np.ndarray) -> int:
        stream = np.uint64(draws.stream(np.uint64(row[0]), np.uint64(row[1]), np.uint64(row[2])))
        return int(draws.cell_bits(stream, np.uint64(row[3]), 1))

    base = [draw(row) for row in keys]
    for part in range(4):
        for bit in (0, 1, 17, 40, 63):
            flipped = keys.copy()
            flipped[:, part] ^= np.uint64(1 << bit)
            changed = [old ^ draw(row) for old, row in zip(base, flipped, strict=True)]
            counts = np.array([[(value >> b) & 1 for b in range(64)] for value in changed]).sum(axis=0)
            # 64 bits, 20 cases: the extreme of 1280 binomials with 400 tries stays within 5 standard deviations
            assert np.abs(counts - 200).max() < 5 * 10, (part, bit)


def test_spells_of_one_cell_are_unrelated() -> None:
    stream = np.uint64(draws.stream(np.uint64(draws.run_key(1, 0)), draws.CLOCK, draws.identity_key("a")))
    key = draws.identity_key("k")
    values = np.array([draws.uniform(np.uint64(draws.cell_bits(stream, key, spell))) for spell in range(1, 3001)])
    assert stats.kstest(values, "uniform").pvalue > LEVEL
    assert stats.pearsonr(values[:-1], values[1:]).pvalue > LEVEL


def test_a_pick_is_uniform_and_the_same_for_a_replicate_wherever_it_stands() -> None:
    picked = draws.pick(1, np.arange(20_000), draws.COEFFICIENT_DRAW, 7)
    assert set(picked.tolist()) == set(range(7))
    assert stats.chisquare(np.bincount(picked, minlength=7)).pvalue > LEVEL
    assert draws.pick(1, np.array([4321]), draws.COEFFICIENT_DRAW, 7)[0] == picked[4321]


def test_generators_are_keyed_by_seed_and_purpose() -> None:
    first = draws.generator(1, "bootstrap").random(4)
    np.testing.assert_array_equal(first, draws.generator(1, "bootstrap").random(4))
    assert not np.array_equal(first, draws.generator(2, "bootstrap").random(4))
    assert not np.array_equal(first, draws.generator(1, "design").random(4))
