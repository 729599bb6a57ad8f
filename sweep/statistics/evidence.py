"""Evidence that may be looked at while seeds are added: e-values of a rate against a target.

Notation: s of n seeds learned, n - s failed, t is the target. An e-value is at most 1 on average where its null
hypothesis is true, at any number of seeds and by any rule for stopping. Logarithms throughout: they are in range up to
a hundred thousand seeds and beyond.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sweep.statistics.intervals import Counts, Floats, counts

smallest_tail = 1e-200
max_terms = 100_000


@dataclass(frozen=True)
class EValues:
    """Natural logarithms of e-values against `the rate is below the target` and `is at or above it`; `n` runs each."""

    log_reliable: Floats
    log_unreliable: Floats
    n: Counts
    method: str


def mixtures(n_learned: npt.ArrayLike, n_runs: npt.ArrayLike, target: float) -> EValues:
    """The evidence of one-sided uniform mixtures: for `reliable` over the rates in (t, 1], for `unreliable` in [0, t).

    The likelihood of the outcomes, averaged over the rates of one side, over their likelihood at the target:

        unreliable = B(s + 1, n - s + 1) I_t(s + 1, n - s + 1) / (t t^s (1 - t)^(n - s))

    with the regularised incomplete beta function I; `reliable` is the same of failures and 1 - t. Where the rate lies
    at the target the ratio is a martingale, on the null's side of it a supermartingale: each seed multiplies it by an
    average of at most 1. So it ever reaches 1/alpha with a chance of at most alpha, whatever the rule for looking and
    stopping (Ville's inequality), with no last look needed.

    Where several configurations share their seeds, whether one of them goes on may depend on outcomes of others under
    seeds that it has had too, and on nothing else of them. Outcomes of A under seeds 101 to 200 say something about
    those of B; a rule that lets them decide whether B goes on beyond seed 100 takes the promise away. So all open
    configurations are looked at together, at one number of seeds (seed-major). Source: Robbins, Annals of Mathematical
    Statistics 41, 1970; Ramdas, Grünwald, Vovk, Shafer, "Game-theoretic statistics and safe anytime-valid inference",
    Statistical Science 38, 2023; Choe, Ramdas, "Combining evidence across filtrations", 2024.

    >>> e = mixtures([64, 89, 40], [64, 89, 64], 0.9)
    >>> [f"{x:.2f}" for x in e.log_reliable], [f"{x:.2f}" for x in e.log_unreliable]
    (['4.87', '7.18', '-3.03'], ['-4.17', '-4.50', '15.34'])
    """
    learned, runs = counts(n_learned, n_runs)
    s, failed = learned.astype(np.float64), (runs - learned).astype(np.float64)
    reliable, unreliable = _log_mixture(failed, s, 1 - target), _log_mixture(s, failed, target)
    return EValues(reliable, unreliable, runs.copy(), "one-sided uniform mixture")


def _log_mixture(s: Floats, failed: Floats, t: float) -> Floats:
    """The logarithm of the mixture over [0, t) against t."""
    from scipy.special import betainc, betaln

    tail = betainc(s + 1, failed + 1, t)
    is_small = tail < smallest_tail
    whole = betaln(s + 1, failed + 1) + np.log(np.where(is_small, 1.0, tail))
    found = np.asarray(whole - (s + 1) * np.log(t) - failed * np.log1p(-t), np.float64)
    if is_small.any():  # I_t = t^a (1 - t)^b / (a B(a, b)) * series; most of it cancels
        series = _series(np.extract(is_small, s), np.extract(is_small, failed), t)
        np.place(found, is_small, np.log1p(-t) - np.log(np.extract(is_small, s) + 1) + np.log(series))
    return found


def _series(s: Floats, failed: Floats, t: float) -> Floats:
    """The hypergeometric series 2F1(n + 2, 1; s + 2; t), its terms falling: s/n is above t."""
    term, total = np.ones_like(s), np.ones_like(s)
    for k in range(max_terms):
        term = term * t * (s + failed + 2 + k) / (s + 2 + k)
        total += term
        if (term <= 1e-16 * total).all():
            break
    return total
