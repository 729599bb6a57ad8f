"""Keras's activations and optimizers for stacked networks."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from sweep.engines.fused.operations import ops
from sweep.vocabulary import Named


def activation_function(activation: Named) -> Callable[[Any], Any]:
    """Keras's activation with its arguments.

    Leaky ReLU has the slope of TensorFlow's at 0, the lower one, on every backend; JAX's own has the upper.
    """
    if activation.name == "leaky_relu":
        return lambda x: ops.where(x > 0, x, x * float(activation["negative_slope"]))
    function: Callable[..., Any] = getattr(keras.activations, activation.name)
    return functools.partial(function, **dict(activation.arguments)) if activation.arguments else function


def new_optimizer(optimizer: Named) -> Any:
    """Keras's optimizer, its learning rate set later. A weight decay of 0 is None to Keras, but AdamW insists on it.

    Its updates are elementwise over each variable, whatever is stacked in it, and none of the options that look at a
    whole variable (clipping) can be asked for: networks that share a variable do not meet.
    """
    arguments: dict[str, Any] = dict(optimizer.arguments)
    if arguments["weight_decay"] == 0.0 and optimizer.name != "adamw":
        arguments["weight_decay"] = None
    return keras.optimizers.get({"class_name": optimizer.name, "config": arguments})


def fresh_values(optimizer: Any, values: Sequence[Any]) -> list[float | None]:
    """What each variable of a fresh optimizer, of which `values` are arrays, is filled with.

    None for the learning rate, which is a value at run time.
    """
    filled: list[float | None] = []
    for variable, value in zip(optimizer.variables, values, strict=True):
        different = np.unique(value)
        if len(different) != 1:
            raise ValueError(f"{variable.path}: begins with several values")
        filled.append(None if variable.name == "learning_rate" else different[0].item())
    return filled
