"""The referee: real Keras layers, losses and optimizers on TensorFlow, one network at a time.

Only the random numbers are ours: initial weights, drawn samples, row order and dropout masks come from the streams of
each seed, so that a run can be compared step by step with the same run of another engine. All of Keras's arithmetic
stays Keras's.

Notation: orders `[epoch, position]`; kept, per hidden layer with dropout, `[epoch, position, unit]`, where `position`
is the place in the epoch's row order; shares `[epoch, step, row]`, with drawn samples: how often each row of the table
stands in a batch, over the mean of that number. They are Keras's sample weights, and every batch is the whole table.
Bits repeat on the same machine with the same versions and TensorFlow settings.

The training loop is a graph without XLA: on a CPU, that compiles two to three times faster and runs as fast or faster.
TensorFlow keeps some 4 MiB of each compiled program for the life of the process, whatever is collected or cleared, so
configurations share a program wherever they can.
"""

import functools
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from sweep.networks.configuration import Configuration
from sweep.networks.criterion import is_learned, judges_test_rows
from sweep.networks.layers import Head, Layer
from sweep.networks.measurements import Floats, Integers, Measurements, NetworkCohort
from sweep.networks.randomness import Stream, keep_threshold, mask_bits, row_order, sample_counts, urn_batches
from sweep.networks.vocabulary import Named
from sweep.training.initial import initial_weights
from sweep.training.keras.libraries import tensorflow_and_keras
from sweep.training.keras.optimizers import optimizer_arguments

Booleans = npt.NDArray[np.bool_]
Orders = npt.NDArray[np.int32]
# orders, or shares with drawn samples
Batches = Orders | Floats

CPU = "/CPU:0"
# masks, shares and predictions held at a time while one network trains
max_values_held = 1 << 22
# compiled programs kept for the next cohorts
max_programs = 8


class KerasEngine:
    """Trains each model of a cohort with Keras on the TensorFlow backend; the first use takes seconds to import them.

    Raises `EngineError` where Keras already runs on another backend in this process.
    """

    name: str = "keras"
    device: str = "cpu"
    is_threaded: bool = False
    piece_size: int = 64

    @property
    def n_programs(self) -> int:
        """Programs compiled so far in this process."""
        return compiled_program.cache_info().misses

    def programs(self, configuration: Configuration, n_models: int) -> frozenset[Hashable]:
        """The one of the configuration; compiled again where too many others came between."""
        return frozenset([NetworkShape.of(configuration)])

    def refusal(self, configuration: Configuration) -> str | None:
        """None: whatever a configuration can say, Keras does."""
        return None

    def train(self, cohort: NetworkCohort) -> Measurements:
        """Train the cohort's models one after the other on one compiled program."""
        return self.train_from(cohort, initial_weights(cohort))

    def train_from(self, cohort: NetworkCohort, weights: Floats) -> Measurements:
        """Train from other weights `[model, parameter]` than those of the seeds."""
        program = compiled_program(NetworkShape.of(cohort.configuration))
        records = [_train_one(program, cohort, model, weights[model]) for model in range(len(cohort))]
        return _gather(records, cohort)


class LayerShape(NamedTuple):
    """What is fixed of a layer; the rate of its dropout is a value at run time."""

    units: int
    activation: Named
    has_dropout: bool
    use_bias: bool
    kernel_regularizer: Named
    bias_regularizer: Named

    @classmethod
    def of(cls, layer: Layer) -> "LayerShape":
        """The shape of a layer."""
        penalized = layer.kernel_regularizer, layer.bias_regularizer
        return cls(layer.units, layer.activation, layer.dropout > 0, layer.use_bias, *penalized)


@dataclass(frozen=True)
class NetworkShape:
    """What is fixed in a compiled program. Table, dropout rate, epochs and a rate of no schedule are run-time values.

    With drawn samples so are their number and the batches: `batch_size` is then None. is_small: see `Task`.
    """

    n_rows: int
    n_inputs: int
    layers: tuple[LayerShape, ...]
    head: Head
    optimizer: Named
    schedule: Named | None
    batch_size: int | None
    is_small: bool

    @classmethod
    def of(cls, c: Configuration) -> "NetworkShape":
        """The shape that a configuration needs."""
        layers = tuple(map(LayerShape.of, c.layers))
        batch_size = c.batch_size if c.samples is None else None
        schedule = c.learning_rate if isinstance(c.learning_rate, Named) else None
        trained = (c.head, c.optimizer, schedule, batch_size)
        return cls(c.task.n_rows, c.task.n_inputs, layers, *trained, c.task.is_small)

    @property
    def n_outputs(self) -> int:
        """Outputs of each row."""
        return self.layers[-1].units


@functools.lru_cache(maxsize=max_programs)
def compiled_program(shape: NetworkShape) -> "Program":
    """The program of this shape, compiled now or kept from before."""
    return Program(shape)


def _activation(activation: Named) -> Any:
    function = getattr(tensorflow_and_keras()[1].activations, activation.name)
    return functools.partial(function, **dict(activation.arguments)) if activation.arguments else function


def regularizers_of(layer: Layer | LayerShape) -> dict[str, Any]:
    """Keras's regularizers of a layer, as Dense takes them."""
    made = tensorflow_and_keras()[1].regularizers
    found = {key: getattr(layer, key) for key in ("kernel_regularizer", "bias_regularizer")}
    return {key: getattr(made, x.name)(**dict(x.arguments)) for key, x in found.items() if x.name != "none"}


def new_optimizer(optimizer: Named, rate: float | Named) -> Any:
    """Keras's optimizer with its learning rate."""
    arguments = optimizer_arguments(optimizer, rate)
    return tensorflow_and_keras()[1].optimizers.get({"class_name": optimizer.name, "config": arguments})


def new_loss(loss: Named) -> Any:
    """Keras's loss with its arguments."""
    name = "".join(word.capitalize() for word in loss.name.split("_"))
    return getattr(tensorflow_and_keras()[1].losses, name)(**dict(loss.arguments))


def _network(shape: NetworkShape) -> Any:
    """The network as anybody would write it: `Input`, then `Dense` and where asked for `Dropout`, layer by layer."""
    layers = tensorflow_and_keras()[1].layers
    stack = [layers.Input((shape.n_inputs,))]
    for layer in shape.layers:
        arguments = {"activation": _activation(layer.activation), "use_bias": layer.use_bias}
        stack.append(layers.Dense(layer.units, **arguments, **regularizers_of(layer)))
        if layer.has_dropout:
            stack.append(layers.Dropout(0.5))  # stands for the place; masks and scale come from outside
    return tensorflow_and_keras()[1].Sequential(stack)


class Program:
    """One Keras network with its optimizer, compiled once and reused: weights and optimizer are reset for each run."""

    def __init__(self, shape: NetworkShape) -> None:
        tf, _ = tensorflow_and_keras()
        self._shape = shape
        with tf.device(CPU):
            self._network = _network(shape)
            self._optimizer = new_optimizer(shape.optimizer, shape.schedule or 0.0)
            self._optimizer.build(self._network.trainable_variables)
        self._loss = new_loss(shape.head.loss)
        self._fresh_optimizer = [v.value.numpy() for v in self._optimizer.variables]
        dropped = [layer.units for layer in shape.layers if layer.has_dropout]
        table = [tf.TensorSpec((shape.n_rows, n), tf.float32) for n in (shape.n_inputs, shape.n_outputs)]
        batches = tf.TensorSpec((None, shape.n_rows), tf.int32)
        if shape.batch_size is None:
            batches = tf.TensorSpec((None, None, shape.n_rows), tf.float32)
        kept = [tf.TensorSpec((None, shape.n_rows, n), tf.bool) for n in dropped]
        scales = tf.TensorSpec((len(dropped),), tf.float32)
        self._train = tf.function(self._trace_epochs, input_signature=[*table, scales, batches, *kept])
        n_evaluated = shape.n_rows if shape.is_small else None  # the table's, or those held out
        evaluated = [tf.TensorSpec((n_evaluated, n), tf.float32) for n in (shape.n_inputs, shape.n_outputs)]
        self._evaluate = tf.function(self._trace_evaluation, input_signature=evaluated)
        self._units_off = tf.function(self._trace_units_off, input_signature=table[:1])

    @property
    def n_traces(self) -> int:
        """How often the training has been traced: 1 after its first use."""
        return self._train.experimental_get_tracing_count()

    def reset(self, weights: Floats, rate: float | Named) -> None:
        """Put the network at `weights` `[parameter]`, the optimizer at its beginning; `rate`: the learning rate."""
        start = 0
        for variable in self._network.trainable_variables:
            n = int(np.prod(variable.shape))
            variable.assign(weights[start : start + n].reshape(variable.shape))
            start += n
        for variable, value in zip(self._optimizer.variables, self._fresh_optimizer, strict=True):
            variable.assign(value)
        if not isinstance(rate, Named):
            self._optimizer.learning_rate = rate

    def weights(self) -> Floats:
        """The weights now: `[parameter]`."""
        return np.concatenate([np.ravel(v.value.numpy()) for v in self._network.trainable_variables])

    def train(self, table: "_Table", batches: Batches, kept: Sequence[Booleans]) -> list[Floats]:
        """Train for the epochs of `batches`: what `evaluate` gives after each, with an axis `[epoch]` before.

        Of a table that is not small, nothing.
        """
        tf, _ = tensorflow_and_keras()
        with tf.device(CPU):
            found = self._train(table.inputs, table.targets, table.scales, batches, *kept)
        return [x.numpy() for x in found]

    def evaluate(self, table: "_Table") -> list[Floats]:
        """The table's loss `[]`, what regularizers add to it `[]`, and predictions `[row, output]` now."""
        tf, _ = tensorflow_and_keras()
        with tf.device(CPU):
            return [x.numpy() for x in self._evaluate(table.inputs, table.targets)]

    def units_off(self, table: "_Table") -> Integers:
        """Units with output and slope zero on every row: `[layer]`."""
        tf, _ = tensorflow_and_keras()
        if len(self._shape.layers) == 1:
            return np.zeros(0, np.int64)
        with tf.device(CPU):
            return self._units_off(table.inputs).numpy()

    def _forward(self, inputs: Any, kept: Sequence[Any], scales: Any) -> Any:
        """Predictions while training: Keras's layers, its dropout (kept units scaled, the others zero) by our masks."""
        tf, keras = tensorflow_and_keras()
        masks = enumerate(kept)
        signal = inputs
        for layer in self._network.layers:
            if isinstance(layer, keras.layers.Dropout):
                i, mask = next(masks)
                signal = tf.where(mask, signal * scales[i], 0.0)
            else:
                signal = layer(signal)
        return signal

    def _trace_step(self, batch: tuple[Any, Any], scales: Any, kept: Sequence[Any], share: Any = None) -> None:
        tf, _ = tensorflow_and_keras()
        with tf.GradientTape() as tape:
            loss = self._loss(batch[1], self._forward(batch[0], kept, scales), sample_weight=share) + self._penalty()
        variables = self._network.trainable_variables
        self._optimizer.apply(tape.gradient(loss, variables), variables)

    def _trace_drawn_epoch(self, table: tuple[Any, Any], scales: Any, shares: Any) -> None:
        """All batches of one epoch of drawn samples: the table in its order, each time with other shares."""
        tf, _ = tensorflow_and_keras()

        def step(i: Any) -> Any:
            self._trace_step(table, scales, (), shares[i])
            return i + 1

        tf.while_loop(lambda i: i < tf.shape(shares)[0], lambda i: [step(i)], [0])

    def _trace_epoch(self, table: tuple[Any, Any], scales: Any, kept: Sequence[Any], size: int) -> None:
        """All batches of one epoch; table and masks in the epoch's order, the last batch what is left."""
        tf, _ = tensorflow_and_keras()
        n = self._shape.n_rows

        def step(start: Any, rows: int) -> Any:
            inputs, targets, *masks = (
                tf.ensure_shape(values[start : start + rows], (rows, values.shape[1])) for values in (*table, *kept)
            )
            self._trace_step((inputs, targets), scales, masks)
            return start + rows

        if n // size == 1:
            step(0, size)
        else:
            tf.while_loop(lambda start: start + size <= n, lambda start: [step(start, size)], [0])
        if n % size:
            step(n - n % size, n % size)

    def _trace_epochs(self, inputs: Any, targets: Any, scales: Any, batches: Any, *kept: Any) -> list[Any]:
        tf, _ = tensorflow_and_keras()
        n_epochs, size = tf.shape(batches)[0], self._shape.batch_size
        shapes = ((), (), targets.shape) if self._shape.is_small else ()
        kept_of_epochs = [tf.TensorArray(tf.float32, n_epochs, element_shape=s) for s in shapes]

        def body(epoch: Any, *written: Any) -> tuple[Any, ...]:
            if size is None:
                self._trace_drawn_epoch((inputs, targets), scales, batches[epoch])
            else:
                table = (tf.gather(inputs, batches[epoch]), tf.gather(targets, batches[epoch]))
                self._trace_epoch(table, scales, [mask[epoch] for mask in kept], size)
            evaluated = self._trace_evaluation(inputs, targets) if self._shape.is_small else ()
            pairs = zip(written, evaluated, strict=True)
            return epoch + 1, *(array.write(epoch, value) for array, value in pairs)

        start = (tf.constant(0), *kept_of_epochs)
        _, *found = tf.while_loop(lambda epoch, *_: epoch < n_epochs, body, start, parallel_iterations=1)
        return [array.stack() for array in found]

    def _trace_evaluation(self, inputs: Any, targets: Any) -> tuple[Any, Any, Any]:
        predicted = self._network(inputs, training=False)
        return self._loss(targets, predicted), self._penalty(), predicted

    def _penalty(self) -> Any:
        """What the regularizers add, as `fit` adds it."""
        tf, _ = tensorflow_and_keras()
        return tf.add_n(self._network.losses or [tf.constant(0.0)])

    def _trace_units_off(self, inputs: Any) -> Any:
        """The slope of a unit is the gradient of its activation by its sum of inputs, as TensorFlow takes it."""
        tf, keras = tensorflow_and_keras()
        counts = []
        signal = inputs
        for layer in [layer for layer in self._network.layers if isinstance(layer, keras.layers.Dense)][:-1]:
            total = tf.matmul(signal, layer.kernel)
            if layer.use_bias:
                total = total + layer.bias
            with tf.GradientTape() as tape:
                tape.watch(total)
                signal = layer.activation(total)
            off = tf.reduce_all((signal == 0) & (tape.gradient(signal, total) == 0), axis=0)
            counts.append(tf.reduce_sum(tf.cast(off, tf.int64)))
        return tf.stack(counts)


@dataclass(frozen=True)
class _Table:
    """What a program is given: the table, and by what the kept units of each layer with dropout are multiplied."""

    inputs: Floats
    targets: Floats
    scales: Floats


@dataclass(frozen=True)
class _Record:
    """One model's measurements: arrays as in `Measurements`, without the axis of models."""

    losses: Floats
    penalties: Floats
    predictions: Floats
    test_losses: Floats
    test_predictions: Floats
    last_unlearned: int
    weights: Floats
    units_off_initial: Integers
    units_off: Integers


def _shares(cohort: NetworkCohort, model: int, epochs: range) -> Floats:
    """The sample weights of one model's batches in `epochs` (from 0): `[epoch, step, row]`.

    Keras divides a batch's weighted loss by the rows of the table; it is to be divided by the samples of the batch.
    """
    c = cohort.configuration
    n = c.task.n_rows
    counts = sample_counts(cohort.stream_seeds(Stream.SAMPLE)[model : model + 1], c.rows_per_epoch, n)
    seeds = np.repeat(cohort.stream_seeds(Stream.ORDER)[model], len(epochs))
    drawn = urn_batches(seeds, np.array(epochs), np.repeat(counts, len(epochs), axis=0), c.batch_size)
    return (drawn * n / drawn.sum(axis=2, keepdims=True)).astype(np.float32)


def _randomness(cohort: NetworkCohort, model: int, epochs: range) -> tuple[Batches, list[Booleans]]:
    """Row orders, or shares with drawn samples, and kept units of one model in `epochs` (from 0)."""
    c = cohort.configuration
    n = c.task.n_rows
    if c.samples is not None:
        return _shares(cohort, model, epochs), []
    if not c.has_order:
        orders = np.tile(np.arange(n, dtype=np.int32), (len(epochs), 1))
    else:
        seed = cohort.stream_seeds(Stream.ORDER)[model : model + 1]
        orders = np.concatenate([row_order(seed, epoch, n) for epoch in epochs]).astype(np.int32)
    seed = cohort.stream_seeds(Stream.DROPOUT)[model : model + 1]
    kept = [
        np.concatenate([mask_bits(seed, epoch, i, (n, layer.units)) for epoch in epochs])
        >= keep_threshold(layer.dropout)
        for i, layer in enumerate(c.hidden)
        if layer.dropout > 0
    ]
    return orders, kept


def _train_one(program: Program, cohort: NetworkCohort, model: int, weights: Floats) -> _Record:
    c = cohort.configuration
    scales = np.array([1 / (1 - layer.dropout) for layer in c.hidden if layer.dropout > 0], np.float32)
    table = _Table(c.inputs(), c.targets(), scales)
    program.reset(weights, c.learning_rate)
    units_off_initial = program.units_off(table)
    train = _train_looking_often if c.task.is_small else _train_looking_rarely
    measured = train(program, cohort, model, table)
    return _Record(
        **measured,
        weights=program.weights(),
        units_off_initial=units_off_initial,
        units_off=program.units_off(table),
    )


def _epochs_at_once(c: Configuration) -> int:
    """For how many epochs a run's random numbers, and what is evaluated, are held at a time."""
    held = c.task.n_rows * (sum(c.widths) + c.n_outputs + 1)
    if c.samples is not None:
        held += c.rows_per_epoch + c.steps_per_epoch * c.task.n_rows
    return max(1, max_values_held // held)


def _train_looking_often(program: Program, cohort: NetworkCohort, model: int, table: _Table) -> dict[str, Any]:
    """Train a network, the table evaluated after every epoch: those fields of `_Record` that are seen on the way."""
    c = cohort.configuration

    def learned(predictions: Floats, losses: Floats) -> Booleans:
        """After each epoch: `[epoch]`."""
        return is_learned(cohort.success, c, predictions, losses)

    found = [[x[None]] for x in program.evaluate(table)]  # of the epochs kept: losses, penalties, predictions
    last_unlearned = -1 if learned(found[-1][0], found[0][0])[0] else 0
    length = _epochs_at_once(c)
    for first in range(0, c.epochs, length):
        epochs = range(first, min(first + length, c.epochs))
        chunk = program.train(table, *_randomness(cohort, model, epochs))
        unlearned = np.flatnonzero(~learned(chunk[-1], chunk[0]))
        if len(unlearned):
            last_unlearned = first + 1 + int(unlearned[-1])
        wanted = c.snapshots - first - 1
        wanted = wanted[(wanted >= 0) & (wanted < len(epochs))]
        for kept, of_chunk in zip(found, chunk, strict=True):
            kept.append(of_chunk[wanted])
    losses, penalties, predictions = map(np.concatenate, found)
    return {
        "losses": losses,
        "penalties": penalties,
        "predictions": predictions,
        "test_losses": losses[:0],
        "test_predictions": predictions[:, :0],
        "last_unlearned": last_unlearned,
    }


def _train_looking_rarely(program: Program, cohort: NetworkCohort, model: int, table: _Table) -> dict[str, Any]:
    """The same with the table evaluated at the snapshots, and the rows held out with it."""
    c = cohort.configuration
    tested = _Table(c.test_inputs(), c.test_targets(), table.scales)
    length, reached, last_unlearned = _epochs_at_once(c), 0, -1
    predictions, test_predictions = (np.zeros((0, c.n_outputs), np.float32) for _ in range(2))
    losses, penalties, test_losses = (list[Floats]() for _ in range(3))
    for epoch in c.snapshots.tolist():
        for first in range(reached, epoch, length):
            program.train(table, *_randomness(cohort, model, range(first, min(first + length, epoch))))
        reached = epoch
        loss, penalty, predictions = program.evaluate(table)
        losses.append(loss)
        penalties.append(penalty)
        judged = predictions, loss
        if c.task.n_test_rows:
            test_loss, _, test_predictions = program.evaluate(tested)
            test_losses.append(test_loss)
            judged = (test_predictions, test_loss) if judges_test_rows(cohort.success) else judged
        if not is_learned(cohort.success, c, *judged):
            last_unlearned = epoch
    return {
        "losses": np.array(losses),
        "penalties": np.array(penalties),
        "predictions": predictions[None],
        "test_losses": np.array(test_losses),
        "test_predictions": test_predictions[None],
        "last_unlearned": last_unlearned,
    }


def _gather(records: Sequence[_Record], cohort: NetworkCohort) -> Measurements:
    """The measurements of a cohort from those of its models, in order."""
    measured = Measurements.empty(cohort)
    for model, record in enumerate(records):
        for f in fields(record):
            getattr(measured, f.name)[model] = getattr(record, f.name)
    return measured
