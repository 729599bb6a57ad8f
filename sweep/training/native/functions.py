# numba, not the signatures, gives compiled functions their types
# pyright: basic
"""Elementary functions and activations on vectors, by correctly rounded operations only.

Each is within 2 units in the last place of the true value over the range given, treats infinities and NaN as IEEE 754
says, and is generic over the number of rows. Polynomials: Cephes (Moshier), single precision.
"""

from typing import Any, NamedTuple

from numba import njit

from sweep.networks.vocabulary import Named
from sweep.training.native.simd import absolute, exponent_of, out_of_line, power_of_two, round_down, select, splat

# Only compiled code calls these, so none needs numba's two wrappers, into which LLVM would inline it whole once more.
_called: Any = {"error_model": "numpy", "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
inlined: Any = njit(forceinline=True, **_called)
# What stands in one place, or is a statement or two: its statements become the caller's before types are found. As a
# function of its own, all that it calls would be optimized and translated for it, and again for its caller.
merged: Any = njit(inline="always", **_called)
# A function of its own, see `simd.out_of_line`; an option that is not given, numba takes from a function that calls it.
shared: Any = njit(forceinline=False, **_called)

LINEAR, RELU, TANH, SIGMOID, LEAKY_RELU, ELU, SOFTPLUS, SOFTSIGN, SILU, GELU, GELU_TANH, RELU6, HARD_SIGMOID = range(13)

SELU_SCALE = 1.05070098735548049342
SELU_ALPHA = 1.67326324235437728481


class Activation(NamedTuple):
    """An activation: its code, and the numbers that it needs, `scale` times ELU's or leaky ReLU's `slope`."""

    code: int
    slope: float = 0.0
    scale: float = 1.0


def activation_settings(activation: Named) -> Activation:
    """The kernel's form of an activation and its arguments."""
    name = activation.name
    if name == "leaky_relu":
        return Activation(LEAKY_RELU, float(activation["negative_slope"]))
    if name == "elu":
        return Activation(ELU, float(activation["alpha"]))
    if name == "selu":
        return Activation(ELU, SELU_ALPHA, SELU_SCALE)
    if name == "gelu":
        return Activation(GELU_TANH if activation["approximate"] else GELU)
    return Activation(_plain[name])


def is_known(activation: Named) -> bool:
    """Whether the kernel has it; one that only Keras has so far may be trained by the engine keras."""
    return activation.name in (*_plain, "leaky_relu", "elu", "selu", "gelu")


_plain = {
    "linear": LINEAR,
    "relu": RELU,
    "tanh": TANH,
    "sigmoid": SIGMOID,
    "softplus": SOFTPLUS,
    "softsign": SOFTSIGN,
    "silu": SILU,
    "relu6": RELU6,
    "hard_sigmoid": HARD_SIGMOID,
    "softmax": LINEAR,  # of a whole row, behind its sums: `heads.softmax`
}


@inlined
def _reduced(x):
    """A whole number n and q = e^r - 1 for x = n log 2 + r, r at most half of log 2; NaN gives n = 0 and q = NaN."""
    whole = round_down(x * splat(1.44269504088896341, x) + splat(0.5, x))
    whole = select(x == x, whole, splat(0.0, x))
    r = (x - whole * splat(0.693359375, x)) - whole * splat(-2.12194440e-4, x)
    p = splat(1.9875691500e-4, x)
    p = p * r + splat(1.3981999507e-3, x)
    p = p * r + splat(8.3334519073e-3, x)
    p = p * r + splat(4.1665795894e-2, x)
    p = p * r + splat(1.6666665459e-1, x)
    p = p * r + splat(5.0000001201e-1, x)
    return whole, p * (r * r) + r


@inlined
def clamp(x, low, high):
    """Cut to lie between two numbers; NaN stays."""
    bottom, top = splat(low, x), splat(high, x)
    return select(x < bottom, bottom, select(x > top, top, x))


@inlined
def exp(x):
    """Exponential function: 0 below -104, infinite above 89, subnormal results kept."""
    whole, q = _reduced(clamp(x, -104.0, 89.0))
    half = round_down(whole * splat(0.5, x))
    return ((q + splat(1.0, x)) * power_of_two(half)) * power_of_two(whole - half)


@inlined
def expm1(x):
    """Exponential function less 1, for x up to 88."""
    whole, q = _reduced(clamp(x, -87.0, 88.0))
    power = power_of_two(whole)
    return power * q + (power - splat(1.0, x))


@inlined
def log1p_unit(x):
    """The natural logarithm of 1 + x, for x from 0 to 1."""
    one = splat(1.0, x)
    large = x > splat(0.41421356, x)
    f = select(large, (x - one) * splat(0.5, x), x)
    y = _log1p_tail(f)
    return select(large, splat(0.693359375, x) + (f + (y + splat(-2.12194440e-4, x))), f + y)


@inlined
def _log1p_tail(f):
    """The natural logarithm of 1 + f, less f, for 1 + f within a root of 2 of 1."""
    x = f
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
    return p * f * square - splat(0.5, x) * square


@inlined
def log(x):
    """The natural logarithm of positive numbers from 1e-30 to 1e30."""
    one = splat(1.0, x)
    whole = exponent_of(x)
    mantissa = x * power_of_two(splat(0.0, x) - whole)
    large = mantissa > splat(1.41421356, x)
    f = select(large, mantissa * splat(0.5, x), mantissa) - one
    whole = select(large, whole + one, whole)
    return whole * splat(0.693359375, x) + (f + (_log1p_tail(f) + whole * splat(-2.12194440e-4, x)))


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
def erf(x):
    """The error function."""
    one = splat(1.0, x)
    size = absolute(x)
    square = x * x
    p = splat(7.853861353153693e-5, x)
    p = p * square + splat(-8.010193625184903e-4, x)
    p = p * square + splat(5.188327685732524e-3, x)
    p = p * square + splat(-2.685381193529856e-2, x)
    p = p * square + splat(1.128358514861418e-1, x)
    p = p * square + splat(-3.761262582423300e-1, x)
    p = p * square + splat(0.128379165726710, x)  # less 1, which is added last
    inverse = one / size
    y = inverse * inverse
    near = splat(2.326819970068386e-2, x)
    near = near * y + splat(-1.387039388740657e-1, x)
    near = near * y + splat(3.687424674597105e-1, x)
    near = near * y + splat(-5.824733027278666e-1, x)
    near = near * y + splat(6.210004621745983e-1, x)
    near = near * y + splat(-4.944515323274145e-1, x)
    near = near * y + splat(3.404879937665872e-1, x)
    near = near * y + splat(-2.741127028184656e-1, x)
    near = near * y + splat(5.638259427386472e-1, x)
    far = splat(-1.047766399936249e1, x)
    far = far * y + splat(1.297719955372516e1, x)
    far = far * y + splat(-7.495518717768503, x)
    far = far * y + splat(2.921019019210786, x)
    far = far * y + splat(-1.015265279202700, x)
    far = far * y + splat(4.218463358204948e-1, x)
    far = far * y + splat(-2.820767439740514e-1, x)
    far = far * y + splat(5.641895067754075e-1, x)
    tail = exp(splat(0.0, x) - square) * inverse * select(size < splat(2.0, x), near, far)
    large = select(size > splat(6.0, x), one, one - tail)
    signed = select(x < splat(0.0, x), splat(0.0, x) - large, large)
    return select(size < one, p * x + x, signed)


@inlined
def _gelu(z):
    half = splat(0.5, z)
    share = half * (splat(1.0, z) + erf(z * splat(0.70710678118654752, z)))
    density = splat(0.39894228040143268, z) * exp(splat(-0.5, z) * z * z)
    return z * share, share + z * density


@inlined
def _gelu_tanh(z):
    one, half = splat(1.0, z), splat(0.5, z)
    root, cubic = splat(0.79788456080286536, z), splat(0.044715, z)
    t = tanh(root * (z + cubic * z * z * z))
    share = half * (one + t)
    inner = root * (one + splat(3 * 0.044715, z) * z * z)
    return z * share, share + half * z * (one - t * t) * inner


@shared
def _bounded(code, z):
    """ReLU6, and the hard sigmoid; out of line, so that the others' loop stays as it is."""
    out_of_line()
    zero, one, six = splat(0.0, z), splat(1.0, z), splat(6.0, z)
    if code == HARD_SIGMOID:
        z = z + splat(3.0, z)
    unit = six if code == HARD_SIGMOID else one
    return clamp(z, 0.0, 6.0) / unit, select(z <= zero, zero, select(z >= six, zero, one)) / unit


@inlined
def activate(activation, z):
    """An activation's output and slope at z, as Keras has them; ReLU's slope at 0 is 0."""
    zero = splat(0.0, z)
    one = splat(1.0, z)
    if activation.code == RELU:
        return select(z < zero, zero, z), select(z <= zero, zero, one)
    if activation.code == TANH:
        y = tanh(z)
        return y, one - y * y
    if activation.code == SIGMOID:
        y = sigmoid(z)
        return y, y * (one - y)
    if activation.code == LEAKY_RELU:
        slope = splat(activation.slope, z)
        return select(z > zero, z, z * slope), select(z > zero, one, slope)
    if activation.code == ELU:
        alpha, scale = splat(activation.slope, z), splat(activation.scale, z)
        low = alpha * expm1(select(z > zero, zero, z))
        return scale * select(z > zero, z, low), scale * select(z > zero, one, low + alpha)
    if activation.code == SOFTPLUS:
        return softplus(z), sigmoid(z)
    if activation.code == SOFTSIGN:
        share = one / (one + absolute(z))
        return z * share, share * share
    if activation.code == SILU:
        y = sigmoid(z)
        return z * y, y * (one + z * (one - y))
    if activation.code == GELU:
        return _gelu(z)
    if activation.code == GELU_TANH:
        return _gelu_tanh(z)
    if activation.code >= RELU6:
        return _bounded(activation.code, z)
    return z, one
