"""A likely rescue within a second: every single change, tried on some of the seeds that failed.

Where a network is too large for that, the usual medicine for what most often went wrong.
"""

import dataclasses
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sweep.changes import changed, describe
from sweep.costs import run_seconds
from sweep.engines import Engine
from sweep.model import Configuration
from sweep.rescues import Share, cost
from sweep.runs import Cohort, failures
from sweep.training import Trained, train_cohorts

# what trying may take, in seconds by `planning.run_seconds`, and on how many seeds
max_seconds = 1.0
max_seeds = 64
min_seeds = 16
medicines = {
    "diverged": "a learning rate divided by ten",
    "dead": "more units in each layer, fewer layers, or leaky_relu, which is never off",
    "stuck": "more units in each layer, or leaky_relu or tanh",
    "unconverged": "more epochs, or a learning rate times ten",
    "unsettled": "a learning rate divided by ten, the whole table as one batch, no dropout",
}


@dataclass(frozen=True)
class Likely:
    """The single change that rescues most of the failing seeds tried: the best of `n_tried`, judged on those seeds."""

    change: str
    configuration: Configuration
    rescued: Share
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
    tried = train_cohorts(engine, [Cohort(c, seeds, cohort.margin) for c in singles], workers)
    learned = [t.runs.learned for t in tried]
    best = min(range(len(singles)), key=lambda i: (-int(np.sum(learned[i])), cost(singles[i])))
    change = describe(cohort.configuration, singles[best])
    return Likely(change, singles[best], Share.of(learned[best], confidence), len(singles))


def advice_lines(
    configuration: Configuration, outcomes: Mapping[str, int], likely: Likely | None, arguments: Sequence[str]
) -> list[str]:
    """What would probably help, and the commands that find out; `arguments` are those of `sweep train`."""
    failed = {name: n for name, n in outcomes.items() if n and name in failures}
    save = f"sweep train {shlex.join(arguments)} --save mine.yaml"
    if not failed:
        return [f"as an experiment: {save}"]
    if likely is not None and likely.rescued.k:
        r = likely.rescued
        said = (
            f"{likely.change}: {r.k:,} of {r.n:,} failing seeds learn "
            f"({100 * r.low:.0f}-{100 * r.high:.0f}%), the best of {likely.n_tried} single changes"
        )
    elif likely is not None:
        said = f"no single change: of {likely.n_tried}, none lets one of {likely.rescued.n:,} failing seeds learn"
    else:
        most = max(failed, key=lambda name: failed[name])
        said = f"where runs end {most}: {medicines[most]}"
    return [
        f"likely rescue: {said}",
        "to find out, with cost, combinations and fresh seeds:",
        f"  {save}",
        "  sweep run mine.yaml",
        f"  sweep rescue results/mine {configuration.id[:6]}",
    ]
