"""The engines: ways of training that mean the same thing.

Every run means exactly this Keras training: `Input -> [Dense(units, activation) -> Dropout] for each hidden layer ->
Dense(outputs, activation)`, float32, Keras's optimizer updates, loss averaged over the batch (the cross-entropy of a
sigmoid or a softmax from its sums), batches shuffled every epoch and the last one partial; a batch that holds the whole
table takes it in table order.
"""

from collections.abc import Hashable
from typing import Protocol

from sweep.networks.configuration import Configuration
from sweep.networks.measurements import Measurements, NetworkCohort
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

    def train(self, cohort: NetworkCohort) -> Measurements:
        """Train every model of the cohort; models never influence each other. Measurements are in seed order."""
        ...


class EngineError(UserError):
    """An engine or device that cannot do what was asked; the message says what can."""
