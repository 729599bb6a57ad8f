"""How many seeds each configuration is trained under, and its verdict: all of a fixed block, or more while it is open.

With `up_to` a configuration begins with `count` seeds and gets 16 more, or an eighth of what it has, until its verdict
is settled or `up_to` is reached; with `until`, until the interval of its rate is narrow. The counts that configurations
end with follow from which of their seeds learned, and from nothing else: not from the order of training, an
interruption or the number of workers.

All configurations of a study are looked at together, at one number of seeds, where a verdict depends on those of others
(`fdr`). Where results choose the next configurations (tpe) that cannot be: there each stops by the bar of `fwer`, which
is known before it starts, and `fdr` is applied once, at the end.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import numpy.typing as npt

from sweep.experiment.experiment import Experiment
from sweep.experiment.seeds import SeedBlock
from sweep.runs.runs import Runs
from sweep.statistics.adaptive import Look, Rule, SeedCourse, by_half_width, by_verdict, looks, play, unsettled
from sweep.statistics.evidence import mixtures
from sweep.statistics.exact_tests import exact_tests, verdicts_of
from sweep.statistics.intervals import Counts, Floats, Rates, confidence_sequence, wilson
from sweep.statistics.seeds import Bar, allowed_failures, bar_of, needed_runs, runs_for_verdict
from sweep.statistics.verdicts import Family, Target, Words

Seeds = npt.NDArray[np.uint32]
largest_log_e = 690.0  # the table has e-values up to about 1e300


@dataclass(frozen=True)
class Standing:
    """The verdicts of configurations, `[configuration]`, and their evidence, by the name of its column."""

    verdicts: Words
    evidence: Mapping[str, Floats]


@dataclass(frozen=True)
class Allocation:
    """The seeds of a study. `n_configurations`: what the error of adaptive verdicts is divided by, so that all hold.

    That number must be known before the first verdict: it is the number of trials, of which some may repeat others.
    `is_chosen`: whether results of earlier configurations choose the next.
    """

    block: SeedBlock
    reliability: Target
    n_configurations: int
    is_chosen: bool = False

    @classmethod
    def of(cls, experiment: Experiment) -> Self:
        """How an experiment's configurations get its seeds."""
        is_chosen = experiment.study.sampler == "tpe"
        return cls(experiment.seeds, experiment.reliability, experiment.n_trials, is_chosen)

    @property
    def is_adaptive(self) -> bool:
        """Whether seeds are added as results come in."""
        return self.block.up_to is not None

    @property
    def family(self) -> Family:
        """What the error is of; where the experiment does not say, `fdr` if seeds are added, else `none`."""
        return self.reliability.family or ("fdr" if self.is_adaptive else "none")

    @property
    def is_together(self) -> bool:
        """Whether all configurations are looked at together: how long one goes on depends on the others."""
        return self.is_adaptive and self.family == "fdr" and not self.is_chosen and self.block.until is None

    def counts(self) -> tuple[int, ...]:
        """After how many seeds a configuration is looked at, rising; the last is the most that it can get.

        >>> Allocation(SeedBlock(count=16, up_to=100), Target(), 1).counts()
        (16, 32, 48, 64, 80, 96, 100)
        """
        return looks(self.block.count, len(self.block)) if self.is_adaptive else (len(self.block),)

    def rates(self, n_learned: npt.ArrayLike, n_runs: npt.ArrayLike) -> Rates:
        """The intervals of rates: Wilson's for a fixed number of seeds, else one that holds whenever seeds end.

        Each for itself at the experiment's confidence; with seeds added and `fwer`, all of them together.
        """
        confidence = self.reliability.confidence
        if not self.is_adaptive:
            return wilson(n_learned, n_runs, confidence)
        return confidence_sequence(n_learned, n_runs, self.interval_confidence)

    @property
    def interval_confidence(self) -> float:
        """The confidence of one interval, where seeds are added."""
        n = self.n_configurations if self.family == "fwer" else 1
        return 1 - (1 - self.reliability.confidence) / max(1, n)

    def bar(self, n_called: int = 0) -> Bar:
        """What one configuration must show for a verdict; with `fdr`, where `n_called` others have the same one."""
        n, reliability = max(1, self.n_configurations), replace(self.reliability, family=self.family)
        return bar_of(reliability, n, n_called=min(n_called, n - 1), is_adaptive=self.is_adaptive)

    def allowed_failures(self, n_called: int = 0) -> int | None:
        """How many of a configuration's most seeds may fail for `reliable`; None where even all learned is too few."""
        return allowed_failures(len(self.block), self.bar(n_called))

    def needed_runs(self, n_called: int = 0) -> int:
        """The smallest number of runs that shows the target when all of them learn."""
        return needed_runs(self.bar(n_called))

    def runs_for_verdict(self, rate: float, n_called: int = 0) -> int | None:
        """How many runs would probably settle an inconclusive verdict at this rate, as `sweep plan` has it."""
        return runs_for_verdict(rate, self.bar(n_called))

    def course(self, runs: Runs) -> list[tuple[int, float]]:
        """The count and the success rate at each look that these runs, sorted by seed, are enough for."""
        (row,) = self._learned([runs])
        n_known = len(row) if (row >= 0).all() else int((row < 0).argmax())
        return [(n, float((row[:n] == 1).mean())) for n in self.counts() if n <= n_known]

    def wanted(self, runs: Sequence[Runs]) -> Counts:
        """How many of the block's first seeds each configuration is to have by the runs so far, known or not.

        `runs` are sorted by seed; where all configurations are looked at together, they are those of the whole study.
        """
        if not self.is_adaptive:
            return np.full(len(runs), len(self.block), np.int64)
        return self._play(runs).wanted(self.counts())

    def cut(self, runs: Sequence[Runs]) -> list[Runs]:
        """The runs that the seeds wanted have; those beyond are left out."""
        seeds = self.block.seeds()
        wanted = zip(runs, self.wanted(runs), strict=True)
        return [own.take(np.isin(own.seed, seeds[:n])) for own, n in wanted]

    def standing(self, runs: Sequence[Runs]) -> Standing:
        """The verdicts by the runs of the study's configurations."""
        reliability = self.reliability
        if not self.is_adaptive:
            p = exact_tests([int(r.learned.sum()) for r in runs], [len(r) for r in runs], reliability.target)
            evidence = {"p_reliable": p.reliable, "p_unreliable": p.unreliable}
            return Standing(verdicts_of(p, reliability.confidence, self.family), evidence)
        course = self._play(runs)
        e = mixtures(course.n_learned, course.n_runs, reliability.target)
        found = course.words
        if not self._stops_by_its_verdict:
            found = self._rule(self.family).settle(e, unsettled(len(runs)))
        of_sides = {"e_reliable": e.log_reliable, "e_unreliable": e.log_unreliable}
        return Standing(found, {name: np.exp(np.minimum(x, largest_log_e)) for name, x in of_sides.items()})

    @property
    def _stops_by_its_verdict(self) -> bool:
        return self.block.until is None and not (self.is_chosen and self.family == "fdr")

    def _rule(self, family: Family) -> Rule:
        return Rule(self.reliability, family, max(1, self.n_configurations))

    def _look(self) -> Look:
        if self.block.until is not None:
            return by_half_width(self.block.until, self.interval_confidence)
        return by_verdict(self._rule(self.family if self._stops_by_its_verdict else "fwer"))

    def _play(self, runs: Sequence[Runs]) -> SeedCourse:
        return play(self._learned(runs), self._look(), self.counts())

    def _learned(self, runs: Sequence[Runs]) -> npt.NDArray[np.int8]:
        """Which seeds of the block learned, `[configuration, seed]`: 1, 0, or -1 where there is no run."""
        seeds = self.block.seeds()
        found = np.full((len(runs), len(seeds)), -1, np.int8)
        for row, own in zip(found, runs, strict=True):
            place = np.minimum(np.searchsorted(seeds, own.seed), len(seeds) - 1)
            is_own = seeds[place] == own.seed
            row[place[is_own]] = own.learned[is_own]
        return found
