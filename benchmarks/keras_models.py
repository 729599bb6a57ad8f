"""Any Keras model, all seeds at once, against `fit`: three models, 64 seeds each, one call with everything in it.

`python benchmarks/keras_models.py` prints the table; `make bench` has it too. `fit` is timed on one model, in a process
with each backend: building it and its first epoch, then a second of epochs; scaled up to all seeds in one process.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

import sweep

K: Any = keras.layers
N_SEEDS = 64
RNG = np.random.default_rng(0)
TABLE = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
BITS = np.array([[i >> j & 1 for j in range(6)] for i in range(64)], np.float32)
PICTURES = RNG.normal(size=(512, 8, 8, 1)).astype(np.float32), RNG.integers(0, 10, 512)


def softmax(seed: int) -> Any:
    """Eight units and two classes."""
    return _compiled((2,), [K.Dense(8, "relu"), K.Dense(2, "softmax")], "sparse_categorical_crossentropy")


def lstm(seed: int) -> Any:
    """Eight units that read six bits."""
    return _compiled((6, 1), [K.LSTM(8), K.Dense(1, "sigmoid")], "binary_crossentropy")


def cnn(seed: int) -> Any:
    """Two convolutions with batch normalization and dropout."""
    layers = [K.Conv2D(8, 3, activation="relu"), K.BatchNormalization(), K.Conv2D(16, 3, activation="relu")]
    layers += [K.BatchNormalization(), K.Flatten(), K.Dropout(0.3), K.Dense(10, "softmax")]
    return _compiled((8, 8, 1), layers, "sparse_categorical_crossentropy")


def _compiled(shape: tuple[int, ...], layers: list[Any], loss: str) -> Any:
    model = keras.Sequential([keras.Input(shape), *layers])
    model.compile(keras.optimizers.Adam(0.01), loss)
    return model


@dataclass(frozen=True)
class Task:
    """What a model of this file is trained on."""

    data: tuple[Any, Any]
    epochs: int
    batch_size: int


TASKS: Mapping[str, Task] = {
    "softmax": Task((TABLE, np.array([0, 1, 1, 0])), 300, 4),
    "lstm": Task((BITS[:, :, None], BITS.sum(axis=1, keepdims=True) % 2), 100, 16),
    "cnn": Task(PICTURES, 5, 64),
}


def fit_seconds(name: str) -> float:
    """About how long `fit` would take here for all seeds, one after the other in this process."""
    task = TASKS[name]
    started = time.perf_counter()
    model = globals()[name](0)
    model.fit(*task.data, batch_size=task.batch_size, verbose=0)
    first = time.perf_counter() - started
    n = 0
    started = time.perf_counter()
    while time.perf_counter() - started < 1.0:
        model.fit(*task.data, batch_size=task.batch_size, epochs=3, verbose=0)
        n += 3
    return N_SEEDS * (first + (task.epochs - 1) * (time.perf_counter() - started) / n)


def measure_model(name: str) -> dict[str, float]:
    """One row of the table, in seconds."""
    task = TASKS[name]
    fitted: dict[str, float] = {}
    for backend in ("tensorflow", "jax"):
        command = [sys.executable, __file__, name]
        done = subprocess.run(command, env={**os.environ, "KERAS_BACKEND": backend}, stdout=subprocess.PIPE, check=True)
        fitted[f"fit_{backend}"] = json.loads(done.stdout.splitlines()[-1])
    started = time.perf_counter()
    options: dict[str, Any] = {"seeds": N_SEEDS, "epochs": task.epochs, "batch_size": task.batch_size, "quiet": True}
    sweep.train(build=globals()[name], data=task.data, engine="stacked", **options)
    return {"stacked": time.perf_counter() - started, **fitted}


def measure() -> dict[str, dict[str, float]]:
    """All rows."""
    return {name: measure_model(name) for name in TASKS}


def rows(measured: Mapping[str, Mapping[str, float]]) -> list[str]:
    """The table as Markdown."""
    return [
        f"| {N_SEEDS} seeds of | all at once, s | fit, TensorFlow, s | fit, JAX, s | times faster |",
        "|---|" + "---:|" * 4,
        *(
            f"| {name}, {TASKS[name].epochs} epochs | {row['stacked']:.1f} | {row['fit_tensorflow']:,.0f} | "
            f"{row['fit_jax']:,.0f} | {row['fit_tensorflow'] / row['stacked']:.1f}, "
            f"{row['fit_jax'] / row['stacked']:.1f} |"
            for name, row in measured.items()
        ),
    ]


def main() -> None:
    """Print the table; with a model's name, the seconds of `fit` on this process's backend."""
    if sys.argv[1:]:
        print(json.dumps(fit_seconds(sys.argv[1])))
    else:
        print("\n".join(rows(measure())))


if __name__ == "__main__":
    main()
