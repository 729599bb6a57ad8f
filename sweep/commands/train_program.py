"""One program, one setting of it, many seeds: how often it succeeds. No file, and no folder."""

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np

from sweep.experiment.seeds import SeedBlock
from sweep.runs.cohort import Broken, Cohort
from sweep.runs.endings import Ending
from sweep.runs.limits import Limits
from sweep.runs.outcomes import lowest_seeds, outcomes, outcomes_of
from sweep.runs.runs import Runs, merge
from sweep.runs.settings import Settings
from sweep.runs.success import Success
from sweep.statistics.intervals import Rates, wilson
from sweep.training.own import TrainerError
from sweep.training.programs import Command, as_trainer
from sweep.training.threads import available_cores
from sweep.training.trainer import Guard


@dataclass(frozen=True)
class ProgramRuns:
    """What came of the runs: `endings`, what some said at their end; `lost`, those that came to nothing."""

    command: Command
    settings: Settings
    success: Success
    runs: Runs
    endings: tuple[Ending, ...]
    lost: tuple[Broken, ...]

    @property
    def rate(self) -> Rates:
        """The success rate, with Wilson's interval at 95% confidence."""
        return wilson(int(self.runs.learned.sum()), len(self.runs), 0.95)

    @property
    def counts(self) -> dict[str, int]:
        """Runs by outcome, all that can be."""
        return {o.name: int((self.runs.outcome == outcomes.index(o.name)).sum()) for o in outcomes_of("settings")}

    @property
    def medians(self) -> dict[str, float]:
        """The median of each number over the runs that gave it."""
        finite = {name: values[np.isfinite(values)] for name, values in self.runs.measured.items()}
        return {name: float(np.median(values)) for name, values in finite.items() if len(values)}

    def record(self) -> dict[str, Any]:
        """The answer for JSON; numbers of the interval with six decimals, as in the tables."""
        rate = self.rate
        return {
            "program": list(self.command.argv),
            "settings": self.settings.values,
            "success": str(self.success),
            "n_runs": len(self.runs),
            "n_learned": self.counts["learned"],
            "success_rate": round(float(rate.value), 6),
            "ci_low": round(float(rate.low), 6),
            "ci_high": round(float(rate.high), 6),
            "ci_method": rate.method,
            "outcomes": self.counts,
            "n_lost": sum(len(b.seeds) for b in self.lost),
            "medians": self.medians,
        }


def train_program(
    argv: tuple[str, ...],
    given: Mapping[str, Any],
    n_seeds: int,
    success: Success,
    *,
    workers: int | None,
    watch: Callable[[int, int], None],
) -> ProgramRuns:
    """Run a program under the seeds from 0 on; `watch` is told how many runs are done and how many succeeded.

    Raises `SettingError` for what cannot be, `TrainerError` where every first run crashes, or every run is lost.
    """
    command, settings = Command(argv), Settings.of(given)
    command.check(given, given)
    n_workers = workers or available_cores()
    trainer = as_trainer(command, Limits(), n_workers)
    cohort = Cohort(settings, SeedBlock(count=n_seeds).seeds(), success=success)
    n_done = n_learned = 0

    def count(n_more: int, n_more_learned: int) -> None:
        nonlocal n_done, n_learned
        n_done, n_learned = n_done + n_more, n_learned + n_more_learned
        watch(n_done, n_learned)

    lost: list[Broken] = []
    with closing(trainer):
        kept = list(trainer.train([cohort], n_workers, count, Guard(lost.append, lambda: False)))
    if not kept:
        raise TrainerError(f"{command.name}: every run was {lost[0].traceback}")
    endings = lowest_seeds(x for k in kept for x in k.endings)
    runs = merge([k.runs for k in kept])
    return ProgramRuns(command, settings, success, runs, tuple(endings), tuple(lost))
