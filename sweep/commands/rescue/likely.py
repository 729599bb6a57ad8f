"""A likely rescue within some seconds: single changes, tried on some of the seeds that failed.

What was not tried, on sixteen failing seeds at least, is not said.
"""

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np

from sweep.commands.rescue.answer import Proportion
from sweep.commands.rescue.changes import cost, describe_change
from sweep.commands.rescue.moves import suited
from sweep.commands.rescue.search import costly, count_failures, min_seeds
from sweep.networks.configuration import Configuration
from sweep.runs.cohort import Cohort
from sweep.training.cohorts import Trained, train_cohorts
from sweep.training.costs import run_seconds
from sweep.training.engine import Engine

# what trying may take, in seconds by `run_seconds`, and on how many seeds
max_seconds = 3.0
max_seeds = 64


@dataclass(frozen=True)
class Likely:
    """The single change that rescues most of the failing seeds tried: the best of `n_tried`, judged on those seeds.

    `n_tried` may be fewer than there are: those that suit the outcomes best.
    """

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
    """Try single changes on the first failing seeds; None where there are too few of these, or all take too long.

    Left out are changes of over four times the cost, and, where trying all would take too long, those that suit the
    outcomes least.
    """
    cohort, _, runs = trained
    base, seeds = cohort.configuration, cohort.seeds[~runs.learned][:max_seeds]
    if len(seeds) < min_seeds:
        return None
    left = max_seconds * (workers if engine.is_threaded else 1)
    singles = [c for c in suited(base, count_failures(base, runs)) if cost(c) <= costly * cost(base)]
    costs = [run_seconds(c, engine.name) for c in singles]
    seeds = seeds[: max(min_seeds, int(left / sum(costs)))]
    n = int(np.searchsorted(np.cumsum(costs) * len(seeds), left, side="right"))
    if not n:
        return None
    tried = train_cohorts(engine, [Cohort(c, seeds, cohort.success) for c in singles[:n]], workers)
    learned = [t.runs.learned for t in tried]
    best = min(range(n), key=lambda i: (-int(np.sum(learned[i])), cost(singles[i])))
    return Likely(describe_change(base, singles[best]), singles[best], Proportion.of(learned[best], confidence), n)
