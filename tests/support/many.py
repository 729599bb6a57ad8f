"""Many networks trained side by side in float64 by plain NumPy: another way to a success rate than any engine's.

Shares nothing with the engines but the configuration: initial weights, row orders and samples are drawn by NumPy's own
generator. Notation: weights `[model, input, output]`, signals `[model, row, unit]`.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from sweep.networks.configuration import Configuration
from sweep.networks.vocabulary import Named, factors

Doubles = npt.NDArray[np.float64]
Draw = Callable[[tuple[int, ...]], Doubles]


def drawn(named: Named, fan_in: int, fan_out: int, rng: np.random.Generator) -> Draw:
    """Initial values of a shape."""
    a: dict[str, Any] = dict(named.arguments)
    ends = {"glorot_uniform": np.sqrt(6 / (fan_in + fan_out)), "he_uniform": np.sqrt(6 / fan_in)}
    if named.name == "variance_scaling":
        assert (a["mode"], a["distribution"]) == ("fan_in", "uniform")
        ends["variance_scaling"] = np.sqrt(3 * a["scale"] / fan_in)
    if named.name in ends:
        end = float(ends[named.name])
        return lambda shape: rng.uniform(-end, end, shape)
    kinds: dict[str, Draw] = {
        "zeros": np.zeros,
        "constant": lambda shape: np.full(shape, a["value"]),
        "random_uniform": lambda shape: rng.uniform(a["minval"], a["maxval"], shape),
        "random_normal": lambda shape: rng.normal(a["mean"], a["stddev"], shape),
    }
    return kinds[named.name]


def started(c: Configuration, n: int, rng: np.random.Generator) -> list[Doubles]:
    """Kernel and bias of each layer in turn, for `n` models; a layer without a bias has one that stays 0."""
    weights: list[Doubles] = []
    for n_in, layer in zip(c.n_units, c.layers, strict=False):
        kernel = drawn(layer.kernel_initializer, n_in, layer.units, rng)
        weights.append(kernel((n, n_in, layer.units)))
        is_alike = layer.bias_initializer.name == "as_kernel"
        bias = kernel if is_alike else drawn(layer.bias_initializer, layer.units, layer.units, rng)
        weights.append(bias((n, 1, layer.units)) if layer.use_bias else np.zeros((n, 1, layer.units)))
    return weights


def answer(activation: Named, z: Doubles) -> tuple[Doubles, Doubles]:
    """An activation and its slope."""
    if activation.name == "sigmoid":
        p = 0.5 + 0.5 * np.tanh(z / 2)
        return p, p * (1 - p)
    if activation.name == "tanh":
        p = np.tanh(z)
        return p, 1 - p * p
    if activation.name == "softmax":
        e = np.exp(z - z.max(axis=2, keepdims=True))
        return e / e.sum(axis=2, keepdims=True), np.ones_like(z)
    below = {"linear": 1.0, "relu": 0.0}.get(activation.name)
    if below is None:
        assert activation.name == "leaky_relu"
        below = activation["negative_slope"]
    slope = np.where(z > 0, 1.0, below)
    return z * slope, slope


def pull(c: Configuration, z: Doubles, p: Doubles, slope: Doubles, y: Doubles) -> Doubles:
    """The slope of a batch's mean loss at the output layer's sums."""
    pair = (c.output.activation.name, c.loss.name)
    if pair in (("sigmoid", "binary_crossentropy"), ("softmax", "categorical_crossentropy")):
        at_sums = p - y
    elif c.loss.name == "mean_squared_error":
        at_sums = 2 * (p - y) * slope
    else:
        assert c.loss.name == "binary_crossentropy"
        inside = (p > 1e-7) & (p < 1 - 1e-7)
        q = np.where(inside, p, 0.5)
        at_sums = np.where(inside, (q - y) / (q * (1 - q)), 0.0) * slope
    return at_sums / (z.shape[1] * (1 if pair[0] == "softmax" else z.shape[2]))


def gradients(c: Configuration, weights: list[Doubles], x: Doubles, y: Doubles) -> list[Doubles]:
    """The gradient of each variable of `weights`; zeros for a bias that is none."""
    signals, slopes, z = [x], list[Doubles](), x
    for layer, kernel, bias in zip(c.layers, weights[::2], weights[1::2], strict=True):
        z = signals[-1] @ kernel + bias
        value, slope = answer(layer.activation, z)
        signals.append(value)
        slopes.append(slope)
    error = pull(c, z, signals[-1], slopes[-1], y)
    found: list[Doubles] = []
    for i in range(len(c.layers) - 1, -1, -1):
        layer, kernel = c.layers[i], weights[2 * i]
        bias = error.sum(axis=1, keepdims=True) if layer.use_bias else np.zeros_like(weights[2 * i + 1])
        found = [signals[i].transpose(0, 2, 1) @ error, bias, *found]
        if i:
            error = (error @ kernel.transpose(0, 2, 1)) * slopes[i - 1]
    named = [r for layer in c.layers for r in (layer.kernel_regularizer, layer.bias_regularizer)]
    for gradient, weight, (l1, l2) in zip(found, weights, map(factors, named), strict=True):
        if l1 or l2:
            gradient += l1 * np.sign(weight) + 2 * l2 * weight
    return found


def stepper(optimizer: Named, rate: float) -> Callable[[int, int, Doubles, Doubles], None]:
    """The update of a variable in place: its number, the step from 1, weight and gradient."""
    a: dict[str, Any] = dict(optimizer.arguments)
    assert not a["weight_decay"]
    kept: dict[tuple[str, int], Doubles] = {}

    def state(name: str, i: int, like: Doubles) -> Doubles:
        return kept.setdefault((name, i), np.zeros_like(like))

    def sgd(i: int, step: int, w: Doubles, g: Doubles) -> None:
        if a["momentum"]:
            velocity = state("velocity", i, w)
            velocity *= a["momentum"]
            velocity -= rate * g
            w += velocity
        else:
            w -= rate * g

    def adam(i: int, step: int, w: Doubles, g: Doubles) -> None:
        m, v = state("m", i, w), state("v", i, w)
        m *= a["beta_1"]
        m += (1 - a["beta_1"]) * g
        v *= a["beta_2"]
        v += (1 - a["beta_2"]) * g * g
        corrected = rate * np.sqrt(1 - a["beta_2"] ** step) / (1 - a["beta_1"] ** step)
        w -= corrected * m / (np.sqrt(v) + a["epsilon"])

    assert not (a.get("nesterov") or a.get("amsgrad"))
    return {"sgd": sgd, "adam": adam}[optimizer.name]


def batches(c: Configuration, n: int, rng: np.random.Generator) -> Iterator[npt.NDArray[np.int64]]:
    """The rows of every batch of a training, `[model, position]`."""
    own = np.tile(np.arange(c.task.n_rows), (n, 1))
    if c.samples is not None:
        own = rng.integers(c.task.n_rows, size=(n, c.samples))
    for _ in range(c.epochs):
        ordered = own if c.is_full_batch or not c.shuffle else rng.permuted(own, axis=1)
        for first in range(0, own.shape[1], c.batch_size):
            yield ordered[:, first : first + c.batch_size]


def predictions(c: Configuration, n: int, seed: int, *, inputs: Doubles | None = None) -> Doubles:
    """What `n` networks answer after training, `[model, row, output]`, to the table, or to other `inputs`."""
    rng = np.random.default_rng(seed)
    assert not c.has_dropout and isinstance(c.learning_rate, float)
    x, y = c.inputs().astype(np.float64), c.targets().astype(np.float64)
    weights, update = started(c, n, rng), stepper(c.optimizer, c.learning_rate)
    with np.errstate(over="ignore", invalid="ignore"):
        for step, rows in enumerate(batches(c, n, rng), 1):
            for i, gradient in enumerate(gradients(c, weights, x[rows], y[rows])):
                update(i, step, weights[i], gradient)
        asked = x if inputs is None else inputs
        signal = np.broadcast_to(asked, (n, *asked.shape))
        for layer, kernel, bias in zip(c.layers, weights[::2], weights[1::2], strict=True):
            signal, _ = answer(layer.activation, signal @ kernel + bias)
    return signal


def n_learned(c: Configuration, n: int, seed: int) -> int:
    """How many of `n` networks have every row right."""
    p, y = predictions(c, n, seed), c.targets().astype(np.float64)
    if c.coding == "one_hot":
        true = np.where(y > 0, p, -np.inf).max(axis=2)
        right = true > np.where(y > 0, -np.inf, p).max(axis=2)
    else:
        middle = 0.0 if c.coding == "bipolar" else 0.5
        right = np.where(y > middle, p > middle, p < middle).all(axis=2)
    is_finite = np.isfinite(p).reshape(n, -1)
    return int(np.concatenate([right.reshape(n, -1), is_finite], axis=-1).all(axis=-1).sum())
