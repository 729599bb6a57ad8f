"""Where cohorts are trained, on threads of this machine or on a Ray cluster: cohorts in, in order, what is kept out."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol

from sweep.networks.diagnosis import examples
from sweep.networks.runs import Cohort, Example, Runs, lowest_seeds, merge, no_runs
from sweep.runs.errors import UserError
from sweep.training.cohorts import train_cohorts
from sweep.training.engine import Engine
from sweep.training.threads import Guard, OnCount


class ExecutorError(UserError):
    """A place to train that cannot be used as asked: the message says which, what was found, what to do."""


class Kept(NamedTuple):
    """What a sweep keeps of a cohort: how the runs that were trained ended, and one of each outcome in full."""

    configuration: str
    runs: Runs
    examples: list[Example]


def join_kept(cohort: Cohort, parts: Sequence[Kept]) -> Kept:
    """What is kept of a cohort, from its parts in any order."""
    configuration = cohort.configuration
    runs = merge([no_runs(configuration), *(k.runs for k in parts)])
    return Kept(configuration.id, runs, lowest_seeds(example for k in parts for example in k.examples))


class Executor(Protocol):
    """Trains a sweep's cohorts: any executor gives the same.

    `seconds_at_once`: how much work it wants to be given together, in seconds of all its workers, where there is a
    choice.
    """

    seconds_at_once: float

    @property
    def n_workers(self) -> int:
        """How many cohorts, or pieces of them, are in training at the same time."""
        ...

    def train(self, engine: Engine, cohorts: Sequence[Cohort], on_count: OnCount, guard: Guard) -> Iterator[Kept]:
        """Train cohorts; yields what is kept of each, in order.

        `on_count` is told how many runs more are done and how many of them learned.
        """
        ...

    def record(self) -> dict[str, Any]:
        """How it trained, for the manifest."""
        ...


class Threads:
    """Trains on threads of this process."""

    seconds_at_once = 0.0

    def __init__(self, n_workers: int) -> None:
        self.n_workers = n_workers

    def train(self, engine: Engine, cohorts: Sequence[Cohort], on_count: OnCount, guard: Guard) -> Iterator[Kept]:
        """Train cohorts; see `Executor`."""
        for cohort, measurements, runs in train_cohorts(engine, cohorts, self.n_workers, on_count, guard):
            yield Kept(cohort.configuration.id, runs, examples(cohort, measurements, runs))

    def record(self) -> dict[str, Any]:
        """How it trained, for the manifest."""
        return {"executor": "threads", "workers": self.n_workers}
