"""The streams of `networks.randomness` inside a compiled program: Threefry, row orders, dropout masks, the urn.

Everything is exact arithmetic of 32-bit words, so that the numbers are those of the other engines. Models come last:
words `[.., model]`, orders `[position, model]`, kept `[unit, slot, model]`.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from sweep.networks.randomness import N_ROUNDS, PARITY, ROTATIONS, Stream, row_mask
from sweep.training.fused.operations import ops

LAYER_SHIFT = 24


def word(value: Any) -> Any:
    """A tensor of 32-bit words."""
    return ops.cast(value, "uint32") if hasattr(value, "dtype") else ops.convert_to_tensor(np.uint32(value))


def _rotated(x: Any, left: Any, right: Any) -> Any:
    """`x` turned to the left; the amounts of both shifts are words, together 32."""
    return ops.bitwise_or(ops.bitwise_left_shift(x, left), ops.bitwise_right_shift(x, right))


def threefry(key: tuple[Any, Any], counter: tuple[Any, Any]) -> tuple[Any, Any]:
    """The block of two words of each key and counter, which broadcast; see `networks.randomness.threefry`."""
    schedule = (key[0], key[1], ops.bitwise_xor(ops.bitwise_xor(key[0], key[1]), word(PARITY)))
    shifts = [(word(n), word(32 - n)) for n in ROTATIONS]
    x, y = counter[0] + schedule[0], counter[1] + schedule[1]
    for r in range(N_ROUNDS):
        x = x + y
        y = ops.bitwise_xor(_rotated(y, *shifts[r % 8]), x)
        if r % 4 == 3:
            injection = r // 4 + 1
            x = x + schedule[injection % 3]
            y = y + schedule[(injection + 1) % 3] + word(injection)
    return x, y


def _words(seeds: Any, stream: Stream, index: Any, place: Any) -> tuple[Any, Any]:
    """Both words of the blocks `index` `[block]` at `place` (counter 1): two of `[block, model]`."""
    return threefry((seeds[None, :], word(int(stream))), (word(index)[:, None], word(place)))


def order_words(seeds: Any, epoch: Any, n: int) -> Any:
    """The first `n` words of an epoch's order: `[position, model]`."""
    pair = _words(seeds, Stream.ORDER, ops.arange((n + 1) // 2, dtype="int32"), epoch)
    return ops.reshape(ops.stack(pair, axis=1), (-1, seeds.shape[0]))[:n]


def row_order(seeds: Any, epoch: Any, n_rows: int) -> Any:
    """The order in which each model sees the rows in `epoch` (from 0): int32 `[position, model]`."""
    rows = word(np.arange(n_rows, dtype=np.uint32))[:, None]
    mask = row_mask(n_rows)
    keys = ops.bitwise_or(ops.bitwise_and(order_words(seeds, epoch, n_rows), word(~mask & 0xFFFFFFFF)), rows)
    return ops.cast(ops.bitwise_and(ops.sort(keys, axis=0), word(mask)), "int32")


def kept_units(seeds: Any, epoch: Any, positions: Any, layers: Sequence[int], thresholds: Any) -> Any:
    """The units that dropout keeps in a step, all hidden layers in one array `[unit, slot, model]`.

    Each layer has `padded_units` there. positions `[slot]`: the place of each slot's row in the epoch's order.
    thresholds `[unit]`, of 2^16: see `keep_threshold`. A program holds Threefry once for its masks.
    """
    n_slots, n_models = positions.shape[0], seeds.shape[0]
    n_blocks = [padded_units(n_units) // 4 for n_units in layers]
    first = [np.arange(n, dtype=np.uint32) + np.uint32(layer << LAYER_SHIFT) for layer, n in enumerate(n_blocks)]
    stride = np.repeat(n_blocks, n_blocks).astype(np.uint32)
    places = word(np.concatenate(first))[:, None] + word(positions)[None, :] * word(stride)[:, None]
    pair = _words(seeds, Stream.DROPOUT, ops.reshape(places, (-1,)), epoch)
    halves = [half for w in pair for half in (ops.bitwise_and(w, word(0xFFFF)), ops.bitwise_right_shift(w, word(16)))]
    four = [ops.reshape(half, (-1, n_slots, n_models)) for half in halves]
    return ops.reshape(ops.stack(four, axis=1), (-1, n_slots, n_models)) >= thresholds[:, None, None]


def padded_units(n_units: int) -> int:
    """The multiple of four from a layer's units up, for as many as a block of two words serves.

    >>> padded_units(8), padded_units(9)
    (8, 12)
    """
    return -(-n_units // 4) * 4


def _upper_product(a: Any, b: Any) -> Any:
    """The upper word of the product of two words, by halves of 16 bits."""
    low = word(0xFFFF)
    a_low, a_high = ops.bitwise_and(a, low), ops.bitwise_right_shift(a, word(16))
    b_low, b_high = ops.bitwise_and(b, low), ops.bitwise_right_shift(b, word(16))
    first, second = a_high * b_low, a_low * b_high
    middle = (
        ops.bitwise_right_shift(a_low * b_low, word(16)) + ops.bitwise_and(first, low) + ops.bitwise_and(second, low)
    )
    carried = ops.bitwise_right_shift(middle, word(16))
    return (
        a_high * b_high + ops.bitwise_right_shift(first, word(16)) + ops.bitwise_right_shift(second, word(16)) + carried
    )


def draw_batch(below: Any, words: Any, first: Any, end: Any) -> Any:
    """`below` `[row, model]`, samples left in a row and those before it, after the draws `first` to `end`.

    words `[sample, model]`: the epoch's. See `networks.randomness.urn_batches`.
    """
    n_samples = words.shape[0]

    def draw(position: Any, below: Any) -> tuple[Any, Any]:
        here = ops.take(words, position, axis=0)
        drawn = ops.cast(_upper_product(here, word(n_samples - position)[None]), "int32")
        return position + 1, below - ops.cast(drawn[None, :] < below, "int32")

    return ops.while_loop(lambda position, below: position < end, draw, (first, below))[1]
