"""Configurations against each other, on the seeds that both were trained under.

`learned` `[configuration, seed]` holds 1, 0, or -1 where the run is missing.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sweep.statistics.pairs import Pairs, pair

Learned = npt.NDArray[np.int8]


def paired(first: Learned, second: Learned) -> Pairs:
    """The pairs of two configurations, each `[seed]`: their outcomes on the seeds that both have."""
    is_common = (first >= 0) & (second >= 0)
    return pair(first[is_common] == 1, second[is_common] == 1)


@dataclass(frozen=True)
class BestSet:
    """Which configurations cannot be told from the best.

    `best`: its index. `p_values` `[configuration]`: of each being worse than another one, corrected for their number; 1
    for the best. `is_open` `[configuration]`: not shown worse, the best among them. `n_seeds`: those that all
    configurations have, on which this rests.
    """

    best: int
    p_values: npt.NDArray[np.float64]
    is_open: npt.NDArray[np.bool_]
    n_seeds: int
    method: str


max_compared = 2_000_000_000  # pairs of configurations times resamples


def _best(learned: Learned, n_parameters: npt.NDArray[np.int64]) -> int:
    """The configuration with the highest rate; of several the smallest, then the first."""
    n, successes = (learned >= 0).sum(axis=1), (learned == 1).sum(axis=1)
    rates = np.where(n > 0, successes / np.maximum(n, 1), -1.0)
    return int(np.lexsort((n_parameters, -rates))[0])


def not_shown_worse(
    learned: Learned,
    n_parameters: npt.NDArray[np.int64],
    verdicts: npt.NDArray[np.str_],
    confidence: float,
    n_resamples: int = 999,
) -> BestSet:
    """The configurations that no other one is shown to be better than, by the joint distribution over seeds.

    Each configuration i is held against all others j: the largest of (b - c) / sqrt(b + c + 1), b seeds that only j
    learned and c that only i did. Its p-value is how often that is reached where each seed's differences keep or change
    their sign with chance 1/2, all of a seed together: against a single other one that is McNemar's exact one-sided
    test, against many it keeps how they go together on their seeds. What is shown worse at alpha / 10 leaves, and the
    rest is held against the rest alone at what is left of alpha = 1 - confidence (two steps down): who is far off no
    longer widens what chance allows. So fewer stay than by Bonferroni's correction.

    The truly best one stays with a chance of about the confidence (exact for two configurations): in simulated studies
    of 40 that are all alike one was left out in 0% to 6% at 5%. Where one that stays is `reliable`, those whose verdict
    is `unreliable` leave: the truly best goes with them only where its own verdict is false.

    Seeds that some configuration misses are left out; nothing is shown without a seed that all have. Of very many
    configurations fewer signs are drawn, at least 199. Source: Romano,
    Wolf, "Exact and approximate stepdown methods for multiple hypothesis testing", Journal of the American Statistical
    Association 100, 2005; Romano, Shaikh, Wolf, "A practical two-step method for testing moment inequalities",
    Econometrica 82, 2014.
    """
    best, alpha = _best(learned, n_parameters), 1 - confidence
    common = (learned[:, (learned >= 0).all(axis=0)] == 1).astype(np.float32)
    p_values, left = np.ones(len(learned)), np.arange(len(learned))
    if common.shape[1]:
        n_resamples = min(n_resamples, max(199, max_compared // len(learned) ** 2))
        signs = np.random.default_rng(0).choice(np.array([-1, 1], np.float32), (common.shape[1], n_resamples))
        drawn = common @ signs
        for level in (alpha / 10, alpha * 9 / 10):
            p_values[left] = np.minimum(1.0, _p_worse(common[left], drawn[left]) * alpha / level)
            left = left[p_values[left] > alpha]
    is_open = np.isin(np.arange(len(learned)), left)
    if (is_open & (verdicts == "reliable")).any():
        is_open &= verdicts != "unreliable"
    return BestSet(best, p_values, is_open, common.shape[1], "step-down, signs of seeds")


def _p_worse(learned: npt.NDArray[np.float32], drawn: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Of each `[configuration]` the p-value of being worse than another; `drawn` by signs `[configuration, k]`."""
    total = learned.sum(axis=1)
    found, differences = np.ones(len(learned)), np.empty_like(drawn)
    for i, own in enumerate(learned):
        scale = np.sqrt(total + total[i] - 2 * (learned @ own) + 1)  # the discordant pairs and one
        shown = ((total - total[i]) / scale).max()
        if shown > 0:
            np.subtract(drawn, drawn[i], out=differences)
            largest = np.divide(differences, scale[:, None], out=differences).max(axis=0)
            found[i] = (1 + (largest >= shown).sum()) / (1 + len(largest))
    return found
