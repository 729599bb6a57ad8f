"""The engines by name."""

from collections.abc import Iterable

from sweep.networks.configuration import Configuration
from sweep.training.engine import Engine, EngineError

names = ("auto", "native", "fused", "keras")


devices = ("auto", "cpu", "gpu")


def _make(name: str, device: str) -> Engine:
    if name == "native":
        from sweep.training.native import NativeEngine

        return NativeEngine()
    if name == "fused":
        from sweep.training.fused import FusedEngine

        return FusedEngine("gpu" if device == "gpu" else "cpu")
    from sweep.training.keras.referee import KerasEngine

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
