"""What one configuration did under many seeds: its success rate, how the others ended, the share learned by epoch."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from sweep.networks.configuration import Configuration
from sweep.networks.runs import Cohort, Measurements
from sweep.runs.outcomes import outcomes
from sweep.statistics.intervals import Rates, wilson
from sweep.training.cohorts import Trained

max_epochs_shown = 12


@dataclass(frozen=True)
class Answer:
    """One configuration's runs, counted.

    `rate`: the success rate with its interval; `outcomes`: runs by outcome, all that can be; `n_born_dead`: runs with a
    whole hidden layer off on every row before training; `shares`: `(epoch, share of the runs that have learned then)`.
    """

    configuration: Configuration
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


def is_learned(cohort: Cohort, measurements: Measurements, snapshot: int) -> Any:
    """Whether each model's table is learned at a snapshot: bool `[model]`."""
    predictions = measurements.predictions[:, snapshot]
    with np.errstate(invalid="ignore"):
        return cohort.configuration.head.margin(predictions, cohort.configuration.targets()) > np.float32(cohort.margin)


def summarise(trained: Trained, confidence: float = 0.95) -> Answer:
    """Count the runs of one configuration; the interval is Wilson's, for a number of seeds fixed beforehand."""
    cohort, measurements, runs = trained
    counts = np.bincount(runs.outcome, minlength=len(outcomes))
    is_whole_layer_off = measurements.units_off_initial == np.array(cohort.configuration.widths)
    last = len(cohort.snapshots) - 1
    shown = np.unique(np.linspace(0, last, max_epochs_shown).round().astype(int))
    shares = [(int(cohort.snapshots[i]), float(is_learned(cohort, measurements, i).mean())) for i in shown[:-1]]
    shares.append((cohort.configuration.epochs, float(runs.learned.mean())))
    return Answer(
        configuration=cohort.configuration,
        rate=wilson(int(runs.learned.sum()), len(runs), confidence),
        outcomes={name: int(n) for name, n in zip(outcomes, counts, strict=True)},
        n_born_dead=int(is_whole_layer_off.any(axis=1).sum()),
        shares=tuple(shares),
    )


def to_record(answer: Answer, engine: str, device: str) -> dict[str, Any]:
    """The answer as a plain mapping, for JSON; numbers of the interval with six decimals, as in the tables."""
    rate = answer.rate
    return {
        "configuration": answer.configuration.id,
        "settings": answer.configuration.labels(),
        "n_parameters": answer.configuration.n_parameters,
        "engine": engine,
        "device": device,
        "n_runs": answer.n_runs,
        "n_learned": answer.n_learned,
        "success_rate": round(float(rate.value), 6),
        "ci_low": round(float(rate.low), 6),
        "ci_high": round(float(rate.high), 6),
        "ci_method": rate.method,
        "outcomes": dict(answer.outcomes),
        "n_born_dead": answer.n_born_dead,
        "learned_by_epoch": [{"epoch": epoch, "share": round(share, 6)} for epoch, share in answer.shares],
    }
