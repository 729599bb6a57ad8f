# numba, not the signatures, gives compiled functions their types
# pyright: basic
"""The training of one tile, some models of one configuration side by side: from initial weights to measurements.

Everything that a configuration may vary is a runtime value, so one compiled program serves all. All numbers of a tile
live in one block of memory; `Plan` holds where.

    W  weights          [parameter]           D  errors at a layer's units   [unit, row]
    G  gradients        [parameter]           T  targets                     [output, row]
    M  first moment     [parameter]           H  outputs of units            [unit, row], inputs first
    V  second moment    [parameter]           S  slopes of units, as H; for the output layer the logits

and, where samples are drawn, how often each row stands in the batch [row].

Each entry is a vector of `MODELS` models; places count elements. A row is a row of the table when evaluating, a
position in the batch when training. Rows go through the network in blocks of four, two and one.
"""

from typing import NamedTuple

import numpy as np

from sweep.engines.native import optimizers
from sweep.engines.native.functions import activate, inlined, shared, sigmoid, softplus
from sweep.engines.native.simd import (
    MODELS,
    as_float,
    fold,
    load,
    n_rows_of,
    pointer_to,
    select,
    share_of,
    shift_right,
    splat,
    spread,
    store,
    zeros1,
    zeros2,
    zeros4,
)
from sweep.engines.native.streams import DROPOUT_STREAM, ORDER_STREAM, shuffle, threefry

CROSS_ENTROPY, SQUARED_ERROR = range(2)
loss_codes = {"binary_crossentropy": CROSS_ENTROPY, "mean_squared_error": SQUARED_ERROR}


class Plan(NamedTuple):
    """A tile's sizes, choices, and where its arrays begin (in elements).

    `n_slots`: rows that the training's arrays hold, those of a batch; where samples are drawn (`n_samples` above 0),
    all rows of the table.
    """

    n_models: int
    n_rows: int
    n_inputs: int
    n_outputs: int
    n_layers: int
    n_units: int
    n_parameters: int
    max_units: int
    batch_size: int
    n_slots: int
    n_samples: int
    epochs: int
    use_bias: int
    loss: int
    dropout: float
    keep_threshold: int
    margin: float
    weights: int
    gradients: int
    state: int
    errors: int
    targets: int
    batch: int
    table: int
    row_weights: int
    n_elements: int


@inlined
def _gather(plan, order, first, n, inputs, targets, memory):
    """Copy each model's rows at positions first .. first + n of the order into the batch."""
    for slot in range(n):
        for model in range(MODELS):
            row = order[(first + slot) * MODELS + model] & 0xFF
            for i in range(plan.n_inputs):
                memory[plan.batch + (i * plan.n_slots + slot) * MODELS + model] = inputs[row * plan.n_inputs + i]
            for o in range(plan.n_outputs):
                memory[plan.targets + (o * plan.n_slots + slot) * MODELS + model] = targets[row * plan.n_outputs + o]


@inlined
def _place_table(plan, region, inputs, memory):
    """Write the table's inputs into a region of as many slots as it has rows, the same for every model."""
    one = zeros1(memory)
    for row in range(plan.n_rows):
        for i in range(plan.n_inputs):
            store(memory, region + (i * plan.n_rows + row) * MODELS, splat(inputs[row * plan.n_inputs + i], one))


@inlined
def _drop(plan, key, memory, out, slope, n_units, stride, slot, n, position, layer, epoch):
    """Dropout on a layer's outputs and slopes for `n` rows from `slot`; `position`: the first one's in the epoch."""
    one = zeros1(memory)
    factor = splat(1 / (1 - plan.dropout), one)
    threshold = splat(np.uint32(plan.keep_threshold), key)
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
def _forward_block(plan, activation, units, memory, region, slots, slot, dropping, key, position, epoch, like):
    """Take a block of rows through the network: H at `region`, S behind it, `slots` rows to a unit."""
    one = zeros1(memory)
    stride = slots * MODELS
    slope = plan.n_units * stride
    into = region
    w = plan.weights
    for layer in range(plan.n_layers):
        n_in, n_out = units[layer], units[layer + 1]
        out = into + n_in * stride
        for o in range(n_out):
            z = splat(0.0, like)
            if plan.use_bias:
                z = spread(load(memory, w + (n_in * n_out + o) * MODELS, one), like)
            for i in range(n_in):
                weight = spread(load(memory, w + (i * n_out + o) * MODELS, one), like)
                z = z + load(memory, into + i * stride + slot * MODELS, like) * weight
            if layer < plan.n_layers - 1:
                y, s = activate(activation, z)
            else:
                y, s = sigmoid(z), z
            store(memory, out + o * stride + slot * MODELS, y)
            store(memory, out + o * stride + slot * MODELS + slope, s)
        if dropping and layer < plan.n_layers - 1:
            _drop(plan, key, memory, out, slope, n_out, stride, slot, n_rows_of(like), position, layer, epoch)
        w += (n_in + plan.use_bias) * n_out * MODELS
        into = out


@shared
def _forward(plan, activation, units, memory, region, slots, n, dropping, key, position, epoch):
    """Take `n` rows through the network, in blocks."""
    slot = 0
    while slot + 4 <= n:
        like = zeros4(memory)
        _forward_block(
            plan, activation, units, memory, region, slots, slot, dropping, key, position + slot, epoch, like
        )
        slot += 4
    if slot + 2 <= n:
        pair = zeros2(memory)
        _forward_block(
            plan, activation, units, memory, region, slots, slot, dropping, key, position + slot, epoch, pair
        )
        slot += 2
    if slot < n:
        one = zeros1(memory)
        _forward_block(plan, activation, units, memory, region, slots, slot, dropping, key, position + slot, epoch, one)


@inlined
def _output_errors(plan, memory, region, slot, share, like):
    """The loss's gradient at the outputs' logits, for a block of a batch; `share`: of one output of one row."""
    stride = plan.n_slots * MODELS
    out = region + (plan.n_units - plan.n_outputs) * stride + slot * MODELS
    factor = splat(share, like)
    one = splat(1.0, like)
    if plan.n_samples > 0:
        factor = factor * load(memory, plan.row_weights + slot * MODELS, like)
    for o in range(plan.n_outputs):
        p = load(memory, out + o * stride, like)
        error = p - load(memory, plan.targets + o * stride + slot * MODELS, like)
        if plan.loss == SQUARED_ERROR:
            error = (error + error) * (p * (one - p))
        store(memory, plan.errors + o * n_rows_of(like) * MODELS, error * factor)


@inlined
def _learn(plan, memory, at, slot, gradient, optimizer, step, is_last):
    """Add a block's part to the gradient of the parameter at `at`; the batch's last block makes the step.

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
def _backward_block(plan, units, memory, region, slot, share, optimizer, step, n_slots, like):
    """Take a block's errors back; its part of the gradient is added to those of the blocks before it."""
    one = zeros1(memory)
    stride = plan.n_slots * MODELS
    lanes = n_rows_of(like) * MODELS
    slope = plan.n_units * stride
    is_last = slot + n_rows_of(like) == n_slots
    into = region + (plan.n_units - plan.n_outputs) * stride + slot * MODELS
    w = plan.n_parameters * MODELS
    current, previous = plan.errors, plan.errors + plan.max_units * 4 * MODELS
    _output_errors(plan, memory, region, slot, share, like)
    for layer in range(plan.n_layers - 1, -1, -1):
        n_in, n_out = units[layer], units[layer + 1]
        w -= (n_in + plan.use_bias) * n_out * MODELS
        into -= n_in * stride
        for i in range(n_in):
            x = load(memory, into + i * stride, like)
            back = splat(0.0, like)
            for o in range(n_out):
                at = w + (i * n_out + o) * MODELS
                error = load(memory, current + o * lanes, like)
                if layer > 0:
                    back = back + error * spread(load(memory, plan.weights + at, one), like)
                _learn(plan, memory, at, slot, fold(x * error), optimizer, step, is_last)
            if layer > 0:
                store(memory, previous + i * lanes, back * load(memory, into + i * stride + slope, like))
        if plan.use_bias:
            for o in range(n_out):
                at = w + (n_in * n_out + o) * MODELS
                gradient = fold(load(memory, current + o * lanes, like))
                _learn(plan, memory, at, slot, gradient, optimizer, step, is_last)
        current, previous = previous, current


@inlined
def _backward(plan, units, memory, region, n_slots, n, optimizer, step):
    """The step of a batch of `n` rows that stand in `n_slots` slots: its gradient, in blocks, and the new weights."""
    share = 1.0 / (n * plan.n_outputs)
    slot = 0
    while slot + 4 <= n_slots:
        _backward_block(plan, units, memory, region, slot, share, optimizer, step, n_slots, zeros4(memory))
        slot += 4
    if slot + 2 <= n_slots:
        _backward_block(plan, units, memory, region, slot, share, optimizer, step, n_slots, zeros2(memory))
        slot += 2
    if slot < n_slots:
        _backward_block(plan, units, memory, region, slot, share, optimizer, step, n_slots, zeros1(memory))


@inlined
def _is_learned(plan, memory, targets):
    """Which models have the whole table right by more than the margin."""
    one = zeros1(memory)
    unit, margin = splat(1.0, one), splat(plan.margin, one)
    learned = one == one
    out = plan.table + (plan.n_units - plan.n_outputs) * plan.n_rows * MODELS
    for o in range(plan.n_outputs):
        for row in range(plan.n_rows):
            p = load(memory, out + (o * plan.n_rows + row) * MODELS, one)
            side = splat(2 * targets[row * plan.n_outputs + o] - 1, one)
            learned = learned & (side * (p + p - unit) > margin)
    return learned


@inlined
def _record(plan, memory, targets, losses, predictions, snapshot):
    """Keep the loss and the predictions of every model."""
    one = zeros1(memory)
    unit = splat(1.0, one)
    total = one
    slope = plan.n_units * plan.n_rows * MODELS
    out = plan.table + (plan.n_units - plan.n_outputs) * plan.n_rows * MODELS
    for row in range(plan.n_rows):
        for o in range(plan.n_outputs):
            at = out + (o * plan.n_rows + row) * MODELS
            p, z = load(memory, at, one), load(memory, at + slope, one)
            y = splat(targets[row * plan.n_outputs + o], one)
            if plan.loss == CROSS_ENTROPY:
                total = total + (softplus(z) - y * z)
            else:
                total = total + (p - y) * (p - y)
            for model in range(plan.n_models):
                predictions[model, snapshot, row, o] = memory[at + model]
    mean = total / (unit * splat(float(plan.n_rows * plan.n_outputs), one))
    store(memory, plan.errors, mean)
    for model in range(plan.n_models):
        losses[model, snapshot] = memory[plan.errors + model]


@inlined
def _count_units_off(plan, units, memory, counts):
    """Count each hidden layer's units whose output and slope are 0 on every row: counts `[model, layer]`."""
    slope = plan.n_units * plan.n_rows * MODELS
    unit = plan.n_inputs
    for layer in range(plan.n_layers - 1):
        for model in range(plan.n_models):
            counts[model, layer] = 0
        for _ in range(units[layer + 1]):
            for model in range(plan.n_models):
                is_off = True
                for row in range(plan.n_rows):
                    at = plan.table + (unit * plan.n_rows + row) * MODELS + model
                    is_off &= memory[at] == 0 and memory[at + slope] == 0
                counts[model, layer] += is_off
            unit += 1


@inlined
def _draw_batch(plan, seeds, memory, order, first, n, epoch):
    """Draw `n` rows without replacement from the urn at the head of `order`; how often each came is its row weight.

    `first`: the batch's first position in the epoch. A batch of the whole data set takes the counts as they are.
    """
    key = load(seeds, 0, zeros1(seeds))
    nothing, single = splat(np.uint32(0), key), splat(np.uint32(1), key)
    found = splat(np.uint32(0xFFFFFFFF), key)
    for row in range(plan.n_rows):
        drawn = load(order, row * MODELS, key) if n == plan.n_samples else nothing
        store(memory, plan.row_weights + row * MODELS, as_float(drawn))
    if n == plan.n_samples:
        return
    words = threefry(key, ORDER_STREAM, first // 2, epoch)
    for position in range(first, first + n):
        if position % 2 == 0:
            words = threefry(key, ORDER_STREAM, position // 2, epoch)
        left = share_of(words[0] if position % 2 == 0 else words[1], plan.n_samples - position)
        for row in range(plan.n_rows):
            remaining = load(order, row * MODELS, key)
            is_here = left < remaining
            left = select(is_here, found, left - remaining)
            store(order, row * MODELS, select(is_here, remaining - single, remaining))
            weight = load(memory, plan.row_weights + row * MODELS, zeros1(memory))
            store(memory, plan.row_weights + row * MODELS, weight + as_float(select(is_here, single, nothing)))


@inlined
def _fill_urn(plan, order):
    """Fill the urn at the head of `order` for an epoch: the counts that the seed drew stand behind it."""
    like = zeros1(order)
    for row in range(plan.n_rows):
        store(order, row * MODELS, load(order, (plan.n_rows + 1 + row) * MODELS, like))


@inlined
def _train_epoch(plan, activation, optimizer, units, inputs, targets, seeds, memory, order, powers, epoch):
    """One pass over the data set: the powers after it.

    The table as it is was taken forward by the evaluation before the epoch.
    """
    key = load(seeds, MODELS, zeros1(seeds))
    n_samples = plan.n_samples if plan.n_samples > 0 else plan.n_rows
    takes_rows = plan.n_samples == 0 and plan.batch_size < plan.n_rows
    if takes_rows:
        shuffle(seeds, epoch, plan.n_rows, order)
    elif plan.n_samples > 0:
        _fill_urn(plan, order)
    for first in range(0, n_samples, plan.batch_size):
        n = min(plan.batch_size, n_samples - first)
        n_slots = plan.n_rows if plan.n_samples > 0 else n
        if takes_rows:
            _gather(plan, order, first, n, inputs, targets, memory)
        elif plan.n_samples > 0:
            _draw_batch(plan, seeds, memory, order, first, n, epoch)
        if first > 0 or plan.batch != plan.table:
            dropping = plan.dropout > 0
            _forward(plan, activation, units, memory, plan.batch, plan.n_slots, n_slots, dropping, key, first, epoch)
        powers = optimizers.advanced(powers, optimizer)
        step = optimizers.step_at(powers, optimizer)
        _backward(plan, units, memory, plan.batch, n_slots, n, optimizer, step)
    return powers


def train_tile(
    plan,
    activation,
    optimizer,
    units,
    inputs,
    targets,
    seeds,
    memory,
    order,
    snapshots,
    losses,
    predictions,
    last_unlearned,
    units_off_initial,
    units_off,
):
    """Train one tile. `memory` begins with the initial weights and ends with the trained ones.

    units `[layer]`, inputs first, outputs last; seeds: the seeds of the row order, then those of the dropout;
    order `[row]`: room for each epoch's order or urn, one vector more, then how often the seed drew each row. The
    other arrays are `Measurements`, for `n_models` models.
    """
    units, inputs, targets = pointer_to(units), pointer_to(inputs), pointer_to(targets)
    seeds, memory, order = pointer_to(seeds), pointer_to(memory), pointer_to(order)
    powers = optimizers.Powers(1.0, 1.0, 1.0, 1.0)
    zero = splat(np.uint32(0), load(seeds, 0, zeros1(seeds)))
    unlearned = plan.n_rows * MODELS  # where `order` keeps the first epoch not known to be unlearned
    store(order, unlearned, zero)
    _place_table(plan, plan.table, inputs, memory)
    if plan.n_slots == plan.n_rows:
        _place_table(plan, plan.batch, inputs, memory)
        for row in range(plan.n_rows):
            for o in range(plan.n_outputs):
                at = plan.targets + (o * plan.n_rows + row) * MODELS
                store(memory, at, splat(targets[row * plan.n_outputs + o], zeros1(memory)))
    snapshot = 0
    for epoch in range(plan.epochs + 1):
        _forward(plan, activation, units, memory, plan.table, plan.n_rows, plan.n_rows, False, zero, 0, 0)
        known = load(order, unlearned, zero)
        store(order, unlearned, select(_is_learned(plan, memory, targets), known, splat(np.uint32(epoch + 1), zero)))
        if epoch == snapshots[snapshot]:
            _record(plan, memory, targets, losses, predictions, snapshot)
            snapshot += 1
        if epoch == 0:
            _count_units_off(plan, units, memory, units_off_initial)
        if epoch < plan.epochs:
            powers = _train_epoch(
                plan, activation, optimizer, units, inputs, targets, seeds, memory, order, powers, epoch
            )
    _count_units_off(plan, units, memory, units_off)
    for model in range(plan.n_models):
        last_unlearned[model] = np.int64(order[unlearned + model]) - 1
