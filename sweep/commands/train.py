"""One configuration under many seeds: its success rate, how the others ended, the share learned by epoch."""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from sweep.commands.check import expected_bytes, refuse_beyond_memory
from sweep.commands.rescue.likely import Likely
from sweep.experiment.seeds import SeedBlock
from sweep.networks import criterion
from sweep.networks.configuration import Configuration
from sweep.networks.limits import limits
from sweep.networks.measurements import Measurements, NetworkCohort
from sweep.runs.outcomes import outcomes
from sweep.runs.success import Success, above_margin
from sweep.statistics.intervals import Rates, wilson
from sweep.training import choice, threads
from sweep.training.cohorts import Trained, train_block
from sweep.training.costs import run_seconds
from sweep.training.engine import Engine
from sweep.training.trainer import ignore_count

max_epochs_shown = 12


@dataclass(frozen=True)
class Asked:
    """One configuration to be trained under a block of seeds: with which engine, on how many threads."""

    configuration: Configuration
    block: SeedBlock
    engine: Engine
    workers: int
    success: Success

    @property
    def seconds(self) -> float:
        """About how long it will take."""
        of_one = run_seconds(self.configuration, self.engine.name)
        return of_one * len(self.block) / (self.workers if self.engine.is_threaded else 1)

    def train(self, on_count: Callable[[int, int], None] = ignore_count) -> Trained:
        """Train it; `on_count` is told how many runs are done and how many of them learned."""
        c, block, engine = self.configuration, self.block, self.engine
        return train_block(c, block, engine, workers=self.workers, success=self.success, on_count=on_count)


def ask(
    configuration: Configuration,
    block: SeedBlock,
    *,
    engine: str = "auto",
    device: str = "auto",
    workers: int | None = None,
    success: Success | None = None,
) -> Asked:
    """What is to be trained; nothing is yet. `success`: when a run counts as learned, by default a margin above 0.

    Raises `EngineError`, and `ResultsError` where it would take more memory than there is.
    """
    chosen = choice.choose(engine, device, [configuration])
    n_workers, n = workers or threads.available_cores(), len(block)
    needed = expected_bytes([configuration], n_at_once=n, n_runs=n, workers=n_workers)
    what = f"{n:,} networks of {configuration.n_parameters:,} parameters"
    refuse_beyond_memory(needed, what, "smaller networks, fewer seeds")
    return Asked(configuration, block, chosen, n_workers, success or above_margin(0.0))


@dataclass(frozen=True)
class RunCounts:
    """One configuration's runs, counted.

    `rate`: the success rate with its interval; `outcomes`: runs by outcome, all that can be; `n_born_dead`: runs with a
    whole hidden layer off on every row before training; `shares`: `(epoch, share of the runs that have learned then)`.
    """

    configuration: Configuration
    success: Success
    rate: Rates
    outcomes: Mapping[str, int]
    n_born_dead: int
    shares: tuple[tuple[int, float], ...]

    @property
    def n_runs(self) -> int:
        """How many were trained."""
        return int(self.rate.n)

    @property
    def n_learned(self) -> int:
        """How many learned."""
        return self.outcomes["learned"]


def is_learned(cohort: NetworkCohort, measurements: Measurements, snapshot: int) -> Any:
    """Whether each model's table is learned at a snapshot: bool `[model]`."""
    predictions, losses = measurements.predictions[:, snapshot], measurements.losses[:, snapshot]
    return criterion.is_learned(cohort.success, cohort.configuration, predictions, losses)


def count_runs(trained: Trained, confidence: float = 0.95) -> RunCounts:
    """Count the runs of one configuration; the interval is Wilson's, for a number of seeds fixed beforehand."""
    cohort, measurements, runs = trained
    counts = np.bincount(runs.outcome, minlength=len(outcomes))
    is_whole_layer_off = measurements.units_off_initial == np.array(cohort.configuration.widths)
    last = len(cohort.configuration.snapshots) - 1
    shown = np.unique(np.linspace(0, last, max_epochs_shown).round().astype(int))
    shares = [
        (int(cohort.configuration.snapshots[i]), float(is_learned(cohort, measurements, i).mean())) for i in shown[:-1]
    ]
    shares.append((cohort.configuration.epochs, float(runs.learned.mean())))
    return RunCounts(
        configuration=cohort.configuration,
        success=cohort.success,
        rate=wilson(int(runs.learned.sum()), len(runs), confidence),
        outcomes={name: int(n) for name, n in zip(outcomes, counts, strict=True)},
        n_born_dead=int(is_whole_layer_off.any(axis=1).sum()),
        shares=tuple(shares),
    )


def to_record(answer: RunCounts, likely: Likely | None, engine: Engine) -> dict[str, Any]:
    """What came of it and what is known beforehand, for JSON; numbers of the interval with six decimals."""
    rate = answer.rate
    return {
        "configuration": answer.configuration.id,
        "settings": answer.configuration.labels(),
        "n_parameters": answer.configuration.n_parameters,
        "success": str(answer.success),
        "engine": engine.name,
        "device": engine.device,
        "n_runs": answer.n_runs,
        "n_learned": answer.n_learned,
        "success_rate": round(float(rate.value), 6),
        "ci_low": round(float(rate.low), 6),
        "ci_high": round(float(rate.high), 6),
        "ci_method": rate.method,
        "outcomes": dict(answer.outcomes),
        "n_born_dead": answer.n_born_dead,
        "learned_by_epoch": [{"epoch": epoch, "share": round(share, 6)} for epoch, share in answer.shares],
        "likely_rescue": likely and likely.record(),
        "limits": [dataclasses.asdict(limit) for limit in limits(answer.configuration)],
    }
