"""How many seeds each configuration is trained under: all of a fixed block, or more while its verdict is open.

With `up_to` a configuration begins with `count` seeds and doubles them until the confidence sequence settles its
verdict or `up_to` is reached. The count that it ends with follows from which of its seeds learned, and from nothing
else: not from the order of training, an interruption or the number of workers.
"""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import numpy.typing as npt

from sweep.experiment.experiment import Experiment
from sweep.experiment.seeds import SeedBlock
from sweep.runs.runs import Runs
from sweep.statistics.intervals import Method, Rates, confidence_sequence, wilson
from sweep.statistics.verdicts import (
    Target,
    allowed_failures,
    family_confidence,
    needed_runs,
    probable_runs,
    rates_for,
    verdict,
)

Seeds = npt.NDArray[np.uint32]


@dataclass(frozen=True)
class Allocation:
    """The seeds of a study. `n_configurations`: what the error of adaptive verdicts is divided by, so that all hold.

    That number must be known before the first verdict: it is the number of trials, of which some may repeat others.
    """

    block: SeedBlock
    reliability: Target
    n_configurations: int

    @classmethod
    def of(cls, experiment: Experiment) -> Self:
        """How an experiment's configurations get its seeds."""
        return cls(experiment.seeds, experiment.reliability, experiment.n_trials)

    def counts(self) -> list[int]:
        """After how many seeds a configuration is looked at, rising; the last is the most that it can get.

        >>> Allocation(SeedBlock(count=16, up_to=100), Target(), 1).counts()
        [16, 32, 64, 100]
        """
        most = len(self.block)
        if self.block.up_to is None:
            return [most]
        counts = [self.block.count]
        while counts[-1] < most:
            counts.append(min(2 * counts[-1], most))
        return counts

    @property
    def n_adaptive(self) -> int | None:
        """How many adaptive verdicts are to hold together; None where the number of seeds is fixed."""
        return self.n_configurations if self.block.up_to is not None else None

    def rates(self, n_learned: npt.ArrayLike, n_runs: npt.ArrayLike) -> Rates:
        """The intervals that the verdicts of this study are built on."""
        return rates_for(n_learned, n_runs, self.reliability, n_adaptive=self.n_adaptive)

    def _of_one(self) -> tuple[Target, Method]:
        """The target with the confidence of one configuration's interval, and the method of that."""
        if self.n_adaptive is None:
            return self.reliability, wilson
        confidence = family_confidence(self.reliability.confidence, self.n_adaptive)
        return replace(self.reliability, confidence=confidence), confidence_sequence

    def allowed_failures(self) -> int | None:
        """How many of a configuration's most seeds may fail for `reliable`; None where even all learned is too few."""
        return allowed_failures(len(self.block), *self._of_one())

    def needed_runs(self) -> int:
        """The smallest number of runs that shows the target when all of them learn."""
        return needed_runs(*self._of_one())

    def probable_runs(self, n_learned: int, n_runs: int) -> int | None:
        """About how many runs would settle an open verdict; None where the share is too close to the target."""
        return probable_runs(n_learned, n_runs, *self._of_one())

    def course(self, runs: Runs) -> list[tuple[int, float]]:
        """The count and the success rate at each look that these runs, sorted by seed, are enough for."""
        learned = self._known(runs)
        done = [n for n in self.counts() if n <= len(learned)]
        return [(n, float(learned[:n].mean())) for n in done]

    def seeds(self, runs: Runs) -> Seeds:
        """The seeds that a configuration is to have by its runs so far, sorted by seed: all of them, known or not."""
        counts, learned = self.counts(), self._known(runs)
        looks = np.array([n for n in counts if n <= len(learned)], np.int64)
        if len(looks) == len(counts):
            looks = looks[:-1]  # at the most, the verdict is what it is
        wanted = counts[len(looks)]
        if len(looks):
            rates = self.rates(np.cumsum(learned)[looks - 1], looks)
            is_settled = verdict(rates, self.reliability.target) != "inconclusive"
            wanted = int(looks[is_settled.argmax()]) if is_settled.any() else wanted
        return self.block.seeds()[:wanted]

    def _known(self, runs: Runs) -> npt.NDArray[np.bool_]:
        """Which of the block's first seeds learned, up to the first that has no run yet."""
        seeds = self.block.seeds()
        place = np.searchsorted(runs.seed, seeds)
        inside = np.minimum(place, max(len(runs) - 1, 0))
        is_known = runs.seed[inside] == seeds if len(runs) else np.zeros(len(seeds), np.bool_)
        n_known = len(seeds) if is_known.all() else int(is_known.argmin())
        return runs.learned[place[:n_known]]
