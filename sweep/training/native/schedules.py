# numba, not the signatures, gives compiled functions their types
# pyright: basic
"""Keras's schedules of the learning rate, in float64 by correctly rounded operations only: the same bits everywhere.

Formulas: `keras.optimizers.schedules`. A schedule is a code and its numbers, in the order of its arguments in the
vocabulary; of a piecewise constant one the number of boundaries, the boundaries, the values.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from sweep.networks.vocabulary import Named
from sweep.training.native.functions import inlined, shared

NO_SCHEDULE, EXPONENTIAL, INVERSE_TIME, POLYNOMIAL, COSINE, PIECEWISE = range(6)
codes = {
    "exponential_decay": EXPONENTIAL,
    "inverse_time_decay": INVERSE_TIME,
    "polynomial_decay": POLYNOMIAL,
    "cosine_decay": COSINE,
    "piecewise_constant_decay": PIECEWISE,
}
LOG_2_HIGH, LOG_2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10


def schedule_settings(rate: float | Named) -> tuple[int, npt.NDArray[np.float64]]:
    """The kernel's form of a learning rate: a code and numbers; no schedule for a number."""
    if not isinstance(rate, Named):
        return NO_SCHEDULE, np.zeros(1)
    arguments: dict[str, Any] = dict(rate.arguments)
    if rate.name == "piecewise_constant_decay":
        boundaries = arguments["boundaries"]
        return PIECEWISE, np.array([len(boundaries), *boundaries, *arguments["values"]], np.float64)
    if rate.name == "cosine_decay" and arguments["warmup_target"] is None:
        arguments |= {"warmup_target": arguments["initial_learning_rate"], "warmup_steps": 0}
    return codes[rate.name], np.array(list(arguments.values()), np.float64)


@inlined
def _exp(x):
    """The exponential function to about 1e-16: Taylor's series within half of log 2, by powers of two."""
    whole = np.floor(x / (LOG_2_HIGH + LOG_2_LOW) + 0.5)
    r = (x - whole * LOG_2_HIGH) - whole * LOG_2_LOW
    total = 1.0
    for k in range(14, 0, -1):
        total = 1.0 + total * r / k
    while whole > 0:
        total, whole = total * 2.0, whole - 1
    while whole < 0:
        total, whole = total * 0.5, whole + 1
    return total


@inlined
def _log(x):
    """The natural logarithm of a positive number to about 1e-16: the series of artanh around a power of two."""
    exponent = 0.0
    while x > 1.4142135623730951:
        x, exponent = x * 0.5, exponent + 1
    while x < 0.7071067811865476:
        x, exponent = x * 2.0, exponent - 1
    t = (x - 1) / (x + 1)
    series = 0.0
    for k in range(23, 0, -2):
        series = series * (t * t) + 1.0 / k
    return 2 * t * series + exponent * (LOG_2_HIGH + LOG_2_LOW)


@inlined
def _power(x, y):
    """`x ** y` for numbers from 0 up."""
    if y == 0:
        return 1.0
    if x == 0:
        return 0.0
    exponent = y * _log(x)
    return _exp(min(max(exponent, -745.0), 710.0))


@inlined
def _cos_of_pi(share):
    """The cosine of pi times a number from 0 to 1: the sine of what is left to a half, by its series."""
    z = 3.141592653589793 * (0.5 - share)
    total = 1.0
    for k in range(22, 0, -2):
        total = 1.0 - total * (z * z) / (k * (k + 1))
    return z * total


@shared
def rate_at(code, numbers, step):
    """The learning rate of a step, counted from 0."""
    if code == PIECEWISE:
        n = int(numbers[0])
        for i in range(n):
            if step <= numbers[1 + i]:
                return numbers[1 + n + i]
        return numbers[1 + 2 * n]
    initial, decay_steps = numbers[0], numbers[1]
    if code == COSINE:
        alpha, target, warmup_steps = numbers[2], numbers[3], numbers[4]
        if step < warmup_steps:
            return (target - initial) * (step / warmup_steps) + initial
        share = min((step - warmup_steps) / decay_steps, 1.0)
        return target * ((1 - alpha) * (0.5 * (1 + _cos_of_pi(share))) + alpha)
    if code == POLYNOMIAL:
        end, power, is_cyclic = numbers[2], numbers[3], numbers[4]
        if is_cyclic > 0:
            decay_steps = decay_steps * max(np.ceil(step / decay_steps), 1.0)
        share = min(step / decay_steps, 1.0)
        return (initial - end) * _power(1 - share, power) + end
    decay_rate, is_staircase = numbers[2], numbers[3]
    share = step / decay_steps
    if is_staircase > 0:
        share = np.floor(share)
    if code == EXPONENTIAL:
        return initial * _power(decay_rate, share)
    return initial / (1 + decay_rate * share)
