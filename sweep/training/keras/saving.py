"""A trained network as a `.keras` file: an ordinary Keras model, compiled with its optimizer and loss."""

import os
from pathlib import Path
from typing import Any

import numpy as np

from sweep.networks.configuration import Configuration
from sweep.networks.runs import Floats
from sweep.networks.vocabulary import activations, named
from sweep.training.engine import EngineError
from sweep.training.keras.library import tensorflow_and_keras
from sweep.training.keras.referee import new_optimizer


def save_network(configuration: Configuration, weights: Floats, path: Path) -> Floats:
    """Write the network with `weights` `[parameter]` to `path`, which ends in `.keras`; replaced in one step.

    The file is read back in Keras's safe mode, and what that model predicts is given: `[row, output]`. Raises
    `EngineError` where Keras runs on another backend than TensorFlow.
    """
    _, keras = tensorflow_and_keras()
    network = compiled_network(configuration)
    start = 0
    for variable in network.trainable_variables:
        n = int(np.prod(variable.shape))
        variable.assign(weights[start : start + n].reshape(variable.shape))
        start += n
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.tmp.keras")
    try:
        network.optimizer.build(network.trainable_variables)  # or reading it back warns of missing state
        network.save(temporary)
        loaded = keras.models.load_model(temporary, safe_mode=True)
        predictions = loaded(configuration.inputs(), training=False).numpy()
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return predictions


def compiled_network(configuration: Configuration) -> Any:
    """The Keras model of a configuration as a person writes it: with dropout, learning rate and initializers."""
    _, keras = tensorflow_and_keras()
    c = configuration
    stack = [keras.layers.Input((c.task.n_inputs,))]
    for n in c.layers:
        stack += _hidden_layers(keras, c, n)
    stack.append(keras.layers.Dense(c.task.n_outputs, activation="sigmoid", **_dense_arguments(keras, c)))
    network = keras.Sequential(stack)
    network.compile(optimizer=new_optimizer(c), loss=c.loss, metrics=["binary_accuracy"])
    return network


def _dense_arguments(keras: Any, c: Configuration) -> dict[str, Any]:
    """What every Dense layer of the configuration has; the trained weights take the place of the initial ones."""
    initial = {"kernel_initializer": c.kernel_initializer, "bias_initializer": c.bias_initializer}
    made = {
        key: keras.initializers.get({"class_name": value.name, "config": dict(value.arguments)})
        for key, value in initial.items()
    }
    return {"use_bias": c.use_bias, **made}


def _hidden_layers(keras: Any, c: Configuration, n_units: int) -> list[Any]:
    """Dense and Dropout; an activation with arguments is a layer of its own, which Keras can read back safely."""
    name, arguments = c.activation.name, dict(c.activation.arguments)
    is_default = c.activation == named(name, {}, activations)
    dense = keras.layers.Dense(n_units, activation=name if is_default else None, **_dense_arguments(keras, c))
    own: list[Any] = []
    if not is_default:
        layers = {"leaky_relu": keras.layers.LeakyReLU, "elu": keras.layers.ELU}
        if name not in layers:
            raise EngineError(f"save: Keras has no layer for {c.activation.label(activations)} that its files can hold")
        own = [layers[name](**arguments)]
    return [dense, *own] + ([keras.layers.Dropout(c.dropout)] if c.dropout > 0 else [])
