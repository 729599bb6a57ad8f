"""When a network counts as learned: one comparison of its margin, accuracy, loss or largest error over the table.

A criterion of the accuracy or the loss may be one of the rows that are held out instead. Notation: predictions
`[.., row, output]` and losses `[..]`, after any training, dropout off, of the rows that the criterion judges.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from sweep.networks.configuration import Configuration
from sweep.runs.errors import SettingError, did_you_mean
from sweep.runs.success import Success

Floats = npt.NDArray[np.float32]

# the numbers of a network that a criterion may compare, and between which they lie; `loss` is the table's, `final_loss`
ranges: Mapping[str, tuple[float, float]] = {
    "margin": (-1.0, 1.0),
    "accuracy": (0.0, 1.0),
    "loss": (0.0, np.inf),
    "max_error": (0.0, np.inf),
    "test_accuracy": (0.0, 1.0),
    "test_loss": (0.0, np.inf),
}


def check_success(success: Success) -> None:
    """Raise `SettingError` for a criterion of something that no network gives, or that always or never holds."""
    if success.metric not in ranges:
        raise SettingError((), f"no such number of a network: {success.metric}", did_you_mean(success.metric, ranges))
    low, high = ranges[success.metric]
    at_low, at_high = success.holds([low, high]).tolist()
    if at_low == at_high:
        often = "always" if at_low else "never"
        span = f"from {low:g} to {high:g}" if np.isfinite(high) else f"from {low:g} up"
        raise SettingError((), f"{success} {often} holds", f"allowed: a comparison of {success.metric}, {span}")


def judges_test_rows(success: Success) -> bool:
    """Whether a criterion is one of the rows that are held out."""
    return success.metric.startswith("test_")


def check_rows(success: Success, c: Configuration) -> None:
    """Raise `SettingError` for a criterion of rows held out where a configuration's task has none."""
    if judges_test_rows(success) and not c.task.n_test_rows:
        found = f"{success.metric}, and {c.task.label} has no test rows"
        raise SettingError((), found, f"allowed: {success.metric.removeprefix('test_')}, or a task with test: 0.25")


def metric_values(metric: str, c: Configuration, predictions: Floats, losses: Floats) -> npt.NDArray[np.floating]:
    """What a criterion compares, of each table: `[..]`."""
    is_of_test = metric.startswith("test_")
    head, targets = c.head, c.test_targets() if is_of_test else c.targets()
    match metric.removeprefix("test_"):
        case "accuracy":
            return head.accuracy(predictions, targets)
        case "loss":
            return losses
        case "max_error":
            return head.largest_error(predictions, targets)
        case _:
            return head.margin(predictions, targets)


def is_learned(success: Success, c: Configuration, predictions: Floats, losses: Floats) -> npt.NDArray[np.bool_]:
    """Whether each table is learned: `[..]`; never where the number is none."""
    return success.holds(metric_values(success.metric, c, predictions, losses))


def n_judged(c: Configuration, *, is_of_test: bool = False) -> int:
    """Of how many answers the accuracy is a share: the entries of the table, of classes its rows."""
    n_rows = c.task.n_test_rows if is_of_test else c.task.n_rows
    return n_rows if c.head.has_classes else n_rows * c.n_outputs


@dataclass(frozen=True)
class Bound:
    """A criterion as one comparison in float32, for a compiled kernel: `sign` times the number is above `bound`.

    The accuracy is counted: its number is the right answers. `is_of_test`: whether it judges the rows held out, of
    which `metric` is then the plain one.
    """

    metric: str
    sign: float
    bound: float
    is_of_test: bool = False

    @classmethod
    def of(cls, success: Success, c: Configuration) -> Self:
        """The comparison that a criterion comes to.

        >>> from sweep.networks.settings import resolve
        >>> Bound.of(Success.parse("accuracy >= 0.75"), resolve({}))
        Bound(metric='accuracy', sign=1.0, bound=2.0, is_of_test=False)
        """
        sign = 1.0 if success.comparison.startswith(">") else -1.0
        is_of_test, metric = judges_test_rows(success), success.metric.removeprefix("test_")
        if metric == "accuracy":
            n = n_judged(c, is_of_test=is_of_test)
            holding = np.flatnonzero(success.holds(np.arange(n + 1) / n))
            if not len(holding):
                return cls(metric, sign, float(n + 1), is_of_test)
            return cls(metric, sign, float(holding[0] - 1 if sign > 0 else -holding[-1] - 1), is_of_test)
        bound = np.float32(sign * success.threshold)
        if "=" in success.comparison:
            bound = np.nextafter(bound, np.float32(-np.inf))
        return cls(metric, sign, float(bound), is_of_test)
