"""Functions of float64 numbers by correctly rounded operations alone (+ - * / sqrt): the same bits on every machine."""

import math

import numpy as np
import numpy.typing as npt

Doubles = npt.NDArray[np.float64]

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


def cos_sin(turns: Doubles) -> tuple[Doubles, Doubles]:
    """Cosine and sine of angles in whole turns, to about 2e-16: series of an eighth of a turn, the rest by symmetry.

    >>> [[round(float(x), 12) + 0.0 for x in values] for values in cos_sin(np.array([0.0, 0.125, 0.5, 0.75]))]
    [[1.0, 0.707106781187, -1.0, 0.0], [0.0, 0.707106781187, 0.0, -1.0]]
    """
    quarters = np.rint(turns * 4)
    angle = (turns * 4 - quarters) * (math.pi / 2)
    square = angle * angle
    cosine, sine = np.ones_like(angle), np.ones_like(angle)
    for k in range(18, 0, -2):
        cosine = 1 - cosine * square / (k * (k - 1))
        sine = 1 - sine * square / (k * (k + 1))
    sine = sine * angle
    quarter = quarters % 4
    pairs = ((cosine, sine), (-sine, cosine), (-cosine, -sine), (sine, -cosine))
    is_at = [quarter == k for k in range(4)]
    return np.select(is_at, [c for c, _ in pairs]), np.select(is_at, [s for _, s in pairs])
