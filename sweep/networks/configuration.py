"""A configuration: everything that decides a training except the seed, resolved so that equals are equal.

`resolve` turns settings as a user writes them into a `Configuration`: names become `Named`, defaults are filled in,
unused settings become neutral. The id is a digest of the outcome, the task's table included.
"""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from sweep.networks import vocabulary
from sweep.networks.activations import lowest
from sweep.networks.layers import Head, Layer
from sweep.networks.snapshots import snapshot_epochs
from sweep.networks.tasks import Task
from sweep.networks.vocabulary import Named, Value, format_value
from sweep.runs.cohort import digest_id
from sweep.runs.errors import SettingError

# rows times units, four at a time, that a layer's dropout masks of one epoch have random numbers for
max_masked = 1 << 24


@dataclass(frozen=True)
class Variable:
    """A trained variable: a kernel `[input, output]` or a bias `[output]`, from what it is drawn, what is added for it.

    `place` numbers it among the variables of a network that has every bias: random numbers are keyed by it. drawn_as:
    the shape from which its fans are counted, of a bias that is drawn as the kernel the kernel's.
    """

    shape: tuple[int, ...]
    initializer: Named
    place: int
    drawn_as: tuple[int, ...]
    regularizer: Named

    @property
    def size(self) -> int:
        """How many numbers it holds."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class Configuration:
    """A resolved configuration. `layers`: the hidden ones, then the output layer; `optimizer`: without its rate.

    coding: how targets are coded, see `Head`. Raises `SettingError` for values that make no sense together.
    """

    task: Task
    encoding: str
    samples: int | None
    layers: tuple[Layer, ...]
    loss: Named
    coding: str
    optimizer: Named
    learning_rate: float | Named
    batch_size: int
    epochs: int
    shuffle: bool = True

    def __post_init__(self) -> None:
        if self.encoding == "bipolar" and not self.task.is_boolean:
            raise SettingError(("encoding",), "bipolar with a table of other values than 0 and 1", "allowed: binary")
        mistake = senseless(self)
        if mistake is not None:
            raise mistake

    @property
    def hidden(self) -> tuple[Layer, ...]:
        """The hidden layers."""
        return self.layers[:-1]

    @property
    def output(self) -> Layer:
        """The output layer."""
        return self.layers[-1]

    @property
    def head(self) -> Head:
        """What the network answers and how that is judged."""
        return Head(self.output.activation, self.loss, self.coding)

    @property
    def depth(self) -> int:
        """Hidden layers."""
        return len(self.hidden)

    @property
    def widths(self) -> tuple[int, ...]:
        """Units of each hidden layer."""
        return tuple(layer.units for layer in self.hidden)

    @property
    def n_outputs(self) -> int:
        """Units of the output layer."""
        return self.output.units

    @property
    def n_units(self) -> tuple[int, ...]:
        """Units of every layer, inputs first, outputs last."""
        return (self.task.n_inputs, *(layer.units for layer in self.layers))

    @property
    def unlike(self) -> tuple[str, ...]:
        """In what its layers differ, by the names of hyperparameters; the units and the usual output aside."""
        usual = replace(self.output, units=0, activation=self.layers[0].activation, dropout=self.layers[0].dropout)
        others = {replace(layer, units=0) for layer in self.hidden} - {usual}
        names = (field.name for field in fields(usual))
        return tuple(n for n in names if any(getattr(layer, n) != getattr(usual, n) for layer in others))

    @property
    def has_dropout(self) -> bool:
        """Whether a hidden layer drops units."""
        return any(layer.dropout > 0 for layer in self.hidden)

    @property
    def is_regularized(self) -> bool:
        """Whether training lowers more than the loss: a regularizer's part of some variable too."""
        return any(variable.regularizer.name != "none" for variable in self.variables)

    @property
    def id(self) -> str:
        """`c` and 12 hex digits of a SHA-256 over the canonical JSON of every field."""
        return self._id

    @cached_property
    def _id(self) -> str:
        return digest_id(self.canonical_json())

    def canonical_json(self) -> str:
        """The configuration as JSON: keys sorted, no spaces, every argument spelled out, the task's table included.

        Layers that are alike are said by the widths and by what they share, as before layers could differ.
        """
        first = self.hidden[0] if self.hidden else replace(self.output, activation=Named("linear"))
        plain: dict[str, Any] = {name: _plain(value) for name, value in _fields(self) if name != "layers"}
        plain["task"] = self.task.plain()
        if self.loss == vocabulary.named(self.loss.name, {}, vocabulary.losses):
            plain["loss"] = self.loss.name
        for name, usual in (("coding", "binary"), ("shuffle", True)):
            if plain[name] == usual:
                del plain[name]
        plain |= {name: value for name, value in _plain_layer(first).items() if name != "units"}
        plain["layers"] = self.widths
        alike = (*(replace(first, units=n) for n in self.widths), usual_output(first, self.task.n_outputs))
        if self.layers != alike:
            plain["each_layer"] = [_plain_layer(layer) for layer in self.layers]
        return json.dumps(plain, sort_keys=True, separators=(",", ":"), allow_nan=False)

    @property
    def rate_label(self) -> float | str:
        """The learning rate as it stands in the tables: a number, or a schedule with its arguments."""
        rate = self.learning_rate
        return rate.label(vocabulary.schedules) if isinstance(rate, Named) else rate

    @property
    def prediction_names(self) -> tuple[str, ...]:
        """A name for each prediction that the tables show: of outputs `p_00`, of classes `class_00`, see `Task`."""
        names = self.task.prediction_names
        if not names or not self.head.has_classes:
            return names
        return tuple(f"class_{row}" for row in self.task.row_names or ())

    @cached_property
    def variables(self) -> tuple[Variable, ...]:
        """The trained variables in Keras's order: kernel, then bias, layer by layer."""
        found: list[Variable] = []
        for i, (n_in, layer) in enumerate(zip(self.n_units, self.layers, strict=False)):
            kernel, bias = (n_in, layer.units), (layer.units,)
            found.append(Variable(kernel, layer.kernel_initializer, 2 * i, kernel, layer.kernel_regularizer))
            if layer.use_bias:
                is_alike = layer.bias_initializer.name == "as_kernel"
                initializer = layer.kernel_initializer if is_alike else layer.bias_initializer
                drawn_as = kernel if is_alike else bias
                found.append(Variable(bias, initializer, 2 * i + 1, drawn_as, layer.bias_regularizer))
        return tuple(found)

    @property
    def n_parameters(self) -> int:
        """Trained numbers: kernels and biases."""
        return sum(variable.size for variable in self.variables)

    @property
    def rows_per_epoch(self) -> int:
        """Rows of the data set: the table's, or the number of samples drawn from it."""
        return self.task.n_rows if self.samples is None else self.samples

    @property
    def is_full_batch(self) -> bool:
        """Whether one batch holds the whole data set; it is then taken in table order."""
        return self.batch_size == self.rows_per_epoch

    @property
    def has_order(self) -> bool:
        """Whether the seed decides an order of the rows: not of a batch that holds all, nor without shuffling."""
        return self.shuffle and not self.is_full_batch

    @property
    def steps_per_epoch(self) -> int:
        """Batches of an epoch, the partial last one included."""
        return -(-self.rows_per_epoch // self.batch_size)

    @cached_property
    def snapshots(self) -> npt.NDArray[np.int64]:
        """The epochs at which the loss is kept: `[snapshot]`, rising."""
        return snapshot_epochs(self.epochs, self.task.n_rows * self.n_outputs if self.task.is_small else 1)

    @property
    def evaluations(self) -> npt.NDArray[np.int64]:
        """The epochs after which the criterion is evaluated, rising: every one for a small table, else the snapshots.

        So `epochs_to_learn` is exact for a small table; for others it is the first snapshot from which the criterion
        holds at every later one.
        """
        return np.arange(self.epochs + 1) if self.task.is_small else self.snapshots

    @property
    def kept(self) -> npt.NDArray[np.int64]:
        """The snapshots whose predictions are kept: `[kept]`; all for a small table, else the last."""
        return self.snapshots if self.task.is_small else self.snapshots[-1:]

    def inputs(self) -> npt.NDArray[np.float32]:
        """The encoded table `[row, input]`: bipolar turns 0 into -1."""
        return self._encoded(self.task.inputs)

    def targets(self) -> npt.NDArray[np.float32]:
        """The targets `[row, output]`, as the head codes them."""
        return self.head.coded(self.task.targets)

    def test_inputs(self) -> npt.NDArray[np.float32]:
        """The encoded rows that are held out, `[test_row, input]`, of which there may be none."""
        held_out = self.task.held_out
        return self._encoded(self.task.inputs[:0] if held_out is None else held_out.inputs)

    def test_targets(self) -> npt.NDArray[np.float32]:
        """Their targets, `[test_row, output]`."""
        held_out = self.task.held_out
        return self.head.coded(self.task.targets[:0] if held_out is None else held_out.targets)

    def _encoded(self, inputs: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
        table = inputs.astype(np.float32)
        return table * np.float32(2) - np.float32(1) if self.encoding == "bipolar" else table

    def labels(self) -> dict[str, Value | None]:
        """Every hyperparameter as it stands in the tables; of unlike layers, those of each joined by `-`."""
        hidden = self.hidden or (replace(self.output, units=0, activation=Named("linear"), dropout=0.0),)
        every = self.layers
        return {
            "task": self.task.label,
            "encoding": self.encoding,
            "targets": self.coding,
            "samples": self.samples,
            "width": _joined([layer.units for layer in hidden]),
            "depth": self.depth,
            "output": self.output.activation.label(vocabulary.output_activations),
            "activation": _joined([layer.activation.label(vocabulary.activations) for layer in hidden]),
            "dropout": _joined([layer.dropout for layer in hidden]),
            "use_bias": _joined([layer.use_bias for layer in every]),
            "kernel_initializer": _joined([layer.kernel_initializer.label(vocabulary.initializers) for layer in every]),
            "bias_initializer": _joined(
                [layer.bias_initializer.label(vocabulary.bias_initializers) for layer in every]
            ),
            "kernel_regularizer": _joined([layer.kernel_regularizer.label(vocabulary.regularizers) for layer in every]),
            "bias_regularizer": _joined([layer.bias_regularizer.label(vocabulary.regularizers) for layer in every]),
            "optimizer": self.optimizer.label(vocabulary.optimizers),
            "learning_rate": self.rate_label,
            "batch_size": self.batch_size,
            "epochs": self.epochs,
            "shuffle": self.shuffle,
            "loss": self.loss.label(vocabulary.losses),
        }


def usual_output(layer: Layer, n_outputs: int) -> Layer:
    """The usual output layer behind layers like this one: a sigmoid."""
    return replace(layer, units=n_outputs, activation=Named("sigmoid"), dropout=0.0)


def n_outputs(coding: str, n_targets: int) -> int:
    """Outputs for so many targets a row: one each; two classes for a single one."""
    return 2 if coding == "one_hot" and n_targets == 1 else n_targets


def senseless(c: Configuration) -> SettingError | None:
    """What makes no sense of a configuration's output, loss and targets together; None where all does.

    The place is a hyperparameter that has no such value unless it is given.
    """
    output, loss, coding = c.output.activation.name, c.loss.name, c.coding
    has_classes = coding == "one_hot"
    if output == "softmax" and not has_classes:
        alone = " of one unit, which is 1 whatever it is given" if c.task.n_outputs == 1 else ", whose outputs sum to 1"
        return SettingError(("targets",), f"{coding} with a softmax{alone}", "allowed: one_hot, or output: sigmoid")
    if loss == "categorical_crossentropy" and output != "softmax":
        allowed = "allowed: softmax, or loss: binary_crossentropy"
        return SettingError(("output",), f"{output} under {loss}, which wants probabilities that sum to 1", allowed)
    if loss == "binary_crossentropy" and output == "softmax":
        found = f"{loss} of a softmax, whose sums Keras would take for those of sigmoids"
        return SettingError(("loss",), found, "allowed: categorical_crossentropy, or output: sigmoid")
    if loss == "binary_crossentropy" and coding == "bipolar":
        allowed = "allowed: binary, or another loss, hinge or mean_squared_error"
        return SettingError(("targets",), f"bipolar under {loss}, which knows 0 and 1", allowed)
    if loss.endswith("hinge") and has_classes:
        return SettingError(
            ("loss",), f"{loss} of classes", "allowed: with targets binary or bipolar, one output for each"
        )
    if c.samples is not None and not c.task.is_small:
        found = f"samples of a table of {c.task.n_rows:,} rows, {c.task.n_test_rows:,} held out"
        return SettingError(("samples",), found, "allowed: of a table of up to 256 rows, none held out")
    for layer in c.hidden:
        if layer.dropout > 0 and c.task.n_rows * -(-layer.units // 4) > max_masked:
            found = f"{layer.dropout} over {c.task.n_rows:,} rows of {layer.units:,} units"
            return SettingError(("dropout",), found, f"allowed: up to {4 * max_masked:,} rows times units")
    if coding == "bipolar" and lowest(c.output.activation) >= 0:
        found = f"bipolar with an output {output}, which is never below 0: no answer to -1 would be right"
        return SettingError(("targets",), found, "allowed: binary, or output: tanh or linear")
    if has_classes and c.task.n_outputs > 1 and not _has_a_class_each(c.task):
        found = f"{c.task.n_outputs} targets a row that are no classes, with one_hot"
        return SettingError(("task",), found, "allowed: one target, or one of them 1 in each row and the others 0")
    return None


def _has_a_class_each(task: Task) -> bool:
    """Whether one target of each row is 1, of the rows held out too."""
    is_one_hot = bool((task.targets.sum(axis=1) == 1).all())
    return is_one_hot and (task.held_out is None or _has_a_class_each(task.held_out))


def _fields(value: Configuration | Layer) -> Iterator[tuple[str, Any]]:
    return ((field.name, getattr(value, field.name)) for field in fields(value))


def _plain_layer(layer: Layer) -> dict[str, Any]:
    """A layer in plain values; a regularizer only where there is one."""
    return {name: _plain(value) for name, value in _fields(layer) if value != Named("none")}


def _plain(value: Any) -> Any:
    return [value.name, dict(value.arguments)] if isinstance(value, Named) else value


def _joined(values: Sequence[Value]) -> Value:
    return values[0] if len(set(values)) == 1 else "-".join(map(format_value, values))
