"""Configurations against each other, on the seeds that both were trained under.

`learned` `[configuration, seed]` holds 1, 0, or -1 where the run is missing.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sweep.statistics.pairs import Pairs, better_than, pair

Learned = npt.NDArray[np.int8]


def paired(first: Learned, second: Learned) -> Pairs:
    """The pairs of two configurations, each `[seed]`: their outcomes on the seeds that both have."""
    is_common = (first >= 0) & (second >= 0)
    return pair(first[is_common] == 1, second[is_common] == 1)


@dataclass(frozen=True)
class BestSet:
    """Which configurations cannot be told from the best.

    `best`: its index. `p_values` `[configuration]`: of the best being better than each, by Bonferroni's correction; 1
    for itself. `is_open` `[configuration]`: not shown worse than the best, the best among them.
    """

    best: int
    p_values: npt.NDArray[np.float64]
    is_open: npt.NDArray[np.bool_]


def against_the_best(learned: Learned, n_parameters: npt.NDArray[np.int64], confidence: float) -> BestSet:
    """All configurations against the one with the highest rate (of several the smallest, then the first).

    One-sided exact McNemar tests, Bonferroni's correction over the K - 1 others. The truly best configuration is in the
    set with a chance of at least the confidence, whichever the data chose: it is left out only where one of K - 1
    others is shown better than it.
    """
    n, successes = (learned >= 0).sum(axis=1), (learned == 1).sum(axis=1)
    rates = np.where(n > 0, successes / np.maximum(n, 1), -1.0)
    best = int(np.lexsort((n_parameters, -rates))[0])
    winner, others = learned[best], np.delete(learned, best, axis=0)
    better = ((winner == 1) & (others == 0)).sum(axis=1)
    worse = ((winner == 0) & (others == 1)).sum(axis=1)
    p_values = np.insert(better_than(better, worse), best, 1.0)
    return BestSet(best, p_values, p_values > 1 - confidence)
