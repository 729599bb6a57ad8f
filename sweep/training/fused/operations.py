"""Keras's operations on the backend's tensors, without types: what Keras declares of them is incomplete."""

from typing import Any

import keras

ops: Any = keras.ops


def computed_once(x: Any, one: Any) -> Any:
    """`x`, divided by a 1 that is a value at run time: the same bits, and so in the gradient.

    XLA on a CPU fuses what is cheap into each of its readers, and there computes it again: a layer's sums for every
    unit of the next layer. A division is too dear for that.
    """
    return x / one


def absolute(x: Any) -> Any:
    """The absolute value, its slope at 0 that of TensorFlow on every backend: 0."""
    return ops.where(x > 0, x, ops.where(x < 0, -x, 0.0 * x))
