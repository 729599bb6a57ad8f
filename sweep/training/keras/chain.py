"""The layers of a Keras model as those of a configuration: Dense, and the activation and dropout that follow it."""

import functools
from collections.abc import Sequence
from typing import Any

from sweep.networks import vocabulary
from sweep.networks.layers import Layer
from sweep.networks.vocabulary import Named
from sweep.runs.errors import SettingError, show
from sweep.training.imported import Block, Notes, activated, allowed_names, checked_ends, dropped, of_signature

# arguments of Dense that the vocabulary leaves out
_without = ("activity_regularizer", "kernel_constraint", "bias_constraint", "lora_rank", "quantization_config")
# `Gelu` is the operation keras.ops.gelu
_activation_layers = ("Activation", "ReLU", "LeakyReLU", "ELU", "Softmax", "Gelu")
_chain_allowed = "allowed: a chain of Input, Dense, Activation, ReLU, LeakyReLU, ELU, Softmax and Dropout"


def chain_of(model: Any) -> list[Any]:
    """The layers from input to output. Raises `SettingError` where one has several before it, or is used twice."""
    if type(model).__name__ == "Sequential":
        return list(model.layers)
    chain: list[Any] = []
    tensor = model.outputs[0]
    while True:
        operation, index, _ = tensor._keras_history
        node = operation._inbound_nodes[index]
        if node.is_input:
            return chain
        if len(node.input_tensors) != 1:
            found = f"{type(operation).__name__} joins {len(node.input_tensors)} branches"
            raise SettingError((operation.name,), found, _chain_allowed)
        if any(operation is other for other in chain):
            raise SettingError((operation.name,), "used twice", "allowed: each layer once")
        chain.insert(0, operation)
        tensor = node.input_tensors[0]


def blocks_of(chain: Sequence[Any], keras: Any, notes: Notes) -> list[Block]:
    """The chain as Dense layers, each with what follows it; what cannot be said is noted and left out."""
    blocks: list[Block] = []
    for layer in chain:
        kind, place = type(layer).__name__, (layer.name,)
        if not type(layer).__module__.startswith("keras.") or kind not in ("Dense", "Dropout", *_activation_layers):
            notes.add(place, f"a layer {kind}", _chain_allowed)
            continue
        if kind != "Gelu" and layer.dtype_policy.name != "float32":
            notes.add((layer.name, "dtype"), f"found {layer.dtype_policy.name}", "allowed: float32")
        if kind == "Dense":
            blocks.append(_block(layer, keras, notes))
        elif kind == "Dropout" and not layer.rate:
            continue
        elif not blocks:
            notes.add(place, f"{kind} before the first Dense layer", "allowed: Dense first, and others behind it")
        else:
            with notes.noting():
                if kind == "Dropout":
                    _check_dropout(layer)
                    blocks[-1] = dropped(blocks[-1], float(layer.rate), layer.name)
                else:
                    blocks[-1] = activated(blocks[-1], _activation(layer, layer.name, keras), layer.name)
    return checked_ends(blocks, "Dense", notes)


def _block(layer: Any, keras: Any, notes: Notes) -> Block:
    """A Dense layer; arguments that cannot be said are noted, and the usual ones stand in their place."""
    if not layer.trainable:
        notes.add((layer.name, "trainable"), "found false", "allowed: true")
    for key in _without:
        value = getattr(layer, key, None)
        if value is not None:
            found = show(value) if isinstance(value, int) else type(value).__name__
            notes.add((layer.name, key), f"found {found}", "allowed: none")
    values: dict[str, Named] = {"kernel_initializer": Named("glorot_uniform"), "bias_initializer": Named("zeros")}
    values |= {"kernel_regularizer": Named("none"), "bias_regularizer": Named("none")}
    for key in values:
        if key.startswith("kernel") or layer.use_bias:
            with notes.noting():
                values[key] = (_initializer if key.endswith("initializer") else _regularizer)(layer, key, keras)
    activation = Named("linear")
    with notes.noting():
        activation = _activation(layer.activation, layer.name, keras)
    given = (layer.kernel_initializer, layer.bias_initializer)
    is_seeded = any(hasattr(x, "get_config") and x.get_config().get("seed") is not None for x in given)
    return Block(layer.name, Layer(int(layer.units), activation, 0.0, bool(layer.use_bias), **values), is_seeded)


def _check_dropout(layer: Any) -> None:
    if layer.noise_shape is not None:
        raise SettingError((layer.name, "noise_shape"), f"found {show(layer.noise_shape)}", "allowed: none")


def _activation(given: Any, layer: str, keras: Any) -> Named:
    """An activation, given as Keras's function, with arguments bound to it, or as a layer."""
    names = {id(getattr(keras.activations, name)): name for name in vocabulary.output_activations}
    arguments: dict[str, Any] = {}
    place = (layer, "activation")
    if isinstance(given, keras.layers.Activation):
        given = given.activation
    if isinstance(given, functools.partial):
        arguments, given = dict(given.keywords), given.func
    if type(given) is keras.layers.ReLU:
        name, arguments = _relu(given, place)
    elif type(given) is keras.layers.LeakyReLU:
        name, arguments = "leaky_relu", {"negative_slope": float(given.negative_slope)}
    elif type(given).__name__ == "Gelu":
        name, arguments = "gelu", {"approximate": bool(given.approximate)}
    elif type(given) is keras.layers.ELU:
        name, arguments = "elu", {"alpha": float(given.alpha)}
    elif type(given) is keras.layers.Softmax:
        if given.axis not in (-1, 1):
            raise SettingError((layer, "axis"), f"found {show(given.axis)}", "allowed: -1")
        name = "softmax"
    else:
        name = names.get(id(given), "")
    if not name:
        found = getattr(given, "__name__", type(given).__name__)
        raise SettingError(place, f"found {found}", allowed_names(vocabulary.activations))
    return of_signature(name, arguments, vocabulary.output_activations, place)


def _relu(given: Any, place: tuple[str, str]) -> tuple[str, dict[str, Any]]:
    """Keras's layer ReLU by our name and arguments."""
    slope, ceiling = float(given.negative_slope), given.max_value
    if given.threshold or (ceiling is not None and (slope or ceiling != 6)):
        found = f"max_value {show(ceiling)}, negative_slope {slope:g}, threshold {given.threshold:g}"
        allowed = "allowed: without threshold, a negative_slope or a max_value of 6"
        raise SettingError(place, f"ReLU with {found}", allowed)
    if ceiling is not None:
        return "relu6", {}
    return ("leaky_relu", {"negative_slope": slope}) if slope else ("relu", {})


def _initializer(layer: Any, key: str, keras: Any) -> Named:
    given = getattr(layer, key)
    kinds = {getattr(keras.initializers, name.title().replace("_", "")): name for name in vocabulary.initializers}
    name = kinds.get(type(given))
    if name is None:
        found = getattr(given, "__name__", type(given).__name__)
        raise SettingError((layer.name, key), f"found {found}", allowed_names(vocabulary.initializers))
    arguments = {k: v for k, v in given.get_config().items() if k != "seed" and v is not None}
    return of_signature(name, arguments, vocabulary.initializers, (layer.name, key))


def _regularizer(layer: Any, key: str, keras: Any) -> Named:
    given = getattr(layer, key)
    if given is None:
        return Named("none")
    known = [name for name in vocabulary.regularizers if name != "none"]
    kinds = {getattr(keras.regularizers, name.title().replace("_", "")): name for name in known}
    if type(given) not in kinds:
        found = getattr(given, "__name__", type(given).__name__)
        raise SettingError((layer.name, key), f"found {found}", f"allowed: none, {', '.join(known)}")
    found = of_signature(kinds[type(given)], given.get_config(), vocabulary.regularizers, (layer.name, key))
    return vocabulary.plain_regularizer(found)
