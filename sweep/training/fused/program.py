"""A training of many networks of one shape as one compiled program.

Fixed in a program: the shape of the network, table and snapshots, the optimizer with its arguments, a schedule, the
loss, and how many models there are. Values at run time: table, weights, seeds, learning rate, dropout rate, batch size,
epochs.

Notation: everything at the border has models last: weights `[parameter, model]`, seeds `[purpose, model]`, rows of a
step in slots, of which there are as many as rows where a table is small. A slot that the batch does not fill repeats
the batch's first row and counts nothing: no number of another row comes near the step.
"""

import itertools
from collections.abc import Sequence
from types import ModuleType
from typing import Any, NamedTuple

from sweep.runs.success import comparisons
from sweep.training.fused.heads import compared, loss_function, output_function, signed_margins
from sweep.training.fused.layouts import Layout, layout_for
from sweep.training.fused.operations import absolute, computed_once, ops
from sweep.training.fused.optimizers import StatelessOptimizer, activation_function
from sweep.training.fused.shapes import MAX_SMALL_TABLE, ProgramShape
from sweep.training.fused.streams import draw_batch, kept_units, order_words, padded_units, row_order


class Arguments(NamedTuple):
    """What a program is given; see the head of this module.

    aims: the targets as the loss takes them; test_..: those of the rows held out. seeds: of weights' successors, row
    order and dropout `[2, model]`. counts: how often each row was drawn `[row, model]`, zeros for the table itself.
    snapshots: epochs, -1 behind the last. thresholds, scales: of the dropout of each hidden unit `[padded unit]`, 0 and
    1 without. one: see `computed_once`.
    is_whole: whether rows are taken in table order. factors: by what the regularizer of each variable multiplies its
    absolute values and squares, `[variable, 2]`.
    """

    inputs: Any
    targets: Any
    aims: Any
    test_inputs: Any
    test_targets: Any
    test_aims: Any
    weights: Any
    seeds: Any
    counts: Any
    snapshots: Any
    learning_rate: Any
    thresholds: Any
    scales: Any
    factors: Any
    one: Any
    is_whole: Any
    batch_size: Any
    epochs: Any
    threshold: Any


class Answers(NamedTuple):
    """What a program gives.

    weights `[parameter, model]`; losses, penalties and test_losses `[snapshot, model]`; predictions `[kept, row,
    output, model]`; last_unlearned `[model]`; units off before and after `[layer, model]`.
    """

    weights: Any
    losses: Any
    penalties: Any
    predictions: Any
    test_losses: Any
    test_predictions: Any
    last_unlearned: Any
    units_off_initial: Any
    units_off: Any


class _Records(NamedTuple):
    """What is recorded of a training as it goes on.

    logits `[output, row, kept, model]`; losses: of a table that is not small, for which the logits of one snapshot are
    kept; place: where the next snapshot goes; the others as in `Answers`.
    """

    logits: Any
    test_logits: Any
    losses: Any
    test_losses: Any
    penalties: Any
    place: Any
    last_unlearned: Any
    units_off_initial: Any
    units_off: Any


class Training:
    """A training to be compiled: calling it traces it on the backend's tensors."""

    def __init__(self, shape: ProgramShape, backend: ModuleType) -> None:
        self.shape = shape
        self._backend = backend
        self._activations = list(map(activation_function, shape.activations))
        self._answers = output_function(shape.head.activation)
        self._entry_losses = loss_function(shape.head)
        self._layout: Layout = layout_for(shape)
        self._optimizer = StatelessOptimizer(shape.optimizer, shape.schedule, self._layout.carried_shapes)

    def __call__(self, *arguments: Any) -> Answers:
        """Train: see `Arguments` and `Answers`."""
        a = Arguments(*arguments)
        n, s, kept = self.shape.n_models, self.shape.n_snapshots, self.shape.n_kept
        n_tested = s if self.shape.n_test_rows else 0
        off = ops.zeros((len(self.shape.n_units) - 2, n), "int32")
        records = _Records(
            logits=ops.zeros((self.shape.n_units[-1], self.shape.n_rows, kept, n), "float32"),
            test_logits=ops.zeros((self.shape.n_units[-1], self.shape.n_test_rows, kept, n), "float32"),
            losses=ops.zeros((0 if self.shape.is_small else s, n), "float32"),
            test_losses=ops.zeros((n_tested, n), "float32"),
            penalties=ops.zeros((s, n), "float32"),
            place=ops.zeros((), "int32"),
            last_unlearned=ops.full((n,), -1, dtype="int32"),
            units_off_initial=off,
            units_off=off,
        )

        def epoch(i: Any, carried: Any, records: Any) -> tuple[Any, Any, Any]:
            """Record what the last epoch made, then the next one; the table's evaluation is compiled once."""
            return i + 1, self._epoch(a, i, carried), self._records_of(a, i, carried, records)

        carried = (self._layout.carried(a.weights), self._optimizer.begin(a.learning_rate))
        start = (ops.zeros((), "int32"), carried, tuple(records))
        _, carried, records = ops.while_loop(lambda i, carried, records: i <= a.epochs, epoch, start)
        logits, test_logits, losses, test_losses, penalties, _, *others = records
        if self.shape.is_small:
            losses = ops.mean(self._loss(logits, ops.transpose(a.aims)[:, :, None, None]), axis=0)
        predictions, tested = (ops.transpose(self._answers(z), (2, 1, 0, 3)) for z in (logits, test_logits))
        return Answers(self._layout.weights(carried[0]), losses, penalties, predictions, test_losses, tested, *others)

    def _records_of(self, a: Arguments, epoch: Any, carried: Any, before: Any) -> Any:
        """The records after an epoch: of a table that is not small, only a snapshot is looked at."""

        def record() -> Any:
            return tuple(self._record(a, epoch, self._layout.variables(carried[0]), _Records(*before)))

        if self.shape.is_small:
            return record()
        return ops.cond(ops.take(a.snapshots, _Records(*before).place) == epoch, record, lambda: before)

    def _penalties(self, a: Arguments, variables: Sequence[Any]) -> Any:
        """What the regularizers add to each model's loss: `[model]`."""
        added = ops.zeros((self.shape.n_models,), "float32")
        for i, variable in enumerate(variables):
            each = a.factors[i, 0] * absolute(variable) + a.factors[i, 1] * ops.square(variable)
            axes = tuple(range(1, len(variable.shape)))
            added = added + ops.sum(ops.moveaxis(each, self._layout.model_axis, 0), axis=axes)
        return added

    def _layers(self, weights: Sequence[Any]) -> list[tuple[Any, Any]]:
        """Kernel and bias of each layer, None where there is no bias."""
        variables = iter(weights)
        return [(next(variables), next(variables) if has_bias else None) for has_bias in self.shape.has_bias]

    def _forward(self, a: Arguments, variables: Sequence[Any], signal: Any, kept: Sequence[Any] = ()) -> list[Any]:
        """Every layer's sums in this layout, the last the logits `[output, row, model]`.

        kept, in this layout: by what each hidden unit is multiplied, 0 where it is dropped; empty without dropout.
        """
        sums: list[Any] = []
        for i, (kernel, bias) in enumerate(self._layers(variables)):
            if i:
                signal = self._activations[i - 1](sums[-1])
                if kept:
                    signal = ops.where(kept[i - 1] > 0, signal * kept[i - 1], 0.0)
            total = self._layout.dense(signal, kernel, bias)
            sums.append(computed_once(total, a.one) if self._layout.is_fusible else total)
        return [*sums[:-1], self._layout.turned(sums[-1])]

    def _loss(self, logits: Any, targets: Any) -> Any:
        """Each row's loss, the mean over outputs, the first axis; cross-entropy from logits, as compiled Keras's."""
        head = self.shape.head
        entries = self._entry_losses(logits if head.takes_sums else self._answers(logits), targets)
        return ops.mean(entries, axis=0) if head.averaged(2) > 1 else ops.sum(entries, axis=0)

    def _table(self, inputs: Any) -> Any:
        """The table's inputs for all models, in this layout."""
        return self._layout.turned(self._of_all_models(ops.transpose(inputs)))

    def _of_all_models(self, table: Any) -> Any:
        """The same for each model: `[.., model]`."""
        return ops.broadcast_to(table[..., None], (*table.shape, self.shape.n_models))

    def _rows(self, table: Any, rows: Any) -> Any:
        """Each model's rows of a table `[row, entry]`: `[entry, slot, model]`; rows `[slot, model]`."""
        columns = ops.transpose(table)[:, :, None, None]
        if self.shape.n_rows > MAX_SMALL_TABLE:
            return ops.take(ops.transpose(table), rows, axis=1)
        chosen = ops.broadcast_to(columns[:, 0], (table.shape[1], *rows.shape))
        for row in range(1, self.shape.n_rows):
            chosen = ops.where(rows == row, columns[:, row], chosen)
        return chosen

    def _record(self, a: Arguments, epoch: Any, variables: Sequence[Any], before: _Records) -> _Records:
        """Evaluate the table after an epoch; keep it in the place of the next snapshot, which a later one takes."""
        *sums, logits = self._forward(a, variables, self._table(a.inputs))
        test_logits = before.test_logits[:, :, 0]
        if self.shape.n_test_rows:
            test_logits = self._forward(a, variables, self._table(a.test_inputs))[-1]
        if self.shape.metric.startswith("test_"):
            is_learned = self._is_learned(a, test_logits, a.test_targets, a.test_aims)
        else:
            is_learned = self._is_learned(a, logits, a.targets, a.aims)
        off = before.units_off
        if sums:
            is_end = ops.logical_or(epoch == 0, epoch == a.epochs)
            off = ops.cond(is_end, lambda: self._units_off(sums), lambda: before.units_off)
        place = before.place
        is_kept = ops.take(a.snapshots, place) == epoch
        losses, test_losses = before.losses, before.test_losses
        if not self.shape.is_small:
            losses = ops.slice_update(losses, (place, 0), self._mean_loss(logits, a.aims)[None])
        if self.shape.n_test_rows:
            test_losses = ops.slice_update(test_losses, (place, 0), self._mean_loss(test_logits, a.test_aims)[None])
        at = place if self.shape.is_small else 0
        return _Records(
            logits=ops.slice_update(before.logits, (0, 0, at, 0), logits[:, :, None]),
            test_logits=before.test_logits if self.shape.is_small else test_logits[:, :, None],
            losses=losses,
            test_losses=test_losses,
            penalties=self._kept_penalties(a, place, variables, before),
            # the last place is met by the last epoch only
            place=ops.minimum(place + ops.cast(is_kept, "int32"), self.shape.n_snapshots - 1),
            last_unlearned=ops.where(is_learned, before.last_unlearned, epoch),
            units_off_initial=ops.where(epoch == 0, off, before.units_off_initial),
            units_off=off,
        )

    def _mean_loss(self, logits: Any, aims: Any) -> Any:
        """The mean loss of rows: `[model]`; logits `[output, row, model]`."""
        return ops.mean(self._loss(logits, ops.transpose(aims)[:, :, None]), axis=0)

    def _is_learned(self, a: Arguments, logits: Any, targets: Any, aims: Any) -> Any:
        """Which models meet the criterion: `[model]`; logits `[output, row, model]`, of the rows that it judges."""
        shape, answers = self.shape, self._answers(logits)
        targets, metric = ops.transpose(targets)[:, :, None], shape.metric.removeprefix("test_")
        if (metric, shape.comparison) == ("margin", ">"):
            return ops.all(signed_margins(shape.head, answers, targets) > a.threshold, axis=(0, 1))
        if metric == "loss":
            found = self._mean_loss(logits, aims)
        else:
            found = compared(metric, shape.head, answers, targets)
        is_finite = ops.all(ops.isfinite(answers), axis=(0, 1))
        return ops.logical_and(is_finite, comparisons[shape.comparison](found, a.threshold))

    def _kept_penalties(self, a: Arguments, place: Any, variables: Sequence[Any], before: _Records) -> Any:
        if not self.shape.is_regularized:
            return before.penalties
        return ops.slice_update(before.penalties, (place, 0), self._penalties(a, variables)[None])

    def _units_off(self, sums: Sequence[Any]) -> Any:
        """Units with output and slope zero on every row: `[layer, model]`."""
        counts: list[Any] = []
        for activation, total in zip(self._activations, sums, strict=True):
            [slope] = self._backend.gradients(lambda x, function=activation: ops.sum(function(x[0])), [total])
            off = ops.all(ops.logical_and(activation(total) == 0, slope == 0), axis=1, keepdims=True)
            counts.append(ops.sum(ops.cast(off, "int32"), axis=(1, self._layout.unit_axis)))
        return ops.stack(counts)

    def _epoch(self, a: Arguments, epoch: Any, carried: Any) -> Any:
        return self._drawn_epoch(a, epoch, carried) if self.shape.n_samples else self._table_epoch(a, epoch, carried)

    def _table_epoch(self, a: Arguments, epoch: Any, carried: Any) -> Any:
        """All batches of one epoch, the last one what is left."""
        n, n_slots, n_in = self.shape.n_rows, self.shape.n_slots, self.shape.n_units[0]
        slots = ops.arange(n_slots, dtype="int32")
        table = ops.concatenate([a.inputs, a.aims], axis=1)
        ordered = ops.cond(
            a.is_whole,
            lambda: self._of_all_models(ops.transpose(table)),
            lambda: self._rows(table, row_order(a.seeds[0], epoch, n)),
        )
        ordered = ops.concatenate([ordered, ordered[:, :n_slots]], axis=1)  # so that no batch's slots run over the end

        def step(start: Any, carried: Any) -> tuple[Any, Any]:
            n_live = ops.minimum(a.batch_size, n - start)
            is_live = slots < n_live
            share = ops.where(is_live, 1.0 / ops.cast(n_live, "float32"), 0.0)[:, None]
            rows = ops.slice(ordered, (0, start, 0), (ordered.shape[0], n_slots, ordered.shape[2]))
            rows = computed_once(ops.where(is_live[:, None], rows, rows[:, :1]), a.one)
            batch = self._layout.turned(rows[:n_in]), rows[n_in:]
            kept = self._kept(a, epoch, start + ops.where(is_live, slots, 0))
            return start + n_live, self._update(a, carried, batch, share, kept)

        end = ops.where(epoch < a.epochs, n, 0)  # nothing after the last
        return ops.while_loop(lambda start, carried: start < end, step, (ops.zeros((), "int32"), carried))[1]

    def _kept(self, a: Arguments, epoch: Any, positions: Any) -> list[Any]:
        """By what dropout multiplies each hidden unit, in this layout; drawn only where the rate is not 0."""
        hidden = self.shape.n_units[1:-1]
        if not hidden:
            return []
        ends = list(itertools.accumulate(padded_units(n) for n in hidden))
        size = (ends[-1], positions.shape[0], self.shape.n_models)
        kept = ops.cond(
            ops.any(a.thresholds > 0),
            lambda: kept_units(a.seeds[1], epoch, positions, hidden, ops.cast(a.thresholds, "uint32")),
            lambda: ops.ones(size, "bool"),
        )
        factors = computed_once(ops.where(kept, a.scales[:, None, None], 0.0), a.one)
        starts = [0, *ends[:-1]]
        return [self._layout.turned(factors[start : start + n]) for start, n in zip(starts, hidden, strict=True)]

    def _update(self, a: Arguments, carried: Any, batch: tuple[Any, Any], share: Any, kept: Sequence[Any]) -> Any:
        """One step; share, `[slot, model]` or `[slot, 1]`: what each slot's loss counts."""

        def loss(variables: Sequence[Any]) -> Any:
            each = self._loss(self._forward(a, variables, batch[0], kept)[-1], batch[1])
            lowered = ops.sum(ops.where(share > 0, each * share, 0.0))
            return lowered + ops.sum(self._penalties(a, variables)) if self.shape.is_regularized else lowered

        weights, state = carried
        gradients = self._backend.gradients(loss, self._layout.variables(weights))
        return self._optimizer.step(weights, state, self._layout.joined(gradients))

    def _drawn_epoch(self, a: Arguments, epoch: Any, carried: Any) -> Any:
        """All batches of one epoch of drawn samples: the table in its order, each time with other shares."""
        n_samples = self.shape.n_samples or 0
        words = order_words(a.seeds[0], epoch, n_samples)
        table = (self._table(a.inputs), ops.transpose(a.aims)[:, :, None])

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
