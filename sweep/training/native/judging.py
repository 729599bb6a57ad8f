# numba, not the signatures, gives compiled functions their types
# pyright: basic
"""A table judged block by block: its losses, and what the criterion compares.

Four vectors keep what is known of the rows so far, at `judged`: what the criterion has found, 0 or not a number, as the
answers are, the losses of the last rows, and of all before those.
"""

import numpy as np

from sweep.training.native.functions import clamp, inlined, shared
from sweep.training.native.heads import (
    BINARY,
    BIPOLAR,
    LARGEST_ERROR,
    LOSS,
    MARGIN_ABOVE,
    MARGIN_BELOW,
    ONE_HOT,
    RIGHT,
    row_loss,
)
from sweep.training.native.simd import MODELS, STRIDE, absolute, load, out_of_line, select, splat, store, zeros1

N_JUDGED = 4
FOUND, ANSWERS, LOSSES, LOSSES_BEFORE = (i * MODELS for i in range(N_JUDGED))
# so many rows' losses are summed before they are added to the others': one by one, float32 numbers would lose a digit
# for every ten rows of a long table
ROWS_IN_A_SUM = 256


@inlined
def begin(head, memory, judged):
    """Nothing is known of any row."""
    zero = zeros1(memory)
    is_least = head.metric == MARGIN_ABOVE or head.metric == MARGIN_BELOW
    store(memory, judged + FOUND, splat(1.0 if is_least else 0.0, zero))
    for place in (ANSWERS, LOSSES, LOSSES_BEFORE):
        store(memory, judged + place, zero)


@inlined
def add_losses(head, memory, judged, out, slope, aims, start, row, n):
    """Add the losses of `n` rows of a block, the first of them `row` of its table and `start` of `aims`."""
    if row > 0 and row % ROWS_IN_A_SUM == 0:
        before = load(memory, judged + LOSSES_BEFORE, zeros1(memory)) + load(memory, judged + LOSSES, zeros1(memory))
        store(memory, judged + LOSSES_BEFORE, before)
        store(memory, judged + LOSSES, zeros1(memory))
    total = load(memory, judged + LOSSES, zeros1(memory))
    for r in range(n):
        total = row_loss(head, memory, out + r * MODELS, slope, aims, start + r, total)
    store(memory, judged + LOSSES, total)


@inlined
def mean_loss(head, memory, judged, n_rows):
    """The mean loss of a table of which all rows are known."""
    one = splat(1.0, zeros1(memory))
    total = load(memory, judged + LOSSES_BEFORE, one) + load(memory, judged + LOSSES, one)
    return total / (one * splat(float(n_rows * head.averaged), one))


@inlined
def judge(head, memory, judged, out, targets, row, n):
    """Find what the criterion compares, but for losses, in `n` rows of a block; the first is `row` of `targets`."""
    if head.metric == LOSS:
        return
    if head.metric != MARGIN_ABOVE or head.coding != BINARY:
        _judge_other(head, memory, judged, out, targets, row, n)
        return
    zero = zeros1(memory)
    unit, margin = splat(1.0, zero), splat(head.bound, zero)
    found = load(memory, judged, zero)
    for o in range(head.n_outputs):
        for r in range(n):
            p = load(memory, out + o * STRIDE + r * MODELS, zero)
            side = splat(2 * targets[(row + r) * head.n_outputs + o] - 1, zero)
            found = select(side * (p + p - unit) > margin, found, zero)
    store(memory, judged, found)


@inlined
def holds(head, memory, judged, n_rows):
    """Of which models the criterion holds, all rows of its table known."""
    zero = zeros1(memory)
    found = load(memory, judged + FOUND, zero)
    if head.metric == MARGIN_ABOVE:
        return found > zero
    if head.metric == LOSS:
        found = mean_loss(head, memory, judged, n_rows)
    found = splat(head.sign, zero) * (found + load(memory, judged + ANSWERS, zero))
    return found > splat(head.bound, zero)


@inlined
def _is_right(head, memory, out, targets, row):
    """Which models have a row of the table right by more than the margin, of targets -1 and 1, or of classes."""
    one = zeros1(memory)
    margin = splat(head.bound, one)
    right = one == one
    if head.coding == ONE_HOT:
        true, other = one, splat(-np.inf, one)
        for o in range(head.n_outputs):
            p = load(memory, out + o * STRIDE, one)
            right = right & (p == p)
            if targets[row * head.n_outputs + o] > 0:
                true = p
            else:
                other = select(p > other, p, other)
        return right & (true - other > margin)
    for o in range(head.n_outputs):
        p = load(memory, out + o * STRIDE, one)
        right = right & (splat(targets[row * head.n_outputs + o], one) * p > margin)
    return right


@inlined
def _side(head, p, y):
    """The signed margin of an entry, see `Head.sides`; y is a number, the same for all models."""
    one = splat(1.0, p)
    if head.coding == BIPOLAR:
        return splat(y, p) * clamp(p, -1.0, 1.0)
    cut = clamp(p, 0.0, 1.0)
    return splat(2 * y - 1, p) * (cut + cut - one)


@inlined
def _lead(head, memory, out, targets, row):
    """The answer to the true class of a row, and the largest to those before and behind it."""
    one = zeros1(memory)
    true, before, behind = one, splat(-np.inf, one), splat(-np.inf, one)
    is_before = True
    for o in range(head.n_outputs):
        p = load(memory, out + o * STRIDE, one)
        if targets[row * head.n_outputs + o] > 0:
            true, is_before = p, False
        elif is_before:
            before = select(p > before, p, before)
        else:
            behind = select(p > behind, p, behind)
    return true, before, behind


@shared
def _judge_other(head, memory, judged, out, targets, row, n):
    """As `judge`, whatever the criterion and the coding. What counts as equal is the first."""
    out_of_line()
    zero = zeros1(memory)
    one = splat(1.0, zero)
    found = load(memory, judged + FOUND, zero)
    answers = load(memory, judged + ANSWERS, zero)
    for r in range(row, row + n):
        at = out + (r - row) * MODELS
        if head.metric == MARGIN_ABOVE:
            found = select(_is_right(head, memory, at, targets, r), found, zero)
            continue
        if head.coding == ONE_HOT and head.metric != LARGEST_ERROR:
            true, before, behind = _lead(head, memory, at, targets, r)
            if head.metric == RIGHT:
                found = found + select((true > before) & (true >= behind), one, zero)
            else:
                side = clamp(true - select(before > behind, before, behind), -1.0, 1.0)
                found = select(side < found, side, found)
        for o in range(head.n_outputs):
            p, y = load(memory, at + o * STRIDE, zero), targets[r * head.n_outputs + o]
            answers = answers + p * zero
            if head.metric == LARGEST_ERROR:
                error = absolute(p - splat(y, zero))
                found = select(error > found, error, found)
            elif head.coding != ONE_HOT and head.metric == RIGHT:
                is_upper = p > splat(0.0 if head.coding == BIPOLAR else 0.5, zero)
                found = found + (select(is_upper, one, zero) if y > 0 else select(is_upper, zero, one))
            elif head.coding != ONE_HOT:
                side = _side(head, p, y)
                found = select(side < found, side, found)
    store(memory, judged + FOUND, found)
    store(memory, judged + ANSWERS, answers)
