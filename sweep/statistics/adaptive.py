"""Seeds added while verdicts are open: when configurations are looked at, and what is decided at a look.

All open configurations are looked at together, at one number of seeds: `mixtures` says why that is a condition.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sweep.statistics.evidence import EValues, mixtures
from sweep.statistics.intervals import Counts, Floats, confidence_sequence
from sweep.statistics.verdicts import Family, Target, Words

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


# n_learned, n_runs, and the words before a look, all `[configuration]`: the words after it
Look = Callable[[Counts, Counts, Words], Words]


def by_verdict(rule: Rule) -> Look:
    """Seeds are added until a verdict is settled; the words are the verdicts."""
    return lambda n_learned, n_runs, before: rule.settle(mixtures(n_learned, n_runs, rule.reliability.target), before)


def by_half_width(half_width: float, confidence: float) -> Look:
    """Seeds are added until the confidence sequence of a rate is as narrow, to either side; the word is `narrow`.

    The interval holds at the count where they end, as it does at all of them.
    """

    def look(n_learned: Counts, n_runs: Counts, before: Words) -> Words:
        found = confidence_sequence(n_learned, n_runs, confidence)
        return np.where((n_runs > 0) & (found.high - found.low <= 2 * half_width), "narrow", before)

    return look


@dataclass(frozen=True)
class SeedCourse:
    """What came of adding seeds, `[configuration]`: the runs looked at last, how many learned, the words, `known`.

    `known`: how many of the first seeds have their run. The word of a configuration whose seeds have not ended is
    `inconclusive`.
    """

    n_runs: Counts
    n_learned: Counts
    words: Words
    known: Counts

    def wanted(self, counts: Sequence[int]) -> Counts:
        """How many seeds each is to have, known or not: what it ended with, else those of its next look."""
        following = np.minimum(np.searchsorted(counts, self.known, side="right"), len(counts) - 1)
        return np.where(self.words == "inconclusive", np.array(counts)[following], self.n_runs)


def play(learned: npt.NDArray[np.int8], look: Look, counts: Sequence[int]) -> SeedCourse:
    """Add seeds in the order of `learned` `[configuration, seed]`, 1, 0, or -1 unknown, and look at `counts`, rising.

    A configuration that lacks runs of a look is left out of it: its evidence stays what it was.

    >>> course = play(np.ones((2, 64), np.int8), by_verdict(Rule(Target(0.9), "none", 2)), looks(16, 64))
    >>> course.n_runs.tolist(), course.words.tolist()
    ([48, 48], ['reliable', 'reliable'])
    """
    is_known = learned >= 0
    known = np.where(is_known.all(axis=1), learned.shape[1], is_known.argmin(axis=1))
    reached = (learned == 1).cumsum(axis=1, dtype=np.int64)
    words = unsettled(len(learned))
    n_runs, n_learned = np.zeros((2, len(learned)), np.int64)
    for n in counts:
        is_looked_at = (words == "inconclusive") & (known >= n)
        if not is_looked_at.any():
            break
        n_runs[is_looked_at], n_learned[is_looked_at] = n, reached[is_looked_at, n - 1]
        words = look(n_learned, n_runs, words)
    return SeedCourse(n_runs, n_learned, words, known)
