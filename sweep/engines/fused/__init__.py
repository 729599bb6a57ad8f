"""The fused engine: cohorts of equal shape as compiled programs on Keras 3 operations, for GPUs and CPUs.

TensorFlow with XLA by default, JAX where `KERAS_BACKEND=jax` is set before Keras is imported. Networks lie beside each
other in every array and never meet. XLA keeps a compiled program for the life of the process, so programs are few:
whatever need not be fixed in one is a value at run time. Bits repeat on the same machine with the same versions.
"""

import functools
import importlib
import os
import sys
import threading
from typing import Any

from sweep.engines import EngineError
from sweep.engines.libraries import tensorflow_and_keras
from sweep.model import Configuration
from sweep.runs import Cohort, Measurements, concatenate

# models of the smallest program, smaller ones only where these do not fit the memory; and of the largest
MIN_MODELS = 64
MAX_MODELS = {"cpu": 256, "gpu": 65536}


@functools.cache
def backend(device: str) -> Any:
    """The module of the backend that Keras runs on, imported on first use.

    Raises `EngineError` for another backend than TensorFlow and JAX, or a GPU that is asked for and not there.
    """
    chosen = os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    if "keras" in sys.modules:
        chosen = sys.modules["keras"].backend.backend()
    if chosen not in ("tensorflow", "jax"):
        raise EngineError(f"KERAS_BACKEND is {chosen}; the fused engine needs tensorflow or jax")
    if chosen == "tensorflow":
        tensorflow_and_keras()
    found = importlib.import_module(f"sweep.engines.fused.{chosen}")
    if device == "gpu" and not found.has_gpu():
        raise EngineError(
            f"{found.label} sees no GPU; install its CUDA libraries with pip install 'xor-sweep[gpu]' "
            "on a machine with an NVIDIA driver, or use the device cpu"
        )
    return found


# by shape and device; XLA keeps them for the life of the process, so forgetting them would spare nothing
_programs: dict[tuple[Any, str], Any] = {}
_lock = threading.Lock()


def program_of(cohort: Cohort, device: str, n_models: int) -> Any:
    """The program for so many models of a cohort's kind, kept from before or made now; compiled at its first call."""
    from sweep.engines.fused.program import ProgramShape, Training

    shape = ProgramShape.of(cohort.configuration, n_models)
    with _lock:
        if (shape, device) not in _programs:
            found = backend(device)
            _programs[shape, device] = found.Program(Training(shape, found, device), device)
        return _programs[shape, device]


class FusedEngine:
    """Trains the models of a cohort together; the first use takes seconds, and so does each new program.

    Raises `EngineError` as `backend` does.
    """

    name: str = "fused"
    is_threaded: bool = True

    def __init__(self, device: str = "cpu") -> None:
        self.device: str = device
        self.piece_size: int = MAX_MODELS[device]
        self._backend = backend(device)

    @property
    def n_programs(self) -> int:
        """Programs compiled so far in this process."""
        return len(_programs)

    def refusal(self, configuration: Configuration) -> str | None:
        """None: whatever a configuration can say, Keras does."""
        return None

    def train(self, cohort: Cohort) -> Measurements:
        """Train the cohort's models together; in pieces where they do not fit the memory."""
        from sweep.engines.fused.program import models_that_fit

        return self._train_by(cohort, models_that_fit(cohort.configuration, self.device, MAX_MODELS[self.device]))

    def _train_by(self, cohort: Cohort, most: int) -> Measurements:
        """Train pieces of at most `most` models, a power of four; smaller ones where they do not fit the memory."""
        try:
            return concatenate([self._train_piece(piece, most) for piece in cohort.split(most) or [cohort]])
        except self._backend.memory_errors as error:
            if most == 1 or not self._backend.is_out_of_memory(error):
                raise
        return self._train_by(cohort, most // 4)

    def _train_piece(self, cohort: Cohort, most: int) -> Measurements:
        from sweep.engines.fused.program import padded
        from sweep.engines.fused.values import arguments, measurements, no_measurements

        if len(cohort) == 0:
            return no_measurements(cohort)
        n_models = max(padded(len(cohort)), min(MIN_MODELS, most))
        program = program_of(cohort, self.device, n_models)
        return measurements(cohort, program(*arguments(cohort, program.function.shape)))
