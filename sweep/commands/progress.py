"""How far a command that trains is: what it tells whoever shows it."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from sweep.training.trainer import OnCount


@dataclass(frozen=True)
class Progress:
    """How far it is: runs done of `n_runs`, how many of them learned, and the stage (`train`, `confirm`, `verify`)."""

    stage: str
    n_done: int
    n_runs: int
    n_learned: int


Observer = Callable[[Progress], None]


def ignore(progress: Progress) -> None:
    """The observer that shows nothing."""


def counting(observe: Observer, start: Progress) -> OnCount:
    """What takes counts of more runs done and learned, and tells the observer where these lead, from `start` on."""
    progress = start
    observe(progress)

    def count(n_done: int, n_learned: int) -> None:
        nonlocal progress
        progress = replace(progress, n_done=progress.n_done + n_done, n_learned=progress.n_learned + n_learned)
        observe(progress)

    return count
