"""Plain Keras, with its own random numbers, learns as often as the native engine does."""

from typing import Any

import numpy as np
import pytest
from scipy import stats
from support.untyped import sweep

from sweep.networks.settings import resolve
from sweep.training.keras.libraries import without_start_up_noise

SETTINGS = {"width": 4, "learning_rate": 0.05, "batch_size": 2, "epochs": 150}
KERAS_SEEDS = 150
NATIVE_SEEDS = 10_000
# fixed before the first run: equal rates are rejected by mistake once in a thousand times
LEVEL = 0.001


def learns_by_fit(seed: int) -> bool:
    """Whether one network learns, built, shuffled and trained by Keras and TensorFlow alone."""
    import keras
    import tensorflow as tf

    keras.backend.clear_session()
    keras.utils.set_random_seed(seed)
    configuration = resolve(SETTINGS)
    x, y = configuration.inputs(), configuration.targets()
    hidden: Any = keras.layers.Dense(4, activation="relu")
    model: Any = keras.Sequential([keras.layers.Input((2,)), hidden, keras.layers.Dense(1, activation="sigmoid")])
    model.compile(keras.optimizers.Adam(0.05), "binary_crossentropy", steps_per_execution=100)
    table = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(4, seed=seed, reshuffle_each_iteration=True)
    model.fit(table.batch(2).repeat(150), epochs=1, shuffle=False, verbose=0)
    return bool(((model(x).numpy() > 0.5) == (y > 0.5)).all())


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_plain_fit_learns_as_often() -> None:
    with without_start_up_noise():
        learned = sum(learns_by_fit(seed) for seed in range(KERAS_SEEDS))
    native = int(sweep.train(SETTINGS, seeds=NATIVE_SEEDS)["learned"].sum())
    table = [[learned, KERAS_SEEDS - learned], [native, NATIVE_SEEDS - native]]
    assert 0.2 < native / NATIVE_SEEDS < 0.8
    exact: Any = stats.fisher_exact(np.array(table))
    assert exact.pvalue > LEVEL, table
