"""The fused engine: cohorts of equal shape as compiled programs on Keras 3 operations, for GPUs and CPUs.

TensorFlow with XLA by default, JAX where `KERAS_BACKEND=jax` is set. Networks lie beside each other in every array and
never meet. Programs are few, for whatever need not be fixed in one is a value at run time. They live in a process of
their own. Bits repeat on the same machine with the same versions.
"""

import functools
import os
from collections.abc import Hashable

from sweep.networks.configuration import Configuration
from sweep.networks.measurements import Measurements, NetworkCohort
from sweep.training.child import Processes
from sweep.training.engine import EngineError
from sweep.training.fused.shapes import MAX_MODELS, shapes_of

backends = ("tensorflow", "jax")


@functools.cache
def processes(device: str, backend: str) -> Processes:
    """The processes that train on a device, for all engines here: what one compiled serves the others."""
    return Processes("sweep.training.fused", device, backend)


class FusedEngine:
    """Trains the models of a cohort together; the first use takes seconds, and so does each new program.

    Raises `EngineError` for another backend than TensorFlow and JAX, or a GPU that is asked for and not there.
    """

    name: str = "fused"
    is_threaded: bool = True

    def __init__(self, device: str = "cpu") -> None:
        backend = os.environ.get("KERAS_BACKEND", "tensorflow")
        if backend not in backends:
            raise EngineError(f"KERAS_BACKEND is {backend}; the fused engine needs {' or '.join(backends)}")
        self.device: str = device
        self.piece_size: int = MAX_MODELS[device]
        self._processes = processes(device, backend)
        if device == "gpu":
            self._processes.wait_until_started()

    @property
    def n_programs(self) -> int:
        """Programs compiled so far; in a process that took the place of another, again."""
        return self._processes.n_programs

    def programs(self, configuration: Configuration, n_models: int) -> frozenset[Hashable]:
        """The programs that train a cohort."""
        return shapes_of(configuration, n_models, self.device)

    def refusal(self, configuration: Configuration) -> str | None:
        """None: whatever a configuration can say, Keras does."""
        return None

    def train(self, cohort: NetworkCohort) -> Measurements:
        """Train the cohort's models together; in pieces where they do not fit the memory."""
        if len(cohort) == 0:
            return Measurements.empty(cohort)
        return self._processes.train(cohort, self.programs(cohort.configuration, len(cohort)))
