"""Whose defaults stand where nothing is named: Keras's, or those of another framework as a preset.

A preset names what Keras would have to be told to do the same, so that equal networks are equal whoever wrote them.
Source of PyTorch's: `torch.nn.Linear`, `torch.nn.LeakyReLU`, `torch.optim` (those named here), version 2. Epsilon keeps
Keras's place: RMSprop's and Adagrad's stands inside the root here, so it is the square of the one there, outside.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from sweep.networks.layers import Layer
from sweep.networks.vocabulary import Named
from sweep.runs.errors import SettingError


@dataclass(frozen=True)
class Framework:
    """A framework's defaults: of hyperparameters, and of the arguments of names.

    optimizers: those whose formula is Keras's, None for all.
    """

    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])
    arguments: Mapping[str, Mapping[str, Any]] = field(default_factory=dict[str, Mapping[str, Any]])
    optimizers: tuple[str, ...] | None = None

    def named(self, value: Any) -> Any:
        """A name, or a mapping of one and its arguments, with what the framework adds to it."""
        given = _mapping(value)
        name = given.get("name")
        own = self.arguments.get(name) if isinstance(name, str) else None
        return value if own is None else {"name": name, **own, **given}


def squared(epsilon: float) -> float:
    """The square of an epsilon, as one writes it.

    >>> squared(1e-8)
    1e-16
    """
    return float(f"{epsilon * epsilon:.12g}")


_uniform = {"name": "variance_scaling", "scale": 1 / 3, "mode": "fan_in", "distribution": "uniform"}

frameworks: Mapping[str, Framework] = {
    "keras": Framework(),
    "pytorch": Framework(
        # weights and biases within 1 / sqrt(inputs)
        settings={"kernel_initializer": _uniform, "bias_initializer": "as_kernel"},
        arguments={
            "leaky_relu": {"negative_slope": 0.01},
            "sgd": {"learning_rate": 0.001},
            "adam": {"epsilon": 1e-8},
            "adamw": {"epsilon": 1e-8, "weight_decay": 0.01},
            "rmsprop": {"learning_rate": 0.01, "rho": 0.99, "epsilon": squared(1e-8)},
            "adagrad": {"learning_rate": 0.01, "initial_accumulator_value": 0.0, "epsilon": squared(1e-10)},
            "adamax": {"learning_rate": 0.002, "epsilon": 1e-8},
        },
        optimizers=("sgd", "adam", "adamw", "rmsprop", "adagrad", "adamax"),
    ),
}


def spelled_out(name: str, settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """Settings in which all is named that a framework has otherwise than Keras. Raises `SettingError` for what differs.

    >>> spelled_out("pytorch", {"optimizer": "sgd"})["optimizer"]
    {'name': 'sgd', 'learning_rate': 0.001}
    """
    framework = frameworks[name]
    if framework.optimizers is None:
        return settings
    named = {**framework.settings, **settings}
    optimizer = framework.named(settings.get("optimizer", "adam"))
    _check_optimizer(name, framework, optimizer)
    if settings.get("learning_rate") is not None and "learning_rate" not in _mapping(settings.get("optimizer")):
        optimizer = {key: value for key, value in _mapping(optimizer).items() if key != "learning_rate"}
    named["optimizer"] = optimizer
    named |= {key: _activated(framework, named[key]) for key in ("activation", "output") if key in named}
    if isinstance(named.get("layers"), list | tuple):
        named["layers"] = [_activated(framework, layer) for layer in named["layers"]]
    return named


def framework_of(layers: Sequence[Layer]) -> str:
    """Whose layers these are by how their weights are drawn: `pytorch` where PyTorch draws them so, else `keras`.

    A layer without a bias has no more than its kernel to tell by.
    """
    drawn = Named("variance_scaling", tuple((k, v) for k, v in _uniform.items() if k != "name"))
    are_torch = all(
        x.kernel_initializer == drawn and (not x.use_bias or x.bias_initializer.name == "as_kernel") for x in layers
    )
    return "pytorch" if are_torch else "keras"


def _mapping(value: Any) -> Mapping[str, Any]:
    """A name with its arguments, whether it was written as a mapping or not."""
    return cast(Mapping[str, Any], value) if isinstance(value, Mapping) else {"name": value}


def _activated(framework: Framework, layer: Any) -> Any:
    """A layer or an output, its activation with what the framework adds to it."""
    if not isinstance(layer, Mapping):
        return framework.named(layer)
    given = cast(Mapping[str, Any], layer)
    if "name" in given or "activation" not in given:
        return framework.named(given)
    return {**given, "activation": framework.named(given["activation"])}


def _check_optimizer(name: str, framework: Framework, value: Any) -> None:
    given = _mapping(value)
    optimizer = given.get("name")
    if framework.optimizers is None or not isinstance(optimizer, str):
        return
    if optimizer not in framework.optimizers:
        allowed = f"allowed: {', '.join(framework.optimizers)}"
        raise SettingError(("framework",), f"{name} with {optimizer}, which has another formula there", allowed)
    if optimizer != "adamw" and given.get("weight_decay"):
        found = f"{name} with a weight_decay of {optimizer}, which is a part of the gradient there"
        raise SettingError(("framework",), found, "allowed: adamw, or none")
