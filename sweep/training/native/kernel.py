# numba, not the signatures, gives compiled functions their types
# pyright: basic
"""The training of models of one configuration, tile after tile: from initial weights to measurements.

`plan` and the layout of a tile's memory: see `passes`.
"""

import numpy as np

from sweep.training.native import optimizers
from sweep.training.native.functions import inlined, merged
from sweep.training.native.heads import BINARY, MARGIN_ABOVE, compared, is_right, row_loss
from sweep.training.native.passes import FIELDS, UNITS, backward, forward, pointers_to
from sweep.training.native.regularizers import finish_step, penalty
from sweep.training.native.simd import (
    MODELS,
    align_stack,
    as_float,
    load,
    pointer_to,
    select,
    share_of,
    splat,
    store,
    zeros1,
)
from sweep.training.native.streams import ORDER_STREAM, shuffle, threefry


@merged
def _gather(plan, order, first, n, inputs, aims, memory):
    """Copy each model's rows at positions first .. first + n of the order into the batch."""
    for slot in range(n):
        for model in range(MODELS):
            row = order[(first + slot) * MODELS + model] & 0xFF
            for i in range(plan.n_inputs):
                memory[plan.batch + (i * plan.n_slots + slot) * MODELS + model] = inputs[row * plan.n_inputs + i]
            for o in range(plan.n_outputs):
                memory[plan.targets + (o * plan.n_slots + slot) * MODELS + model] = aims[row * plan.n_outputs + o]


@inlined
def _place_table(plan, region, inputs, memory):
    """Write the table's inputs into a region of as many slots as it has rows, the same for every model."""
    one = zeros1(memory)
    for row in range(plan.n_rows):
        for i in range(plan.n_inputs):
            store(memory, region + (i * plan.n_rows + row) * MODELS, splat(inputs[row * plan.n_inputs + i], one))


@inlined
def _is_learned(plan, memory, targets, aims):
    """Which models have learned: by default, those that have the whole table right by more than the margin."""
    one = zeros1(memory)
    learned = one == one
    out = plan.table + (plan.n_units - plan.n_outputs) * plan.n_rows * MODELS
    if plan.metric != MARGIN_ABOVE:
        return compared(plan, memory, out, targets, aims) > splat(plan.bound, one)
    if plan.coding != BINARY:
        for row in range(plan.n_rows):
            learned = learned & is_right(plan, memory, out + row * MODELS, targets, row)
        return learned
    unit, margin = splat(1.0, one), splat(plan.bound, one)
    for o in range(plan.n_outputs):
        for row in range(plan.n_rows):
            p = load(memory, out + (o * plan.n_rows + row) * MODELS, one)
            side = splat(2 * targets[row * plan.n_outputs + o] - 1, one)
            learned = learned & (side * (p + p - unit) > margin)
    return learned


@inlined
def _record(plan, layers, memory, aims, losses, penalties, predictions, first, last, snapshot):
    """Keep the loss, what is added to it, and the predictions of the models from `first` to before `last`."""
    one = zeros1(memory)
    unit = splat(1.0, one)
    total = one
    out = plan.table + (plan.n_units - plan.n_outputs) * plan.n_rows * MODELS
    for row in range(plan.n_rows):
        total = row_loss(plan, memory, out + row * MODELS, aims, row, total)
        for o in range(plan.n_outputs):
            at = out + (o * plan.n_rows + row) * MODELS
            for model in range(first, last):
                predictions[model, snapshot, row, o] = memory[at + model - first]
    mean = total / (unit * splat(float(plan.n_rows * plan.averaged), one))
    store(memory, plan.errors, mean)
    for model in range(first, last):
        losses[model, snapshot] = memory[plan.errors + model - first]
    if plan.is_regularized:
        store(memory, plan.errors, penalty(plan, layers, memory))
        for model in range(first, last):
            penalties[model, snapshot] = memory[plan.errors + model - first]


@inlined
def _count_units_off(plan, layers, memory, counts, first, last):
    """Count each hidden layer's units whose output and slope are 0 on every row: counts `[model, layer]`."""
    slope = plan.n_units * plan.n_rows * MODELS
    unit = plan.n_inputs
    for layer in range(plan.n_layers - 1):
        for model in range(first, last):
            counts[model, layer] = 0
        for _ in range(layers.whole[layer * FIELDS + UNITS]):
            for model in range(first, last):
                is_off = True
                for row in range(plan.n_rows):
                    at = plan.table + (unit * plan.n_rows + row) * MODELS + model - first
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


@merged
def _train_epoch(plan, layers, optimizer, schedule, inputs, aims, seeds, memory, order, powers, epoch):
    """One pass over the data set: the powers after it.

    The table as it is was taken forward by the evaluation before the epoch.
    """
    key = load(seeds, MODELS, zeros1(seeds))
    n_samples = plan.n_samples if plan.n_samples > 0 else plan.n_rows
    takes_rows = plan.n_samples == 0 and plan.batch_size < plan.n_rows
    if takes_rows and plan.shuffles:
        shuffle(seeds, epoch, plan.n_rows, order)
    elif takes_rows:
        for row in range(plan.n_rows):
            store(order, row * MODELS, splat(np.uint32(row), key))
    elif plan.n_samples > 0:
        _fill_urn(plan, order)
    for first in range(0, n_samples, plan.batch_size):
        n = min(plan.batch_size, n_samples - first)
        n_slots = plan.n_rows if plan.n_samples > 0 else n
        if takes_rows:
            _gather(plan, order, first, n, inputs, aims, memory)
        elif plan.n_samples > 0:
            _draw_batch(plan, seeds, memory, order, first, n, epoch)
        if first > 0 or plan.batch != plan.table:
            forward(plan, layers, memory, plan.batch, plan.n_slots, n_slots, plan.has_dropout, key, first, epoch)
        powers = optimizers.advanced(powers, optimizer)
        step = optimizers.step_at(powers, optimizer, schedule)
        backward(plan, layers, memory, plan.batch, n_slots, n, optimizer, step)
        if plan.is_regularized:
            finish_step(plan, layers, memory, optimizer, step)
    return powers


@merged
def _train_tile(
    plan,
    layers,
    optimizer,
    schedule,
    inputs,
    targets,
    aims,
    seeds,
    memory,
    order,
    snapshots,
    losses,
    penalties,
    predictions,
    last_unlearned,
    units_off_initial,
    units_off,
    first,
    last,
):
    """Train one tile: the models from `first` to before `last`, of which the measurements are kept.

    `memory` begins with the initial weights and ends with the trained ones. `order` [row]: room for each epoch's order
    or urn, one vector more, then how often the seed drew each row.
    """
    powers = optimizers.Powers(1.0, 1.0, 1.0, 1.0, 0.0)
    zero = splat(np.uint32(0), load(seeds, 0, zeros1(seeds)))
    unlearned = plan.n_rows * MODELS  # where `order` keeps the first epoch not known to be unlearned
    store(order, unlearned, zero)
    _place_table(plan, plan.table, inputs, memory)
    if plan.n_slots == plan.n_rows:
        _place_table(plan, plan.batch, inputs, memory)
        for row in range(plan.n_rows):
            for o in range(plan.n_outputs):
                at = plan.targets + (o * plan.n_rows + row) * MODELS
                store(memory, at, splat(aims[row * plan.n_outputs + o], zeros1(memory)))
    snapshot = np.intp(0)
    for epoch in range(plan.epochs + 1):
        # numba would compile another function for literal arguments
        forward(
            plan, layers, memory, plan.table, plan.n_rows, plan.n_rows, np.bool_(False), zero, np.intp(0), np.intp(0)
        )
        known = load(order, unlearned, zero)
        learned = _is_learned(plan, memory, targets, aims)
        store(order, unlearned, select(learned, known, splat(np.uint32(epoch + 1), zero)))
        if epoch == snapshots[snapshot]:
            _record(plan, layers, memory, aims, losses, penalties, predictions, first, last, snapshot)
            snapshot += 1
        if epoch == 0:
            _count_units_off(plan, layers, memory, units_off_initial, first, last)
        if epoch < plan.epochs:
            powers = _train_epoch(plan, layers, optimizer, schedule, inputs, aims, seeds, memory, order, powers, epoch)
    _count_units_off(plan, layers, memory, units_off, first, last)
    for model in range(first, last):
        last_unlearned[model] = np.int64(order[unlearned + model - first]) - 1


@inlined
def _fill_tile(plan, optimizer, model_seeds, counts, weights, seeds, memory, order, first):
    """Lay the models from `first` on into the lanes of a tile, the last of all into those left over."""
    for place in range(plan.state, plan.n_elements):
        memory[place] = optimizer.initial_state if place < plan.errors else 0.0
    for lane in range(MODELS):
        model = min(first + lane, len(weights) - 1)
        seeds[lane], seeds[MODELS + lane] = model_seeds[0, model], model_seeds[1, model]
        for parameter in range(plan.n_parameters):
            memory[plan.weights + parameter * MODELS + lane] = weights[model, parameter]
        for row in range(plan.n_rows if plan.n_samples > 0 else 0):
            order[(plan.n_rows + 1 + row) * MODELS + lane] = counts[model, row]


def train_models(
    plan,
    layers,
    optimizer,
    schedule,
    inputs,
    targets,
    aims,
    model_seeds,
    counts,
    seeds,
    memory,
    order,
    snapshots,
    weights,
    losses,
    penalties,
    predictions,
    last_unlearned,
    units_off_initial,
    units_off,
):
    """Train models of one configuration, tile after tile. `weights` `[model, parameter]`: initial, then trained.

    layers: `passes.Layers` of arrays; schedule: its numbers; aims: the targets as the loss takes them; model_seeds `[2,
    model]`: of the row order, of the dropout; counts `[model, row]`: how often a seed drew each row, where samples are
    drawn; seeds, memory, order: room for those of one tile. The arrays after `weights` are `Measurements`.
    """
    align_stack()
    layers = pointers_to(layers)
    inputs, targets, aims = pointer_to(inputs), pointer_to(targets), pointer_to(aims)
    schedule = pointer_to(schedule)
    seeds, memory, order = pointer_to(seeds), pointer_to(memory), pointer_to(order)
    for first in range(0, len(weights), MODELS):
        last = min(first + MODELS, len(weights))
        _fill_tile(plan, optimizer, model_seeds, counts, weights, seeds, memory, order, first)
        _train_tile(
            plan,
            layers,
            optimizer,
            schedule,
            inputs,
            targets,
            aims,
            seeds,
            memory,
            order,
            snapshots,
            losses,
            penalties,
            predictions,
            last_unlearned,
            units_off_initial,
            units_off,
            first,
            last,
        )
        for model in range(first, last):
            for parameter in range(plan.n_parameters):
                weights[model, parameter] = memory[plan.weights + parameter * MODELS + model - first]
