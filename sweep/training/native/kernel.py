# numba, not the signatures, gives compiled functions their types
# pyright: basic
"""The training of models of one configuration, tile after tile: from initial weights to measurements.

`plan` and the layout of a tile's memory: see `passes`.
"""

from typing import Any, NamedTuple

import numpy as np

from sweep.training.native import optimizers
from sweep.training.native.functions import inlined, merged, shared
from sweep.training.native.heads import LOSS
from sweep.training.native.judging import add_losses, begin, holds, judge, mean_loss
from sweep.training.native.passes import FIELDS, UNITS, backward, forward, pointers_to
from sweep.training.native.regularizers import finish_step, penalty
from sweep.training.native.rows import draw_batch, fill_urn, gather, place_rows, set_order
from sweep.training.native.simd import (
    MODELS,
    ROWS,
    STRIDE,
    load,
    out_of_line,
    pointer_to,
    select,
    splat,
    store,
    zeros1,
)


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
    """The arrays of `Measurements` without the weights: flat arrays, then pointers, as of `Data`."""

    losses: Any
    penalties: Any
    predictions: Any
    test_losses: Any
    test_predictions: Any
    last_unlearned: Any
    units_off_initial: Any
    units_off: Any


@inlined
def _data_pointers(data):
    """The same of pointers, to which numba counts no references."""
    return Data(
        pointer_to(data.inputs),
        pointer_to(data.targets),
        pointer_to(data.aims),
        pointer_to(data.schedule),
        pointer_to(data.evaluations),
        pointer_to(data.snapshots),
        pointer_to(data.kept),
    )


@inlined
def _measured_pointers(measured):
    """The same of pointers."""
    return Measured(
        pointer_to(measured.losses),
        pointer_to(measured.penalties),
        pointer_to(measured.predictions),
        pointer_to(measured.test_losses),
        pointer_to(measured.test_predictions),
        pointer_to(measured.last_unlearned),
        pointer_to(measured.units_off_initial),
        pointer_to(measured.units_off),
    )


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
            n_off = 0
            for i in range(unit, unit + n_units):
                n_off += memory[plan.units_on + i * MODELS + model - first] == 0
            counts[model * (plan.network.n_layers - 1) + layer] = n_off
        unit += n_units
    for i in range(plan.n_hidden):
        store(memory, plan.units_on + i * MODELS, zeros1(memory))


@inlined
def _keep(plan, memory, value, into, snapshot, first, last):
    """Write a number of each model into `[model, snapshot]`, by way of the place for judging, which is done."""
    store(memory, plan.judged, value)
    for model in range(first, last):
        into[model * plan.n_snapshots + snapshot] = memory[plan.judged + model - first]


@shared
def _keep_rows(plan, data, memory, measured, block, n, row, is_test, epoch, kept, first, last):
    """What a snapshot wants of `n` rows of a block, of which the first is `row` of its table."""
    out_of_line()
    n_outputs = plan.network.n_outputs
    out = block + (plan.network.n_inputs + plan.n_hidden) * STRIDE
    start = row + plan.rows.n_rows if is_test else row
    add_losses(plan.head, memory, plan.judged, out, plan.network.slope, data.aims, start, row, n)
    if not is_test and (epoch == 0 or epoch == plan.epochs):
        _mark_units_on(plan, memory, block, n)
    if epoch != data.kept[kept]:
        return
    into = measured.test_predictions if is_test else measured.predictions
    n_rows = plan.n_test if is_test else plan.rows.n_rows
    for r in range(n):
        for o in range(n_outputs):
            at = out + o * STRIDE + r * MODELS - first
            for model in range(first, last):
                into[((model * plan.n_kept + kept) * n_rows + row + r) * n_outputs + o] = memory[at + model]


@shared
def _keep_table(plan, layers, memory, measured, is_test, epoch, snapshot, first, last):
    """What a snapshot wants of a table of which all rows were kept."""
    out_of_line()
    losses, n_rows = measured.losses, plan.rows.n_rows
    if is_test:
        losses, n_rows = measured.test_losses, plan.n_test
    _keep(plan, memory, mean_loss(plan.head, memory, plan.judged, n_rows), losses, snapshot, first, last)
    if is_test:
        return
    if plan.is_regularized:
        _keep(plan, memory, penalty(plan.network, layers, memory), measured.penalties, snapshot, first, last)
    if epoch == 0:
        _count_units_off(plan, layers, memory, measured.units_off_initial, first, last)
    if epoch == plan.epochs:
        _count_units_off(plan, layers, memory, measured.units_off, first, last)


@merged
def _evaluate(plan, layers, data, seeds, memory, measured, epoch, is_snapshot, snapshot, kept, first, last):
    """Take the table through the networks, and the rows held out: of which models the criterion holds.

    Snapshots of the models from `first` to before `last` are kept.
    """
    is_learned = zeros1(memory) == zeros1(memory)
    for part in range(2 if plan.n_test > 0 else 1):
        is_test = part == 1
        n_rows = plan.n_test if is_test else plan.rows.n_rows
        start = plan.rows.n_rows if is_test else 0
        stays = plan.rows.is_kept and not is_test
        block = plan.rows.table if stays else plan.rows.block
        begin(plan.head, memory, plan.judged)
        for row in range(0, n_rows, ROWS):
            n = min(ROWS, n_rows - row)
            if not stays:
                place_rows(plan.rows, data.inputs, data.aims, memory, block, start + row, n)
            # numba would compile another function for literal arguments
            forward(plan.network, layers, seeds, memory, block, n, np.bool_(False), np.intp(0), np.intp(0))
            out = block + (plan.network.n_inputs + plan.n_hidden) * STRIDE
            if is_test == plan.is_of_test:
                judge(plan.head, memory, plan.judged, out, data.targets, start + row, n)
            if is_snapshot:
                _keep_rows(plan, data, memory, measured, block, n, row, is_test, epoch, kept, first, last)
            elif plan.head.metric == LOSS:
                add_losses(plan.head, memory, plan.judged, out, plan.network.slope, data.aims, start + row, row, n)
            if stays:
                block += plan.rows.block_size
        if is_test == plan.is_of_test:
            is_learned = holds(plan.head, memory, plan.judged, n_rows)
        if is_snapshot:
            _keep_table(plan, layers, memory, measured, is_test, epoch, snapshot, first, last)
    return is_learned


@merged
def _train_epoch(plan, layers, optimizer, data, seeds, memory, order, powers, epoch, is_forward):
    """One pass over the data set: the powers after it.

    is_forward: whether the first batch went forward in the evaluation before the epoch.
    """
    rows = plan.rows
    n_samples = plan.n_samples if plan.n_samples > 0 else rows.n_rows
    stays = plan.is_whole and rows.is_kept
    if plan.n_samples > 0:
        fill_urn(order, rows.n_rows)
    elif not plan.is_whole:
        set_order(seeds, order, epoch, rows.n_rows, rows.row_mask, plan.shuffles)
    for first in range(0, n_samples, plan.batch_size):
        n = min(plan.batch_size, n_samples - first)
        n_slots = rows.n_rows if plan.n_samples > 0 else n
        if plan.n_samples > 0:
            draw_batch(seeds, memory, order, plan.row_weights, rows.n_rows, n_samples, first, n, epoch)
        powers = optimizers.advanced(powers, optimizer)
        step = optimizers.step_at(powers, optimizer, data.schedule)
        share = 1.0 / (n * plan.head.averaged)
        end = np.intp(-1) if plan.is_regularized else n_slots
        block = rows.table if stays else rows.block
        for slot in range(0, n_slots, ROWS):
            n_here = min(ROWS, n_slots - slot)
            if not plan.is_whole:
                gather(rows, data.inputs, data.aims, memory, order, first + slot, n_here)
            elif not stays:
                place_rows(rows, data.inputs, data.aims, memory, block, slot, n_here)
            if first > 0 or not is_forward:
                position = first + slot
                forward(plan.network, layers, seeds, memory, block, n_here, plan.has_dropout, position, epoch)
            backward(plan, layers, memory, block, n_here, slot, end, share, optimizer, step)
            if stays:
                block += rows.block_size
        if plan.is_regularized:
            finish_step(plan.network, layers, memory, plan.gradients, plan.state, optimizer, step)
    return powers


@merged
def _train_tile(plan, layers, optimizer, data, seeds, memory, order, measured, first, last):
    """Train one tile: the models from `first` to before `last`, of which the measurements are kept.

    `memory` begins with the initial weights and ends with the trained ones. `order` [row]: room for each epoch's order
    or urn, one vector more, then how often the seed drew each row.
    """
    powers = optimizers.Powers(1.0, 1.0, 1.0, 1.0, 0.0)
    zero = zeros1(order)
    unlearned = plan.rows.n_rows * MODELS  # where `order` keeps the first epoch not known to be unlearned
    store(order, unlearned, zero)
    for row in range(0, plan.rows.n_rows if plan.rows.is_kept else 0, ROWS):
        block = plan.rows.table + row // ROWS * plan.rows.block_size
        place_rows(plan.rows, data.inputs, data.aims, memory, block, row, min(ROWS, plan.rows.n_rows - row))
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
            is_forward = is_evaluated and plan.is_whole and plan.rows.is_kept and not plan.has_dropout
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
        for row in range(plan.rows.n_rows if plan.n_samples > 0 else 0):
            order[(plan.rows.n_rows + 1 + row) * MODELS + lane] = counts[model, row]


def train_models(plan, layers, optimizer, data, model_seeds, counts, seeds, memory, order, weights, measured):
    """Train models of one configuration, tile after tile. `weights` `[model, parameter]`: initial, then trained.

    layers: `passes.Layers` of arrays; data: `Data` of arrays; model_seeds `[2, model]`: of the row order, of the
    dropout; counts `[model, row]`: how often a seed drew each row, where samples are drawn; seeds, memory, order: room
    for those of one tile; measured: `Measured`.
    """
    out_of_line()
    layers = pointers_to(layers)
    data = _data_pointers(data)
    measured = _measured_pointers(measured)
    seeds, memory, order = pointer_to(seeds), pointer_to(memory), pointer_to(order)
    for first in range(0, len(weights), MODELS):
        last = min(first + MODELS, len(weights))
        _fill_tile(plan, optimizer, model_seeds, counts, weights, seeds, memory, order, first)
        _train_tile(plan, layers, optimizer, data, seeds, memory, order, measured, first, last)
        for model in range(first, last):
            for parameter in range(plan.n_parameters):
                weights[model, parameter] = memory[parameter * MODELS + model - first]
