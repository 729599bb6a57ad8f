# numba, not the signatures, gives compiled functions their types
# pyright: basic
"""Random words and row orders for all seeds of a tile at once: the streams of `networks.randomness`, to the bit."""

import numpy as np

from sweep.networks.randomness import PARITY, Stream
from sweep.training.native.functions import inlined, merged
from sweep.training.native.simd import MODELS, load, rotate_left, select, splat, store, zeros1

THREEFRY_PARITY = PARITY
ORDER_STREAM, DROPOUT_STREAM = int(Stream.ORDER), int(Stream.DROPOUT)


@merged
def _mix(x, y, distance):
    x = x + y
    return x, rotate_left(y, distance) ^ x


@inlined
def threefry(key0, stream, counter0, counter1):
    """One block for a tile's seeds: `key0` a vector of seeds, the counters plain numbers. As `networks.randomness`."""
    key1 = splat(np.uint32(stream), key0)
    key2 = (key0 ^ key1) ^ splat(np.uint32(THREEFRY_PARITY), key0)
    x = key0 + splat(np.uint32(counter0), key0)
    y = key1 + splat(np.uint32(counter1), key0)
    for group in range(5):
        if group % 2 == 0:
            x, y = _mix(x, y, 13)
            x, y = _mix(x, y, 15)
            x, y = _mix(x, y, 26)
            x, y = _mix(x, y, 6)
        else:
            x, y = _mix(x, y, 17)
            x, y = _mix(x, y, 29)
            x, y = _mix(x, y, 16)
            x, y = _mix(x, y, 24)
        injection = splat(np.uint32(group + 1), key0)
        if group % 3 == 0:
            x, y = x + key1, y + key2 + injection
        elif group % 3 == 1:
            x, y = x + key2, y + key0 + injection
        else:
            x, y = x + key0, y + key1 + injection
    return x, y


@inlined
def _exchange(order, i, j, like):
    """Put two sort keys in order, for each model."""
    a, b = load(order, i * MODELS, like), load(order, j * MODELS, like)
    swap = b < a
    store(order, i * MODELS, select(swap, b, a))
    store(order, j * MODELS, select(swap, a, b))


@inlined
def shuffle(seeds, epoch, n_rows, row_mask, order):
    """Each model's row order in an epoch, `order` [position]: rows sorted by random keys.

    Batcher's merge exchange sort (Knuth, The Art of Computer Programming 3, 5.2.2, algorithm M): which positions are
    compared does not depend on the keys, so all models of a tile are sorted at once.
    """
    key = load(seeds, 0, zeros1(seeds))
    high = splat(np.uint32(~row_mask), key)
    for half in range((n_rows + 1) // 2):
        first, second = threefry(key, ORDER_STREAM, half, epoch)
        store(order, half * 2 * MODELS, (first & high) | splat(np.uint32(2 * half), key))
        if 2 * half + 1 < n_rows:
            store(order, half * 2 * MODELS + MODELS, (second & high) | splat(np.uint32(2 * half + 1), key))
    top = 1
    while 2 * top < n_rows:
        top *= 2
    p = top if n_rows > 1 else 0
    while p > 0:
        q, r, d = top, 0, p
        while True:
            for start in range(r, n_rows - d, 2 * p):
                for i in range(start, min(start + p, n_rows - d)):
                    _exchange(order, i, i + d, key)
            if q == p:
                break
            d, q, r = q - p, q // 2, p
        p //= 2
