"""Keras's activations and optimizers for stacked networks."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from sweep.networks.vocabulary import Named
from sweep.training.fused.operations import ops
from sweep.training.keras.optimizers import optimizer_arguments


def activation_function(activation: Named) -> Callable[[Any], Any]:
    """Keras's activation with its arguments.

    Where a slope jumps it is TensorFlow's on every backend: the lower one of leaky ReLU at 0, none of ReLU6 at 0 and 6.
    """
    if activation.name == "relu6":
        return _relu6
    if activation.name == "hard_sigmoid":
        return lambda x: _relu6(x + 3.0) / 6.0
    if activation.name == "leaky_relu":
        return lambda x: ops.where(x > 0, x, x * float(activation["negative_slope"]))
    function: Callable[..., Any] = getattr(keras.activations, activation.name)
    return functools.partial(function, **dict(activation.arguments)) if activation.arguments else function


def _relu6(x: Any) -> Any:
    return ops.where(x >= 6, 6.0, ops.relu(x))


class StatelessOptimizer:
    """Keras's optimizer of variables of some shapes, as a function of arrays that a loop can carry.

    Without a schedule the learning rate is a value at run time. Its updates are elementwise, and none of the options
    that look at a whole variable (clipping) can be asked for: networks that share a variable do not meet.
    """

    def __init__(self, optimizer: Named, schedule: Named | None, shapes: Sequence[tuple[int, ...]]) -> None:
        kind = _of_no_backend(type(keras.optimizers.get(optimizer.name)))
        self._optimizer = kind(**optimizer_arguments(optimizer, schedule or 0.0))
        with keras.device("cpu"):  # Keras wants variables of these shapes; no step reads their values
            self._optimizer.build([keras.Variable(np.zeros(shape, np.float32)) for shape in shapes])
        self._fresh = [_fresh_value(v) for v in self._optimizer.variables]

    def begin(self, learning_rate: Any) -> list[Any]:
        """The state before the first step."""
        return [
            ops.cast(learning_rate, v.dtype) if value is None else ops.full(v.shape, value, dtype=v.dtype)
            for v, value in zip(self._optimizer.variables, self._fresh, strict=True)
        ]

    def step(self, weights: Sequence[Any], state: Sequence[Any], gradients: Sequence[Any]) -> tuple[Any, ...]:
        """Weights and state after a step along the gradients."""
        return self._optimizer.stateless_apply(list(state), list(gradients), list(weights))


def _of_no_backend(kind: type[Any]) -> Any:
    """An optimizer's class with Keras's common methods in place of its backend's, and its own in place of these.

    TensorFlow's are for `tf.distribute`, and have no stateless step.
    """
    optimizer: Any = keras.optimizers.Optimizer
    _, of_backend, *bases = optimizer.__mro__
    common: Any = next(base for base in bases if base.__name__ == "BaseOptimizer")
    names = [name for name in vars(of_backend) if not name.startswith("__") and hasattr(common, name)]
    between = type(optimizer.__name__, (optimizer,), {name: getattr(common, name) for name in names})
    return type(kind.__name__, (kind, between), {})


def _fresh_value(variable: Any) -> float | None:
    """What a variable of a fresh optimizer is filled with; None for the learning rate, a value at run time."""
    value = np.asarray(variable.value)
    if value.min() != value.max():
        raise ValueError(f"{variable.path}: begins with several values")
    return None if variable.name == "learning_rate" else value.min().item()
