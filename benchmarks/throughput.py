"""Networks per second: the native engine and Keras, side by side in one run. `make bench`.

Each row is a network of the given width and depth on XOR, 1,000 full-batch Adam steps. Keras is timed on fewer steps
and scaled up, compilation left out everywhere.
"""

import os
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

from sweep import executors
from sweep.engines.native import NativeEngine
from sweep.model import Configuration, resolve
from sweep.runs import Cohort

SHAPES = ((8, 1), (8, 3), (32, 2))
STEPS = 1000
SECONDS = 2.0


def native_rate(configuration: Configuration, workers: int) -> float:
    """Networks per second of the native engine on all cores: the best of three."""
    engine = NativeEngine()
    n = 1024
    rates: list[float] = []
    while len(rates) < 3:
        cohort = Cohort(configuration, np.arange(n, dtype=np.uint32))
        started = time.perf_counter()
        list(executors.train(engine, [cohort], workers, lambda *_: None))
        seconds = time.perf_counter() - started
        if seconds < SECONDS / 4:
            n *= 2
        else:
            rates.append(n / seconds)
    return max(rates)


def keras_network(width: int, depth: int) -> Any:
    """The same network as a user of Keras writes it."""
    import keras

    hidden = [keras.layers.Dense(width, activation="relu") for _ in range(depth)]
    model = keras.Sequential([keras.layers.Input((2,)), *hidden, keras.layers.Dense(1, activation="sigmoid")])
    model.compile(keras.optimizers.Adam(0.001), "binary_crossentropy")
    return model


def seconds_a_step(train: Callable[[int], None]) -> float:
    """Seconds of one step: after a warm-up, as many as fit into two seconds."""
    train(3)
    n = 10
    while True:
        started = time.perf_counter()
        train(n)
        seconds = time.perf_counter() - started
        if seconds > SECONDS / 2:
            return seconds / n
        n = int(n * min(10, max(2, SECONDS / seconds)))


def keras_rates(width: int, depth: int) -> tuple[float, float]:
    """Networks per second of `fit` and of `train_on_batch`, one process."""
    configuration = resolve({})
    x, y = configuration.inputs(), configuration.targets()
    model = keras_network(width, depth)
    fit = seconds_a_step(lambda n: model.fit(x, y, batch_size=4, epochs=n, verbose=0))

    def batches(n: int) -> None:
        for _ in range(n):
            model.train_on_batch(x, y)

    return 1 / (STEPS * fit), 1 / (STEPS * seconds_a_step(batches))


def main() -> None:
    """Print the table."""
    workers = executors.available_cores()
    print(f"networks/s, XOR, {STEPS:,} full-batch Adam steps, {workers} threads; Keras in one process")
    print(f"{'width':>5} {'depth':>5} {'native':>10} {'fit':>8} {'train_on_batch':>14} {'native/fit':>11}")
    for width, depth in SHAPES:
        native = native_rate(resolve({"width": width, "depth": depth, "epochs": STEPS}), workers)
        fit, on_batch = keras_rates(width, depth)
        print(f"{width:5} {depth:5} {native:10,.0f} {fit:8.3f} {on_batch:14.3f} {native / fit:11,.0f}")


if __name__ == "__main__":
    main()
