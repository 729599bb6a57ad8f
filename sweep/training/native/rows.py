# numba, not the signatures, gives compiled functions their types
# pyright: basic
"""Which rows go through the networks, and how they come into a block of a tile's memory.

In table order, in an order of each model's own, or all of them, weighted by how often they were drawn. Functions of
their own: what they need would else be made ready in every epoch, whether it comes to that or not.
"""

from typing import NamedTuple

import numpy as np

from sweep.training.native.functions import inlined, shared
from sweep.training.native.simd import (
    MODELS,
    ROWS,
    STRIDE,
    as_float,
    copy_transposed,
    load,
    out_of_line,
    select,
    share_of,
    splat,
    store,
    zeros1,
)
from sweep.training.native.streams import ORDER_STREAM, shuffle, threefry


class Rows(NamedTuple):
    """The rows of a table, and where they stand in a tile's memory.

    row_mask: see `randomness.row_mask`. is_kept: whether the table's blocks stay in memory, from `table` on; block: of
    rows that do not; targets and block_size: in a block.
    """

    n_rows: int
    n_inputs: int
    n_outputs: int
    row_mask: int
    is_kept: bool
    table: int
    block: int
    targets: int
    block_size: int


@shared
def place_rows(rows, inputs, aims, memory, block, row, n):
    """Write `n` rows of the data from `row` on into a block, the same for every model."""
    out_of_line()
    one = zeros1(memory)
    for r in range(n):
        at = block + r * MODELS
        for i in range(rows.n_inputs):
            store(memory, at + i * STRIDE, splat(inputs[(row + r) * rows.n_inputs + i], one))
        for o in range(rows.n_outputs):
            store(memory, at + rows.targets + o * STRIDE, splat(aims[(row + r) * rows.n_outputs + o], one))


@shared
def set_order(seeds, order, epoch, n_rows, row_mask, shuffles):
    """The order in which each model sees the rows in an epoch."""
    out_of_line()
    if shuffles:
        shuffle(seeds, epoch, n_rows, row_mask, order)
        return
    for row in range(n_rows):
        store(order, row * MODELS, splat(np.uint32(row), zeros1(order)))


@inlined
def _choose(rows, memory, row, place, slot):
    """Write a number of each model's row, which stands at `place` in the table's blocks, into the batch's block."""
    found = load(memory, rows.table + place, zeros1(memory))
    for other in range(1, rows.n_rows):
        block = rows.table + other // ROWS * rows.block_size
        value = load(memory, block + place + other % ROWS * MODELS, found)
        found = select(row == splat(np.uint32(other), row), value, found)
    store(memory, rows.block + place + slot * MODELS, found)


@inlined
def _gather_few(rows, memory, order, first, n):
    """As `gather` where the table has few rows, and its blocks stay in memory: chosen for all models at once."""
    mask = splat(np.uint32(rows.row_mask), zeros1(order))
    for slot in range(n):
        row = load(order, (first + slot) * MODELS, mask) & mask
        for i in range(rows.n_inputs):
            _choose(rows, memory, row, i * STRIDE, slot)
        for o in range(rows.n_outputs):
            _choose(rows, memory, row, rows.targets + o * STRIDE, slot)


@inlined
def _copy_columns(rows, source, n_columns, place, memory, order, first, slot):
    """Copy the `n_columns` numbers of each model's row in `source` to `place` in the batch's block.

    Eight columns of eight models at once, whose numbers stand beside each other in both; what is left one by one.
    """
    at = rows.block + place + slot * MODELS
    in_eights = n_columns - n_columns % 8
    for model in range(0, MODELS if in_eights > 0 else 0, 8):
        base = (first + slot) * MODELS + model
        places = (
            np.intp(order[base] & rows.row_mask) * n_columns,
            np.intp(order[base + 1] & rows.row_mask) * n_columns,
            np.intp(order[base + 2] & rows.row_mask) * n_columns,
            np.intp(order[base + 3] & rows.row_mask) * n_columns,
            np.intp(order[base + 4] & rows.row_mask) * n_columns,
            np.intp(order[base + 5] & rows.row_mask) * n_columns,
            np.intp(order[base + 6] & rows.row_mask) * n_columns,
            np.intp(order[base + 7] & rows.row_mask) * n_columns,
        )
        for column in range(0, in_eights, 8):
            copy_transposed(source, places, column, memory, at + column * STRIDE + model)
    if in_eights == n_columns:
        return
    for model in range(MODELS):
        row = np.intp(order[(first + slot) * MODELS + model] & rows.row_mask)
        for column in range(in_eights, n_columns):
            memory[at + column * STRIDE + model] = source[row * n_columns + column]


@shared
def gather(rows, inputs, aims, memory, order, first, n):
    """Copy each model's rows at positions first .. first + n of the order into the batch's block."""
    out_of_line()
    if rows.is_kept and rows.n_rows <= 2 * ROWS:
        _gather_few(rows, memory, order, first, n)
        return
    for slot in range(n):
        _copy_columns(rows, inputs, rows.n_inputs, np.intp(0), memory, order, first, slot)
        _copy_columns(rows, aims, rows.n_outputs, rows.targets, memory, order, first, slot)


@shared
def fill_urn(order, n_rows):
    """Fill the urn at the head of `order` for an epoch: the counts that the seed drew stand behind it."""
    out_of_line()
    for row in range(n_rows):
        store(order, row * MODELS, load(order, (n_rows + 1 + row) * MODELS, zeros1(order)))


@shared
def draw_batch(seeds, memory, order, row_weights, n_rows, n_samples, first, n, epoch):
    """Draw `n` rows without replacement from the urn at the head of `order`; how often each came is its row weight.

    `first`: the batch's first position in the epoch. A batch of the whole data set takes the counts as they are.
    """
    out_of_line()
    key = load(seeds, 0, zeros1(seeds))
    nothing, single = splat(np.uint32(0), key), splat(np.uint32(1), key)
    found = splat(np.uint32(0xFFFFFFFF), key)
    for row in range(n_rows):
        drawn = load(order, row * MODELS, key) if n == n_samples else nothing
        store(memory, row_weights + row * MODELS, as_float(drawn))
    if n == n_samples:
        return
    words = threefry(key, ORDER_STREAM, first // 2, epoch)
    for position in range(first, first + n):
        if position % 2 == 0:
            words = threefry(key, ORDER_STREAM, position // 2, epoch)
        left = share_of(words[0] if position % 2 == 0 else words[1], n_samples - position)
        for row in range(n_rows):
            remaining = load(order, row * MODELS, key)
            is_here = left < remaining
            left = select(is_here, found, left - remaining)
            store(order, row * MODELS, select(is_here, remaining - single, remaining))
            weight = load(memory, row_weights + row * MODELS, zeros1(memory))
            store(memory, row_weights + row * MODELS, weight + as_float(select(is_here, single, nothing)))
