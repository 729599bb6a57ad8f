"""What differs between backends, on TensorFlow: gradients, compilation with XLA."""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

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


def gradients(function: Callable[[Sequence[Any]], Any], values: Sequence[Any]) -> list[Any]:
    """The gradients of a number that a function makes of tensors."""
    with tf.GradientTape() as tape:
        tape.watch(values)
        made = function(values)
    return tape.gradient(made, values)


class Program:
    """A function compiled at its first call: arrays in, arrays out."""

    def __init__(self, function: Callable[..., Any], device: str) -> None:
        self.function = function
        self._device = _devices[device]
        self._compiled = tf.function(function, jit_compile=True, autograph=False)

    @property
    def n_compiled(self) -> int:
        """How often it was compiled."""
        return self._compiled.experimental_get_tracing_count()

    def __call__(self, *values: Any) -> list[Any]:
        """The function's values, arrays."""
        with tf.device(self._device):
            return [value.numpy() for value in self._compiled(*map(tf.convert_to_tensor, values))]
