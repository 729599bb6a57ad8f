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

# Wichura's algorithm AS 241 (PPND16): numerators and denominators, highest power first
_CENTRE = (
    (2.5090809287301226727e3, 3.3430575583588128105e4, 6.7265770927008700853e4, 4.5921953931549871457e4,
     1.3731693765509461125e4, 1.9715909503065514427e3, 1.3314166789178437745e2, 3.3871328727963666080e0),
    (5.2264952788528545610e3, 2.8729085735721942674e4, 3.9307895800092710610e4, 2.1213794301586595867e4,
     5.3941960214247511077e3, 6.8718700749205790830e2, 4.2313330701600911252e1, 1.0),
)  # fmt: skip
_SHOULDER = (
    (7.74545014278341407640e-4, 2.27238449892691845833e-2, 2.41780725177450611770e-1, 1.27045825245236838258e0,
     3.64784832476320460504e0, 5.76949722146069140550e0, 4.63033784615654529590e0, 1.42343711074968357734e0),
    (1.05075007164441684324e-9, 5.47593808499534494600e-4, 1.51986665636164571966e-2, 1.48103976427480074590e-1,
     6.89767334985100004550e-1, 1.67638483018380384940e0, 2.05319162663775882187e0, 1.0),
)  # fmt: skip
_FAR = (
    (2.01033439929228813265e-7, 2.71155556874348757815e-5, 1.24266094738807843860e-3, 2.65321895265761230930e-2,
     2.96560571828504891230e-1, 1.78482653991729133580e0, 5.46378491116411436990e0, 6.65790464350110377720e0),
    (2.04426310338993978564e-15, 1.42151175831644588870e-7, 1.84631831751005468180e-5, 7.86869131145613259100e-4,
     1.48753612908506148525e-2, 1.36929880922735805310e-1, 5.99832206555887937690e-1, 1.0),
)  # fmt: skip


def _rational(x: Doubles, coefficients: tuple[tuple[float, ...], tuple[float, ...]]) -> Doubles:
    numerator, denominator = (np.zeros_like(x) for _ in range(2))
    for a, b in zip(*coefficients, strict=True):
        numerator = numerator * x + a
        denominator = denominator * x + b
    return numerator / denominator


def _log(x: Doubles) -> Doubles:
    """The natural logarithm of positive numbers, to about 2e-16: the series of artanh around a power of two."""
    mantissa, exponent = np.frexp(x)
    small = mantissa < math.sqrt(0.5)
    mantissa = np.where(small, mantissa * 2, mantissa)
    exponent = np.where(small, exponent - 1, exponent)
    t = (mantissa - 1) / (mantissa + 1)
    square = t * t
    series = np.zeros_like(t)
    for k in range(23, 0, -2):
        series = series * square + 1 / k
    return 2 * t * series + exponent * 0.6931471805599453


def normal_quantile(p: Doubles) -> Doubles:
    """The inverse of the standard normal distribution function for p in (0, 1), to about 1e-15.

    Source: Wichura, "Algorithm AS 241: the percentage points of the normal distribution", Applied Statistics 37, 1988.
    """
    q = p - 0.5
    central = np.abs(q) <= 0.425
    value = q * _rational(0.180625 - np.where(central, q * q, 0.0), _CENTRE)
    if not central.all():
        tail = np.where(central, 0.5, np.minimum(p, 1 - p))
        r = np.sqrt(-_log(tail))
        outer = np.where(r <= 5, _rational(r - 1.6, _SHOULDER), _rational(r - 5, _FAR))
        value = np.where(central, value, np.copysign(outer, q))
    return value


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
