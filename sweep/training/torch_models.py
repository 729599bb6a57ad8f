"""A PyTorch network as settings: nn.Sequential of Linear, activations and Dropout, with its loss and its optimizer.

PyTorch is not imported: what is read are names of classes, and attributes. How Linear draws its weights stands nowhere
in a model; PyTorch's own way is taken, and where the weights cannot come of it that is said.
"""

import math
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from sweep.networks import vocabulary
from sweep.networks.frameworks import frameworks, squared
from sweep.networks.layers import Layer
from sweep.networks.vocabulary import Named
from sweep.runs.errors import SettingError, show
from sweep.training.imported import (
    Block,
    Imported,
    Loss,
    Notes,
    Trained,
    activated,
    assembled,
    checked_ends,
    dropped,
    of_signature,
)

# activations: our name, and how our arguments follow from the module's attributes
_activations: Mapping[str, tuple[str, Callable[[Any], Mapping[str, Any]]]] = {
    "Identity": ("linear", lambda m: {}),
    "ReLU": ("relu", lambda m: {}),
    "ReLU6": ("relu6", lambda m: {}),
    "LeakyReLU": ("leaky_relu", lambda m: {"negative_slope": float(m.negative_slope)}),
    "ELU": ("elu", lambda m: {"alpha": float(m.alpha)}),
    "SELU": ("selu", lambda m: {}),
    "Tanh": ("tanh", lambda m: {}),
    "Sigmoid": ("sigmoid", lambda m: {}),
    "Softplus": ("softplus", lambda m: {}),
    "Softsign": ("softsign", lambda m: {}),
    "SiLU": ("silu", lambda m: {}),
    "GELU": ("gelu", lambda m: {"approximate": m.approximate == "tanh"}),
    "Hardsigmoid": ("hard_sigmoid", lambda m: {}),
    "Softmax": ("softmax", lambda m: {}),
}
# attributes at which a module is what its activation here is: beyond Softplus's threshold float32 knows no difference
_usual: Mapping[str, Mapping[str, tuple[Any, ...]]] = {
    "Softplus": {"beta": (1, 1.0), "threshold": (20, 20.0)},
    "Softmax": {"dim": (-1, 1)},
}
_modules = ("Linear", *_activations, "Dropout")
_chain_allowed = f"allowed: {', '.join(_modules)}, in an nn.Sequential"
_cross_entropy = ("categorical_crossentropy", "softmax", {"weight": (None,), "ignore_index": (-100,)})
# losses: our name, what they have in themselves, and attributes with the only values that can be said
_losses: Mapping[str, tuple[str, str, Mapping[str, tuple[Any, ...]]]] = {
    "BCELoss": ("binary_crossentropy", "", {"weight": (None,)}),
    "BCEWithLogitsLoss": ("binary_crossentropy", "sigmoid", {"weight": (None,), "pos_weight": (None,)}),
    "CrossEntropyLoss": _cross_entropy,
    "NLLLoss": _cross_entropy,  # behind a LogSoftmax
    "MSELoss": ("mean_squared_error", "", {}),
    "L1Loss": ("mean_absolute_error", "", {}),
    "HuberLoss": ("huber", "", {}),
    "SmoothL1Loss": ("huber", "", {"beta": (1, 1.0)}),
}
_optimizers = {
    "SGD": "sgd",
    "Adam": "adam",
    "AdamW": "adamw",
    "RMSprop": "rmsprop",
    "Adagrad": "adagrad",
    "Adamax": "adamax",
    "NAdam": "nadam",
}
# of optimizers: what changes how they are computed, not what
_without_effect = ("lr", "params", "foreach", "fused", "capturable", "differentiable")
# what has to be so, and why
_neutral: Mapping[str, tuple[Any, str]] = {
    "maximize": (False, ""),
    "dampening": (0, ""),
    "momentum_decay": (1, ", the only one of Keras's Nadam"),
}
trained_as_it_is = (
    "sweep.study(train, seeds=64, success='accuracy >= 1')  "
    "# train(settings, seed) trains this model, and returns {'accuracy': ..}"
)
_of_pytorch = frameworks["pytorch"].settings


def from_torch(model: Any, loss: Any, optimizer: Any) -> dict[str, Any]:
    """Return the settings of a PyTorch network, as under `fixed` in an experiment file, or for `sweep.train`.

    `model`: an nn.Sequential of Linear, activations and Dropout; `loss`: BCELoss, BCEWithLogitsLoss, CrossEntropyLoss,
    NLLLoss behind a LogSoftmax, MSELoss, L1Loss, HuberLoss or SmoothL1Loss, reduced by its mean; `optimizer`: SGD,
    Adam, AdamW, RMSprop, Adagrad, Adamax, or NAdam with a momentum_decay of 1, with all of the model's parameters.
    Weights are not taken over: they are drawn as PyTorch's Linear draws them, and a warning says where the model's are
    none of these. A model knows no task, batch size or epochs: name them beside these settings.
    Raises `SettingError` with everything that the settings cannot say.
    """
    found = _import(model, loss, optimizer)
    if found.remark:
        warnings.warn(found.remark, stacklevel=2)
    return dict(found.settings)


def _import(model: Any, loss: Any, optimizer: Any) -> Imported:
    notes = Notes()
    if _kind(model) != "Sequential":
        notes.add(("model",), f"found {type(model).__name__}", "allowed: a torch.nn.Sequential")
        notes.check(trained_as_it_is if callable(getattr(model, "parameters", None)) else "")
    modules = list(_flat(model))
    summed = _without_logs(modules, loss)
    blocks = _blocks(summed, notes)
    trained: Trained = Named("adam"), 0.001
    with notes.noting():
        trained = _optimizer(optimizer, model, notes)
    read: Loss | None = None
    with notes.noting():
        if summed is not modules or _kind(loss) == "NLLLoss":
            _check_logs(modules)
        read = _loss(loss, notes)
    n_inputs = next((int(module.in_features) for _, module in modules if _kind(module) == "Linear"), 1)
    blocks = [replace(block, layer=_regularized(block.layer, optimizer)) for block in blocks]
    found = assembled(blocks, read, trained, n_inputs, notes)
    if _kind(loss) == "BCELoss" and blocks and blocks[-1].layer.activation.name not in ("sigmoid", "softmax"):
        label = blocks[-1].layer.activation.label()
        notes.add((blocks[-1].name, "activation"), f"{label} under BCELoss", "allowed: Sigmoid, or BCEWithLogitsLoss")
    notes.check(trained_as_it_is)
    odd = [name for name, module in modules if _kind(module) == "Linear" and _is_drawn_otherwise(module)]
    said = f"PyTorch's Linear does not begin with such weights as those of {', '.join(odd)}. They are not taken over. "
    remark = said + "If they are no training but a start of their own, name kernel_initializer and bias_initializer"
    return replace(found, remark=remark if odd else "")


def _without_logs(modules: list[tuple[str, Any]], loss: Any) -> list[tuple[str, Any]]:
    """The modules without a LogSoftmax at the end of which the loss makes what it would of the sums themselves."""
    is_log = bool(modules) and _kind(modules[-1][1]) == "LogSoftmax"
    return modules[:-1] if is_log and _kind(loss) in ("NLLLoss", "CrossEntropyLoss") else modules


def _check_logs(modules: list[tuple[str, Any]]) -> None:
    """Raise `SettingError` where what stands at the end is no LogSoftmax over the classes."""
    for name, last in modules[-1:]:
        if _kind(last) != "LogSoftmax":
            found = f"{type(last).__name__} under NLLLoss, which is of logarithms"
            raise SettingError((name,), found, "allowed: LogSoftmax, or CrossEntropyLoss without one")
        _check_attributes(last, _usual["Softmax"], (name,))


def _kind(value: Any) -> str:
    """The name of a class of PyTorch's own; of any other nothing."""
    return type(value).__name__ if type(value).__module__.partition(".")[0] == "torch" else ""


def _found(value: Any) -> str:
    """What something is; of a class that it is none of its objects.

    >>> _found(3), _found(dict)
    ('found int', 'found the class dict and not dict(..)')
    """
    if isinstance(value, type):
        return f"found the class {value.__name__} and not {value.__name__}(..)"
    return f"found {type(value).__name__}"


def _flat(model: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """The modules of a Sequential by their names, those of a Sequential inside among them."""
    for name, module in model.named_children():
        here = f"{place}{name}"
        if _kind(module) == "Sequential":
            yield from _flat(module, f"{here}.")
        else:
            yield here, module


def _blocks(modules: list[tuple[str, Any]], notes: Notes) -> list[Block]:
    """The modules as Linear layers, each with what follows it; what cannot be said is noted and left out."""
    blocks: list[Block] = []
    for name, module in modules:
        kind = _kind(module)
        if kind not in _modules:
            behind_it = "; LogSoftmax at the end, under NLLLoss" if kind == "LogSoftmax" else ""
            notes.add((name,), f"a module {type(module).__name__}", _chain_allowed + behind_it)
        elif kind == "Linear":
            if blocks and blocks[-1].layer.units != int(module.in_features):
                found = f"{module.in_features} inputs behind {blocks[-1].layer.units} units"
                notes.add((name, "in_features"), found, "allowed: as many as the layer before has units")
            blocks.append(_block(name, module, notes))
        elif (kind == "Dropout" and not module.p) or kind == "Identity":
            continue
        elif not blocks:
            notes.add((name,), f"{kind} before the first Linear layer", "allowed: Linear first, and others behind it")
        else:
            with notes.noting():
                behind = blocks[-1]
                is_dropout = kind == "Dropout"
                blocks[-1] = (
                    dropped(behind, float(module.p), name)
                    if is_dropout
                    else activated(behind, _read(module, name), name)
                )
    return checked_ends(blocks, "Linear", notes)


def _block(name: str, module: Any, notes: Notes) -> Block:
    has_bias = module.bias is not None
    for key in ("weight", "bias")[: 1 + has_bias]:
        parameter = getattr(module, key)
        if str(parameter.dtype) != "torch.float32":
            notes.add((name, key), f"found {parameter.dtype}", "allowed: torch.float32")
        if not parameter.requires_grad:
            notes.add((name, key), "is not trained", "allowed: requires_grad")
    kernel = dict(_of_pytorch["kernel_initializer"])
    drawn = vocabulary.named(kernel.pop("name"), kernel, vocabulary.initializers)
    bias = Named(_of_pytorch["bias_initializer"] if has_bias else "zeros")
    return Block(name, Layer(int(module.out_features), Named("linear"), 0.0, has_bias, drawn, bias))


def _read(module: Any, name: str) -> Named:
    """The activation of a module."""
    kind = _kind(module)
    _check_attributes(module, _usual.get(kind, {}), (name,))
    ours, arguments = _activations[kind]
    return of_signature(ours, arguments(module), vocabulary.output_activations, (name,))


def _check_attributes(value: Any, usual: Mapping[str, tuple[Any, ...]], place: tuple[str, ...]) -> None:
    for key, allowed in usual.items():
        found = getattr(value, key, None)
        if not any(found is x or (x is not None and found == x) for x in allowed):
            raise SettingError((*place, key), f"found {show(found)}", f"allowed: {show(allowed[0])}")


def _loss(loss: Any, notes: Notes) -> Loss:
    kind = _kind(loss)
    if kind not in _losses:
        raise SettingError(("loss",), _found(loss), f"allowed: {', '.join(_losses)}")
    name, inside, usual = _losses[kind]
    for key, values in {"reduction": ("mean",), **usual}.items():
        with notes.noting():
            _check_attributes(loss, {key: values}, ("loss",))
    given = {"delta": getattr(loss, "delta", 1.0), "label_smoothing": getattr(loss, "label_smoothing", 0.0)}
    arguments = {key: float(given[key]) for key in vocabulary.losses[name]}
    return Loss(of_signature(name, arguments, vocabulary.losses, ("loss",)), inside, kind, "none: the loss has it")


def _optimizer(optimizer: Any, model: Any, notes: Notes) -> Trained:
    """The optimizer, and its learning rate."""
    kind = _kind(optimizer)
    if kind not in _optimizers:
        reason = ", an update that no optimizer here makes" if kind and hasattr(optimizer, "param_groups") else ""
        raise SettingError(
            ("optimizer",), _found(optimizer) + reason, f"allowed: {', '.join(_optimizers)} of torch.optim"
        )
    groups = optimizer.param_groups
    held = {id(parameter) for group in groups for parameter in group["params"]}
    if held != {id(parameter) for parameter in model.parameters()}:
        notes.add(("optimizer", "params"), "not those of the model", "allowed: model.parameters()")
    group = groups[0]
    if any({**other, "params": None} != {**group, "params": None} for other in groups[1:]):
        notes.add(("optimizer", "param_groups"), "groups that differ", "allowed: one for all parameters")
    if "initial_lr" in group:
        allowed = "allowed: an optimizer without one; beside the settings learning_rate may be a schedule"
        notes.add(("optimizer", "lr"), "a scheduler changes it", allowed)
    arguments: dict[str, Any] = {}
    for key, value in group.items():
        if key in _neutral and value != _neutral[key][0]:
            allowed, why = _neutral[key]
            notes.add(("optimizer", key), f"found {show(value)}", f"allowed: {show(allowed)}{why}")
        elif key not in (*_neutral, *_without_effect, "initial_lr", "lr_decay", "decoupled_weight_decay"):
            arguments |= _argument(_optimizers[kind], key, value)
    is_decoupled = _is_decoupled(optimizer)
    name = "adamw" if is_decoupled and kind == "Adam" else _optimizers[kind]
    if not is_decoupled:
        del arguments["weight_decay"]  # a part of the gradient: a regularizer
    return of_signature(name, arguments, vocabulary.optimizers, ("optimizer",)), _learning_rate(group)


def _learning_rate(group: Mapping[str, Any]) -> float | Named:
    """The rate; that of Adagrad may fall with the steps, as Keras's inverse time decay does."""
    rate, decay = float(group["lr"]), float(group.get("lr_decay", 0.0))
    if not decay:
        return rate
    arguments = {"initial_learning_rate": rate, "decay_steps": 1, "decay_rate": decay}
    return of_signature("inverse_time_decay", arguments, vocabulary.schedules, ("optimizer", "lr_decay"))


def _is_decoupled(optimizer: Any) -> bool:
    """Whether weight decay is taken off the weights, and no part of the gradient."""
    return bool(optimizer.param_groups[0].get("decoupled_weight_decay", _kind(optimizer) == "AdamW"))


def _regularized(layer: Layer, optimizer: Any) -> Layer:
    """A layer with the weight decay that an optimizer puts into the gradient: that of l2 with half of the factor."""
    is_in_gradient = _kind(optimizer) in _optimizers and not _is_decoupled(optimizer)
    decay = optimizer.param_groups[0]["weight_decay"] if is_in_gradient else 0.0
    regularizer = Named("l2", (("l2", decay / 2),)) if decay else Named("none")
    of_bias = regularizer if layer.use_bias else Named("none")
    return replace(layer, kernel_regularizer=regularizer, bias_regularizer=of_bias)


def _argument(name: str, key: str, value: Any) -> dict[str, Any]:
    """An argument of an optimizer by our names; the epsilon of RMSprop and Adagrad stands inside the root here."""
    if key == "betas":
        return {"beta_1": float(value[0]), "beta_2": float(value[1])}
    if key == "eps":
        return {"epsilon": squared(value) if name in ("rmsprop", "adagrad") else float(value)}
    return {"rho" if key == "alpha" else key: value}


def _is_drawn_otherwise(module: Any) -> bool:
    """Whether PyTorch's Linear cannot have drawn these weights: beyond 1 / sqrt(inputs), or all alike."""
    bound = 1 / math.sqrt(module.in_features) * (1 + 1e-6)
    for parameter in (module.weight, module.bias):
        if parameter is None:
            continue
        values = parameter.detach().flatten().tolist()
        if max(map(abs, values)) > bound or (len(values) > 1 and len(set(values)) == 1):
            return True
    return False
