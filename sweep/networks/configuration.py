"""A configuration: everything that decides a training except the seed, resolved so that equals are equal.

`resolve` turns settings as a user writes them into a `Configuration`: names become `Named`, defaults are filled in,
unused settings become neutral. The id is a digest of the outcome, the task's table included.
"""

import hashlib
import json
import math
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from sweep.networks import vocabulary
from sweep.networks.tasks import Task
from sweep.networks.vocabulary import Named, Value
from sweep.runs.errors import SettingError


@dataclass(frozen=True)
class Configuration:
    """A resolved configuration. `layers`: units of each hidden layer; `optimizer`: without its learning rate."""

    task: Task
    encoding: str
    samples: int | None
    layers: tuple[int, ...]
    activation: Named
    dropout: float
    use_bias: bool
    kernel_initializer: Named
    bias_initializer: Named
    optimizer: Named
    learning_rate: float
    batch_size: int
    epochs: int
    loss: str

    def __post_init__(self) -> None:
        if self.encoding == "bipolar" and not self.task.is_boolean:
            raise SettingError(("encoding",), "bipolar with a table of other values than 0 and 1", "allowed: binary")
        if self.samples is not None and self.dropout > 0:
            raise SettingError(("samples",), "samples together with dropout", "allowed: one of the two")

    @cached_property
    def id(self) -> str:
        """`c` and 12 hex digits of a SHA-256 over the canonical JSON of every field."""
        return "c" + hashlib.sha256(self.canonical_json().encode()).hexdigest()[:12]

    def canonical_json(self) -> str:
        """The configuration as JSON: keys sorted, no spaces, every argument spelled out, the task's table included."""
        plain: dict[str, Any] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, Named):
                value = [value.name, dict(value.arguments)]
            elif isinstance(value, Task):
                value = {"inputs": value.inputs, "targets": value.targets}
            plain[field.name] = value
        return json.dumps(plain, sort_keys=True, separators=(",", ":"), allow_nan=False)

    @property
    def depth(self) -> int:
        """Hidden layers."""
        return len(self.layers)

    @property
    def n_units(self) -> tuple[int, ...]:
        """Units of every layer, inputs first, outputs last."""
        return (self.task.n_inputs, *self.layers, self.task.n_outputs)

    @cached_property
    def variable_shapes(self) -> tuple[tuple[int, ...], ...]:
        """Shapes of the trained variables in Keras's order: kernel `[input, output]`, then bias, layer by layer."""
        shapes: list[tuple[int, ...]] = []
        for n_in, n_out in zip(self.n_units, self.n_units[1:], strict=False):
            shapes += [(n_in, n_out), (n_out,)] if self.use_bias else [(n_in, n_out)]
        return tuple(shapes)

    @cached_property
    def n_parameters(self) -> int:
        """Trained numbers: kernels and biases."""
        return sum(map(math.prod, self.variable_shapes))

    @property
    def rows_per_epoch(self) -> int:
        """Rows of the data set: the table's, or the number of samples drawn from it."""
        return self.task.n_rows if self.samples is None else self.samples

    @property
    def is_full_batch(self) -> bool:
        """Whether one batch holds the whole data set; it is then taken in table order."""
        return self.batch_size == self.rows_per_epoch

    @property
    def steps_per_epoch(self) -> int:
        """Batches of an epoch, the partial last one included."""
        return -(-self.rows_per_epoch // self.batch_size)

    def inputs(self) -> npt.NDArray[np.float32]:
        """The encoded table `[row, input]`: bipolar turns 0 into -1."""
        table = np.array(self.task.inputs, np.float32)
        return table * np.float32(2) - np.float32(1) if self.encoding == "bipolar" else table

    def targets(self) -> npt.NDArray[np.float32]:
        """The targets `[row, output]`, 0 or 1."""
        return np.array(self.task.targets, np.float32)

    def labels(self) -> dict[str, Value | None]:
        """Every hyperparameter as it stands in the tables."""
        if not self.layers:
            width: Value = 0
        else:
            width = self.layers[0] if len(set(self.layers)) == 1 else "-".join(map(str, self.layers))
        return {
            "task": self.task.label,
            "encoding": self.encoding,
            "samples": self.samples,
            "width": width,
            "depth": self.depth,
            "activation": self.activation.label(vocabulary.activations),
            "dropout": self.dropout,
            "use_bias": self.use_bias,
            "kernel_initializer": self.kernel_initializer.label(vocabulary.initializers),
            "bias_initializer": self.bias_initializer.label(vocabulary.initializers),
            "optimizer": self.optimizer.label(vocabulary.optimizers),
            "learning_rate": self.learning_rate,
            "batch_size": self.batch_size,
            "epochs": self.epochs,
            "loss": self.loss,
        }
