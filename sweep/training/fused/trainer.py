"""Training in this process: programs compiled by the backend and kept, cohorts through them.

XLA keeps a compiled program for the life of the process, so forgetting one would spare nothing.
"""

import functools
import importlib
import os
import threading
from typing import Any

from sweep.networks.measurements import Measurements, NetworkCohort, concatenate
from sweep.training.engine import EngineError
from sweep.training.fused.shapes import ProgramShape, models_that_fit, program_size
from sweep.training.keras.libraries import tensorflow_and_keras


@functools.cache
def backend(device: str) -> Any:
    """The module of the backend that Keras runs on, imported on first use.

    `FusedEngine` has seen to it that there is one of that name. Raises `EngineError` where a GPU is asked for and there
    is none.
    """
    chosen = os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    if chosen == "tensorflow":
        tensorflow_and_keras()
    found = importlib.import_module(f"sweep.training.fused.{chosen}")
    if device == "gpu" and not found.has_gpu():
        raise EngineError(
            f"{found.label} sees no GPU; install its CUDA libraries with pip install 'xor-sweep[gpu]' "
            "on a machine with an NVIDIA driver, or use the device cpu"
        )
    return found


class Trainer:
    """Trains cohorts with the programs that it has compiled. Raises `EngineError` as `backend` does."""

    def __init__(self, device: str) -> None:
        self.backend = backend(device)
        self._device = device
        self._programs: dict[ProgramShape, Any] = {}
        self._lock = threading.Lock()

    @property
    def n_programs(self) -> int:
        """Programs compiled so far."""
        return len(self._programs)

    def program(self, cohort: NetworkCohort, n_models: int) -> Any:
        """The program for so many models of a cohort's kind, kept or made now; compiled at its first call."""
        from sweep.training.fused.program import Training

        shape = ProgramShape.of(cohort.configuration, n_models, cohort.success)
        with self._lock:
            if shape not in self._programs:
                self._programs[shape] = self.backend.Program(Training(shape, self.backend), self._device)
            return self._programs[shape]

    def train(self, cohort: NetworkCohort) -> Measurements:
        """Train the cohort's models together; in pieces where they do not fit the memory."""
        return self._train_by(cohort, models_that_fit(cohort.configuration, self._device))

    def _train_by(self, cohort: NetworkCohort, most: int) -> Measurements:
        """Train pieces of at most `most` models; of half as many where they do not fit the memory."""
        try:
            return concatenate([self._train_piece(piece, most) for piece in cohort.split(most)])
        except self.backend.memory_errors as error:
            if most == 1 or not self.backend.is_out_of_memory(error):
                raise
        return self._train_by(cohort, most // 2)

    def _train_piece(self, cohort: NetworkCohort, most: int) -> Measurements:
        from sweep.training.fused.values import arguments, measurements

        program = self.program(cohort, program_size(len(cohort), most))
        return measurements(cohort, program(*arguments(cohort, program.function.shape)))
