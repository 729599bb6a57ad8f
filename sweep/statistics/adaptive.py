"""Seeds added while verdicts are open: when configurations are looked at, and what is decided at a look.

All open configurations are looked at together, at one number of seeds: `mixtures` says why that is a condition.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sweep.statistics.evidence import EValues, mixtures
from sweep.statistics.exact_tests import Family, Words
from sweep.statistics.intervals import Counts, Floats
from sweep.statistics.verdicts import Target

step = 16


def looks(first: int, up_to: int) -> tuple[int, ...]:
    """The numbers of seeds at which open configurations are looked at: 16 more, or an eighth, whichever is more.

    >>> looks(16, 200)
    (16, 32, 48, 64, 80, 96, 112, 128, 144, 162, 182, 200)
    """
    found = [first]
    while found[-1] < up_to:
        found.append(min(found[-1] + max(step, found[-1] // 8), up_to))
    return tuple(found)


@dataclass(frozen=True)
class Rule:
    """By which evidence a verdict is settled; alpha = 1 - confidence, m configurations in all, those to come too.

    - `none`: an e-value of 1/alpha. A false verdict of a configuration, ever: at most alpha.
    - `fwer`: m/alpha. Any false verdict at all, ever, however the configurations' runs go together: at most alpha.
    - `fdr`: m/(alpha R), R the number of settled verdicts of its kind, this one among them (e-BH). The expected share
      of false ones among the `reliable`, among the `unreliable` and among both together: at most alpha, however the
      configurations' runs go together. A side's is at most alpha times the share of its hypotheses that are true, and
      the two shares add up to 1. Source: Wang, Ramdas, "False discovery rate control with e-values", Journal of the
      Royal Statistical Society B 84, 2022.

    Each side may spend the whole error, as only one of the two verdicts can be false.
    """

    reliability: Target
    family: Family
    n_configurations: int

    def settle(self, evidence: EValues, before: Words) -> Words:
        """The verdicts after a look, `[configuration]`: what was settled `before` stays.

        Under `fdr` the settled ones keep the e-value that they were settled with, which was enough for a smaller R:
        so all settled ones together are such a set as e-BH finds.

        Where configurations are chosen by results of earlier ones, no look has all of them together: judge each by
        `fwer`, whose threshold is known before it starts, and apply `fdr` once, when all have stopped.
        """
        found = before.copy()
        for name, log_e in (("reliable", evidence.log_reliable), ("unreliable", evidence.log_unreliable)):
            is_open = found == "inconclusive"
            threshold = self._log_threshold(log_e[is_open], int((found == name).sum()))
            found[is_open & (log_e >= threshold)] = name
        return found

    def _log_threshold(self, log_e: Floats, n_settled: int) -> float:
        """What the evidence of one side must reach; `log_e` of the open configurations."""
        own = -float(np.log1p(-self.reliability.confidence))
        if self.family == "none":
            return own
        together = own + float(np.log(self.n_configurations))
        if self.family == "fwer":
            return together
        falling = -np.sort(-log_e)
        enough = together - np.log(n_settled + np.arange(1, len(falling) + 1))
        reached = np.flatnonzero(falling >= enough)
        return float(enough[reached[-1]]) if len(reached) else np.inf


def unsettled(n_configurations: int) -> Words:
    """The verdicts before the first look."""
    return np.full(n_configurations, "inconclusive")


@dataclass(frozen=True)
class SeedCourse:
    """What came of adding seeds: for each `[configuration]` its runs, how many learned, and its verdict."""

    n_runs: Counts
    n_learned: Counts
    verdicts: Words


def play(learned: npt.NDArray[np.int8], rule: Rule, counts: Sequence[int]) -> SeedCourse:
    """Add seeds in the order of `learned` `[configuration, seed]`, 0 or 1, and look at `counts`, which rise.

    For replaying what is known and for simulations: a sweep trains as it goes.

    >>> course = play(np.ones((2, 64), np.int8), Rule(Target(0.9), "none", 2), looks(16, 64))
    >>> course.n_runs.tolist(), course.verdicts.tolist()
    ([48, 48], ['reliable', 'reliable'])
    """
    reached = learned.cumsum(axis=1, dtype=np.int64)
    verdicts = unsettled(len(learned))
    n_runs, n_learned = np.zeros((2, len(learned)), np.int64)
    for n in counts:
        is_open = verdicts == "inconclusive"
        n_runs[is_open], n_learned[is_open] = n, reached[is_open, n - 1]
        verdicts = rule.settle(mixtures(n_learned, n_runs, rule.reliability.target), verdicts)
    return SeedCourse(n_runs, n_learned, verdicts)
