"""What differs between backends, on JAX: gradients, compilation with XLA."""

import threading
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

jax.config.update("jax_default_matmul_precision", "highest")  # or products on a GPU lose half their digits

label = "JAX"
memory_errors = (jax.errors.JaxRuntimeError,)


def has_gpu() -> bool:
    """Whether JAX sees a GPU."""
    return any(device.platform == "gpu" for device in jax.devices())


def is_out_of_memory(error: BaseException) -> bool:
    """Whether one of `memory_errors` says that the memory did not suffice."""
    return "RESOURCE_EXHAUSTED" in str(error)


def gradients(function: Callable[[Sequence[Any]], Any], values: Sequence[Any]) -> list[Any]:
    """The gradients of a number that a function makes of arrays."""
    return jax.grad(function)(list(values))


class Program:
    """A function compiled at its first call: arrays in, arrays out."""

    def __init__(self, function: Callable[..., Any], device: str) -> None:
        self.function = function
        self._device = jax.devices(device)[0]
        self._compiled: Any = jax.jit(function)
        self._lock = threading.Lock()

    @property
    def n_compiled(self) -> int:
        """How often it was compiled."""
        return self._compiled._cache_size()

    def __call__(self, *values: Any) -> list[Any]:
        """The function's values, arrays."""
        given = [jax.device_put(value, self._device) for value in values]
        with self._lock:  # or two threads compile it twice; the computation itself goes on after the call
            answers = self._compiled(*given)
        return [np.asarray(answer) for answer in answers]
