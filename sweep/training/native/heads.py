# numba, not the signatures, gives compiled functions their types
# pyright: basic
"""The output layer: what it answers, its losses and their slopes.

Notation: p a prediction, y its target, as the loss takes it, z the sum behind it; `out`: where the first output's
predictions stand in a block (see `passes`); slope: how far behind them sums or slopes stand.

A head is `SUMMED`, a sigmoid under cross-entropy or the squared error, of which p and z are all that is needed;
`SOFTMAX`; or `SLOPED`, any other activation, whose slope the loss's is multiplied by. The first two keep z where other
layers keep slopes.
"""

from typing import NamedTuple

from sweep.networks.configuration import Configuration
from sweep.networks.criterion import Bound
from sweep.networks.layers import CUT, Head
from sweep.training.native.functions import clamp, exp, inlined, log, shared, softplus
from sweep.training.native.simd import (
    MODELS,
    STRIDE,
    absolute,
    load,
    n_rows_of,
    out_of_line,
    select,
    splat,
    store,
    zeros1,
)

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


class Settings(NamedTuple):
    """A head and the criterion, as codes and numbers.

    delta: Huber's; is_smoothed: whether targets are not 0 and 1 to the loss; averaged: see `Head.averaged`; metric:
    what the criterion compares, sign and bound: see `criterion.Bound`.
    """

    kind: int
    n_outputs: int
    loss: int
    delta: float
    is_smoothed: bool
    coding: int
    averaged: int
    metric: int
    sign: float
    bound: float


def head_settings(c: Configuration, bound: Bound) -> Settings:
    """The kernel's form of a configuration's head and of a criterion."""
    head = c.head
    is_above = bound.metric == "margin" and bound.sign > 0  # a matter of each row for itself
    return Settings(
        kind=_kind(head),
        n_outputs=c.n_outputs,
        loss=loss_codes[head.loss.name],
        delta=float(dict(head.loss.arguments).get("delta", 0.0)),
        is_smoothed=head.smoothing > 0,
        coding=codings[head.coding],
        averaged=head.averaged(c.n_outputs),
        metric=MARGIN_ABOVE if is_above else metrics[bound.metric],
        sign=bound.sign,
        bound=bound.bound,
    )


def _kind(head: Head) -> int:
    if head.activation.name == "softmax":
        return SOFTMAX
    has_formula = head.loss.name in ("binary_crossentropy", "mean_squared_error")
    return SUMMED if head.activation.name == "sigmoid" and has_formula else SLOPED


@shared
def softmax(n_outputs, memory, out, slope, like):
    """From the sums of a block of rows, kept in the place of slopes, to their softmax."""
    out_of_line()
    largest = load(memory, out + slope, like)
    for o in range(1, n_outputs):
        z = load(memory, out + o * STRIDE + slope, like)
        largest = select(z < largest, largest, z)  # one that is not a number stays
    total = splat(0.0, like)
    for o in range(n_outputs):
        power = exp(load(memory, out + o * STRIDE + slope, like) - largest)
        store(memory, out + o * STRIDE, power)
        total = total + power
    for o in range(n_outputs):
        store(memory, out + o * STRIDE, load(memory, out + o * STRIDE, like) / total)


@inlined
def _slope(head, p, y):
    """The slope of an entry's loss at p."""
    zero, one = splat(0.0, p), splat(1.0, p)
    error = p - y
    if head.loss == SQUARED_ERROR:
        return error + error
    if head.loss == ABSOLUTE_ERROR:
        return select(error > zero, one, select(error < zero, zero - one, error))
    if head.loss == HUBER:
        return clamp(error, -head.delta, head.delta)
    if head.loss == CROSS_ENTROPY:
        clipped = clamp(p, LOW, HIGH)
        return select(clipped == p, (one - y) / (one - clipped) - y / clipped, p * zero)
    side = y if head.coding == BIPOLAR else y + y - one
    slack = one - side * p
    if head.loss == HINGE:
        return select(slack < zero, zero, zero - side)
    return select(slack < zero, zero, slack) * (zero - (side + side))


@shared
def other_errors(head, memory, out, slope, targets, errors, factor, like):
    """The errors at the sums of a block of rows, of every head that is not `SUMMED`: into `errors` `[output, row]`."""
    out_of_line()
    lanes = n_rows_of(like) * MODELS
    across = splat(0.0, like)
    for o in range(head.n_outputs):
        p = load(memory, out + o * STRIDE, like)
        y = load(memory, targets + o * STRIDE, like)
        if head.loss == CATEGORICAL:
            error = p - y
        else:
            error = _slope(head, p, y)
        if head.kind == SLOPED:
            error = error * load(memory, out + o * STRIDE + slope, like)
        across = across + p * error
        store(memory, errors + o * lanes, error * factor)
    if head.kind == SOFTMAX and head.loss != CATEGORICAL:
        for o in range(head.n_outputs):
            error = load(memory, errors + o * lanes, like) - across * factor
            store(memory, errors + o * lanes, load(memory, out + o * STRIDE, like) * error)


@inlined
def _entry_loss(head, p, z, y):
    """The loss of an entry; z where the head keeps it."""
    one, half = splat(1.0, p), splat(0.5, p)
    error = p - y
    if head.loss == SQUARED_ERROR:
        return error * error
    if head.loss == CROSS_ENTROPY:
        if head.kind == SUMMED:
            return softplus(z) - y * z
        clipped = clamp(p, LOW, HIGH)
        if head.is_smoothed:
            return splat(0.0, p) - (y * log(clipped) + (one - y) * log(one - clipped))
        return splat(0.0, p) - log(select(y > half, clipped, one - clipped))
    if head.loss == ABSOLUTE_ERROR:
        return absolute(error)
    if head.loss == HUBER:
        delta, size = splat(head.delta, p), absolute(error)
        return select(size > delta, delta * size - half * (delta * delta), half * (error * error))
    side = y if head.coding == BIPOLAR else y + y - one
    slack = one - side * p
    slack = select(slack < splat(0.0, p), splat(0.0, p), slack)
    return slack if head.loss == HINGE else slack * slack


@shared
def row_loss(head, memory, out, slope, aims, row, before):
    """A sum of losses `before` and that of a row of the table, entry by entry; aims: targets as the loss takes them."""
    out_of_line()
    one = zeros1(memory)
    if head.loss != CATEGORICAL:
        for o in range(head.n_outputs):
            at = out + o * STRIDE
            y = splat(aims[row * head.n_outputs + o], one)
            before = before + _entry_loss(head, load(memory, at, one), load(memory, at + slope, one), y)
        return before
    largest, of_true = load(memory, out + slope, one), one
    for o in range(head.n_outputs):
        z = load(memory, out + o * STRIDE + slope, one)
        largest = select(z < largest, largest, z)
        if head.is_smoothed:
            of_true = of_true + splat(aims[row * head.n_outputs + o], one) * z
        elif aims[row * head.n_outputs + o] > 0:
            of_true = z
    total = one
    for o in range(head.n_outputs):
        total = total + exp(load(memory, out + o * STRIDE + slope, one) - largest)
    return before + ((largest - of_true) + log(total))
