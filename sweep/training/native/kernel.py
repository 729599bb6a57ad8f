# numba, not the signatures, gives compiled functions their types
# pyright: basic
"""The training of models of one configuration, tile after tile: from initial weights to measurements.

`plan` and the layout of a tile's memory: see `passes`.
"""

from typing import Any, NamedTuple

import numpy as np

from sweep.training.native import optimizers
from sweep.training.native.functions import inlined, merged
from sweep.training.native.heads import LOSS
from sweep.training.native.judging import add_losses, begin, holds, judge, mean_loss
from sweep.training.native.passes import FIELDS, UNITS, backward, forward, pointers_to
from sweep.training.native.regularizers import finish_step, penalty
from sweep.training.native.simd import (
    MODELS,
    ROWS,
    STRIDE,
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


class Data(NamedTuple):
    """What the models of a cohort learn, and when they are judged: arrays, then pointers.

    inputs, targets and aims (targets as the loss takes them) `[row, ..]`: the table's rows, then those held out.
    schedule: a learning rate's numbers. evaluations, snapshots, kept: epochs, see `Configuration`.
    """

    inputs: Any
    targets: Any
    aims: Any
    schedule: Any
    evaluations: Any
    snapshots: Any
    kept: Any


class Measured(NamedTuple):
    """The arrays of `Measurements` without the weights."""

    losses: Any
    penalties: Any
    predictions: Any
    test_losses: Any
    test_predictions: Any
    last_unlearned: Any
    units_off_initial: Any
    units_off: Any


@inlined
def _place_rows(plan, data, memory, block, row, n):
    """Write `n` rows of the table from `row` on into a block, the same for every model."""
    one = zeros1(memory)
    n_inputs, n_outputs = plan.network.n_inputs, plan.network.n_outputs
    for r in range(n):
        for i in range(n_inputs):
            store(memory, block + i * STRIDE + r * MODELS, splat(data.inputs[(row + r) * n_inputs + i], one))
        for o in range(n_outputs):
            aim = splat(data.aims[(row + r) * n_outputs + o], one)
            store(memory, block + plan.targets + o * STRIDE + r * MODELS, aim)


@inlined
def _choose(plan, memory, row, place, slot):
    """Write a number of each model's row, which stands at `place` in the table's blocks, into the batch's block."""
    found = load(memory, plan.table + place, zeros1(memory))
    for other in range(1, plan.n_rows):
        block = plan.table + other // ROWS * plan.block_size
        value = load(memory, block + place + other % ROWS * MODELS, found)
        found = select(row == splat(np.uint32(other), row), value, found)
    store(memory, plan.block + place + slot * MODELS, found)


@inlined
def _gather_few(plan, memory, order, first, n):
    """As `_gather` where the table has few rows, and its blocks stay in memory: chosen for all models at once."""
    mask = splat(np.uint32(plan.row_mask), zeros1(order))
    for slot in range(n):
        row = load(order, (first + slot) * MODELS, mask) & mask
        for i in range(plan.network.n_inputs):
            _choose(plan, memory, row, i * STRIDE, slot)
        for o in range(plan.network.n_outputs):
            _choose(plan, memory, row, plan.targets + o * STRIDE, slot)


@inlined
def _gather(plan, data, memory, order, first, n):
    """Copy each model's rows at positions first .. first + n of the order into the batch's block."""
    n_inputs, n_outputs = plan.network.n_inputs, plan.network.n_outputs
    for slot in range(n):
        for model in range(MODELS):
            row = order[(first + slot) * MODELS + model] & plan.row_mask
            at = plan.block + slot * MODELS + model
            for i in range(n_inputs):
                memory[at + i * STRIDE] = data.inputs[row * n_inputs + i]
            for o in range(n_outputs):
                memory[at + plan.targets + o * STRIDE] = data.aims[row * n_outputs + o]


@inlined
def _mark_units_on(plan, memory, block, n):
    """Mark the hidden units whose output or slope is not 0 on a row of a block."""
    zero = zeros1(memory)
    for unit in range(plan.n_hidden):
        at = block + (plan.network.n_inputs + unit) * STRIDE
        marks = load(memory, plan.units_on + unit * MODELS, zero)
        for r in range(n):
            is_off = load(memory, at + r * MODELS, zero) == zero
            is_flat = load(memory, at + r * MODELS + plan.network.slope, zero) == zero
            marks = select(is_off & is_flat, marks, splat(1.0, zero))
        store(memory, plan.units_on + unit * MODELS, marks)


@inlined
def _count_units_off(plan, layers, memory, counts, first, last):
    """Count each hidden layer's units without a mark, and take the marks off: counts `[model, layer]`."""
    unit = 0
    for layer in range(plan.network.n_layers - 1):
        n_units = layers.whole[layer * FIELDS + UNITS]
        for model in range(first, last):
            counts[model, layer] = 0
            for i in range(unit, unit + n_units):
                counts[model, layer] += memory[plan.units_on + i * MODELS + model - first] == 0
        unit += n_units
    for i in range(plan.n_hidden):
        store(memory, plan.units_on + i * MODELS, zeros1(memory))


@inlined
def _keep(memory, place, value, into, snapshot, first, last):
    """Write a number of each model, by way of `place`, into `[model, snapshot]`."""
    store(memory, place, value)
    for model in range(first, last):
        into[model, snapshot] = memory[place + model - first]


@merged
def _judge_block(plan, layers, data, memory, measured, block, n, row, is_test, epoch, is_snapshot, kept, first, last):
    """What is asked of `n` rows that went through the network, of which the first is `row` of its table."""
    out = block + (plan.network.n_inputs + plan.n_hidden) * STRIDE
    start = row + plan.n_rows if is_test else row
    if is_test == plan.is_of_test:
        judge(plan.head, memory, plan.judged, out, data.targets, start, n)
    if is_snapshot or plan.head.metric == LOSS:
        add_losses(plan.head, memory, plan.judged, out, plan.network.slope, data.aims, start, row, n)
    if not is_test and (epoch == 0 or epoch == plan.epochs):
        _mark_units_on(plan, memory, block, n)
    if is_snapshot and epoch == data.kept[kept]:
        predictions = measured.test_predictions if is_test else measured.predictions
        for r in range(n):
            for o in range(plan.network.n_outputs):
                for model in range(first, last):
                    at = out + o * STRIDE + r * MODELS + model - first
                    predictions[model, kept, row + r, o] = memory[at]


@merged
def _evaluate(plan, layers, data, seeds, memory, measured, epoch, is_snapshot, snapshot, kept, first, last):
    """Take the table through the networks, and the rows held out: of which models the criterion holds.

    Snapshots of the models from `first` to before `last` are kept.
    """
    is_learned = zeros1(memory) == zeros1(memory)
    for part in range(2 if plan.n_test > 0 else 1):
        is_test = part == 1
        n_rows = plan.n_test if is_test else plan.n_rows
        stays = plan.is_kept and not is_test
        block = plan.table if stays else plan.block
        begin(plan.head, memory, plan.judged)
        for row in range(0, n_rows, ROWS):
            n = min(ROWS, n_rows - row)
            if not stays:
                _place_rows(plan, data, memory, block, row + plan.n_rows if is_test else row, n)
            # numba would compile another function for literal arguments
            forward(plan.network, layers, seeds, memory, block, n, np.bool_(False), np.intp(0), np.intp(0))
            _judge_block(
                plan, layers, data, memory, measured, block, n, row, is_test, epoch, is_snapshot, kept, first, last
            )
            if stays:
                block += plan.block_size
        if is_test == plan.is_of_test:
            is_learned = holds(plan.head, memory, plan.judged, n_rows)
        if is_snapshot:
            losses = measured.test_losses if is_test else measured.losses
            mean = mean_loss(plan.head, memory, plan.judged, n_rows)
            _keep(memory, plan.judged, mean, losses, snapshot, first, last)
    if is_snapshot and plan.is_regularized:
        added = penalty(plan.network, layers, memory)
        _keep(memory, plan.judged, added, measured.penalties, snapshot, first, last)
    if epoch == 0:
        _count_units_off(plan, layers, memory, measured.units_off_initial, first, last)
    if epoch == plan.epochs:
        _count_units_off(plan, layers, memory, measured.units_off, first, last)
    return is_learned


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
def _set_order(plan, seeds, order, epoch):
    """The order in which each model sees the rows in an epoch of batches."""
    if plan.shuffles:
        shuffle(seeds, epoch, plan.n_rows, plan.row_mask, order)
        return
    for row in range(plan.n_rows):
        store(order, row * MODELS, splat(np.uint32(row), zeros1(order)))


@merged
def _train_epoch(plan, layers, optimizer, data, seeds, memory, order, powers, epoch, is_evaluated):
    """One pass over the data set: the powers after it.

    is_evaluated: whether the evaluation before the epoch took the table as it is forward.
    """
    n_samples = plan.n_samples if plan.n_samples > 0 else plan.n_rows
    if plan.n_samples > 0:
        _fill_urn(plan, order)
    elif not plan.is_whole:
        _set_order(plan, seeds, order, epoch)
    for first in range(0, n_samples, plan.batch_size):
        n = min(plan.batch_size, n_samples - first)
        n_slots = plan.n_rows if plan.n_samples > 0 else n
        if plan.n_samples > 0:
            _draw_batch(plan, seeds, memory, order, first, n, epoch)
        powers = optimizers.advanced(powers, optimizer)
        step = optimizers.step_at(powers, optimizer, data.schedule)
        share = 1.0 / (n * plan.head.averaged)
        end = np.intp(-1) if plan.is_regularized else n_slots
        is_forward = is_evaluated and first == 0
        block = plan.table if plan.is_whole and plan.is_kept else plan.block
        for slot in range(0, n_slots, ROWS):
            n_here = min(ROWS, n_slots - slot)
            if not plan.is_whole:
                if plan.is_kept and plan.n_rows <= 2 * ROWS:
                    _gather_few(plan, memory, order, first + slot, n_here)
                else:
                    _gather(plan, data, memory, order, first + slot, n_here)
            elif not plan.is_kept:
                _place_rows(plan, data, memory, block, slot, n_here)
            if not is_forward:
                position = first + slot
                forward(plan.network, layers, seeds, memory, block, n_here, plan.has_dropout, position, epoch)
            backward(plan, layers, memory, block, n_here, slot, end, share, optimizer, step)
            if plan.is_whole and plan.is_kept:
                block += plan.block_size
        if plan.is_regularized:
            finish_step(
                plan.network, layers, memory, plan.gradients, plan.state, plan.n_parameters, optimizer, step
            )
    return powers


@merged
def _train_tile(plan, layers, optimizer, data, seeds, memory, order, measured, first, last):
    """Train one tile: the models from `first` to before `last`, of which the measurements are kept.

    `memory` begins with the initial weights and ends with the trained ones. `order` [row]: room for each epoch's order
    or urn, one vector more, then how often the seed drew each row.
    """
    powers = optimizers.Powers(1.0, 1.0, 1.0, 1.0, 0.0)
    zero = zeros1(order)
    unlearned = plan.n_rows * MODELS  # where `order` keeps the first epoch not known to be unlearned
    store(order, unlearned, zero)
    for row in range(0, plan.n_rows if plan.is_kept else 0, ROWS):
        block = plan.table + row // ROWS * plan.block_size
        _place_rows(plan, data, memory, block, row, min(ROWS, plan.n_rows - row))
    evaluation, snapshot, kept = np.intp(0), np.intp(0), np.intp(0)
    for epoch in range(plan.epochs + 1):
        is_evaluated = epoch == data.evaluations[evaluation]
        if is_evaluated:
            is_snapshot = epoch == data.snapshots[snapshot]
            known = load(order, unlearned, zero)
            is_learned = _evaluate(
                plan, layers, data, seeds, memory, measured, epoch, is_snapshot, snapshot, kept, first, last
            )
            store(order, unlearned, select(is_learned, known, splat(np.uint32(epoch + 1), zero)))
            evaluation += 1
            snapshot += is_snapshot
            kept += epoch == data.kept[kept]
        if epoch < plan.epochs:
            is_forward = is_evaluated and plan.is_whole and plan.is_kept and not plan.has_dropout
            powers = _train_epoch(plan, layers, optimizer, data, seeds, memory, order, powers, epoch, is_forward)
    for model in range(first, last):
        measured.last_unlearned[model] = np.int64(order[unlearned + model - first]) - 1


@inlined
def _fill_tile(plan, optimizer, model_seeds, counts, weights, seeds, memory, order, first):
    """Lay the models from `first` on into the lanes of a tile, the last of all into those left over."""
    for place in range(plan.state, plan.n_elements):
        memory[place] = optimizer.initial_state if place < plan.errors else 0.0
    for lane in range(MODELS):
        model = min(first + lane, len(weights) - 1)
        seeds[lane], seeds[MODELS + lane] = model_seeds[0, model], model_seeds[1, model]
        for parameter in range(plan.n_parameters):
            memory[parameter * MODELS + lane] = weights[model, parameter]
        for row in range(plan.n_rows if plan.n_samples > 0 else 0):
            order[(plan.n_rows + 1 + row) * MODELS + lane] = counts[model, row]


def train_models(plan, layers, optimizer, data, model_seeds, counts, seeds, memory, order, weights, measured):
    """Train models of one configuration, tile after tile. `weights` `[model, parameter]`: initial, then trained.

    layers: `passes.Layers` of arrays; data: `Data` of arrays; model_seeds `[2, model]`: of the row order, of the
    dropout; counts `[model, row]`: how often a seed drew each row, where samples are drawn; seeds, memory, order: room
    for those of one tile; measured: `Measured`.
    """
    align_stack()
    layers = pointers_to(layers)
    data = Data(
        pointer_to(data.inputs),
        pointer_to(data.targets),
        pointer_to(data.aims),
        pointer_to(data.schedule),
        pointer_to(data.evaluations),
        pointer_to(data.snapshots),
        pointer_to(data.kept),
    )
    seeds, memory, order = pointer_to(seeds), pointer_to(memory), pointer_to(order)
    for first in range(0, len(weights), MODELS):
        last = min(first + MODELS, len(weights))
        _fill_tile(plan, optimizer, model_seeds, counts, weights, seeds, memory, order, first)
        _train_tile(plan, layers, optimizer, data, seeds, memory, order, measured, first, last)
        for model in range(first, last):
            for parameter in range(plan.n_parameters):
                weights[model, parameter] = memory[parameter * MODELS + model - first]
