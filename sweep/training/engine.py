"""The engines: ways of training that mean the same thing.

Every run means exactly this Keras training: `Input -> [Dense(width, activation) -> Dropout] x depth -> Dense(outputs,
sigmoid)`, float32, Keras's optimizer updates, loss averaged over the batch (cross-entropy from logits), batches
shuffled every epoch and the last one partial; a batch that holds the whole table takes it in table order.
"""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, Self

from sweep.networks.configuration import Configuration
from sweep.networks.runs import Cohort, Measurements
from sweep.runs.errors import UserError


class Engine(Protocol):
    """Trains cohorts.

    `piece_size`: how many models of a cohort to hand over at once. `is_threaded`: whether several threads may call
    `train` together.
    """

    name: str
    device: str
    piece_size: int
    is_threaded: bool

    @property
    def n_programs(self) -> int:
        """Programs compiled, or loaded, so far."""
        ...

    def programs(self, configuration: Configuration, n_models: int) -> frozenset[Hashable]:
        """What is compiled to train a cohort, and serves others with the same; nothing where all share one kernel.

        By its configuration and how many models it has, which may be more than there is memory for.
        """
        ...

    def refusal(self, configuration: Configuration) -> str | None:
        """What of this configuration the engine cannot do, in words; None where it can train it."""
        ...

    def train(self, cohort: Cohort) -> Measurements:
        """Train every model of the cohort; models never influence each other. Measurements are in seed order."""
        ...


@dataclass(frozen=True)
class TrainerName:
    """What trains runs, or trained them: an engine's name and its device, `native on cpu`."""

    name: str
    device: str

    @classmethod
    def of(cls, engine: Engine) -> Self:
        """The name of an engine."""
        return cls(engine.name, engine.device)

    @classmethod
    def recorded(cls, *records: Mapping[str, Any]) -> Self:
        """What the first record that names one, a manifest or a row of runs.csv, says of `engine` and of `device`."""
        return cls(*(str(next(filter(None, (r.get(key) for r in records)), None)) for key in ("engine", "device")))

    def __str__(self) -> str:
        return f"{self.name} on {self.device}"


class EngineError(UserError):
    """An engine or device that cannot do what was asked; the message says what can."""
