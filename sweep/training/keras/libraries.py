"""TensorFlow and Keras, imported on first use, quietly, and made as repeatable as they can be."""

import functools
import importlib
import os
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from sweep.training.engine import EngineError

# what TensorFlow says at its start on any machine without a GPU
start_up_noise = (b"I0000 ", b"WARNING: All log messages before absl")


@contextmanager
def without_start_up_noise() -> Generator[None]:
    """Hold back what TensorFlow's C++ libraries say on stderr before any setting reaches them; pass on all else."""
    sys.stderr.flush()
    saved = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(saved, 2)
            os.close(saved)
            held.seek(0)
            for line in held:
                if not line.startswith(start_up_noise) and b"failed call to cuInit" not in line:
                    os.write(2, line)


@functools.cache
def tensorflow_and_keras() -> tuple[Any, Any]:
    """TensorFlow and Keras, imported on first use and made as repeatable as they can be.

    Raises `EngineError` where Keras runs on another backend.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    backend = os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    if "keras" not in sys.modules and backend != "tensorflow":
        raise EngineError(f"KERAS_BACKEND is {backend}; the keras engine needs tensorflow: set it so, or unset it")
    with without_start_up_noise():
        tensorflow = importlib.import_module("tensorflow")
        keras = importlib.import_module("keras")
        backend = keras.backend.backend()
        if backend != "tensorflow":
            raise EngineError(f"Keras runs on {backend} in this process; the keras engine needs tensorflow")
        tensorflow.config.experimental.enable_op_determinism()
        tensorflow.get_logger().setLevel("ERROR")  # a program for each shape is meant, not an oversight
        tensorflow.config.list_logical_devices()  # starts the runtime, with the last of its messages
    return tensorflow, keras
