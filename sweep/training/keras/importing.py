"""A compiled Keras network as settings: a chain of Dense layers with their activations and dropout.

What a configuration cannot say is refused by name and place, a `SettingError` whose place is the layer and its
argument, or `optimizer` or `loss`. The weights are not taken over, nor the seeds of initializers and dropout: each of
our seeds draws its own.
"""

import functools
import importlib
import itertools
import json
import os
import warnings
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from sweep.experiment.file import with_tables
from sweep.experiment.table_files import TableFiles
from sweep.networks import vocabulary
from sweep.networks.settings import resolve
from sweep.networks.tasks import max_bits
from sweep.networks.vocabulary import Named, Signature, named
from sweep.runs.errors import SettingError, UserError, at, did_you_mean, show
from sweep.training.keras.libraries import without_start_up_noise

# arguments of Keras's optimizers that the vocabulary leaves out, with the value at which they do nothing
_neutral: Mapping[str, Any] = {
    "clipnorm": None,
    "global_clipnorm": None,
    "clipvalue": None,
    "use_ema": False,
    "loss_scale_factor": None,
    "gradient_accumulation_steps": None,
}
_without_effect = ("name", "ema_momentum", "ema_overwrite_frequency")  # the latter two only with use_ema
# arguments of Dense that the vocabulary leaves out
_without = ("kernel_regularizer", "bias_regularizer", "activity_regularizer", "kernel_constraint", "bias_constraint")
_without += ("lora_rank", "quantization_config")
_activation_layers = ("Activation", "ReLU", "LeakyReLU", "ELU")
# what a file may unpack to, in bytes, before Keras reads it; layers of every kind, those inside of others too
_max_unpacked, _max_config, _max_layers = 1 << 28, 1 << 23, 500
_chain_allowed = "allowed: a chain of Input, Dense, Activation, ReLU, LeakyReLU, ELU and Dropout"
_activation_allowed = "allowed: " + ", ".join(vocabulary.activations)


class KerasFileError(UserError):
    """A `.keras` file that cannot be imported. Its text is the whole message: file, place, found, allowed."""


@dataclass(frozen=True)
class Imported:
    """The settings of a network, and how many inputs and outputs its task must have."""

    settings: Mapping[str, Any]
    n_inputs: int
    n_outputs: int


@dataclass(frozen=True)
class _Block:
    """A Dense layer with the activation and the dropout that follow it."""

    layer: Any
    activation: Named
    dropout: float


def from_keras(model: Any) -> dict[str, Any]:
    """Return the settings of a compiled Keras network, as under `fixed` in an experiment file, or for `sweep.train`.

    A Sequential or functional chain of Input, Dense, Activation, ReLU, LeakyReLU, ELU and Dropout; all hidden layers
    with one activation, one dropout; a sigmoid at the end, or none under `BinaryCrossentropy(from_logits=True)`. A
    model knows no task, batch size or epochs: name them beside these settings. Raises `SettingError` for what the
    settings cannot say.
    """
    return dict(import_model(model).settings)


def import_model(model: Any) -> Imported:
    """Return the settings of a compiled Keras network with the shape of its task. Raises `SettingError`."""
    keras = importlib.import_module("keras")
    _check_kind(model, keras)
    blocks = _blocks(_chain(model), keras)
    hidden, last = blocks[:-1], blocks[-1]
    _check_end(last, model, keras)
    units = [int(block.layer.units) for block in hidden]
    same = {"width": units[0], "depth": len(units)} if units and len(set(units)) == 1 else {"layers": units}
    settings: dict[str, Any] = same if units else {"depth": 0}
    if hidden:
        settings["activation"] = _written(_of_all_hidden(hidden, keras), vocabulary.activations)
        dropout = _dropout_of_all(hidden)
        settings |= {"dropout": dropout} if dropout else {}
    settings |= _initial_settings([block.layer for block in blocks], keras)
    settings |= _optimizer_settings(model.optimizer, keras)
    settings["loss"] = _loss(model, keras)[0]
    return Imported(settings, int(model.inputs[0].shape[1]), int(last.layer.units))


def read_model(path: Path) -> Imported:
    """Return the settings of the model in a `.keras` file, loaded in Keras's safe mode. Raises `KerasFileError`."""
    if not path.is_file():
        raise KerasFileError(f"{path}: no such file\n  allowed: a model saved as .keras")
    if path.suffix != ".keras" or not zipfile.is_zipfile(path):
        raise KerasFileError(f"{path}: no .keras file\n  allowed: what model.save('model.keras') of Keras 3 writes")
    _check_sizes(path)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with without_start_up_noise(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on the state of the optimizer, which is not taken over
        keras = importlib.import_module("keras")
        try:
            model = keras.saving.load_model(path, safe_mode=True)
        except Exception as error:  # a damaged file, or code in it: Keras raises whatever comes
            reason = next(iter(str(error).strip().splitlines()), "") or type(error).__name__
            raise KerasFileError(f"{path}: Keras cannot load it in safe mode: {reason[:300]}") from error
    try:
        return import_model(model)
    except SettingError as error:
        place = ".".join(map(str, error.place))
        raise KerasFileError(f"{path}: {place}: {error.found}\n  {error.allowed}") from None


def _check_sizes(path: Path) -> None:
    """Raise `KerasFileError` for a file that would take much memory or time: by its directory, then by its layers.

    A file without a configuration, or with a damaged one, is left to Keras.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            sizes = {member.filename: member.file_size for member in archive.infolist()}
            unpacked, of_config = sum(sizes.values()), sizes.get("config.json", 0)
            if unpacked > _max_unpacked or of_config > _max_config:
                found = f"unpacks to {unpacked:,} bytes, {of_config:,} of them its configuration"
                allowed = f"allowed: {_max_unpacked:,} and {_max_config:,}"
                raise KerasFileError(f"{path}: {found}\n  {allowed}")
            layers = _layers(json.loads(archive.read("config.json")))
    except (OSError, ValueError, LookupError, RuntimeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        if isinstance(error, KerasFileError):
            raise
        return
    if len(layers) > _max_layers:
        raise KerasFileError(f"{path}: {len(layers):,} layers\n  allowed: {_max_layers}")
    units = [u for u in (layer.get("units") for layer in layers) if type(u) is int]
    n_bytes = 4 * sum(a * b for a, b in itertools.pairwise([1, *units]))
    if n_bytes > _max_unpacked:
        found = f"its layers have weights of {n_bytes:,} bytes"
        raise KerasFileError(f"{path}: {found}\n  allowed: {_max_unpacked:,}")


def _layers(config: Any) -> list[Mapping[str, Any]]:
    """The configurations of all layers, those inside of others among them, in their order."""
    found: list[Mapping[str, Any]] = []
    left = [config]
    while left:
        value = left.pop()
        if isinstance(value, dict):
            items = cast(dict[str, Any], value)
            if isinstance(items.get("layers"), list):
                found += [
                    x["config"] for x in items["layers"] if isinstance(x, dict) and isinstance(x.get("config"), dict)
                ]
            left += items.values()
        elif isinstance(value, list):
            left += cast(list[Any], value)
    return found


def _check_kind(model: Any, keras: Any) -> None:
    kind = type(model)
    if not isinstance(model, keras.Model):
        raise SettingError(("model",), f"found {kind.__name__}", "allowed: a Keras model")
    if kind.__name__ not in ("Sequential", "Functional") or not kind.__module__.startswith("keras."):
        allowed = "allowed: a Sequential or functional model; sweep.train(build=..) trains any other"
        raise SettingError(("model",), f"found a model of its own class, {kind.__name__}", allowed)
    if not model.built or not getattr(model, "_functional", model):
        raise SettingError(("model",), "its inputs are not known", "allowed: a model that begins with keras.Input")
    if not model.compiled:
        raise SettingError(("model",), "not compiled", "allowed: a model after compile, with its optimizer and loss")
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        found = f"{len(model.inputs)} inputs and {len(model.outputs)} outputs"
        raise SettingError(("model",), found, "allowed: one of each")
    given = model.inputs[0]
    if len(given.shape) != 2 or given.shape[0] is not None or given.dtype != "float32" or given.sparse:
        found = f"shape {tuple(given.shape)}, {given.dtype}{', sparse' if given.sparse else ''}"
        raise SettingError(("input",), found, "allowed: (None, n), float32, dense")


def _chain(model: Any) -> list[Any]:
    """The layers from input to output; each must have one layer before it and one behind."""
    if type(model).__name__ == "Sequential":
        return list(model.layers)
    chain: list[Any] = []
    tensor = model.outputs[0]
    while True:
        operation, index, _ = tensor._keras_history
        node = operation._inbound_nodes[index]
        if node.is_input:
            break
        if len(node.input_tensors) != 1:
            found = f"{type(operation).__name__} joins {len(node.input_tensors)} branches"
            raise SettingError((operation.name,), found, _chain_allowed)
        if any(operation is other for other in chain):
            raise SettingError((operation.name,), "used twice", "allowed: each layer once")
        chain.insert(0, operation)
        tensor = node.input_tensors[0]
    return chain


def _blocks(chain: Sequence[Any], keras: Any) -> list[_Block]:
    """The chain as Dense layers, each with what follows it."""
    blocks: list[_Block] = []
    for layer in chain:
        kind = type(layer).__name__
        if not type(layer).__module__.startswith("keras.") or kind not in ("Dense", "Dropout", *_activation_layers):
            raise SettingError((layer.name,), f"a layer {kind}", _chain_allowed)
        if layer.dtype_policy.name != "float32":
            raise SettingError((layer.name, "dtype"), f"found {layer.dtype_policy.name}", "allowed: float32")
        if kind == "Dense":
            _check_dense(layer)
            blocks.append(_Block(layer, _activation(layer.activation, layer.name, keras), 0.0))
        elif not blocks:
            raise SettingError((layer.name,), f"{kind} before the first Dense layer", _chain_allowed)
        elif kind == "Dropout":
            blocks[-1] = _with_dropout(blocks[-1], layer)
        else:
            blocks[-1] = _with_activation(blocks[-1], layer, keras)
    if not blocks:
        raise SettingError(("model",), "no Dense layer", "allowed: at least the output layer")
    return blocks


def _check_dense(layer: Any) -> None:
    if not layer.trainable:
        raise SettingError((layer.name, "trainable"), "found false", "allowed: true")
    for key in _without:
        value = getattr(layer, key, None)
        if value is not None:
            found = show(value) if isinstance(value, int) else type(value).__name__
            raise SettingError((layer.name, key), f"found {found}", "allowed: none")


def _with_dropout(block: _Block, layer: Any) -> _Block:
    if layer.noise_shape is not None:
        raise SettingError((layer.name, "noise_shape"), f"found {show(layer.noise_shape)}", "allowed: none")
    if block.dropout:
        raise SettingError((layer.name,), "a second Dropout", "allowed: one after each hidden layer")
    return _Block(block.layer, block.activation, float(layer.rate))


def _with_activation(block: _Block, layer: Any, keras: Any) -> _Block:
    activation = _activation(layer, layer.name, keras)
    if activation.name == "linear":
        return block
    if block.dropout:
        raise SettingError((layer.name,), "an activation behind Dropout", "allowed: Dense, activation, Dropout")
    if block.activation.name != "linear":
        found = f"a second activation, {activation.label()}, behind {block.activation.label()}"
        raise SettingError((layer.name,), found, "allowed: one for each layer")
    return _Block(block.layer, activation, block.dropout)


def _activation(given: Any, layer: str, keras: Any) -> Named:
    """An activation, given as Keras's function, with arguments bound to it, or as a layer."""
    names = {id(getattr(keras.activations, name)): name for name in vocabulary.activations}
    arguments: dict[str, Any] = {}
    place = (layer, "activation")
    if isinstance(given, keras.layers.Activation):
        given = given.activation
    if isinstance(given, functools.partial):
        arguments, given = dict(given.keywords), given.func
    if type(given) is keras.layers.ReLU:
        if given.max_value is not None or given.threshold:
            found = f"max_value {show(given.max_value)}, threshold {given.threshold:g}"
            raise SettingError(place, f"ReLU with {found}", "allowed: ReLU without them")
        slope = float(given.negative_slope)
        name, arguments = ("leaky_relu", {"negative_slope": slope}) if slope else ("relu", {})
    elif type(given) is keras.layers.LeakyReLU:
        name, arguments = "leaky_relu", {"negative_slope": float(given.negative_slope)}
    elif type(given) is keras.layers.ELU:
        name, arguments = "elu", {"alpha": float(given.alpha)}
    else:
        name = names.get(id(given), "")
    if not name:
        found = getattr(given, "__name__", type(given).__name__)
        raise SettingError(place, f"found {found}", _activation_allowed)
    return _named(name, arguments, vocabulary.activations, place)


def _named(name: str, arguments: Mapping[str, object], signatures: Mapping[str, Signature], place: Any) -> Named:
    with at(*place):
        return named(name, arguments, signatures)


def _written(value: Named, signatures: Mapping[str, Signature]) -> Any:
    """A name with arguments as it stands in a file: only those that differ from their defaults."""
    others = value.changed(signatures)
    return {"name": value.name, **others} if others else value.name


def _of_all_hidden(hidden: Sequence[_Block], keras: Any) -> Named:
    first = hidden[0]
    for block in hidden[1:]:
        if block.activation != first.activation:
            found = f"found {block.activation.label()}, and {first.activation.label()} in {first.layer.name}"
            raise SettingError((block.layer.name, "activation"), found, "allowed: one for all hidden layers")
    return first.activation


def _dropout_of_all(hidden: Sequence[_Block]) -> float:
    first = hidden[0]
    for block in hidden[1:]:
        if block.dropout != first.dropout:
            found = f"dropout {block.dropout:g} after it, and {first.dropout:g} after {first.layer.name}"
            raise SettingError((block.layer.name,), found, "allowed: the same after every hidden layer")
    return first.dropout


def _initial_settings(layers: Sequence[Any], keras: Any) -> dict[str, Any]:
    """Whether the layers have biases, and how weights begin: what is not Keras's default, equal in all layers."""
    settings: dict[str, Any] = {}
    biased = [bool(layer.use_bias) for layer in layers]
    for layer, has_bias in zip(layers, biased, strict=True):
        if has_bias != biased[0]:
            found = f"found {show(has_bias)}, and {show(biased[0])} in {layers[0].name}"
            raise SettingError((layer.name, "use_bias"), found, "allowed: the same for all layers")
    if not biased[0]:
        settings["use_bias"] = False
    for key, usual in (("kernel_initializer", "glorot_uniform"), ("bias_initializer", "zeros")):
        if key == "bias_initializer" and not biased[0]:
            continue
        found = [_initializer(layer, key, keras) for layer in layers]
        for layer, initializer in zip(layers, found, strict=True):
            if initializer != found[0]:
                text = f"found {initializer.label()}, and {found[0].label()} in {layers[0].name}"
                raise SettingError((layer.name, key), text, "allowed: one for all layers")
        written = _written(found[0], vocabulary.initializers)
        settings |= {key: written} if written != usual else {}
    return settings


def _initializer(layer: Any, key: str, keras: Any) -> Named:
    given = getattr(layer, key)
    kinds = {getattr(keras.initializers, name.title().replace("_", "")): name for name in vocabulary.initializers}
    name = kinds.get(type(given))
    if name is None:
        found = getattr(given, "__name__", type(given).__name__)
        raise SettingError((layer.name, key), f"found {found}", "allowed: " + ", ".join(vocabulary.initializers))
    arguments = {k: v for k, v in given.get_config().items() if k != "seed" and v is not None}
    return _named(name, arguments, vocabulary.initializers, (layer.name, key))


def _optimizer_settings(optimizer: Any, keras: Any) -> dict[str, Any]:
    kinds = {type(keras.optimizers.get(name)): name for name in vocabulary.optimizers}
    name = kinds.get(type(optimizer))
    if name is None:
        allowed = did_you_mean(type(optimizer).__name__.lower(), vocabulary.optimizers)
        raise SettingError(("optimizer",), f"found {type(optimizer).__name__}", allowed)
    arguments: dict[str, Any] = {}
    for key, value in optimizer.get_config().items():
        if key in _neutral and value != _neutral[key]:
            raise SettingError(("optimizer", key), f"found {show(value)}", f"allowed: {show(_neutral[key])}")
        if key not in _neutral and key not in _without_effect:
            arguments[key] = value
    rate = arguments.pop("learning_rate")
    if isinstance(rate, Mapping):
        found = f"found the schedule {rate.get('class_name')}"
        raise SettingError(("optimizer", "learning_rate"), found, "allowed: a number")
    arguments["weight_decay"] = arguments.get("weight_decay") or 0.0  # None is no decay
    if arguments["weight_decay"] and _has_exclusions(optimizer):
        found = "weight decay that leaves out some variables"
        raise SettingError(("optimizer", "exclude_from_weight_decay"), found, "allowed: decay of all of them")
    value = _named(name, arguments, vocabulary.optimizers, ("optimizer",))
    return {
        "optimizer": _written(value, vocabulary.optimizers),
        "learning_rate": float(str(np.float32(rate))),  # Keras keeps it as float32
    }


def _has_exclusions(optimizer: Any) -> bool:
    return any(
        getattr(optimizer, name, None) for name in ("_exclude_from_weight_decay", "_exclude_from_weight_decay_pattern")
    )


def _loss(model: Any, keras: Any) -> tuple[str, bool]:
    """The loss by its name, and whether it takes logits."""
    allowed = "allowed: binary_crossentropy, mean_squared_error"
    if isinstance(model.loss, Mapping | list | tuple):
        raise SettingError(("loss",), "found a list or a mapping of losses", f"{allowed}, one for the output")
    if getattr(model._compile_loss, "_user_loss_weights", None) is not None:
        raise SettingError(("loss_weights",), "found weights for the loss", "allowed: none")
    loss = keras.losses.get(model.loss)
    functions = {id(keras.losses.binary_crossentropy): "binary_crossentropy"}
    functions[id(keras.losses.mean_squared_error)] = "mean_squared_error"
    classes = {
        keras.losses.BinaryCrossentropy: "binary_crossentropy",
        keras.losses.MeanSquaredError: "mean_squared_error",
    }
    name = functions.get(id(loss)) or classes.get(type(loss))
    if name is None:
        found = "no loss" if loss is None else f"found {getattr(loss, '__name__', type(loss).__name__)}"
        raise SettingError(("loss",), found, allowed)
    config = loss.get_config() if type(loss) in classes else {}
    usual = {"reduction": "sum_over_batch_size", "label_smoothing": 0.0, "axis": -1}
    for key, value in config.items():
        if key in usual and value != usual[key]:
            raise SettingError(("loss", key), f"found {show(value)}", f"allowed: {show(usual[key])}")
    return name, bool(config.get("from_logits", False))


def _check_end(last: _Block, model: Any, keras: Any) -> None:
    """The output layer: a sigmoid, or none where the loss takes logits."""
    name = last.layer.name
    if last.dropout:
        raise SettingError((name,), "Dropout after the output layer", "allowed: after hidden layers")
    _, takes_logits = _loss(model, keras)
    wanted = "linear" if takes_logits else "sigmoid"
    if last.activation.name != wanted:
        allowed = "allowed: sigmoid, or linear with BinaryCrossentropy(from_logits=True)"
        under = "from_logits=True" if takes_logits else "a loss that takes probabilities"
        found = f"found {last.activation.label(vocabulary.activations)} at the output, under {under}"
        raise SettingError((name, "activation"), found, allowed)


# what training a model takes and the model does not say, with what it is where nobody says it
_beside_the_model: Mapping[str, Any] = {
    "task": None,
    "encoding": None,
    "samples": None,
    "batch_size": 32,
    "epochs": 1000,
}


def _usual_task(n_inputs: int, n_outputs: int) -> Any:
    """A task of this shape, to begin with; None where there is none."""
    adders = {(2, 1): "xor", (2, 2): "half_adder", (3, 2): "full_adder"}
    if n_outputs == 1 and n_inputs != 2 and n_inputs <= max_bits:
        return {"name": "parity", "bits": n_inputs}
    return adders.get((n_inputs, n_outputs))


def experiment_settings(
    model: Imported, given: Mapping[str, Any], path: Path, folder: Path
) -> tuple[dict[str, Any], dict[str, str]]:
    """Complete the settings of a model by those `given`, and by the usual ones where nothing is: with remarks.

    `path` is what messages call the model; a task's file lies in `folder`. Raises `KerasFileError` for a setting that
    the model decides and for a task of another shape; `SettingError` for one that cannot be.
    """
    for name in given:
        if name not in _beside_the_model:
            allowed = ", ".join(_beside_the_model)
            raise KerasFileError(f"{path}: {name}: the model says what it is\n  allowed: {allowed}")
    shape = (model.n_inputs, model.n_outputs)
    wanted = f"{shape[0]} input{'s' if shape[0] != 1 else ''} and {shape[1]} output{'s' if shape[1] != 1 else ''}"
    task = given.get("task", _usual_task(*shape))
    if task is None:
        allowed = "allowed: a table of that shape, 'task={file: data.csv, targets: [y]}'"
        raise KerasFileError(f"{path}: no task of our own has its {wanted}: name one\n  {allowed}")
    beside = {"task": task, **{k: given.get(k, usual) for k, usual in _beside_the_model.items() if k != "task"}}
    fixed = {k: v for k, v in beside.items() if v is not None} | dict(model.settings)
    resolved = resolve(with_tables(fixed, TableFiles(folder)))
    if (resolved.task.n_inputs, resolved.task.n_outputs) != shape:
        found = f"{resolved.task.label} has {resolved.task.n_inputs} and {resolved.task.n_outputs}"
        raise KerasFileError(f"{path}: task: {found}\n  allowed: a task of the model's {wanted}")
    not_said = {"task": "the model does not say", "batch_size": "of fit", "epochs": "of fit"}
    remarks = {k: f"{word}: put yours" for k, word in not_said.items() if k not in given}
    return fixed, remarks
