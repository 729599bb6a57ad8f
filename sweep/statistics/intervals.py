"""Intervals for a rate: how often a configuration learns, from how many of its seeds did.

Notation: s of n runs learned; p is the rate; alpha = 1 - confidence. Every function takes arrays of one shape, or
numbers, and its docstring says what coverage it promises: the chance, over seeds, that the interval holds the true
rate. No runs give the interval 0 to 1 and no value (NaN).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Rates:
    """Estimated rates with their intervals: arrays of one shape. `n` is the count behind each."""

    value: Floats
    low: Floats
    high: Floats
    n: Counts
    method: str


def counts(n_learned: npt.ArrayLike, n_runs: npt.ArrayLike) -> tuple[Counts, Counts]:
    """Both counts as integers of one shape; `ValueError` where more learned than ran."""
    learned, runs = np.broadcast_arrays(np.asarray(n_learned, np.int64), np.asarray(n_runs, np.int64))
    if (learned < 0).any() or (learned > runs).any():
        raise ValueError("n_learned must lie between 0 and n_runs")
    return learned, runs


def _rates(learned: Counts, runs: Counts, ends: tuple[Floats, Floats], method: str) -> Rates:
    """Ends that are exactly 0 where none learned and 1 where all did, for intervals that reach there."""
    low = np.where((runs == 0) | (learned == 0), 0.0, ends[0])
    high = np.where((runs == 0) | (learned == runs), 1.0, ends[1])
    value = np.where(runs == 0, np.nan, learned / np.maximum(runs, 1))
    return Rates(value, low, high, runs.copy(), method)


def wilson(n_learned: npt.ArrayLike, n_runs: npt.ArrayLike, confidence: float) -> Rates:
    """Wilson's two-sided score interval for a rate from a fixed number of independent runs.

    The rates p with |s/n - p| <= z sqrt(p (1 - p) / n), z the normal quantile at 1 - alpha/2. Coverage is nominal on
    average over the rate; at 95% and n = 64 it falls to 0.84 at the worst rate. Source: Brown, Cai, DasGupta, "Interval
    estimation for a binomial proportion", Statistical Science 16, 2001.

    >>> r = wilson(103, 200, 0.95)
    >>> f"{float(r.low):.5f} {float(r.high):.5f}"
    '0.44611 0.58333'
    """
    from scipy.special import ndtri  # statsmodels has the formula too, at four times the time to import

    learned, runs = counts(n_learned, n_runs)
    n = np.maximum(runs, 1).astype(np.float64)
    p, z2 = learned / n, float(ndtri((1 - confidence) / 2)) ** 2
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = np.sqrt(z2 * (p * (1 - p) + z2 / (4 * n)) / n) / (1 + z2 / n)
    return _rates(learned, runs, (centre - half, centre + half), "wilson")


def jeffreys(n_learned: npt.ArrayLike, n_runs: npt.ArrayLike, confidence: float) -> Rates:
    """Jeffreys' interval: the central part of the posterior under the prior Beta(1/2, 1/2); fixed number of runs.

    Coverage is nominal on average over the rate; at 95% and n = 64 it falls to 0.88, but for rates nearer to 0 or 1
    than its ends at 0/n and n/n (0.000008 there), which it never holds. Source: Brown, Cai, DasGupta 2001, section
    4.1.2.

    >>> r = jeffreys(30, 30, 0.95)
    >>> f"{float(r.low):.5f} {float(r.high):.5f}"
    '0.92032 0.99998'
    """
    from scipy.special import betaincinv

    learned, runs = counts(n_learned, n_runs)
    a, b, tail = learned + 0.5, runs - learned + 0.5, (1 - confidence) / 2
    low, high = (np.where(runs == 0, whole, betaincinv(a, b, q)) for q, whole in ((tail, 0.0), (1 - tail, 1.0)))
    value = np.where(runs == 0, np.nan, learned / np.maximum(runs, 1))
    return Rates(value, low, high, runs.copy(), "jeffreys")


def clopper_pearson(n_learned: npt.ArrayLike, n_runs: npt.ArrayLike, confidence: float) -> Rates:
    """The exact interval of Clopper and Pearson: the rates that neither one-sided binomial test rejects at alpha/2.

    Coverage is never under nominal, at any rate and any fixed number of runs; mostly it is above. Source: Clopper,
    Pearson, "The use of confidence or fiducial limits illustrated in the case of the binomial", Biometrika 26, 1934.

    >>> r = clopper_pearson(0, 30, 0.95)
    >>> f"{float(r.low):.5f} {float(r.high):.5f}"
    '0.00000 0.11570'
    """
    from scipy.special import betaincinv

    learned, runs = counts(n_learned, n_runs)
    s, failed, tail = learned.astype(np.float64), (runs - learned).astype(np.float64), (1 - confidence) / 2
    low = betaincinv(np.maximum(s, 0.5), failed + 1, tail)  # the ends at 0/n and n/n are set below
    high = betaincinv(s + 1, np.maximum(failed, 0.5), 1 - tail)
    return _rates(learned, runs, (low, high), "clopper-pearson")


def confidence_sequence(n_learned: npt.ArrayLike, n_runs: npt.ArrayLike, confidence: float) -> Rates:
    """An interval that may be looked at after every run: it holds at all numbers of runs together.

    The rates p with BinomPMF(s; n, p) > alpha/(n + 1): those against which the evidence of the uniform mixture,
    1/((n + 1) BinomPMF), has stayed under 1/alpha. The chance that the true rate ever leaves it, whatever the rule by
    which runs are added or stopped, is at most alpha (Ville's inequality). Source: Robbins, "Statistical methods
    related to the law of the iterated logarithm", Annals of Mathematical Statistics 41, 1970; Howard, Ramdas,
    McAuliffe, Sekhon, "Time-uniform, nonparametric, nonasymptotic confidence sequences", Annals of Statistics 49, 2021.

    >>> r = confidence_sequence(103, 200, 0.95)
    >>> f"{float(r.low):.5f} {float(r.high):.5f}"
    '0.39964 0.62929'
    """
    from scipy.special import betaln

    learned, runs = counts(n_learned, n_runs)
    s, failed = learned.astype(np.float64), (runs - learned).astype(np.float64)
    # log(alpha/(n + 1)) - log(n choose s), since (n + 1) (n choose s) = 1/B(s + 1, n - s + 1)
    level = np.log1p(-confidence) + betaln(s + 1, failed + 1)
    ends = _lower_root(s, failed, level), 1 - _lower_root(failed, s, level)
    return _rates(learned, runs, ends, "beta-binomial")


def _lower_root(s: Floats, failed: Floats, level: Floats) -> Floats:
    """The smaller p with s log p + failed log(1 - p) = level; 0 where s is 0.

    By Newton's method in the log odds x, where the left side g(x) is concave and at most s x: from x = level/s, where
    g <= level, every step goes up to the root and never past it.
    """
    from scipy.special import expit, log_expit

    is_inner = (s > 0) & (failed > 0)
    ends = np.where(s > 0, np.exp(level / np.maximum(s, 1)), 0.0)  # at n/n: n log p = level
    s, failed, level = s[is_inner], failed[is_inner], level[is_inner]
    x = level / s
    for _ in range(100):
        rise = level - s * log_expit(x) - failed * log_expit(-x)
        step = np.maximum(rise / (s * expit(-x) - failed * expit(x)), 0.0)  # below 0 by rounding, at the root
        x = x + step
        if (step <= 1e-14 * np.abs(x)).all():
            break
    ends[is_inner] = expit(x)
    return ends


Method = Callable[[npt.ArrayLike, npt.ArrayLike, float], Rates]
