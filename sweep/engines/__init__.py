"""The engines: ways of training that mean the same thing.

Every run means exactly this Keras training: `Input -> [Dense(width, activation) -> Dropout] x depth -> Dense(outputs,
sigmoid)`, float32, Keras's optimizer updates, loss averaged over the batch (cross-entropy from logits), batches
shuffled every epoch and the last one partial; a batch that holds the whole table takes it in table order.
"""

from collections.abc import Hashable, Iterable
from typing import Protocol

from sweep.model import Configuration
from sweep.runs import Cohort, Measurements


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


class EngineError(ValueError):
    """An engine or device that cannot do what was asked; the message says what can."""


names = ("auto", "native", "fused", "keras")
devices = ("auto", "cpu", "gpu")


def _make(name: str, device: str) -> Engine:
    if name == "native":
        from sweep.engines.native import NativeEngine

        return NativeEngine()
    if name == "fused":
        from sweep.engines.fused import FusedEngine

        return FusedEngine("gpu" if device == "gpu" else "cpu")
    from sweep.engines.keras import KerasEngine

    return KerasEngine()


def choose(name: str, device: str, configurations: Iterable[Configuration]) -> Engine:
    """The engine for these configurations: `auto` is native wherever it can train them all, else fused.

    A GPU is used when asked for, by the fused engine. Raises `EngineError` for an unknown name, or an engine or device
    that cannot do what is asked.
    """
    for kind, word, allowed in (("engine", name, names), ("device", device, devices)):
        if word not in allowed:
            raise EngineError(f"{kind}: found {word}; allowed: {', '.join(allowed)}")
    if device == "gpu" and name in ("native", "keras"):
        raise EngineError(f"device: the {name} engine trains on the CPU; for a GPU choose --engine fused")
    chosen = ("fused" if device == "gpu" else "native") if name == "auto" else name
    engine = _make(chosen, device)
    lacking = next(filter(None, map(engine.refusal, configurations)), None)
    if lacking and name == "auto" and chosen == "native":
        return choose("fused", device, configurations)
    if lacking:
        raise EngineError(f"engine: the {chosen} engine has no {lacking}; --engine fused may")
    return engine
