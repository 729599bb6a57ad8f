"""Exact tests of a rate against a target, for a number of seeds that was fixed, and verdicts over many configurations.

Each configuration has two null hypotheses, and exactly one of them is true: its rate lies below the target (to be
rejected for `reliable`), or at or above it (to be rejected for `unreliable`). So of m configurations m hypotheses are
true, and each side may spend the whole error of a family.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sweep.statistics.bootstrap import drawn_seeds, moved_quantiles
from sweep.statistics.intervals import Counts, Floats, counts
from sweep.statistics.verdicts import Family, Target, Words

max_judged = 1_000_000  # verdicts of one bootstrap
max_drawn = 20_000_000  # its seeds


@dataclass(frozen=True)
class PValues:
    """One-sided p-values of configurations against a target: arrays of one shape; `n` runs each."""

    reliable: Floats
    unreliable: Floats
    n: Counts
    method: str


def exact_tests(n_learned: npt.ArrayLike, n_runs: npt.ArrayLike, target: float) -> PValues:
    """Exact one-sided binomial tests of both sides.

    `reliable` is P(S >= s) and `unreliable` is P(S <= s), for S ~ Binomial(n, target). Were the rate below the target,
    `reliable` would be at most x with a chance of at most x; likewise `unreliable` for a rate at or above it. A test at
    alpha/2 says what the interval of Clopper and Pearson says. No runs give 1. Source: Clopper, Pearson, Biometrika 26,
    1934.

    >>> p = exact_tests([64, 63, 62, 50], 64, 0.9)
    >>> [f"{x:.4f}" for x in p.reliable], [f"{x:.4f}" for x in p.unreliable]
    (['0.0012', '0.0096', '0.0389', '0.9986'], ['1.0000', '0.9988', '0.9904', '0.0038'])
    """
    from scipy.special import bdtr, betainc

    learned, runs = counts(n_learned, n_runs)
    failed = runs - learned
    reliable = np.where(learned == 0, 1.0, betainc(np.maximum(learned, 1), failed + 1, target))
    unreliable = bdtr(learned.astype(np.float64), runs, target)
    return PValues(reliable, np.asarray(unreliable, np.float64), runs.copy(), "exact binomial")


def adjusted(p_values: Floats, family: Family) -> Floats:
    """p-values of one side, `[configuration]`, for a family: those at most alpha are its findings at the error alpha.

    `none`: as they are. `fwer`: Bonferroni's, times their number. `fdr`: Benjamini and Hochberg's: the smallest false
    discovery rate at which each is found. Source: Benjamini, Hochberg, "Controlling the false discovery rate", Journal
    of the Royal Statistical Society B 57, 1995.

    >>> adjusted(np.array([0.01, 0.02, 0.9]), "fdr").round(3).tolist()
    [0.03, 0.03, 0.9]
    """
    from statsmodels.stats.multitest import multipletests

    if family == "none" or not len(p_values):
        return p_values.copy()
    method = {"fwer": "bonferroni", "fdr": "fdr_bh"}[family]
    return np.asarray(multipletests(p_values, method=method)[1], np.float64)


def verdicts_of(p_values: PValues, confidence: float, family: Family) -> Words:
    """`reliable`, `unreliable` or `inconclusive`, `[configuration]`; alpha = 1 - confidence.

    - `none`: each side at alpha/2, so that a verdict agrees with a two-sided interval. A configuration whose rate is at
      the target or beside it gets a false verdict with a chance of at most alpha/2.
    - `fwer`: each side at alpha/m, m configurations (alpha/2 for one alone). Any false verdict at all: at most alpha,
      however the configurations' runs go together.
    - `fdr`: Benjamini and Hochberg on each side at alpha. The expected share of false ones among the `reliable`, among
      the `unreliable` and among both together is at most alpha: a side's is at most alpha times the share of its
      hypotheses that are true, and the two shares add up to 1. Proven for independent configurations and for positive
      dependence on the true ones (Benjamini, Yekutieli, Annals of Statistics 29, 2001). Shared seeds are mostly
      positive dependence, which is no proof: the tests simulate them.

    >>> verdicts_of(exact_tests([64, 62, 50], 64, 0.9), 0.95, "none").tolist()
    ['reliable', 'inconclusive', 'unreliable']
    """
    alpha = 1 - confidence
    level = alpha / 2 if family == "none" or (family == "fwer" and len(p_values.n) == 1) else alpha
    is_reliable = adjusted(p_values.reliable, family) <= level
    is_unreliable = adjusted(p_values.unreliable, family) <= level
    return np.where(is_reliable, "reliable", np.where(is_unreliable, "unreliable", "inconclusive"))


@dataclass(frozen=True)
class Discoveries:
    """`n` findings among `of` configurations, and `rate`: the false discovery rate at which the same are found."""

    n: int
    of: int
    rate: float
    method: str


def discoveries(p_values: Floats, is_called: npt.NDArray[np.bool_]) -> Discoveries:
    """The false discovery rate at which Benjamini and Hochberg find all that were called, `[configuration]`; 0 of none.

    It is a bound on what is expected over seeds, for a rule that was fixed before; of these very findings nobody knows
    how many are false. Where the called are not those with the smallest p-values, others are found with them.

    >>> p = exact_tests([64, 63, 62, 50], 64, 0.9).reliable
    >>> f"{discoveries(p, p <= 0.025).rate:.4f}"
    '0.0191'
    """
    rate = float(adjusted(p_values, "fdr")[is_called].max(initial=0.0))
    return Discoveries(int(is_called.sum()), len(p_values), rate, "benjamini-hochberg")


@dataclass(frozen=True)
class Count:
    """How many configurations of `of` are called reliable, with its interval; `n` seeds."""

    value: int
    low: int
    high: int
    of: int
    n: int
    method: str


def count_of_reliable(
    learned: npt.NDArray[np.int8], reliability: Target, family: Family, n_resamples: int = 999
) -> Count:
    """How many of the configurations `[configuration, seed]` (1, 0, or -1 where the run is missing) are reliable.

    Estimand of the interval: the count that as many seeds give on average. It is a bootstrap over seeds, which all
    configurations share: the count belongs to the seeds and moves with them far more than independent verdicts would.
    It is not the number of configurations whose rate is at the target: of those, such seeds show only a part. Of very
    many configurations or seeds fewer resamples are taken, at least 99.
    """
    target, confidence = reliability.target, reliability.confidence
    n_resamples = min(n_resamples, max(99, max_judged // max(len(learned), 1)), max(99, max_drawn // learned.shape[1]))
    weights = np.insert(drawn_seeds(learned.shape[1], n_resamples), 0, 1, axis=1)  # the seeds themselves come first
    weights = weights.astype(np.float64)  # whole numbers all the same, and a product that is quick
    runs, successes = ((is_one @ weights).astype(np.int64) for is_one in (learned >= 0, learned == 1))
    pairs, place = np.unique(np.stack([successes, runs]).reshape(2, -1), axis=1, return_inverse=True)
    p = exact_tests(pairs[0], pairs[1], target)
    reliable, unreliable = (x[place.reshape(runs.shape)] for x in (p.reliable, p.unreliable))
    of_resamples = (PValues(a, b, n, p.method) for a, b, n in zip(reliable.T, unreliable.T, runs.T, strict=True))
    drawn = np.array([(verdicts_of(own, confidence, family) == "reliable").sum() for own in of_resamples])
    low, high = np.clip(moved_quantiles(drawn[0], drawn[1:], confidence), 0, len(learned))
    ends = int(np.floor(low)), int(np.ceil(high))
    return Count(int(drawn[0]), *ends, len(learned), learned.shape[1], "bootstrap over seeds")
