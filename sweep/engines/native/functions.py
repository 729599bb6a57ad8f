# numba, not the signatures, gives compiled functions their types
# pyright: basic
"""Elementary functions and activations on vectors, by correctly rounded operations only.

Each is within 2 units in the last place of the true value over the range given, treats infinities and NaN as IEEE 754
says, and is generic over the number of rows. Polynomials: Cephes (Moshier), single precision.
"""

from typing import Any

from numba import njit

from sweep.engines.native.simd import absolute, power_of_two, round_down, select, splat

inlined: Any = njit(forceinline=True, error_model="numpy")

LINEAR, RELU, TANH, SIGMOID = range(4)
activation_codes = {"linear": LINEAR, "relu": RELU, "tanh": TANH, "sigmoid": SIGMOID}


@inlined
def exp(x):
    """Exponential function: 0 below -104, infinite above 89, subnormal results kept."""
    low = splat(-104.0, x)
    high = splat(89.0, x)
    clamped = select(x < low, low, select(x > high, high, x))
    whole = round_down(clamped * splat(1.44269504088896341, x) + splat(0.5, x))
    whole = select(x == x, whole, splat(0.0, x))
    r = (clamped - whole * splat(0.693359375, x)) - whole * splat(-2.12194440e-4, x)
    p = splat(1.9875691500e-4, x)
    p = p * r + splat(1.3981999507e-3, x)
    p = p * r + splat(8.3334519073e-3, x)
    p = p * r + splat(4.1665795894e-2, x)
    p = p * r + splat(1.6666665459e-1, x)
    p = p * r + splat(5.0000001201e-1, x)
    p = (p * (r * r) + r) + splat(1.0, x)
    half = round_down(whole * splat(0.5, x))
    return (p * power_of_two(half)) * power_of_two(whole - half)


@inlined
def log1p_unit(x):
    """The natural logarithm of 1 + x, for x from 0 to 1."""
    one = splat(1.0, x)
    large = x > splat(0.41421356, x)
    f = select(large, (x - one) * splat(0.5, x), x)
    square = f * f
    p = splat(7.0376836292e-2, x)
    p = p * f + splat(-1.1514610310e-1, x)
    p = p * f + splat(1.1676998740e-1, x)
    p = p * f + splat(-1.2420140846e-1, x)
    p = p * f + splat(1.4249322787e-1, x)
    p = p * f + splat(-1.6668057665e-1, x)
    p = p * f + splat(2.0000714765e-1, x)
    p = p * f + splat(-2.4999993993e-1, x)
    p = p * f + splat(3.3333331174e-1, x)
    y = p * f * square - splat(0.5, x) * square
    return select(large, splat(0.693359375, x) + (f + (y + splat(-2.12194440e-4, x))), f + y)


@inlined
def sigmoid(x):
    """1 / (1 + e^-x), accurate in both tails."""
    one = splat(1.0, x)
    e = exp(splat(0.0, x) - absolute(x))
    return select(x < splat(0.0, x), e, one) / (one + e)


@inlined
def softplus(x):
    """log(1 + e^x)."""
    zero = splat(0.0, x)
    return select(x < zero, zero, x) + log1p_unit(exp(zero - absolute(x)))


@inlined
def tanh(x):
    """The hyperbolic tangent."""
    one = splat(1.0, x)
    size = absolute(x)
    s = x * x
    p = splat(-5.70498872745e-3, x)
    p = p * s + splat(2.06390887954e-2, x)
    p = p * s + splat(-5.37397155531e-2, x)
    p = p * s + splat(1.33314422036e-1, x)
    p = p * s + splat(-3.33332819422e-1, x)
    small = p * s * x + x
    large = one - splat(2.0, x) / (exp(size + size) + one)
    signed = select(x < splat(0.0, x), splat(0.0, x) - large, large)
    return select(size < splat(0.625, x), small, signed)


@inlined
def activate(kind, z):
    """An activation's output and slope at z."""
    zero = splat(0.0, z)
    one = splat(1.0, z)
    if kind == RELU:
        is_off = z <= zero
        return select(z < zero, zero, z), select(is_off, zero, one)
    if kind == TANH:
        y = tanh(z)
        return y, one - y * y
    if kind == SIGMOID:
        y = sigmoid(z)
        return y, y * (one - y)
    return z, one
