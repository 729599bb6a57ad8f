"""The statistics of success rates: intervals, verdicts, seeds. Knows no other module of the package.

An estimate travels with its interval, its count and its method. The rate estimated is P(learn): the probability that a
configuration learns its task, over seeds.
"""

from sweep.reliability.curves import Curve, learned_by_epoch
from sweep.reliability.intervals import Method, Rates, clopper_pearson, confidence_sequence, jeffreys, wilson
from sweep.reliability.pairs import Difference, Pairs, better_than, mcnemar, pair, paired_difference
from sweep.reliability.seeds import (
    Settling,
    doublings,
    expected_half_width,
    runs_for_any_rate,
    runs_for_half_width,
    runs_for_verdict,
    settling,
)
from sweep.reliability.verdicts import (
    Target,
    allowed_failures,
    family_confidence,
    needed_runs,
    probable_runs,
    rates_for,
    verdict,
    verdicts,
)

__all__ = [
    "Curve",
    "Difference",
    "Method",
    "Pairs",
    "Rates",
    "Settling",
    "Target",
    "allowed_failures",
    "better_than",
    "clopper_pearson",
    "confidence_sequence",
    "doublings",
    "expected_half_width",
    "family_confidence",
    "jeffreys",
    "learned_by_epoch",
    "mcnemar",
    "needed_runs",
    "pair",
    "paired_difference",
    "probable_runs",
    "rates_for",
    "runs_for_any_rate",
    "runs_for_half_width",
    "runs_for_verdict",
    "settling",
    "verdict",
    "verdicts",
    "wilson",
]
