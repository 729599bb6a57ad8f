"""Curves: how the numbers of a run went, step by step, for any trainer of one's own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

max_steps = 64  # of one run that are kept, the first and the last among them
max_curves = 256  # of one configuration that are kept, those of the lowest seeds

Points = Sequence[tuple[float, Mapping[str, float]]]


@dataclass(frozen=True)
class Curve:
    """The numbers of one run by step.

    steps: float64 `[step]`, rising; metrics: float32 `[step]` by name, NaN where a step has no such number.
    """

    steps: npt.NDArray[np.float64]
    metrics: Mapping[str, npt.NDArray[np.float32]]

    @classmethod
    def of(cls, points: Points) -> Self | None:
        """The curve through `(step, numbers by name)`, those of equal steps together; None where there are none.

        At most 64 steps are kept, spread evenly over all.

        >>> Curve.of([(1, {"loss": 0.5}), (3, {"loss": 0.25, "accuracy": 1.0})]).steps.tolist()
        [1.0, 3.0]
        """
        by_step: dict[float, dict[str, float]] = {}
        for step, numbers in points:
            by_step.setdefault(step, {}).update(numbers)
        if not by_step:
            return None
        rising = sorted(by_step.items())
        chosen = np.unique(np.linspace(0, len(rising) - 1, min(max_steps, len(rising))).round().astype(int))
        kept = [rising[place] for place in chosen]
        names = dict.fromkeys(name for _, numbers in kept for name in numbers)
        metrics = {n: np.array([numbers.get(n, np.nan) for _, numbers in kept], np.float32) for n in names}
        return cls(np.array([step for step, _ in kept], np.float64), metrics)


def lowest(curves: Mapping[str, Curve]) -> dict[str, Curve]:
    """The curves by run that are kept: of each configuration those of its 256 lowest seeds, in their order."""
    named = sorted((run.rpartition("-")[0], int(run.rpartition("-")[2])) for run in curves)
    counts: dict[str, int] = {}
    kept: dict[str, Curve] = {}
    for configuration, seed in named:
        counts[configuration] = counts.get(configuration, 0) + 1
        if counts[configuration] <= max_curves:
            kept[f"{configuration}-{seed}"] = curves[f"{configuration}-{seed}"]
    return kept


def pack(curves: Mapping[str, Curve]) -> dict[str, npt.NDArray[Any]]:
    """Curves by run as few arrays for a file: one after the other, with the end of each; none where there are none."""
    if not curves:
        return {}
    names = list(dict.fromkeys(name for curve in curves.values() for name in curve.metrics))
    values = [[c.metrics.get(n, np.full(len(c.steps), np.nan, np.float32)) for c in curves.values()] for n in names]
    return {
        "curve.run": np.array(list(curves), np.str_),
        "curve.end": np.cumsum([len(curve.steps) for curve in curves.values()], dtype=np.int64),
        "curve.step": np.concatenate([curve.steps for curve in curves.values()]),
        "curve.metric": np.array(names, np.str_),
        "curve.value": np.array([np.concatenate(own) for own in values], np.float32).reshape(len(names), -1),
    }


def unpack(arrays: Mapping[str, npt.NDArray[Any]]) -> dict[str, Curve]:
    """The curves by run that `pack` made arrays of. Raises `ValueError` or `LookupError` for arrays that are none."""
    if "curve.run" not in arrays:
        return {}
    ends, steps, values = arrays["curve.end"], arrays["curve.step"], arrays["curve.value"]
    if values.shape != (len(arrays["curve.metric"]), len(steps)) or (ends[-1:] != len(steps)).any():
        raise ValueError("curves of another length than their steps")
    parts = zip(np.split(steps, ends[:-1]), np.split(values, ends[:-1], axis=1), strict=True)
    names = [str(name) for name in arrays["curve.metric"]]
    found: dict[str, Curve] = {}
    for run, (own, numbers) in zip(arrays["curve.run"], parts, strict=True):
        given = {name: row for name, row in zip(names, numbers, strict=True) if not np.isnan(row).all()}
        found[str(run)] = Curve(own, given)
    return found
