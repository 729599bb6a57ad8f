"""Trainers: whatever turns cohorts into runs. An engine is one, and so is a function or a program of somebody's own."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol, Self

from sweep.networks.measurements import Example
from sweep.runs.cohort import Broken, Cohort, Subject
from sweep.runs.curves import Curve
from sweep.runs.endings import Ending
from sweep.runs.outcomes import lowest_seeds
from sweep.runs.runs import Runs, merge
from sweep.training.engine import Engine

OnCount = Callable[[int, int], None]


@dataclass(frozen=True)
class Guard:
    """What lets a sweep go on where runs cannot be trained, and end before all of them are.

    `on_broken` is told of the runs that an exception kept from being trained; `is_stopped` says whether to begin no
    further piece. Either leaves models out of what `train` yields. `has_worked`: whether a run is known that did not
    crash, so that others that do are data.
    """

    on_broken: Callable[[Broken], None]
    is_stopped: Callable[[], bool]
    has_worked: Callable[[], bool] = lambda: False


def ignore_count(n_done: int, n_learned: int) -> None:
    """The listener that counts nothing."""


class Kept(NamedTuple):
    """What a sweep keeps of a cohort: how its runs ended, one of each outcome in full, what some said at their end.

    `ends_batch`: whether what came so far should be stored now, since the next may be long in coming. `curves`: those
    of its runs that have one, by seed.
    """

    configuration: str
    runs: Runs
    examples: Sequence[Example] = ()
    endings: Sequence[Ending] = ()
    ends_batch: bool = False
    curves: Mapping[int, Curve] = MappingProxyType({})


def join_kept(cohort: Cohort[Subject], parts: Sequence[Kept]) -> Kept:
    """What is kept of a cohort, from its parts in any order."""
    runs = merge([kept.runs for kept in parts])
    examples = lowest_seeds(example for kept in parts for example in kept.examples)
    endings = lowest_seeds(ending for kept in parts for ending in kept.endings)
    curves = {seed: curve for kept in parts for seed, curve in kept.curves.items()}
    return Kept(cohort.configuration.id, runs, examples, endings, curves=curves)


class Trainer(Protocol):
    """Trains cohorts and judges how their runs ended."""

    @property
    def name(self) -> str:
        """What trains: an engine's name, or what a function or a program is called."""
        ...

    @property
    def device(self) -> str:
        """`cpu` or `gpu`."""
        ...

    @property
    def title(self) -> str:
        """What it is called in words: `native engine`."""
        ...

    @property
    def is_threaded(self) -> bool:
        """Whether several workers train at the same time."""
        ...

    @property
    def n_programs(self) -> int:
        """Programs compiled, or loaded, so far."""
        ...

    def train(self, cohorts: Sequence[Cohort[Any]], workers: int, on_count: OnCount, guard: Guard) -> Iterator[Kept]:
        """Train cohorts on `workers` threads or processes of this machine; what is kept of each, in order.

        A cohort may come in parts, as its runs end. `on_count` is told how many runs more are done and how many of
        them learned.
        """
        ...

    def close(self) -> None:
        """End what it keeps from one call to the next; it may be called again."""
        ...


@dataclass(frozen=True)
class TrainerName:
    """What trains runs, or trained them: an engine's name and its device, `native on cpu`."""

    name: str
    device: str

    @classmethod
    def of(cls, trainer: Trainer | Engine) -> Self:
        """The name of an engine or another trainer."""
        return cls(trainer.name, trainer.device)

    @classmethod
    def recorded(cls, *records: Mapping[str, Any]) -> Self:
        """What the first record that names one, a manifest or a row of runs.csv, says of `engine` and of `device`."""
        return cls(*(str(next(filter(None, (r.get(key) for r in records)), None)) for key in ("engine", "device")))

    def __str__(self) -> str:
        return f"{self.name} on {self.device}"
