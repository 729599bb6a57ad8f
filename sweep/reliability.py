"""The statistics of success rates: intervals and verdicts. Knows no other module of the package.

An estimate travels with its interval, its count and its method. The rate estimated is P(learn): the probability that a
configuration learns its task, over seeds.
"""

from bisect import bisect_left
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

verdicts = ("reliable", "inconclusive", "unreliable")


@dataclass(frozen=True)
class Target:
    """What counts as reliable: a success rate of at least `target`, at `confidence`; both in (0, 1).

    `margin` in [0, 1): a run has learned when the smallest `(2y - 1)(2p - 1)` of its table is above it.
    """

    target: float = 0.9
    confidence: float = 0.95
    margin: float = 0.0


@dataclass(frozen=True)
class Rates:
    """Estimated rates with their intervals: arrays of one shape. `n` is the count behind each."""

    value: npt.NDArray[np.float64]
    low: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]
    n: npt.NDArray[np.int64]
    method: str


def wilson(n_learned: npt.ArrayLike, n_runs: npt.ArrayLike, confidence: float) -> Rates:
    """Wilson's two-sided score interval for a rate from a fixed number of independent runs.

    Coverage is nominal on average over the rate; at 95% and n = 64 it falls to 0.84 at the worst rate. No runs give
    the interval 0 to 1 and no value (NaN). Source: Brown, Cai, DasGupta, "Interval estimation for a binomial
    proportion", Statistical Science 16, 2001.

    >>> r = wilson(103, 200, 0.95)
    >>> f"{float(r.low):.5f} {float(r.high):.5f}"
    '0.44611 0.58333'
    """
    from statsmodels.stats.proportion import proportion_confint

    learned, runs = np.broadcast_arrays(np.asarray(n_learned, np.int64), np.asarray(n_runs, np.int64))
    if (learned < 0).any() or (learned > runs).any():
        raise ValueError("n_learned must lie between 0 and n_runs")
    counted = np.maximum(runs, 1)
    low, high = proportion_confint(learned, counted, alpha=1 - confidence, method="wilson")
    # the ends at 0/n and n/n are exactly 0 and 1; rounding may leave 1e-17 beside them
    low = np.where((runs == 0) | (learned == 0), 0.0, low)
    high = np.where((runs == 0) | (learned == runs), 1.0, high)
    value = np.where(runs == 0, np.nan, learned / counted)
    return Rates(value, low, high, runs.copy(), "wilson")


def verdict(rates: Rates, target: float) -> npt.NDArray[np.str_]:
    """`reliable` where the interval lies at or above the target, `unreliable` below, else `inconclusive`."""
    return np.where(rates.low >= target, "reliable", np.where(rates.high < target, "unreliable", "inconclusive"))


def allowed_failures(n_runs: int, reliability: Target) -> int | None:
    """How many of `n_runs` may fail for the verdict `reliable`; None where even all learned would not show it.

    >>> allowed_failures(64, Target(0.9)), allowed_failures(64, Target(0.95)), allowed_failures(73, Target(0.95))
    (1, None, 0)
    """

    def falls_short(n_failed: int) -> bool:
        return bool(wilson(n_runs - n_failed, n_runs, reliability.confidence).low < reliability.target)

    n_allowing = bisect_left(range(n_runs + 1), True, key=falls_short)
    return n_allowing - 1 if n_allowing else None


def needed_runs(reliability: Target) -> int:
    """The smallest number of runs that shows the target when all of them learn.

    >>> needed_runs(Target(0.9)), needed_runs(Target(0.95))
    (35, 73)
    """

    def is_enough(n_runs: int) -> bool:
        return bool(wilson(n_runs, n_runs, reliability.confidence).low >= reliability.target)

    return bisect_left(range(2**62), True, lo=1, key=is_enough)
