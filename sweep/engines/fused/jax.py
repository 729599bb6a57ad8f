"""What differs between backends, on JAX: gradients, the state that steps change, compilation with XLA."""

import threading
from collections.abc import Callable, Sequence
from typing import Any

import jax
import keras
import numpy as np

from sweep.engines.fused.operations import ops
from sweep.engines.fused.optimizers import fresh_values

jax.config.update("jax_default_matmul_precision", "highest")  # or products on a GPU lose half their digits

label = "JAX"
memory_errors = (jax.errors.JaxRuntimeError,)


def has_gpu() -> bool:
    """Whether JAX sees a GPU."""
    return any(device.platform == "gpu" for device in jax.devices())


def is_out_of_memory(error: BaseException) -> bool:
    """Whether one of `memory_errors` says that the memory did not suffice."""
    return "RESOURCE_EXHAUSTED" in str(error)


class State:
    """The weights and the optimizer of one program; in loops they are carried as two lists of arrays."""

    def __init__(self, shapes: Sequence[tuple[int, ...]], optimizer: Any, device: str) -> None:
        optimizer.build([keras.Variable(np.zeros(shape, np.float32)) for shape in shapes])
        self._optimizer = optimizer
        self._fresh = fresh_values(optimizer, [np.asarray(v.value) for v in optimizer.variables])

    def begin(self, weights: Sequence[Any], learning_rate: Any) -> tuple[Any, ...]:
        """Weights and optimizer at the beginning of a training."""
        slots = [
            ops.cast(learning_rate, v.dtype) if value is None else ops.full(v.shape, value, dtype=v.dtype)
            for v, value in zip(self._optimizer.variables, self._fresh, strict=True)
        ]
        return list(weights), slots

    def update(self, carried: tuple[Any, ...], loss: Callable[[Sequence[Any]], Any]) -> tuple[Any, ...]:
        """One step of the optimizer along the gradient of `loss(weights)`."""
        weights, slots = carried
        return tuple(self._optimizer.stateless_apply(slots, jax.grad(loss)(weights), weights))

    def weights(self, carried: tuple[Any, ...]) -> list[Any]:
        """The weights now."""
        return carried[0]


def slope(function: Callable[[Any], Any], x: Any) -> Any:
    """The derivative of an elementwise function at `x`."""
    return jax.grad(lambda x: ops.sum(function(x)))(x)


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
