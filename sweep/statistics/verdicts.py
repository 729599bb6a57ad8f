"""Verdicts against a target, and what a number of seeds can show.

A `Method` turns counts into intervals: `wilson` where the number of seeds is fixed, `confidence_sequence` where seeds
are added as the results come in.
"""

from bisect import bisect_left
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sweep.statistics.intervals import Method, Rates, confidence_sequence, wilson

verdicts = ("reliable", "inconclusive", "unreliable")
max_probable_runs = 10**7


@dataclass(frozen=True)
class Target:
    """What counts as reliable: a success rate of at least `target`, at `confidence`; both in (0, 1).

    `margin` in [0, 1): a run has learned when the smallest `(2y - 1)(2p - 1)` of its table is above it.
    """

    target: float = 0.9
    confidence: float = 0.95
    margin: float = 0.0


def family_confidence(confidence: float, n_configurations: int) -> float:
    """The confidence of each interval for all of `n_configurations` to hold together: the error divided by them.

    >>> round(family_confidence(0.95, 100), 6)
    0.9995
    """
    return 1 - (1 - confidence) / max(1, n_configurations)


def rates_for(
    n_learned: npt.ArrayLike, n_runs: npt.ArrayLike, reliability: Target, *, n_adaptive: int | None = None
) -> Rates:
    """The intervals that verdicts are built on.

    Fixed counts: Wilson's, each configuration for itself. Seeds added as results come in: the confidence sequence, its
    error divided by `n_adaptive`, the number of configurations of the study, so that all of its verdicts hold together.
    """
    if n_adaptive is None:
        return wilson(n_learned, n_runs, reliability.confidence)
    return confidence_sequence(n_learned, n_runs, family_confidence(reliability.confidence, n_adaptive))


def verdict(rates: Rates, target: float) -> npt.NDArray[np.str_]:
    """`reliable` where the interval lies at or above the target, `unreliable` below, else `inconclusive`."""
    return np.where(rates.low >= target, "reliable", np.where(rates.high < target, "unreliable", "inconclusive"))


def allowed_failures(n_runs: int, reliability: Target, method: Method = wilson) -> int | None:
    """How many of `n_runs` may fail for the verdict `reliable`; None where even all learned would not show it.

    >>> allowed_failures(64, Target(0.9)), allowed_failures(64, Target(0.95)), allowed_failures(73, Target(0.95))
    (1, None, 0)
    >>> allowed_failures(64, Target(0.9), confidence_sequence), allowed_failures(1024, Target(0.9), confidence_sequence)
    (None, 68)
    """

    def falls_short(n_failed: int) -> bool:
        return bool(method(n_runs - n_failed, n_runs, reliability.confidence).low < reliability.target)

    n_allowing = bisect_left(range(n_runs + 1), True, key=falls_short)
    return n_allowing - 1 if n_allowing else None


def needed_runs(reliability: Target, method: Method = wilson) -> int:
    """The smallest number of runs that shows the target when all of them learn.

    >>> needed_runs(Target(0.9)), needed_runs(Target(0.95)), needed_runs(Target(0.9), confidence_sequence)
    (35, 73, 69)
    """

    def is_enough(n_runs: int) -> bool:
        return bool(method(n_runs, n_runs, reliability.confidence).low >= reliability.target)

    return bisect_left(range(2**62), True, lo=1, key=is_enough)


def probable_runs(n_learned: int, n_runs: int, reliability: Target, method: Method = wilson) -> int | None:
    """About how many runs in all would settle an inconclusive verdict: at least `n_runs`.

    The count at which the verdict would be settled if the share that learned stayed as it is: where that share is the
    true rate, about half of such studies are settled by then. None where it would take over ten million runs, the share
    being too close to the target, or where there are no runs yet.

    >>> probable_runs(62, 64, Target(0.9)), probable_runs(56, 64, Target(0.9)), probable_runs(90, 100, Target(0.9))
    (84, 540, None)
    """
    if n_runs == 0:
        return None

    def is_settled(n: int) -> bool:
        rates = method(round(n_learned * n / n_runs), n, reliability.confidence)
        return bool((rates.low >= reliability.target) | (rates.high < reliability.target))

    n = bisect_left(range(max_probable_runs + 1), True, lo=n_runs, key=is_settled)
    return n if n <= max_probable_runs else None
