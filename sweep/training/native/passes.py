# numba, not the signatures, gives compiled functions their types
# pyright: basic
"""The forward and the backward pass of a tile, some models of one configuration side by side.

Everything that a configuration may vary is a runtime value, so one compiled program serves all. All numbers of a tile
live in one block of memory; `Plan` holds where. It begins with

    W  weights          [parameter]           G  gradients                   [parameter]
    M, V, U             [parameter, 3]        what an optimizer remembers
    D  errors           [unit, row]           at a layer's units, and at those of the layer before it

Rows go through the network four at a time, the last of a table or batch two and one. Such a block of rows has

    H  outputs of units [unit, row]           inputs first
    S  slopes of units  [unit, row]           for the output layer see `heads`
    T  targets          [output, row]         as the loss takes them

The table's blocks stay in memory where the table is small; all others follow each other in one place. A row is a row of
the table when evaluating, a position in the batch when training. Where samples are drawn, each row's number in the
batch stands behind the blocks, [row]. Each entry is a vector of `MODELS` models; places count elements.
"""

from typing import Any, NamedTuple

import numpy as np

from sweep.training.native import heads, optimizers
from sweep.training.native.functions import Activation, activate, inlined, merged, shared, sigmoid
from sweep.training.native.heads import SOFTMAX, SQUARED_ERROR, SUMMED, other_errors, softmax
from sweep.training.native.rows import Rows
from sweep.training.native.simd import (
    MODELS,
    ROWS,
    STRIDE,
    fold,
    load,
    n_rows_of,
    out_of_line,
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


class Network(NamedTuple):
    """What the forward pass needs to know: it is a function of its own, to which every number is handed.

    n_activated: layers whose activation has a slope, all but an output layer of its own formula; head: its kind, see
    `heads`; slope: how far a unit's slope stands behind its output.
    """

    n_inputs: int
    n_outputs: int
    n_layers: int
    n_activated: int
    head: int
    slope: int


class Plan(NamedTuple):
    """A tile's sizes, choices, and where its arrays begin (in elements).

    n_test: rows held out, behind those of the table. `n_samples`: of a drawn data set, else 0. is_whole: whether every
    batch sees the table's rows in table order. is_regularized: whether anything is added for the weights. is_of_test:
    whether the criterion judges the rows held out.
    """

    network: Network
    head: heads.Settings
    rows: Rows
    n_test: int
    n_hidden: int
    n_parameters: int
    max_units: int
    batch_size: int
    n_samples: int
    shuffles: bool
    is_whole: bool
    epochs: int
    n_snapshots: int
    n_kept: int
    has_dropout: bool
    is_regularized: bool
    is_of_test: bool
    gradients: int
    state: int
    errors: int
    judged: int
    units_on: int
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


# inputs of a block of rows that fit into the nearest cache beside what else is needed there, 16 KiB on most machines
NEAR = 64

FIELDS = 7
INPUTS, UNITS, CODE, HAS_BIAS, THRESHOLD = range(5)
SLOPE, SCALE, FACTOR, KERNEL_L1, KERNEL_L2, BIAS_L1, BIAS_L2 = range(FIELDS)


@inlined
def pointers_to(layers):
    """The same of pointers, to which numba counts no references."""
    return Layers(pointer_to(layers.whole), pointer_to(layers.real))


@shared
def _drop(layers, seeds, memory, out, slope, n, position, layer, epoch):
    """Dropout on a layer's outputs and slopes for `n` rows from `out`; `position`: the first one's in the epoch."""
    out_of_line()
    one = zeros1(memory)
    key = load(seeds, MODELS, zeros1(seeds))
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
                at = out + (4 * quad + k) * STRIDE + r * MODELS
                store(memory, at, select(keep, load(memory, at, one) * factor, one))
                store(memory, at + slope, select(keep, load(memory, at + slope, one) * factor, one))


@inlined
def _add_products(memory, z, into, w, begin, end, n_out, o, like):
    """Add to the sums z of unit `o` its products with the inputs from `begin` to before `end`, at `into`."""
    for i in range(begin, end):
        weight = spread(load(memory, w + (i * n_out + o) * MODELS, zeros1(memory)), like)
        z = z + load(memory, into + i * STRIDE, like) * weight
    return z


@inlined
def _bias(memory, w, n_in, n_out, has_bias, o, like):
    if has_bias:
        return spread(load(memory, w + (n_in * n_out + o) * MODELS, zeros1(memory)), like)
    return splat(0.0, like)


@shared
def _begin_sums(memory, into, out, w, n_in, n_out, has_bias, like):
    """Begin the sums of a layer of many inputs, and say how many are in them: all of its units take some, then others.

    So the inputs are near while they are needed.
    """
    out_of_line()
    begin = np.intp(0)
    while n_in - begin > NEAR:
        for o in range(n_out):
            z = load(memory, out + o * STRIDE, like) if begin > 0 else _bias(memory, w, n_in, n_out, has_bias, o, like)
            store(memory, out + o * STRIDE, _add_products(memory, z, into, w, begin, begin + NEAR, n_out, o, like))
        begin += NEAR
    return begin


@inlined
def _forward_rows(network, layers, seeds, memory, block, row, dropping, position, epoch, like):
    """Take rows of a block, from its `row` on as many as `like` has, through the network."""
    slope = network.slope
    into = block + row * MODELS
    w = np.intp(0)
    for layer in range(network.n_layers):
        at = layer * FIELDS
        n_in, n_out, has_bias = layers.whole[at + INPUTS], layers.whole[at + UNITS], layers.whole[at + HAS_BIAS]
        activation = Activation(layers.whole[at + CODE], layers.real[at + SLOPE], layers.real[at + SCALE])
        out = into + n_in * STRIDE
        begin = _begin_sums(memory, into, out, w, n_in, n_out, has_bias, like) if n_in > NEAR else np.intp(0)
        for o in range(n_out):
            z = load(memory, out + o * STRIDE, like) if begin > 0 else _bias(memory, w, n_in, n_out, has_bias, o, like)
            z = _add_products(memory, z, into, w, begin, n_in, n_out, o, like)
            if layer < network.n_activated:
                y, s = activate(activation, z)
            elif network.head == SUMMED:
                y, s = sigmoid(z), z
            else:
                y, s = z, z
            store(memory, out + o * STRIDE, y)
            store(memory, out + o * STRIDE + slope, s)
        if dropping and layers.whole[at + THRESHOLD] > 0:
            _drop(layers, seeds, memory, out, slope, n_rows_of(like), position + row, layer, epoch)
        w += (n_in + has_bias) * n_out * MODELS
        into = out
    if network.head == SOFTMAX:
        softmax(network.n_outputs, memory, into, slope, like)


@shared
def forward(network, layers, seeds, memory, block, n, dropping, position, epoch):
    """Take a block of `n` rows through the network; `position`: the first one's in the epoch, for dropout."""
    out_of_line()
    if n == ROWS:
        _forward_rows(network, layers, seeds, memory, block, np.intp(0), dropping, position, epoch, zeros4(memory))
        return
    if n >= 2:
        _forward_rows(network, layers, seeds, memory, block, np.intp(0), dropping, position, epoch, zeros2(memory))
    if n != 2:
        _forward_rows(network, layers, seeds, memory, block, n - 1, dropping, position, epoch, zeros1(memory))


@inlined
def _output_errors(plan, memory, out, targets, weights, share, like):
    """The loss's gradient at the sums of the outputs at `out`; `share`: of one output of one row.

    `weights`: where the rows' numbers stand, if samples are drawn.
    """
    factor = splat(share, like)
    one = splat(1.0, like)
    if plan.n_samples > 0:
        factor = factor * load(memory, weights, like)
    if plan.head.kind != SUMMED:
        other_errors(plan.head, memory, out, plan.network.slope, targets, plan.errors, factor, like)
        return
    for o in range(plan.network.n_outputs):
        p = load(memory, out + o * STRIDE, like)
        error = p - load(memory, targets + o * STRIDE, like)
        if plan.head.loss == SQUARED_ERROR:
            error = (error + error) * (p * (one - p))
        store(memory, plan.errors + o * n_rows_of(like) * MODELS, error * factor)


@inlined
def _learn(plan, memory, at, is_first, gradient, optimizer, step, is_last):
    """Add some rows' part to the gradient of the parameter at `at`; the batch's last rows make the step.

    With regularizers none do, see `regularizers.finish_step`.

    Here, where the next parameter's products need nothing of it, the divisions and roots of a step cost no time of
    their own.
    """
    if not is_first:
        gradient = load(memory, plan.gradients + at, gradient) + gradient
    if is_last:
        optimizers.update(memory, at, plan.state + optimizers.N_STATES * at, gradient, optimizer, step)
    else:
        store(memory, plan.gradients + at, gradient)


@inlined
def _backward_rows(plan, layers, memory, block, row, slot, end, share, optimizer, step, like):
    """Take back the errors of some rows of a block; see `backward`."""
    one = zeros1(memory)
    lanes = n_rows_of(like) * MODELS
    slope = plan.network.slope
    is_first, is_last = slot + row == 0, slot + row + n_rows_of(like) == end
    at_row = block + row * MODELS
    into = at_row + (plan.network.n_inputs + plan.n_hidden) * STRIDE
    w = plan.n_parameters * MODELS
    current, previous = plan.errors, plan.errors + plan.max_units * STRIDE
    _output_errors(
        plan, memory, into, at_row + plan.rows.targets, plan.row_weights + (slot + row) * MODELS, share, like
    )
    for layer in range(plan.network.n_layers - 1, -1, -1):
        at = layer * FIELDS
        n_in, n_out, has_bias = layers.whole[at + INPUTS], layers.whole[at + UNITS], layers.whole[at + HAS_BIAS]
        w -= (n_in + has_bias) * n_out * MODELS
        into -= n_in * STRIDE
        for i in range(n_in + has_bias):
            is_kernel = i < n_in
            passes_on = is_kernel and layer > 0
            x = load(memory, into + i * STRIDE, like) if is_kernel else splat(0.0, like)
            back = splat(0.0, like)
            for o in range(n_out):
                parameter = w + (i * n_out + o) * MODELS
                error = load(memory, current + o * lanes, like)
                if passes_on:
                    back = back + error * spread(load(memory, parameter, one), like)
                gradient = fold(x * error) if is_kernel else fold(error)
                _learn(plan, memory, parameter, is_first, gradient, optimizer, step, is_last)
            if passes_on:
                store(memory, previous + i * lanes, back * load(memory, into + i * STRIDE + slope, like))
        current, previous = previous, current


@merged
def backward(plan, layers, memory, block, n, slot, end, share, optimizer, step):
    """Take back the errors of a block of `n` rows that stand from `slot` on in a batch.

    The rows before `end` are the batch's last, which make the step. `share`: of one output of one row in the loss.
    """
    if n == ROWS:
        _backward_rows(plan, layers, memory, block, np.intp(0), slot, end, share, optimizer, step, zeros4(memory))
    else:
        if n >= 2:
            _backward_rows(plan, layers, memory, block, np.intp(0), slot, end, share, optimizer, step, zeros2(memory))
        if n != 2:
            _backward_rows(plan, layers, memory, block, n - 1, slot, end, share, optimizer, step, zeros1(memory))
