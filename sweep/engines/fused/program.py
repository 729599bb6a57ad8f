"""A training of many networks of one shape as one compiled program.

Fixed in a program: the shape of the network, table and snapshots, the optimizer with its arguments, the loss, and how
many models there are. Values at run time: table, weights, seeds, learning rate, dropout rate, batch size, epochs.

Notation: everything at the border has models last: weights `[parameter, model]`, seeds `[purpose, model]`, rows of a
step in slots, of which there are as many as rows where a table is small. A slot that the batch does not fill repeats
the batch's first row and counts nothing: no number of another row comes near the step.
"""

import math
from collections.abc import Sequence
from types import ModuleType
from typing import Any, NamedTuple

from sweep.engines.fused.layouts import Layout, ModelsLast, layout_for
from sweep.engines.fused.operations import ops
from sweep.engines.fused.optimizers import activation_function, new_optimizer
from sweep.engines.fused.shapes import MAX_SMALL_TABLE, ProgramShape
from sweep.engines.fused.streams import draw_batch, kept_units, order_words, row_order


class Arguments(NamedTuple):
    """What a program is given; see the head of this module.

    seeds: of weights' successors, row order and dropout `[2, model]`. counts: how often each row was drawn `[row,
    model]`, zeros for the table itself. snapshots: epochs, -1 behind the last. threshold, scale: of dropout, 0 and 1
    without. is_whole: whether a batch is the whole data set and knows no order.
    """

    inputs: Any
    targets: Any
    weights: Any
    seeds: Any
    counts: Any
    snapshots: Any
    learning_rate: Any
    threshold: Any
    scale: Any
    is_whole: Any
    batch_size: Any
    epochs: Any
    margin: Any


class Answers(NamedTuple):
    """What a program gives: weights `[parameter, model]`, and what `_Records` says."""

    weights: Any
    losses: Any
    predictions: Any
    last_unlearned: Any
    units_off_initial: Any
    units_off: Any


class _Records(NamedTuple):
    """What is recorded of a training as it goes on.

    losses `[snapshot, model]`; predictions `[snapshot, row, output, model]`; last_unlearned `[model]`; units off
    before and after `[layer, model]`; place: where the next snapshot goes.
    """

    losses: Any
    predictions: Any
    last_unlearned: Any
    units_off_initial: Any
    units_off: Any
    place: Any


class Training:
    """A training to be compiled: calling it traces it on the backend's tensors."""

    def __init__(self, shape: ProgramShape, backend: ModuleType, device: str) -> None:
        self.shape = shape
        self._backend = backend
        self._activation = activation_function(shape.activation)
        self._layout: Layout = layout_for(shape.n_units, shape.n_slots)
        sizes = [(*s, shape.n_models) for s in shape.variable_shapes]
        if not isinstance(self._layout, ModelsLast):
            sizes = [(s[-1], *s[:-1]) for s in sizes]
        self._state = backend.State(sizes, new_optimizer(shape.optimizer), device)

    def __call__(self, *arguments: Any) -> Answers:
        """Train: see `Arguments` and `Answers`."""
        a = Arguments(*arguments)
        n, s = self.shape.n_models, self.shape.n_snapshots
        off = ops.zeros((len(self.shape.n_units) - 2, n), "int32")
        records = _Records(
            ops.zeros((s, n), "float32"),
            ops.zeros((s, self.shape.n_rows, self.shape.n_units[-1], n), "float32"),
            ops.full((n,), -1, dtype="int32"),
            off,
            off,
            ops.zeros((), "int32"),
        )

        def epoch(i: Any, carried: Any, records: Any) -> tuple[Any, Any, Any]:
            """Record what the last epoch made, then the next one; the table's evaluation is compiled once."""
            records = self._record(a, i, self._state.weights(carried), _Records(*records))
            return i + 1, self._epoch(a, i, carried), tuple(records)

        start = (ops.zeros((), "int32"), self._state.begin(self._split(a.weights), a.learning_rate), tuple(records))
        _, carried, records = ops.while_loop(lambda i, carried, records: i <= a.epochs, epoch, start)
        weights = [self._layout.unstacked(w) for w in self._state.weights(carried)]
        flat = ops.concatenate([ops.reshape(w, (-1, n)) for w in weights], axis=0)
        return Answers(flat, *records[:-1])

    def _split(self, flat: Any) -> list[Any]:
        variables: list[Any] = []
        start = 0
        for shape in self.shape.variable_shapes:
            n = math.prod(shape)
            part = ops.reshape(flat[start : start + n], (*shape, self.shape.n_models))
            variables.append(self._layout.stacked(part))
            start += n
        return variables

    def _layers(self, weights: Sequence[Any]) -> list[tuple[Any, Any]]:
        """Kernel and bias of each layer, None where there is no bias."""
        if self.shape.use_bias:
            return list(zip(weights[::2], weights[1::2], strict=True))
        return [(kernel, None) for kernel in weights]

    def _forward(self, weights: Sequence[Any], signal: Any, kept: Sequence[Any] = (), scale: Any = None) -> list[Any]:
        """Every layer's sums in this layout, the last the logits `[output, row, model]`. `kept` in this layout."""
        sums: list[Any] = []
        for i, (kernel, bias) in enumerate(self._layers(weights)):
            if i:
                signal = self._activation(sums[-1])
                if kept:
                    signal = ops.where(kept[i - 1], signal * scale, 0.0)
            sums.append(self._layout.dense(signal, kernel, bias))
        return [*sums[:-1], self._turned(sums[-1])]

    def _turned(self, signal: Any) -> Any:
        """From `[unit, row, model]` to this layout, and back."""
        return signal if isinstance(self._layout, ModelsLast) else ops.transpose(signal, (2, 1, 0))

    def _loss(self, logits: Any, targets: Any) -> Any:
        """Each row's loss, the mean over outputs: `[row, model]`; cross-entropy from logits, as compiled Keras's."""
        if self.shape.loss == "mean_squared_error":
            return ops.mean(ops.square(ops.sigmoid(logits) - targets), axis=0)
        return ops.mean(ops.softplus(logits) - targets * logits, axis=0)

    def _table(self, inputs: Any) -> Any:
        """The table's inputs for all models, in this layout."""
        if isinstance(self._layout, ModelsLast):
            return ops.broadcast_to(ops.transpose(inputs)[:, :, None], (*inputs.shape[::-1], self.shape.n_models))
        return ops.broadcast_to(inputs[None], (self.shape.n_models, *inputs.shape))

    def _rows(self, table: Any, rows: Any) -> Any:
        """Each model's rows of a table `[row, entry]`: `[entry, slot, model]`; rows `[slot, model]`."""
        columns = ops.transpose(table)[:, :, None, None]
        if self.shape.n_rows > MAX_SMALL_TABLE:
            return ops.take(ops.transpose(table), rows, axis=1)
        chosen = ops.broadcast_to(columns[:, 0], (table.shape[1], *rows.shape))
        for row in range(1, self.shape.n_rows):
            chosen = ops.where(rows == row, columns[:, row], chosen)
        return chosen

    def _record(self, a: Arguments, epoch: Any, weights: Sequence[Any], before: _Records) -> _Records:
        """Evaluate the table after an epoch; keep it in the place of the next snapshot, which a later one takes."""
        *sums, logits = self._forward(weights, self._table(a.inputs))
        targets = ops.transpose(a.targets)[:, :, None]
        predicted = ops.sigmoid(logits)
        loss = ops.mean(self._loss(logits, targets), axis=0)
        is_learned = ops.all((2 * targets - 1) * (2 * predicted - 1) > a.margin, axis=(0, 1))
        off = before.units_off
        if sums:
            is_end = ops.logical_or(epoch == 0, epoch == a.epochs)
            off = ops.cond(is_end, lambda: self._units_off(sums), lambda: before.units_off)
        place = before.place
        is_kept = ops.take(a.snapshots, place) == epoch
        return _Records(
            losses=ops.slice_update(before.losses, (place, 0), loss[None]),
            predictions=ops.slice_update(
                before.predictions, (place, 0, 0, 0), ops.transpose(predicted, (1, 0, 2))[None]
            ),
            last_unlearned=ops.where(is_learned, before.last_unlearned, epoch),
            units_off_initial=ops.where(epoch == 0, off, before.units_off_initial),
            units_off=off,
            # the last place is met by the last epoch only
            place=ops.minimum(place + ops.cast(is_kept, "int32"), self.shape.n_snapshots - 1),
        )

    def _units_off(self, sums: Sequence[Any]) -> Any:
        """Units with output and slope zero on every row: `[layer, model]`."""
        unit_axis = 0 if isinstance(self._layout, ModelsLast) else 2
        counts: list[Any] = []
        for total in sums:
            slope = self._backend.slope(self._activation, total)
            off = ops.all(ops.logical_and(self._activation(total) == 0, slope == 0), axis=1, keepdims=True)
            counts.append(ops.sum(ops.cast(off, "int32"), axis=(1, unit_axis)))
        return ops.stack(counts)

    def _epoch(self, a: Arguments, epoch: Any, carried: Any) -> Any:
        return self._drawn_epoch(a, epoch, carried) if self.shape.n_samples else self._table_epoch(a, epoch, carried)

    def _table_epoch(self, a: Arguments, epoch: Any, carried: Any) -> Any:
        """All batches of one epoch, the last one what is left."""
        n, n_slots, n_models = self.shape.n_rows, self.shape.n_slots, self.shape.n_models
        plain = ops.broadcast_to(ops.arange(n, dtype="int32")[:, None], (n, n_models))
        order = ops.cond(a.is_whole, lambda: plain, lambda: row_order(a.seeds[0], epoch, n))
        slots = ops.arange(n_slots, dtype="int32")

        def step(start: Any, carried: Any) -> tuple[Any, Any]:
            n_live = ops.minimum(a.batch_size, n - start)
            positions = start + ops.where(slots < n_live, slots, 0)
            rows = ops.take(order, positions, axis=0)
            share = ops.where(slots < n_live, 1.0 / ops.cast(n_live, "float32"), 0.0)[:, None]
            inputs = self._turned(self._rows(a.inputs, rows))
            kept = self._kept(a, epoch, positions)
            return start + n_live, self._update(a, carried, (inputs, self._rows(a.targets, rows)), share, kept)

        end = ops.where(epoch < a.epochs, n, 0)  # nothing after the last
        return ops.while_loop(lambda start, carried: start < end, step, (ops.zeros((), "int32"), carried))[1]

    def _kept(self, a: Arguments, epoch: Any, positions: Any) -> list[Any]:
        """The units that dropout keeps; drawn only where the rate is not 0."""
        hidden = self.shape.n_units[1:-1]
        if not hidden:
            return []
        everything = [ops.ones((n, positions.shape[0], self.shape.n_models), "bool") for n in hidden]
        kept = ops.cond(
            a.threshold > 0,
            lambda: kept_units(a.seeds[1], epoch, positions, hidden, ops.cast(a.threshold, "uint32")),
            lambda: everything,
        )
        return [self._turned(k) for k in kept]

    def _update(self, a: Arguments, carried: Any, batch: tuple[Any, Any], share: Any, kept: Sequence[Any]) -> Any:
        """One step; share, `[slot, model]` or `[slot, 1]`: what each slot's loss counts."""

        def loss(weights: Sequence[Any]) -> Any:
            each = self._loss(self._forward(weights, batch[0], kept, a.scale)[-1], batch[1])
            return ops.sum(ops.where(share > 0, each * share, 0.0))

        return self._state.update(carried, loss)

    def _drawn_epoch(self, a: Arguments, epoch: Any, carried: Any) -> Any:
        """All batches of one epoch of drawn samples: the table in its order, each time with other shares."""
        n_samples = self.shape.n_samples or 0
        words = order_words(a.seeds[0], epoch, n_samples)
        table = (self._table(a.inputs), ops.transpose(a.targets)[:, :, None])

        def step(start: Any, below: Any, carried: Any) -> tuple[Any, Any, Any]:
            end = ops.minimum(start + a.batch_size, n_samples)
            after = draw_batch(below, words, start, end)
            taken = below - after
            drawn = taken - ops.concatenate([ops.zeros_like(taken[:1]), taken[:-1]], axis=0)
            share = ops.cast(drawn, "float32") / ops.cast(end - start, "float32")
            return end, after, self._update(a, carried, table, share, [])

        last = ops.where(epoch < a.epochs, n_samples, 0)  # nothing after the last
        first = (ops.zeros((), "int32"), ops.cumsum(a.counts, axis=0), carried)
        return ops.while_loop(lambda start, below, carried: start < last, step, first)[2]
