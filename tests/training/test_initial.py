"""Initial weights: Keras's distributions, exact bits, and what they mean for ReLU networks before any training."""

import hashlib
import importlib
import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats

from sweep.networks import vocabulary
from sweep.networks.measurements import NetworkCohort
from sweep.networks.randomness import Stream, words
from sweep.networks.settings import resolve
from sweep.networks.vocabulary import Named, named
from sweep.runs.cohort import Cohort
from sweep.training.initial import draw, initial_weights, normal_quantile

Doubles = npt.NDArray[np.float64]

shape = (250, 400)


def uniform(bound: float) -> Any:
    return stats.uniform(-bound, 2 * bound)


def truncated(stddev: float, mean: float = 0.0) -> Any:
    """Cut at two standard deviations, as Keras does; `stddev` is that before the cut."""
    return stats.truncnorm(-2, 2, mean, stddev)


def cut(variance: float) -> Any:
    """A truncated normal whose variance is this after the cut."""
    return truncated(math.sqrt(variance) / float(stats.truncnorm(-2, 2).std()))


distributions: dict[str, tuple[Named, Any]] = {
    label: (named(name, arguments, vocabulary.initializers), distribution)
    for label, name, arguments, distribution in (
        ("random_normal", "random_normal", {"mean": 0.5, "stddev": 2.0}, stats.norm(0.5, 2.0)),
        ("random_uniform", "random_uniform", {"minval": -0.2, "maxval": 1.0}, stats.uniform(-0.2, 1.2)),
        ("truncated_normal", "truncated_normal", {"mean": -1.0, "stddev": 0.3}, truncated(0.3, -1.0)),
        ("glorot_uniform", "glorot_uniform", {}, uniform(math.sqrt(6 / 650))),
        ("glorot_normal", "glorot_normal", {}, cut(2 / 650)),
        ("he_uniform", "he_uniform", {}, uniform(math.sqrt(6 / 250))),
        ("he_normal", "he_normal", {}, cut(2 / 250)),
        ("lecun_uniform", "lecun_uniform", {}, uniform(math.sqrt(3 / 250))),
        ("lecun_normal", "lecun_normal", {}, cut(1 / 250)),
        ("variance_scaling", "variance_scaling", {"scale": 2.0, "mode": "fan_out"}, cut(2 / 400)),
        (
            "variance_scaling, untruncated",
            "variance_scaling",
            {"scale": 0.5, "mode": "fan_avg", "distribution": "untruncated_normal"},
            stats.norm(0, math.sqrt(0.5 / 325)),
        ),
        (
            "variance_scaling, uniform",
            "variance_scaling",
            {"mode": "fan_in", "distribution": "uniform"},
            uniform(math.sqrt(3 / 250)),
        ),
    )
}


def drawn(initializer: Named, of_shape: tuple[int, ...] = shape) -> Doubles:
    return draw(initializer, of_shape, words(np.array([5], np.uint32), Stream.WEIGHTS, math.prod(of_shape), 0))[0]


def drawn_by_keras(initializer: Named, of_shape: tuple[int, ...] = shape) -> Doubles:
    config = dict(initializer.arguments)
    keras = importlib.import_module("keras")
    if initializer.name not in ("zeros", "ones", "constant"):
        config["seed"] = 3
    made = keras.initializers.get({"class_name": initializer.name, "config": config})
    return np.ravel(made(of_shape).numpy()).astype(np.float64)


@pytest.mark.parametrize("label", list(distributions))
def test_distribution(label: str) -> None:
    """Ours and Keras's own follow the distribution that the formula names, to the ends."""
    initializer, distribution = distributions[label]
    low, high = distribution.support()
    for values in (drawn(initializer), drawn_by_keras(initializer)):
        assert stats.kstest(values, distribution.cdf).pvalue > 0.001
        assert values.min() >= low - 1e-6 * abs(low)
        assert values.max() <= high + 1e-6 * abs(high)
        if math.isfinite(high - low):
            assert values.max() - values.min() > 0.999 * (high - low)
        assert abs(values.mean() - distribution.mean()) < 4 * distribution.std() / math.sqrt(values.size)
        assert abs(values.std() / distribution.std() - 1) < 0.01


@pytest.mark.parametrize("label", list(distributions))
def test_biases_have_keras_fans(label: str) -> None:
    initializer, _ = distributions[label]
    ours, theirs = (source(initializer, (30_000,)) for source in (drawn, drawn_by_keras))
    assert float(np.asarray(stats.ks_2samp(ours, theirs))[1]) > 0.001
    assert abs(ours.std() / theirs.std() - 1) < 0.02


@pytest.mark.parametrize("of_shape", [(2, 3), (1, 1), (3, 1), (7,)])
def test_small_variables_have_keras_bounds(of_shape: tuple[int, ...]) -> None:
    """The bound of a uniform draw is an exact function of the fans; many small draws come near it."""
    for name in ("glorot_uniform", "he_uniform", "lecun_uniform"):
        keras = importlib.import_module("keras")
        made = keras.initializers.get(name)
        fans = (of_shape[0], of_shape[-1])
        fan = {"glorot_uniform": sum(fans) / 2, "he_uniform": fans[0] / 2, "lecun_uniform": fans[0]}[name]
        bound = math.sqrt(3 / fan)
        bits = words(np.arange(2000, dtype=np.uint32), Stream.WEIGHTS, math.prod(of_shape), 0)
        largest = np.abs(draw(named(name, {}, vocabulary.initializers), of_shape, bits)).max()
        theirs = max(float(np.abs(made(of_shape).numpy()).max()) for _ in range(3))
        assert theirs <= bound * (1 + 1e-6)
        assert 0.995 * bound < largest < bound


@pytest.mark.parametrize(("name", "value"), [("zeros", 0.0), ("ones", 1.0), ("constant", 0.75)])
def test_constants(name: str, value: float) -> None:
    initializer = named(name, {"value": value} if name == "constant" else {}, vocabulary.initializers)
    assert (drawn(initializer, (3, 2)) == value).all()
    assert (drawn_by_keras(initializer, (3, 2)) == value).all()


def test_normal_quantile() -> None:
    ends = [2.0 ** -np.arange(1, 40), 1 - 2.0 ** -np.arange(2, 34)]
    p = np.concatenate([*ends, np.linspace(1e-6, 1 - 1e-6, 20_001)]).astype(np.float64)
    expected = stats.norm.ppf(p)
    np.testing.assert_allclose(normal_quantile(p), expected, rtol=2e-14, atol=2e-15)
    assert normal_quantile(np.array([0.5]))[0] == 0.0
    below = np.linspace(2**-20, 0.5, 1001).astype(np.float64)
    np.testing.assert_allclose(normal_quantile(1 - below), -normal_quantile(below), rtol=1e-9, atol=1e-15)


def cohort(n_models: int, **settings: Any) -> NetworkCohort:
    return Cohort(resolve(settings), np.arange(n_models, dtype=np.uint32))


def variables(asked: NetworkCohort) -> list[Doubles]:
    """Kernels and biases in Keras's order: `[model, ...]`."""
    w = initial_weights(asked).astype(np.float64)
    found, start = [], 0
    for v in asked.configuration.variables:
        found.append(w[:, start : start + v.size].reshape(-1, *v.shape))
        start += v.size
    return found


def test_variables_stand_in_keras_order_and_differ() -> None:
    asked = cohort(50, layers=[4, 3], kernel_initializer="ones", bias_initializer={"name": "constant", "value": 2.0})
    assert [v.mean() for v in variables(asked)] == [1, 2, 1, 2, 1, 2]
    everywhere = {"kernel_initializer": "random_normal", "bias_initializer": "random_normal"}
    w = initial_weights(cohort(50, layers=[4, 3], **everywhere))
    assert len(np.unique(w)) > 0.999 * w.size
    many = initial_weights(cohort(4000, layers=[4, 3], **everywhere))
    correlations = np.asarray(np.corrcoef(many.T))
    assert np.abs(correlations - np.eye(many.shape[1])).max() < 5 / math.sqrt(4000)


def test_kernels_do_not_depend_on_biases() -> None:
    with_biases, without = (variables(cohort(9, layers=[3, 2], use_bias=use_bias)) for use_bias in (True, False))
    for kernel, same in zip(with_biases[::2], without, strict=True):
        np.testing.assert_array_equal(kernel, same)


@pytest.mark.parametrize(
    ("settings", "digest"),
    [
        ({"width": 8, "depth": 2}, "de8596642d56980e144b09a6ceccba86"),
        (
            {"layers": [5, 3], "kernel_initializer": "he_normal", "bias_initializer": "random_normal"},
            "4e64887d35a66e9d56f966a4983e8f13",
        ),
        (
            {"task": "full_adder", "kernel_initializer": {"name": "variance_scaling", "mode": "fan_avg"}},
            "53b64cff4f303300dd852220081d9d60",
        ),
    ],
)
def test_golden_bits(settings: dict[str, Any], digest: str) -> None:
    """Initial weights are the same bits on every machine, now and later: a change here changes every published
    result.
    """
    seeds = np.concatenate([np.arange(1000), [2**32 - 1]]).astype(np.uint32)
    w = initial_weights(Cohort(resolve(settings), seeds))
    assert hashlib.sha256(w.astype("<f4").tobytes()).hexdigest()[:32] == digest


def units_off(asked: NetworkCohort) -> list[npt.NDArray[np.bool_]]:
    """ReLU units that are off on every row before training, layer by layer: `[model, unit]`."""
    signal: Doubles = asked.configuration.inputs().astype(np.float64)[None]
    found, parts = [], variables(asked)
    for kernel, bias in list(zip(parts[::2], parts[1::2], strict=True))[:-1]:
        signal = np.maximum(signal @ kernel + bias[:, None], 0)
        found.append((signal == 0).all(axis=1))
    return found


def assert_rate(found: npt.NDArray[np.bool_], rate: float, error_of_rate: float = 0.0) -> None:
    """A share agrees with a known rate within four standard errors."""
    assert abs(found.mean() - rate) < 4 * math.hypot(math.sqrt(rate * (1 - rate) / found.size), error_of_rate)


@pytest.mark.parametrize("initializer", ["glorot_uniform", "he_normal", "random_uniform", "truncated_normal"])
def test_first_layer_units_off_at_the_start(initializer: str) -> None:
    """A matter of signs only: 2^-n for n inputs in {0, 1}, whatever the family and the scale; with {-1, 1} none."""
    for task, n_inputs in (("xor", 2), ({"name": "parity", "bits": 3}, 3)):
        (off,) = units_off(cohort(4000, width=4, task=task, kernel_initializer=initializer))
        assert_rate(off.reshape(-1), 2.0**-n_inputs)
    (off,) = units_off(cohort(4000, width=4, encoding="bipolar", kernel_initializer=initializer))
    assert not off.any()


@pytest.mark.parametrize(
    ("width", "rates"),
    [(2, (0.0625, 0.2377, 0.4114, 0.5538)), (3, (0.0156, 0.0748, 0.1573, 0.2456)), (4, (0.0039, 0.0218, 0.0520))],
)
def test_born_dead(width: int, rates: tuple[float, ...]) -> None:
    """How many networks have a hidden layer that is off on every row, after 1, 2, 3, ... layers."""
    off = units_off(cohort(20_000, width=width, depth=len(rates)))
    is_dead = np.zeros(20_000, np.bool_)
    for layer, rate in zip(off, rates, strict=True):
        is_dead |= layer.all(axis=1)
        assert_rate(is_dead, rate, 0.0005)


def test_biases_drawn_as_the_kernel_have_its_bounds() -> None:
    """`framework: pytorch`: both uniform within 1 / sqrt(inputs), as `torch.nn.Linear` has it."""
    asked = cohort(2000, layers=[16], framework="pytorch")
    weights = initial_weights(asked)
    hidden, output = weights[:, :48], weights[:, 48:]
    for drawn, n_inputs in ((hidden[:, :32], 2), (hidden[:, 32:], 2), (output[:, :16], 16), (output[:, 16:], 16)):
        bound = 1 / np.sqrt(n_inputs)
        assert np.abs(drawn).max() <= bound
        p_value = stats.kstest(drawn.ravel().astype(np.float64), stats.uniform(-bound, 2 * bound).cdf).pvalue
        assert p_value > 1e-4
    assert abs(np.corrcoef(hidden[:, 0], hidden[:, 32])[0, 1]) < 0.1


def test_first_layers_with_two_live_units() -> None:
    """The ceiling of P(learn) for one ReLU layer on XOR."""
    for width, ceiling in ((2, 0.5625), (3, 0.84375), (4, 0.94921875), (6, 0.99536)):
        (off,) = units_off(cohort(10_000, width=width))
        assert_rate((~off).sum(axis=1) >= 2, ceiling)
