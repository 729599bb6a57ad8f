"""Cohorts trained on threads of this process and diagnosed, in order; and one configuration at once."""

import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sweep.experiment.seeds import SeedBlock
from sweep.networks.configuration import Configuration
from sweep.networks.diagnosis import diagnose, examples
from sweep.networks.measurements import Measurements, NetworkCohort, join
from sweep.runs.cohort import Broken, Cohort
from sweep.runs.runs import Runs, concatenate
from sweep.runs.success import Success
from sweep.training import threads
from sweep.training.engine import Engine
from sweep.training.rest import with_descents
from sweep.training.trainer import Guard, Kept, OnCount, ignore_count


class Trained(NamedTuple):
    """A cohort, what the engine measured of it, and how its runs ended."""

    cohort: NetworkCohort
    measurements: Measurements
    runs: Runs


def train_cohorts(
    engine: Engine,
    cohorts: Sequence[NetworkCohort],
    workers: int,
    on_count: OnCount = ignore_count,
    guard: Guard | None = None,
) -> Iterator[Trained]:
    """Train and diagnose cohorts, in order; `on_count` is told how many runs more are done, how many of them learned.

    With a `guard` a cohort comes back without the models that could not be trained or diagnosed, else that is an
    exception.
    """
    trained = threads.train_over_threads(engine, cohorts, workers, on_count, guard, finish=with_descents)
    for cohort, measurements in trained:
        if guard is None:
            yield Trained(cohort, measurements, diagnose(cohort, measurements))
        else:
            pieces = list(_diagnosed(cohort, measurements, guard))
            joined = join(cohort, [(p.cohort, p.measurements) for p in pieces])
            runs = concatenate([p.runs for p in pieces])
            yield Trained(*joined, runs)


@dataclass(frozen=True)
class EngineTrainer:
    """An engine as a trainer: it measures networks, and the diagnosis says how they ended."""

    engine: Engine

    @property
    def name(self) -> str:
        """The engine's name."""
        return self.engine.name

    @property
    def device(self) -> str:
        """`cpu` or `gpu`."""
        return self.engine.device

    @property
    def title(self) -> str:
        """`native engine`."""
        return f"{self.engine.name} engine"

    @property
    def is_threaded(self) -> bool:
        """Whether several workers train at the same time."""
        return self.engine.is_threaded

    @property
    def n_programs(self) -> int:
        """Programs compiled, or loaded, so far."""
        return self.engine.n_programs

    def train(self, cohorts: Sequence[NetworkCohort], workers: int, on_count: OnCount, guard: Guard) -> Iterator[Kept]:
        """Train cohorts; see `Trainer`."""
        for cohort, measurements, runs in train_cohorts(self.engine, cohorts, workers, on_count, guard):
            yield Kept(cohort.configuration.id, runs, examples(cohort, measurements, runs))

    def close(self) -> None:
        """Keep nothing: an engine's programs serve the next sweep."""


def _diagnosed(cohort: NetworkCohort, measurements: Measurements, guard: Guard) -> Iterator[Trained]:
    """A cohort that is diagnosed; where that raises, its halves, down to the runs that cause it.

    These the guard is told of.
    """
    try:
        yield Trained(cohort, measurements, diagnose(cohort, measurements))
        return
    except Exception:  # as where training raises: it is recorded, and the sweep ends with code 1
        told = traceback.format_exc()
    if len(cohort) <= 1:
        guard.on_broken(Broken(cohort.configuration.id, tuple(cohort.seeds.tolist()), told))
        return
    half = len(cohort) // 2
    for cut in (slice(half), slice(half, None)):
        yield from _diagnosed(cohort.part(cut), measurements.part(cut), guard)


def train_block(
    configuration: Configuration,
    block: SeedBlock,
    engine: Engine,
    *,
    workers: int,
    success: Success,
    on_count: OnCount = ignore_count,
) -> Trained:
    """Train one configuration under a block of seeds; `on_count` is told how many runs are done, how many learned."""
    n_done, n_learned = 0, 0

    def count(n_more: int, n_more_learned: int) -> None:
        nonlocal n_done, n_learned
        n_done, n_learned = n_done + n_more, n_learned + n_more_learned
        on_count(n_done, n_learned)

    (trained,) = train_cohorts(engine, [Cohort(configuration, block.seeds(), success)], workers, count)
    return trained
