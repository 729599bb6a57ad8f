# numba, not the signatures, gives compiled functions their types
# pyright: basic
"""The output layer: what it answers, its losses and their slopes, and whether an answer is right.

Notation: p a prediction, y its target, as the loss takes it, z the sum behind it. A head is `SUMMED`, a sigmoid under
cross-entropy or the squared error, of which p and z are all that is needed; `SOFTMAX`; or `SLOPED`, any other
activation, whose slope the loss's is multiplied by. The first two keep z where other layers keep slopes.
"""

import numpy as np

from sweep.networks.criterion import Bound
from sweep.networks.layers import CUT, Head
from sweep.training.native.functions import clamp, exp, inlined, log, shared, softplus
from sweep.training.native.simd import MODELS, absolute, align_stack, load, n_rows_of, select, splat, store, zeros1

SUMMED, SOFTMAX, SLOPED = range(3)
LOW, HIGH = CUT
CROSS_ENTROPY, SQUARED_ERROR, CATEGORICAL, ABSOLUTE_ERROR, HUBER, HINGE, SQUARED_HINGE = range(7)
loss_codes = {
    "binary_crossentropy": CROSS_ENTROPY,
    "mean_squared_error": SQUARED_ERROR,
    "categorical_crossentropy": CATEGORICAL,
    "mean_absolute_error": ABSOLUTE_ERROR,
    "huber": HUBER,
    "hinge": HINGE,
    "squared_hinge": SQUARED_HINGE,
}
BINARY, BIPOLAR, ONE_HOT = range(3)
codings = {"binary": BINARY, "bipolar": BIPOLAR, "one_hot": ONE_HOT}
MARGIN_ABOVE, MARGIN_BELOW, RIGHT, LOSS, LARGEST_ERROR = range(5)
metrics = {"margin": MARGIN_BELOW, "accuracy": RIGHT, "loss": LOSS, "max_error": LARGEST_ERROR}


def head_code(head: Head) -> int:
    """Which kind of head it is."""
    if head.activation.name == "softmax":
        return SOFTMAX
    has_formula = head.loss.name in ("binary_crossentropy", "mean_squared_error")
    return SUMMED if head.activation.name == "sigmoid" and has_formula else SLOPED


def criterion_code(bound: Bound) -> int:
    """What a criterion compares: a margin that is to be above something is a matter of each row for itself."""
    return MARGIN_ABOVE if bound.metric == "margin" and bound.sign > 0 else metrics[bound.metric]


@shared
def softmax(plan, memory, out, stride, slope, like):
    """From the sums of a block of rows, kept in the place of slopes, to their softmax."""
    align_stack()
    largest = load(memory, out + slope, like)
    for o in range(1, plan.n_outputs):
        z = load(memory, out + o * stride + slope, like)
        largest = select(z < largest, largest, z)  # one that is not a number stays
    total = splat(0.0, like)
    for o in range(plan.n_outputs):
        power = exp(load(memory, out + o * stride + slope, like) - largest)
        store(memory, out + o * stride, power)
        total = total + power
    for o in range(plan.n_outputs):
        store(memory, out + o * stride, load(memory, out + o * stride, like) / total)


@inlined
def _slope(plan, p, y):
    """The slope of an entry's loss at p."""
    zero, one = splat(0.0, p), splat(1.0, p)
    error = p - y
    if plan.loss == SQUARED_ERROR:
        return error + error
    if plan.loss == ABSOLUTE_ERROR:
        return select(error > zero, one, select(error < zero, zero - one, error))
    if plan.loss == HUBER:
        return clamp(error, -plan.delta, plan.delta)
    if plan.loss == CROSS_ENTROPY:
        clipped = clamp(p, LOW, HIGH)
        return select(clipped == p, (one - y) / (one - clipped) - y / clipped, p * zero)
    side = y if plan.coding == BIPOLAR else y + y - one
    slack = one - side * p
    if plan.loss == HINGE:
        return select(slack < zero, zero, zero - side)
    return select(slack < zero, zero, slack) * (zero - (side + side))


@shared
def other_errors(plan, memory, out, targets, factor, like):
    """The errors at the sums of a block of rows, of every head that is not `SUMMED`: into `plan.errors`."""
    align_stack()
    stride = plan.n_slots * MODELS
    lanes = n_rows_of(like) * MODELS
    slope = plan.n_units * stride
    across = splat(0.0, like)
    for o in range(plan.n_outputs):
        p = load(memory, out + o * stride, like)
        y = load(memory, targets + o * stride, like)
        if plan.loss == CATEGORICAL:
            error = p - y
        else:
            error = _slope(plan, p, y)
        if plan.head == SLOPED:
            error = error * load(memory, out + o * stride + slope, like)
        across = across + p * error
        store(memory, plan.errors + o * lanes, error * factor)
    if plan.head == SOFTMAX and plan.loss != CATEGORICAL:
        for o in range(plan.n_outputs):
            error = load(memory, plan.errors + o * lanes, like) - across * factor
            store(memory, plan.errors + o * lanes, load(memory, out + o * stride, like) * error)


@inlined
def _entry_loss(plan, p, z, y):
    """The loss of an entry; z where the head keeps it."""
    one, half = splat(1.0, p), splat(0.5, p)
    error = p - y
    if plan.loss == SQUARED_ERROR:
        return error * error
    if plan.loss == CROSS_ENTROPY:
        if plan.head == SUMMED:
            return softplus(z) - y * z
        clipped = clamp(p, LOW, HIGH)
        if plan.is_smoothed:
            return splat(0.0, p) - (y * log(clipped) + (one - y) * log(one - clipped))
        return splat(0.0, p) - log(select(y > half, clipped, one - clipped))
    if plan.loss == ABSOLUTE_ERROR:
        return absolute(error)
    if plan.loss == HUBER:
        delta, size = splat(plan.delta, p), absolute(error)
        return select(size > delta, delta * size - half * (delta * delta), half * (error * error))
    side = y if plan.coding == BIPOLAR else y + y - one
    slack = one - side * p
    slack = select(slack < splat(0.0, p), splat(0.0, p), slack)
    return slack if plan.loss == HINGE else slack * slack


@shared
def row_loss(plan, memory, out, aims, row, before):
    """A sum of losses `before` and that of a row of the table, entry by entry; aims: targets as the loss takes them."""
    align_stack()
    one = zeros1(memory)
    stride = plan.n_rows * MODELS
    slope = plan.n_units * stride
    if plan.loss != CATEGORICAL:
        for o in range(plan.n_outputs):
            at = out + o * stride
            y = splat(aims[row * plan.n_outputs + o], one)
            before = before + _entry_loss(plan, load(memory, at, one), load(memory, at + slope, one), y)
        return before
    largest, of_true = load(memory, out + slope, one), one
    for o in range(plan.n_outputs):
        z = load(memory, out + o * stride + slope, one)
        largest = select(z < largest, largest, z)
        if plan.is_smoothed:
            of_true = of_true + splat(aims[row * plan.n_outputs + o], one) * z
        elif aims[row * plan.n_outputs + o] > 0:
            of_true = z
    total = one
    for o in range(plan.n_outputs):
        total = total + exp(load(memory, out + o * stride + slope, one) - largest)
    return before + ((largest - of_true) + log(total))


@shared
def is_right(plan, memory, out, targets, row):
    """Which models have a row of the table right by more than the margin, of targets -1 and 1, or of classes."""
    align_stack()
    one = zeros1(memory)
    margin = splat(plan.bound, one)
    stride = plan.n_rows * MODELS
    right = one == one
    if plan.coding == ONE_HOT:
        true, other = one, splat(-np.inf, one)
        for o in range(plan.n_outputs):
            p = load(memory, out + o * stride, one)
            right = right & (p == p)
            if targets[row * plan.n_outputs + o] > 0:
                true = p
            else:
                other = select(p > other, p, other)
        return right & (true - other > margin)
    for o in range(plan.n_outputs):
        p = load(memory, out + o * stride, one)
        right = right & (splat(targets[row * plan.n_outputs + o], one) * p > margin)
    return right


@inlined
def _side(plan, p, y):
    """The signed margin of an entry, see `Head.sides`; y is a number, the same for all models."""
    one = splat(1.0, p)
    if plan.coding == BIPOLAR:
        return splat(y, p) * clamp(p, -1.0, 1.0)
    cut = clamp(p, 0.0, 1.0)
    return splat(2 * y - 1, p) * (cut + cut - one)


@inlined
def _lead(plan, memory, out, targets, row):
    """By how much the true class of a row leads the largest other; what counts as equal is the first."""
    one = zeros1(memory)
    true, before, behind = one, splat(-np.inf, one), splat(-np.inf, one)
    is_before = True
    for o in range(plan.n_outputs):
        p = load(memory, out + o * plan.n_rows * MODELS, one)
        if targets[row * plan.n_outputs + o] > 0:
            true, is_before = p, False
        elif is_before:
            before = select(p > before, p, before)
        else:
            behind = select(p > behind, p, behind)
    return true, before, behind


@shared
def compared(plan, memory, out, targets, aims):
    """What a criterion compares of each model, times its sign; see `criterion.Bound`. NaN where an answer is."""
    align_stack()
    zero = zeros1(memory)
    one, stride = splat(1.0, zero), plan.n_rows * MODELS
    found = one if plan.metric == MARGIN_BELOW else zero
    answers = zero
    for row in range(plan.n_rows):
        at = out + row * MODELS
        if plan.metric == LOSS:
            found = row_loss(plan, memory, at, aims, row, found)
            continue
        if plan.coding == ONE_HOT and plan.metric != LARGEST_ERROR:
            true, before, behind = _lead(plan, memory, at, targets, row)
            if plan.metric == RIGHT:
                found = found + select((true > before) & (true >= behind), one, zero)
            else:
                side = clamp(true - select(before > behind, before, behind), -1.0, 1.0)
                found = select(side < found, side, found)
        for o in range(plan.n_outputs):
            p, y = load(memory, at + o * stride, zero), targets[row * plan.n_outputs + o]
            answers = answers + p * zero
            if plan.metric == LARGEST_ERROR:
                error = absolute(p - splat(y, zero))
                found = select(error > found, error, found)
            elif plan.coding != ONE_HOT and plan.metric == RIGHT:
                is_upper = p > splat(0.0 if plan.coding == BIPOLAR else 0.5, zero)
                found = found + (select(is_upper, one, zero) if y > 0 else select(is_upper, zero, one))
            elif plan.coding != ONE_HOT:
                side = _side(plan, p, y)
                found = select(side < found, side, found)
    if plan.metric == LOSS:
        found = found / (one * splat(float(plan.n_rows * plan.averaged), zero))
    return splat(plan.sign, zero) * (found + answers)
