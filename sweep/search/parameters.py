"""The experiment's dimensions and values as Optuna's distributions and parameters, and back."""

import json
import math
import warnings
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from sweep.experiment.dimensions import Choices, Dimension, significant
from sweep.networks.tasks import Task

Scalar = None | bool | int | float | str


def as_choice(value: Any) -> Scalar:
    """A choice as Optuna stores it: scalars as they are, mappings, lists and tables read from a file as JSON."""
    is_scalar = value is None or isinstance(value, bool | int | float | str)
    if is_scalar:
        return value
    plain = value.plain() if isinstance(value, Task) else value
    return json.dumps(plain, sort_keys=True)  # mappings are equal whatever their order


def as_parameter(dimension: Dimension, distribution: Any, value: Any) -> Scalar:
    """An experiment's value as a parameter of Optuna's trial, rounding undone so that it lies in the distribution."""
    if isinstance(dimension, Choices):
        return as_choice(value)
    if dimension.step is not None:
        raw = dimension.low + round((value - dimension.low) / dimension.step) * dimension.step
        return min(raw, distribution.high)
    return min(max(value, dimension.low), dimension.high)


def distribution_of(dimension: Dimension) -> BaseDistribution:
    """The distribution of Optuna that has the values of a dimension."""
    if isinstance(dimension, Choices):
        return CategoricalDistribution(tuple(dict.fromkeys(map(as_choice, dimension.values))))
    if dimension.is_integer:
        low, step = int(dimension.low), int(dimension.step or 1)
        last = low + (dimension.n_steps - 1) * step if dimension.step else int(dimension.high)
        return IntDistribution(low, last, log=dimension.log, step=step)
    if dimension.step is None:
        return FloatDistribution(dimension.low, dimension.high, log=dimension.log)
    with warnings.catch_warnings():  # Optuna cuts the end back to the last step, in decimals, and says so
        warnings.simplefilter("ignore")
        end = dimension.low + (dimension.n_steps - 0.5) * dimension.step
        return FloatDistribution(dimension.low, end, step=dimension.step)


def value_of(dimension: Dimension, stored: Any) -> Any:
    """The experiment's value for a parameter as Optuna gives it back."""
    if isinstance(dimension, Choices):
        return next(v for v in dimension.values if _same(as_choice(v), stored))
    return int(stored) if dimension.is_integer else significant(float(stored))


def _same(a: Scalar, b: Scalar) -> bool:
    return a == b and isinstance(a, bool) == isinstance(b, bool)


def at_share(dimension: Dimension, share: float) -> Any:
    """The value at a share in [0, 1) of a dimension, evenly (for a log range: evenly in the logarithm)."""
    if isinstance(dimension, Choices) or dimension.step is not None:
        values = dimension.values if isinstance(dimension, Choices) else dimension.values()
        return values[int(share * len(values))]
    low, high = (dimension.low, dimension.high)
    if dimension.is_integer:
        low, high = low - 0.5, high + 0.5
    if dimension.log:
        x = math.exp(math.log(low) + share * (math.log(high) - math.log(low)))
    else:
        x = low + share * (high - low)
    return int(min(max(round(x), dimension.low), dimension.high)) if dimension.is_integer else significant(x)
