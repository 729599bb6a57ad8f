"""The random streams: known answers, independence, and the distributions that are made of them."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from sweep.randomness import (
    Stream,
    Words,
    keep_threshold,
    mask_bits,
    row_order,
    symmetric_uniform,
    threefry,
    words,
)

seeds_of = st.integers(0, 2**32 - 1)


def word(*values: int) -> Words:
    return np.array(values, np.uint32)


@pytest.mark.parametrize(
    ("key", "counter", "expected"),
    [
        ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
        ((0xFFFFFFFF, 0xFFFFFFFF), (0xFFFFFFFF, 0xFFFFFFFF), (0x1CB996FC, 0xBB002BE7)),
        ((0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3), (0xC4923A9C, 0x483DF7A0)),
    ],
)
def test_threefry_known_answers(key: tuple[int, int], counter: tuple[int, int], expected: tuple[int, int]) -> None:
    """The vectors that the authors of Threefry-2x32-20 publish."""
    found = threefry((word(key[0]), word(key[1])), (word(counter[0]), word(counter[1])))
    assert tuple(int(w[0]) for w in found) == expected


def plain_threefry(key: tuple[int, int], counter: tuple[int, int]) -> tuple[int, int]:
    """Threefry-2x32-20 on Python integers, after the paper."""
    schedule = (*key, key[0] ^ key[1] ^ 0x1BD11BDA)
    x, y = ((c + k) % 2**32 for c, k in zip(counter, key, strict=True))
    for r in range(20):
        rotation = (13, 15, 26, 6, 17, 29, 16, 24)[r % 8]
        x = (x + y) % 2**32
        y = ((y << rotation) | (y >> (32 - rotation))) % 2**32 ^ x
        if r % 4 == 3:
            s = r // 4 + 1
            x, y = (x + schedule[s % 3]) % 2**32, (y + schedule[(s + 1) % 3] + s) % 2**32
    return x, y


@given(seeds_of, seeds_of, seeds_of, seeds_of)
def test_threefry_on_any_key_and_counter(a: int, b: int, c: int, d: int) -> None:
    found = threefry((word(a), word(b)), (word(c), word(d)))
    assert tuple(int(w[0]) for w in found) == plain_threefry((a, b), (c, d))


def test_words_are_blocks_in_order() -> None:
    found = words(word(7, 2**32 - 1), Stream.ORDER, 5, 9)
    for model, seed in enumerate((7, 2**32 - 1)):
        expected = [w for i in range(3) for w in plain_threefry((seed, 1), (i, 9))][:5]
        assert found[model].tolist() == expected


def test_fewer_words_are_a_beginning_of_more() -> None:
    seeds = word(3, 4)
    np.testing.assert_array_equal(words(seeds, Stream.WEIGHTS, 5, 2), words(seeds, Stream.WEIGHTS, 12, 2)[:, :5])


def test_streams_seeds_and_places_are_independent() -> None:
    """No two sequences share a word by place, and none correlates with another."""
    origins = list(itertools.product(range(4), Stream, range(4)))
    drawn = np.array([words(word(seed), stream, 2000, place)[0] for seed, stream, place in origins])
    assert len(np.unique(drawn)) > drawn.size * (1 - 2 * drawn.size / 2**32)
    correlations = np.asarray(np.corrcoef(drawn.astype(np.float64)))[np.triu_indices(len(origins), 1)]
    assert np.abs(correlations).max() < 5 / np.sqrt(2000)
    assert stats.kstest(correlations * np.sqrt(2000), "norm").pvalue > 0.001


def test_every_bit_is_fair() -> None:
    drawn = words(np.arange(500, dtype=np.uint32), Stream.WEIGHTS, 200, 0).reshape(-1)
    shares = np.array([((drawn >> np.uint32(bit)) & np.uint32(1)).mean() for bit in range(32)])
    assert np.abs(shares - 0.5).max() < 4.5 * 0.5 / np.sqrt(drawn.size)


@given(st.lists(seeds_of, min_size=1, max_size=5), st.integers(0, 2**31 - 1), st.integers(1, 256))
def test_row_order_is_a_permutation_of_each_seed_alone(seeds: list[int], epoch: int, n_rows: int) -> None:
    orders = row_order(word(*seeds), epoch, n_rows)
    assert (orders.shape, orders.dtype) == ((len(seeds), n_rows), np.int64)
    np.testing.assert_array_equal(np.sort(orders, axis=1), np.tile(np.arange(n_rows), (len(seeds), 1)))
    for i, seed in enumerate(seeds):
        np.testing.assert_array_equal(orders[i], row_order(word(seed), epoch, n_rows)[0])


@pytest.mark.parametrize("across", ["seeds", "epochs"])
def test_row_order_is_uniform(across: str) -> None:
    """All 24 orders of four rows are equally likely, over the seeds of an epoch and over the epochs of a seed."""
    n = 24_000
    if across == "seeds":
        orders = row_order(np.arange(n, dtype=np.uint32), 3, 4)
    else:
        orders = np.concatenate([row_order(word(17), epoch, 4) for epoch in range(n)])
    _, counts = np.unique(orders @ [64, 16, 4, 1], return_counts=True)
    assert len(counts) == 24
    assert stats.chisquare(counts).pvalue > 0.001


def test_successive_orders_are_independent() -> None:
    """The first rows of two successive epochs: all 16 pairs are equally likely."""
    seeds = np.arange(16_000, dtype=np.uint32)
    pairs = 4 * row_order(seeds, 0, 4)[:, 0] + row_order(seeds, 1, 4)[:, 0]
    assert stats.chisquare(np.bincount(pairs, minlength=16)).pvalue > 0.001


@pytest.mark.parametrize("dropout", [0.1, 0.3, 0.5, 0.9])
def test_mask_rate(dropout: float) -> None:
    bits = mask_bits(np.arange(400, dtype=np.uint32), 5, 1, (4, 7))
    assert (bits.shape, bits.dtype) == ((400, 4, 7), np.uint16)
    is_dropped = bits < keep_threshold(dropout)
    sigma = np.sqrt(dropout * (1 - dropout) / is_dropped.size)
    assert abs(is_dropped.mean() - dropout) < 4 * sigma
    by_place = is_dropped.mean(axis=0)
    assert np.abs(by_place - dropout).max() < 4.5 * np.sqrt(dropout * (1 - dropout) / 400)


def test_keep_threshold() -> None:
    assert [keep_threshold(p) for p in (0.0, 0.5, 0.25, 1 - 2**-16)] == [0, 32768, 16384, 65535]
    for p in np.random.default_rng(1).uniform(0, 1, 100):
        assert abs(keep_threshold(float(p)) / 65536 - p) <= 2**-17


def test_mask_bits_follow_the_table_of_streams() -> None:
    n_units, layer, epoch, seed = 6, 2, 11, 123
    bits = mask_bits(word(seed), epoch, layer, (3, n_units))
    for position, unit in itertools.product(range(3), range(n_units)):
        block = plain_threefry((seed, 2), (layer * 2**24 + position * 2 + unit // 4, epoch))
        expected = block[unit % 4 // 2] >> (16 * (unit % 2)) & 0xFFFF
        assert bits[0, position, unit] == expected


def test_masks_differ_between_layers_epochs_and_rows() -> None:
    drawn = [mask_bits(word(1), epoch, layer, (16, 8)) for epoch in range(8) for layer in range(4)]
    rows = np.array(drawn, np.float64).reshape(32 * 16, 8)
    assert len(np.unique(rows, axis=0)) == 32 * 16
    correlations = np.asarray(np.corrcoef(rows.reshape(32, 16 * 8)))
    assert np.abs(correlations - np.eye(32)).max() < 5 / np.sqrt(128)


def test_symmetric_uniform() -> None:
    """Every value has its negative, 0 and the ends never occur, and the distribution is uniform."""
    ends = word(0, 2**32 - 1, 2**31, 2**31 - 1)
    np.testing.assert_array_equal(symmetric_uniform(ends), np.array([1 - 2**23, 2**23 - 1, 1, -1]) / 2**23)
    bits = words(np.arange(1000, dtype=np.uint32), Stream.WEIGHTS, 100, 0).reshape(-1)
    drawn = symmetric_uniform(bits)
    np.testing.assert_array_equal(symmetric_uniform(~bits), -drawn)
    assert (drawn != 0).all()
    assert (np.abs(drawn) < 1).all()
    np.testing.assert_array_equal(drawn.astype(np.float32), drawn)  # exact in float32
    assert stats.kstest(drawn, stats.uniform(-1, 2).cdf).pvalue > 0.001
