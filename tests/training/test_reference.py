"""The float64 training of `reference` is Keras's own: Keras itself in float64, step by step, agrees to rounding.

What agrees with the reference to 1% of a step then agrees with Keras's formulas, and not with a misreading of them.
Keras rounds the arguments of its optimizers to float32 even so; they are rounded beforehand here. Some constants of its
activations it rounds too, hence the tolerance. Biases are drawn, since at a kink, as at 0 of SELU, TensorFlow's slope
depends on whether it compiles.
"""

import functools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from support.reference import batches, trajectory
from test_parity import activations, more_activations, more_optimizers, optimizers

from sweep.networks.configuration import Configuration
from sweep.networks.measurements import NetworkCohort
from sweep.networks.settings import resolve
from sweep.runs.cohort import Cohort
from sweep.training.initial import initial_weights
from sweep.training.keras.libraries import without_start_up_noise

N_EPOCHS = 4
RATE = 2.0**-6
TOLERANCE = 1e-6  # of the largest movement of a weight over the training

CASES: dict[str, dict[str, Any]] = {
    **{f"activation {k}": {"activation": v, "depth": 2} for k, v in {**activations, **more_activations}.items()},
    **{f"optimizer {k}": {"optimizer": v, "batch_size": 2} for k, v in {**optimizers, **more_optimizers}.items()},
    "squares": {"loss": "mean_squared_error"},
    "dropout": {"dropout": 0.3, "depth": 2, "batch_size": 3},
    "no biases": {"use_bias": False},
    "depth 0": {"depth": 0},
    "samples": {"samples": 7, "batch_size": 3},
    "several outputs": {"task": "full_adder", "layers": [4, 3], "batch_size": 3},
}


@pytest.fixture(autouse=True)
def double_precision() -> Iterator[None]:
    with without_start_up_noise():
        import keras
    before = keras.config.floatx()
    keras.config.set_floatx("float64")
    yield
    keras.config.set_floatx(before)


def keras_layers(c: Configuration) -> list[Any]:
    """The layers of a configuration, float64, the last one giving logits."""
    import keras

    layers: list[Any] = []
    for of in c.hidden:
        function = functools.partial(getattr(keras.activations, of.activation.name), **dict(of.activation.arguments))
        layers.append(keras.layers.Dense(of.units, activation=function, use_bias=of.use_bias, dtype="float64"))
    layers.append(keras.layers.Dense(c.output.units, use_bias=c.output.use_bias, dtype="float64"))
    for layer, n in zip(layers, c.n_units, strict=False):
        layer.build((None, n))
    return layers


def keras_optimizer(c: Configuration) -> Any:
    import keras

    arguments = {k: v for k, v in c.optimizer.arguments if not (k == "weight_decay" and v == 0)}
    kind: Any = type(keras.optimizers.get(c.optimizer.name))
    return kind(learning_rate=c.learning_rate, **arguments)


def trained_by_keras(cohort: NetworkCohort) -> np.ndarray[Any, Any]:
    """The weights of the first model after the last step."""
    import keras
    import tensorflow as tf

    c = cohort.configuration
    layers, optimizer = keras_layers(c), keras_optimizer(c)
    variables = [v for layer in layers for v in layer.trainable_variables]
    start = 0
    for variable, v in zip(variables, c.variables, strict=True):
        variable.assign(initial_weights(cohort)[0, start : start + v.size].reshape(v.shape).astype(np.float64))
        start += v.size
    is_entropy = c.loss.name == "binary_crossentropy"
    loss: Any = keras.losses.BinaryCrossentropy(from_logits=True) if is_entropy else keras.losses.MeanSquaredError()
    for epoch in range(c.epochs):
        for batch in batches(cohort, 0, epoch):
            weights = None if batch.counts is None else batch.counts / batch.counts.mean()
            with tf.GradientTape() as tape:
                x = tf.constant(batch.x)
                kept = iter(batch.kept)
                for layer, of in zip(layers, c.layers, strict=True):
                    x = layer(x)
                    if of.dropout:
                        x = x * tf.constant(next(kept) / (1 - of.dropout))
                value = loss(batch.y, x if is_entropy else keras.ops.sigmoid(x), sample_weight=weights)
            values = [v.value for v in variables]
            optimizer.apply(tape.gradient(value, values), variables)
    return np.concatenate([np.ravel(np.asarray(v.value)) for v in variables])


@pytest.mark.parametrize("settings", list(CASES.values()), ids=list(CASES))
def test_keras_in_double_precision_takes_the_same_steps(settings: dict[str, Any]) -> None:
    size = {} if "layers" in settings else {"width": 4}
    settings = {"epochs": N_EPOCHS, "bias_initializer": "random_normal", **size, **settings}
    c = resolve(settings)
    arguments = {k: float(np.float32(v)) if isinstance(v, float) else v for k, v in c.optimizer.arguments}
    optimizer = {"name": c.optimizer.name, "learning_rate": RATE, **arguments}
    c = resolve({**settings, "optimizer": optimizer})
    cohort = Cohort(c, np.array([5], np.uint32))
    path = trajectory(cohort, 0)
    movement = np.abs(path[-1] - path[0]).max()
    assert movement > 1e-6
    np.testing.assert_allclose(trained_by_keras(cohort), path[-1], rtol=0, atol=TOLERANCE * movement)
