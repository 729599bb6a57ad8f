"""Random numbers as a function of seed, purpose and index: Threefry-2x32 with 20 rounds.

A block of two 32-bit words is a function of a key (seed, stream) and a counter (index, place). Nothing is carried from
one draw to the next, so every engine, thread and machine that asks for the same number gets it, in any order.

    stream    purpose            counter 0                                    counter 1
    0         initial weights    element of the variable, halved              2 * layer, + 1 for a bias
    1         row order          position in the epoch, halved                epoch
    2         dropout masks      layer * 2^24 + position * quads + unit / 4   epoch
    3         drawn samples      number of the sample, halved                 0
    4         drawn tables       number of the number, halved                 0: rows, 1: which are held out

With drawn samples, row order is the order in which an epoch draws them from the urn, again by position, halved.

Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC11.
"""

from enum import IntEnum

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint32]
Integers = npt.NDArray[np.int64]

ROTATIONS = (13, 15, 26, 6, 17, 29, 16, 24)
PARITY = 0x1BD11BDA
N_ROUNDS = 20
# words held at a time while samples are drawn
MAX_WORDS_HELD = 1 << 20


class Stream(IntEnum):
    """What a random number is for. The streams of one seed are independent."""

    WEIGHTS = 0
    ORDER = 1
    DROPOUT = 2
    SAMPLE = 3
    TABLE = 4


def threefry(key: tuple[Words, Words], counter: tuple[Words, Words]) -> tuple[Words, Words]:
    """The block of two words of each key and counter, which broadcast against each other.

    >>> zero = np.zeros(1, np.uint32)
    >>> [hex(w[0]) for w in threefry((zero, zero), (zero, zero))]
    ['0x6b200159', '0x99ba4efe']
    """
    schedule = (key[0], key[1], key[0] ^ key[1] ^ np.uint32(PARITY))
    shape = np.broadcast_shapes(key[0].shape, key[1].shape, counter[0].shape, counter[1].shape)
    x = np.empty(shape, np.uint32)
    y = np.empty(shape, np.uint32)
    np.add(counter[0], schedule[0], out=x)
    np.add(counter[1], schedule[1], out=y)
    high = np.empty(shape, np.uint32)
    for r in range(N_ROUNDS):
        rotation = ROTATIONS[r % 8]
        x += y
        np.left_shift(y, np.uint32(rotation), out=high)
        np.right_shift(y, np.uint32(32 - rotation), out=y)
        y |= high
        y ^= x
        if r % 4 == 3:
            injection = r // 4 + 1
            x += schedule[injection % 3]
            y += schedule[(injection + 1) % 3] + np.uint32(injection)
    return x, y


def words(seeds: Words, stream: Stream, n: int, place: int | Integers, *, start: int = 0) -> Words:
    """`n` words of each seed from word `start`, an even number: `[model, n]`.

    `place` (counter 1) is one for all, or `[model]`.
    """
    index = np.arange(start // 2, (start + n + 1) // 2, dtype=np.uint32)
    key = (seeds[:, None], np.full((1, 1), stream, np.uint32))
    first, second = threefry(key, (index[None, :], np.asarray(place, np.uint32).reshape(-1, 1)))
    return np.stack([first, second], axis=-1).reshape(len(seeds), 2 * len(index))[:, :n]


def symmetric_uniform(bits: Words) -> npt.NDArray[np.float64]:
    """Numbers in (-1, 1), exactly symmetric about 0 and never 0: 2^23 equal steps from the upper 23 bits."""
    return ((bits >> np.uint32(9)).astype(np.float64) * 2.0 + (1.0 - 2.0**23)) * 2.0**-23


def row_order(seeds: Words, epoch: int, n_rows: int) -> Integers:
    """The order in which each model sees the rows in `epoch` (from 0): `[model, position]`.

    The rows are sorted by words in whose lowest bits, see `row_mask`, the row's number stands and keeps them distinct.
    """
    mask = row_mask(n_rows)
    keys = words(seeds, Stream.ORDER, n_rows, epoch) & np.uint32(~mask & 0xFFFFFFFF)
    keys |= np.arange(n_rows, dtype=np.uint32)
    return (np.sort(keys, axis=1) & np.uint32(mask)).astype(np.int64)


def row_mask(n_rows: int) -> int:
    """The lowest bits of a word of the row order, in which a row's number stands: 8, more where there are more rows.

    The others are random, 24 of 32 for up to 256 rows and 16 for 65,536, where a row shares them with one other on
    average; such rows stand in table order.

    >>> hex(row_mask(4)), hex(row_mask(1500))
    ('0xff', '0x7ff')
    """
    return (1 << max(8, (n_rows - 1).bit_length())) - 1


def sample_counts(seeds: Words, n_samples: int, n_rows: int) -> Integers:
    """How often each row stands in the data set that a seed draws from the table: `[model, row]`, in all `n_samples`.

    Every sample is a row of equal chances, to within 2^-32 `n_rows`: the upper half of a word's product with `n_rows`.

    >>> sample_counts(np.arange(3, dtype=np.uint32), 1000, 4).sum(axis=1)
    array([1000, 1000, 1000])
    """
    counts = np.zeros((len(seeds), n_rows), np.int64)
    length = max(2, MAX_WORDS_HELD // max(1, len(seeds)) // 2 * 2)
    for start in range(0, n_samples, length):
        drawn = words(seeds, Stream.SAMPLE, min(length, n_samples - start), 0, start=start).astype(np.uint64)
        rows = (drawn * np.uint64(n_rows) >> np.uint64(32)).astype(np.int64)
        rows += np.arange(len(seeds))[:, None] * n_rows
        counts += np.bincount(rows.reshape(-1), minlength=counts.size).reshape(counts.shape)
    return counts


def urn_batches(seeds: Words, epoch: int | Integers, counts: Integers, batch_size: int) -> Integers:
    """How often each row stands in each batch of `epoch` (from 0): `[model, step, row]`; the last batch what is left.

    `counts` `[model, row]`, of equal sums, is drawn from without replacement, from the beginning in every epoch; a
    batch of them all is the counts themselves. `epoch` is one for all, or `[model]`.
    """
    n_samples = int(counts[0].sum()) if len(counts) else 0
    if batch_size == n_samples or not len(counts):
        return counts[:, None].copy()
    left = np.arange(n_samples, 0, -1).astype(np.uint64)
    drawn = (words(seeds, Stream.ORDER, n_samples, epoch) * left >> np.uint64(32)).astype(np.int64)
    below = np.cumsum(counts, axis=1)  # samples left in this row and those before it
    batches = np.empty((len(counts), -(-n_samples // batch_size), counts.shape[1]), np.int64)
    for step in range(batches.shape[1]):
        before = below.copy()
        for position in range(step * batch_size, min((step + 1) * batch_size, n_samples)):
            below -= drawn[:, position, None] < below
        batches[:, step] = np.diff(before - below, axis=1, prepend=0)
    return batches


def keep_threshold(dropout: float) -> int:
    """A unit is kept where its 16 random bits are at or above this: the rate to within 2^-17."""
    return round(dropout * 65536)


def mask_bits(seeds: Words, epoch: int, layer: int, shape: tuple[int, int]) -> npt.NDArray[np.uint16]:
    """The 16 bits that decide each unit's dropout in `epoch`: `[model, position, unit]`, `shape` the last two.

    `position` is the place in the epoch's row order, `layer` the hidden layer from 0. A block serves four neighbouring
    units: low and high half of its first word, then of its second.
    """
    n_rows, n_units = shape
    quads = (n_units + 3) // 4
    place = np.full((1, 1), layer << 24, np.uint32) + np.arange(n_rows * quads, dtype=np.uint32)[None, :]
    key = (seeds[:, None], np.full((1, 1), Stream.DROPOUT, np.uint32))
    first, second = threefry(key, (place, np.full((1, 1), epoch, np.uint32)))
    low = np.uint32(0xFFFF)
    halves = np.stack([first & low, first >> np.uint32(16), second & low, second >> np.uint32(16)], axis=-1)
    return halves.astype(np.uint16).reshape(len(seeds), n_rows, quads * 4)[:, :, :n_units]
