"""The share of runs that have learned by an epoch, over the whole training."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sweep.statistics.intervals import Rates


@dataclass(frozen=True)
class Curve:
    """A step function: `rates` at `epochs` `[step]`, rising from epoch 0; each holds until the next."""

    epochs: npt.NDArray[np.int64]
    rates: Rates


def learned_by_epoch(epochs_to_learn: npt.NDArray[np.int64], confidence: float) -> Curve:
    """The share of all runs that have learned by each epoch, for good, with a band around the whole curve.

    `epochs_to_learn` `[run]`: the first epoch from which a run stays learned, -1 where there is none: such a run counts
    as one that needs longer than any epoch. The band is the share plus and minus sqrt(log(2/alpha)/(2n)), cut at 0 and
    1: the chance that it holds the true curve at all epochs together is at least the confidence, for any number of
    runs. Source: Massart, "The tight constant in the Dvoretzky-Kiefer-Wolfowitz inequality", Annals of Probability 18,
    1990.

    >>> curve = learned_by_epoch(np.array([20, -1, 5, 20]), 0.95)
    >>> curve.epochs.tolist(), curve.rates.value.tolist()
    ([0, 5, 20], [0.0, 0.25, 0.75])
    """
    n = len(epochs_to_learn)
    times = np.sort(epochs_to_learn[epochs_to_learn >= 0])
    epochs = np.unique(np.append(times, 0))
    if n == 0:
        return Curve(epochs, Rates(np.full(1, np.nan), np.zeros(1), np.ones(1), np.zeros(1, np.int64), "dkw"))
    value = np.searchsorted(times, epochs, side="right") / n
    half = np.sqrt(np.log(2 / (1 - confidence)) / (2 * n))
    low, high = np.maximum(0.0, value - half), np.minimum(1.0, value + half)
    return Curve(epochs, Rates(value, low, high, np.full(len(epochs), n, np.int64), "dkw"))
