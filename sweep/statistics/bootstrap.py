"""Seeds drawn again, for estimates that many configurations make together on the seeds that they share.

A seed is drawn with the outcomes of all configurations under it, so how they go together is kept. Drawn by a fixed
generator: the same runs give the same interval.
"""

import numpy as np

from sweep.statistics.intervals import Counts, Floats


def drawn_seeds(n_seeds: int, n_resamples: int) -> Counts:
    """How often each seed is drawn, `[seed, resample]`: `n_seeds` draws with replacement in each resample."""
    rng = np.random.default_rng(0)
    return rng.multinomial(n_seeds, np.full(n_seeds, 1 / n_seeds), n_resamples).T.astype(np.int64)


def moved_quantiles(estimate: float, drawn: Floats, confidence: float) -> tuple[Floats, Floats]:
    """Quantiles of the estimates from drawn seeds, moved so that their mean is the estimate.

    Seeds that are drawn twice shift many estimates away from what fresh seeds would give; the move takes that off.
    Source: Efron, Tibshirani, "An introduction to the bootstrap", 1993, chapter 10 (the bootstrap's estimate of bias).

    >>> [float(x) for x in moved_quantiles(5.0, np.array([6.0, 7.0, 8.0]), 0.5)]
    [4.5, 5.5]
    """
    tail = (1 - confidence) / 2
    found = estimate + np.quantile(drawn, [tail, 1 - tail]) - np.mean(drawn)
    return found[0], found[1]
