"""The share of runs whose number is at most t, at every t together."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sweep.statistics.intervals import Rates


@dataclass(frozen=True)
class Shares:
    """A step function: `rates` at the values `at` `[step]`, rising from minus infinity; each holds until the next."""

    at: npt.NDArray[np.float64]
    rates: Rates


def shares_up_to(values: npt.NDArray[np.float64], confidence: float) -> Shares:
    """The share of all runs whose value is at most t, with a band around the whole curve.

    `values` `[run]`: what is not finite is above every t, as the epochs of a run that never learned. The share at or
    above t is that of the negated values. The band is the share plus and minus sqrt(log(2/alpha)/(2n)), cut at 0 and
    1: the chance that it holds the true curve at all t together is at least the confidence, for any number of runs.
    Source: Massart, "The tight constant in the Dvoretzky-Kiefer-Wolfowitz inequality", Annals of Probability 18, 1990.

    >>> shares = shares_up_to(np.array([20, np.nan, 5, 20]), 0.95)
    >>> shares.at.tolist(), shares.rates.value.tolist()
    ([-inf, 5.0, 20.0], [0.0, 0.25, 0.75])
    """
    n, finite = len(values), np.sort(values[np.isfinite(values)])
    at = np.append(-np.inf, np.unique(finite))
    value = np.searchsorted(finite, at, side="right") / max(n, 1)
    half = np.sqrt(np.log(2 / (1 - confidence)) / (2 * max(n, 1)))
    low, high = np.maximum(0.0, value - half), np.minimum(1.0, value + half)
    return Shares(at, Rates(value, low, high, np.full(len(at), n, np.int64), "dkw"))
