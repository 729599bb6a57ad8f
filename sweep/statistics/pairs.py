"""Two configurations on the same seeds: a paired comparison.

Only the seeds that one of them learned and the other did not (the discordant pairs) say which is better.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Booleans = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Pairs:
    """How many seeds both configurations learned, only the first, only the second, and neither."""

    both: int
    only_first: int
    only_second: int
    neither: int

    @property
    def n(self) -> int:
        """The number of pairs."""
        return self.both + self.only_first + self.only_second + self.neither


@dataclass(frozen=True)
class Difference:
    """The first configuration's rate minus the second's, with its interval; NaN and -1 to 1 without pairs."""

    value: float
    low: float
    high: float
    n: int
    method: str


def pair(first: Booleans, second: Booleans) -> Pairs:
    """Count the pairs; `first` and `second`: learned or not, `[seed]`, of the same seeds.

    >>> pair(np.array([True, True, False, True]), np.array([True, False, False, False]))
    Pairs(both=1, only_first=2, only_second=0, neither=1)
    """
    both, only_first, only_second = (first & second).sum(), (first & ~second).sum(), (~first & second).sum()
    return Pairs(int(both), int(only_first), int(only_second), int((~first & ~second).sum()))


def mcnemar(pairs: Pairs) -> float:
    """McNemar's exact two-sided p-value for equal rates.

    Where the rates are equal, a discordant pair falls on either side with chance 1/2: twice the smaller binomial tail,
    at most 1. Source: McNemar, "Note on the sampling error of the difference between correlated proportions or
    percentages", Psychometrika 12, 1947.

    >>> f"{mcnemar(Pairs(0, 84, 12, 0)):.10e}"
    '1.8316192854e-14'
    """
    from statsmodels.stats.contingency_tables import mcnemar as exact_test

    table = [[pairs.both, pairs.only_first], [pairs.only_second, pairs.neither]]
    result: Any = exact_test(table, exact=True)
    return float(result.pvalue)


def mcnemar_mid_p(pairs: Pairs) -> float:
    """McNemar's two-sided mid-p-value for equal rates.

    The exact one counts the chance of the pairs found in full; here half of it counts, so that the test errs in close
    to 5% at 5% instead of far less: with 64 seeds in at most 6.0%, whatever the rates. Tango's interval holds 0 where
    |b - c| / sqrt(b + c), the same question by the normal distribution, is small enough: of the 1,890 tables with up to
    60 discordant pairs the two disagree at 5% in 8, whose mid-p lies between 0.05 and 0.0625. Source: Fagerland,
    Lydersen, Laake, "The McNemar test for binary matched-pairs data: mid-p and asymptotic are better than exact
    conditional", BMC Medical Research Methodology 13, 2013.

    >>> f"{mcnemar(Pairs(1, 1, 7, 12)):.4f} {mcnemar_mid_p(Pairs(1, 1, 7, 12)):.4f}"
    '0.0703 0.0391'
    """
    from scipy.stats import binom

    b, c = pairs.only_first, pairs.only_second
    of_these = float(binom.pmf(b, b + c, 0.5))
    return 1 - of_these / 2 if b == c else mcnemar(pairs) - of_these


def paired_difference(pairs: Pairs, confidence: float) -> Difference:
    """Tango's score interval for the difference of two rates that were measured on the same seeds.

    The differences d with |b - c - n d| <= z sqrt(n (2 q(d) + d (1 - d))), for n pairs, b of them learned by the first
    only and c by the second only; q(d) is the likeliest chance of a pair of the second kind, were the difference d.
    Coverage is close to nominal on average. Source: Tango, "Equivalence test and confidence interval for the difference
    in proportions for the paired-sample design", Statistics in Medicine 17, 1998.

    >>> d = paired_difference(Pairs(1, 1, 7, 12), 0.95)
    >>> f"{d.value:.3f} {d.low:.3f} {d.high:.3f}"
    '-0.286 -0.517 -0.026'
    """
    from scipy.optimize import brentq
    from scipy.special import ndtri

    n, b, c = pairs.n, pairs.only_first, pairs.only_second
    if n == 0:
        return Difference(math.nan, -1.0, 1.0, 0, "tango")
    z = -float(ndtri((1 - confidence) / 2))

    def excess(d: float, side: int) -> float:
        """Distance of b - c from n d, less what the level allows; `side` 1 where d lies below the estimate."""
        middle = (2 * n - b + c) * d - b - c
        q = (math.sqrt(max(0.0, middle**2 + 8 * n * c * d * (1 - d))) - middle) / (4 * n)
        return side * (b - c - n * d) - z * math.sqrt(max(0.0, n * (2 * q + d * (1 - d))))

    value = (b - c) / n
    beside = 1e-12  # at the estimate itself both sides are 0 where all pairs are of one kind
    low: Any = brentq(excess, -1, value - beside, args=(1,), xtol=1e-13) if value > -1 else -1.0
    high: Any = brentq(excess, value + beside, 1, args=(-1,), xtol=1e-13) if value < 1 else 1.0
    return Difference(value, float(low), float(high), n, "tango")


@dataclass(frozen=True)
class Equivalence:
    """Whether two rates are shown to differ by less than `margin`; `difference` has the interval that shows it."""

    is_shown: bool
    margin: float
    difference: Difference


def equivalence(pairs: Pairs, margin: float, confidence: float) -> Equivalence:
    """Two one-sided tests: that the first rate is not lower by `margin` or more, and not higher.

    Shown where Tango's interval at 1 - 2 alpha lies between -margin and margin, alpha = 1 - confidence. Were the rates
    apart by the margin or more, it would be shown with a chance of about alpha: Tango's interval is close to nominal.
    "Not told apart" is no equivalence: few seeds tell nothing apart. Source: Schuirmann, "A comparison of the two
    one-sided tests procedure and the power approach", Journal of Pharmacokinetics and Biopharmaceutics 15, 1987; Tango
    1998.

    >>> equivalence(Pairs(60, 2, 2, 0), 0.1, 0.95).is_shown, equivalence(Pairs(6, 0, 0, 0), 0.1, 0.95).is_shown
    (True, False)
    """
    if not 0 < margin < 1:
        raise ValueError(f"margin must lie between 0 and 1, found {margin}")
    found = paired_difference(pairs, 2 * confidence - 1)
    return Equivalence(-margin < found.low and found.high < margin, margin, found)
