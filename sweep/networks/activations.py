"""Keras's activations in float64: for pictures and judgements, never for training."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from sweep.networks.vocabulary import Named

Doubles = npt.NDArray[np.float64]

# Keras's constants of selu: keras/src/backend/tensorflow/nn.py by way of tf.nn.selu
SELU_SCALE = 1.0507009873554805
SELU_ALPHA = 1.6732632423543772


def sigmoid(z: Doubles) -> Doubles:
    """`1 / (1 + exp(-z))` without overflow."""
    return np.exp(-np.logaddexp(0.0, -z))


def activate(activation: Named, z: Doubles) -> Doubles:
    """Keras's activation of this name, elementwise; softmax along the last axis. Source: `keras.activations`.

    >>> activate(Named("relu"), np.array([-1.0, 2.0])).tolist()
    [0.0, 2.0]
    """
    return functions[activation.name](z, **dict(activation.arguments))


def lowest(activation: Named) -> float:
    """The lowest output of an activation, to about 1e-6; minus infinity where it has none.

    >>> lowest(Named("relu")), lowest(Named("tanh")), lowest(Named("linear"))
    (0.0, -1.0, -inf)
    """
    if activation.name == "elu":
        return -float(activation["alpha"])
    if activation.name == "selu":
        return -SELU_SCALE * SELU_ALPHA
    return _lowest.get(activation.name, -np.inf)


_lowest = {
    **dict.fromkeys(("relu", "relu6", "sigmoid", "hard_sigmoid", "softplus", "softmax"), 0.0),
    **dict.fromkeys(("tanh", "softsign"), -1.0),
    "silu": -0.278465,
    "gelu": -0.169971,
}


def _elu(z: Doubles, alpha: float) -> Doubles:
    return np.where(z > 0, z, alpha * np.expm1(np.minimum(z, 0.0)))


def _gelu(z: Doubles, approximate: bool) -> Doubles:
    if approximate:
        return 0.5 * z * (1 + np.tanh(np.sqrt(2 / np.pi) * (z + 0.044715 * z**3)))
    from scipy.special import erf

    return 0.5 * z * (1 + erf(z / np.sqrt(2)))


functions: dict[str, Callable[..., Doubles]] = {
    "linear": lambda z: z,
    "relu": lambda z: np.where(z < 0, 0.0, z),
    "relu6": lambda z: np.clip(z, 0.0, 6.0),
    "hard_sigmoid": lambda z: np.clip(z + 3, 0.0, 6.0) / 6,
    "leaky_relu": lambda z, negative_slope: np.where(z > 0, z, z * negative_slope),
    "elu": _elu,
    "selu": lambda z: SELU_SCALE * _elu(z, SELU_ALPHA),
    "tanh": np.tanh,
    "sigmoid": sigmoid,
    "softplus": lambda z: np.logaddexp(0.0, z),
    "softsign": lambda z: z / (1 + np.abs(z)),
    "silu": lambda z: z * sigmoid(z),
    "gelu": _gelu,
    "softmax": lambda z: np.exp(z - np.logaddexp.reduce(z, axis=-1, keepdims=True)),
}
