# numba, not the signatures, gives compiled functions their types
# pyright: basic
"""The forward and the backward pass of a tile, some models of one configuration side by side.

Everything that a configuration may vary is a runtime value, so one compiled program serves all. All numbers of a tile
live in one block of memory; `Plan` holds where.

    W  weights          [parameter]           D  errors at a layer's units   [unit, row]
    G  gradients        [parameter]           T  targets                     [output, row]
    M  first moment     [parameter]           H  outputs of units            [unit, row], inputs first
    V  second moment    [parameter]           S  slopes of units, as H; for the output layer see `heads`

and, where samples are drawn, how often each row stands in the batch [row].

Each entry is a vector of `MODELS` models; places count elements. A row is a row of the table when evaluating, a
position in the batch when training. Rows go through the network in blocks of four, two and one.
"""

from typing import Any, NamedTuple

import numpy as np

from sweep.training.native import optimizers
from sweep.training.native.functions import Activation, activate, inlined, merged, shared, sigmoid
from sweep.training.native.heads import SOFTMAX, SQUARED_ERROR, SUMMED, other_errors, softmax
from sweep.training.native.simd import (
    MODELS,
    align_stack,
    fold,
    load,
    n_rows_of,
    pointer_to,
    select,
    shift_right,
    splat,
    spread,
    store,
    zeros1,
    zeros2,
    zeros4,
)
from sweep.training.native.streams import DROPOUT_STREAM, threefry


class Plan(NamedTuple):
    """A tile's sizes, choices, and where its arrays begin (in elements).

    `n_slots`: rows that the training's arrays hold, those of a batch; where samples are drawn (`n_samples` above 0),
    all rows of the table. n_activated: layers whose activation has a slope: all but an output layer of its own formula;
    loss, head, coding, metric: codes, see `heads`; delta: Huber's; averaged: see `Head.averaged`. is_smoothed: whether
    targets are not 0 and 1 to the loss. is_regularized: whether anything is added for the weights. sign and bound: see
    `criterion.Bound`.
    """

    n_rows: int
    n_inputs: int
    n_outputs: int
    n_layers: int
    n_activated: int
    n_units: int
    n_parameters: int
    max_units: int
    batch_size: int
    n_slots: int
    n_samples: int
    shuffles: bool
    epochs: int
    loss: int
    delta: float
    is_smoothed: bool
    head: int
    coding: int
    averaged: int
    has_dropout: bool
    is_regularized: bool
    metric: int
    sign: float
    bound: float
    weights: int
    gradients: int
    state: int
    errors: int
    targets: int
    batch: int
    table: int
    row_weights: int
    n_elements: int


class Layers(NamedTuple):
    """The layers of a network, `FIELDS` numbers of each, one layer after the other: two arrays, then two pointers.

    whole: inputs, units, the activation's code, bias (1 or 0), and below what a mask drops (0 without dropout); real:
    the activation's slope and scale (see `functions.Activation`), by what a mask multiplies what it keeps, and the
    factors of the regularizers.
    """

    whole: Any
    real: Any


FIELDS = 7
INPUTS, UNITS, CODE, HAS_BIAS, THRESHOLD = range(5)
SLOPE, SCALE, FACTOR, KERNEL_L1, KERNEL_L2, BIAS_L1, BIAS_L2 = range(FIELDS)


@inlined
def pointers_to(layers):
    """The same of pointers, to which numba counts no references."""
    return Layers(pointer_to(layers.whole), pointer_to(layers.real))


@inlined
def _drop(plan, layers, key, memory, out, slope, stride, slot, n, position, layer, epoch):
    """Dropout on a layer's outputs and slopes for `n` rows from `slot`; `position`: the first one's in the epoch."""
    one = zeros1(memory)
    n_units = layers.whole[layer * FIELDS + UNITS]
    factor = splat(layers.real[layer * FIELDS + FACTOR], one)
    threshold = splat(np.uint32(layers.whole[layer * FIELDS + THRESHOLD]), key)
    low = splat(np.uint32(0xFFFF), key)
    quads = (n_units + 3) // 4
    for r in range(n):
        for quad in range(quads):
            words = threefry(key, DROPOUT_STREAM, (layer << 24) + (position + r) * quads + quad, epoch)
            for k in range(min(4, n_units - 4 * quad)):
                word = words[0] if k < 2 else words[1]
                half = (word & low) if k % 2 == 0 else shift_right(word, 16)
                keep = half >= threshold
                at = out + (4 * quad + k) * stride + (slot + r) * MODELS
                store(memory, at, select(keep, load(memory, at, one) * factor, one))
                store(memory, at + slope, select(keep, load(memory, at + slope, one) * factor, one))


@inlined
def _forward_block(plan, layers, memory, region, slots, slot, dropping, key, position, epoch, like):
    """Take a block of rows through the network: H at `region`, S behind it, `slots` rows to a unit."""
    one = zeros1(memory)
    stride = slots * MODELS
    slope = plan.n_units * stride
    into = region
    w = plan.weights
    for layer in range(plan.n_layers):
        at = layer * FIELDS
        n_in, n_out, has_bias = layers.whole[at + INPUTS], layers.whole[at + UNITS], layers.whole[at + HAS_BIAS]
        activation = Activation(layers.whole[at + CODE], layers.real[at + SLOPE], layers.real[at + SCALE])
        out = into + n_in * stride
        for o in range(n_out):
            z = splat(0.0, like)
            if has_bias:
                z = spread(load(memory, w + (n_in * n_out + o) * MODELS, one), like)
            for i in range(n_in):
                weight = spread(load(memory, w + (i * n_out + o) * MODELS, one), like)
                z = z + load(memory, into + i * stride + slot * MODELS, like) * weight
            if layer < plan.n_activated:
                y, s = activate(activation, z)
            elif plan.head == SUMMED:
                y, s = sigmoid(z), z
            else:
                y, s = z, z
            store(memory, out + o * stride + slot * MODELS, y)
            store(memory, out + o * stride + slot * MODELS + slope, s)
        if dropping and layers.whole[at + THRESHOLD] > 0:
            _drop(plan, layers, key, memory, out, slope, stride, slot, n_rows_of(like), position, layer, epoch)
        w += (n_in + has_bias) * n_out * MODELS
        into = out
    if plan.head == SOFTMAX:
        softmax(plan, memory, into + slot * MODELS, stride, slope, like)


@shared
def forward(plan, layers, memory, region, slots, n, dropping, key, position, epoch):
    """Take `n` rows through the network, in blocks."""
    align_stack()
    slot = np.intp(0)
    while slot + 4 <= n:
        like = zeros4(memory)
        _forward_block(plan, layers, memory, region, slots, slot, dropping, key, position + slot, epoch, like)
        slot += 4
    if slot + 2 <= n:
        pair = zeros2(memory)
        _forward_block(plan, layers, memory, region, slots, slot, dropping, key, position + slot, epoch, pair)
        slot += 2
    if slot < n:
        one = zeros1(memory)
        _forward_block(plan, layers, memory, region, slots, slot, dropping, key, position + slot, epoch, one)


@inlined
def _output_errors(plan, memory, region, slot, share, like):
    """The loss's gradient at the outputs' logits, for a block of a batch; `share`: of one output of one row."""
    stride = plan.n_slots * MODELS
    out = region + (plan.n_units - plan.n_outputs) * stride + slot * MODELS
    factor = splat(share, like)
    one = splat(1.0, like)
    if plan.n_samples > 0:
        factor = factor * load(memory, plan.row_weights + slot * MODELS, like)
    if plan.head != SUMMED:
        other_errors(plan, memory, out, plan.targets + slot * MODELS, factor, like)
        return
    for o in range(plan.n_outputs):
        p = load(memory, out + o * stride, like)
        error = p - load(memory, plan.targets + o * stride + slot * MODELS, like)
        if plan.loss == SQUARED_ERROR:
            error = (error + error) * (p * (one - p))
        store(memory, plan.errors + o * n_rows_of(like) * MODELS, error * factor)


@inlined
def _learn(plan, memory, at, slot, gradient, optimizer, step, is_last):
    """Add a block's part to the gradient of the parameter at `at`; the batch's last block makes the step.

    With regularizers no block does, see `regularizers.finish_step`.

    Here, where the next parameter's products need nothing of it, the divisions and roots of a step cost no time of
    their own.
    """
    if slot > 0:
        gradient = load(memory, plan.gradients + at, gradient) + gradient
    if is_last:
        n_elements = plan.n_parameters * MODELS
        optimizers.update(memory, plan.weights + at, plan.state + at, n_elements, gradient, optimizer, step)
    else:
        store(memory, plan.gradients + at, gradient)


@inlined
def _backward_block(plan, layers, memory, region, slot, share, optimizer, step, end, like):
    """Take a block's errors back; its part of the gradient is added to those before it. At `end` is the step."""
    one = zeros1(memory)
    stride = plan.n_slots * MODELS
    lanes = n_rows_of(like) * MODELS
    slope = plan.n_units * stride
    is_last = slot + n_rows_of(like) == end
    into = region + (plan.n_units - plan.n_outputs) * stride + slot * MODELS
    w = plan.n_parameters * MODELS
    current, previous = plan.errors, plan.errors + plan.max_units * 4 * MODELS
    _output_errors(plan, memory, region, slot, share, like)
    for layer in range(plan.n_layers - 1, -1, -1):
        at = layer * FIELDS
        n_in, n_out, has_bias = layers.whole[at + INPUTS], layers.whole[at + UNITS], layers.whole[at + HAS_BIAS]
        w -= (n_in + has_bias) * n_out * MODELS
        into -= n_in * stride
        for i in range(n_in + has_bias):
            is_kernel = i < n_in
            passes_on = is_kernel and layer > 0
            x = load(memory, into + i * stride, like) if is_kernel else splat(0.0, like)
            back = splat(0.0, like)
            for o in range(n_out):
                parameter = w + (i * n_out + o) * MODELS
                error = load(memory, current + o * lanes, like)
                if passes_on:
                    back = back + error * spread(load(memory, plan.weights + parameter, one), like)
                gradient = fold(x * error) if is_kernel else fold(error)
                _learn(plan, memory, parameter, slot, gradient, optimizer, step, is_last)
            if passes_on:
                store(memory, previous + i * lanes, back * load(memory, into + i * stride + slope, like))
        current, previous = previous, current


@merged
def backward(plan, layers, memory, region, n_slots, n, optimizer, step):
    """The step of a batch of `n` rows that stand in `n_slots` slots: its gradient, in blocks, and the new weights."""
    share = 1.0 / (n * plan.averaged)
    end = np.intp(-1) if plan.is_regularized else n_slots
    slot = np.intp(0)
    while slot + 4 <= n_slots:
        _backward_block(plan, layers, memory, region, slot, share, optimizer, step, end, zeros4(memory))
        slot += 4
    if slot + 2 <= n_slots:
        _backward_block(plan, layers, memory, region, slot, share, optimizer, step, end, zeros2(memory))
        slot += 2
    if slot < n_slots:
        _backward_block(plan, layers, memory, region, slot, share, optimizer, step, end, zeros1(memory))
