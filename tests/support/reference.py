"""A training in float64 by plain NumPy, written from the formulas: what every engine is held against.

One network at a time, one step at a time, slowly. Shares with the engines the random streams and the initial weights
(which have tests of their own), and nothing else.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import erf, expit

from sweep.networks import vocabulary
from sweep.networks.configuration import Configuration
from sweep.networks.measurements import NetworkCohort
from sweep.networks.randomness import Stream, keep_threshold, mask_bits, row_order, sample_counts, urn_batches
from sweep.networks.vocabulary import Named
from sweep.training.initial import initial_weights

Doubles = npt.NDArray[np.float64]
Pair = tuple[Doubles, Doubles]

SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772


def _gelu(z: Doubles, approximate: bool) -> Pair:
    if approximate:
        inner, slope = np.sqrt(2 / np.pi) * (z + 0.044715 * z**3), np.sqrt(2 / np.pi) * (1 + 3 * 0.044715 * z**2)
        t = np.tanh(inner)
        return z * (1 + t) / 2, (1 + t) / 2 + z * (1 - t**2) * slope / 2
    share = (1 + erf(z / np.sqrt(2))) / 2
    return z * share, share + z * np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)


def activate(activation: Named, z: Doubles) -> Pair:
    """The activation's value and slope at `z`."""
    a = {k: float(v) for k, v in activation.arguments}
    falling = np.exp(np.minimum(z, 0))
    formulas: dict[str, Callable[[], Pair]] = {
        "linear": lambda: (z, np.ones_like(z)),
        "relu": lambda: (np.maximum(z, 0), (z > 0).astype(np.float64)),
        "leaky_relu": lambda: (np.where(z > 0, z, a["negative_slope"] * z), np.where(z > 0, 1.0, a["negative_slope"])),
        "elu": lambda: (np.where(z > 0, z, a["alpha"] * (falling - 1)), np.where(z > 0, 1.0, a["alpha"] * falling)),
        "selu": lambda: (
            SELU_SCALE * np.where(z > 0, z, SELU_ALPHA * (falling - 1)),
            SELU_SCALE * np.where(z > 0, 1.0, SELU_ALPHA * falling),
        ),
        "tanh": lambda: (np.tanh(z), 1 - np.tanh(z) ** 2),
        "sigmoid": lambda: (expit(z), expit(z) * expit(-z)),
        "softplus": lambda: (np.logaddexp(0, z), expit(z)),
        "softsign": lambda: (z / (1 + np.abs(z)), (1 + np.abs(z)) ** -2.0),
        "silu": lambda: (z * expit(z), expit(z) * (1 + z * expit(-z))),
        "relu6": lambda: (np.clip(z, 0, 6), ((z > 0) & (z < 6)).astype(np.float64)),
        "hard_sigmoid": lambda: (np.clip(z + 3, 0, 6) / 6, (np.abs(z) < 3) / 6),
        "gelu": lambda: _gelu(z, bool(a["approximate"])),
    }
    return formulas[activation.name]()


def rate_at(rate: float | Named, step: int) -> float:
    """The learning rate of a step, from 0, by the formulas of `keras.optimizers.schedules`."""
    if not isinstance(rate, Named):
        return rate
    a: dict[str, Any] = dict(rate.arguments)
    if rate.name == "piecewise_constant_decay":
        return a["values"][int(np.searchsorted(a["boundaries"], step))]
    initial, length = a["initial_learning_rate"], a["decay_steps"]
    if rate.name == "cosine_decay":
        target, warmup = (a["warmup_target"], a["warmup_steps"]) if a["warmup_target"] is not None else (initial, 0)
        if step < warmup:
            return float(np.interp(step, [0, warmup], [initial, target]))
        wave = (1 + np.cos(np.pi * min(step - warmup, length) / length)) / 2
        return target * (a["alpha"] + (1 - a["alpha"]) * wave)
    if rate.name == "polynomial_decay":
        length *= max(-(-step // length), 1) if a["cycle"] else 1
        left = 1 - min(step, length) / length
        return a["end_learning_rate"] + (initial - a["end_learning_rate"]) * left ** a["power"]
    done = step // length if a["staircase"] else step / length
    return (
        initial * a["decay_rate"] ** done
        if rate.name == "exponential_decay"
        else initial / (1 + a["decay_rate"] * done)
    )


@dataclass
class Optimizer:
    """The update formulas of Keras's optimizers on one vector of all weights."""

    named: Named
    rates: float | Named
    rate: float = 0.0
    n_steps: int = 0
    product: float = 1.0
    slots: dict[str, Doubles] = field(default_factory=dict)

    def _slot(self, name: str, like: Doubles, value: float = 0.0) -> Doubles:
        return self.slots.setdefault(name, np.full_like(like, value))

    def step(self, w: Doubles, g: Doubles) -> Doubles:
        """The weights after one step with gradient `g`."""
        arguments = {k: float(v) for k, v in self.named.arguments if not isinstance(v, str)}
        self.rate = rate_at(self.rates, self.n_steps)
        self.n_steps += 1
        w = w - w * arguments["weight_decay"] * self.rate
        return w - getattr(self, "_" + self.named.name)(w, g, **arguments)

    def _sgd(self, w: Doubles, g: Doubles, *, momentum: float, nesterov: float, **_: float) -> Doubles:
        m = self._slot("m", w)
        m[:] = momentum * m - self.rate * g
        return -(momentum * m - self.rate * g if nesterov and momentum else m)

    def _rmsprop(
        self, w: Doubles, g: Doubles, *, rho: float, momentum: float, epsilon: float, centered: float, **_: float
    ) -> Doubles:
        v, mean, m = (self._slot(name, w) for name in ("v", "mean", "m"))
        v[:] = rho * v + (1 - rho) * g**2
        mean[:] = rho * mean + (1 - rho) * g
        increment = self.rate * g / np.sqrt((v - mean**2 if centered else v) + epsilon)
        m[:] = momentum * m + increment
        return m.copy()

    def _adagrad(
        self, w: Doubles, g: Doubles, *, initial_accumulator_value: float, epsilon: float, **_: float
    ) -> Doubles:
        v = self._slot("v", w, initial_accumulator_value)
        v += g**2
        return self.rate * g / np.sqrt(v + epsilon)

    def _moments(self, w: Doubles, g: Doubles, beta_1: float, beta_2: float) -> Pair:
        m, v = self._slot("m", w), self._slot("v", w)
        m += (1 - beta_1) * (g - m)
        v += (1 - beta_2) * (g**2 - v)
        return m, v

    def _adam(
        self, w: Doubles, g: Doubles, *, beta_1: float, beta_2: float, epsilon: float, amsgrad: float, **_: float
    ) -> Doubles:
        m, v = self._moments(w, g, beta_1, beta_2)
        if amsgrad:
            largest = self._slot("largest", w)
            v = np.maximum(largest, v, out=largest)
        alpha = self.rate * np.sqrt(1 - beta_2**self.n_steps) / (1 - beta_1**self.n_steps)
        return alpha * m / (np.sqrt(v) + epsilon)

    _adamw = _adam

    def _adamax(self, w: Doubles, g: Doubles, *, beta_1: float, beta_2: float, epsilon: float, **_: float) -> Doubles:
        m, largest = self._slot("m", w), self._slot("largest", w)
        m += (1 - beta_1) * (g - m)
        largest[:] = np.maximum(beta_2 * largest, np.abs(g))
        return self.rate * m / ((1 - beta_1**self.n_steps) * (largest + epsilon))

    def _nadam(self, w: Doubles, g: Doubles, *, beta_1: float, beta_2: float, epsilon: float, **_: float) -> Doubles:
        now, after = (beta_1 * (1 - 0.5 * 0.96 ** (self.n_steps + i)) for i in (0, 1))
        self.product *= now
        m, v = self._moments(w, g, beta_1, beta_2)
        ahead = after * m / (1 - self.product * after) + (1 - now) * g / (1 - self.product)
        return self.rate * ahead / (np.sqrt(v / (1 - beta_2**self.n_steps)) + epsilon)

    def _lion(self, w: Doubles, g: Doubles, *, beta_1: float, beta_2: float, **_: float) -> Doubles:
        m = self._slot("m", w)
        change = self.rate * np.sign(beta_1 * m + (1 - beta_1) * g)
        m[:] = beta_2 * m + (1 - beta_2) * g
        return change


def _split(c: Configuration, w: Doubles) -> list[Pair]:
    """Kernel and bias of each layer, as views of the vector of all weights."""
    variables, start = [], 0
    for v in c.variables:
        variables.append(w[start : start + v.size].reshape(v.shape))
        start += v.size
    left = iter(variables)
    return [(next(left), next(left) if layer.use_bias else np.zeros(layer.units)) for layer in c.layers]


@dataclass(frozen=True)
class Batch:
    """The rows of a step.

    `kept` `[position, unit]` for each hidden layer with dropout; `counts` `[position]` where rows stand in
    the batch several times or not at all.
    """

    x: Doubles
    y: Doubles
    kept: Sequence[npt.NDArray[np.bool_]] = ()
    counts: npt.NDArray[np.int64] | None = None


def smoothed(c: Configuration, y: Doubles) -> Doubles:
    """Targets as a cross-entropy with label smoothing takes them."""
    s = float(dict(c.loss.arguments).get("label_smoothing", 0.0))
    return (1 - s) * y + s / (2 if c.loss.name == "binary_crossentropy" else y.shape[1])


def by_prediction(c: Configuration, p: Doubles, y: Doubles) -> Doubles:
    """The slope of each entry's loss at the prediction `p`."""
    e, sign = p - y, y if c.coding == "bipolar" else 2 * y - 1
    delta = float(dict(c.loss.arguments).get("delta", 1.0))
    slack = np.maximum(1 - sign * p, 0)
    clipped = np.clip(p, 1e-7, 1 - 1e-7)
    slopes: dict[str, Callable[[], Doubles]] = {
        "mean_squared_error": lambda: 2 * e,
        "mean_absolute_error": lambda: np.sign(e),
        "huber": lambda: np.clip(e, -delta, delta),
        "hinge": lambda: -sign * (slack > 0),
        "squared_hinge": lambda: -2 * sign * slack,
        "binary_crossentropy": lambda: (p == clipped) * ((1 - y) / (1 - clipped) - y / clipped),
    }
    return slopes[c.loss.name]()


def by_sum(c: Configuration, z: Doubles, y: Doubles) -> Doubles:
    """The slope of each row's loss at the output layer's sums `z`."""
    name = c.output.activation.name
    if name == "softmax":
        p = np.exp(z - z.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        if c.loss.name == "categorical_crossentropy":
            return p - y
        d = by_prediction(c, p, y)
        return p * (d - (p * d).sum(axis=1, keepdims=True)) / y.shape[1]
    p, slope = activate(c.output.activation, z)
    usual = name == "sigmoid" and c.loss.name == "binary_crossentropy"
    return (p - y if usual else by_prediction(c, p, y) * slope) / y.shape[1]


def gradient(c: Configuration, w: Doubles, batch: Batch) -> Doubles:
    """The gradient of the batch's mean loss, and of what regularizers add."""
    x, y, kept, counts = batch.x, smoothed(c, batch.y), batch.kept, batch.counts
    layers = _split(c, w)
    signals, slopes = [x], []
    masks = iter(kept)
    for layer, (kernel, bias) in zip(c.hidden, layers, strict=False):
        value, slope = activate(layer.activation, signals[-1] @ kernel + bias)
        factor = next(masks) / (1 - layer.dropout) if layer.dropout else 1.0
        signals.append(value * factor)
        slopes.append(slope * factor)
    delta = by_sum(c, signals[-1] @ layers[-1][0] + layers[-1][1], y) / len(y)
    if counts is not None:
        delta *= (counts / counts.mean())[:, None]
    parts: list[Doubles] = []
    for i in range(len(layers) - 1, -1, -1):
        parts = [np.ravel(signals[i].T @ delta), *([delta.sum(axis=0)] if c.layers[i].use_bias else []), *parts]
        if i:
            delta = (delta @ layers[i][0].T) * slopes[i - 1]
    return np.concatenate(parts) + penalty_slope(c, w)


def penalty_slope(c: Configuration, w: Doubles) -> Doubles:
    """The gradient of what regularizers add: l1 |w| + l2 w^2 over each variable that has one."""
    factors = np.repeat([vocabulary.factors(v.regularizer) for v in c.variables], [v.size for v in c.variables], axis=0)
    return factors[:, 0] * np.sign(w) + 2 * factors[:, 1] * w


def batches(cohort: NetworkCohort, model: int, epoch: int) -> Iterator[Batch]:
    """One model's batches of an epoch, from 0."""
    c = cohort.configuration
    n = c.task.n_rows
    x, y = c.inputs().astype(np.float64), c.targets().astype(np.float64)
    if c.samples is not None:
        drawn = sample_counts(cohort.stream_seeds(Stream.SAMPLE), c.samples, n)
        for counts in urn_batches(cohort.stream_seeds(Stream.ORDER), epoch, drawn, c.batch_size)[model]:
            yield Batch(x, y, counts=counts)
        return
    order = row_order(cohort.stream_seeds(Stream.ORDER), epoch, n)[model]
    order = order if c.has_order else np.arange(n)
    seeds = cohort.stream_seeds(Stream.DROPOUT)
    kept = [
        mask_bits(seeds, epoch, i, (n, layer.units))[model] >= keep_threshold(layer.dropout)
        for i, layer in enumerate(c.hidden)
        if layer.dropout
    ]
    for start in range(0, n, c.batch_size):
        part = slice(start, start + c.batch_size)
        yield Batch(x[order[part]], y[order[part]], [k[part] for k in kept])


def trajectory(cohort: NetworkCohort, model: int, disturbance: float = 0.0) -> Doubles:
    """One model's weights before training and after every step: `[step, parameter]`.

    With a `disturbance`, what float32 might make of it: weights rounded to float32 after each step, and noise of that
    share of its largest entry on every gradient.
    """
    c = cohort.configuration
    noise = np.random.default_rng(model)
    w = initial_weights(cohort)[model].astype(np.float64)
    optimizer = Optimizer(c.optimizer, c.learning_rate)
    path = [w]
    for epoch in range(c.epochs):
        for batch in batches(cohort, model, epoch):
            g = gradient(c, w, batch)
            if disturbance:
                g = g + disturbance * np.abs(g).max() * noise.uniform(-1, 1, g.shape) * (g != 0)
            w = optimizer.step(w, g)
            if disturbance:
                w = w.astype(np.float32).astype(np.float64)
            path.append(w)
    return np.array(path)
