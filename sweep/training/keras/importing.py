"""A compiled Keras network as settings: a chain of Dense layers with their activations and dropout, optimizer and loss.

What a configuration cannot say is refused, all of it at once, each obstacle by the name of its layer and the argument,
or `optimizer` or `loss`. The weights are not taken over, nor the seeds of initializers and dropout: each of our seeds
draws its own.
"""

import importlib
import warnings
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from sweep.networks import vocabulary
from sweep.networks.settings import resolve
from sweep.networks.vocabulary import Named, default_learning_rates
from sweep.runs.errors import SettingError, at, did_you_mean, show
from sweep.training.imported import Block, Imported, Loss, Notes, Trained, allowed_names, assembled, of_signature
from sweep.training.keras.chain import blocks_of, chain_of

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
# of losses: what the vocabulary leaves out, likewise
_usual_of_losses: Mapping[str, Any] = {
    "reduction": "sum_over_batch_size",
    "axis": -1,
    "ignore_class": None,
}
# losses of Keras's whose targets are only written in another way
_other_losses = {"sparse_categorical_crossentropy": "categorical_crossentropy"}
_behind_logits = {"binary_crossentropy": "sigmoid", "categorical_crossentropy": "softmax"}
seeds_not_used = "Seeds of its initializers and dropout are not used: each seed of a sweep draws its own."
trained_as_it_is = "sweep.train(build=build, data=(x, y))  # build(seed) returns this model, compiled"


def from_keras(model: Any) -> dict[str, Any]:
    """Return the settings of a compiled Keras network, as under `fixed` in an experiment file, or for `sweep.train`.

    A Sequential or functional chain of Input, Dense, Activation, ReLU, LeakyReLU, ELU, Softmax and Dropout, each layer
    with its own activation, dropout, bias and initializers; losses of probabilities or of logits. A model knows no
    task, batch size or epochs: name them beside these settings; targets are 0 and 1, or with `targets: bipolar` -1 and
    1. Raises `SettingError` with everything that the settings cannot say. Warns of seeds of initializers, which are
    not used.
    """
    found = import_model(model)
    if found.remark:
        warnings.warn(found.remark, stacklevel=2)
    return dict(found.settings)


def import_model(model: Any) -> Imported:
    """Return the settings of a compiled Keras network with the shape of its task. Raises `Obstacles`."""
    keras = importlib.import_module("keras")
    notes = Notes()
    otherwise = _check_kind(model, keras, notes)
    blocks: list[Block] = []
    with notes.noting():
        blocks = blocks_of(chain_of(model), keras, notes)
    trained: Trained = Named("adam"), 0.001
    with notes.noting():
        trained = _optimizer(model.optimizer, keras, notes)
    loss: Loss | None = None
    with notes.noting():
        loss = _loss(model, keras, notes)
    found = assembled(blocks, loss, trained, int(model.inputs[0].shape[1]), notes)
    notes.check(otherwise)
    return replace(found, remark=seeds_not_used if any(b.is_seeded for b in blocks) else "")


def _check_kind(model: Any, keras: Any, notes: Notes) -> str:
    """Note what a model is as a whole, or raise `Obstacles` where no more can be said; how else it can be trained."""
    kind = type(model)
    if not isinstance(model, keras.Model):
        notes.add(("model",), f"found {kind.__name__}", "allowed: a Keras model")
        notes.check("")
    otherwise = trained_as_it_is if model.compiled and model.loss is not None else ""
    if kind.__name__ not in ("Sequential", "Functional") or not kind.__module__.startswith("keras."):
        allowed = "allowed: a Sequential or functional model"
        notes.add(("model",), f"found a model of its own class, {kind.__name__}", allowed)
        notes.check(otherwise)
    if not model.compiled:
        notes.add(("model",), "not compiled", "allowed: a model after compile, with its optimizer and loss")
    if not model.built or not getattr(model, "_functional", model):
        notes.add(("model",), "its inputs are not known", "allowed: a model that begins with keras.Input")
        notes.check("")
    elif len(model.inputs) != 1 or len(model.outputs) != 1:
        found = f"{len(model.inputs)} inputs and {len(model.outputs)} outputs"
        notes.add(("model",), found, "allowed: one of each")
    else:
        _check_input(model.inputs[0], notes)
    if not model.compiled or len(model.outputs) != 1:
        notes.check(otherwise)
    return otherwise


def _check_input(given: Any, notes: Notes) -> None:
    if len(given.shape) != 2 or given.shape[0] is not None or given.dtype != "float32" or given.sparse:
        found = f"shape {tuple(given.shape)}, {given.dtype}{', sparse' if given.sparse else ''}"
        notes.add(("input",), found, "allowed: (None, n), float32, dense")


def _optimizer(optimizer: Any, keras: Any, notes: Notes) -> Trained:
    """The optimizer, and its learning rate."""
    kinds = {type(keras.optimizers.get(name)): name for name in vocabulary.optimizers}
    name = kinds.get(type(optimizer))
    if name is None:
        allowed = did_you_mean(type(optimizer).__name__.lower(), vocabulary.optimizers)
        raise SettingError(("optimizer",), f"found {type(optimizer).__name__}", allowed)
    arguments: dict[str, Any] = {}
    for key, value in optimizer.get_config().items():
        if key in _neutral and value != _neutral[key]:
            notes.add(("optimizer", key), f"found {show(value)}", f"allowed: {show(_neutral[key])}")
        elif key not in _neutral and key not in _without_effect:
            arguments[key] = value
    rate = arguments.pop("learning_rate")
    chosen: float | Named = default_learning_rates[name]
    with notes.noting():
        # Keras keeps a number as float32
        chosen = _schedule(rate) if isinstance(rate, Mapping) else float(str(np.float32(rate)))
    arguments["weight_decay"] = arguments.get("weight_decay") or 0.0  # None is no decay
    if arguments["weight_decay"] and _has_exclusions(optimizer):
        found = "weight decay that leaves out some variables"
        notes.add(("optimizer", "exclude_from_weight_decay"), found, "allowed: decay of all of them")
    found = of_signature(name, arguments, vocabulary.optimizers, ("optimizer",))
    return found, chosen


def _schedule(serialized: Mapping[str, Any]) -> float | Named:
    """A schedule of Keras's as it serializes it."""
    kinds = {name.title().replace("_", ""): name for name in vocabulary.schedules}
    kind = str(serialized.get("class_name"))
    if serialized.get("module") != "keras.optimizers.schedules" or kind not in kinds:
        allowed = f"allowed: a number, {', '.join(kinds)}"
        raise SettingError(("optimizer", "learning_rate"), f"found the schedule {kind}", allowed)
    arguments = {key: value for key, value in serialized["config"].items() if key != "name"}
    with at("optimizer"):
        return resolve({"learning_rate": {**arguments, "name": kinds[kind]}}).learning_rate


def _has_exclusions(optimizer: Any) -> bool:
    return any(
        getattr(optimizer, name, None) for name in ("_exclude_from_weight_decay", "_exclude_from_weight_decay_pattern")
    )


def _loss(model: Any, keras: Any, notes: Notes) -> Loss:
    """The loss, and what it has in itself where it takes logits."""
    names = (*vocabulary.losses, *_other_losses)
    if getattr(model._compile_loss, "_user_loss_weights", None) is not None:
        notes.add(("loss_weights",), "found weights for the loss", "allowed: none")
    if isinstance(model.loss, Mapping | list | tuple):
        raise SettingError(("loss",), "found a list or a mapping of losses", "allowed: one, for the output")
    loss = keras.losses.get(model.loss)
    functions = {id(getattr(keras.losses, name)): name for name in names}
    classes = {getattr(keras.losses, "".join(map(str.capitalize, name.split("_")))): name for name in names}
    name = functions.get(id(loss)) or classes.get(type(loss))
    if name is None:
        found = "no loss" if loss is None else f"found {getattr(loss, '__name__', type(loss).__name__)}"
        raise SettingError(("loss",), found, allowed_names(dict.fromkeys(names, {})))
    # Huber's delta is in no configuration of Keras's
    config = {**loss.get_config(), **loss._fn_kwargs} if type(loss) in classes else {}
    for key, usual in _usual_of_losses.items():
        if config.get(key, usual) != usual:
            notes.add(("loss", key), f"found {show(config[key])}", f"allowed: {show(usual)}")
    name = _other_losses.get(name, name)
    arguments = {key: config[key] for key in vocabulary.losses[name] if key in config}
    inside = _behind_logits[name] if config.get("from_logits") else ""
    found = of_signature(name, arguments, vocabulary.losses, ("loss",))
    return Loss(found, inside, "from_logits=True", "linear, or from_logits=False")
