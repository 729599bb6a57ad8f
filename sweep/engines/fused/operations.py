"""Keras's operations on the backend's tensors, without types: what Keras declares of them is incomplete."""

from typing import Any

import keras

ops: Any = keras.ops
