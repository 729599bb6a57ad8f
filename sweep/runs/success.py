"""The criterion of success: one comparison of a number that a run gives."""

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

comparisons: Mapping[str, Callable[[Any, Any], Any]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}
_form = re.compile(r"\s*([A-Za-z_]\w*)\s*(>=|<=|>|<)\s*([-+\d.eE]+)\s*")


@dataclass(frozen=True)
class Success:
    """A run succeeds where `metric` stands in this comparison to `threshold`."""

    metric: str
    comparison: str
    threshold: float

    @classmethod
    def parse(cls, text: str) -> Self:
        """A criterion as one writes it; `ValueError` says what is allowed.

        >>> Success.parse("accuracy >= 0.95")
        Success(metric='accuracy', comparison='>=', threshold=0.95)
        """
        match = _form.fullmatch(text)
        try:
            threshold = float(match[3]) if match else np.nan
        except ValueError:
            threshold = np.nan
        if match is None or not np.isfinite(threshold):
            raise ValueError("one comparison of a metric with a number, accuracy >= 0.95")
        return cls(match[1], match[2], threshold)

    def holds(self, values: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """Whether it holds for each of these values of the metric, in their precision; never for NaN.

        >>> Success.parse("loss < 0.1").holds([0.05, 0.1, float("nan")])
        array([ True, False, False])
        """
        found = np.asarray(values)
        found = found if found.dtype == np.float32 else found.astype(np.float64)
        with np.errstate(invalid="ignore"):
            return np.asarray(comparisons[self.comparison](found, found.dtype.type(self.threshold)), np.bool_)

    def __str__(self) -> str:
        return f"{self.metric} {self.comparison} {self.threshold:g}"


def above_margin(margin: float) -> Success:
    """The usual criterion of a network: the table is right by more than this margin."""
    return Success("margin", ">", margin)
