"""Initial weights from a seed: Keras's initializers by our own arithmetic, so that the bits are the same everywhere.

Every weight takes one random word of its own. Uniform weights are an exact step times a bound; normal ones go through
the inverse of the normal distribution function, in float64, where only correctly rounded operations (+ - * / sqrt) are
used. Notation: `[model, parameter]`, parameters variable by variable in Keras's order, kernels row by row.
"""

import math
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from sweep.networks.measurements import NetworkCohort
from sweep.networks.randomness import Stream, Words, symmetric_uniform, threefry
from sweep.networks.strict import normal_quantile
from sweep.networks.vocabulary import Named

Doubles = npt.NDArray[np.float64]

# scale, mode and distribution of the named members of Keras's variance scaling family
_families = {
    "glorot_uniform": (1.0, "fan_avg", "uniform"),
    "glorot_normal": (1.0, "fan_avg", "truncated_normal"),
    "he_uniform": (2.0, "fan_in", "uniform"),
    "he_normal": (2.0, "fan_in", "truncated_normal"),
    "lecun_uniform": (1.0, "fan_in", "uniform"),
    "lecun_normal": (1.0, "fan_in", "truncated_normal"),
}

# the standard deviation of a standard normal cut at two of its own; Keras divides by it
TRUNCATED_STDDEV = 0.87962566103423978
# probability of a standard normal beyond -2
TAIL = 0.022750131948179212


def _normal(bits: Words) -> Doubles:
    """Standard normal numbers from all 32 bits of each word."""
    return normal_quantile((bits.astype(np.float64) + 0.5) * 2.0**-32)


def _truncated_normal(bits: Words) -> Doubles:
    """Standard normal numbers within two standard deviations."""
    return normal_quantile(TAIL + (1 - 2 * TAIL) * (bits.astype(np.float64) + 0.5) * 2.0**-32)


def _fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """Inputs and outputs of a variable, as Keras counts them: a bias of n units counts n for both."""
    return (shape[0], shape[0]) if len(shape) == 1 else (shape[0], shape[1])


def plainly(initializer: Named, shape: tuple[int, ...]) -> Named:
    """The same numbers without fans: `constant`, or `random_uniform`, `random_normal`, `truncated_normal` with bounds.

    shape: that from which fans are counted.

    >>> plainly(Named("he_uniform"), (6, 2))
    Named(name='random_uniform', arguments=(('minval', -1.0), ('maxval', 1.0)))
    """
    name = initializer.name
    if name in ("zeros", "ones"):
        return Named("constant", (("value", float(name == "ones")),))
    if name != "variance_scaling" and name not in _families:
        return initializer
    scale, mode, distribution = _families.get(name) or tuple(value for _, value in initializer.arguments)
    fan_in, fan_out = _fans(shape)
    fan = {"fan_in": float(fan_in), "fan_out": float(fan_out), "fan_avg": (fan_in + fan_out) / 2}[str(mode)]
    variance = float(scale) / max(1.0, fan)
    if distribution == "uniform":
        bound = math.sqrt(3 * variance)
        return Named("random_uniform", (("minval", -bound), ("maxval", bound)))
    if distribution == "untruncated_normal":
        return Named("random_normal", (("mean", 0.0), ("stddev", math.sqrt(variance))))
    return Named("truncated_normal", (("mean", 0.0), ("stddev", math.sqrt(variance) / TRUNCATED_STDDEV)))


def draw(initializer: Named, shape: tuple[int, ...], bits: Words) -> Doubles:
    """The values of one variable: a word of `bits` `[model, element]` for each, float64 of the same shape.

    shape: that from which fans are counted.
    """
    plain = plainly(initializer, shape)
    if plain.name == "constant":
        return np.full(bits.shape, float(plain["value"]))
    if plain.name == "random_uniform":
        low, high = float(plain["minval"]), float(plain["maxval"])
        return (low + high) / 2 + symmetric_uniform(bits) * ((high - low) / 2)
    standard = _normal(bits) if plain.name == "random_normal" else _truncated_normal(bits)
    return float(plain["mean"]) + standard * float(plain["stddev"])


def _words(seeds: Words, sizes: Mapping[int, int]) -> dict[int, Words]:
    """The random words of several variables, `[model, element]`, by their places: those of `words`, drawn at once."""
    index = np.concatenate([np.arange((n + 1) // 2, dtype=np.uint32) for n in sizes.values()])
    place = np.concatenate([np.full((n + 1) // 2, place, np.uint32) for place, n in sizes.items()])
    key = (seeds[:, None], np.full((1, 1), Stream.WEIGHTS, np.uint32))
    drawn = np.stack(threefry(key, (index[None, :], place[None, :])), axis=-1).reshape(len(seeds), 2 * len(index))
    found: dict[int, Words] = {}
    start = 0
    for at, n in sizes.items():
        found[at] = drawn[:, start : start + n]
        start += n + n % 2
    return found


def initial_weights(cohort: NetworkCohort) -> npt.NDArray[np.float32]:
    """The weights before training: float32 `[model, parameter]`."""
    variables = cohort.configuration.variables
    drawn = {v.place: v.size for v in variables if v.initializer.name not in ("zeros", "ones", "constant")}
    bits = _words(cohort.stream_seeds(Stream.WEIGHTS), drawn) if drawn else {}
    weights = np.empty((len(cohort), cohort.configuration.n_parameters), np.float32)
    start = 0
    for v in variables:
        words = bits[v.place] if v.place in bits else np.zeros((len(cohort), v.size), np.uint32)
        weights[:, start : start + v.size] = draw(v.initializer, v.drawn_as, words)
        start += v.size
    return weights
