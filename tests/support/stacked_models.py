"""Functions that build Keras models, at the head of a module: another process can import them."""

from typing import Any

import keras
import numpy as np

K: Any = keras.layers
XOR = (np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32), np.array([[0], [1], [1], [0]], np.float32))


def table(n: int = 10) -> tuple[Any, Any]:
    """Rows of which a batch of four leaves two over."""
    x = np.random.default_rng(0).normal(size=(n, 3)).astype(np.float32)
    return x, (x.sum(axis=1, keepdims=True) > 0).astype(np.float32)


def given_weights(seed: int) -> Any:
    """Batch normalization, momentum, a schedule, penalties; begins the same on every backend."""
    penalty = keras.regularizers.L2(0.01)
    layers = [K.Dense(4, kernel_regularizer=penalty), K.BatchNormalization(), K.ReLU(), K.Dense(1, "sigmoid")]
    model = keras.Sequential([keras.Input((3,)), *layers])
    rng = np.random.default_rng(seed)
    model.set_weights([rng.normal(size=w.shape) if w.ndim > 1 else w for w in model.get_weights()])
    rate: Any = keras.optimizers.schedules.ExponentialDecay(0.1, 5, 0.9)
    model.compile(keras.optimizers.SGD(rate, momentum=0.9, nesterov=True), "binary_crossentropy", metrics=["mae"])
    return model


def hot_for_one(seed: int) -> Any:
    """The models of seeds that leave 1 when divided by 3 diverge."""
    model = keras.Sequential([keras.Input((2,)), K.Dense(4, "relu"), K.Dense(1)])
    model.compile(keras.optimizers.SGD(1e30 if seed % 3 == 1 else 0.05), "mean_squared_error")
    return model


def dropped(seed: int, units: int = 4) -> Any:
    model = keras.Sequential([keras.Input((2,)), K.Dense(units, "relu"), K.Dropout(0.2), K.Dense(1, "sigmoid")])
    model.compile(keras.optimizers.Adam(0.05), "binary_crossentropy")
    return model


def of_many_parts(seed: int) -> Any:
    """Convolution, recurrence, embedding, attention, two inputs, two outputs, two losses, a metric."""
    picture, words = keras.Input((4, 4, 1), name="picture"), keras.Input((5,), dtype="int32", name="words")
    seen = K.Flatten()(K.MaxPooling2D()(K.Conv2D(2, 3, padding="same", activation="relu")(picture)))
    read = K.Embedding(6, 4)(words)
    read = K.LSTM(3)(K.MultiHeadAttention(1, 4)(read, read))
    both = K.Concatenate()([seen, read])
    outputs = {"kind": K.Dense(3, "softmax", name="kind")(both), "size": K.Dense(1, name="size")(both)}
    model = keras.Model({"picture": picture, "words": words}, outputs)
    losses = {"kind": "sparse_categorical_crossentropy", "size": "mean_squared_error"}
    model.compile("adam", losses, loss_weights={"kind": 1.0, "size": 0.5}, metrics={"kind": ["accuracy"]})
    return model


class Doubtful(keras.layers.Layer):
    """Asks for the value of a tensor, which a tracer has not."""

    def call(self, inputs: Any) -> Any:
        largest: Any = keras.ops.max(inputs)
        return inputs * 2 if float(largest) > 0 else inputs


def untraceable(seed: int) -> Any:
    model = keras.Sequential([keras.Input((2,)), K.Dense(1, "sigmoid")])
    if keras.backend.backend() == "jax":
        model.add(Doubtful())
    model.compile("adam", "binary_crossentropy", run_eagerly=True)
    return model
