"""Where cohorts are trained, on threads of this machine or on a Ray cluster: cohorts in, in order, what is kept out."""

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from sweep.runs.cohort import Cohort
from sweep.runs.errors import UserError
from sweep.training.trainer import Guard, Kept, OnCount, Trainer


class ExecutorError(UserError):
    """A place to train that cannot be used as asked: the message says which, what was found, what to do."""


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

    def train(
        self, trainer: Trainer, cohorts: Sequence[Cohort[Any]], on_count: OnCount, guard: Guard
    ) -> Iterator[Kept]:
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

    def train(
        self, trainer: Trainer, cohorts: Sequence[Cohort[Any]], on_count: OnCount, guard: Guard
    ) -> Iterator[Kept]:
        """Train cohorts; see `Executor`."""
        return trainer.train(cohorts, self.n_workers, on_count, guard)

    def record(self) -> dict[str, Any]:
        """How it trained, for the manifest."""
        return {"executor": "threads", "workers": self.n_workers}
