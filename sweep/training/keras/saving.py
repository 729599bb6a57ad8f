"""A trained network as a `.keras` file: an ordinary Keras model, compiled with its optimizer and loss."""

import functools
import os
from pathlib import Path
from typing import Any

import numpy as np

from sweep.networks.configuration import Configuration
from sweep.networks.layers import Layer
from sweep.networks.measurements import Floats
from sweep.networks.vocabulary import Named, named, output_activations
from sweep.training.keras.libraries import tensorflow_and_keras
from sweep.training.keras.referee import new_loss, new_optimizer, regularizers_of


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
    first = keras.Input((c.task.n_inputs,))
    stack = [step for layer in c.layers for step in _steps(keras, layer)]
    if all(isinstance(step, keras.Layer) for step in stack):
        network = keras.Sequential([first, *stack])
    else:
        network = keras.Model(first, functools.reduce(lambda signal, step: step(signal), stack, first))
    metric = (
        keras.metrics.CategoricalAccuracy()
        if c.head.has_classes
        else keras.metrics.BinaryAccuracy(threshold=c.head.border)
    )
    network.compile(optimizer=new_optimizer(c.optimizer, c.learning_rate), loss=new_loss(c.loss), metrics=[metric])
    return network


def _dense_arguments(keras: Any, layer: Layer) -> dict[str, Any]:
    """A Dense layer's bias, initializers and regularizers; the trained weights take the place of the initial ones.

    Keras has nothing for a bias that is drawn as the kernel.
    """
    bias = layer.bias_initializer if layer.bias_initializer.name != "as_kernel" else Named("zeros")
    initial = {"kernel_initializer": layer.kernel_initializer, "bias_initializer": bias}
    made = {
        key: keras.initializers.get({"class_name": value.name, "config": dict(value.arguments)})
        for key, value in initial.items()
    }
    return {"use_bias": layer.use_bias, **made, **regularizers_of(layer)}


def _steps(keras: Any, layer: Layer) -> list[Any]:
    """Dense and Dropout; an activation with arguments is a layer or an operation that Keras can read back safely."""
    name, arguments = layer.activation.name, dict(layer.activation.arguments)
    is_default = layer.activation == named(name, {}, output_activations)
    dense = keras.layers.Dense(layer.units, activation=name if is_default else None, **_dense_arguments(keras, layer))
    kinds = {"leaky_relu": keras.layers.LeakyReLU, "elu": keras.layers.ELU}
    own: list[Any] = []
    if name == "gelu" and not is_default:
        own = [functools.partial(keras.ops.gelu, **arguments)]
    elif not is_default:
        own = [kinds[name](**arguments)]
    return [dense, *own] + ([keras.layers.Dropout(layer.dropout)] if layer.dropout > 0 else [])
