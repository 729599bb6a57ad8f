"""What differs between backends, on TensorFlow: gradients, the state that steps change, compilation with XLA.

The optimizer changes TensorFlow variables, as Keras means it; a program owns its variables, so it runs once at a time.
"""

import threading
from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

from sweep.engines.fused.optimizers import fresh_values

tf.config.experimental.enable_tensor_float_32_execution(False)  # or products on a GPU lose half their digits

label = "TensorFlow"
memory_errors = (tf.errors.ResourceExhaustedError,)
_devices = {"cpu": "/CPU:0", "gpu": "/GPU:0"}


def has_gpu() -> bool:
    """Whether TensorFlow sees a GPU."""
    return bool(tf.config.list_physical_devices("GPU"))


def is_out_of_memory(error: BaseException) -> bool:
    """Whether one of `memory_errors` says that the memory did not suffice."""
    return True


class State:
    """The weights and the optimizer of one program, as variables; in loops they are carried by no value."""

    def __init__(self, shapes: Sequence[tuple[int, ...]], optimizer: Any, device: str) -> None:
        with tf.device(_devices[device]):
            self._weights = [keras.Variable(tf.zeros(shape), dtype="float32") for shape in shapes]
            optimizer.build(self._weights)
        self._optimizer = optimizer
        self._fresh = fresh_values(optimizer, [v.value.numpy() for v in optimizer.variables])

    def begin(self, weights: Sequence[Any], learning_rate: Any) -> tuple[Any, ...]:
        """Put weights and optimizer at the beginning of a training."""
        for variable, value in zip(self._weights, weights, strict=True):
            variable.assign(value)
        for variable, value in zip(self._optimizer.variables, self._fresh, strict=True):
            variable.assign(learning_rate if value is None else tf.fill(variable.shape, value))
        return ()

    def update(self, carried: tuple[Any, ...], loss: Callable[[Sequence[Any]], Any]) -> tuple[Any, ...]:
        """One step of the optimizer along the gradient of `loss(weights)`."""
        weights = self.weights(carried)
        with tf.GradientTape() as tape:
            tape.watch(weights)
            value = loss(weights)
        self._optimizer.apply(tape.gradient(value, weights), self._weights)
        return ()

    def weights(self, carried: tuple[Any, ...]) -> list[Any]:
        """The weights now."""
        return [tf.convert_to_tensor(variable.value) for variable in self._weights]


def slope(function: Callable[[Any], Any], x: Any) -> Any:
    """The derivative of an elementwise function at `x`."""
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = function(x)
    return tape.gradient(y, x)


class Program:
    """A function compiled at its first call: arrays in, arrays out. One call at a time, for its state is one."""

    def __init__(self, function: Callable[..., Any], device: str) -> None:
        self.function = function
        self._device = _devices[device]
        self._compiled = tf.function(function, jit_compile=True, autograph=False)
        self._lock = threading.Lock()

    @property
    def n_compiled(self) -> int:
        """How often it was compiled."""
        return self._compiled.experimental_get_tracing_count()

    def __call__(self, *values: Any) -> list[Any]:
        """The function's values, arrays."""
        with self._lock, tf.device(self._device):
            return [value.numpy() for value in self._compiled(*map(tf.convert_to_tensor, values))]
