"""What is read off any Keras model beside its loss: which answers are right, and which relu units are off on every row.

Notation: targets and answers `[row, entry]`, where an entry is one output of a row; x is what `Model.fit` takes: an
array, or a structure of arrays with the same rows.
"""

import importlib
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sweep.runs.errors import SettingError
from sweep.training.keras.libraries import without_start_up_noise

# rows that are answered at once, and rows whose hidden layers are looked at, which take more memory
answered_at_once = 1024
looked_at_once = 128


def keras() -> Any:
    """The Keras of this process, on whichever backend it runs."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    logging.getLogger("tensorflow").setLevel(logging.ERROR)  # else it warns that each seed's model is a new one
    if "keras" in sys.modules:
        return sys.modules["keras"]
    with without_start_up_noise():
        return importlib.import_module("keras")


def as_arrays(data: Any) -> Any:
    """Data with arrays for leaves, floats in Keras's precision; lists of numbers become one array."""
    if isinstance(data, dict):
        return {name: as_arrays(part) for name, part in data.items()}
    if isinstance(data, list | tuple) and data and hasattr(data[0], "shape") and np.ndim(data[0]) > 0:
        return type(data)(as_arrays(part) for part in data)
    array = np.asarray(data)
    return array.astype(keras().config.floatx(), copy=False) if array.dtype.kind == "f" else array


def n_rows(x: Any) -> int:
    """The rows of x."""
    return len(keras().tree.flatten(x)[0])


def held_out(data: tuple[Any, ...], share: float) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Data without that share of the rows, and that of these, which are drawn once, the same for every seed."""
    pair = tuple(map(as_arrays, data))
    order = np.random.default_rng(0).permutation(n_rows(pair))
    n_tested = min(max(1, round(share * len(order))), len(order) - 1)
    parts = (np.sort(order[n_tested:]), np.sort(order[:n_tested]))
    kept, tested = (keras().tree.map_structure(lambda leaf, rows=rows: leaf[rows], pair) for rows in parts)
    return kept, tested


def pieces(x: Any, size: int) -> Iterator[tuple[int, Any]]:
    """Data in pieces of `size` rows with the place of their first row; the last begins early rather than be shorter.

    So all have one shape, and a compiled model is not compiled again.
    """
    n = n_rows(x)
    size = min(size, n)
    for start in range(0, n, size):
        first = min(start, n - size)
        yield first, keras().tree.map_structure(lambda leaf, first=first: leaf[first : first + size], x)


def sole_loss(model: Any) -> Any:
    """The model's loss as a Keras loss or function; None where it has none, or several."""
    loss = model.loss
    if isinstance(loss, dict | list | tuple):
        loss = next(iter(loss.values() if isinstance(loss, dict) else loss)) if len(loss) == 1 else None
    return keras().losses.get(loss) if loss is not None else None


def floor_loss(model: Any) -> str | None:
    """The name of the model's loss where the floors of merged rows are known: plain cross-entropy or squared error."""
    losses, loss = keras().losses, sole_loss(model)
    plain = not getattr(loss, "label_smoothing", 0)
    if isinstance(loss, losses.BinaryCrossentropy) and plain or loss is losses.binary_crossentropy:
        return "binary_crossentropy"
    is_squared = isinstance(loss, losses.MeanSquaredError) or loss is losses.mean_squared_error
    return "mean_squared_error" if is_squared else None


@dataclass(frozen=True)
class Marking:
    """How answers are held against targets.

    targets: the number of the right class `[row, place]` where `is_of_classes`, else 0 or 1 `[row, entry]`;
    takes_logits: answers are the logits of probabilities.
    """

    targets: npt.NDArray[Any]
    is_of_classes: bool
    takes_logits: bool

    def probabilities(self, answers: npt.NDArray[Any], xp: Any = np) -> npt.NDArray[np.float32]:
        """Answers to 0 or 1 as numbers that are right beyond 0.5: `[row, entry]`; xp: NumPy, or JAX's twin of it."""
        flat = answers.reshape(len(answers), -1).astype(np.float32)
        if not self.takes_logits:
            return flat
        with np.errstate(over="ignore"):
            return np.float32(1) / (np.float32(1) + xp.exp(-flat))

    def is_right(self, answers: npt.NDArray[Any], first: int, xp: Any = np) -> npt.NDArray[np.bool_]:
        """Which entries are right, of answers to the rows from `first` on: `[row, entry]`; none that is not finite."""
        wanted = self.targets[first : first + len(answers)]
        if self.is_of_classes:
            chosen = answers.argmax(axis=-1).reshape(len(answers), -1)
            return (chosen == wanted) & xp.isfinite(answers).all(axis=-1).reshape(len(answers), -1)
        p = self.probabilities(answers, xp)
        # a logit is held against 0, as Keras does: the sigmoid of a small one rounds to 0.5
        is_one = (answers.reshape(len(answers), -1) > 0) if self.takes_logits else p > np.float32(0.5)
        return (is_one == (wanted > 0)) & xp.isfinite(p)

    def margin(self, probabilities: npt.NDArray[np.float32], first: int) -> float:
        """The smallest `(2y - 1)(2p - 1)`, in [-1, 1]: an answer beyond 0 or 1 counts as that."""
        sides = 2 * self.targets[first : first + len(probabilities)] - 1
        return float((sides * (2 * np.clip(probabilities, 0, 1) - 1)).min())


def marking(model: Any, y: Any, answers: Any) -> Marking | None:
    """How the model's answers to its first rows are held against y; None for targets that have no right and wrong.

    Classes under a categorical cross-entropy, else targets that are 0 or 1, one for each output. Raises `SettingError`
    for targets that the loss cannot take, where Keras would go on without a word.
    """
    if not isinstance(y, np.ndarray) or not isinstance(answers, np.ndarray) or y.dtype.kind not in "biuf":
        return None
    losses, loss = keras().losses, sole_loss(model)
    n, takes_logits = len(y), bool(getattr(loss, "from_logits", False))
    if isinstance(loss, losses.SparseCategoricalCrossentropy) or loss is losses.sparse_categorical_crossentropy:
        _check_range(y, 0, answers.shape[-1] - 1, "class numbers, one for each of the model's outputs")
        return Marking(y.reshape(n, -1), True, takes_logits)
    if isinstance(loss, losses.CategoricalCrossentropy) or loss is losses.categorical_crossentropy:
        return Marking(y.argmax(axis=-1).reshape(n, -1), True, takes_logits)
    if isinstance(loss, losses.BinaryCrossentropy) or loss is losses.binary_crossentropy:
        _check_range(y, 0, 1, "targets from 0 to 1")
    if y.size // n != answers.size // len(answers) or not np.isin(y, (0, 1)).all():
        return None
    return Marking(y.reshape(n, -1).astype(np.float32), False, takes_logits)


def _check_range(y: npt.NDArray[Any], low: int, high: int, allowed: str) -> None:
    if y.min() < low or y.max() > high:
        found = f"targets from {y.min():g} to {y.max():g}, which the model's loss cannot take"
        raise SettingError(("data",), found, f"allowed: {allowed}, from {low} to {high}")


@dataclass(frozen=True)
class Hidden:
    """The relu layers of a model that are not its output: a model that gives their outputs, the axis of their units.

    is_chain: every layer of the model takes the output of the one before and nothing else, so that a layer that is off
    as a whole lets no gradient pass.
    """

    reader: Any
    axes: Sequence[int]
    is_chain: bool

    def count_off(self, x: Any) -> tuple[list[int], list[int]]:
        """Units that are 0 on every row of x (of a convolution: and at every place), and all units, by layer."""
        if not self.axes:
            return [], []
        is_on: list[npt.NDArray[np.bool_]] = []
        for _, part in pieces(x, looked_at_once):
            outputs = self.reader([part] if isinstance(part, np.ndarray) else part, training=False)
            now = self.are_on(keras().tree.map_structure(keras().ops.convert_to_numpy, outputs))
            is_on = [a | b for a, b in zip(is_on, now, strict=True)] if is_on else now
        return [int((~on).sum()) for on in is_on], [len(on) for on in is_on]

    @property
    def n_units(self) -> list[int]:
        """The units of each layer."""
        tensors = keras().tree.flatten(self.reader.outputs)
        return [int(tensor.shape[axis]) for tensor, axis in zip(tensors, self.axes, strict=True)]

    def are_on(self, outputs: Any, xp: Any = np) -> list[Any]:
        """Which units are not 0 on every row of what the reader gave: bool `[unit]` a layer; xp: see `Marking`."""
        found: list[Any] = []
        for output, axis in zip(keras().tree.flatten(outputs), self.axes, strict=True):
            values = xp.moveaxis(output, axis, -1)
            found.append((values != 0).reshape(-1, values.shape[-1]).any(axis=0))
        return found


def hidden(model: Any) -> Hidden | None:
    """The relu layers of a built Sequential or functional model; None for a model of one's own class.

    Looked at are the layers themselves that apply relu or relu6 last: Dense, convolutions, Activation, ReLU; not those
    inside a nested model or a layer of one's own.
    """
    library = keras()
    if type(model).__name__ not in ("Sequential", "Functional") or not model.built:
        return None
    try:
        layers = list(model.layers)
        ends = {id(tensor) for tensor in model.outputs}
        found = [layer for layer in layers if _is_relu(layer) and id(layer.output) not in ends]
        is_chain = all(later.input is layer.output for layer, later in zip(layers, layers[1:], strict=False))
        reader = library.Model(model.inputs, [layer.output for layer in found]) if found else None
    except (AttributeError, ValueError):  # a layer that is called several times, or in several models
        return None
    axes = [1 if getattr(layer, "data_format", None) == "channels_first" else -1 for layer in found]
    return Hidden(reader, axes, is_chain)


def _is_relu(layer: Any) -> bool:
    library = keras()
    if isinstance(layer, library.layers.ReLU):
        return not layer.negative_slope and not layer.threshold
    if isinstance(layer, library.layers.RNN) or not type(layer).__module__.startswith("keras."):
        return False
    function = getattr(layer, "activation", None)
    if isinstance(function, library.layers.ReLU):
        return _is_relu(function)
    return function in (library.activations.relu, library.activations.relu6)
