"""A likely rescue within a second: every single change, tried on some of the seeds that failed.

Where a network is too large for that, the usual medicine for what most often went wrong.
"""

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np

from sweep.commands.rescue.changes import changed, describe_change
from sweep.commands.rescue.rescue import Proportion, cost
from sweep.networks.configuration import Configuration
from sweep.runs.cohort import Cohort
from sweep.training.cohorts import Trained, train_cohorts
from sweep.training.costs import run_seconds
from sweep.training.engine import Engine

# what trying may take, in seconds by `planning.run_seconds`, and on how many seeds
max_seconds = 1.0
max_seeds = 64
min_seeds = 16


@dataclass(frozen=True)
class Likely:
    """The single change that rescues most of the failing seeds tried: the best of `n_tried`, judged on those seeds."""

    change: str
    configuration: Configuration
    rescued: Proportion
    n_tried: int

    def record(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        return {
            "change": self.change,
            "configuration": self.configuration.id,
            "settings": self.configuration.labels(),
            "rescued": dataclasses.asdict(self.rescued),
            "n_tried": self.n_tried,
        }


def find_likely(trained: Trained, engine: Engine, workers: int, confidence: float = 0.95) -> Likely | None:
    """Try every single change on the first failing seeds; None where none failed, or where it would take too long."""
    cohort, _, runs = trained
    singles = [c for _, c in changed(cohort.configuration)]
    of_one_seed = sum(run_seconds(c, engine.name) for c in singles) / (workers if engine.is_threaded else 1)
    affordable = int(max_seconds / of_one_seed)
    seeds = cohort.seeds[~runs.learned][: min(max_seeds, affordable)]
    if affordable < min_seeds or not len(seeds):
        return None
    tried = train_cohorts(engine, [Cohort(c, seeds, cohort.success) for c in singles], workers)
    learned = [t.runs.learned for t in tried]
    best = min(range(len(singles)), key=lambda i: (-int(np.sum(learned[i])), cost(singles[i])))
    change = describe_change(cohort.configuration, singles[best])
    return Likely(change, singles[best], Proportion.of(learned[best], confidence), len(singles))
