"""What varies: choices and ranges."""

import math
from dataclasses import dataclass, replace
from typing import Any, Self

from sweep.runs.errors import SettingError

max_steps = 1_000_000


@dataclass(frozen=True)
class Choices:
    """A hyperparameter's choices, in file order: at least one."""

    values: tuple[Any, ...]


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included: in steps, or (without step) any, evenly or evenly in the logarithm.

    An experiment turns its ranges into the type of their hyperparameter, whole numbers or floats.
    """

    low: float
    high: float
    step: float | None = None
    log: bool = False

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low <= self.high):
            raise SettingError((), f"from {self.low:g} to {self.high:g}", "allowed: finite numbers, low not above high")
        if self.step is not None and not (math.isfinite(self.step) and self.step > 0):
            raise SettingError(("step",), f"found {self.step:g}", "allowed: a number above 0")
        if self.log and self.step is not None:
            raise SettingError(("log",), "log together with step", "allowed: one of the two")
        if self.log and self.low <= 0:
            raise SettingError(("low",), f"found {self.low:g} in a range with log", "allowed: a number above 0")
        if self.step is not None and (self.high - self.low) / self.step >= max_steps:
            raise SettingError(
                ("step",), f"found {self.step:g}: too many values", f"allowed: at most {max_steps:,} values"
            )

    @property
    def is_integer(self) -> bool:
        """Whether every number is a whole one by type."""
        return all(isinstance(x, int) for x in (self.low, self.high, self.step) if x is not None)

    @property
    def ends(self) -> tuple[float, float]:
        """Both ends as they are used: floats rounded to 6 significant digits."""
        return (self.low, self.high) if self.is_integer else (significant(self.low), significant(self.high))

    def of_type(self, wanted: type[int] | type[float]) -> Self:
        """Turn the numbers into another type; `SettingError` where a fraction would be lost."""
        numbers = {"low": self.low, "high": self.high, "step": self.step}
        for key, x in numbers.items():
            if x is not None and wanted(x) != x:
                raise SettingError((key,), f"found {x:g}", "allowed: a whole number")
        return replace(self, **{key: None if x is None else wanted(x) for key, x in numbers.items()})

    @property
    def n_steps(self) -> int:
        """How many values a range with a step has; 0 for one without."""
        return 0 if self.step is None else int(math.floor((self.high - self.low) / self.step + 1e-9)) + 1

    def values(self) -> tuple[Any, ...]:
        """The values of a range with a step: whole numbers, or floats rounded to 6 significant digits."""
        if self.step is None:
            raise ValueError("a range without a step has no list of values")
        if self.is_integer:
            return tuple(int(self.low + i * self.step) for i in range(self.n_steps))
        return tuple(significant(self.low + i * self.step) for i in range(self.n_steps))


def significant(x: float) -> float:
    """`x` rounded to 6 significant digits."""
    return float(f"{x:.6g}")


Dimension = Choices | Range
