"""Trains what a rescue tries, within a budget.

The budget is counted by `training.costs.run_seconds`, never by a clock, so that the same arguments give the same
answer on every machine.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from sweep.commands.progress import Observer, Progress, counting, ignore
from sweep.commands.rescue.answer import Booleans, Proportion
from sweep.experiment.seeds import SeedBlock
from sweep.networks.configuration import Configuration
from sweep.networks.measurements import NetworkCohort
from sweep.runs.cohort import Cohort, Seeds
from sweep.runs.runs import Runs
from sweep.runs.success import Success
from sweep.statistics.exact_tests import exact_tests
from sweep.statistics.verdicts import Target
from sweep.training.cohorts import train_cohorts
from sweep.training.costs import run_seconds
from sweep.training.engine import Engine

# fresh seeds that confirm, and the fewest where they are costly
n_fresh, min_fresh = 1024, 64
# seconds of one core, about, that a rescue may take; of engines that are not made for thousands of networks
native_budget, other_budget = 40.0, 600.0
# what a configuration and its cohort cost beside training
beside_seconds = 0.002
# a change is dropped where a reliable one would do as badly in so many of as many cases
hopeless = 0.005


@dataclass
class Trainer:
    """Trains configurations under the block's seeds, and under fresh ones: first those that confirm, then the screen's.

    An engine that trains one network at a time gets as many fresh seeds as the block has. `left`: what is left of the
    budget; `n_left_out`: configurations that were too costly. `observe` is told how many networks are trained, of as
    many as were asked for so far.
    """

    engine: Engine
    workers: int
    block: SeedBlock
    reliability: Target
    success: Success
    left: float = 0.0
    n_left_out: int = 0
    observe: Observer = ignore
    progress: Progress = Progress("rescue", 0, 0, 0)

    def __post_init__(self) -> None:
        self.budget = native_budget if self.engine.name == "native" else other_budget
        self.left = self.budget

    def of_one(self, configuration: Configuration) -> float:
        """What training one network costs."""
        return run_seconds(configuration, self.engine.name)

    def seconds(self, configuration: Configuration, n: int) -> float:
        """What `n` networks cost of the budget."""
        return beside_seconds + n * self.of_one(configuration)

    def affordable(self, configurations: Sequence[Configuration], seconds: float) -> int:
        """On how many seeds all of them can be trained for so many seconds."""
        left = max(0.0, seconds - beside_seconds * len(configurations))
        return int(left / sum(map(self.of_one, configurations)))

    def within(self, configurations: Sequence[Configuration], n: int, seconds: float) -> list[Configuration]:
        """Those of them that `n` seeds each are affordable for, the first first."""
        kept: list[Configuration] = []
        for c in configurations:
            needed = self.seconds(c, n)
            if needed <= seconds:
                seconds -= needed
                kept.append(c)
        return kept

    def train(self, configurations: Sequence[Configuration], seeds: Seeds) -> list[Runs]:
        """Train each of them under these seeds."""
        return self.train_cohorts([Cohort(c, seeds, self.success) for c in configurations])

    def train_cohorts(self, cohorts: Sequence[NetworkCohort]) -> list[Runs]:
        """Train cohorts, and take what they cost off the budget."""
        self.left -= sum(self.seconds(cohort.configuration, len(cohort)) for cohort in cohorts)
        asked = replace(self.progress, n_runs=self.progress.n_runs + sum(map(len, cohorts)))
        count = counting(self._see, asked)
        return [runs for _, _, runs in train_cohorts(self.engine, cohorts, self.workers, count)]

    def _see(self, progress: Progress) -> None:
        self.progress = progress
        self.observe(progress)

    def is_affordable(self, configuration: Configuration) -> bool:
        """Whether what is left suffices to confirm a configuration."""
        return self.left >= self.seconds(configuration, min(min_fresh, self._n_fresh))

    @property
    def _n_fresh(self) -> int:
        return n_fresh if self.engine.is_threaded else len(self.block)

    def fresh_rate(self, configuration: Configuration) -> Proportion:
        """The rate on the fresh seeds that confirm, fewer where they would take over a quarter of the budget."""
        n = self._n_fresh
        n = max(min(n, min_fresh), min(n, self.affordable([configuration], self.budget / 4)))
        (runs,) = self.train([configuration], self.block.fresh(n))
        return Proportion.of(runs.learned, self.reliability.confidence)

    def screen(self, first: int, end: int) -> Seeds:
        """Some of the seeds on which changes are raced: no more than the block has where networks train one by one."""
        n, least = self._n_fresh, len(self.block) if not self.engine.is_threaded else end
        return self.block.fresh(n + min(end, least))[n + first :]

    def is_hopeless(self, learned: Booleans) -> bool:
        """Whether a reliable configuration would hardly ever do so badly."""
        tests = exact_tests(int(learned.sum()), len(learned), self.reliability.target)
        return bool(tests.unreliable < hopeless)

    def seems_reliable(self, learned: Booleans) -> bool:
        """Whether the runs of the race show the target, or as much as so many can."""
        share = Proportion.of(learned, self.reliability.confidence)
        return share.shows(self.reliability) or bool(np.all(learned))
