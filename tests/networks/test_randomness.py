"""The random streams: known answers, independence, and the distributions that are made of them."""

import itertools
from collections import Counter
from math import comb, prod

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from sweep.networks import randomness
from sweep.networks.randomness import (
    Stream,
    Words,
    keep_threshold,
    mask_bits,
    row_order,
    sample_counts,
    symmetric_uniform,
    threefry,
    urn_batches,
    words,
)

seeds_of = st.integers(0, 2**32 - 1)


cases_of_samples = st.tuples(st.integers(1, 40), st.integers(1, 9)).flatmap(
    lambda sizes: st.tuples(st.just(sizes[0]), st.just(sizes[1]), st.integers(1, sizes[0]))
)


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


def test_words_from_a_start_and_of_several_places() -> None:
    seeds, places = word(3, 4), np.array([5, 2**31 - 1])
    whole = words(seeds, Stream.SAMPLE, 13, 0)
    np.testing.assert_array_equal(words(seeds, Stream.SAMPLE, 7, 0, start=6), whole[:, 6:])
    for model, place in enumerate(places):
        alone = words(seeds[model : model + 1], Stream.ORDER, 9, int(place))[0]
        np.testing.assert_array_equal(words(seeds, Stream.ORDER, 9, places)[model], alone)


def plain_words(seed: int, stream: int, n: int, place: int) -> list[int]:
    return [w for i in range(n // 2 + 1) for w in plain_threefry((seed, stream), (i, place))][:n]


def plain_counts(seed: int, n_samples: int, n_rows: int) -> list[int]:
    rows = [w * n_rows >> 32 for w in plain_words(seed, 3, n_samples, 0)]
    return [rows.count(r) for r in range(n_rows)]


def plain_batches(seed: int, epoch: int, counts: list[int], batch_size: int) -> list[list[int]]:
    """Samples drawn from the urn one by one, on Python integers."""
    n_samples = sum(counts)
    urn = [row for row, count in enumerate(counts) for _ in range(count)]
    picked = [urn.pop(w * len(urn) >> 32) for w in plain_words(seed, 1, n_samples, epoch)]
    batches = [picked[i : i + batch_size] for i in range(0, n_samples, batch_size)]
    return [[batch.count(row) for row in range(len(counts))] for batch in batches]


@given(st.lists(seeds_of, min_size=1, max_size=4), st.integers(0, 2**31 - 1), cases_of_samples)
def test_samples_and_batches_are_those_of_an_urn(seeds: list[int], epoch: int, sizes: tuple[int, int, int]) -> None:
    n_samples, n_rows, batch_size = sizes
    counts = sample_counts(word(*seeds), n_samples, n_rows)
    batches = urn_batches(word(*seeds), epoch, counts, batch_size)
    assert counts.dtype == batches.dtype == np.int64
    assert counts.tolist() == [plain_counts(seed, n_samples, n_rows) for seed in seeds]
    expected = [plain_batches(seed, epoch, plain_counts(seed, n_samples, n_rows), batch_size) for seed in seeds]
    assert batches.tolist() == expected
    np.testing.assert_array_equal(counts.sum(axis=1), n_samples)
    np.testing.assert_array_equal(batches.sum(axis=1), counts)
    assert batches.shape[1] == -(-n_samples // batch_size)
    assert (batches[:, :-1].sum(axis=2) == batch_size).all()
    assert (batches[:, -1].sum(axis=1) == (n_samples - 1) % batch_size + 1).all()


def test_batches_of_several_epochs_at_once() -> None:
    counts = sample_counts(word(8), 11, 3)
    together = urn_batches(word(8, 8, 8), np.array([0, 1, 9]), np.repeat(counts, 3, axis=0), 4)
    apart = [urn_batches(word(8), epoch, counts, 4)[0] for epoch in (0, 1, 9)]
    np.testing.assert_array_equal(together, apart)
    assert len(np.unique(together, axis=0)) == 3


def test_a_batch_of_all_samples_is_the_counts() -> None:
    counts = sample_counts(word(1, 2), 9, 4)
    np.testing.assert_array_equal(urn_batches(word(1, 2), 5, counts, 9), counts[:, None])


def test_no_models_draw_nothing() -> None:
    assert sample_counts(word(), 9, 4).shape == (0, 4)
    assert urn_batches(word(), 5, sample_counts(word(), 9, 4), 9).shape == (0, 1, 4)


def test_many_samples_go_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = sample_counts(word(5, 6, 7), 1001, 6)
    for held in (1, 100, 3000):
        monkeypatch.setattr(randomness, "MAX_WORDS_HELD", held)
        np.testing.assert_array_equal(sample_counts(word(5, 6, 7), 1001, 6), whole)


@pytest.mark.parametrize("n_rows", [2, 4, 7])
def test_samples_are_drawn_with_equal_chances(n_rows: int) -> None:
    """Over all seeds the rows are equally frequent, and each seed's counts are multinomial."""
    n_samples = 5
    counts = sample_counts(np.arange(20_000, dtype=np.uint32), n_samples, n_rows)
    assert stats.chisquare(counts.sum(axis=0)).pvalue > 0.001
    found = np.bincount(counts[:, 0], minlength=n_samples + 1)
    expected = len(counts) * stats.binom.pmf(np.arange(n_samples + 1), n_samples, 1 / n_rows)
    common = expected >= 5
    found, expected = (np.append(v[common], v[~common].sum()) for v in (found, expected))
    assert stats.chisquare(found[expected > 0], expected[expected > 0]).pvalue > 0.001


@pytest.mark.parametrize("across", ["seeds", "epochs"])
@pytest.mark.parametrize("step", [0, 1, 2])
def test_batches_are_drawn_from_the_urn_with_equal_chances(across: str, step: int) -> None:
    """A batch by itself is multivariate hypergeometric, whichever it is: over seeds, and over the epochs of a seed."""
    n, urn, size = 20_000, np.array([4, 1, 0, 3]), 3
    varied, fixed = np.arange(n), np.full(n, 12)
    seeds, epochs = (varied, fixed) if across == "seeds" else (fixed, varied)
    batch = urn_batches(seeds.astype(np.uint32), epochs, np.tile(urn, (n, 1)), size)[:, step]
    size = int(batch[0].sum())
    found = Counter(tuple(int(k) for k in row) for row in batch)
    chances = {
        drawn: prod(map(comb, urn.tolist(), drawn)) / comb(int(urn.sum()), size)
        for drawn in itertools.product(*(range(k + 1) for k in urn.tolist()))
        if sum(drawn) == size
    }
    assert set(found) == set(chances)
    assert stats.chisquare([found[k] for k in chances], [n * p for p in chances.values()]).pvalue > 0.001


def test_batches_of_successive_epochs_are_independent() -> None:
    """The first sample of two successive epochs, from an urn of one of each of four rows."""
    seeds, urns = np.arange(16_000, dtype=np.uint32), np.ones((16_000, 4), np.int64)
    first = [urn_batches(seeds, epoch, urns, 1)[:, 0].argmax(axis=1) for epoch in (0, 1)]
    assert stats.chisquare(np.bincount(4 * first[0] + first[1], minlength=16)).pvalue > 0.001


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
