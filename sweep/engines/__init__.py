"""The engines: ways of training that mean the same thing.

Every run means exactly this Keras training: `Input -> [Dense(width, activation) -> Dropout] x depth -> Dense(outputs,
sigmoid)`, float32, Keras's optimizer updates, loss averaged over the batch (cross-entropy from logits), batches
shuffled every epoch and the last one partial; a batch that holds the whole table takes it in table order.
"""

from collections.abc import Iterable
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

    def refusal(self, configuration: Configuration) -> str | None:
        """What of this configuration the engine cannot do, in words; None where it can train it."""
        ...

    def train(self, cohort: Cohort) -> Measurements:
        """Train every model of the cohort; models never influence each other. Measurements are in seed order."""
        ...


class EngineError(ValueError):
    """An engine or device that cannot do what was asked; the message says what can."""


names = ("auto", "native", "keras")
devices = ("auto", "cpu", "gpu")


def _make(name: str, device: str) -> Engine:
    if name == "native":
        from sweep.engines.native import NativeEngine

        return NativeEngine()
    from sweep.engines.keras import KerasEngine

    return KerasEngine(device="gpu" if device == "gpu" else "cpu")


def choose(name: str, device: str, configurations: Iterable[Configuration]) -> Engine:
    """The engine for these configurations: `auto` is native wherever it can train them all, else keras.

    A GPU is used when asked for, by the keras engine. Raises `EngineError` for an unknown name, or an engine or device
    that cannot do what is asked.
    """
    for kind, word, allowed in (("engine", name, names), ("device", device, devices)):
        if word not in allowed:
            raise EngineError(f"{kind}: found {word}; allowed: {', '.join(allowed)}")
    if device == "gpu" and name == "native":
        raise EngineError("device: the native engine trains on the CPU; for a GPU choose --engine keras")
    if name == "auto":
        name = "keras" if device == "gpu" else "native"
        fallback = device != "gpu"
    else:
        fallback = False
    engine = _make(name, device)
    lacking = next(filter(None, map(engine.refusal, configurations)), None)
    if lacking and fallback:
        return choose("keras", device, configurations)
    if lacking:
        other = "keras" if name == "native" else "native"
        raise EngineError(f"engine: the {name} engine has no {lacking}; --engine {other} may")
    return engine
