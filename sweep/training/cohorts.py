"""Training without a sweep around it: cohorts, and one configuration at once."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from sweep.experiment.seeds import SeedBlock
from sweep.networks.configuration import Configuration
from sweep.networks.diagnosis import diagnose
from sweep.networks.runs import Cohort, Measurements, Runs
from sweep.training import threads
from sweep.training.engine import Engine
from sweep.training.threads import Guard


class Trained(NamedTuple):
    """A cohort, what the engine measured of it, and how its runs ended."""

    cohort: Cohort
    measurements: Measurements
    runs: Runs


def ignore_piece(cohort: Cohort, measurements: Measurements) -> None:
    """The listener that hears nothing."""


def ignore_count(n_done: int, n_learned: int) -> None:
    """The listener that counts nothing."""


def train_cohorts(
    engine: Engine,
    cohorts: Sequence[Cohort],
    workers: int,
    on_piece: Callable[[Cohort, Measurements], None] = ignore_piece,
    guard: Guard | None = None,
) -> Iterator[Trained]:
    """Train and diagnose cohorts, in order; `on_piece` is told of every piece of a cohort that is done.

    With a `guard` a cohort comes back without the models that could not be trained, else that is an exception.
    """
    for cohort, measurements in threads.train(engine, cohorts, workers, on_piece, guard):
        yield Trained(cohort, measurements, diagnose(cohort, measurements))


def train_block(
    configuration: Configuration,
    block: SeedBlock,
    engine: Engine,
    *,
    workers: int,
    margin: float = 0.0,
    on_count: Callable[[int, int], None] = ignore_count,
) -> Trained:
    """Train one configuration under a block of seeds; `on_count` is told how many runs are done, how many learned."""
    n_done, n_learned = 0, 0

    def count(piece: Cohort, measurements: Measurements) -> None:
        nonlocal n_done, n_learned
        n_done += len(piece)
        n_learned += int(diagnose(piece, measurements).learned.sum())
        on_count(n_done, n_learned)

    (trained,) = train_cohorts(engine, [Cohort(configuration, block.seeds(), margin)], workers, count)
    return trained
