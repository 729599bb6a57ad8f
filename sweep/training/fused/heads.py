"""Outputs, losses and margins of stacked networks: predictions and targets `[output, row, .., model]`."""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from sweep.networks.layers import CUT, Head
from sweep.networks.vocabulary import Named
from sweep.training.fused.operations import absolute, ops
from sweep.training.fused.optimizers import activation_function


def output_function(activation: Named) -> Callable[[Any], Any]:
    """The output layer's activation; softmax is over the outputs, the first axis."""
    return _softmax if activation.name == "softmax" else activation_function(activation)


def _softmax(z: Any) -> Any:
    return ops.softmax(z, axis=0)


def loss_function(head: Head) -> Callable[[Any, Any], Any]:
    """Each entry's loss, of predictions and targets; of sums and targets where the head `takes_sums`.

    Keras's formulas, whose own functions average over an axis. A maximum is `where`: its slope where both are equal is
    that of TensorFlow on every backend.
    """
    if head.takes_sums:
        return _categorical_from_sums if head.activation.name == "softmax" else _binary_from_sums
    if head.loss.name == "huber":
        return functools.partial(_huber, delta=float(head.loss["delta"]))
    if head.loss.name.endswith("hinge"):
        power = ops.square if head.loss.name == "squared_hinge" else _same
        return lambda p, y: power(_slack(p, y if head.coding == "bipolar" else 2 * y - 1))
    return {
        "binary_crossentropy": _binary,
        "mean_squared_error": lambda p, y: ops.square(p - y),
        "mean_absolute_error": lambda p, y: absolute(p - y),
    }[head.loss.name]


def _same(x: Any) -> Any:
    return x


def _binary_from_sums(z: Any, y: Any) -> Any:
    return ops.softplus(z) - y * z


def _categorical_from_sums(z: Any, y: Any) -> Any:
    return y * (ops.logsumexp(z, axis=0, keepdims=True) - z)


def _binary(p: Any, y: Any) -> Any:
    """Of predictions cut to lie within; where one is cut, nothing is passed back."""
    low, high = CUT
    p = ops.where(p < low, low, ops.where(p > high, high, p))
    return -(y * ops.log(p) + (1 - y) * ops.log(1 - p))


def _huber(p: Any, y: Any, delta: float) -> Any:
    size = ops.abs(p - y)
    return ops.where(size <= delta, 0.5 * ops.square(p - y), delta * size - 0.5 * delta**2)


def _slack(p: Any, side: Any) -> Any:
    slack = 1 - side * p
    return ops.where(slack < 0, 0.0, slack)


def signed_margins(head: Head, predictions: Any, targets: Any) -> Any:
    """The signed margin of each entry, see `Head.sides`; not cut, which changes nothing above any threshold."""
    if head.coding == "binary":
        return (2 * targets - 1) * (2 * predictions - 1)
    if head.coding == "bipolar":
        return targets * predictions
    is_true = targets > 0
    true = ops.sum(ops.where(is_true, predictions, 0.0), axis=0, keepdims=True)
    return true - ops.max(ops.where(is_true, -np.inf, predictions), axis=0, keepdims=True)


def compared(metric: str, head: Head, predictions: Any, targets: Any) -> Any:
    """What a criterion compares, `[model]`: the margin, the largest error, or of the accuracy the right answers."""
    if metric == "margin":
        return ops.min(ops.clip(signed_margins(head, predictions, targets), -1.0, 1.0), axis=(0, 1))
    if metric == "max_error":
        return ops.max(ops.abs(predictions - targets), axis=(0, 1))
    if head.has_classes:
        right = ops.argmax(predictions, axis=0) == ops.argmax(targets, axis=0)
        return ops.sum(ops.cast(right, "float32"), axis=0)
    right = (predictions > head.border) == (targets > head.border)
    return ops.sum(ops.cast(right, "float32"), axis=(0, 1))
